import { WebSocket } from 'ws';
import { FRAME_BYTES_MAX } from './codec.ts';

/** What both ends of the protocol need of a WebSocket, so that tests can join two ends in memory. */
export interface FrameSocket {
  /** Queues a frame; dropped when the socket is closing or closed. */
  send(frame: Uint8Array): void;
  /** True from when more than `QUEUED_BYTES_HIGH` wait for the peer until fewer than `QUEUED_BYTES_LOW` do. */
  readonly congested: boolean;
  /** Closes after what is queued; `reason` (at most 123 bytes, RFC 6455, section 5.5) is told to the peer. */
  close(reason?: string): void;
  /** Sets who is told about frames and, once, about the end. Frames that came before are delivered then. */
  listen(listener: FrameListener): void;
}

export interface FrameListener {
  frame(frame: Uint8Array): void;
  /** `congested` is false again. */
  drained?(): void;
  /** The connection is over; `reason` is empty when the peer gave none. */
  closed(reason: string): void;
}

/** Options of every WebSocket here: frames are bounded, and local connections gain nothing from compression. */
export const SOCKET_OPTIONS = { maxPayload: FRAME_BYTES_MAX, perMessageDeflate: false } as const;

/** What may wait for a peer before it counts as congested: little, since a response waits behind the events before it. */
const QUEUED_BYTES_HIGH = 256 << 10;
const QUEUED_BYTES_LOW = 64 << 10;

/** RFC 6455, section 7.4.1: a normal end, and a kind of data that is not accepted. */
const CLOSE_NORMAL = 1000;
const CLOSE_UNSUPPORTED = 1003;

/** A WebSocket of either side that is open already. */
export function wrapWebSocket(socket: WebSocket): FrameSocket {
  let listener: FrameListener | undefined;
  let early: Uint8Array[] = [];
  let ended: string | undefined;
  let failure = '';
  let congested = false;
  const deliver = (frame: Uint8Array) => (listener === undefined ? early.push(frame) : listener.frame(frame));

  socket.on('message', (data, isBinary) => {
    if (!isBinary) {
      socket.close(
        CLOSE_UNSUPPORTED,
        'text frames are not part of the protocol; send MessagePack in binary frames',
      );
    } else if (Array.isArray(data)) {
      deliver(Buffer.concat(data));
    } else {
      deliver(data instanceof ArrayBuffer ? new Uint8Array(data) : data);
    }
  });
  // `close` follows every error.
  socket.on('error', (error) => (failure = error.message));
  socket.on('close', (_code, reason) => {
    ended = reason.toString() || failure;
    listener?.closed(ended);
  });

  return {
    send: (frame) => {
      if (socket.readyState !== WebSocket.OPEN) return;
      socket.send(frame, { binary: true }, () => {
        if (!congested || socket.bufferedAmount >= QUEUED_BYTES_LOW) return;
        congested = false;
        listener?.drained?.();
      });
      if (socket.bufferedAmount > QUEUED_BYTES_HIGH) congested = true;
    },
    get congested() {
      return congested;
    },
    close: (reason = '') => socket.close(CLOSE_NORMAL, reason),
    listen: (given) => {
      listener = given;
      const waiting = early;
      early = [];
      for (const frame of waiting) given.frame(frame);
      if (ended !== undefined) given.closed(ended);
    },
  };
}
