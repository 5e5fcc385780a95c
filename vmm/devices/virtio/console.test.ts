import { beforeEach, describe, expect, test } from 'vitest';
import { CONSOLE_BACKLOG_MAX, type ConsolePortOptions, VirtioConsole } from './console.ts';
import { CONTROL, decodeControl, encodeControl } from './console-control.ts';
import { INTERRUPT } from './constants.ts';
import { REGISTER } from './mmio-registers.ts';
import { LEGACY, MANNERS, type Manner, SPLIT, TestDriver } from './testing/driver.ts';
import { TestMemory } from './testing/memory.ts';

const SIZE = 1n;
const MULTIPORT = 2n;
const CONTROL_RECEIVE = 2;
const CONTROL_TRANSMIT = 3;
const EMERGENCY_WRITE = REGISTER.config + 8;

const PORTS: readonly ConsolePortOptions[] = [{ console: true }, { name: 'org.test', console: false }];

let output: string[];
let opened: string[];
let device: VirtioConsole;
let driver: TestDriver;

function make(ports = PORTS, manner: Manner = SPLIT): void {
  output = [];
  opened = [];
  device = new VirtioConsole(
    {
      output: (port, data) => output.push(`${port}:${new TextDecoder().decode(data)}`),
      opened: (port, open) => opened.push(`${port}:${open}`),
    },
    ports,
  );
  driver = new TestDriver(device, manner, new TestMemory(512 << 10));
}

beforeEach(() => make());

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const send = (port: number, data: string | Uint8Array): number =>
  driver.memory.watch(() => device.receive(port, typeof data === 'string' ? text(data) : data));
const control = (port: number, event: number, value: number): void => {
  driver.request(CONTROL_TRANSMIT, encodeControl({ port, event, value }));
};

interface Told {
  readonly port: number;
  readonly event: number;
  readonly value: number;
  readonly rest: number[];
}

/** Control messages that came, after giving room for `count` more. */
function messages(count: number): Told[] {
  for (let index = 0; index < count; index += 1) driver.send(CONTROL_RECEIVE, { room: 64 });
  return driver.returned(CONTROL_RECEIVE).map(({ data, written }) => ({
    ...decodeControl(data),
    rest: [...data.subarray(8, written)],
  }));
}

describe.each(MANNERS)('virtio 1.2, 5.3.6 Device Operation: $title', ({ manner }) => {
  test('what the guest sends comes out, what the host sends goes in', () => {
    make(PORTS, manner);
    driver.start(SIZE, { queues: [0, 1] });
    expect(driver.request(1, text('hel'), text('lo')).written).toBe(0);
    expect(output).toEqual(['0:hello']);
    driver.send(0, { room: 3 });
    driver.send(0, { room: 1 }, { room: 8 });
    expect(send(0, 'typed')).toBe(5);
    expect(
      driver.returned(0).map(({ data, written }) => new TextDecoder().decode(data.subarray(0, written))),
    ).toEqual(['typ', 'ed']);
    expect(driver.acknowledge() & INTERRUPT.used).toBe(INTERRUPT.used);
  });

  test('input waits for buffers, in order', () => {
    make(PORTS, manner);
    driver.start(0n, { queues: [0, 1] });
    send(0, 'ab');
    send(0, 'cde');
    driver.send(0, { room: 4 });
    driver.send(0, { room: 4 });
    expect(
      driver.returned(0).map(({ data, written }) => new TextDecoder().decode(data.subarray(0, written))),
    ).toEqual(['abcd', 'e']);
  });
});

describe('virtio 1.2, 5.3.4 and 5.3.5', () => {
  test('5.3.4: size and number of ports', () => {
    expect([...driver.config(0, 8)]).toEqual([80, 0, 25, 0, 2, 0, 0, 0]);
  });

  test('5.3.6: a new size of port 0 is a configuration change', () => {
    driver.start(SIZE, { queues: [0, 1] });
    device.resize(132, 43);
    expect([...driver.config(0, 4)]).toEqual([132, 0, 43, 0]);
    expect(driver.acknowledge()).toBe(INTERRUPT.config);
  });

  test('5.3.5.1: an emergency write needs no driver', () => {
    driver.slot.write(EMERGENCY_WRITE, 4, 0x141);
    driver.slot.write(EMERGENCY_WRITE, 1, 0x42);
    expect(output).toEqual(['0:A', '0:B']);
  });

  test('5.3.2: every port has two queues, the control queues stand between ports 0 and 1', () => {
    driver.write(REGISTER.queueSel, 5);
    expect(driver.read(REGISTER.queueNumMax)).toBeGreaterThan(0);
    driver.write(REGISTER.queueSel, 6);
    expect(driver.read(REGISTER.queueNumMax)).toBe(0);
  });
});

