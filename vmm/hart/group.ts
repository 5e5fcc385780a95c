import type { Saved } from '../contracts/device.ts';
import type { Hart, HartGroup, HartPorts, TranslatorStatistics } from '../contracts/hart.ts';
import type { GuestMemory } from '../contracts/memory.ts';
import { DEFAULT_ISA, type IsaConfig } from '../isa/extensions.ts';
import { decoderOf } from '../isa/isa-decode.ts';
import { type CodePageEvents, CodePages } from './code-pages.ts';
import { HartCore } from './core.ts';
import { DataAccess, type StoreWatch } from './data-access.ts';
import { type Breakpoints, HartExecution } from './execution.ts';
import { RiscvHart } from './hart.ts';
import { InstructionFetch } from './instruction-fetch.ts';
import { instantiateInterpreter, type SlowPorts } from './interpreter.ts';
import { SPECIAL } from './interpreter-loop.ts';
import {
  CELL_HOT,
  ENTRY_RECORD,
  GUARD,
  GUARDS_OFFSET,
  HART,
  HART_STRIDE,
  HARTS_OFFSET,
  JUMP_RECORD,
  RAM_OFFSET,
  RECORD_SIZE,
} from './layout.ts';
import { interpreterProgram } from './program.ts';
import { RecordWriter } from './record-writer.ts';
import { restoreCaches, saveCaches } from './saved-caches.ts';
import type { Translator, TranslatorFactory, TranslatorParts } from './translation.ts';

/** The most that lr.d reserves. */
const RESERVATION_BYTES = 8;

export interface HartGroupOptions {
  readonly memory: GuestMemory;
  readonly ports: HartPorts;
  /** What the harts have; default everything. */
  readonly isa?: IsaConfig;
  /** Translates hot code; absent: everything is interpreted. */
  readonly translator?: TranslatorOption;
}

export interface TranslatorOption {
  readonly create: TranslatorFactory;
  /** Jumps to an address that make it hot, 1 to `CELL_HOT`. */
  readonly hotAfter: number;
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

  readonly #translator: Translator | null;

