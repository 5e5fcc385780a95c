import type { TranslatorStatistics } from '../contracts/hart.ts';
import type { GuestMemory } from '../contracts/memory.ts';
import type { Decoded } from '../isa/decode.ts';
import { LEAVE_REASONS } from './abi.ts';
import type { CodePages } from './code-pages.ts';
import type { Variant } from './layout.ts';

/** Bits of what translated code returns, beside the steps left. */
export const RESULT = {
  /** All frames of guest calls end: what they know of the hart may not hold any more. */
  unwind: 0x8000_0000,
  /** Besides, translated code cannot go on at pc: TypeScript or the interpreter is needed. */
  mustInterpret: 0xc000_0000,
  steps: 0x3fff_ffff,
} as const;

/** An instruction whose whole effect is the hart's business, as translated code hands it over. */
export interface Service {
  /** Index into `LEAVE_REASONS`, or `OUT_OF_LINE`. */
  readonly reason: number;
  /** Bytes of its encoding. */
  readonly length: number;
}

/** A `Service.reason` beside those of `LEAVE_REASONS`: the out-of-line form of the instruction at pc does it. */
export const OUT_OF_LINE = LEAVE_REASONS.length;

/** `service` argument of `TranslatorParts.serve`: the fields of a `Service` in one number. */
export const packService = ({ reason, length }: Service): number => reason * 8 + length;
export const unpackService = (packed: number): Service => ({ reason: packed >> 3, length: packed & 7 });

/**
 * What the harts of a machine need of a translator. It sees code when the interpreter finds it hot, and puts
 * slots of translated regions into the cells where the interpreter and translated code look for them.
 *
 * Invariant: translated code changes nothing but speed. Steps, registers, memory, translation caches and the
 * order of exits are those of the interpreter.
 */
export interface Translator {
  /** The record was jumped to often. `fetchTlb`: host offset of the fetch cache in force, to see which pages lie beside. */
  hot(record: number, variant: Variant, context: HotContext): void;
  /** A sample of the computed jumps by which translated code goes from one region to another, to this record. */
  jumped(record: number, variant: Variant, context: HotContext): void;
  /**
   * Runs translated code of a slot at the hart's pc, and what it continues in, with `remaining` steps left. Returns
   * the steps left then, with `RESULT.mustInterpret` or without.
   */
  run(hart: number, remaining: number, slot: number): number;
  /** Translated code left the memory access of this record undone, and nothing makes the next one there faster. */
  leftSlowAccess(record: number): void;
  /** The access of this record was served by the hart (`OUT_OF_LINE`), and translated code could have done it. */
  servedFastAccess(record: number): void;
  /** How many regions were dropped so far: code that runs must end when one was. */
  readonly losses: number;
  /** Installs what was compiled meanwhile. Called where no translated code is running. */
  poll(): void;
  /** Bytes of RAM at a host offset changed. */
  written(host: number, length: number): void;
  /** The decoded page at this host offset goes; so does what was translated from it. */
  dropped(codePage: number): void;
  /** Replaces the offsets within a page at which some breakpoint stands: no translated code has such instructions. */
  setBreakOffsets(offsets: ReadonlySet<number>): void;
  /** For `--stats` and tests. */
  readonly statistics: TranslatorStatistics;
}

/** The situation in which code was found hot. */
export interface HotContext {
  /** Guest-virtual page of the record, and the host offset of the fetch cache that names its neighbours. */
  readonly page: bigint;
  readonly fetchTlb: number;
  /** The record of the computed jump of translated code that led here; 0 when it was none. */
  readonly jumpedFrom: number;
}

/** What a translator gets of the harts. */
export interface TranslatorParts {
  readonly memory: GuestMemory;
  readonly code: CodePages;
  /** Decodes into `target`; false for what is illegal in this machine. */
  readonly decode: (target: Decoded, raw: number) => boolean;
  /**
   * Executes the instruction at pc of the hart with this record: all state stands there, `remaining` and `ip` too. Returns
   * the steps left; with a `RESULT` when the code that called may not go on behind the instruction.
   */
  readonly serve: (hart: number, service: number, raw: number) => number;
}

export type TranslatorFactory = (parts: TranslatorParts) => Translator;
