import { EVENT } from '../isa/performance-events.ts';
import { inRegister, softFloat } from '../wasm/soft-float.ts';
import {
  BLOCK_BYTES,
  LOAD_BYTES,
  LOAD_WIDTHS,
  SOFT_FORMATS,
  SOFT_OPERATIONS,
  STATUS,
  type Status,
} from './abi.ts';
import { zeroBlock } from './block-access.ts';
import type { CodePages } from './code-pages.ts';
import type { HartCore } from './core.ts';
import { HART, RAM_OFFSET } from './layout.ts';
import { ACCESS_FAULT } from './mmu.ts';
import { ACCESS } from './pmp.ts';
import { CAUSE } from './traps.ts';

/** Of each of `LOAD_WIDTHS`: its bytes, and 1 where it is signed. */
const LOAD_SIZES = Uint8Array.from(LOAD_WIDTHS, (width) => LOAD_BYTES[width]);
const LOAD_SIGNED = Uint8Array.from(LOAD_WIDTHS, (width) => (width.startsWith('s') ? 1 : 0));

/** What `resolve` found instead of a host offset. */
export const OUTSIDE_RAM = 0;
export const TRAPPED = -1;

/** Stores to one 8-byte word of RAM that the machine wants to know of (HTIF's `tohost`). */
export interface StoreWatch {
  /** Host offset, -1 for none. */
  host: number;
}

/**
 * The slow way of loads, stores and atomics: translation misses, devices, misaligned addresses, protected pages,
 * pages with decoded code. Operands and results stand in the hart's record; each returns a `Status`.
 */
export class DataAccess {
  readonly #core: HartCore;
  readonly #code: CodePages;
  readonly #watch: StoreWatch;
  /** A store hit the watched word; the run loop tells the machine once the instruction is done. */
  watchHit = false;
  #stops = false;
  /** Counts accesses that the translation caches make no faster: of devices, of pages with code, across words. */
  alwaysSlow = 0;

  constructor(core: HartCore, code: CodePages, watch: StoreWatch) {
    this.#core = core;
    this.#code = code;
    this.#watch = watch;
  }

  load(widthIndex: number): Status {
    const { state } = this.#core;
    const size = LOAD_SIZES[widthIndex]!;
    const lo = state.lo(HART.address);
    const hi = state.hi(HART.address);
    if ((lo & (size - 1)) !== 0) {
      const status = this.#loadMisaligned(lo, hi, size);
      if (status !== STATUS.done) return status;
    } else {
      const host = this.resolve(lo, hi, size, ACCESS.read);
      if (host === TRAPPED) return STATUS.trap;
      if (host === OUTSIDE_RAM) {
        const status = this.#busRead(lo, hi, size);
        if (status !== STATUS.done) return status;
      } else {
        this.#readRam(host, size);
      }
    }
    this.#extendValue(size, LOAD_SIGNED[widthIndex] !== 0);
    return STATUS.done;
  }

  store(size: number): Status {
    const { state } = this.#core;
    const lo = state.lo(HART.address);
    const hi = state.hi(HART.address);
    if (size === BLOCK_BYTES) return zeroBlock(this, state, lo, hi);
    if ((lo & (size - 1)) !== 0) return this.#storeMisaligned(lo, hi, size);
    const host = this.resolve(lo, hi, size, ACCESS.write);
    if (host === TRAPPED) return STATUS.trap;
    if (host === OUTSIDE_RAM) return this.#busWrite(lo, hi, size);
    this.#writeRam(host, size);
    return STATUS.done;
  }

  loadReserved(size: number): Status {
    const { state } = this.#core;
    const lo = state.lo(HART.address);
    const hi = state.hi(HART.address);
    if ((lo & (size - 1)) !== 0) return this.trap(CAUSE.loadMisaligned, lo, hi);
    const host = this.resolve(lo, hi, size, ACCESS.read);
    if (host === TRAPPED) return STATUS.trap;
    // Devices take no reservations (privileged, "Reservability PMA").
    if (host === OUTSIDE_RAM) return this.trap(CAUSE.loadAccessFault, lo, hi);
    this.#readRam(host, size);
    this.#extendValue(size, true);
    state.setLo(HART.reservation, host);
    state.set(HART.reservedValue, state.lo(HART.value), state.hi(HART.value));
    return STATUS.done;
  }

