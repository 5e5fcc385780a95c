/**
 * What a virtual disk holds. Synchronous: a request is done when the call returns, at the step of the guest's kick, so that runs
 * repeat. Offsets and lengths are bytes, multiples of 512.
 */
export interface BlockImage {
  /** Bytes. */
  readonly size: number;
  readonly readOnly: boolean;
  /** Fills `target` from `offset`. Throws `VmError('io')` when the host cannot; the guest sees an I/O error. */
  read(offset: number, target: Uint8Array): void;
  write(offset: number, data: Uint8Array): void;
  /** Everything written before is on stable storage when this returns. */
  flush(): void;
  /** The contents are not needed any more; they read as zeros, or as before where an image cannot forget. */
  discard(offset: number, length: number): void;
  writeZeroes(offset: number, length: number): void;
  close(): void;
}

/** A file of the host as image formats see it: random access, and the only way to stable storage is `sync`. */
export interface ImageFile {
  readonly size: number;
  readonly readOnly: boolean;
  /** Reads as many bytes as there are, at most `target.length`; returns how many. */
  read(offset: number, target: Uint8Array): number;
  write(offset: number, data: Uint8Array): void;
  truncate(size: number): void;
  sync(): void;
  close(): void;
}

/** Opens files next to each other: backing files are named relative to the image. Throws `VmError('bad-file')`. */
export type OpenImageFile = (path: string, options: { readOnly: boolean }) => ImageFile;
