/** Commands of the debug console: `walk`, `exits`, `trace`, `devices`, `help`. All else typed there is an expression. */
import { hex } from '../../vmm/base/brands.ts';
import { VmError } from '../../vmm/base/vm-error.ts';
import { AVAILABLE_EXIT_KINDS, type ExitKind, type ExitRecord } from '../../vmm/protocol/exits.ts';
import type { AccessType, WalkResult } from '../../vmm/protocol/walk.ts';
import type { Debuggee } from '../debuggee.ts';
import { describeExit } from '../describe.ts';
import { locate } from '../locate.ts';
import type { FrameRef } from '../nodes.ts';
import { formatTable } from '../text-table.ts';
import { evaluateAddress } from './address.ts';
import type { SessionContext } from './context.ts';

interface Invocation {
  readonly debuggee: Debuggee;
  readonly ref: FrameRef;
  /** What stands behind the command's name. */
  readonly text: string;
}

interface ConsoleCommand {
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
  run(invocation: Invocation): Promise<string>;
}

export const CONSOLE_COMMANDS: readonly ConsoleCommand[] = [
  {
    name: 'walk',
    usage: 'walk ADDR [read|write|execute]',
    summary: 'walks an address through the page tables: an expression, such as $sp or &main',
    run: walk,
  },
  {
    name: 'exits',
    usage: 'exits [KIND…]',
    summary: 'counts exits from guest to VMM, by kind and by cause',
    run: exits,
  },
  {
    name: 'trace',
    usage: 'trace [N] [KIND…] [if CONDITION]',
    summary: 'lists the last N traced exits (default 20)',
    run: trace,
  },
  {
    name: 'devices',
    usage: 'devices [NAME]',
    summary: 'lists the devices of the board, or the registers of one',
    run: devices,
  },
  { name: 'help', usage: 'help', summary: 'lists these commands', run: help },
];

/** The output of a command, or undefined when `text` is none (a variable of the program may well be called `trace`). */
export async function runConsoleCommand(
  _context: SessionContext,
  debuggee: Debuggee,
  ref: FrameRef,
  text: string,
): Promise<string | undefined> {
  const match = /^\s*([a-z]+)(?:\s+([^=].*?)?)?\s*$/s.exec(text);
  const command = CONSOLE_COMMANDS.find(({ name }) => name === match?.[1]);
  return command?.run({ debuggee, ref, text: match?.[2] ?? '' });
}

async function help(): Promise<string> {
  const rows = CONSOLE_COMMANDS.map(({ usage, summary }) => `  ${usage.padEnd(34)}${summary}`);
  return [
    'Commands:',
    ...rows,
    'All else is an expression: variables, registers ($a0, $pc), CSRs and their fields ($sstatus, $sstatus.SIE),',
    'C operators, casts, NAME = VALUE; a format may follow: ,x ,d ,b ,s',
  ].join('\n');
}

const ACCESSES: ReadonlySet<string> = new Set(['read', 'write', 'execute']);

async function walk({ debuggee, ref, text }: Invocation): Promise<string> {
  const words = text.split(/\s+/);
  const last = words.at(-1) ?? '';
  const access = words.length > 1 && ACCESSES.has(last) ? (last as AccessType) : undefined;
  const expression = access === undefined ? text : words.slice(0, -1).join(' ');
  if (expression === '') throw new VmError('bad-request', 'Say what to walk: walk 0x80200000, or walk $sp.');
  const address = await evaluateAddress(debuggee, ref, expression);
  const result = await debuggee.vm.request('vm.walk', {
    ...{ hart: ref.hart, address },
    ...(access === undefined ? {} : { access }),
  });
  return formatWalk(result, ref.hart);
}

function formatWalk(result: WalkResult, hart: number): string {
  const title = `${hex(result.address)} on hart ${hart}, ${result.mode}`;
  const rows = result.levels.map((level) => [
    `level ${level.level}`,
    hex(level.table),
    String(level.index),
    hex(level.pteAddress),
    hex(level.pte, 16),
    level.memoryType === undefined ? level.flags : `${level.flags} ${level.memoryType}`,
    level.flags === '' ? '' : `${level.leaf ? 'page' : 'table'} ${hex(level.target)}`,
  ]);
  const header = ['', 'table', 'index', 'PTE at', 'PTE', 'flags', 'points to'];
  const table = rows.length === 0 ? [] : [formatTable(header, rows, new Set([2]))];
  const size = result.pageSize === undefined ? '' : ` (page of ${formatSize(result.pageSize)})`;
  const end = result.fault ?? `physical ${hex(result.physical ?? 0n)}${size}`;
  return [title, ...table, `=> ${end}`].join('\n');
}