  storeConditional(size: number): Status {
    const { state } = this.#core;
    const lo = state.lo(HART.address);
    const hi = state.hi(HART.address);
    if ((lo & (size - 1)) !== 0) return this.trap(CAUSE.storeMisaligned, lo, hi);
    const reservation = state.lo(HART.reservation);
    // Without a reservation it fails before it translates, so that it sets no D bit.
    if (reservation === 0) {
      state.set(HART.value, 1, 0);
      return STATUS.done;
    }
    const host = this.resolve(lo, hi, size, ACCESS.write);
    if (host === TRAPPED) return STATUS.trap;
    if (host === OUTSIDE_RAM) return this.trap(CAUSE.storeAccessFault, lo, hi);
    state.setLo(HART.reservation, 0);
    const word = host >>> 2;
    const low = state.i32[word]!;
    // All 64 bits, so that an SC of another width than its LR does the same here as in generated code.
    const holds =
      (reservation | 0) === (host | 0) &&
      low === state.lo(HART.reservedValue) &&
      (size === 4 ? low >> 31 : state.i32[word + 1]) === state.hi(HART.reservedValue);
    if (holds) this.#writeRam(host, size);
    state.set(HART.value, holds ? 0 : 1, 0);
    return STATUS.done;
  }

  /** First half of an AMO: checks that it may write, and reads. */
  amoLoad(size: number): Status {
    const { state } = this.#core;
    const lo = state.lo(HART.address);
    const hi = state.hi(HART.address);
    if ((lo & (size - 1)) !== 0) return this.trap(CAUSE.storeMisaligned, lo, hi);
    const host = this.resolve(lo, hi, size, ACCESS.write);
    if (host === TRAPPED) return STATUS.trap;
    // Devices support no atomics (privileged, "Atomicity PMAs").
    if (host === OUTSIDE_RAM) return this.trap(CAUSE.storeAccessFault, lo, hi);
    state.setLo(HART.amoHost, host);
    this.#readRam(host, size);
    this.#extendValue(size, true);
    return STATUS.done;
  }

  amoStore(size: number): Status {
    this.#writeRam(this.#core.state.lo(HART.amoHost) >>> 0, size);
    return STATUS.done;
  }

  soft(operation: number, roundingMode: number): void {
    const { state } = this.#core;
    const name = SOFT_OPERATIONS[Math.floor(operation / SOFT_FORMATS.length)]!;
    const format = SOFT_FORMATS[operation % SOFT_FORMATS.length]!;
    const { bits, flags } = softFloat(
      name,
      format,
      roundingMode,
      state.big(HART.value),
      state.big(HART.operandB),
      state.big(HART.operandC),
    );
    state.setBig(HART.value, inRegister(name, format, bits));
    if (flags === 0) return;
    state.setLo(HART.fflags, state.lo(HART.fflags) | flags);
    state.setLo(HART.floatDirty, 1);
  }

