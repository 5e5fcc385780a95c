import { closeSync, openSync, writeSync } from 'node:fs';
import { VmError } from '../base/vm-error.ts';
import { explainErrno } from './images.ts';

/** Bytes gathered before they are written without being asked to. */
const BATCH_BYTES = 1 << 16;

/** A file that is written from its start, in batches. What cannot be written is told once, and the rest is dropped. */
export class CaptureFile {
  readonly #path: string;
  readonly #failed: (text: string) => void;
  #fd: number | undefined;
  #batch: Uint8Array[] = [];
  #bytes = 0;

  /** @throws VmError `bad-file` when it cannot be made. */
  constructor(path: string, failed: (text: string) => void) {
    this.#path = path;
    this.#failed = failed;
    try {
      this.#fd = openSync(path, 'w');
    } catch (error) {
      throw new VmError('bad-file', `cannot write the capture '${path}': ${explainErrno(error)}`);
    }
  }

  write(bytes: Uint8Array): void {
    this.#batch.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes >= BATCH_BYTES) this.flush();
  }

  /** What was written before is the system's to keep. */
  flush(): void {
    if (this.#bytes === 0) return;
    const bytes = Buffer.concat(this.#batch);
    this.#batch = [];
    this.#bytes = 0;
    if (this.#fd === undefined) return;
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
    } catch (error) {
      closeSync(this.#fd);
      this.#fd = undefined;
      this.#failed(`the capture '${this.#path}' ends here: ${explainErrno(error)}`);
    }
  }
}