  constructor({ memory, ports, isa = DEFAULT_ISA, translator }: HartGroupOptions) {
    this.#memory = memory;
    const u8 = new Uint8Array(memory.memory.buffer);
    const data: DataAccess[] = [];
    const executions: HartExecution[] = [];
    const serve: TranslatorParts['serve'] = (hart, service, raw) =>
      executions[indexOf(hart)]!.serve(service, raw);
    const interpreter = instantiateInterpreter(interpreterProgram(), memory, slowPorts(data));
    const decode = decoderOf(isa);
    const writer = new RecordWriter(memory, interpreter.forms, decode);
    const events: CodePageEvents = {
      guarded: (hostPage) => {
        u8[guardOf(hostPage)]! |= GUARD.code;
        for (const core of this.#cores) core.caches.dropWrites(hostPage);
      },
      dropped: (codePage, hostPage) => {
        if (hostPage >>> 12 !== this.#watch.host >>> 12) u8[guardOf(hostPage)]! &= ~GUARD.code;
        for (const core of this.#cores) core.caches.dropFetches(codePage);
        this.#translator?.dropped(codePage);
      },
      changed: (host, length) => this.#translator?.written(host, length),
    };
    this.#code = new CodePages(memory, writer, events, translator?.hotAfter ?? CELL_HOT);
    this.#translator = translator?.create({ memory, code: this.#code, decode, serve }) ?? null;
    this.#cores = Array.from(
      { length: memory.harts },
      (_, id) => new HartCore(memory, id, ports, isa, (host) => this.#written(host, 8)),
    );
    memory.pages.protectBy({
      protect: (page) => {
        for (const core of this.#cores) core.caches.guardWrites(RAM_OFFSET + page * 4096);
      },
      protectAll: () => {
        for (const core of this.#cores) core.caches.guardWrites();
      },
    });
    this.harts = this.#cores.map((core) => {
      writeScratchFrame(core, writer);
      const access = new DataAccess(core, this.#code, this.#watch);
      data.push(access);
      const fetch = new InstructionFetch(core, this.#code, writer);
      executions[core.state.id] = new HartExecution(core, {
        interpreter,
        code: this.#code,
        fetch,
        data: access,
        breakpoints: this.#breakpoints,
        translator: this.#translator,
        takesTurn: () => this.#dropReservations((other) => other !== core),
      });
      return new RiscvHart(core, executions[core.state.id]!);
    });
  }

  setBreakpoints(addresses: ReadonlySet<bigint>): void {
    this.#breakpoints.replace(addresses);
    const offsets = new Set([...addresses].map((address) => Number(address & 0xfffn)));
    this.#code.setBreakOffsets(offsets);
    this.#translator?.setBreakOffsets(offsets);
  }

  codeChanged(address: number, length: number): void {
    const start = Math.max(0, address - this.#memory.ramBase);
    const end = Math.min(this.#memory.ramSize, address - this.#memory.ramBase + length);
    if (start >= end) return;
    this.#written(RAM_OFFSET + start, end - start);
    // A device's store breaks a reservation as a hart's does.
    this.#dropReservations(({ state }) => {
      const reserved = (state.lo(HART.reservation) >>> 0) - RAM_OFFSET;
      return reserved + RESERVATION_BYTES > start && reserved < end;
    });
  }

  forgetCode(): void {
    this.#code.clear();
    this.#dropReservations(() => true);
  }

  /** RAM was written by something else than a store of a hart's. */
  #written(host: number, length: number): void {
    this.#memory.pages.wrote(host - RAM_OFFSET, length);
    this.#code.written(host, length);
  }

  save(): Saved {
    return saveCaches(this.#cores, this.#code);
  }

  restore(saved: Saved): void {
    this.#code.clear();
    restoreCaches(this.#cores, this.#code, this.#memory, saved);
  }

  watchHtif(address: number): void {
    this.#watch.host = RAM_OFFSET + (address - this.#memory.ramBase);
    const page = this.#watch.host - (this.#watch.host % 4096);
    new Uint8Array(this.#memory.memory.buffer)[guardOf(page)]! |= GUARD.code;
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

  get tiers(): { readonly interpreter: number; readonly translator: number } {
    const executed = this.#cores.reduce((sum, core) => sum + core.executed, 0);
    const translator = this.#cores.reduce((sum, core) => sum + core.translated, 0);
    return { interpreter: executed - translator, translator };
  }

  get translation(): TranslatorStatistics | null {
    return this.#translator?.statistics ?? null;
  }
}

const guardOf = (hostPage: number): number => GUARDS_OFFSET + ((hostPage - RAM_OFFSET) >>> 12);

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

/** The records around a hart's scratch instruction: whatever its length, `goto` follows; and those that enter a page. */
function writeScratchFrame(core: HartCore, writer: RecordWriter): void {
  const { base } = core.state;
  writer.writeSpecial(base + HART.scratchCode + RECORD_SIZE, SPECIAL.goto);
  writer.writeSpecial(base + HART.scratchCode + 2 * RECORD_SIZE, SPECIAL.goto);
  writer.writeSpecial(base + ENTRY_RECORD, SPECIAL.goto);
  writer.writeSpecial(base + JUMP_RECORD, SPECIAL.jump);
}

const HART_SHIFT = Math.log2(HART_STRIDE);

/** Number of the hart whose record is at the host offset. */
const indexOf = (hart: number): number => (hart - HARTS_OFFSET) >>> HART_SHIFT;

/** Generated code is one for all harts: its imports find the hart by the offset of its record. */
function slowPorts(harts: readonly DataAccess[]): SlowPorts {
  const of = (hart: number): DataAccess => harts[indexOf(hart)]!;
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
