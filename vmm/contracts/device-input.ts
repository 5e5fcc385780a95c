/** An event of Linux's evdev, as virtio's input device carries it (virtio 1.2, section 5.8.6). */
export interface InputEvent {
  readonly type: number;
  readonly code: number;
  /** Signed 32 bits. */
  readonly value: number;
}

/** What reaches a device from outside, between two instructions of the guest's. */
export type DeviceInput =
  /** An Ethernet frame for a network card. Taken: 1, or 0 when there is no buffer for it now. */
  | { readonly kind: 'frame'; readonly data: Uint8Array }
  /** Bytes for a port of a console. Taken: how many. */
  | { readonly kind: 'port'; readonly port: number; readonly data: Uint8Array }
  /** Something on the host connected to a port of a console, or left it. */
  | { readonly kind: 'port-open'; readonly port: number; readonly open: boolean }
  /** Events of a keyboard or tablet that happen at once. Taken: 1, or 0 when too many wait already. */
  | { readonly kind: 'events'; readonly events: readonly InputEvent[] }
  /** The memory that a balloon shall hold, in pages of 4 KiB. */
  | { readonly kind: 'balloon'; readonly pages: number };
