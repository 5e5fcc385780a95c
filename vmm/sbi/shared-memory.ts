import { SBI, type SbiPorts } from './extension.ts';

/** The machine has no physical address beyond 64 bits: the high half of an address must be zero. */
const NOTHING_ABOVE = 0n;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;

/** Memory that a supervisor shares with its SBI implementation, by the two halves of its guest-physical address. */
export interface SharedMemoryRequest {
  readonly low: bigint;
  readonly high: bigint;
  readonly flags: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** Bytes, a power of two. */
  readonly alignment: bigint;
}

/** Both halves all ones: the supervisor takes its memory back (SBI 3.0, `*_set_shmem`). */
export const isDisabling = ({ low, high }: Pick<SharedMemoryRequest, 'low' | 'high'>): boolean =>
  low === ALL_ONES && high === ALL_ONES;

/** The error of a request whose memory cannot be used, undefined when it can. No flag is defined yet. */
export function sharedMemoryError(ports: SbiPorts, request: SharedMemoryRequest): bigint | undefined {
  const { low, high, flags, size, alignment } = request;
  if (flags !== 0n || (!isDisabling(request) && low % alignment !== 0n)) return SBI.invalidParameter;
  if (isDisabling(request)) return undefined;
  return high === NOTHING_ABOVE && ports.ram(low, size) !== undefined ? undefined : SBI.invalidAddress;
}

/** A view of memory that was found good before; RAM does not go away. */
export function sharedView(ports: SbiPorts, address: bigint, size: bigint): DataView {
  const bytes = ports.ram(address, size)!;
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
