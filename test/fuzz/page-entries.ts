/**
 * Random page-table entries and accesses through them, for the guest `test/support/guests/page-entries.S`: permissions,
 * NAPOT, memory types, reserved bits, pointers and leaves at every level. The offsets must agree with that file.
 */
import type { Image, MemoryAfter } from '../support/memory-guests.ts';
import type { Random } from '../support/random.ts';

export interface EntryCase {
  readonly kind: 'load' | 'store' | 'execute';
  /** mstatus: MPP, SUM and MXR. */
  readonly status: bigint;
  readonly level: 0 | 1 | 2;
  readonly entry: bigint;
  readonly address: bigint;
  readonly menvcfg: bigint;
  readonly value: bigint;
}

export interface EntryResult {
  /** -1 when the access succeeded; an executed page ends in an ecall. */
  readonly cause: bigint;
  readonly tval: bigint;
  readonly outcome: bigint;
  readonly after: bigint;
}

const TABLES = 0x8010_0000;
const [ROOT, LEVEL1, LEVEL0, OTHER_LEVEL1, OTHER_LEVEL0] = [0, 1, 2, 3, 4].map(
  (page) => TABLES + page * 4096,
);
const CASES = 0x8020_0000;
const AREA_PAGES = 64;
/** The memory that the entries lead to. */
export const AREA = { address: 0x8040_0000, length: AREA_PAGES * 4096 } as const;
const RESULTS = 0x8060_0000;
const SIZE = 64;
const NUMBER_OF: Readonly<Record<EntryCase['kind'], bigint>> = { load: 0n, store: 1n, execute: 2n };

const [V, R, W, X, U, A, D] = [1n, 2n, 4n, 8n, 16n, 64n, 128n] as const;
const N = 1n << 63n;
const PBMTE = 1n << 62n;
const ADUE = 1n << 61n;

/** Where the entry of each level stands, what it is there between cases, and the virtual address that it translates. */
const PLACES = [
  { slot: LEVEL0!, restored: 0n, base: (6n << 30n) | (8n << 21n) },
  { slot: LEVEL1! + 7 * 8, restored: 0n, base: (6n << 30n) | (7n << 21n) },
  { slot: ROOT! + 5 * 8, restored: 0n, base: (5n << 30n) | (2n << 21n) },
] as const;
const NAPOT_PAGES = 16;

export function randomCase(random: Random): EntryCase {
  const level = random.pick([0, 0, 0, 1, 1, 2] as const);
  const kind = random.pick(['load', 'load', 'store', 'execute'] as const);
  const privilege = BigInt(random.below(2));
  const sumAndMxr = BigInt(random.below(4)) << 18n;
  const page = random.below(level === 0 ? NAPOT_PAGES : AREA_PAGES);
  // Loads and stores stay behind the page's code.
  const offset = kind === 'execute' ? 0 : kind === 'load' ? 8 : 16 + 8 * random.below(500);
  return {
    kind,
    status: (privilege << 11n) | sumAndMxr,
    level,
    entry: randomEntry(random, level),
    address: PLACES[level].base + BigInt(page * 4096 + offset),
    menvcfg: random.pick([PBMTE | ADUE, PBMTE | ADUE, PBMTE, ADUE, 0n]),
    value: random.next(),
  };
}

function randomEntry(random: Random, level: 0 | 1 | 2): bigint {
  const often = (bits: bigint, tenths: number): bigint => (random.below(10) < tenths ? bits : 0n);
  const low = often(V, 9) | often(R, 7) | often(W, 5) | often(X, 5) | often(U, 5) | often(A, 6) | often(D, 6);
  const software = BigInt(random.below(4)) << 8n;
  const high = random.pick([0n, 0n, 0n, randomHigh(random)]);
  const page = randomPage(random, level, low, high);
  // In a leaf where N is reserved, QEMU 10 sets A and D before it faults ("Virtual Address Translation Process": not before step 9).
  const isReserved = (low & (R | X)) !== 0n && (high & N) !== 0n && (level > 0 || (page & 0xfn) !== 8n);
  return (page << 10n) | low | (isReserved ? A | D : 0n) | software | high;
}

