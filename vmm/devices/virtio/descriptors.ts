import type { GuestDma } from '../../contracts/dma.ts';
import { Chain, type ChainIdentity, type Segment } from './chain.ts';
import { get16, get32, get64 } from './little-endian.ts';

/** Flags of descriptors (sections 2.7.5 and 2.8.1). */
export const DESCRIPTOR = { next: 1, write: 2, indirect: 4, available: 1 << 7, used: 1 << 15 } as const;

export const DESCRIPTOR_SIZE = 16;

/** Descriptors in one chain, those of indirect tables counted: the reasonable limit of section 2.7.4.1, QEMU's. */
export const CHAIN_DESCRIPTORS_MAX = 1024;
/** Bytes in one chain (section 2.7.5.2). */
export const CHAIN_BYTES_MAX = 2 ** 32;

export interface Descriptor {
  readonly address: bigint;
  readonly length: number;
  readonly flags: number;
  /** Index of the next one in a split ring; buffer ID in a packed one. */
  readonly tag: number;
}

/** `struct virtq_desc`: flags, then next. */
export const splitDescriptor = (table: Uint8Array, index: number): Descriptor => ({
  address: get64(table, index * DESCRIPTOR_SIZE),
  length: get32(table, index * DESCRIPTOR_SIZE + 8),
  flags: get16(table, index * DESCRIPTOR_SIZE + 12),
  tag: get16(table, index * DESCRIPTOR_SIZE + 14),
});

/** `struct pvirtq_desc`: ID, then flags. */
export const packedDescriptor = (table: Uint8Array, index: number): Descriptor => ({
  address: get64(table, index * DESCRIPTOR_SIZE),
  length: get32(table, index * DESCRIPTOR_SIZE + 8),
  flags: get16(table, index * DESCRIPTOR_SIZE + 14),
  tag: get16(table, index * DESCRIPTOR_SIZE + 12),
});

/** A driver's broken ring: told to the driver by DEVICE_NEEDS_RESET, never thrown. */
export interface Broken {
  readonly broken: string;
}

export const broken = (reason: string): Broken => ({ broken: reason });

/** Gathers the buffers of one chain, checking what the specification asks of drivers. */
export class ChainBuilder {
  readonly #dma: GuestDma;
  readonly #readable: Segment[] = [];
  readonly #writable: Segment[] = [];
  #descriptors = 0;
  #bytes = 0;

  constructor(dma: GuestDma) {
    this.#dma = dma;
  }

  /** Takes one buffer in; tells what is wrong with it, if anything. */
  add(descriptor: Descriptor): Broken | undefined {
    const { address, length } = descriptor;
    this.#descriptors += 1;
    this.#bytes += length;
    if (this.#descriptors > CHAIN_DESCRIPTORS_MAX) return broken('a chain has too many descriptors');
    if (this.#bytes > CHAIN_BYTES_MAX) return broken('a chain is longer than 2^32 bytes');
    const writable = (descriptor.flags & DESCRIPTOR.write) !== 0;
    if (!writable && this.#writable.length > 0) {
      return broken('a device-readable buffer follows a device-writable one');
    }
    // Nothing of an empty buffer is accessed, wherever it is said to be.
    if (length === 0) return undefined;
    const bytes = this.#dma.view(address, length);
    if (bytes === undefined) return broken(`a buffer lies outside RAM, at 0x${address.toString(16)}`);
    (writable ? this.#writable : this.#readable).push({ address, bytes });
    return undefined;
  }

  /** The indirect table that a descriptor names. */
  table({ address, length }: Descriptor): Uint8Array | Broken {
    if (length === 0 || length % DESCRIPTOR_SIZE !== 0) {
      return broken(`an indirect table has ${length} bytes, no whole number of descriptors`);
    }
    if (length > CHAIN_DESCRIPTORS_MAX * DESCRIPTOR_SIZE) return broken('an indirect table is too long');
    return this.#dma.view(address, length) ?? broken('an indirect table lies outside RAM');
  }

  finish(identity: Omit<ChainIdentity, 'descriptors'>): Chain {
    return new Chain(
      { ...identity, descriptors: this.#descriptors },
      this.#readable,
      this.#writable,
      this.#dma,
    );
  }
}