function formatSize(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${bytes / 2 ** (10 * power)} ${units[power]}`;
}

/** A firmware that looks for its devices touches hundreds of registers once. */
const DETAIL_ROWS_MAX = 40;

async function exits({ debuggee, text }: Invocation): Promise<string> {
  const kinds = parseKinds(text.split(/\s+/).filter((word) => word !== ''));
  const isWanted = ({ kind }: { kind: ExitKind }) => kinds.length === 0 || kinds.includes(kind);
  const stats = await debuggee.vm.request('vm.exitStats', {});
  const totals = new Map<ExitKind, number>();
  for (const { kind, count } of stats.counts.filter(isWanted))
    totals.set(kind, (totals.get(kind) ?? 0) + count);
  const rows = [...totals].filter(([, count]) => count > 0).map(([kind, count]) => [kind, String(count)]);
  if (rows.length === 0) return 'No exits so far.';
  const detail = stats.detail.filter(isWanted).toSorted((a, b) => b.count - a.count);
  const detailRows = detail
    .slice(0, DETAIL_ROWS_MAX)
    .map(({ kind, key, count, handlerNs }) => [
      ...[kind, key, String(count)],
      count === 0 ? '' : `${Math.round(handlerNs / count)} ns`,
    ]);
  const counts = formatTable(['kind', 'exits'], rows, new Set([1]));
  if (detailRows.length === 0) return counts;
  const table = formatTable(['traced', '', 'count', 'handled in'], detailRows, new Set([2, 3]));
  const left = detail.length - detailRows.length;
  return [counts, '', table, ...(left === 0 ? [] : [`and ${left} less frequent ones`])].join('\n');
}

const TRACE_DEFAULT = 20;
const TRACE_MAX = 1000;

async function trace({ debuggee, text }: Invocation): Promise<string> {
  const [, before = '', condition] = /^(.*?)(?:\bif\s+(.*))?$/s.exec(text) ?? [];
  const words = before.split(/\s+/).filter((word) => word !== '');
  const number = words.find((word) => /^\d+$/.test(word));
  const kinds = parseKinds(words.filter((word) => word !== number));
  const filter = {
    ...(kinds.length === 0 ? {} : { kinds }),
    ...(condition === undefined ? {} : { condition }),
  };
  const count = Math.min(Number(number ?? TRACE_DEFAULT), TRACE_MAX);
  const records = await lastRecords(debuggee, filter, count);
  if (records.length === 0) return 'Nothing traced so far that fits.';
  const rows = await Promise.all(
    records.map(async (record) => [
      ...[String(record.sequence), String(record.step), `hart ${record.hart}`],
      (await locate(debuggee, record.hart, record.pc)) ?? hex(record.pc),
      record.exit.kind,
      describeExit(record.exit, record.stage),
    ]),
  );
  return formatTable(['#', 'step', 'hart', 'at', 'kind', 'exit'], rows, new Set([0, 1]));
}

/** The trace is read forwards; this pages through to its end and keeps the last `count`. */
async function lastRecords(
  { vm }: Debuggee,
  filter: { kinds?: ExitKind[]; condition?: string },
  count: number,
): Promise<readonly ExitRecord[]> {
  const PAGE = 10_000;
  let kept: ExitRecord[] = [];
  for (let after = 0; ; ) {
    const { records, next } = await vm.request('vm.trace', { after, limit: PAGE, filter });
    kept = [...kept, ...records].slice(-count);
    if (next <= after || records.length < PAGE) return kept;
    after = next;
  }
}

async function devices({ debuggee, text }: Invocation): Promise<string> {
  const all = (await debuggee.vm.request('vm.devices', { values: true })).devices;
  if (text === '') {
    const rows = all.map(({ name, base, size, irqs, compatible }) => [
      ...[name, hex(base), hex(size), irqs.join(', '), compatible],
    ]);
    return formatTable(['device', 'base', 'size', 'irq', 'compatible'], rows);
  }
  const device = all.find(({ name }) => name === text);
  if (device === undefined) {
    const names = all.map(({ name }) => name).join(', ');
    throw new VmError('bad-request', `There is no device "${text}". Devices are ${names}.`);
  }
  const rows = device.registers.map(({ name, offset, size, value, fields, description }) => [
    ...[name, `+${hex(offset)}`, value === null ? '-' : hex(value, size * 2)],
    fields
      .filter((field) => field.value !== null && field.value !== 0n)
      .map((field) => `${field.name}=${field.text ?? field.value}`)
      .join(' ') ||
      (description ?? ''),
  ]);
  return formatTable([device.name, 'offset', 'value', ''], rows);
}

function parseKinds(words: readonly string[]): ExitKind[] {
  return words.map((word) => {
    const kind = AVAILABLE_EXIT_KINDS.find((one) => one === word);
    if (kind === undefined) {
      throw new VmError(
        'bad-request',
        `There is no exit of kind "${word}". Kinds are ${AVAILABLE_EXIT_KINDS.join(', ')}.`,
      );
    }
    return kind;
  });
}
