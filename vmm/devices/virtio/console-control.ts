import { get16, get32, set16, set32 } from './little-endian.ts';

/** Kinds of control messages (virtio 1.2, section 5.3.6.2). */
export const CONTROL = {
  deviceReady: 0,
  deviceAdd: 1,
  deviceRemove: 2,
  portReady: 3,
  consolePort: 4,
  resize: 5,
  portOpen: 6,
  portName: 7,
} as const;

export interface ControlMessage {
  readonly port: number;
  readonly event: number;
  readonly value: number;
}

export const CONTROL_SIZE = 8;

/** `struct virtio_console_control`, with what follows it. */
export function encodeControl({ port, event, value }: ControlMessage, rest = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(CONTROL_SIZE + rest.length);
  set32(bytes, 0, port);
  set16(bytes, 4, event);
  set16(bytes, 6, value);
  bytes.set(rest, CONTROL_SIZE);
  return bytes;
}

export const decodeControl = (bytes: Uint8Array): ControlMessage => ({
  port: get32(bytes, 0),
  event: get16(bytes, 4),
  value: get16(bytes, 6),
});
