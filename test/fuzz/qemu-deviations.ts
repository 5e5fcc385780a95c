import type { SequenceOutcome, SequenceTrap } from './sequence-records.ts';

/**
 * Where QEMU 7.2 or 10.0 does not do what the specification says, or the specification leaves open what we and QEMU do
 * differently. `avoided`: sequences do not contain the case (`random-programs.ts` says where). `rewritten`: QEMU's
 * outcome is changed to the specified one before it is compared. Whatever is not in this list must be equal.
 */
export const QEMU_DEVIATIONS = [
  {
    what: 'an AMO at an address that nothing answers raises a load access fault, not a store/AMO access fault',
    source: 'RISC-V privileged, "Machine Cause (mcause) Register"',
    treatment: 'rewritten',
  },
  {
    what: 'ebreak leaves 0 in tval; ours leaves its address',
    source: 'left open: zero or the address (RISC-V privileged, "Machine Trap Value (mtval) Register")',
    treatment: 'rewritten',
  },
  {
    what: 'ctzw of a register whose low 32 bits are zero counts on through the upper half, instead of giving 32',
    source: 'RISC-V unprivileged, "ctzw"',
    treatment: 'avoided',
  },
  {
    what: 'csrrs and csrrc of a read-only CSR are legal when rs1 is another register than x0 but holds zero',
    source: 'RISC-V unprivileged, "Zicsr": only rs1 = x0 does not write',
    treatment: 'avoided',
  },
  {
    what: 'a misaligned load that faults reports the aligned address below',
    source: 'left open: tval is the address of the portion that faulted (RISC-V privileged, "stval")',
    treatment: 'avoided',
  },
  {
    what: 'sc at a misaligned or unanswering address fails without an exception when there is no reservation',
    source: 'RISC-V unprivileged, "Zalrsc": a misaligned address raises an exception',
    treatment: 'avoided',
  },
  {
    what: 'sc succeeds if memory holds the value that lr read, though it was written in between',
    source: 'left open: a reservation may be lost at any time (RISC-V unprivileged, "Zalrsc")',
    treatment: 'avoided',
  },
  {
    what: 'amocas with rd = x0 gives what it loads to the x0 of the instructions after it (10.0)',
    source: 'RISC-V unprivileged, "Zacas", and "Programmers\' Model for Base Integer ISA"',
    treatment: 'avoided',
  },
  {
    what: 'froundnx raises no inexact where another result takes the place of its own before that is used (10.0)',
    source: 'RISC-V unprivileged, "Zfa", "Round-to-Integer Instructions"',
    treatment: 'avoided',
  },
  {
    what: 'a cache-block instruction that the environment does not allow leaves 0 in tval (10.0)',
    source: 'left open: zero or the encoding (RISC-V privileged, "Machine Trap Value (mtval) Register")',
    treatment: 'rewritten',
  },
] as const;

const ILLEGAL_INSTRUCTION = 2n;
const BREAKPOINT = 3n;
const LOAD_ACCESS_FAULT = 5n;
const STORE_ACCESS_FAULT = 7n;

/** QEMU's outcome with the rewritten deviations put right, of a sequence whose code is at `address`. */
export function asSpecified(
  outcome: SequenceOutcome,
  address: number,
  itemAt: (offset: number) => { readonly name: string; readonly raw: number } | undefined,
): SequenceOutcome {
  const rewrite = (trap: SequenceTrap): SequenceTrap => {
    const { name = '', raw = 0 } = itemAt(Number(trap.offset)) ?? {};
    if (name.startsWith('amo') && trap.cause === LOAD_ACCESS_FAULT)
      return { ...trap, cause: STORE_ACCESS_FAULT };
    if (name.startsWith('cbo') && trap.cause === ILLEGAL_INSTRUCTION && trap.tval === 0n)
      return { ...trap, tval: BigInt(raw >>> 0) };
    if (trap.cause === BREAKPOINT && trap.tval === 0n)
      return { ...trap, tval: BigInt(address) + trap.offset };
    return trap;
  };
  return { ...outcome, traps: outcome.traps.map(rewrite) };
}
