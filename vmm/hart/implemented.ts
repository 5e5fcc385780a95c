import { INTERRUPT } from '../contracts/hart.ts';
import type { IsaConfig } from '../isa/extensions.ts';
import { CSR } from './layout.ts';
import { ENVCFG, type HartState, MSTATUS } from './state.ts';

/** Interrupts that S-mode can be given, and those that only M-mode has. */
const SUPERVISOR = (1 << INTERRUPT.SSIP) | (1 << INTERRUPT.STIP) | (1 << INTERRUPT.SEIP);
const MACHINE = (1 << INTERRUPT.MSIP) | (1 << INTERRUPT.MTIP) | (1 << INTERRUPT.MEIP);
const SSTATUS = MSTATUS.SIE | MSTATUS.SPIE | MSTATUS.SPP | MSTATUS.SUM | MSTATUS.MXR;
const MSTATUS_ONLY =
  MSTATUS.MIE | MSTATUS.MPIE | MSTATUS.MPP | MSTATUS.MPRV | MSTATUS.TVM | MSTATUS.TW | MSTATUS.TSR;
/** Bits of the counter-enable registers and of mcountinhibit. */
const COUNTER = { cycle: 1, time: 2, instret: 4, programmable: ~7 } as const;

/**
 * What of the privileged architecture harts of a configuration have, as the masks that the slow paths need: bits
 * that are not in them are read-only zero ("what is off does not exist").
 */
export class Implemented {
  /** Low word of misa: a bit for each letter. */
  readonly misa: number;
  /** Writable bits of the registers' low words. */
  readonly mstatus: number;
  readonly sstatus: number;
  readonly counterEnable: number;
  readonly countInhibit: number;
  /** Of mideleg, and with the machine's own of mie. */
  readonly supervisorInterrupts: number;
  readonly interrupts: number;
  /** Writable bits of menvcfg and senvcfg; CBIE is a field of two bits with a reserved value. */
  readonly environment: number;
  readonly environmentHigh: number;
  /** High word of menvcfg after a reset. */
  readonly environmentAtReset: number;
  readonly napot: boolean;
  readonly #accessedBits: 'set' | 'fault' | 'configured';
  readonly overflowInterrupt: boolean;

  constructor(isa: IsaConfig) {
    const bits = (name: string, mask: number): number => (isa.has(name) ? mask : 0);
    this.misa = letterBits(isa);
    const float = bits('f', MSTATUS.FS);
    this.sstatus = SSTATUS | float;
    this.mstatus = SSTATUS | float | MSTATUS_ONLY;
    // stimecmp is the timer's in S-mode, whose use mcounteren.TM allows too (Sstc).
    const time = isa.has('zicntr') || isa.has('sstc') ? COUNTER.time : 0;
    this.counterEnable =
      bits('zicntr', COUNTER.cycle | COUNTER.instret) | time | bits('zihpm', COUNTER.programmable);
    this.countInhibit = COUNTER.cycle | COUNTER.instret | bits('zihpm', COUNTER.programmable);
    this.supervisorInterrupts = SUPERVISOR | bits('sscofpmf', 1 << INTERRUPT.LCOFIP);
    this.interrupts = this.supervisorInterrupts | MACHINE;
    this.environment = ENVCFG.FIOM | bits('zicbom', ENVCFG.CBIE | ENVCFG.CBCFE) | bits('zicboz', ENVCFG.CBZE);
    this.environmentHigh =
      bits('sstc', ENVCFG.STCE) | bits('svpbmt', ENVCFG.PBMTE) | bits('svadu', ENVCFG.ADUE);
    // As QEMU: what page tables may use is on, so that firmware that knows nothing of it need not turn it on; with both
    // Svade and Svadu bits fault until software says otherwise (Linux's binding "riscv,isa-extensions", svadu).
    this.environmentAtReset =
      bits('svpbmt', ENVCFG.PBMTE) | (isa.has('svade') ? 0 : bits('svadu', ENVCFG.ADUE));
    this.napot = isa.has('svnapot');
    this.#accessedBits = isa.has('svadu') ? 'configured' : isa.has('svade') ? 'fault' : 'set';
    this.overflowInterrupt = isa.has('sscofpmf');
  }

  /** Hardware sets A and D bits of page-table entries, rather than that a clear one is a page fault. */
  setsAccessedBits(state: HartState): boolean {
    if (this.#accessedBits !== 'configured') return this.#accessedBits === 'set';
    return (state.hi(CSR.menvcfg) & ENVCFG.ADUE) !== 0;
  }
}

/** MXL's letters: the extensions that are on, and the privilege levels besides M, which harts always have. */
function letterBits(isa: IsaConfig): number {
  const letters = [...'abcdefghijklmnopqrtvwxyz'].filter((letter) => isa.has(letter));
  return [...letters, 's', 'u'].reduce((bits, letter) => bits | (1 << (letter.charCodeAt(0) - 97)), 0);
}
