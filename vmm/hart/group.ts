import type { Hart, HartGroup, HartPorts } from '../contracts/hart.ts';
import type { GuestMemory } from '../contracts/memory.ts';
import { INSTRUCTIONS } from '../isa/table.ts';
import { CodePages } from './code-pages.ts';
import { COMPRESSIBLE } from './compressible.ts';
import { HartCore } from './core.ts';
import { DataAccess, type StoreWatch } from './data-access.ts';
import { type Breakpoints, HartExecution } from './execution.ts';
import { RiscvHart } from './hart.ts';
import { InstructionFetch } from './instruction-fetch.ts';
import {
  compileInterpreter,
  type InterpreterProgram,
  instantiateInterpreter,
  type SlowPorts,
} from './interpreter.ts';
import { SPECIAL } from './interpreter-loop.ts';
import { ENTRY_RECORD, HART, HART_STRIDE, HARTS_OFFSET, RAM_OFFSET, RECORD_SIZE } from './layout.ts';
import { RecordWriter } from './record-writer.ts';

/** The most that lr.d reserves. */
const RESERVATION_BYTES = 8;

/** What a hart implements beyond the fixed RV64IMAFDC_Zicsr_Zifencei_Zba_Zbb_Zbs_Zicond_Sstc. */
export interface HartIsa {
  /** Svade: a clear A or D bit is a page fault. By default hardware sets them (Svadu), as QEMU does. */
  readonly svade?: boolean;
}

export interface HartGroupOptions {
  readonly memory: GuestMemory;
  readonly ports: HartPorts;
  readonly isa?: HartIsa;
}

/** Makes the machine's harts, `memory.harts` of them, reset to pc 0 in M-mode. */
export function createHartGroup(options: HartGroupOptions): HartGroup {
  return new RiscvHartGroup(options);
}

class RiscvHartGroup implements HartGroup {
  readonly harts: readonly Hart[];
  readonly #cores: readonly HartCore[];
  readonly #memory: GuestMemory;
  readonly #code: CodePages;
  readonly #watch: StoreWatch = { host: -1 };
  readonly #breakpoints = new BreakpointSet();

  constructor({ memory, ports, isa = {} }: HartGroupOptions) {
    this.#memory = memory;
    const data: DataAccess[] = [];
    const interpreter = instantiateInterpreter(interpreterProgram(), memory, slowPorts(data));
    const writer = new RecordWriter(memory, interpreter.forms);
    this.#code = new CodePages(memory, writer, {
      guarded: (hostPage) => {
        for (const core of this.#cores) core.caches.dropWrites(hostPage);
      },
      dropped: (codePage) => {
        for (const core of this.#cores) core.caches.dropFetches(codePage);
      },
    });
    this.#cores = Array.from(
      { length: memory.harts },
      (_, id) => new HartCore(memory, id, ports, isa, (host) => this.#code.written(host, 8)),
    );
    this.harts = this.#cores.map((core) => {
      writeScratchFrame(core, writer);
      const access = new DataAccess(core, this.#code, this.#watch);
      data.push(access);
      const fetch = new InstructionFetch(core, this.#code, writer);
      const execution = new HartExecution(core, {
        interpreter,
        code: this.#code,
        fetch,
        data: access,
        breakpoints: this.#breakpoints,
        takesTurn: () => this.#dropReservations((other) => other !== core),
      });
      return new RiscvHart(core, execution);
    });
  }

  setBreakpoints(addresses: ReadonlySet<bigint>): void {
    this.#breakpoints.replace(addresses);
    this.#code.setBreakOffsets(new Set([...addresses].map((address) => Number(address & 0xfffn))));
  }

  codeChanged(address: number, length: number): void {
    const start = Math.max(0, address - this.#memory.ramBase);
    const end = Math.min(this.#memory.ramSize, address - this.#memory.ramBase + length);
    if (start >= end) return;
    this.#code.written(RAM_OFFSET + start, end - start);
    // A device's store breaks a reservation as a hart's does.
    this.#dropReservations(({ state }) => {
      const reserved = (state.lo(HART.reservation) >>> 0) - RAM_OFFSET;
      return reserved + RESERVATION_BYTES > start && reserved < end;
    });
  }

  watchHtif(address: number): void {
    this.#watch.host = RAM_OFFSET + (address - this.#memory.ramBase);
    const page = this.#watch.host - (this.#watch.host % 4096);
    for (const core of this.#cores) core.caches.dropWrites(page);
  }

  /**
   * When a hart gets its turn, the others' reservations end: it may store to what they reserved, and comparing
   * values would miss a store that another one undid (unprivileged, "Zalrsc": a store by another hart between LR
   * and SC makes SC fail). A loop of LR and SC that the end of a turn cuts goes around once more.
   */
  #dropReservations(which: (core: HartCore) => boolean): void {
    for (const core of this.#cores) {
      if (which(core)) core.state.setLo(HART.reservation, 0);
    }
  }

  get tiers(): { readonly interpreter: number } {
    return { interpreter: this.#cores.reduce((sum, core) => sum + core.executed, 0) };
  }
}

/** The address breakpoints in force. */
class BreakpointSet implements Breakpoints {
  #addresses: ReadonlySet<bigint> = new Set();

  get isEmpty(): boolean {
    return this.#addresses.size === 0;
  }

  has(pc: bigint): boolean {
    return this.#addresses.has(pc);
  }

  replace(addresses: ReadonlySet<bigint>): void {
    this.#addresses = new Set(addresses);
  }
}

let compiled: InterpreterProgram | undefined;

/** Compiled on first use, then shared by all machines of this thread. */
function interpreterProgram(): InterpreterProgram {
  compiled ??= compileInterpreter(
    INSTRUCTIONS.map(({ name, semantics }) => ({ name, semantics, compressible: COMPRESSIBLE.has(name) })),
  );
  return compiled;
}

/** The records around a hart's scratch instruction: whatever its length, `goto` follows; and one enters a page. */
function writeScratchFrame(core: HartCore, writer: RecordWriter): void {
  const { base } = core.state;
  writer.writeSpecial(base + HART.scratchCode + RECORD_SIZE, SPECIAL.goto);
  writer.writeSpecial(base + HART.scratchCode + 2 * RECORD_SIZE, SPECIAL.goto);
  writer.writeSpecial(base + ENTRY_RECORD, SPECIAL.goto);
}

/** Generated code is one for all harts: its imports find the hart by the offset of its record. */
function slowPorts(harts: readonly DataAccess[]): SlowPorts {
  const of = (hart: number): DataAccess => harts[(hart - HARTS_OFFSET) / HART_STRIDE]!;
  return {
    load: (hart, width) => of(hart).load(width),
    store: (hart, bytes) => of(hart).store(bytes),
    loadReserved: (hart, bytes) => of(hart).loadReserved(bytes),
    storeConditional: (hart, bytes) => of(hart).storeConditional(bytes),
    amoLoad: (hart, bytes) => of(hart).amoLoad(bytes),
    amoStore: (hart, bytes) => of(hart).amoStore(bytes),
    soft: (hart, operation, roundingMode) => of(hart).soft(operation, roundingMode),
  };
}
