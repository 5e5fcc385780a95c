import { type PhysicalAddress, physical, virtual } from '../base/brands.ts';
import type { Hart, HartGroup, PrivilegeLevel } from '../contracts/hart.ts';
import type { GuestMemory } from '../contracts/memory.ts';
import type { Bus } from './bus.ts';
import { ramRange } from './loaders.ts';

const PAGE = 4096n;
type Space = 'virtual' | 'physical';

/**
 * Memory and registers as a debugger reaches them: no privilege checks, no traps, and reads without any effect
 * on the guest.
 */
export class DebugAccess {
  readonly #memory: GuestMemory;
  readonly #group: HartGroup;
  readonly #bus: Bus;

  constructor(memory: GuestMemory, group: HartGroup, bus: Bus) {
    this.#memory = memory;
    this.#group = group;
    this.#bus = bus;
  }

  /** The readable prefix of a range; device registers are peeked. */
  read(hart: number, address: bigint, length: number, space: Space): Uint8Array {
    const out = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const chunk = this.#chunk(hart, address + BigInt(done), length - done, space);
      if (
        chunk === undefined ||
        !this.#readPhysical(chunk.physical, out.subarray(done, done + chunk.length))
      ) {
        break;
      }
      done += chunk.length;
    }
    return out.subarray(0, done);
  }

  /**
   * Writes RAM and drops code decoded from it; returns how many bytes from the start could be written. `written`
   * is told each piece by its physical address.
   */
  write(
    hart: number,
    address: bigint,
    data: Uint8Array,
    space: Space,
    written: (address: PhysicalAddress, data: Uint8Array) => void,
  ): number {
    let done = 0;
    while (done < data.length) {
      const chunk = this.#chunk(hart, address + BigInt(done), data.length - done, space);
      const range = chunk && ramRange(this.#memory, chunk.physical, BigInt(chunk.length));
      if (chunk === undefined || range === undefined) break;
      range.set(data.subarray(done, done + chunk.length));
      written(chunk.physical, range.slice());
      this.#group.codeChanged(Number(chunk.physical), chunk.length);
      done += chunk.length;
    }
    // What was written may be a page table.
    for (const other of this.#group.harts) other.flushTranslations();
    return done;
  }

  /** The instruction at a virtual address, if one can be fetched there. */
  instructionAt(hart: number, address: bigint): { bits: number; length: 2 | 4 } | undefined {
    const bytes = this.read(hart, address, 4, 'virtual');
    if (bytes.length < 2) return undefined;
    const low = bytes[0]! | (bytes[1]! << 8);
    if ((low & 3) !== 3) return { bits: low, length: 2 };
    if (bytes.length < 4) return undefined;
    return { bits: low | (bytes[2]! << 16) | (bytes[3]! << 24), length: 4 };
  }

  /** Sets `pc`, `privilege` or a register by number or ABI name; false for a name there is not. */
  writeRegister(hart: Hart, name: string, value: bigint): boolean {
    const wide = BigInt.asUintN(64, value);
    if (name === 'pc') {
      hart.setPc(wide);
    } else if (name === 'privilege') {
      if (wide !== 0n && wide !== 1n && wide !== 3n) return false;
      hart.setPrivilege(Number(wide) as PrivilegeLevel);
    } else {
      const integer = registerIndex(name, 'x', INTEGER_NAMES);
      const float = registerIndex(name, 'f', FLOAT_NAMES);
      if (integer !== undefined) hart.setX(integer, wide);
      else if (float !== undefined) hart.setF(float, wide);
      else return false;
    }
    return true;
  }

  /** The part of a range that lies in one page, with its physical address. */
  #chunk(
    hart: number,
    address: bigint,
    length: number,
    space: Space,
  ): { physical: PhysicalAddress; length: number } | undefined {
    const wide = BigInt.asUintN(64, address);
    const inPage = Number(PAGE - (wide % PAGE));
    const start = space === 'physical' ? physical(wide) : this.#group.harts[hart]!.translate(virtual(wide));
    return start === undefined ? undefined : { physical: start, length: Math.min(length, inPage) };
  }

  #readPhysical(address: PhysicalAddress, out: Uint8Array): boolean {
    const range = ramRange(this.#memory, address, BigInt(out.length));
    if (range !== undefined) {
      out.set(range);
      return true;
    }
    // RAM and devices never share a page, so a page that begins outside RAM is all devices or nothing.
    if (address > BigInt(Number.MAX_SAFE_INTEGER)) return false;
    for (let index = 0; index < out.length; index += 1) {
      const byte = this.#bus.peek(Number(address) + index);
      if (byte === undefined) return false;
      out[index] = byte;
    }
    return true;
  }
}

/** ABI names by register number (RISC-V ELF psABI, "Register Convention"). */
const INTEGER_NAMES: readonly string[] = (
  'zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 ' + 's2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6'
).split(' ');
const FLOAT_NAMES: readonly string[] = (
  'ft0 ft1 ft2 ft3 ft4 ft5 ft6 ft7 fs0 fs1 fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7 ' +
  'fs2 fs3 fs4 fs5 fs6 fs7 fs8 fs9 fs10 fs11 ft8 ft9 ft10 ft11'
).split(' ');

function registerIndex(name: string, prefix: string, names: readonly string[]): number | undefined {
  const numbered = new RegExp(`^${prefix}([0-9]|[12][0-9]|3[01])$`).exec(name);
  if (numbered !== null) return Number(numbered[1]);
  if (prefix === 'x' && name === 'fp') return 8;
  const index = names.indexOf(name);
  return index < 0 ? undefined : index;
}
