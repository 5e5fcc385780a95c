/**
 * Where the guest `test/support/guests/sequences.S` finds random instruction sequences, and where it leaves what they
 * did. The offsets must agree with that file.
 */
import { assert } from '../../vmm/base/assert.ts';
import type { PrivilegeLevel } from '../../vmm/contracts/hart.ts';
import { buildPageTables, type PageMapping, PTE } from './page-tables.ts';

/** How the sequences of a batch run. Levels of page tables: 0 for none, 3 to 5 for Sv39, Sv48 and Sv57. */
export interface Environment {
  readonly privilege: PrivilegeLevel;
  readonly levels: 0 | 3 | 4 | 5;
  /** Whether the page tables let sequences write their own code. */
  readonly writableCode: boolean;
}

const TABLES_BASE = 0x8040_0000;
const CODE_BASE = 0x8100_0000;
const BUFFERS_BASE = 0x8180_0000;
const RECORDS_BASE = 0x8200_0000;
const PAGE = 4096;

/** Not divisors of the page size, so that some sequences, instructions and accesses lie across two pages. */
const CODE_STRIDE = 522;
const BUFFER_STRIDE = 520;
/** The closing ecall included. */
export const CODE_BYTES_MAX = CODE_STRIDE;
export const BUFFER_SIZE = 512;

const FIRST_RECORD = 0x1000;
const RECORD_SIZE = 1024;
const X = 0;
const F = 256;
const CODE = 512;
const STATUS = 520;
const SSCRATCH = 528;
const SATP = 536;
const TRAPS = 544;
const TRAP_LIST = 552;
const TRAPS_MAX = 19;
const ENVIRONMENT = 1008;

/** Added to physical addresses where there is paging: virtual ones look like no address of the board. */
const VIRTUAL_OFFSET = 0x10_0000_0000;
const offsetIn = ({ levels }: Environment): number => (levels === 0 ? 0 : VIRTUAL_OFFSET);

/** Address of a sequence's first instruction, and of the memory it may load from and store to. */
export const codeAddress = (environment: Environment, slot: number): number =>
  CODE_BASE + slot * CODE_STRIDE + offsetIn(environment);
export const bufferAddress = (environment: Environment, slot: number): number =>
  BUFFERS_BASE + slot * BUFFER_STRIDE + offsetIn(environment);

/** Nothing is there on the `virt` board, between the CLINT and the PLIC. Page tables map the first, not the second. */
export const HOLE_ADDRESS = 0x0800_0000n;
export const UNMAPPED_ADDRESS = 0x0900_0000n;

/** Registers and memory as a sequence starts with them, or as it left them. 64-bit values are unsigned. */
export interface SequenceState {
  readonly fcsr: number;
  /** x1 to x31 at their index; x[0] is unused. */
  readonly x: readonly bigint[];
  readonly f: readonly bigint[];
  readonly buffer: Uint8Array;
  readonly sscratch: bigint;
  /** mstatus.FS while the sequence runs: 0 off, 3 dirty. */
  readonly fs: number;
  /** What menvcfg and senvcfg allow below M-mode: CBIE, CBCFE and CBZE (RISC-V unprivileged, "CMO" Extensions). */
  readonly environment: { readonly machine: number; readonly supervisor: number };
}

export interface SequenceTrap {
  readonly cause: bigint;
  /** pc less the sequence's first address. */
  readonly offset: bigint;
  readonly tval: bigint;
}

export interface SequenceOutcome extends Omit<SequenceState, 'fs' | 'environment'> {
  /** All of them are counted, the first are listed. */
  readonly trapCount: number;
  readonly traps: readonly SequenceTrap[];
}

export interface SequenceInput {
  readonly code: Uint8Array;
  readonly start: SequenceState;
}

/** A part of guest memory. */
export interface Image {
  readonly address: number;
  readonly data: Uint8Array;
}
/** What a machine is loaded with, and what it has there after the run. */
export interface Images {
  readonly code: Image;
  readonly buffers: Image;
  readonly tables: Image;
  readonly records: Image;
}

/** The images of a batch; the sequences must have been made for the environment. */
export function encodeSequences(environment: Environment, sequences: readonly SequenceInput[]): Images {
  const code = wholePages(sequences.length * CODE_STRIDE);
  const buffers = wholePages(sequences.length * BUFFER_STRIDE);
  const records = new Uint8Array(FIRST_RECORD + sequences.length * RECORD_SIZE);
  assert(CODE_BASE + code.length <= BUFFERS_BASE && BUFFERS_BASE + buffers.length <= RECORDS_BASE, 'room');
  const { data: tables, satp } = tablesFor(environment, code.length, buffers.length);
  const view = new DataView(records.buffer);
  view.setBigUint64(0, BigInt(sequences.length), true);
  sequences.forEach((sequence, slot) => {
    assert(sequence.code.length <= CODE_BYTES_MAX, `${sequence.code.length} bytes of code`);
    const { start } = sequence;
    code.set(sequence.code, slot * CODE_STRIDE);
    buffers.set(start.buffer, slot * BUFFER_STRIDE);
    const base = FIRST_RECORD + slot * RECORD_SIZE;
    const set = (offset: number, value: bigint) => view.setBigUint64(base + offset, value, true);
    set(X, BigInt(start.fcsr));
    for (let n = 1; n < 32; n++) set(X + 8 * n, start.x[n]!);
    for (let n = 0; n < 32; n++) set(F + 8 * n, start.f[n]!);
    set(CODE, BigInt(codeAddress(environment, slot)));
    set(STATUS, BigInt((start.fs << 13) | (environment.privilege << 11)));
    set(SSCRATCH, start.sscratch);
    set(SATP, satp);
    set(ENVIRONMENT, BigInt(start.environment.machine | (start.environment.supervisor << 8)));
  });
  return {
    code: { address: CODE_BASE, data: swapPages(environment, code) },
    buffers: { address: BUFFERS_BASE, data: swapPages(environment, buffers) },
    tables: { address: TABLES_BASE, data: tables },
    records: { address: RECORDS_BASE, data: records },
  };
}