  /** Host offset of an access that crosses no page; else `OUTSIDE_RAM`, with the address in the MMU, or `TRAPPED`. */
  resolve(lo: number, hi: number, size: number, access: typeof ACCESS.read | typeof ACCESS.write): number {
    const { state, caches, mmu, pmp } = this.#core;
    const kind = access === ACCESS.read ? 'read' : 'write';
    const cached = caches.lookup(kind, lo, hi);
    if (cached !== 0) {
      if (access === ACCESS.write) {
        if (!this.#touch(cached)) return TRAPPED;
        this.#foundForWrite(cached, lo);
      }
      return cached;
    }
    const device = caches.lookupDevice(kind, lo, hi);
    if (device !== 0) {
      mmu.physical = device;
      return OUTSIDE_RAM;
    }
    const privilege = state.dataPrivilege;
    const cause = mmu.translate(lo, hi, access, privilege);
    if (cause !== 0) {
      this.trap(cause, lo, hi);
      return TRAPPED;
    }
    const address = mmu.physical;
    if (!pmp.allows(address, size, access, privilege)) {
      this.trap(ACCESS_FAULT[access]!, lo, hi);
      return TRAPPED;
    }
    const host = state.ramHost(address, size);
    const page = address - (address % 4096);
    if (host === 0) {
      if (pmp.isUniform(page)) caches.fillDevice(kind, lo, hi, page, mmu.leafPages);
      return OUTSIDE_RAM;
    }
    if (access === ACCESS.write && !this.#touch(host)) return TRAPPED;
    if (pmp.isUniform(page)) {
      const guarded = access === ACCESS.write && this.#isGuarded(host);
      caches.fill(kind, lo, hi, host, guarded, mmu.leafPages);
    }
    return host;
  }

  /** True, once, when `TRAPPED` meant that an exit breakpoint wants the hart to stop before the access. */
  takeStop(): boolean {
    const stops = this.#stops;
    this.#stops = false;
    return stops;
  }

  /** Notes that a page of RAM is about to be written; false when somebody wants to stop before it comes into being. */
  #touch(host: number): boolean {
    const { pages, ramBase } = this.#core.state.memory;
    const offset = host - RAM_OFFSET;
    const page = offset >>> 12;
    if (!pages.isUntouched(page)) return true;
    if (pages.isPresent(page) || this.#core.ports.tellsNewPages !== true) {
      pages.wrote(offset, 1);
      return true;
    }
    const address = BigInt(ramBase + offset);
    const describe = () => ({ kind: 'page-fault', address, reason: 'not-present', write: true }) as const;
    if (this.#core.beginExit('page-fault', describe)) {
      this.#stops = true;
      return false;
    }
    pages.wrote(offset, 1);
    this.#core.endExit('page-fault', describe);
    return true;
  }

  /** A store that went the slow way for the page's sake goes the fast one next time, unless it must not. */
  #foundForWrite(host: number, lo: number): void {
    if (this.#isGuarded(host)) this.alwaysSlow++;
    else this.#core.caches.unguard(lo);
  }

  #isGuarded(host: number): boolean {
    return this.#code.hasCode(host) || (this.#watch.host >= 0 && host >>> 12 === this.#watch.host >>> 12);
  }

