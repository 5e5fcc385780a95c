import { INTERRUPT, PRIVILEGE } from '../contracts/hart.ts';
import type { IsaConfig } from '../isa/extensions.ts';
import type { HartCore } from './core.ts';
import { readCycle, readInstret, writeCycle, writeInhibit, writeInstret } from './counters.ts';
import type { Implemented } from './implemented.ts';
import { CSR, CSR_PMPADDR, type CsrName, HART, PMP_ENTRIES } from './layout.ts';
import { SATP_LEVELS } from './mmu.ts';
import { FIRST_COUNTER } from './performance-counters.ts';
import { ENVCFG, highHalf, joinHalves, lowHalf, MPP_SHIFT, MSTATUS, MSTATUS_HIGH, STATEEN } from './state.ts';
import { STORED_CSRS } from './stored-csrs.ts';

/** A CSR value as signed 32-bit halves: written by a `read`, read by a `write`. */
export interface CsrValue {
  lo: number;
  hi: number;
}

/** One CSR of a hart. Privilege and writability stand in its number; see `isAccessible` for the rest. */
export interface CsrDefinition {
  readonly number: number;
  readonly name: string;
  read(core: HartCore, into: CsrValue): void;
  /** Applies the field rules (WARL) and side effects. Absent: writes are ignored. */
  write?(core: HartCore, lo: number, hi: number, byInstruction: boolean): void;
  /** What csrrs and csrrc set and clear bits of, where that is not what `read` gives (mip.SEIP). */
  readForModify?(core: HartCore, into: CsrValue): void;
  /** Absent: in every configuration. What does not exist, no instruction and no debugger finds. */
  exists?(isa: IsaConfig): boolean;
  /** False: an access by an instruction at the present privilege is illegal, beyond what the number says. */
  isAccessible?(core: HartCore): boolean;
  /** Writing it changes translation, protection or interrupts: an exit of kind `csr`. */
  readonly isExit?: boolean;
}

const EXCEPTIONS_DELEGABLE = 0xb3ff; // all but M-mode's own ecall (11) and reserved causes
const SD = 0x8000_0000 | 0;
/** misa.MXL = 2: 64 bits. */
const MISA_HIGH = 0x8000_0000 | 0;
const COUNTER_TIME = 2;
const CBIE_RESERVED = 2 << 4;
const WRITABLE_IN_SIP = (1 << INTERRUPT.SSIP) | (1 << INTERRUPT.LCOFIP);

const lowBits = (lo: number): Mask => ({ lo, hi: 0 });
const lookAgain = (core: HartCore): void => {
  core.attention = true;
};

const definitions: CsrDefinition[] = [];

for (const { number, name, writable } of STORED_CSRS) {
  slot(number, name, { lo: lowHalf(writable), hi: highHalf(writable) });
}
defineMachineTraps();
defineSupervisorTraps();
defineTranslation();
defineStateEnables();
defineFloat();
defineCounters();
defineIdentity();

/** All CSRs that a hart has, in order of their numbers. */
export const CSR_DEFINITIONS: readonly CsrDefinition[] = definitions.toSorted((a, b) => a.number - b.number);

const byNumber: readonly (CsrDefinition | undefined)[] = (() => {
  const table: (CsrDefinition | undefined)[] = Array(4096).fill(undefined);
  for (const definition of definitions) table[definition.number] = definition;
  return table;
})();

/** The CSR of a 12-bit number; undefined when harts of this configuration have none. */
export function csrByNumber(isa: IsaConfig, number: number): CsrDefinition | undefined {
  const definition = byNumber[number];
  return definition?.exists?.(isa) === false ? undefined : definition;
}

function needs(extension: string): (isa: IsaConfig) => boolean {
  return (isa) => isa.has(extension);
}

function define(number: number, name: string, rest: Omit<CsrDefinition, 'number' | 'name'>): void {
  definitions.push({ number, name, ...rest });
}

interface Mask {
  readonly lo: number;
  readonly hi: number;
}

/** A CSR that is a slot of the hart's record; each half of a written value is masked. */
function slot(
  number: number,
  name: CsrName,
  mask: Mask | ((implemented: Implemented) => number),
  after?: (core: HartCore) => void,
): void {
  const offset = CSR[name];
  define(number, name, {
    read: (core, into) => {
      into.lo = core.state.lo(offset);
      into.hi = core.state.hi(offset);
    },
    write: (core, lo, hi) => {
      const writable = typeof mask === 'function' ? lowBits(mask(core.implemented)) : mask;
      core.state.set(offset, lo & writable.lo, hi & writable.hi);
      after?.(core);
    },
    isExit: after !== undefined,
  });
}

