import type { ImageFile } from '../../vmm/contracts/storage.ts';
import { MemoryFile } from '../../vmm/storage/index.ts';

/** A request that changed a file, or asked for it to be stored. */
export type FileRequest =
  | { readonly kind: 'write'; readonly offset: number; readonly data: Uint8Array }
  | { readonly kind: 'truncate'; readonly size: number }
  | { readonly kind: 'sync' };

/** A file in memory that keeps all that was asked of it, so that it can be asked of another file up to any point. */
export class RecordingFile implements ImageFile {
  readonly readOnly = false;
  readonly requests: FileRequest[] = [];
  readonly #file: MemoryFile;

  constructor(contents: Uint8Array) {
    this.#file = new MemoryFile(contents);
  }

  get size(): number {
    return this.#file.size;
  }

  read(offset: number, target: Uint8Array): number {
    return this.#file.read(offset, target);
  }

  write(offset: number, data: Uint8Array): void {
    this.requests.push({ kind: 'write', offset, data: data.slice() });
    this.#file.write(offset, data);
  }

  truncate(size: number): void {
    this.requests.push({ kind: 'truncate', size });
    this.#file.truncate(size);
  }

  sync(): void {
    this.requests.push({ kind: 'sync' });
  }

  close(): void {}
}

export function ask(file: ImageFile, request: FileRequest): void {
  switch (request.kind) {
    case 'write':
      file.write(request.offset, request.data);
      break;
    case 'truncate':
      file.truncate(request.size);
      break;
    case 'sync':
      file.sync();
      break;
  }
}
