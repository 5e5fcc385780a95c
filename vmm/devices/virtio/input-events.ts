export type { InputEvent } from '../../contracts/device-input.ts';

/** Event types and codes of Linux's evdev, which virtio's input device carries (`input-event-codes.h`). */
export const EV = { syn: 0, key: 1, rel: 2, abs: 3, msc: 4, led: 0x11, rep: 0x14 } as const;
export const SYN_REPORT = 0;
export const REL_WHEEL = 8;
export const ABS = { x: 0, y: 1 } as const;
/** Buttons of a pointer, as codes of `EV.key`. */
export const BUTTON = { left: 0x110, right: 0x111, middle: 0x112, side: 0x113, extra: 0x114 } as const;
/** Keys up to the last that a common keyboard has, KEY_MICMUTE. */
export const KEY_MAX = 248;
/** Num lock, caps lock, scroll lock. */
export const LEDS = [0, 1, 2] as const;

/** The range of an absolute axis. */
export interface AxisInfo {
  readonly minimum: number;
  readonly maximum: number;
}

/** What an input device is and which events it has. */
export interface InputDescription {
  readonly name: string;
  readonly serial: string;
  /** Product number, beside QEMU's vendor number for virtual devices. */
  readonly product: number;
  /** Codes by event type. */
  readonly events: ReadonlyMap<number, readonly number[]>;
  readonly axes: ReadonlyMap<number, AxisInfo>;
}

const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

/** Absolute positions go from 0 to this, whatever the screen's size. */
export const TABLET_MAX = 0x7fff;

export const KEYBOARD: InputDescription = {
  name: 'Hartscope Keyboard',
  serial: '',
  product: 1,
  events: new Map<number, readonly number[]>([
    [EV.key, range(1, KEY_MAX)],
    [EV.led, LEDS],
    [EV.rep, [0, 1]],
  ]),
  axes: new Map(),
};

export const TABLET: InputDescription = {
  name: 'Hartscope Tablet',
  serial: '',
  product: 3,
  events: new Map<number, readonly number[]>([
    [EV.key, Object.values(BUTTON)],
    [EV.rel, [REL_WHEEL]],
    [EV.abs, Object.values(ABS)],
  ]),
  axes: new Map([
    [ABS.x, { minimum: 0, maximum: TABLET_MAX }],
    [ABS.y, { minimum: 0, maximum: TABLET_MAX }],
  ]),
};