function defineMachineTraps(): void {
  define(0x300, 'mstatus', {
    read: (core, into) => {
      into.lo = core.state.mstatus;
      into.hi = MSTATUS_HIGH | dirtySummary(into.lo);
    },
    write: (core, lo) => {
      const old = core.state.mstatus;
      let value = lo & core.implemented.mstatus;
      // MPP is WARL: 2 names no privilege level, and the field keeps its value.
      if (((value >> MPP_SHIFT) & 3) === 2) value = (value & ~MSTATUS.MPP) | (old & MSTATUS.MPP);
      core.changeContext(core.state.privilege, value);
    },
    isExit: true,
  });
  slot(0x302, 'medeleg', lowBits(EXCEPTIONS_DELEGABLE), lookAgain);
  slot(0x303, 'mideleg', ({ supervisorInterrupts }) => supervisorInterrupts, lookAgain);
  slot(0x304, 'mie', ({ interrupts }) => interrupts, lookAgain);
  trapVector(0x305, 'mtvec');
  define(0x344, 'mip', {
    read: (core, into) => setLow(into, core.pendingInterrupts),
    // A line of the interrupt controller never enters what software wrote ("mip and mie", SEIP).
    readForModify: (core, into) => setLow(into, core.state.lo(CSR.mipSoftware)),
    write: (core, lo) => {
      const { supervisorInterrupts } = core.implemented;
      const timer = core.usesStimecmp ? 1 << INTERRUPT.STIP : 0;
      writeSoftwareInterrupts(core, supervisorInterrupts & ~timer, lo);
    },
    isExit: true,
  });
}

function defineSupervisorTraps(): void {
  define(0x100, 'sstatus', {
    read: (core, into) => {
      const { mstatus } = core.state;
      into.lo = mstatus & core.implemented.sstatus;
      into.hi = (MSTATUS_HIGH & 3) | dirtySummary(mstatus);
    },
    write: (core, lo) => {
      const visible = core.implemented.sstatus;
      const value = (core.state.mstatus & ~visible) | (lo & visible);
      core.changeContext(core.state.privilege, value);
    },
    isExit: true,
  });
  define(0x104, 'sie', {
    read: (core, into) => setLow(into, core.state.lo(CSR.mie) & core.state.lo(CSR.mideleg)),
    write: (core, lo) => {
      const writable = core.state.lo(CSR.mideleg);
      core.state.set(CSR.mie, (core.state.lo(CSR.mie) & ~writable) | (lo & writable), 0);
      core.attention = true;
    },
    isExit: true,
  });
  trapVector(0x105, 'stvec');
  define(0x144, 'sip', {
    read: (core, into) => setLow(into, core.pendingInterrupts & core.state.lo(CSR.mideleg)),
    write: (core, lo) => writeSoftwareInterrupts(core, core.state.lo(CSR.mideleg) & WRITABLE_IN_SIP, lo),
    isExit: true,
  });
  define(0x14d, 'stimecmp', {
    read: (core, into) => {
      into.lo = core.state.lo(CSR.stimecmp);
      into.hi = core.state.hi(CSR.stimecmp);
    },
    write: (core, lo, hi) => {
      core.state.set(CSR.stimecmp, lo, hi);
      core.refreshTimer();
      core.attention = true;
    },
    exists: needs('sstc'),
    // Sstc, "Machine and Supervisor Level Additions".
    isAccessible: (core) =>
      core.state.privilege === PRIVILEGE.M ||
      (core.usesStimecmp && (core.state.lo(CSR.mcounteren) & COUNTER_TIME) !== 0),
    isExit: true,
  });
}

function defineTranslation(): void {
  define(0x180, 'satp', {
    read: (core, into) => {
      into.lo = core.state.lo(CSR.satp);
      into.hi = core.state.hi(CSR.satp);
    },
    write: (core, lo, hi) => {
      if (!hasTranslationMode(hi)) return;
      core.state.set(CSR.satp, lo, hi);
      core.caches.flush();
      core.attention = true;
    },
    isAccessible: (core) =>
      core.state.privilege !== PRIVILEGE.S || (core.state.lo(CSR.mstatus) & MSTATUS.TVM) === 0,
    isExit: true,
  });
  define(0x30a, 'menvcfg', {
    read: (core, into) => {
      into.lo = core.state.lo(CSR.menvcfg);
      into.hi = core.state.hi(CSR.menvcfg);
    },
    write: (core, lo, hi) => {
      const low = environment(core, lo, core.state.lo(CSR.menvcfg));
      core.state.set(CSR.menvcfg, low, hi & core.implemented.environmentHigh);
      core.caches.flush();
      core.refreshTimer();
      core.attention = true;
    },
    isExit: true,
  });
  define(0x10a, 'senvcfg', {
    read: (core, into) => setLow(into, core.state.lo(CSR.senvcfg)),
    write: (core, lo) => {
      core.state.set(CSR.senvcfg, environment(core, lo, core.state.lo(CSR.senvcfg)), 0);
    },
    isAccessible: (core) => enablesState(core, 0, STATEEN.ENVCFG),
  });
  for (const [number, name, first] of [
    [0x3a0, 'pmpcfg0', 0],
    [0x3a2, 'pmpcfg2', 8],
  ] as const) {
    define(number, name, {
      read: (core, into) => {
        into.lo = core.state.lo(CSR[name]);
        into.hi = core.state.hi(CSR[name]);
      },
      write: (core, lo, hi) => {
        core.pmp.writeConfig(first, lo, hi);
        core.caches.flush();
        core.attention = true;
      },
      isExit: true,
    });
  }
  for (let entry = 0; entry < PMP_ENTRIES; entry++) {
    const offset = CSR_PMPADDR + entry * 8;
    define(0x3b0 + entry, `pmpaddr${entry}`, {
      read: (core, into) => {
        into.lo = core.state.lo(offset);
        into.hi = core.state.hi(offset);
      },
      write: (core, lo, hi) => {
        core.pmp.writeAddress(entry, lo, hi);
        core.caches.flush();
        core.attention = true;
      },
      isExit: true,
    });
  }
}

