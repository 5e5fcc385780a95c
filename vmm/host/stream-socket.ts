import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { RecordRing } from '../base/record-ring.ts';
import { STREAM } from '../contracts/socket-thread.ts';
import { explainErrno } from './images.ts';

/** Bytes that wait for a program that reads slowly; beyond, the guest's stay in the ring. */
const BACKLOG_MAX = 1 << 20;
/** Bytes of one record. */
const PIECE_MAX = 16 << 10;

export interface StreamSocketEvents {
  /** Something may be moved. */
  ready(): void;
  listening(): void;
  failed(reason: string): void;
}

/** A UNIX socket whose one client at a time is the other end of a device's stream of bytes. */
export class StreamSocket {
  readonly #toHost: RecordRing;
  readonly #toGuest: RecordRing;
  readonly #events: StreamSocketEvents;
  readonly #server: Server;
  #client: Socket | undefined;
  #blocked = false;
  /** What the guest is still to be told of the client. */
  readonly #news: Uint8Array[] = [];

  constructor(
    path: string,
    rings: { readonly toHost: RecordRing; readonly toGuest: RecordRing },
    events: StreamSocketEvents,
  ) {
    this.#toHost = rings.toHost;
    this.#toGuest = rings.toGuest;
    this.#events = events;
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.on('error', (error) =>
      events.failed(`cannot listen on the socket '${path}': ${explainErrno(error)}`),
    );
    removeSocket(path);
    this.#server.listen(path, () => {
      // Whoever may write to it types at the guest.
      chmodSync(path, 0o600);
      events.listening();
    });
  }

  get hasWork(): boolean {
    const roomWasMade = this.#blocked && this.#toGuest.hasRoom(PIECE_MAX + 1);
    return roomWasMade || (!this.#toHost.isEmpty && !this.#isBehind);
  }

  pump(): { readonly delivered: boolean; readonly blocked: boolean } {
    const moved = this.#move();
    this.#blocked = moved.blocked;
    return moved;
  }

  #move(): { readonly delivered: boolean; readonly blocked: boolean } {
    while (!this.#isBehind) {
      const bytes = this.#toHost.take();
      if (bytes === undefined) break;
      // With nobody there, what the guest says is lost, as at any plug.
      this.#client?.write(bytes);
    }
    let delivered = false;
    for (let next = this.#news[0]; next !== undefined; next = this.#news[0]) {
      if (!this.#toGuest.put(next)) return { delivered, blocked: true };
      this.#news.shift();
      delivered = true;
    }
    while (this.#toGuest.hasRoom(PIECE_MAX + 1)) {
      const bytes = this.#read();
      if (bytes === undefined) return { delivered, blocked: false };
      this.#toGuest.put(bytes);
      delivered = true;
    }
    return { delivered, blocked: true };
  }

  #read(): Uint8Array | undefined {
    const client = this.#client;
    const count = Math.min(PIECE_MAX, client?.readableLength ?? 0);
    const bytes: Uint8Array | null = count === 0 ? (client?.read() ?? null) : client!.read(count);
    if (bytes === null) return undefined;
    const record = new Uint8Array(1 + bytes.length);
    record[0] = STREAM.data;
    record.set(bytes, 1);
    return record;
  }

  get #isBehind(): boolean {
    return this.#client !== undefined && this.#client.writableLength > BACKLOG_MAX;
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {});
    if (this.#client !== undefined) {
      socket.destroy();
      return;
    }
    this.#client = socket;
    this.#news.push(Uint8Array.of(STREAM.connected));
    socket.on('readable', () => this.#events.ready());
    socket.on('drain', () => this.#events.ready());
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      this.#client = undefined;
      this.#news.push(Uint8Array.of(STREAM.left));
      this.#events.ready();
    });
    this.#events.ready();
  }
}

/** Removes a socket that a program has left behind; nothing else is touched. */
export function removeSocket(path: string): void {
  try {
    if (lstatSync(path).isSocket()) unlinkSync(path);
  } catch {
    // There is none; what else stands in the way shows when the socket is opened.
  }
}
