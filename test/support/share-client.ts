import { ERRNO } from '../../vmm/contracts/share.ts';
import type { openSharedFolder } from '../../vmm/host/shared-folder.ts';
import type { ShareServer } from '../../vmm/shares/server.ts';
import { MESSAGE } from '../../vmm/shares/wire.ts';

export { openSharedFolder } from '../../vmm/host/shared-folder.ts';
export type SharedRoot = ReturnType<typeof openSharedFolder>;

/** A field of a request: a number of so many bytes, or text with its length. */
export type Field = { readonly bytes: 1 | 2 | 4 | 8; readonly value: number | bigint } | Uint8Array | string;

export const u8 = (value: number): Field => ({ bytes: 1, value });
export const u16 = (value: number): Field => ({ bytes: 2, value });
export const u32 = (value: number): Field => ({ bytes: 4, value });
export const u64 = (value: number | bigint): Field => ({ bytes: 8, value });

/** A message with its size in front. Bytes stand as they are, text has its length in front. */
export function message(type: number, ...fields: readonly Field[]): Buffer {
  const parts = fields.map((field) => {
    if (field instanceof Uint8Array) return Buffer.from(field);
    if (typeof field === 'string') {
      const text = Buffer.from(field);
      return Buffer.concat([number(2, text.length), text]);
    }
    return number(field.bytes, field.value);
  });
  const body = Buffer.concat([Buffer.of(type, 1, 0), ...parts]);
  return Buffer.concat([number(4, 4 + body.length), body]);
}

function number(bytes: number, value: number | bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
  return buffer.subarray(0, bytes);
}

const ERROR_NAMES = new Map<number, string>(Object.entries(ERRNO).map(([name, errno]) => [errno, name]));
ERROR_NAMES.set(39, 'ENOTEMPTY');
ERROR_NAMES.set(40, 'ELOOP');
ERROR_NAMES.set(18, 'EXDEV');

/** A client that speaks to a server without a guest in between. Its answers are bodies; an error is thrown by its name. */
export class ShareClient {
  readonly #server: ShareServer;

  constructor(server: ShareServer) {
    this.#server = server;
  }

  ask(type: number, ...fields: readonly Field[]): Buffer {
    const answer = Buffer.from(this.#server.handle(message(type, ...fields)));
    if (answer.readUInt32LE(0) !== answer.length) throw new Error('the answer has another size than it says');
    if (answer[4] === MESSAGE.lerror + 1) {
      const errno = answer.readUInt32LE(7);
      throw new Error(ERROR_NAMES.get(errno) ?? `errno ${errno}`);
    }
    if (answer[4] !== type + 1)
      throw new Error(`an answer of type ${answer[4]} to a request of type ${type}`);
    return answer.subarray(7);
  }

  /** Begins, with the shared folder as fid 0. */
  start(messageBytes = 65536): this {
    this.ask(MESSAGE.version, u32(messageBytes), '9P2000.L');
    this.ask(MESSAGE.attach, u32(0), u32(0xffffffff), 'user', '', u32(0));
    return this;
  }

  /** Makes `fid` stand for a path, of single names, from another fid on. */
  walk(path: readonly string[], fid: number, from = 0): void {
    const answer = this.ask(MESSAGE.walk, u32(from), u32(fid), u16(path.length), ...path);
    if (answer.readUInt16LE(0) !== path.length) throw new Error('ENOENT');
  }

  clunk(fid: number): void {
    this.ask(MESSAGE.clunk, u32(fid));
  }

  read(fid: number, offset = 0, count = 60000): Buffer {
    const answer = this.ask(MESSAGE.read, u32(fid), u64(offset), u32(count));
    return answer.subarray(4, 4 + answer.readUInt32LE(0));
  }

  /** A whole file by its path. */
  file(...path: string[]): string {
    this.walk(path, 900);
    try {
      this.ask(MESSAGE.lopen, u32(900), u32(0));
      return this.read(900).toString();
    } finally {
      this.clunk(900);
    }
  }

  write(fid: number, data: string, offset = 0): number {
    const bytes = Buffer.from(data);
    return this.ask(MESSAGE.write, u32(fid), u64(offset), u32(bytes.length), bytes).readUInt32LE(0);
  }

  /** Makes a file in the folder that `from` stands for. */
  create(name: string, data: string, from = 0): void {
    this.walk([], 901, from);
    try {
      this.ask(MESSAGE.lcreate, u32(901), name, u32(0o102), u32(0o644), u32(0));
      this.write(901, data);
    } finally {
      this.clunk(901);
    }
  }

  /** Names in a folder, sorted; read in answers of at most `room` bytes. */
  names(path: readonly string[] = [], room = 4000): string[] {
    this.walk(path, 902);
    const names: string[] = [];
    try {
      this.ask(MESSAGE.lopen, u32(902), u32(0o200000));
      for (let offset = 0n; ; ) {
        const answer = this.ask(MESSAGE.readdir, u32(902), u64(offset), u32(room));
        const end = 4 + answer.readUInt32LE(0);
        if (end === 4) return names.sort();
        for (let at = 4; at < end; ) {
          offset = answer.readBigUInt64LE(at + 13);
          const length = answer.readUInt16LE(at + 22);
          names.push(answer.subarray(at + 24, at + 24 + length).toString());
          at += 24 + length;
        }
      }
    } finally {
      this.clunk(902);
    }
  }

  /** Mode, size and modification time of what a fid stands for. */
  attributes(fid: number): { mode: number; size: bigint; modifySeconds: bigint } {
    const answer = this.ask(MESSAGE.getattr, u32(fid), u64(0x7ff));
    return {
      mode: answer.readUInt32LE(21),
      size: answer.readBigUInt64LE(49),
      modifySeconds: answer.readBigUInt64LE(89),
    };
  }
}
