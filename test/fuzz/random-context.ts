import type { Random } from '../support/random.ts';
import type { InstructionPool } from './instruction-pool.ts';
import { BUFFER_SIZE } from './sequence-records.ts';

/** One instruction of a unit. */
export interface Item {
  readonly raw: number;
  readonly size: 2 | 4;
  readonly name: string;
  /**
   * For jumps: how many units ahead the target begins (negative: behind), and the encoding given the target's distance
   * from the beginning of this unit.
   */
  readonly jump?: { readonly units: number; readonly encode: (distance: number) => number };
}
export type Unit = readonly Item[];

export const sizeOf = (unit: Unit): number => unit.reduce((sum, { size }) => sum + size, 0);

/** What the parts of one sequence share. */
export interface Context {
  readonly random: Random;
  readonly pool: InstructionPool;
  /**
   * Registers that hold addresses for the whole sequence, as offsets in the buffer. x2 and the first of the others,
   * one of x8 to x15, are what compressed instructions can use; both are 16-byte aligned, the third is not.
   */
  readonly pointers: readonly { readonly register: number; readonly offset: number }[];
  /** Holds an address that nothing answers at. */
  readonly hole: number;
  /** Counts the rounds of the sequence's loop, if it has one. */
  readonly counter: number;
  /** Registers that are used more than others, so that results are used again. */
  readonly hotX: readonly number[];
  readonly hotF: readonly number[];
}

export function createContext(random: Random, pool: InstructionPool): Context {
  const compressed = 8 + random.below(8);
  const others = Array.from({ length: 29 }, (_, n) => n + 3).filter((n) => n !== compressed);
  const draw = () => others.splice(random.below(others.length), 1)[0]!;
  const [odd, hole, counter] = [draw(), draw(), draw()];
  const aligned = () => 16 * random.below(BUFFER_SIZE / 16);
  return {
    random,
    pool,
    pointers: [
      { register: 2, offset: aligned() },
      { register: compressed, offset: aligned() },
      { register: odd, offset: random.below(BUFFER_SIZE) },
    ],
    hole,
    counter,
    hotX: Array.from({ length: 5 }, () => random.pick(others)),
    hotF: Array.from({ length: 6 }, () => random.below(32)),
  };
}

export const isFixed = ({ pointers, hole, counter }: Context, register: number): boolean =>
  register === hole || register === counter || pointers.some((pointer) => pointer.register === register);

// Encodings and registers.

export const field = (raw: number, low: number, width: number): number => (raw >>> low) & ((1 << width) - 1);
export const withField = (raw: number, low: number, width: number, value: number): number =>
  (raw & ~(((1 << width) - 1) << low)) | (value << low);

export const RD = 7;
export const RS1 = 15;
export const RS2 = 20;
export const RS3 = 27;
export const RM = 12;

/** A register to write: any but those that must keep their address. x0 among them. */
export function destination(context: Context): number {
  const { random, hotX } = context;
  for (;;) {
    const register = random.below(2) ? random.pick(hotX) : random.below(32);
    if (!isFixed(context, register)) return register;
  }
}

/** An even register but x0 to write, with the one after it. */
export function destinationPair(context: Context): number {
  for (;;) {
    const register = destination(context) & ~1;
    if (register !== 0 && !isFixed(context, register) && !isFixed(context, register + 1)) return register;
  }
}

/** A register to read: any at all. */
export const source = ({ random, hotX }: Context): number =>
  random.below(2) ? random.pick(hotX) : random.below(32);
export const floatRegister = ({ random, hotF }: Context): number =>
  random.below(2) ? random.pick(hotF) : random.below(32);

/** A register to write that keeps what is written. */
export function temporary(context: Context): number {
  for (;;) {
    const register = destination(context);
    if (register !== 0) return register;
  }
}