  /** Reads `size` bytes, a power of two, into `HART.value`, zero-extended. */
  #readRam(host: number, size: number): void {
    const { state } = this.#core;
    if (size === 8) state.set(HART.value, state.i32[host >>> 2]!, state.i32[(host >>> 2) + 1]!);
    else if (size === 4) state.set(HART.value, state.i32[host >>> 2]!, 0);
    else if (size === 2) state.set(HART.value, state.u16[host >>> 1]!, 0);
    else state.set(HART.value, state.u8[host]!, 0);
  }

  /** Writes the low `size` bytes of `HART.value`; code decoded from there is dropped. */
  #writeRam(host: number, size: number): void {
    const { state } = this.#core;
    const value = state.lo(HART.value);
    switch (size) {
      case 1:
        state.u8[host] = value;
        break;
      case 2:
        state.u16[host >>> 1] = value;
        break;
      case 8:
        state.i32[(host >>> 2) + 1] = state.hi(HART.value);
        state.i32[host >>> 2] = value;
        break;
      default:
        state.i32[host >>> 2] = value;
        break;
    }
    this.wrote(host, size);
  }

  wrote(host: number, size: number): void {
    this.#code.written(host, size);
    const watched = this.#watch.host;
    if (watched >= 0 && host < watched + 8 && host + size > watched) {
      this.watchHit = true;
      this.#core.attention = true;
    }
  }

  #loadMisaligned(lo: number, hi: number, size: number): Status {
    const hosts = this.#resolveBytes(lo, hi, size, ACCESS.read);
    if (hosts === undefined) return STATUS.trap;
    const { state } = this.#core;
    const value = state.base + HART.value;
    for (let byte = 0; byte < size; byte++) state.u8[value + byte] = state.u8[hosts(byte)]!;
    return STATUS.done;
  }

  #storeMisaligned(lo: number, hi: number, size: number): Status {
    const hosts = this.#resolveBytes(lo, hi, size, ACCESS.write);
    if (hosts === undefined) return STATUS.trap;
    const { state } = this.#core;
    const value = state.base + HART.value;
    for (let byte = 0; byte < size; byte++) {
      state.u8[hosts(byte)] = state.u8[value + byte]!;
      this.wrote(hosts(byte), 1);
    }
    return STATUS.done;
  }

  /**
   * Host offsets of the bytes of a misaligned access, which RAM allows and devices do not: the part before a page's
   * end and the one behind it are translated by themselves, both before anything is written.
   */
  #resolveBytes(
    lo: number,
    hi: number,
    size: number,
    access: typeof ACCESS.read | typeof ACCESS.write,
  ): ((byte: number) => number) | undefined {
    this.alwaysSlow++;
    const inFirst = Math.min(size, 4096 - (lo & 0xfff));
    const first = this.resolve(lo, hi, inFirst, access);
    if (first === TRAPPED) return undefined;
    let second = 0;
    const nextLo = (lo + inFirst) | 0;
    const nextHi = (hi + (nextLo === 0 ? 1 : 0)) | 0;
    if (inFirst < size) {
      second = this.resolve(nextLo, nextHi, size - inFirst, access);
      if (second === TRAPPED) return undefined;
    }
    // tval names the part that faulted (privileged, "Supervisor Trap Value (stval) Register").
    if (first === OUTSIDE_RAM) {
      this.trap(ACCESS_FAULT[access]!, lo, hi);
      return undefined;
    }
    if (inFirst < size && second === OUTSIDE_RAM) {
      this.trap(ACCESS_FAULT[access]!, nextLo, nextHi);
      return undefined;
    }
    return (byte) => (byte < inFirst ? first + byte : second + byte - inFirst);
  }

  #busRead(lo: number, hi: number, size: number): Status {
    const { state, ports, mmu, counters } = this.#core;
    const result = ports.bus.read(state.id, mmu.physical, size);
    if (result === 'ok') {
      this.alwaysSlow++;
      counters.happened(EVENT.deviceAccesses);
      state.set(HART.value, ports.bus.low, ports.bus.high);
      return STATUS.done;
    }
    return result === 'stop' ? STATUS.stop : this.#outsideRam(lo, hi, false);
  }

  #busWrite(lo: number, hi: number, size: number): Status {
    const { state, ports, mmu, counters } = this.#core;
    const result = ports.bus.write(state.id, mmu.physical, size, state.lo(HART.value), state.hi(HART.value));
    if (result === 'ok') {
      this.alwaysSlow++;
      counters.happened(EVENT.deviceAccesses);
      return STATUS.done;
    }
    return result === 'stop' ? STATUS.stop : this.#outsideRam(lo, hi, true);
  }

  /** Nothing answers at the address: an exit, then an access fault for the guest. */
  #outsideRam(lo: number, hi: number, write: boolean): Status {
    const address = BigInt(this.#core.mmu.physical);
    const describe = () => ({ kind: 'page-fault', address, reason: 'outside-ram', write }) as const;
    if (this.#core.beginExit('page-fault', describe)) return STATUS.stop;
    this.#core.endExit('page-fault', describe);
    return this.trap(write ? CAUSE.storeAccessFault : CAUSE.loadAccessFault, lo, hi);
  }

  trap(cause: number, lo: number, hi: number): Status {
    const { state } = this.#core;
    state.setLo(HART.trapCause, cause);
    state.set(HART.trapValue, lo, hi);
    return STATUS.trap;
  }

  /** Sign- or zero-extends `HART.value` from `size` bytes. */
  #extendValue(size: number, signed: boolean): void {
    if (size === 8) return;
    const { state } = this.#core;
    const unused = 32 - size * 8;
    const top = state.lo(HART.value) << unused;
    state.set(HART.value, signed ? top >> unused : top >>> unused, signed ? top >> 31 : 0);
  }
}
