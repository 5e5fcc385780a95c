import { VmError } from '../base/vm-error.ts';
import type { Saved } from '../contracts/device.ts';
import type { PrivilegeLevel } from '../contracts/hart.ts';
import type { HartCore } from './core.ts';
import { CSR, CSR_PMPADDR, type CsrName, HART, PMP_ENTRIES, RAM_OFFSET } from './layout.ts';
import { PerformanceCounters } from './performance-counters.ts';

const VERSION = 2;

/** A hart's architectural state by name; translation caches and decoded code are rebuilt, not saved. */
export function saveHart(core: HartCore): Saved {
  const { state } = core;
  const { mstatus } = state; // takes in what generated code left of FS
  const counters = core.counters.save(); // may find that one overflowed, which mip tells
  const reservation = state.lo(HART.reservation) >>> 0;
  return {
    version: VERSION,
    pc: state.big(HART.pc),
    privilege: state.privilege,
    x: registers(core, HART.x),
    f: registers(core, HART.f),
    fflags: state.lo(HART.fflags),
    frm: state.lo(HART.frm),
    mstatus: BigInt(mstatus >>> 0),
    csrs: Object.fromEntries(SAVED_CSRS.map((name) => [name, state.big(CSR[name])])),
    pmpaddr: Array.from({ length: PMP_ENTRIES }, (_, entry) => state.big(CSR_PMPADDR + entry * 8)),
    // As an offset within RAM: host offsets are this build's own.
    reservation: reservation === 0 ? null : reservation - RAM_OFFSET,
    reservedValue: state.big(HART.reservedValue),
    steps: core.steps,
    notRetired: core.notRetired,
    skipped: core.skipped,
    cycleOffset: core.cycleOffset,
    instretOffset: core.instretOffset,
    counters,
  };
}

/** Throws `VmError('bad-file')` on a version or shape it does not know. */
export function restoreHart(core: HartCore, saved: Saved): void {
  if (saved.version !== VERSION) {
    throw new VmError(
      'bad-file',
      `hart state of version ${saved.version}; this build reads version ${VERSION}`,
    );
  }
  const read = new SavedReader(saved);
  const { state } = core;
  restoreRegisters(core, HART.x, read.bigs('x', 32));
  restoreRegisters(core, HART.f, read.bigs('f', 32));
  state.setBig(HART.pc, read.big('pc'));
  state.setLo(HART.fflags, read.number('fflags'));
  state.setLo(HART.frm, read.number('frm'));
  const csrs = new SavedReader(read.record('csrs'));
  for (const name of SAVED_CSRS) state.setBig(CSR[name], csrs.big(name));
  for (const [entry, value] of read.bigs('pmpaddr', PMP_ENTRIES).entries()) {
    state.setBig(CSR_PMPADDR + entry * 8, value);
  }
  state.setLo(HART.reservation, saved['reservation'] === null ? 0 : RAM_OFFSET + read.number('reservation'));
  state.setBig(HART.reservedValue, read.big('reservedValue'));
  core.sliceEnd = read.number('steps');
  state.setLo(HART.remaining, 0);
  core.notRetired = read.number('notRetired');
  core.skipped = read.number('skipped');
  core.translated = 0;
  core.cycleOffset = read.signed('cycleOffset');
  core.instretOffset = read.signed('instretOffset');
  const counters = new SavedReader(read.record('counters'));
  core.counters.restore(
    counters.bigs('values', PerformanceCounters.count),
    counters.bigs('events', PerformanceCounters.count),
  );
  core.pmp.refresh();
  core.caches.flush();
  core.refreshTimer();
  core.changeContext(
    read.number('privilege') as PrivilegeLevel,
    Number(BigInt.asIntN(32, read.big('mstatus'))),
  );
}

/** mstatus stands by itself: part of it lives outside its slot. */
const SAVED_CSRS = (Object.keys(CSR) as CsrName[]).filter((name) => name !== 'mstatus');

function registers(core: HartCore, offset: number): bigint[] {
  return Array.from({ length: 32 }, (_, index) => core.state.big(offset + index * 8));
}

function restoreRegisters(core: HartCore, offset: number, values: readonly bigint[]): void {
  for (const [index, value] of values.entries()) core.state.setBig(offset + index * 8, value);
}

/** Reads named fields and checks their shape. */
class SavedReader {
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(fields: Readonly<Record<string, unknown>>) {
    this.#fields = fields;
  }

  number(name: string): number {
    const value = this.#fields[name];
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw this.#bad(name);
    return value;
  }

  /** An unsigned 64-bit value. */
  big(name: string): bigint {
    const value = this.#fields[name];
    if (typeof value !== 'bigint' || value !== BigInt.asUintN(64, value)) throw this.#bad(name);
    return value;
  }

  signed(name: string): bigint {
    const value = this.#fields[name];
    if (typeof value !== 'bigint') throw this.#bad(name);
    return value;
  }

  bigs(name: string, length: number): readonly bigint[] {
    const value = this.#fields[name];
    if (!Array.isArray(value) || value.length !== length || value.some((item) => typeof item !== 'bigint')) {
      throw this.#bad(name);
    }
    return value;
  }

  record(name: string): Readonly<Record<string, unknown>> {
    const value = this.#fields[name];
    if (typeof value !== 'object' || value === null) throw this.#bad(name);
    return value as Record<string, unknown>;
  }

  #bad(name: string): VmError {
    return new VmError('bad-file', `hart state: field "${name}" is missing or of the wrong kind`);
  }
}
