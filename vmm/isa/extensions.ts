/** An extension that a configuration turns on or off, as ISA strings name it. */
export interface ExtensionInfo {
  readonly name: string;
  /** One sentence for a person. */
  readonly description: string;
  /** On unless the configuration says otherwise. */
  readonly byDefault: boolean;
  /** What it cannot be without: turning it on turns these on, turning one of these off turns it off. */
  readonly requires: readonly string[];
}

/** A name that ISA strings list where it holds, and that no configuration turns on or off by itself. */
export interface PropertyInfo {
  readonly name: string;
  readonly description: string;
  /** It holds when all of these extensions are on. */
  readonly follows: readonly string[];
}

/** Which extensions a machine's harts have. What is off does not exist: its instructions are illegal, its CSRs and fields absent. */
export interface IsaConfig {
  /** By the lower-case name, of an extension or a property. */
  has(name: string): boolean;
}

/** What stands in every configuration: without Zicsr there is no privileged architecture (privileged, "Introduction"). */
export const ALWAYS_ON: readonly string[] = ['i', 'zicsr'];

/** Every extension that harts can have. */
export const EXTENSIONS: readonly ExtensionInfo[] = [
  extension('i', 'The base integer instructions.'),
  extension('m', 'Multiplication and division.'),
  extension('a', 'Atomic instructions: LR/SC and read-modify-write.'),
  extension('f', 'Single-precision floating point.', ['zicsr']),
  extension('d', 'Double-precision floating point.', ['f']),
  extension('c', '16-bit forms of common instructions.'),

  extension('zicbom', 'Cache-block management: clean, flush, invalidate.'),
  extension('zicbop', 'Cache-block prefetch hints.'),
  extension('zicboz', 'Zeroing a whole cache block.'),
  extension('zicntr', 'The counters cycle, time and instret.', ['zicsr']),
  extension('zicond', 'Conditional zeroing.'),
  extension('zicsr', 'Instructions that read and write CSRs.'),
  extension('zifencei', 'The instruction-fetch fence.'),
  extension('zihintntl', 'Non-temporal locality hints.'),
  extension('zihintpause', 'The pause hint of spin loops.'),
  extension('zihpm', 'The counters hpmcounter3 to hpmcounter31.', ['zicsr']),
  extension('zimop', 'May-be-operations, which later extensions redefine.'),
  extension('zabha', 'Atomic read-modify-write of bytes and halfwords.', ['a']),
  extension('zacas', 'Atomic compare-and-swap.', ['a']),
  extension('zawrs', 'Waiting on a reservation set.', ['a']),
  extension('zfa', 'Additional floating-point instructions.', ['f']),
  extension('zfh', 'Half-precision floating point.', ['zfhmin']),
  extension('zfhmin', 'Half-precision loads, stores and conversions.', ['f']),
  extension('zcb', 'Further 16-bit forms.', ['c']),
  extension('zcmop', '16-bit may-be-operations.', ['c', 'zimop']),
  extension('zba', 'Address generation.'),
  extension('zbb', 'Basic bit manipulation.'),
  extension('zbc', 'Carry-less multiplication.'),
  extension('zbkb', 'Bit manipulation for cryptography.'),
  extension('zbkx', 'Crossbar permutations.'),
  extension('zbs', 'Single-bit instructions.'),

  extension('sscofpmf', 'Overflow and mode-based filtering of counters.', ['zihpm']),
  extension('ssstateen', 'State enables, as seen from below M-mode.'),
  extension('sstc', 'A timer comparison of S-mode.'),
  // With both, bits fault until software turns Svadu on; with neither, hardware sets them, which nothing forbids.
  extension('svade', 'A clear A or D bit of a page-table entry is a page fault.', [], false),
  extension('svadu', 'Hardware sets the A and D bits of page-table entries.'),
  extension('svinval', 'Invalidation of translation caches in finer steps.'),
  extension('svnapot', 'Translations of naturally aligned 64 KiB.'),
  extension('svpbmt', 'Memory types in page-table entries.'),
  extension('smstateen', 'State enables: what lower levels may use of some extensions.', ['ssstateen']),
];

