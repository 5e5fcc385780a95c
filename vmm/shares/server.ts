import type { Saved } from '../contracts/device.ts';
import { ERRNO, ShareError, type ShareObject } from '../contracts/share.ts';
import { FidTable } from './fids.ts';
import { type Answer, HANDLERS } from './requests.ts';
import { AnswerWriter, HEADER_BYTES, MESSAGE, RequestReader } from './wire.ts';

/** Linux asks for 128 KiB unless told otherwise, and for no more than 512. */
const MESSAGE_BYTES_MAX = 512 << 10;
/** Holds every answer but data and names. */
const MESSAGE_BYTES_MIN = 4096;
const DIALECT = '9P2000.L';

/**
 * Serves a folder of the host's by 9P2000.L (the dialect of Linux's client, `Documentation/filesystems/9p.rst`). Synchronous, so that
 * runs repeat; whatever a guest sends is answered, if only with an error.
 */
export class ShareServer {
  readonly #root: ShareObject;
  readonly #fids = new FidTable();
  #messageBytes = MESSAGE_BYTES_MAX;

  /** Closes `root` with itself. */
  constructor(root: ShareObject) {
    this.#root = root;
  }

  handle(request: Uint8Array): Uint8Array {
    const type = request[4]!;
    const tag = request[5]! | (request[6]! << 8);
    const writer = new AnswerWriter(this.#messageBytes);
    try {
      const reader = new RequestReader(request);
      if (type === MESSAGE.version) return this.#version(reader, tag);
      const handler: Answer | undefined = HANDLERS.get(type);
      if (handler === undefined) throw new ShareError(ERRNO.EOPNOTSUPP);
      handler({ root: this.#root, fids: this.#fids, reader, writer });
      return writer.finish(type + 1, tag);
    } catch (error) {
      if (!(error instanceof ShareError)) throw error;
      return failure(error.errno, tag);
    }
  }

  reset(): void {
    this.#fids.clear();
    this.#messageBytes = MESSAGE_BYTES_MAX;
  }

  close(): void {
    this.#fids.clear();
    this.#root.close();
  }

  save(): Saved {
    return { version: 1, messageBytes: this.#messageBytes, fids: this.#fids.save() };
  }

  /** What is not there any more, or not where it was, is stale: the guest gets errors for it. */
  restore(saved: Saved): void {
    this.#fids.restore(saved, this.#root);
    const bytes = saved['messageBytes'];
    const fits = typeof bytes === 'number' && bytes >= MESSAGE_BYTES_MIN && bytes <= MESSAGE_BYTES_MAX;
    this.#messageBytes = fits ? bytes : MESSAGE_BYTES_MAX;
  }

  /** Starts anew: all that the client had open before is forgotten (version(5)). */
  #version(reader: RequestReader, tag: number): Uint8Array {
    const wanted = reader.u32();
    const version = Buffer.from(reader.text()).toString('latin1');
    reader.end();
    this.reset();
    if (wanted < MESSAGE_BYTES_MIN) throw new ShareError(ERRNO.EINVAL);
    this.#messageBytes = Math.min(wanted, MESSAGE_BYTES_MAX);
    const known = version === DIALECT ? DIALECT : 'unknown';
    return new AnswerWriter(MESSAGE_BYTES_MIN)
      .u32(this.#messageBytes)
      .text(Buffer.from(known))
      .finish(MESSAGE.version + 1, tag);
  }
}

function failure(errno: number, tag: number): Uint8Array {
  return new AnswerWriter(HEADER_BYTES + 4).u32(errno).finish(MESSAGE.lerror + 1, tag);
}
