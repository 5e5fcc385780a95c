/** `npm run bench`: speed and latency, each beside QEMU or GDB on the same files in the same run. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { endurance } from './endurance.ts';
import { eventCosts, startTimes } from './events.ts';
import { latency } from './latency.ts';
import { describeSetting, type Ours } from './machines.ts';
import { BenchError, ROOT } from './measure.ts';
import { asMarkdown, asText, type Findings } from './report.ts';
import { PROGRAMS, type Program, type Throughput, throughput, VARIANTS, type Variant } from './throughput.ts';

const PARTS = ['programs', 'interpreter-alone', 'events', 'start', 'latency'] as const;
type Part = (typeof PARTS)[number];

const HELP = `npm run bench -- [PART|PROGRAM]… [OPTION]…

Parts (all of them when none is named):
  programs            guest programs, all tiers
  interpreter-alone   the same with the translator off
  events              what an MMIO read, a system call, a CSR write and a fence cost
  start               from the start of the process to the end of a guest that ends at once
  latency             from F5 to the first stop, and one step, beside GDB
  endurance           only when named: a guest that generates code for ever; memory and speed over time

Programs (part 'programs' with these only):
${Object.entries(PROGRAMS)
  .map(([name, what]) => `  ${name.padEnd(20)}${what}`)
  .join('\n')}

Options:
  --rounds N          medians of N runs (default 5; 'interpreter-alone' takes 3 at most)
  --scale PERCENT     of the programs' work (default 100; 'interpreter-alone' does a 16th of it)
  --variant bare|paged
  --tier interpreter  programs, events and endurance with the translator off
  --node FILE         the Node binary that runs the machine (default: this one)
  --minutes N         how long 'endurance' takes (default 60)
  --json, --markdown  the form of the result (default: text)
  --update            writes the tables into PERFORMANCE.md`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      scale: { type: 'string', default: '100' },
      variant: { type: 'string' },
      tier: { type: 'string', default: 'all' },
      node: { type: 'string', default: process.execPath },
      minutes: { type: 'string', default: '60' },
      json: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
      update: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const rounds = count(values.rounds, '--rounds');
  const scale = count(values.scale, '--scale');
  const variants = values.variant === undefined ? VARIANTS : [oneOf(VARIANTS, values.variant, '--variant')];
  const tier = oneOf(['all', 'interpreter'] as const, values.tier, '--tier');
  const ours: Ours = { node: values.node, tier };
  if (positionals.includes('endurance')) {
    await runEndurance(ours, Number(values.minutes), variants);
    return;
  }
  const { parts, programs } = chosen(positionals);
  const findings = await find({ parts, programs, variants, ours, rounds, scale });
  if (values.json) console.log(JSON.stringify(findings, undefined, 2));
  else console.log(values.markdown ? asMarkdown(findings) : asText(findings));
  if (values.update) updateDocument(asMarkdown(findings));
}

function count(text: string, option: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1)
    throw new BenchError(`${option} takes a whole number of at least 1`);
  return number;
}

function oneOf<T extends string>(known: readonly T[], value: string, what: string): T {
  const found = known.find((one) => one === value);
  if (found === undefined) throw new BenchError(`${what} takes ${known.join(' or ')}, not '${value}'`);
  return found;
}

function chosen(names: readonly string[]): { parts: readonly Part[]; programs: readonly Program[] } {
  const all = Object.keys(PROGRAMS) as Program[];
  const programs = all.filter((program) => names.includes(program));
  const parts = PARTS.filter((part) => names.includes(part));
  const unknown = names.find(
    (name) => !(all as string[]).includes(name) && !(PARTS as readonly string[]).includes(name),
  );
  if (unknown !== undefined) throw new BenchError(`no part or program ${unknown}; see --help`);
  if (names.length === 0) return { parts: PARTS, programs: all };
  const implied: readonly Part[] =
    programs.length > 0 && !parts.includes('interpreter-alone') && !parts.includes('programs')
      ? ['programs']
      : [];
  return { parts: [...implied, ...parts], programs: programs.length > 0 ? programs : all };
}

interface Chosen {
  readonly parts: readonly Part[];
  readonly programs: readonly Program[];
  readonly variants: readonly Variant[];
  readonly ours: Ours;
  readonly rounds: number;
  readonly scale: number;
}

async function find({ parts, programs, variants, ours, rounds, scale }: Chosen): Promise<Findings> {
  const findings: Findings = { setting: describeSetting(ours.node, rounds) };
  const onResult = ({ program, variant, cpuRatio }: Throughput): void =>
    progress(`${program} ${variant}: ${cpuRatio.toFixed(3)}`);
  for (const part of parts) {
    progress(part);
    switch (part) {
      case 'programs':
        findings.throughput = throughput({ ours, programs, variants, rounds, scale, onResult });
        break;
      case 'interpreter-alone': {
        const alone: Ours = { ...ours, tier: 'interpreter' };
        const less = { rounds: Math.min(rounds, 3), scale: Math.ceil(scale / 16) };
        findings.interpreter = throughput({ ours: alone, programs, variants, ...less, onResult });
        break;
      }
      case 'events':
        findings.events = eventCosts(ours, rounds, ({ what, variant, oursNs }) =>
          progress(`${what}, ${variant}: ${oursNs.toFixed(0)} ns`),
        );
        break;
      case 'start':
        findings.start = startTimes(ours, rounds);
        break;
      case 'latency':
        findings.latency = await latency(rounds);
        break;
    }
  }
  return findings;
}

/** What has been found so far goes to stderr, so that the result alone is on stdout. */
function progress(text: string): void {
  console.error(`  ${text}`);
}

async function runEndurance(ours: Ours, minutes: number, variants: readonly Variant[]): Promise<void> {
  if (!(minutes > 0)) throw new BenchError('--minutes takes a number above 0');
  for (const variant of variants) {
    console.log(
      `${variant}, ${minutes} minutes\n    seconds       MiB  functions      MIPS  MIPS of CPU time`,
    );
    const { speedKept, memoryGrowth } = await endurance(ours, minutes, variant, (sample) => {
      const { at, residentMiB, functions, mips, cpuMips } = sample;
      const cells = [
        at.toFixed(0),
        residentMiB.toFixed(0),
        String(functions),
        mips.toFixed(1),
        cpuMips.toFixed(1),
      ];
      console.log(cells.map((cell) => cell.padStart(11)).join(''));
    });
    console.log(`speed of the last quarter to the first: ${speedKept.toFixed(3)}`);
    console.log(`memory of the last quarter to the second: ${memoryGrowth.toFixed(3)}`);
  }
}

const DOCUMENT = join(ROOT, 'PERFORMANCE.md');
const BEGIN = '<!-- figures -->\n';
const END = '<!-- end of figures -->\n';

/** Puts the tables between the two marks of PERFORMANCE.md. */
function updateDocument(tables: string): void {
  const text = readFileSync(DOCUMENT, 'utf8');
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin)
    throw new BenchError(`PERFORMANCE.md lacks the marks ${BEGIN.trim()} and ${END.trim()}`);
  writeFileSync(DOCUMENT, text.slice(0, begin) + BEGIN + '\n' + tables + '\n' + text.slice(end));
}

main().catch((error: Error) => {
  console.error(`bench: ${error.message}`);
  process.exitCode = error instanceof BenchError ? 2 : 70;
});