/** The state enables (privileged, "Smstateen/Ssstateen"). No extension here has state that sstateen would guard. */
function defineStateEnables(): void {
  for (const [index, name] of (['mstateen0', 'mstateen1', 'mstateen2', 'mstateen3'] as const).entries()) {
    const offset = CSR[name];
    const writable = STATEEN.SE | (index === 0 ? STATEEN.ENVCFG : 0);
    define(0x30c + index, name, {
      read: (core, into) => {
        into.lo = 0;
        into.hi = core.state.hi(offset);
      },
      write: (core, _lo, hi) => core.state.set(offset, 0, hi & writable),
      exists: needs('smstateen'),
    });
    define(0x10c + index, `sstateen${index}`, {
      read: (_core, into) => setLow(into, 0),
      exists: needs('ssstateen'),
      isAccessible: (core) => enablesState(core, index, STATEEN.SE),
    });
  }
}

/** Whether mstateenN lets levels below M use what the bit of its high word guards; without Smstateen everything is let. */
function enablesState({ state, isa }: HartCore, index: number, bit: number): boolean {
  if (state.privilege === PRIVILEGE.M || !isa.has('smstateen')) return true;
  return (state.hi(CSR.mstateen0 + 8 * index) & bit) !== 0;
}

/** Low word of menvcfg or senvcfg: CBIE is WARL, and its value 2 is reserved ("Cache-block management", CBIE). */
function environment(core: HartCore, written: number, old: number): number {
  const value = written & core.implemented.environment;
  return (value & ENVCFG.CBIE) === CBIE_RESERVED ? (value & ~ENVCFG.CBIE) | (old & ENVCFG.CBIE) : value;
}

function defineFloat(): void {
  const isAccessible = (core: HartCore): boolean => core.state.lo(HART.floatOff) === 0;
  const register = (
    number: number,
    name: string,
    flagBits: number,
    modeShift: number,
    modeBits: number,
  ): void =>
    define(number, name, {
      read: (core, into) => {
        const flags = core.state.lo(HART.fflags) & flagBits;
        setLow(into, flags | ((core.state.lo(HART.frm) & modeBits) << modeShift));
      },
      write: (core, lo) => {
        if (flagBits !== 0) core.state.setLo(HART.fflags, lo & flagBits);
        if (modeBits !== 0) core.state.setLo(HART.frm, (lo >> modeShift) & modeBits);
        core.state.setLo(HART.floatDirty, 1);
      },
      exists: needs('f'),
      isAccessible,
    });
  register(0x001, 'fflags', 0x1f, 0, 0);
  register(0x002, 'frm', 0, 0, 7);
  register(0x003, 'fcsr', 0x1f, 5, 7);
}

