import type { Saved, Snapshottable } from '../contracts/device.ts';
import { SavedReader } from './saved.ts';

/** Guest memory as the host interface sees it, and what it does to the machine. */
export interface HtifPorts {
  readonly tohost: bigint;
  /** Absent when the image has no such symbol: then nothing is answered. */
  readonly fromhost: bigint | undefined;
  readDouble(address: bigint): bigint;
  writeDouble(address: bigint, value: bigint): void;
  /** Undefined when the range is not in RAM. */
  readBytes(address: bigint, length: number): Uint8Array | undefined;
  output(byte: number): void;
  /** Next byte typed, if there is one. */
  input(): number | undefined;
  /** The guest is done; `code` 0 is a pass. */
  finish(code: number): void;
}

const DEVICE = { system: 0, console: 1 } as const;
const CONSOLE = { read: 0, write: 1 } as const;
/** Proxied system calls of newlib's RISC-V port that need nothing of the host's files. */
const SYSCALL = { write: 64, exit: 93 } as const;
/** Bytes of one proxied write; a guest with a wild length must not make the host allocate it. */
const WRITE_MAX = 1 << 20;

/**
 * The host-target interface of RISC-V's own tests and proxy kernel (`riscv-isa-sim`, `riscv-pk` `machine/htif.c`):
 * the guest stores a command in `tohost`: device in bits 63 to 56, command in 55 to 48, payload below.
 * It has no register on the bus: both mailboxes are guest memory.
 */
export class Htif implements Snapshottable {
  readonly #ports: HtifPorts;
  /** The guest asked for a typed byte and has no answer yet. */
  #reading = false;

  constructor(ports: HtifPorts) {
    this.#ports = ports;
  }

  /** `tohost` or a part of it was stored to. */
  poll(): void {
    const command = this.#ports.readDouble(this.#ports.tohost);
    if (command === 0n) return;
    const device = Number(command >> 56n);
    const operation = Number((command >> 48n) & 0xffn);
    const payload = command & 0xffff_ffff_ffffn;
    if (device === DEVICE.system && operation === 0) this.#system(payload);
    else {
      this.#ports.writeDouble(this.#ports.tohost, 0n);
      if (device !== DEVICE.console) return;
      if (operation === CONSOLE.write) this.#ports.output(Number(payload & 0xffn));
      if (operation === CONSOLE.read) this.#reading = true;
      this.inputArrived();
    }
  }

  /** Bytes may have been typed: answers a read that waits for one, when the guest has taken the answer before. */
  inputArrived(): void {
    const { fromhost, readDouble, writeDouble, input } = this.#ports;
    if (!this.#reading || fromhost === undefined || readDouble(fromhost) !== 0n) return;
    const byte = input();
    if (byte === undefined) return;
    this.#reading = false;
    // Bit 8 tells a byte from the end of input, as Spike's terminal answers.
    writeDouble(fromhost, (BigInt(DEVICE.console) << 56n) | 0x100n | BigInt(byte));
  }

  reset(): void {
    this.#reading = false;
  }

  save(): Saved {
    return { version: 1, reading: this.#reading };
  }

  restore(saved: Saved): void {
    this.#reading = new SavedReader(saved, 'HTIF', 1).boolean('reading');
  }

  /** An odd payload ends the run with the code above its lowest bit; an even one points at a system call. */
  #system(payload: bigint): void {
    if ((payload & 1n) !== 0n) {
      this.#ports.finish(Number((payload >> 1n) & 0xffff_ffffn));
      return;
    }
    const { readDouble, writeDouble, readBytes, output } = this.#ports;
    const call = readBytes(payload, 64);
    const [number, first, second, third] = [0n, 8n, 16n, 24n].map((offset) =>
      call === undefined ? -1n : readDouble(payload + offset),
    );
    if (number === BigInt(SYSCALL.exit)) {
      this.#ports.finish(Number(BigInt.asUintN(32, first!)));
      return;
    }
    let result = -38n; // ENOSYS
    if (number === BigInt(SYSCALL.write) && (first === 1n || first === 2n)) {
      const length = third! < BigInt(WRITE_MAX) ? Number(third) : WRITE_MAX;
      const bytes = readBytes(second!, length);
      for (const byte of bytes ?? []) output(byte);
      result = bytes === undefined ? -14n : BigInt(length); // EFAULT
    }
    if (call !== undefined) writeDouble(payload, BigInt.asUintN(64, result));
    this.#answer(1n);
  }

  #answer(value: bigint): void {
    this.#ports.writeDouble(this.#ports.tohost, 0n);
    if (this.#ports.fromhost !== undefined) this.#ports.writeDouble(this.#ports.fromhost, value);
  }
}
