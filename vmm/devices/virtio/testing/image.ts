import { VmError } from '../../../base/vm-error.ts';
import type { BlockImage } from '../../../contracts/storage.ts';

/** A disk of the tests' own that knows what of it would survive a loss of power. */
export class TestImage implements BlockImage {
  readonly data: Uint8Array;
  /** `data` as it stood at the last flush. */
  stable: Uint8Array;
  readonly readOnly: boolean;
  readonly log: string[] = [];
  /** Accesses to this byte fail. */
  badByte = -1;

  constructor(sectors: number, readOnly = false) {
    this.data = Uint8Array.from({ length: sectors * 512 }, (_, index) => (index >> 9) + index * 7);
    this.stable = this.data.slice();
    this.readOnly = readOnly;
  }

  get size(): number {
    return this.data.length;
  }

  read(offset: number, target: Uint8Array): void {
    this.#check('read', offset, target.length);
    target.set(this.data.subarray(offset, offset + target.length));
  }

  write(offset: number, data: Uint8Array): void {
    this.#check('write', offset, data.length);
    this.data.set(data, offset);
  }

  flush(): void {
    this.log.push('flush');
    this.stable = this.data.slice();
  }

  discard(offset: number, length: number): void {
    this.#check('discard', offset, length);
  }

  writeZeroes(offset: number, length: number): void {
    this.#check('zero', offset, length);
    this.data.fill(0, offset, offset + length);
  }

  close(): void {}

  #check(what: string, offset: number, length: number): void {
    this.log.push(`${what} ${offset}+${length}`);
    const inside = offset >= 0 && offset + length <= this.size && offset % 512 === 0 && length % 512 === 0;
    if (!inside) throw new Error(`the device asked for ${what} ${offset}+${length}`);
    if (this.badByte >= offset && this.badByte < offset + length) throw new VmError('io', 'a bad sector');
  }
}