function defineCounters(): void {
  define(0xb00, 'mcycle', {
    read: (core, into) => setWhole(into, readCycle(core)),
    write: (core, lo, hi, byInstruction) => writeCycle(core, joinHalves(lo, hi), byInstruction),
  });
  define(0xb02, 'minstret', {
    read: (core, into) => setWhole(into, readInstret(core)),
    write: (core, lo, hi, byInstruction) => writeInstret(core, joinHalves(lo, hi), byInstruction),
  });
  define(0x320, 'mcountinhibit', {
    read: (core, into) => setLow(into, core.state.lo(CSR.mcountinhibit)),
    write: (core, lo, _hi, byInstruction) => writeInhibit(core, lo, byInstruction),
  });
  slot(0x306, 'mcounteren', ({ counterEnable }) => counterEnable);
  slot(0x106, 'scounteren', ({ counterEnable }) => counterEnable);
  const whole = (value: (core: HartCore) => bigint): CsrDefinition['read'] => {
    return (core, into) => setWhole(into, value(core));
  };
  userCounter(0, 'cycle', 'zicntr', whole(readCycle));
  userCounter(
    1,
    'time',
    'zicntr',
    whole(({ ports, state }) => ports.time(state.id)),
  );
  userCounter(2, 'instret', 'zicntr', whole(readInstret));
  for (let counter = FIRST_COUNTER; counter < 32; counter++) defineProgrammable(counter);
  define(0xda0, 'scountovf', {
    // Below M-mode, of the counters that mcounteren shows (Sscofpmf, "Supervisor Count Overflow").
    read: ({ counters, state }, into) => {
      const visible = state.privilege === PRIVILEGE.M ? -1 : state.lo(CSR.mcounteren);
      setLow(into, counters.overflowed & visible);
    },
    exists: needs('sscofpmf'),
  });
}

/** A counter of a chosen event. M-mode has the registers in any case; without Zihpm they are zero, and not to be written. */
function defineProgrammable(counter: number): void {
  const read = (core: HartCore, into: CsrValue): void => setWhole(into, core.counters.read(counter));
  define(0xb00 + counter, `mhpmcounter${counter}`, {
    read,
    write: (core, lo, hi, byInstruction) => {
      if (core.isa.has('zihpm')) core.counters.write(counter, joinHalves(lo, hi), byInstruction);
    },
  });
  define(0x320 + counter, `mhpmevent${counter}`, {
    read: (core, into) => {
      const { lo, hi } = core.counters.event(counter);
      into.lo = lo;
      into.hi = hi;
    },
    write: (core, lo, hi, byInstruction) => {
      if (core.isa.has('zihpm')) core.counters.writeEvent(counter, lo, hi, byInstruction);
    },
  });
  userCounter(counter, `hpmcounter${counter}`, 'zihpm', read);
}

/** An unprivileged view of a counter, gated by mcounteren and scounteren. */
function userCounter(
  counter: number,
  name: string,
  extension: 'zicntr' | 'zihpm',
  read: CsrDefinition['read'],
): void {
  const bit = 1 << counter;
  define(0xc00 + counter, name, {
    read,
    exists: needs(extension),
    isAccessible: ({ state }) =>
      state.privilege === PRIVILEGE.M ||
      ((state.lo(CSR.mcounteren) & bit) !== 0 &&
        (state.privilege === PRIVILEGE.S || (state.lo(CSR.scounteren) & bit) !== 0)),
  });
}

function defineIdentity(): void {
  const zero = (_core: HartCore, into: CsrValue): void => setLow(into, 0);
  define(0x301, 'misa', {
    read: ({ implemented }, into) => {
      into.lo = implemented.misa;
      into.hi = MISA_HIGH;
    },
  });
  define(0xf11, 'mvendorid', { read: zero });
  define(0xf12, 'marchid', { read: zero });
  define(0xf13, 'mimpid', { read: zero });
  define(0xf14, 'mhartid', { read: (core, into) => setLow(into, core.state.id) });
  define(0xf15, 'mconfigptr', { read: zero });
  // No triggers: type 0 in tdata1 says so (debug, "Sdtrig").
  define(0x7a0, 'tselect', { read: zero });
  for (const number of [1, 2, 3]) define(0x7a0 + number, `tdata${number}`, { read: zero });
}

/** A write of satp with an unsupported MODE has no effect at all ("Supervisor Address Translation and Protection"). */
export function hasTranslationMode(satpHigh: number): boolean {
  const mode = satpHigh >>> 28;
  return mode === 0 || SATP_LEVELS[mode] !== undefined;
}

function trapVector(number: number, name: 'mtvec' | 'stvec'): void {
  define(number, name, {
    read: (core, into) => {
      into.lo = core.state.lo(CSR[name]);
      into.hi = core.state.hi(CSR[name]);
    },
    // Modes 2 and 3 are reserved; the register keeps its value then, as QEMU does.
    write: (core, lo, hi) => {
      if ((lo & 3) < 2) core.state.set(CSR[name], lo, hi);
    },
  });
}

function writeSoftwareInterrupts(core: HartCore, writable: number, lo: number): void {
  const kept = core.state.lo(CSR.mipSoftware) & ~writable;
  core.state.set(CSR.mipSoftware, kept | (lo & writable), 0);
  core.attention = true;
}

function dirtySummary(mstatus: number): number {
  return (mstatus & MSTATUS.FS) === MSTATUS.FS ? SD : 0;
}

function setLow(into: CsrValue, lo: number): void {
  into.lo = lo;
  into.hi = 0;
}

function setWhole(into: CsrValue, value: bigint): void {
  into.lo = lowHalf(value);
  into.hi = highHalf(value);
}