/** An even number of pages that hold so many bytes. */
const wholePages = (bytes: number): Uint8Array => new Uint8Array(Math.ceil(bytes / (2 * PAGE)) * 2 * PAGE);

/** With paging, neighbouring virtual pages are never neighbours in memory: each pair of pages is exchanged. */
function swapPages({ levels }: Environment, image: Uint8Array): Uint8Array {
  if (levels === 0) return image;
  const swapped = new Uint8Array(image.length);
  for (let page = 0; page < image.length / PAGE; page++) {
    swapped.set(image.subarray(page * PAGE, (page + 1) * PAGE), (page ^ 1) * PAGE);
  }
  return swapped;
}

function tablesFor({ privilege, levels, writableCode }: Environment, codeBytes: number, bufferBytes: number) {
  if (levels === 0) return { data: new Uint8Array(PAGE), satp: 0n };
  const user = privilege === 0 ? PTE.user : 0;
  const region = (base: number, bytes: number, flags: number): PageMapping[] =>
    Array.from({ length: bytes / PAGE }, (_, page) => ({
      virtual: BigInt(base + page * PAGE + VIRTUAL_OFFSET),
      physical: BigInt(base + (page ^ 1) * PAGE),
      flags: flags | user,
    }));
  return buildPageTables(TABLES_BASE, levels, [
    ...region(CODE_BASE, codeBytes, PTE.read | PTE.execute | (writableCode ? PTE.write : 0)),
    ...region(BUFFERS_BASE, bufferBytes, PTE.read | PTE.write),
    { virtual: HOLE_ADDRESS, physical: HOLE_ADDRESS, flags: PTE.read | PTE.write | user },
  ]);
}

/** Reads back what every sequence of the batch left, from the images' memory after the run. */
export function decodeOutcomes(environment: Environment, { buffers, records }: Images): SequenceOutcome[] {
  const memory = swapPages(environment, buffers.data);
  const { buffer, byteOffset, byteLength } = records.data;
  const view = new DataView(buffer, byteOffset, byteLength);
  const count = Number(view.getBigUint64(0, true));
  return Array.from({ length: count }, (_, slot) => {
    const get = (offset: number) => view.getBigUint64(FIRST_RECORD + slot * RECORD_SIZE + offset, true);
    const trapCount = Number(get(TRAPS));
    return {
      fcsr: Number(get(X)),
      x: Array.from({ length: 32 }, (_, n) => (n === 0 ? 0n : get(X + 8 * n))),
      f: Array.from({ length: 32 }, (_, n) => get(F + 8 * n)),
      buffer: memory.subarray(slot * BUFFER_STRIDE, slot * BUFFER_STRIDE + BUFFER_SIZE),
      sscratch: get(SSCRATCH),
      trapCount,
      traps: Array.from({ length: Math.min(trapCount, TRAPS_MAX) }, (_, n) => {
        const entry = TRAP_LIST + 24 * n;
        return { cause: get(entry), offset: get(entry + 8), tval: get(entry + 16) };
      }),
    };
  });
}

/** One line for each thing that two outcomes of one sequence differ in. */
export function describeDifference(ours: SequenceOutcome, reference: SequenceOutcome): string[] {
  const lines: string[] = [];
  const compare = (what: string, a: bigint | number | string, b: bigint | number | string) => {
    const show = (value: bigint | number | string) =>
      typeof value === 'string' ? value : '0x' + value.toString(16);
    if (a !== b) lines.push(`${what}: ${show(a)}, reference ${show(b)}`);
  };
  compare('fcsr', ours.fcsr, reference.fcsr);
  compare('sscratch', ours.sscratch, reference.sscratch);
  for (let n = 1; n < 32; n++) compare(`x${n}`, ours.x[n]!, reference.x[n]!);
  for (let n = 0; n < 32; n++) compare(`f${n}`, ours.f[n]!, reference.f[n]!);
  for (let n = 0; n < BUFFER_SIZE; n++) compare(`buffer[${n}]`, ours.buffer[n]!, reference.buffer[n]!);
  compare('traps taken', ours.trapCount, reference.trapCount);
  const trapText = (trap: SequenceTrap | undefined) =>
    trap ? `cause ${trap.cause} at +${trap.offset}, tval 0x${trap.tval.toString(16)}` : 'none';
  for (let n = 0; n < Math.max(ours.traps.length, reference.traps.length); n++) {
    compare(`trap ${n}`, trapText(ours.traps[n]), trapText(reference.traps[n]));
  }
  return lines;
}
