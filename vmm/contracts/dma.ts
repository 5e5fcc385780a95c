/** Guest memory as a device that masters the bus sees it. Addresses are guest-physical. */
export interface GuestDma {
  /** A view of [address, +length) of RAM; undefined when it is not all RAM. Valid until the device returns. */
  view(address: bigint, length: number): Uint8Array | undefined;
  /** Tells that the device wrote [address, +length): decoded code there is dropped, LR reservations break. */
  wrote(address: bigint, length: number): void;
  /** Tells, after `wrote`, that [address, +length) is zeros now because nobody needs it: its whole pages are absent (see `RamPages`). */
  forgot(address: bigint, length: number): void;
}
