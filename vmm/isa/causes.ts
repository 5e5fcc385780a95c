/** What `mcause` and `scause` can hold (privileged, "Machine Cause Register" and its table of values after trap). */
export interface Cause {
  readonly code: number;
  readonly interrupt: boolean;
  readonly name: string;
}

/** Exceptions, by the cause's code. */
export const EXCEPTIONS: readonly Cause[] = named(false, [
  [0, 'instruction address misaligned'],
  [1, 'instruction access fault'],
  [2, 'illegal instruction'],
  [3, 'breakpoint'],
  [4, 'load address misaligned'],
  [5, 'load access fault'],
  [6, 'store/AMO address misaligned'],
  [7, 'store/AMO access fault'],
  [8, 'environment call from U-mode'],
  [9, 'environment call from S-mode'],
  [10, 'environment call from VS-mode'],
  [11, 'environment call from M-mode'],
  [12, 'instruction page fault'],
  [13, 'load page fault'],
  [15, 'store/AMO page fault'],
  [16, 'double trap'],
  [18, 'software check'],
  [19, 'hardware error'],
  [20, 'instruction guest-page fault'],
  [21, 'load guest-page fault'],
  [22, 'virtual instruction'],
  [23, 'store/AMO guest-page fault'],
]);

/** Interrupts, by the cause's code, which is also the bit in mip and mie. */
export const INTERRUPTS: readonly Cause[] = named(true, [
  [1, 'supervisor software interrupt'],
  [2, 'virtual supervisor software interrupt'],
  [3, 'machine software interrupt'],
  [5, 'supervisor timer interrupt'],
  [6, 'virtual supervisor timer interrupt'],
  [7, 'machine timer interrupt'],
  [9, 'supervisor external interrupt'],
  [10, 'virtual supervisor external interrupt'],
  [11, 'machine external interrupt'],
  [12, 'supervisor guest external interrupt'],
  [13, 'counter overflow interrupt'],
]);

/** Both. */
export const CAUSES: readonly Cause[] = [...EXCEPTIONS, ...INTERRUPTS];

/** The name of a cause as `mcause` holds it (bit 63 tells an interrupt); reserved codes are named by number. */
export function causeName(cause: bigint): string {
  const interrupt = BigInt.asUintN(64, cause) >> 63n === 1n;
  const code = BigInt.asUintN(63, cause);
  const known = CAUSES.find((entry) => entry.interrupt === interrupt && BigInt(entry.code) === code);
  return known?.name ?? `reserved ${interrupt ? 'interrupt' : 'exception'} ${code}`;
}

function named(interrupt: boolean, names: readonly (readonly [number, string])[]): Cause[] {
  return names.map(([code, name]) => ({ code, interrupt, name }));
}
