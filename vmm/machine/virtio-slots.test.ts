import { describe, expect, test } from 'vitest';
import { assembleProgram } from '../../test/support/bare-hart.ts';
import type { Machine } from '../contracts/machine.ts';
import { VirtioEntropy } from '../devices/virtio/entropy.ts';
import { REGISTER } from '../devices/virtio/mmio-registers.ts';
import { type ExitBreakpointInput, exitBreakpointSchema, vmConfigSchema } from '../protocol/messages.ts';
import { createMachine } from './machine.ts';
import { MEMORY_MAP } from './memory-map.ts';
import { answersOf } from './replay.ts';

/** `addi a0, zero, 2` and `jalr zero, 0(ra)`. */
const NEW_CODE = Uint8Array.of(0x13, 0x05, 0x20, 0x00, 0x67, 0x80, 0x00, 0x00);

/** Calls a function, carries out the stores of a table, calls the function again, and powers off. */
const PROGRAM = `
  lla s0, table
  lla s1, function
  jalr ra, 0(s1)
  addi s2, a0, 0
store:
  ld t0, 0(s0)
  beq t0, zero, again
  ld t1, 8(s0)
  sw t1, 0(t0)
  addi s0, s0, 16
  jal zero, store
again:
  jalr ra, 0(s1)
  addi s3, a0, 0
  li t0, 0x100000
  li t1, 0x5555
  sw t1, 0(t0)
halt:
  jal zero, halt
  .balign 4096
function:
  addi a0, zero, 1
  jalr zero, 0(ra)
  .balign 4096
table:
`;

const { code, labels } = assembleProgram(PROGRAM, 0x8000_0000n);
const RAM = 1 << 20;
/** Where the queue's parts stand. */
const QUEUE = { descriptors: 0x8008_0000n, driver: 0x8008_1000n, device: 0x8008_2000n };
/** The first device is in the last slot. */
const LAST = Number(MEMORY_MAP.virtio.at(-1)!.base);

const entropy = (byte = 0): VirtioEntropy =>
  new VirtioEntropy({
    random: (count) => (byte === 0 ? NEW_CODE.slice(0, count) : new Uint8Array(count).fill(byte)),
  });

function machineWith(devices: number, legacy = false, answers: readonly Uint8Array[] = []): Machine {
  return createMachine({
    config: vmConfigSchema.parse({ memory: RAM, firmware: 'none', kernel: 'program' }),
    images: { kernel: { name: 'program', data: code } },
    ports: { console: () => {}, nowNs: () => 0, log: () => {} },
    virtio: Array.from({ length: devices }, (_, index) => entropy(index)),
    virtioLegacy: legacy,
    answers,
  });
}

function words(...values: readonly (number | bigint)[]): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(8 * values.length));
  for (const [index, value] of values.entries()) bytes.setBigUint64(8 * index, BigInt(value), true);
  return new Uint8Array(bytes.buffer);
}

/** A machine of one hart whose guest has one buffer in its queue: the function that it calls. */
function machineThatKicks(breakpoint?: ExitBreakpointInput, answers?: readonly Uint8Array[]): Machine {
  const machine = machineWith(1, false, answers);
  const put = (address: bigint, data: Uint8Array): void => {
    expect(machine.writeMemory(0, address, data, 'physical')).toBe(data.length);
  };
  put(QUEUE.descriptors, words(labels['function']!, NEW_CODE.length + 2 * 2 ** 32));
  put(QUEUE.driver, Uint8Array.of(0, 0, 1, 0));
  const stores: readonly [number, number | bigint][] = [
    [REGISTER.status, 3],
    [REGISTER.driverFeaturesSel, 1],
    [REGISTER.driverFeatures, 1],
    [REGISTER.status, 11],
    [REGISTER.queueNum, 4],
    [REGISTER.queueDescLow, QUEUE.descriptors],
    [REGISTER.queueDriverLow, QUEUE.driver],
    [REGISTER.queueDeviceLow, QUEUE.device],
    [REGISTER.queueReady, 1],
    [REGISTER.status, 15],
    [REGISTER.queueNotify, 0],
  ];
  put(labels['table']!, words(...stores.flatMap(([register, value]) => [LAST + register, value]), 0));
  if (breakpoint !== undefined) machine.setExitBreakpoints([exitBreakpointSchema.parse(breakpoint)]);
  return machine;
}