/** What else ISA strings name, by what it follows from (unprivileged; profiles, "RVA23U64 Mandatory Extensions"). */
export const PROPERTIES: readonly PropertyInfo[] = [
  property('b', 'Zba, Zbb and Zbs together.', ['zba', 'zbb', 'zbs']),
  property('zic64b', 'Cache blocks are 64 bytes, naturally aligned.', []),
  property('ziccamoa', 'Main memory supports all atomics of A.', ['a']),
  property('ziccif', 'Fetches from main memory are atomic.', []),
  property('zicclsm', 'Misaligned loads and stores to main memory work.', []),
  property('ziccrse', 'LR/SC loops on main memory make progress.', ['a']),
  property('zmmul', 'Multiplication, a part of M.', ['m']),
  property('za64rs', 'Reservation sets are at most 64 bytes.', ['a']),
  property('zaamo', 'Read-modify-write, a part of A.', ['a']),
  property('zalrsc', 'LR/SC, a part of A.', ['a']),
  property('zca', 'C without floating point.', ['c']),
  property('zcd', '16-bit loads and stores of doubles.', ['c', 'd']),
  property('zbkc', 'Carry-less multiplication for cryptography, a part of Zbc.', ['zbc']),
  property('ssccptr', 'Page tables may stand anywhere in main memory.', []),
  property('sscounterenw', 'Every counter that exists can be enabled in scounteren.', []),
  property('sstvala', 'stval holds the faulting address or encoding.', []),
  property('sstvecd', 'stvec holds any aligned address in direct mode.', []),
  property('ssu64xl', 'U-mode has 64 bits.', []),
  property('sv39', '39-bit virtual addresses.', []),
  property('sv48', '48-bit virtual addresses.', []),
  property('sv57', '57-bit virtual addresses.', []),
  property('svbare', 'Translation can be off.', []),
  property('svvptc', 'Page-table entries made valid are seen without a fence.', []),
];

const extensions = new Map(EXTENSIONS.map((info) => [info.name, info]));
const properties = new Map(PROPERTIES.map((info) => [info.name, info]));

/** The categories of Z extensions, in the order of their letters ("Additional Standard Extension Names"). */
const CATEGORIES = 'imafdqlcbkjtpvh';

/** Every name in the order of ISA strings. */
export const ISA_NAMES: readonly string[] = [...extensions.keys(), ...properties.keys()].sort(canonically);

/** The extension of a lower-case name; undefined for a property and for what harts do not have. */
export const extensionByName = (name: string): ExtensionInfo | undefined => extensions.get(name);
/** As `extensionByName`, of a property. */
export const propertyByName = (name: string): PropertyInfo | undefined => properties.get(name);

/** The configuration in which exactly these extensions are on, and what follows from them. */
export function isaOf(on: Iterable<string>): IsaConfig {
  const names = new Set(on);
  for (const { name, follows } of PROPERTIES)
    if (follows.every((needed) => names.has(needed))) names.add(name);
  return { has: (name) => names.has(name) };
}

/** What a machine has when nothing is said: everything, with A and D bits set by hardware, as QEMU's `rv64` does. */
export const DEFAULT_ISA: IsaConfig = isaOf(
  EXTENSIONS.filter(({ byDefault }) => byDefault).map(({ name }) => name),
);

/** The names that hold, in canonical order: the device tree's `riscv,isa-extensions`. */
export const isaExtensions = (isa: IsaConfig): readonly string[] => ISA_NAMES.filter((name) => isa.has(name));

/** The ISA string (unprivileged, "ISA Extension Naming Conventions"): `rv64imafdcb_zicbom_…`. */
export function isaString(isa: IsaConfig): string {
  const names = isaExtensions(isa);
  const letters = names.filter((name) => name.length === 1).join('');
  return [`rv64${letters}`, ...names.filter((name) => name.length > 1)].join('_');
}

/** All that these extensions cannot be without, and they themselves. */
export function withRequired(names: Iterable<string>): Set<string> {
  const all = new Set<string>();
  const add = (name: string): void => {
    if (all.has(name)) return;
    all.add(name);
    for (const needed of extensions.get(name)!.requires) add(needed);
  };
  for (const name of names) add(name);
  return all;
}

/** Single letters, then Z extensions by category, then those of supervisor level, then those of machine level. */
function canonically(a: string, b: string): number {
  const [rankA, rankB] = [rank(a), rank(b)];
  if (rankA !== rankB) return rankA - rankB;
  return a < b ? -1 : 1;
}

function rank(name: string): number {
  if (name.length === 1) return CATEGORIES.indexOf(name);
  if (name.startsWith('z')) return 100 + CATEGORIES.indexOf(name[1]!);
  return name.startsWith('sm') ? 300 : 200;
}

function extension(
  name: string,
  description: string,
  requires: readonly string[] = [],
  byDefault = true,
): ExtensionInfo {
  return { name, description, byDefault, requires };
}

function property(name: string, description: string, follows: readonly string[]): PropertyInfo {
  return { name, description, follows };
}