describe('virtio 1.2, 5.3.6.2 Multiport Device Operation', () => {
  beforeEach(() => driver.start(SIZE | MULTIPORT));

  test('ports are announced, named, sized and opened as the driver takes them up', () => {
    control(0, CONTROL.deviceReady, 1);
    expect(messages(4)).toEqual([
      { port: 0, event: CONTROL.deviceAdd, value: 0, rest: [] },
      { port: 1, event: CONTROL.deviceAdd, value: 0, rest: [] },
    ]);
    control(0, CONTROL.portReady, 1);
    expect(messages(4)).toEqual([
      { port: 0, event: CONTROL.consolePort, value: 1, rest: [] },
      { port: 0, event: CONTROL.resize, value: 0, rest: [80, 0, 25, 0] },
      { port: 0, event: CONTROL.portOpen, value: 1, rest: [] },
    ]);
    control(1, CONTROL.portReady, 1);
    expect(messages(0)).toEqual([
      { port: 1, event: CONTROL.portName, value: 1, rest: [...text('org.test')] },
      { port: 1, event: CONTROL.portOpen, value: 1, rest: [] },
    ]);
    control(1, CONTROL.portOpen, 1);
    control(1, CONTROL.portOpen, 1);
    control(1, CONTROL.portOpen, 0);
    expect(opened).toEqual(['1:true', '1:false']);
  });

  test('each port has its own stream', () => {
    driver.request(5, text('one'));
    driver.request(1, text('zero'));
    expect(output).toEqual(['1:one', '0:zero']);
    control(1, CONTROL.portOpen, 1);
    driver.send(4, { room: 16 });
    expect(send(1, 'in')).toBe(2);
    expect(driver.returned(4)).toMatchObject([{ written: 2 }]);
    expect(driver.returned(0)).toEqual([]);
  });

  test('what comes for a port that no program has open waits until one has', () => {
    driver.send(4, { room: 16 });
    expect(send(1, 'early')).toBe(5);
    expect(driver.returned(4)).toEqual([]);
    control(1, CONTROL.portOpen, 1);
    expect(driver.returned(4)).toMatchObject([{ written: 5 }]);
  });

  test('a new size, and a host that leaves, are told; the latest counts', () => {
    control(0, CONTROL.portReady, 1);
    messages(3);
    device.resize(1, 2);
    device.resize(300, 4);
    device.setHostOpen(0, false);
    device.setHostOpen(0, true);
    device.setHostOpen(0, false);
    expect(messages(8)).toEqual([
      { port: 0, event: CONTROL.resize, value: 0, rest: [44, 1, 4, 0] },
      { port: 0, event: CONTROL.portOpen, value: 0, rest: [] },
    ]);
  });

  test('a driver that is not ready, or names no port, gets no answer', () => {
    control(0, CONTROL.deviceReady, 0);
    control(7, CONTROL.portReady, 1);
    control(1, CONTROL.portReady, 0);
    control(1, 99, 1);
    driver.request(CONTROL_TRANSMIT, Uint8Array.of(1, 2, 3));
    expect(messages(4)).toEqual([]);
    expect(driver.needsReset).toBe(false);
  });

  test('a driver that floods the device without taking answers is left waiting, and served later', () => {
    const flood = (): void => {
      driver.send(CONTROL_TRANSMIT, encodeControl({ port: 0, event: CONTROL.deviceReady, value: 1 }));
    };
    let served = 0;
    for (let round = 0; round < 128; round += 1) {
      flood();
      served += driver.returned(CONTROL_TRANSMIT).length;
    }
    expect(served).toBe(128);
    flood();
    flood();
    expect(driver.returned(CONTROL_TRANSMIT)).toEqual([]);
    expect(messages(16)).toHaveLength(16);
    expect(driver.returned(CONTROL_TRANSMIT)).toHaveLength(2);
  });
});

describe('bounds', () => {
  test('input beyond the backlog is refused, the rest is kept', () => {
    driver.start(0n, { queues: [0, 1] });
    const paste = new Uint8Array(CONSOLE_BACKLOG_MAX + 10).fill(0x61);
    expect(send(0, paste)).toBe(CONSOLE_BACKLOG_MAX);
    expect(send(0, 'x')).toBe(0);
    driver.send(0, { room: 100 });
    expect(driver.returned(0)).toMatchObject([{ written: 100 }]);
    expect(send(0, 'x'.repeat(200))).toBe(100);
    expect(send(9, 'no such port')).toBe(0);
  });

  test('a buffer that cannot be written in a receive queue needs a reset', () => {
    driver.start(0n, { queues: [0, 1] });
    send(0, 'a');
    driver.send(0, text('b'));
    expect(driver.needsReset).toBe(true);
  });

  test('a reset drops what waits and closes the ports', () => {
    driver.start(MULTIPORT);
    control(0, CONTROL.portOpen, 1);
    send(0, 'lost');
    driver.start(MULTIPORT);
    driver.send(0, { room: 4 });
    expect(driver.returned(0)).toEqual([]);
    expect(opened).toEqual(['0:true', '0:false']);
  });

  test('saved state goes on: input, messages, ports', () => {
    driver.start(MULTIPORT);
    send(1, 'kept');
    control(0, CONTROL.portReady, 1);
    control(1, CONTROL.portOpen, 1);
    const saved = structuredClone(driver.slot.save());
    const ram = driver.memory.ram.slice();
    driver.slot.reset();
    driver.memory.ram.set(ram);
    driver.slot.restore(saved);
    expect(driver.slot.save()).toEqual(saved);
    driver.send(4, { room: 9 });
    expect(driver.returned(4)).toMatchObject([{ written: 4 }]);
    expect(messages(3)).toHaveLength(3);
  });

  test('a legacy driver uses port 0 without a word', () => {
    make([{ console: true }], LEGACY);
    driver.start();
    driver.request(1, text('plain'));
    expect(output).toEqual(['0:plain']);
  });
});
