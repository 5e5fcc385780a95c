/**
 * Machine code as text. Instructions are 2 or 4 bytes long, so going back from an address is guessing, unless a
 * place before it is known to start an instruction: a function's entry, or a row of the line table.
 */
import { hex } from '../vmm/base/brands.ts';
import { disassemble } from '../vmm/isa/disassemble.ts';
import type { MachineView, Space } from './machine-view.ts';
import type { Symbols } from './symbols/index.ts';

export interface CodeLine {
  readonly address: bigint;
  readonly size: number;
  /** The instruction's bytes as one number, `00b50533`; empty where memory cannot be read. */
  readonly bytes: string;
  readonly text: string;
  readonly isValid: boolean;
}

export interface CodeRequest {
  readonly hart: number;
  readonly address: bigint;
  readonly space: Space;
}

/** What is needed of the machine. */
export type MemoryReader = Pick<MachineView, 'readMemory'>;

/** Instructions looked back over, at most: a view asks for a screen or two. */
const BACK_MAX = 4096;

/** `count` instructions from `address` on; where memory cannot be read they are placeholders. */
export async function disassembleForward(
  view: MemoryReader,
  { hart, address, space }: CodeRequest,
  count: number,
  symbols?: Symbols,
): Promise<CodeLine[]> {
  const bytes = await view.readMemory(hart, address, count * 4, space);
  const lines: CodeLine[] = [];
  for (let at = 0; lines.length < count; ) {
    const line = decode(bytes, at, BigInt.asUintN(64, address + BigInt(at)), symbols);
    lines.push(line);
    at += line.size;
  }
  return lines;
}

/** The `count` instructions that end right before `address`, in order; placeholders where there are none. */
export async function disassembleBackward(
  view: MemoryReader,
  { hart, address, space }: CodeRequest,
  count: number,
  symbols: Symbols,
): Promise<CodeLine[]> {
  const wanted = Math.min(count, BACK_MAX);
  const lowest = maxOf(0n, address - BigInt(wanted * 4));
  const readable = await readUpTo(view, hart, lowest, address, space);
  const origin = address - BigInt(readable.length);
  const starts = startsBefore(symbols, origin, address);
  const path = decodeTo(readable, origin, address, starts, symbols);
  const lines = path.slice(-count);
  while (lines.length < count) {
    const end = lines[0]?.address ?? address;
    lines.unshift(placeholder(BigInt.asUintN(64, end - 2n)));
  }
  return lines;
}

/** The longest readable run of bytes that ends at `end`. */
async function readUpTo(
  view: MemoryReader,
  hart: number,
  start: bigint,
  end: bigint,
  space: Space,
): Promise<Uint8Array> {
  const PAGE = 4096n;
  let from = start;
  for (;;) {
    const length = Number(end - from);
    if (length <= 0) return new Uint8Array();
    const bytes = await view.readMemory(hart, from, length, space);
    if (bytes.length === length) return bytes;
    // What cannot be read ends at a page boundary: try again from the next.
    from = ((from + BigInt(bytes.length)) / PAGE + 1n) * PAGE;
  }
}

/** Known starts of instructions in `[origin, end)`, latest first. */
function startsBefore(symbols: Symbols, origin: bigint, end: bigint): bigint[] {
  const starts = new Set<bigint>();
  for (let at = end - 1n; at >= origin; ) {
    const entry = symbols.functionAt(at)?.ranges.find((range) => range.start <= at && at < range.end)?.start;
    const row = symbols.lineFor(at)?.address;
    const symbol = symbols.symbolize(at);
    const label = symbol === undefined ? undefined : at - symbol.offset;
    const known = [entry, row, label].filter((start) => start !== undefined && start <= at) as bigint[];
    const latest = known.reduce((a, b) => maxOf(a, b), origin - 1n);
    if (latest < origin) {
      at -= 2n;
      continue;
    }
    starts.add(latest);
    at = latest - 1n;
  }
  return [...starts];
}

/**
 * Decodes from `origin` so that an instruction ends exactly at `end`. Between known starts this is certain; before the
 * first, both parities are tried, as code read out of step falls back into step within a few instructions.
 */
function decodeTo(
  bytes: Uint8Array,
  origin: bigint,
  end: bigint,
  starts: readonly bigint[],
  symbols: Symbols,
): CodeLine[] {
  const anchors = [...starts].reverse();
  const first = anchors[0] ?? end;
  const lines = guessTo(bytes, origin, first, symbols);
  for (const [index, start] of anchors.entries()) {
    const stop = anchors[index + 1] ?? end;
    lines.push(...decodeBetween(bytes, origin, start, stop, symbols));
  }
  return lines;
}

function guessTo(bytes: Uint8Array, origin: bigint, end: bigint, symbols: Symbols): CodeLine[] {
  const odd = origin % 2n;
  const attempts = [0n, 2n].map((skip) => decodeBetween(bytes, origin, origin + odd + skip, end, symbols));
  const lands = (lines: readonly CodeLine[]) => lines.every(({ isValid }) => isValid);
  return attempts.find(lands) ?? attempts[0]!;
}

/** Instructions in `[start, end)`; one that would reach over `end` is shown as a halfword that is no instruction. */
function decodeBetween(
  bytes: Uint8Array,
  origin: bigint,
  start: bigint,
  end: bigint,
  symbols: Symbols,
): CodeLine[] {
  const lines: CodeLine[] = [];
  for (let at = start; at < end; ) {
    const line = decode(bytes, Number(at - origin), at, symbols);
    const fits = at + BigInt(line.size) <= end;
    lines.push(fits ? line : halfword(bytes, Number(at - origin), at));
    at += fits ? BigInt(line.size) : 2n;
  }
  return lines;
}

function decode(bytes: Uint8Array, at: number, address: bigint, symbols: Symbols | undefined): CodeLine {
  const low = readHalf(bytes, at);
  if (low === undefined) return placeholder(address);
  // The two low bits tell a 4-byte instruction (RISC-V unprivileged, "Base Instruction-Length Encoding").
  const isLong = (low & 3) === 3;
  const high = isLong ? readHalf(bytes, at + 2) : 0;
  if (high === undefined) return halfword(bytes, at, address);
  const raw = isLong ? (low | (high << 16)) >>> 0 : low;
  const size = isLong ? 4 : 2;
  const { text, valid } = disassemble(raw, address, { symbol: (target) => nameOf(symbols, target) });
  return { address, size, bytes: raw.toString(16).padStart(size * 2, '0'), text, isValid: valid };
}

function nameOf(symbols: Symbols | undefined, address: bigint): string | undefined {
  const symbol = symbols?.symbolize(address);
  if (symbol === undefined) return undefined;
  return symbol.offset === 0n ? symbol.name : `${symbol.name}+${hex(symbol.offset)}`;
}

const readHalf = (bytes: Uint8Array, at: number): number | undefined =>
  at + 2 <= bytes.length ? bytes[at]! | (bytes[at + 1]! << 8) : undefined;

function halfword(bytes: Uint8Array, at: number, address: bigint): CodeLine {
  const raw = (readHalf(bytes, at) ?? 0).toString(16).padStart(4, '0');
  return { address, size: 2, bytes: raw, text: `.2byte 0x${raw}`, isValid: false };
}

const placeholder = (address: bigint): CodeLine => ({
  address,
  size: 2,
  bytes: '',
  text: '??',
  isValid: false,
});

const maxOf = (a: bigint, b: bigint): bigint => (a > b ? a : b);
