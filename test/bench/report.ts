import type { EventCost, StartTimes } from './events.ts';
import type { Latency } from './latency.ts';
import type { Setting } from './machines.ts';
import { geometricMean } from './measure.ts';
import { summarize, type Throughput, type Variant } from './throughput.ts';

/** Everything a run of the benchmarks found; a part that was not asked for is absent. */
export interface Findings {
  readonly setting: Setting;
  throughput?: readonly Throughput[];
  /** The same with the translator off. */
  interpreter?: readonly Throughput[];
  events?: readonly EventCost[];
  start?: StartTimes;
  latency?: readonly Latency[];
}

/** A table: its heading, column names, and rows of cells. */
interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const ratio = (value: number): string => value.toFixed(2);
const small = (value: number): string => value.toFixed(3);

/** The findings as text in aligned columns. */
export function asText(findings: Findings): string {
  return tablesOf(findings)
    .map(({ title, columns, rows }) => {
      const all = [columns, ...rows];
      const widths = columns.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
      const lines = all.map((row) =>
        row
          .map((cell, column) =>
            column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]! + 2),
          )
          .join('')
          .trimEnd(),
      );
      return `${title}\n${lines.join('\n')}\n`;
    })
    .join('\n');
}

/** The findings as the tables of PERFORMANCE.md. */
export function asMarkdown(findings: Findings): string {
  const { processor, cores, node, qemu, compiler, rounds } = findings.setting;
  const setting =
    `Taken on: ${processor}, ${cores} cores; Node ${node}; QEMU ${qemu}; guests by gcc ${compiler}; ` +
    `medians of ${rounds} runs in turn.\n`;
  const tables = tablesOf(findings).map(({ title, columns, rows }) => {
    const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
    const rule = columns.map((_, column) => (column === 0 ? '---' : '---:'));
    return `### ${title}\n\n${[columns, rule, ...rows].map(line).join('\n')}\n`;
  });
  return [setting, ...tables].join('\n');
}

function tablesOf(findings: Findings): Table[] {
  const { throughput, interpreter, events, start, latency } = findings;
  return [
    ...(throughput ? [throughputTable('Throughput, ratio to QEMU', throughput)] : []),
    ...(interpreter ? [throughputTable('The interpreter alone, ratio to QEMU', interpreter)] : []),
    ...(events ? [eventTable(events)] : []),
    ...(start || latency ? [waitTable(start, latency ?? [])] : []),
  ];
}

/** A program a row; for each variant the ratios of CPU and of wall time, and that of CPU time with starting and stopping. */
function throughputTable(title: string, results: readonly Throughput[]): Table {
  const summaries = summarize(results);
  const programs = [...new Set(results.map(({ program }) => program))];
  const row = (name: string, cells: (variant: Variant) => readonly string[]): string[] => [
    name,
    ...summaries.flatMap(({ variant }) => cells(variant)),
  ];
  const of = (variant: Variant): Throughput[] => results.filter((result) => result.variant === variant);
  return {
    title,
    columns: row('program', (variant) => [variant, 'MIPS', 'wall', 'with start']),
    rows: [
      ...programs.map((program) =>
        row(program, (variant) => {
          const { cpuRatio, wallRatio, wholeRatio, instructions, ours } = of(variant).find(
            (result) => result.program === program,
          )!;
          const mips = (instructions / ours.cpu / 1e6).toFixed(0);
          return [small(cpuRatio), mips, small(wallRatio), small(wholeRatio)];
        }),
      ),
      row('geometric mean', (variant) => {
        const mean = (ratioOf: (result: Throughput) => number): string =>
          small(geometricMean(of(variant).map(ratioOf)));
        return [
          mean(({ cpuRatio }) => cpuRatio),
          '',
          mean(({ wallRatio }) => wallRatio),
          mean(({ wholeRatio }) => wholeRatio),
        ];
      }),
      row('lowest', (variant) => {
        const { lowest } = summaries.find((summary) => summary.variant === variant)!;
        return [small(lowest.cpuRatio), '', '', ''];
      }),
    ],
  };
}

function eventTable(costs: readonly EventCost[]): Table {
  const rows = costs.map(({ what, variant, oursNs, qemuNs }) => [
    `${what}, ${variant}`,
    oursNs.toFixed(0),
    qemuNs.toFixed(0),
    ratio(qemuNs / oursNs),
  ]);
  return { title: 'Events, CPU time each', columns: ['event', 'ns', 'QEMU ns', 'ratio'], rows };
}

function waitTable(start: StartTimes | undefined, latencies: readonly Latency[]): Table {
  const line = (what: string, ours: number, other: number, beside: string): string[] => [
    what,
    ours.toFixed(ours < 10 ? 2 : 0),
    `${other.toFixed(other < 10 ? 2 : 0)} (${beside})`,
    ratio(other / ours),
  ];
  return {
    title: 'Waiting, wall time',
    columns: ['what is waited for', 'ms', 'beside it, ms', 'ratio'],
    rows: [
      ...(start
        ? [line('start to the end of a guest that ends at once', start.oursMs, start.qemuMs, 'QEMU')]
        : []),
      ...latencies.map(({ what, oursMs, gdbMs }) => line(what, oursMs, gdbMs, 'GDB and QEMU')),
    ],
  };
}
