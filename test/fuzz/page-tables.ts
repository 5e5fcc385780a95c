/** Leaf flags of a page-table entry; V is added (RISC-V privileged, "Sv39: Page-Based 39-bit Virtual-Memory System"). */
export const PTE = { read: 2, write: 4, execute: 8, user: 16 } as const;

export interface PageMapping {
  readonly virtual: bigint;
  readonly physical: bigint;
  readonly flags: number;
}

const PAGE = 4096;
const ENTRIES = 512n;
const VALID = 1n;

/**
 * Page tables of 3, 4 or 5 levels (Sv39, Sv48, Sv57) that lie at guest-physical `base` and map each page given; A and D
 * are clear. Returns their bytes and the value of satp that uses them, with ASID 0.
 */
export function buildPageTables(
  base: number,
  levels: 3 | 4 | 5,
  mappings: readonly PageMapping[],
): { data: Uint8Array; satp: bigint } {
  const tables: BigUint64Array[] = [new BigUint64Array(512)];
  const entryOf = (physical: bigint, flags: bigint): bigint => ((physical >> 12n) << 10n) | flags | VALID;
  const tableBehind = (table: BigUint64Array, index: number): BigUint64Array => {
    const entry = table[index]!;
    if (entry !== 0n) return tables[(Number((entry >> 10n) << 12n) - base) / PAGE]!;
    table[index] = entryOf(BigInt(base + tables.length * PAGE), 0n);
    tables.push(new BigUint64Array(512));
    return tables.at(-1)!;
  };
  for (const { virtual, physical, flags } of mappings) {
    const indexAt = (level: number) => Number((virtual >> BigInt(12 + 9 * level)) % ENTRIES);
    let table = tables[0]!;
    for (let level = levels - 1; level > 0; level--) table = tableBehind(table, indexAt(level));
    table[indexAt(0)] = entryOf(physical, BigInt(flags));
  }
  const data = new Uint8Array(tables.length * PAGE);
  for (const [n, table] of tables.entries()) data.set(new Uint8Array(table.buffer), n * PAGE);
  // satp.MODE: 8 is Sv39, 9 Sv48, 10 Sv57.
  return { data, satp: (BigInt(levels + 5) << 60n) | BigInt(base / PAGE) };
}
