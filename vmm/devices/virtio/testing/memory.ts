import { assert } from '../../../base/assert.ts';
import type { GuestDma } from '../../../contracts/dma.ts';
import { get16, get32, set16, set32, set64 } from '../little-endian.ts';

/** RAM of a test's machine, which sees to it that a device tells of every byte that it changes. */
export class TestMemory implements GuestDma {
  readonly base = 0x8000_0000n;
  readonly ram: Uint8Array;
  readonly #told: { readonly start: number; readonly end: number }[] = [];
  #next = 0;

  constructor(bytes = 128 << 10) {
    this.ram = new Uint8Array(bytes);
  }

  view(address: bigint, length: number): Uint8Array | undefined {
    assert(Number.isInteger(length) && length >= 0, `a view has ${length} bytes`);
    const start = address - this.base;
    if (start < 0n || start + BigInt(length) > BigInt(this.ram.length)) return undefined;
    return this.ram.subarray(Number(start), Number(start) + length);
  }

  wrote(address: bigint, length: number): void {
    assert(this.view(address, length) !== undefined, 'what is told of as written lies in RAM');
    const start = Number(address - this.base);
    this.#told.push({ start, end: start + length });
  }

  forgot(address: bigint, length: number): void {
    assert(this.view(address, length)?.every((byte) => byte === 0) === true, 'what is forgotten is zeros');
  }

  /** Runs what makes a device act; fails when it changed a byte without telling. */
  watch<T>(act: () => T): T {
    const before = this.ram.slice();
    this.#told.length = 0;
    const result = act();
    if (Buffer.compare(before, this.ram) !== 0) {
      for (const { start, end } of this.#told) before.set(this.ram.subarray(start, end), start);
      const untold = before.findIndex((byte, index) => byte !== this.ram[index]);
      assert(untold < 0, `the byte at 0x${untold.toString(16)} of RAM was written and not told of`);
    }
    return result;
  }

  /** Fresh zeroed memory. It comes round again at the end, as tests keep little at a time. */
  allocate(bytes: number, align = 16): bigint {
    assert(bytes <= this.ram.length / 2, 'the test has that much memory');
    let start = Math.ceil(this.#next / align) * align;
    if (start + bytes > this.ram.length) start = Math.ceil(this.#reserved / align) * align;
    this.#next = start + bytes;
    this.ram.fill(0, start, start + bytes);
    return this.base + BigInt(start);
  }

  /** Everything allocated up to now stays; only what follows comes round again. */
  reserve(): void {
    this.#reserved = this.#next;
  }
  #reserved = 0;

  write(address: bigint, data: Uint8Array): void {
    const view = this.view(address, data.length);
    assert(view !== undefined, 'a test writes RAM');
    view.set(data);
  }

  bytes(address: bigint, length: number): Uint8Array {
    const view = this.view(address, length);
    assert(view !== undefined, 'a test reads RAM');
    return view.slice();
  }

  get16(address: bigint): number {
    return get16(this.bytes(address, 2), 0);
  }

  get32(address: bigint): number {
    return get32(this.bytes(address, 4), 0);
  }

  set16(address: bigint, value: number): void {
    const bytes = new Uint8Array(2);
    set16(bytes, 0, value);
    this.write(address, bytes);
  }

  set32(address: bigint, value: number): void {
    const bytes = new Uint8Array(4);
    set32(bytes, 0, value);
    this.write(address, bytes);
  }

  set64(address: bigint, value: bigint): void {
    const bytes = new Uint8Array(8);
    set64(bytes, 0, value);
    this.write(address, bytes);
  }
}
