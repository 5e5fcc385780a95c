import type { VirtualAddress } from '../base/brands.ts';
import type { Hart, HartReturn, PrivilegeLevel } from '../contracts/hart.ts';
import type { StepRequest } from '../contracts/machine.ts';

export interface StepperPorts {
  readonly hart: Hart;
  /** True for an address breakpoint of the user's. */
  isUserBreakpoint(pc: bigint): boolean;
  /** Arms these addresses besides the user's breakpoints; null disarms them. */
  armTemporary(addresses: readonly bigint[] | null): void;
  /** The instruction's bytes at a virtual address: 2 or 4, none where nothing is mapped. */
  instructionAt(address: VirtualAddress): { readonly bits: number; readonly length: 2 | 4 } | undefined;
}

/** A place the hart must come back to: one of `pcs`, in the same privilege, with a stack pointer that fits. */
interface Return {
  readonly pcs: readonly bigint[];
  readonly privilege: PrivilegeLevel | null;
  /** `same` frame as before, or the caller's `outer` one (its stack pointer is not below). */
  readonly stack: { readonly sp: bigint; readonly is: 'same' | 'outer' } | null;
}

/** What a single instruction is compared with once it is done. */
interface Before {
  readonly pc: bigint;
  readonly sp: bigint;
  readonly privilege: PrivilegeLevel;
  readonly instruction: { readonly bits: number; readonly length: 2 | 4 } | undefined;
}

const SP = 2;
/** Single instructions run this long at a stretch, so that a loop within a range does not need a call for each. */
const UNLIMITED = 2 ** 30;

/**
 * One step of one hart (see `StepRequest`). It runs single instructions, and runs calls, handlers and interrupts
 * at full speed to a temporary breakpoint where they come back. Only this hart's pc is looked at.
 */
export class Stepper {
  readonly hart: number;
  readonly #request: StepRequest;
  readonly #ports: StepperPorts;
  /** Null until a single instruction was run: never, when stepping out. */
  #before: Before | null = null;
  /** Running to a return; single-stepping when null. */
  #return: Return | null = null;
  /** Traps this hart took during the present single instruction. */
  #trap: 'interrupt' | 'exception' | null = null;

  constructor(request: StepRequest, ports: StepperPorts) {
    this.hart = request.hart;
    this.#request = request;
    this.#ports = ports;
    const { mode, returnTo } = request;
    if (mode === 'out' && returnTo !== undefined) {
      this.#runTo({ pcs: [returnTo.pc], privilege: null, stack: { sp: returnTo.sp, is: 'outer' } });
    }
  }

  /** A trap was taken; to be told of all harts'. */
  tookTrap(hart: number, interrupt: boolean): void {
    if (hart === this.hart && this.#return === null) this.#trap ??= interrupt ? 'interrupt' : 'exception';
  }

  /** Before this hart runs: how many steps it may. */
  prepare(): number {
    if (this.#return !== null) return UNLIMITED;
    const { hart } = this.#ports;
    const pc = hart.getPc();
    const instruction = this.#ports.instructionAt(pc);
    this.#before = { pc, sp: hart.getX(SP), privilege: hart.getPrivilege(), instruction };
    this.#trap = null;
    return 1;
  }

  /** This hart executed at least one step. True when the step is complete. */
  executed(why: HartReturn): boolean {
    // A stop of another kind is told instead; the step is then over without being complete.
    if (this.#return !== null || why === 'exit-stop') return false;
    const before = this.#before!;
    if (this.#trap === 'interrupt') {
      // The interrupt came instead of the instruction, which is still to be executed.
      this.#runTo(returnAfter(before, [before.pc]));
      return false;
    }
    const next = before.pc + BigInt(before.instruction?.length ?? 4);
    if (this.#trap === 'exception') {
      if (this.#request.mode === 'into') return true;
      // A handler returns to the instruction (a page fault) or behind it (a system call).
      this.#runTo(returnAfter(before, [before.pc, next]));
      return false;
    }
    const link = before.instruction === undefined ? null : linkRegister(before.instruction.bits);
    const called = link !== null && this.#ports.hart.getPc() !== next;
    if (called && this.#request.mode !== 'into') {
      // Millicode that saves registers returns by t0 with the stack moved; it does not recurse.
      const stack = link === 'ra' ? ({ sp: before.sp, is: 'same' } as const) : null;
      this.#runTo({ pcs: [next], privilege: before.privilege, stack });
      return false;
    }
    return !this.#insideRanges();
  }

  /**
   * A hart came to an address breakpoint at `pc`. `done`: the step ends here; `user`: a breakpoint of the user's
   * comes first; `pass`: it means nothing, go on.
   */
  atBreakpoint(hart: number, pc: bigint): 'done' | 'user' | 'pass' {
    if (hart === this.hart && this.#return !== null && this.#isBack(this.#return)) {
      this.#return = null;
      this.#ports.armTemporary(null);
      if (this.#before === null) return 'done';
      // Back from an interrupt or a handler that tries again, the step's own instruction is still to come.
      if (pc === this.#before.pc) return 'pass';
      if (!this.#insideRanges()) return 'done';
    }
    return this.#ports.isUserBreakpoint(pc) ? 'user' : 'pass';
  }

  /** The step ends, complete or not. */
  dispose(): void {
    this.#ports.armTemporary(null);
  }

  #runTo(place: Return): void {
    this.#return = place;
    this.#ports.armTemporary(place.pcs);
  }

  #isBack({ pcs, privilege, stack }: Return): boolean {
    const { hart } = this.#ports;
    if (!pcs.includes(hart.getPc())) return false;
    if (privilege !== null && hart.getPrivilege() !== privilege) return false;
    if (stack === null) return true;
    const sp = hart.getX(SP);
    return stack.is === 'same' ? sp === stack.sp : sp >= stack.sp;
  }

  #insideRanges(): boolean {
    const pc = this.#ports.hart.getPc();
    return this.#request.ranges.some(({ start, end }) => pc >= start && pc < end);
  }
}

const returnAfter = (before: Before, pcs: readonly bigint[]): Return => ({
  pcs,
  privilege: before.privilege,
  stack: { sp: before.sp, is: 'same' },
});

const RA = 1;
const T0 = 5;

/**
 * The register in which an instruction leaves its return address, if it is a call: `jal` or `jalr` that links ra
 * or t0 (RISC-V unprivileged, "Unconditional Jumps", table of return-address stack hints), or `c.jalr`.
 */
function linkRegister(bits: number): 'ra' | 't0' | null {
  if ((bits & 3) !== 3) {
    const isCompressedJalr = (bits & 0xf07f) === 0x9002 && ((bits >> 7) & 31) !== 0;
    return isCompressedJalr ? 'ra' : null;
  }
  const opcode = bits & 0x7f;
  if (opcode !== 0x6f && opcode !== 0x67) return null;
  const rd = (bits >> 7) & 31;
  return rd === RA ? 'ra' : rd === T0 ? 't0' : null;
}
