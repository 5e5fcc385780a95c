import type { MessagePort } from 'node:worker_threads';
import type { PortForward } from './network.ts';

/** What a channel between a machine's device and the host's sockets leads to. Records of a channel are frames, or see `STREAM`. */
export type ChannelConfig =
  /** Records are Ethernet frames, both ways. */
  | {
      readonly kind: 'network';
      readonly forwards: readonly PortForward[];
      /** A capture file; absolute, or relative to the process. */
      readonly capture?: string;
    }
  /** A UNIX socket; one program at a time is the other end. Towards the host records are bytes. */
  | { readonly kind: 'stream'; readonly socket: string };

/** First byte of a stream's record towards the guest: bytes follow, or somebody came or left. */
export const STREAM = { data: 0, connected: 1, left: 2 } as const;

/** Words of the memory that a machine's thread shares with the thread of its sockets. */
export const SOCKET_WORD = {
  /** The thread of the sockets waits for events: a message wakes it. */
  asleep: 0,
  /** It waits for room in a ring towards the guest. */
  wantsRoom: 1,
  /** How many reports it has sent. */
  reports: 2,
  /** The machine's thread waits in its event loop: a message wakes it. */
  ownerAsleep: 3,
} as const;
export const SOCKET_WORDS = 4;

/** What the thread is started with. */
export interface SocketThreadData {
  readonly kind: 'sockets';
  readonly words: SharedArrayBuffer;
  /** Rung when something was put into a ring towards the guest; absent: see `ownerAsleep`. */
  readonly doorbell: { readonly shared: SharedArrayBuffer; readonly word: number } | undefined;
  readonly channels: readonly {
    readonly config: ChannelConfig;
    readonly toHost: SharedArrayBuffer;
    readonly toGuest: SharedArrayBuffer;
  }[];
  /** Reports go out; a message that comes in wakes. */
  readonly port: MessagePort;
}

/** What the thread says: `ready` or `failed` first. */
export type SocketReport =
  /** All sockets are open; the ports that forwards have, in their order, channel by channel. */
  | { readonly kind: 'ready'; readonly ports: readonly number[] }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'warning'; readonly text: string };
