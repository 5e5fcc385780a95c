import { VmError } from '../base/vm-error.ts';
import type { Saved } from '../contracts/device.ts';
import type { GuestMemory } from '../contracts/memory.ts';
import type { CodePages } from './code-pages.ts';
import type { HartCore } from './core.ts';
import {
  CODE_PAGE_STRIDE,
  CODE_PAGES_MAX,
  CODE_POOL_OFFSET,
  codePageBase,
  DATA_SETS,
  FETCH_SETS,
  RAM_OFFSET,
  TLB_ENTRIES,
} from './layout.ts';
import type { CachedTranslations } from './tlb.ts';

const VERSION = 1;

/** Numbers of an entry as `CachedTranslations` lists them, index first. */
const DATA_ENTRY = 5;
const FETCH_ENTRY = 4;
const DATA_ENTRIES_MAX = 2 * DATA_SETS * TLB_ENTRIES;
const FETCH_ENTRIES_MAX = FETCH_SETS * TLB_ENTRIES;

/** How many entries the caches of this build have: those of another are of no use to it. */
const GEOMETRY = [TLB_ENTRIES, DATA_SETS, FETCH_SETS, CODE_PAGES_MAX];

/**
 * What the harts hold of translations and decoded pages. It is derived from registers and memory, but for what guests do that
 * change page tables without a fence; so a run that must go on bit for bit takes it along, and one in another build may do without.
 */
export function saveCaches(cores: readonly HartCore[], code: CodePages): Saved {
  const translations = cores.map((core) => {
    const { data, fetch, ...rest } = core.caches.contents;
    return {
      ...rest,
      data: bytesOf(mapEntries(data, DATA_ENTRY, dataToSaved)),
      fetch: bytesOf(mapEntries(fetch, FETCH_ENTRY, fetchToSaved)),
    };
  });
  const { owners, stores, next, dropAfter } = code.contents;
  return {
    version: VERSION,
    geometry: GEOMETRY,
    translations,
    code: { owners: bytesOf(owners), stores: bytesOf(stores), next, dropAfter },
  };
}

/**
 * Takes over what `saveCaches` gave, all harts and RAM being restored already. Another build's caches are left alone, which
 * is always allowed. Throws `VmError('bad-file')` on what cannot be.
 */
export function restoreCaches(
  cores: readonly HartCore[],
  code: CodePages,
  memory: GuestMemory,
  saved: Saved,
): void {
  if (saved.version !== VERSION) throw bad(`version ${saved.version}; this build reads ${VERSION}`);
  if (!isNumbers(saved['geometry'])) throw bad("'geometry' is missing");
  if (saved['geometry'].join() !== GEOMETRY.join()) return;
  const pages = memory.ramSize / 4096;
  const pool = record(saved['code']);
  const owners = wordsOf(pool['owners'], CODE_PAGES_MAX);
  const stores = wordsOf(pool['stores'], CODE_PAGES_MAX);
  const { next, dropAfter } = pool;
  const taken = [...owners].filter((owner) => owner !== 0);
  const isPool =
    owners.length === CODE_PAGES_MAX &&
    stores.length === CODE_PAGES_MAX &&
    taken.every((owner) => owner <= pages) &&
    new Set(taken).size === taken.length;
  if (!isPool || !isNumbers(dropAfter) || !isCount(next, CODE_PAGES_MAX - 1)) throw bad("'code' is no pool");
  const { translations } = saved;
  if (!Array.isArray(translations) || translations.length !== cores.length) {
    throw bad("'translations' are not as many as the harts");
  }
  const contents = translations.map((one: unknown) => readTranslations(record(one), memory, owners));
  code.contents = { owners, stores, next, dropAfter };
  for (const [index, core] of cores.entries()) core.caches.contents = contents[index]!;
}

