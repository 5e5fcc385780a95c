/** What the parts of a lockstep program's generator share. */
import type { PrivilegeLevel } from '../../vmm/contracts/hart.ts';
import type { Random } from '../support/random.ts';
import { add, addi, addiw, type Code, lui, or, slli } from './lockstep-code.ts';
import type { HotRegisters } from './lockstep-instructions.ts';
import {
  ALIAS_OFFSET,
  DATA,
  GIGAPAGE_OFFSET,
  MEGAPAGE_OFFSET,
  PAGE,
  PINNED,
  REGISTER,
} from './lockstep-layout.ts';
import type { Paging } from './lockstep-tables.ts';

/** What a program is made of, as weights; those not named here have the same weight in all programs. */
export interface Flavour {
  readonly memory: number;
  readonly float: number;
  readonly compressed: number;
  readonly loops: number;
  readonly calls: number;
  readonly jumps: number;
  readonly selfModification: number;
  readonly paging: number;
  readonly privileged: number;
  readonly interrupts: number;
  readonly faults: number;
}

export interface Context {
  readonly random: Random;
  readonly code: Code;
  readonly hot: HotRegisters;
  readonly flavour: Flavour;
  /** Null where translation is off from beginning to end. */
  readonly paging: Paging | null;
  readonly privilege: PrivilegeLevel;
  readonly harts: number;
}

/** A register to work with, none of those named. */
export function scratch({ random }: Context, ...others: number[]): number {
  for (;;) {
    const register = 5 + random.below(27);
    if (!PINNED.has(register) && !others.includes(register)) return register;
  }
}

/** The low 12 bits of an offset as an immediate, and what must be added for the rest. */
const lowOf = (value: number): number => (value << 20) >> 20;

/**
 * Leaves in `register` the address of an offset in the present window, less a rest that fits an immediate; returns
 * the rest.
 */
export function windowAddress({ code }: Context, register: number, offset: number): number {
  const low = lowOf(offset);
  code.put(lui(register, offset - low));
  code.put(add(register, register, REGISTER.window));
  return low;
}

/** Leaves a 32-bit number in the register, sign-extended. */
export function constant({ code }: Context, register: number, value: number): void {
  const low = lowOf(value);
  if (low === (value | 0)) {
    code.put(addi(register, 0, low));
    return;
  }
  code.put(lui(register, value - low));
  code.put(addiw(register, register, low));
}

/** Leaves a 64-bit number in the register, by way of another. */
export function constant64(context: Context, register: number, other: number, value: bigint): void {
  const { code } = context;
  constant(context, register, Number(BigInt.asIntN(32, value >> 32n)));
  code.put(slli(register, register, 32));
  constant(context, other, Number(BigInt.asIntN(32, value)));
  // The lower half's sign must not reach the upper one.
  code.put(slli(other, other, 32));
  code.put(0x5013 | (other << 7) | (other << 15) | (32 << 20));
  code.put(or(register, register, other));
}

/** The offset of a data page in one of the windows. */
export function dataPage({ random, paging }: Context): number {
  const page = DATA.offset + random.below(DATA.pages) * PAGE;
  if (paging === null) return page;
  const window = random.below(10);
  if (window < 6) return page;
  return page + (window < 8 ? ALIAS_OFFSET : random.pick([MEGAPAGE_OFFSET, GIGAPAGE_OFFSET]));
}