const slotsOf = (machine: Machine): (bigint | null | undefined)[] =>
  MEMORY_MAP.virtio.map(({ name }) => {
    const { registers } = machine.devices(true).find((device) => device.name === name)!;
    return registers.find((register) => register.name === 'DeviceID')!.value;
  });

describe('the virtio slots', () => {
  test('are filled from the last one on, as QEMU fills them', () => {
    expect(slotsOf(machineWith(0))).toEqual([0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n]);
    expect(slotsOf(machineWith(2))).toEqual([0n, 0n, 0n, 0n, 0n, 0n, 4n, 4n]);
    expect(slotsOf(machineWith(8))).toEqual([4n, 4n, 4n, 4n, 4n, 4n, 4n, 4n]);
    expect(() => machineWith(9)).toThrow('the board has 8 virtio slots, not 9');
  });

  test.each([
    [true, 1n],
    [false, 2n],
  ])('have one version all (legacy: %s)', (legacy, version) => {
    const machine = machineWith(1, legacy);
    const versions = machine
      .devices(true)
      .filter(({ name }) => name.startsWith('virtio'))
      .map(({ registers }) => registers.find(({ name }) => name === 'Version')!.value);
    expect(versions).toEqual(Array(8).fill(version));
  });
});

describe('a device that writes memory', () => {
  test('reaches the guest: code that it wrote over is executed as it is now', () => {
    const machine = machineThatKicks();
    expect(machine.run(10_000)).toMatchObject({ kind: 'end', end: { reason: 'pass' } });
    expect([machine.harts[0]!.getX(18), machine.harts[0]!.getX(19)]).toEqual([1n, 2n]);
  });

  test('has what it got of the host logged, and takes it from another log instead', () => {
    const first = machineThatKicks();
    first.run(10_000);
    const answers = answersOf(first.inputLog);
    expect(answers).toEqual([NEW_CODE]);
    // `addi a0, zero, 3` in place of what the host would give.
    const other = Uint8Array.of(0x13, 0x05, 0x30, 0x00, ...NEW_CODE.subarray(4));
    const second = machineThatKicks(undefined, [other]);
    expect(second.run(10_000)).toMatchObject({ kind: 'end', end: { reason: 'pass' } });
    expect(second.harts[0]!.getX(19)).toBe(3n);
    expect(answersOf(second.inputLog)).toEqual([other]);
    expect(second.inputLog.at(-1)!.position).toBe(first.inputLog.at(-1)!.position);
  });

  test('raises the interrupt of its slot', () => {
    const machine = machineThatKicks();
    machine.run(10_000);
    const plic = machine.devices(true).find(({ name }) => name === 'plic')!;
    const pending = plic.registers.find(({ name }) => name === 'pending[0]')!;
    expect(pending.value).toBe(1n << 8n);
  });
});

describe('exits of a virtqueue', () => {
  test('are counted', () => {
    const machine = machineThatKicks();
    machine.run(10_000);
    // The buffer came back at DRIVER_OK; the notification behind it found nothing.
    expect(machine.exitStats().counts).toContainEqual({ hart: 0, kind: 'virtqueue', count: 2 });
  });

  test('stop the guest behind the instruction that caused them', () => {
    const machine = machineThatKicks({ kind: 'virtqueue', stage: 'post', condition: 'event == "used"' });
    const stop = machine.run(10_000);
    expect(stop).toMatchObject({
      kind: 'stop',
      stop: {
        reason: 'exit',
        record: {
          exit: { kind: 'virtqueue', device: 'virtio7', queue: 0, event: 'used', descriptors: 1, bytes: 8 },
        },
      },
    });
    expect(machine.run(10_000)).toMatchObject({ kind: 'end' });
    expect(machine.harts[0]!.getX(19)).toBe(2n);
  });
});