function readTranslations(
  fields: Readonly<Record<string, unknown>>,
  memory: GuestMemory,
  owners: Uint32Array,
): CachedTranslations {
  const data = [...wordsOf(fields['data'], DATA_ENTRIES_MAX * DATA_ENTRY)].map((word) => word | 0);
  const fetch = [...wordsOf(fields['fetch'], FETCH_ENTRIES_MAX * FETCH_ENTRY)].map((word) => word | 0);
  const { dataFilled, fetchFilled, mxrContext, largeLeaves } = fields;
  const isWhole =
    data.length % DATA_ENTRY === 0 &&
    fetch.length % FETCH_ENTRY === 0 &&
    isCount(dataFilled, DATA_ENTRIES_MAX) &&
    isCount(fetchFilled, FETCH_ENTRIES_MAX) &&
    dataFilled >= data.length / DATA_ENTRY &&
    fetchFilled >= fetch.length / FETCH_ENTRY &&
    typeof mxrContext === 'number' &&
    isNumbers(largeLeaves) &&
    largeLeaves.length % 2 === 0;
  if (!isWhole) throw bad("'translations' are not whole");
  for (let at = 0; at < data.length; at += DATA_ENTRY) {
    const page = data[at + 3]! >>> 0;
    const isOfRam = data[at + 4] === 0 && page % 4096 === 0 && page < memory.ramSize;
    const isOfDevice = data[at + 4] !== 0 && page === 0;
    if (!isCount(data[at], DATA_ENTRIES_MAX - 1) || !(isOfRam || isOfDevice))
      throw bad('a translation is wrong');
  }
  for (let at = 0; at < fetch.length; at += FETCH_ENTRY) {
    const isPage = isCount(fetch[at + 3], CODE_PAGES_MAX - 1) && owners[fetch[at + 3]!] !== 0;
    if (!isCount(fetch[at], FETCH_ENTRIES_MAX - 1) || !isPage) throw bad('a translation of code is wrong');
  }
  return {
    ...{ dataFilled, fetchFilled, mxrContext, largeLeaves },
    data: mapEntries(data, DATA_ENTRY, dataFromSaved),
    fetch: mapEntries(fetch, FETCH_ENTRY, fetchFromSaved),
  };
}

/** In a saved entry the page of RAM stands as an offset within RAM, for host offsets are this build's own. */
const dataToSaved = ([index, tag, hi, addend, device]: readonly number[]): number[] => {
  const page = device === 0 ? ((tag! & ~0xfff) + addend! - RAM_OFFSET) | 0 : 0;
  return [index!, tag!, hi!, page, device!];
};
const dataFromSaved = ([index, tag, hi, page, device]: readonly number[]): number[] => {
  const addend = device === 0 ? (page! + RAM_OFFSET - (tag! & ~0xfff)) | 0 : 0;
  return [index!, tag!, hi!, addend, device!];
};
/** And the decoded page as its number in the pool. */
const fetchToSaved = ([index, tag, hi, page]: readonly number[]): number[] => [
  ...[index!, tag!, hi!],
  ((page! >>> 0) - CODE_POOL_OFFSET) / CODE_PAGE_STRIDE,
];
const fetchFromSaved = ([index, tag, hi, page]: readonly number[]): number[] => [
  ...[index!, tag!, hi!],
  codePageBase(page!),
];

function mapEntries(
  list: readonly number[],
  size: number,
  map: (entry: readonly number[]) => number[],
): number[] {
  const out: number[] = [];
  for (let at = 0; at < list.length; at += size) out.push(...map(list.slice(at, at + size)));
  return out;
}

const bytesOf = (words: Iterable<number>): Uint8Array => new Uint8Array(Uint32Array.from(words).buffer);

/** At most `maximum` words of 32 bits. */
function wordsOf(value: unknown, maximum: number): Uint32Array {
  if (!(value instanceof Uint8Array) || value.length % 4 !== 0 || value.length > maximum * 4) {
    throw bad('a list of words is wrong');
  }
  return new Uint32Array(Uint8Array.from(value).buffer);
}

const isCount = (value: unknown, maximum: number): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= maximum;

const isNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((item) => Number.isSafeInteger(item));

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw bad('a part is missing');
  return value as Record<string, unknown>;
}

const bad = (what: string): VmError =>
  new VmError('bad-file', `saved state of the translation caches: ${what}`);
