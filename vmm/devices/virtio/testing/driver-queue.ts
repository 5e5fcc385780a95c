import type { TestMemory } from './memory.ts';

/** A buffer that a driver offers: bytes for the device to read, or room for it to write. */
export type Buffer = Uint8Array | { readonly room: number };

/** A chain that came back. */
export interface Returned {
  /** What `add` gave. */
  readonly token: number;
  /** The used length. */
  readonly written: number;
  /** All device-writable buffers, joined. */
  readonly data: Uint8Array;
}

/** A driver's side of a queue. */
export interface DriverQueue {
  /** Guest-physical addresses of the queue's parts. */
  readonly areas: { readonly descriptor: bigint; readonly driver: bigint; readonly device: bigint };
  /** Makes a chain available; returns a token for it. */
  add(buffers: readonly Buffer[], how?: { readonly indirect?: boolean }): number;
  /** True when the device wants to be told of what was added since the last call. */
  wantsKick(): boolean;
  /** Chains that came back since the last call. */
  returned(): Returned[];
  /** Sets when the device is to notify. */
  wantNotifications(when: 'always' | 'never' | 'after the next'): void;
}

/** A chain in flight. */
export interface InFlight {
  readonly token: number;
  readonly descriptors: readonly number[];
  readonly rooms: readonly { readonly address: bigint; readonly length: number }[];
}

/** A buffer in guest memory. */
export interface Placed {
  readonly address: bigint;
  readonly length: number;
  readonly writable: boolean;
}

export function place(memory: TestMemory, buffers: readonly Buffer[]): Placed[] {
  return buffers.map((buffer) => {
    const writable = !(buffer instanceof Uint8Array);
    const length = writable ? buffer.room : buffer.length;
    const address = memory.allocate(length);
    if (!writable) memory.write(address, buffer);
    return { address, length, writable };
  });
}

export const roomsOf = (placed: readonly Placed[]): InFlight['rooms'] =>
  placed.filter(({ writable }) => writable).map(({ address, length }) => ({ address, length }));

export function collect(memory: TestMemory, { token, rooms }: InFlight, written: number): Returned {
  const data = rooms.flatMap(({ address, length }) => [...memory.bytes(address, length)]);
  return { token, written, data: Uint8Array.from(data) };
}
