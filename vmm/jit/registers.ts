/** A set of integer and floating-point registers: bit n for register n of each kind. */
export interface RegisterSet {
  readonly x: number;
  readonly f: number;
}

export const NO_REGISTERS: RegisterSet = { x: 0, f: 0 };

export const union = (a: RegisterSet, b: RegisterSet): RegisterSet => ({ x: a.x | b.x, f: a.f | b.f });
export const minus = (a: RegisterSet, b: RegisterSet): RegisterSet => ({ x: a.x & ~b.x, f: a.f & ~b.f });
export const isSame = (a: RegisterSet, b: RegisterSet): boolean => a.x === b.x && a.f === b.f;
export const contains = (a: RegisterSet, b: RegisterSet): boolean => (b.x & ~a.x) === 0 && (b.f & ~a.f) === 0;

/** Calls `visit` for each register, integer ones first. */
export function forEachRegister(set: RegisterSet, visit: (kind: 'x' | 'f', index: number) => void): void {
  for (let rest = set.x; rest !== 0; rest &= rest - 1) visit('x', 31 - Math.clz32(rest & -rest));
  for (let rest = set.f; rest !== 0; rest &= rest - 1) visit('f', 31 - Math.clz32(rest & -rest));
}
