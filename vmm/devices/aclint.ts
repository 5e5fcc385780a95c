import { assert } from '../base/assert.ts';
import type { AccessSize, Device, RegisterDescription, Saved } from '../contracts/device.ts';
import { SavedReader } from './saved.ts';

export interface AclintPorts {
  /** Level of a hart's software interrupt (mip.MSIP). */
  setSoftwareInterrupt(hart: number, level: boolean): void;
  /** Ticks since power-on, as the accessing hart sees them; `mtime` is this plus what was written to it. */
  ticks(): bigint;
  /** A hart's timer interrupt may be due at another time than before; see `timecmp` and `mtimeOffset`. */
  timerChanged(hart: number): void;
}

/** `mtimecmp` at power-on, where the specification leaves it open: a time that never comes. */
export const NEVER = 0xffff_ffff_ffff_ffffn;

const MSIP = 0x0000;
const MTIMECMP = 0x4000;
const MTIME = 0xbff8;

/**
 * The core-local interruptor in SiFive's CLINT layout: an MSWI and an MTIMER device of the RISC-V ACLINT
 * specification back to back (`sifive,clint0`). Registers are reached as 32-bit halves.
 */
export class Aclint implements Device {
  readonly registers: readonly RegisterDescription[];
  readonly #ports: AclintPorts;
  readonly #msip: boolean[];
  readonly #timecmp: bigint[];
  #mtimeOffset = 0n;

  constructor(harts: number, ports: AclintPorts) {
    this.#ports = ports;
    this.#msip = Array.from({ length: harts }, () => false);
    this.#timecmp = Array.from({ length: harts }, () => NEVER);
    this.registers = registersOf(harts);
  }

  /** The hart's timer interrupt is pending from the `mtime` on that this says. */
  timecmp(hart: number): bigint {
    return this.#timecmp[hart]!;
  }

  /** What software's writes of `mtime` added to it, 64 bits and wrapping. */
  get mtimeOffset(): bigint {
    return this.#mtimeOffset;
  }

  read(offset: number, size: AccessSize): number {
    return this.peek(offset, size);
  }

  peek(offset: number, size: AccessSize): number {
    const word = this.#word(offset & ~3);
    return extract(word, offset & 3, size);
  }

  write(offset: number, size: AccessSize, value: number): void {
    // Narrower writes have no meaning to the registers, which are words (ACLINT, "Memory-Mapped Registers").
    if (size !== 4 || (offset & 3) !== 0) return;
    if (offset < MSIP + 4 * this.#msip.length) {
      const hart = offset >> 2;
      const level = (value & 1) !== 0;
      this.#msip[hart] = level;
      this.#ports.setSoftwareInterrupt(hart, level);
    } else if (offset >= MTIMECMP && offset < MTIMECMP + 8 * this.#timecmp.length) {
      const hart = (offset - MTIMECMP) >> 3;
      this.#timecmp[hart] = withHalf(this.#timecmp[hart]!, offset, value);
      this.#ports.timerChanged(hart);
    } else if (offset === MTIME || offset === MTIME + 4) {
      const wanted = withHalf(this.#mtime(), offset, value);
      this.#mtimeOffset = BigInt.asUintN(64, wanted - this.#ports.ticks());
      for (const hart of this.#timecmp.keys()) this.#ports.timerChanged(hart);
    }
  }

  reset(): void {
    this.#mtimeOffset = 0n;
    for (const hart of this.#msip.keys()) {
      this.#msip[hart] = false;
      this.#timecmp[hart] = NEVER;
    }
    this.#announce();
  }

  save(): Saved {
    return {
      version: 1,
      msip: this.#msip.map(Number),
      timecmp: [...this.#timecmp],
      mtimeOffset: this.#mtimeOffset,
    };
  }

  restore(saved: Saved): void {
    const from = new SavedReader(saved, 'the ACLINT', 1);
    const msip = from.numbers('msip', this.#msip.length);
    const timecmp = from.bigints('timecmp', this.#timecmp.length);
    this.#mtimeOffset = from.bigint('mtimeOffset');
    for (const hart of this.#msip.keys()) {
      this.#msip[hart] = msip[hart] !== 0;
      this.#timecmp[hart] = timecmp[hart]!;
    }
    this.#announce();
  }

  #announce(): void {
    assert(this.#msip.length === this.#timecmp.length, 'both parts serve the same harts');
    for (const [hart, level] of this.#msip.entries()) {
      this.#ports.setSoftwareInterrupt(hart, level);
      this.#ports.timerChanged(hart);
    }
  }

  #mtime(): bigint {
    return BigInt.asUintN(64, this.#ports.ticks() + this.#mtimeOffset);
  }

  #word(offset: number): number {
    if (offset < MSIP + 4 * this.#msip.length) return Number(this.#msip[offset >> 2]);
    if (offset >= MTIMECMP && offset < MTIMECMP + 8 * this.#timecmp.length) {
      return half(this.#timecmp[(offset - MTIMECMP) >> 3]!, offset);
    }
    if (offset === MTIME || offset === MTIME + 4) return half(this.#mtime(), offset);
    return 0;
  }
}

const half = (value: bigint, offset: number): number =>
  Number((offset & 4) === 0 ? value & 0xffff_ffffn : value >> 32n);

function withHalf(old: bigint, offset: number, value: number): bigint {
  const word = BigInt(value >>> 0);
  return (offset & 4) === 0 ? (old & ~0xffff_ffffn) | word : (old & 0xffff_ffffn) | (word << 32n);
}

const extract = (word: number, byte: number, size: AccessSize): number =>
  size === 4 ? word >>> 0 : (word >>> (byte * 8)) & (size === 2 ? 0xffff : 0xff);

function registersOf(harts: number): RegisterDescription[] {
  return [
    {
      name: 'msip',
      offset: MSIP,
      size: 4,
      count: harts,
      description: 'Software interrupt of a hart in M-mode',
      fields: [{ name: 'MSIP', low: 0, high: 0, description: 'pending' }],
    },
    {
      name: 'mtimecmp',
      offset: MTIMECMP,
      size: 8,
      count: harts,
      description: 'Timer interrupt of a hart in M-mode is pending from this mtime on',
    },
    { name: 'mtime', offset: MTIME, size: 8, description: 'Ticks of 100 ns since power-on' },
  ];
}