function randomHigh(random: Random): bigint {
  const napot = random.below(2) === 0 ? N : 0n;
  // Not 3, which is reserved: QEMU 10 takes it for a type ("Svpbmt", "PTE encodings").
  const type = BigInt(random.pick([0, 0, 1, 2])) << 61n;
  const reserved = random.below(6) === 0 ? 1n << BigInt(54 + random.below(7)) : 0n;
  return napot | type | reserved;
}

/** The PPN: a page, a range or a superpage of memory that there is; or for a pointer, a table; seldom misaligned. */
function randomPage(random: Random, level: 0 | 1 | 2, low: bigint, high: bigint): bigint {
  if ((low & (R | X)) === 0n && level > 0)
    return BigInt((level === 1 ? OTHER_LEVEL0! : OTHER_LEVEL1!) / 4096);
  const misaligned = random.below(8) === 0 ? BigInt(random.below(AREA_PAGES)) : 0n;
  if (level === 1) return BigInt(AREA.address / 4096) + misaligned;
  if (level === 2) return BigInt(0x8_0000) + (misaligned << BigInt(random.below(3) * 4));
  const page = BigInt(AREA.address / 4096 + random.below(AREA_PAGES));
  return (high & N) !== 0n && random.below(8) > 0 ? (page & ~0xfn) | 8n : page;
}

/** What stands in memory before the guest starts. */
export function imagesOf(cases: readonly EntryCase[]): Image[] {
  const tables = new BigUint64Array((5 * 4096) / 8);
  const write = (table: number, index: number, entry: bigint): void => {
    tables[(table - TABLES) / 8 + index] = entry;
  };
  const pointer = (table: number): bigint => (BigInt(table / 4096) << 10n) | V;
  write(ROOT!, 6, pointer(LEVEL1!));
  write(LEVEL1!, 8, pointer(LEVEL0!));
  for (let index = 0; index < 512; index++) {
    // Behind a pointer that is the case's entry: pages of S-mode and of U-mode by turns.
    const user = index % 2 === 0 ? U : 0n;
    const page = BigInt(AREA.address / 4096 + (index % AREA_PAGES));
    write(OTHER_LEVEL0!, index, (page << 10n) | V | R | W | X | A | D | user);
    write(OTHER_LEVEL1!, index, pointer(OTHER_LEVEL0!));
  }

  const area = new Uint8Array(AREA.length);
  const view = new DataView(area.buffer);
  for (let page = 0; page < AREA_PAGES; page++) {
    view.setUint32(page * 4096, 0x0000_0513 | (page << 20), true); // addi a0, zero, page
    view.setUint32(page * 4096 + 4, 0x0000_0073, true); // ecall
    view.setBigUint64(page * 4096 + 8, 0x5eed_0000n + BigInt(page), true);
  }

  const records = new BigUint64Array(((cases.length + 1) * SIZE) / 8);
  records[0] = BigInt(cases.length);
  for (const [index, { kind, status, level, entry, address, menvcfg, value }] of cases.entries()) {
    const slot = PLACES[level].slot + (level === 0 ? Number((address >> 12n) & 0x1ffn) * 8 : 0);
    const { restored } = PLACES[level];
    const fields = [NUMBER_OF[kind], status, entry, BigInt(slot), restored, address, menvcfg, value];
    records.set(fields, ((index + 1) * SIZE) / 8);
  }
  return [
    { address: TABLES, data: new Uint8Array(tables.buffer) },
    { address: AREA.address, data: area },
    { address: CASES, data: new Uint8Array(records.buffer) },
  ];
}

/** What the guest left of so many cases. */
export function resultsOf(memory: MemoryAfter, cases: number): EntryResult[] {
  const data = memory(RESULTS, cases * SIZE);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: cases }, (_, index) => ({
    cause: view.getBigInt64(index * SIZE, true),
    tval: view.getBigUint64(index * SIZE + 8, true),
    outcome: view.getBigUint64(index * SIZE + 16, true),
    after: view.getBigUint64(index * SIZE + 24, true),
  }));
}

/** The case and what came of it, for a person. */
export function describeCase({ kind, level, entry, address, status, menvcfg }: EntryCase): string {
  const hex = (value: bigint): string => `0x${value.toString(16)}`;
  return `${kind} at level ${level}, entry ${hex(entry)}, address ${hex(address)}, mstatus ${hex(status)}, menvcfg ${hex(menvcfg)}`;
}
