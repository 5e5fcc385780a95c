import type { BlockImage, ImageFile } from '../contracts/storage.ts';
import { failedRequest } from './errors.ts';
import { isQcow2 } from './probe.ts';
import { checkRange, inPieces, isZero, readPadded, zeros } from './ranges.ts';

const SECTOR_BYTES = 512;

export interface RawOptions {
  /** How the user calls the image. */
  readonly name: string;
  readonly readOnly: boolean;
  /**
   * The format was guessed from the contents. Then a guest must not write a first sector that makes the next guess another
   * one: a header of its own making could name any file of the host as its backing file.
   */
  readonly guessed: boolean;
}

/** A disk whose bytes are the file's. A file that ends within a sector is padded with zeros, as QEMU does it. */
export class RawImage implements BlockImage {
  readonly size: number;
  readonly readOnly: boolean;
  readonly #file: ImageFile;
  readonly #name: string;
  readonly #guessed: boolean;

  constructor(file: ImageFile, { name, readOnly, guessed }: RawOptions) {
    this.#file = file;
    this.#name = name;
    this.#guessed = guessed;
    this.size = Math.ceil(file.size / SECTOR_BYTES) * SECTOR_BYTES;
    this.readOnly = readOnly || file.readOnly;
  }

  read(offset: number, target: Uint8Array): void {
    checkRange(this.#name, this.size, offset, target.length);
    readPadded(this.#file, offset, target);
  }

  write(offset: number, data: Uint8Array): void {
    this.#checkWrite(offset, data.length);
    if (this.#guessed && offset < 8) this.#checkMagic(offset, data);
    this.#file.write(offset, data);
  }

  flush(): void {
    if (!this.readOnly) this.#file.sync();
  }

  /** A file of the host forgets nothing: there is no way to punch holes. */
  discard(offset: number, length: number): void {
    this.#checkWrite(offset, length);
  }

  /** What is zero is not written again, so that holes in the file stay holes. */
  writeZeroes(offset: number, length: number): void {
    this.#checkWrite(offset, length);
    inPieces(offset, length, (at, count) => {
      const there = new Uint8Array(count);
      readPadded(this.#file, at, there);
      if (!isZero(there)) this.#file.write(at, zeros.subarray(0, count));
    });
  }

  close(): void {
    try {
      this.flush();
    } finally {
      this.#file.close();
    }
  }

  #checkWrite(offset: number, length: number): void {
    if (this.readOnly) throw failedRequest(this.#name, 'the image is read-only');
    checkRange(this.#name, this.size, offset, length);
  }

  #checkMagic(offset: number, data: Uint8Array): void {
    const start = new Uint8Array(8);
    readPadded(this.#file, 0, start);
    start.set(data.subarray(0, 8 - offset), offset);
    if (!isQcow2(start)) return;
    throw failedRequest(
      this.#name,
      "the guest writes a qcow2 header to a disk whose format was guessed; say format 'raw' to allow it",
    );
  }
}
