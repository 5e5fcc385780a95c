import { beforeEach, describe, expect, test } from 'vitest';
import { INTERRUPT } from './constants.ts';
import { VirtioInput } from './input.ts';
import { ABS, BUTTON, EV, type InputEvent, KEY_MAX, KEYBOARD, TABLET, TABLET_MAX } from './input-events.ts';
import { get16, get32, set16, set32 } from './little-endian.ts';
import { REGISTER } from './mmio-registers.ts';
import { MANNERS, type Manner, SPLIT, TestDriver } from './testing/driver.ts';

const EVENTS = 0;
const STATUS = 1;

let lights: InputEvent[];
let device: VirtioInput;
let driver: TestDriver;

function make(description = KEYBOARD, manner: Manner = SPLIT): void {
  lights = [];
  device = new VirtioInput(description, { status: (event) => lights.push(event) });
  driver = new TestDriver(device, manner);
}

beforeEach(() => make());

/** What the configuration space answers to a selection. */
function ask(select: number, subselect: number): Uint8Array {
  driver.slot.write(REGISTER.config, 1, select);
  driver.slot.write(REGISTER.config + 1, 1, subselect);
  const size = driver.slot.read(REGISTER.config + 2, 1);
  return driver.config(8, size);
}

const bit = (bits: Uint8Array, number: number): boolean =>
  ((bits[number >> 3] ?? 0) & (1 << (number & 7))) !== 0;
const key = (code: number, down: boolean): InputEvent => ({ type: EV.key, code, value: Number(down) });

function events(): InputEvent[] {
  return driver.returned(EVENTS).map(({ data, written }) => {
    expect(written).toBe(8);
    return { type: get16(data, 0), code: get16(data, 2), value: get32(data, 4) | 0 };
  });
}
const SYN = { type: 0, code: 0, value: 0 };

describe('virtio 1.2, 5.8.4 Device configuration layout', () => {
  test('name, serial number and IDs', () => {
    expect(new TextDecoder().decode(ask(1, 0))).toBe('Hartscope Keyboard');
    expect(ask(2, 0)).toHaveLength(0);
    const ids = ask(3, 0);
    expect([get16(ids, 0), get16(ids, 2), get16(ids, 4), get16(ids, 6)]).toEqual([6, 0x0627, 1, 1]);
  });

  test('the keys of a keyboard, its lights and its repetition', () => {
    const keys = ask(0x11, EV.key);
    expect([bit(keys, 0), bit(keys, 1), bit(keys, 30), bit(keys, KEY_MAX), bit(keys, KEY_MAX + 1)]).toEqual([
      false,
      true,
      true,
      true,
      false,
    ]);
    expect([...ask(0x11, EV.led)]).toEqual([7]);
    expect([...ask(0x11, EV.rep)]).toEqual([3]);
  });

  test('the axes and buttons of a tablet', () => {
    make(TABLET);
    expect([...ask(0x11, EV.abs)]).toEqual([3]);
    expect(bit(ask(0x11, EV.key), BUTTON.left)).toBe(true);
    for (const axis of [ABS.x, ABS.y]) {
      const info = ask(0x12, axis);
      expect([info.length, get32(info, 0), get32(info, 4)]).toEqual([20, 0, TABLET_MAX]);
    }
  });

  test('5.8.5.2: what is not supported has size 0', () => {
    for (const [select, subselect] of [
      [0, 0],
      [0x10, 0],
      [0x11, EV.abs],
      [0x12, 0],
      [1, 1],
      [0x55, 3],
      [0xff, 0xff],
    ]) {
      expect(ask(select!, subselect!)).toHaveLength(0);
    }
  });

  test('both selectors may be written at once, and other fields not at all', () => {
    driver.slot.write(REGISTER.config, 2, 0x11 | (EV.led << 8));
    driver.slot.write(REGISTER.config + 2, 1, 99);
    driver.slot.write(REGISTER.config + 8, 4, 99);
    expect([...driver.config(0, 9)]).toEqual([0x11, EV.led, 1, 0, 0, 0, 0, 0, 7]);
  });
});

describe.each(MANNERS)('virtio 1.2, 5.8.6 Device Operation: $title', ({ manner }) => {
  test('events reach the guest with a report behind each update; lights come back', () => {
    make(KEYBOARD, manner);
    driver.start();
    for (let index = 0; index < 8; index += 1) driver.send(EVENTS, { room: 8 });
    driver.memory.watch(() => device.send([key(30, true)]));
    driver.memory.watch(() => device.send([key(30, false)]));
    expect(events()).toEqual([key(30, true), SYN, key(30, false), SYN]);
    expect(driver.acknowledge()).toBe(INTERRUPT.used);
    const light = new Uint8Array(8);
    set16(light, 0, EV.led);
    set16(light, 2, 1);
    set32(light, 4, 1);
    expect(driver.request(STATUS, light).written).toBe(0);
    expect(lights).toEqual([{ type: EV.led, code: 1, value: 1 }]);
  });

  test('5.8.6.2: an update comes whole or not at all', () => {
    make(TABLET, manner);
    driver.start();
    const move = [
      { type: EV.abs, code: ABS.x, value: 100 },
      { type: EV.abs, code: ABS.y, value: 200 },
    ];
    driver.send(EVENTS, { room: 8 });
    driver.send(EVENTS, { room: 8 });
    driver.memory.watch(() => device.send(move));
    expect(events()).toEqual([]);
    driver.send(EVENTS, { room: 8 });
    expect(events()).toEqual([...move, SYN]);
  });
});

describe('bounds', () => {
  test('updates that nobody takes are dropped whole, the oldest stay', () => {
    driver.start();
    let kept = 0;
    while (device.send([key(kept % 200, true)])) kept += 1;
    expect(kept).toBe(128);
    for (let index = 0; index < 4; index += 1) driver.send(EVENTS, { room: 8 });
    expect(events()).toEqual([key(0, true), SYN, key(1, true), SYN]);
    expect(device.send(Array.from({ length: 64 }, () => key(1, true)))).toBe(false);
  });

  test('negative values keep their sign', () => {
    driver.start();
    driver.send(EVENTS, { room: 8 });
    driver.send(EVENTS, { room: 8 });
    device.send([{ type: EV.rel, code: 8, value: -1 }]);
    expect(events()[0]).toEqual({ type: EV.rel, code: 8, value: -1 });
  });

  test('a buffer that is too small needs a reset', () => {
    driver.start();
    driver.send(EVENTS, { room: 7 });
    driver.memory.watch(() => device.send([key(1, true)]));
    expect(driver.needsReset).toBe(true);
  });

  test('a status message that is too short says nothing', () => {
    driver.start();
    driver.request(STATUS, new Uint8Array(7));
    expect(lights).toEqual([]);
  });

  test('saved state goes on', () => {
    driver.start();
    ask(0x11, EV.led);
    device.send([key(5, true)]);
    const saved = structuredClone(driver.slot.save());
    const ram = driver.memory.ram.slice();
    driver.slot.reset();
    expect([...driver.config(0, 2)]).toEqual([0, 0]);
    driver.memory.ram.set(ram);
    driver.slot.restore(saved);
    expect([...driver.config(0, 2)]).toEqual([0x11, EV.led]);
    driver.send(EVENTS, { room: 8 });
    driver.send(EVENTS, { room: 8 });
    expect(events()).toEqual([key(5, true), SYN]);
  });
});
