import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import { random, SEED } from '../../test/support/random.ts';
import type { AccessSize, Device } from '../contracts/device.ts';
import { Aclint } from './aclint.ts';
import { Flash } from './flash.ts';
import { FwCfg } from './fw-cfg.ts';
import { GoldfishRtc } from './goldfish-rtc.ts';
import { OpenBus } from './open-bus.ts';
import { PcieEcam } from './pcie-ecam.ts';
import { Plic } from './plic.ts';
import { Rom } from './rom.ts';
import { SifiveTest } from './sifive-test.ts';
import { Uart16550 } from './uart16550.ts';
import { EmptyVirtioSlot } from './virtio-slot.ts';

const HARTS = 4;
const RAM_BYTES = 0x1000;
const SIZES: readonly AccessSize[] = [1, 2, 4];
/** Offsets of a region that are all tried; of larger ones the ends, every register, and random ones between. */
const SWEPT_BYTES = 0x1000;
const STEPS = 4000;
/** Whether peeking changes nothing is asked this often, for it takes the whole state. */
const STATES_COMPARED = 20;
const FLASH_BYTES = 512 << 10;

/** A device with everything around it, so that nothing but the device can be at fault. */
interface Subject {
  readonly device: Device;
  readonly ram: Uint8Array;
}

const line = { set: (level: boolean) => holds(typeof level === 'boolean', 'a level') };

/** RAM of one page at address 0 that the device masters; nothing else may be asked for as if it were there. */
function pageOfRam() {
  const ram = new Uint8Array(RAM_BYTES);
  const inside = (address: bigint, length: number): boolean =>
    address >= 0n && address + BigInt(length) <= BigInt(RAM_BYTES);
  const dma = {
    view: (address: bigint, length: number) =>
      inside(address, length) ? ram.subarray(Number(address), Number(address) + length) : undefined,
    wrote: (address: bigint, length: number) => holds(inside(address, length), 'RAM'),
    forgot: () => holds(false, 'a device that gives no memory back'),
  };
  return { ram, dma };
}

const alone = (device: Device): Subject => ({ device, ram: new Uint8Array(0) });

const SUBJECTS: readonly {
  readonly region: { readonly name: string; readonly size: number };
  readonly make: () => Subject;
}[] = [
  {
    region: { name: 'uart0', size: 0x100 },
    make: () => {
      const uart = new Uart16550({ irq: line, output: (byte) => holds(byte < 256, 'a byte') });
      uart.receive(Uint8Array.from({ length: 40 }, (_, index) => index));
      return alone(uart);
    },
  },
  {
    region: { name: 'rtc', size: 0x1000 },
    make: () =>
      alone(new GoldfishRtc({ irq: line, nowNs: () => 1_700_000_000_123_456_789n, alarmChanged: () => {} })),
  },
  {
    region: { name: 'test', size: 0x1000 },
    make: () =>
      alone(
        new SifiveTest({
          finish: (_, code) => holds(code >= 0 && code <= 0xffff, 'a code of 16 bits'),
        }),
      ),
  },
  {
    region: { name: 'clint', size: 0x1_0000 },
    make: () =>
      alone(
        new Aclint(HARTS, {
          setSoftwareInterrupt: (hart) => holds(hart < HARTS, 'a hart'),
          ticks: () => 123n,
          timerChanged: () => {},
        }),
      ),
  },
  {
    region: { name: 'plic', size: 0x60_0000 },
    make: () =>
      alone(
        new Plic(2 * HARTS, {
          setTarget: (context) => holds(context < 2 * HARTS, 'a context'),
          transition: (_source, _event, effect) => effect(),
        }),
      ),
  },
  // Two blocks: what a bank of 128 holds would be compared again and again.
  {
    region: { name: 'flash', size: FLASH_BYTES },
    make: () => alone(new Flash(FLASH_BYTES)),
  },
  {
    region: { name: 'fw-cfg', size: 0x18 },
    make: () => {
      const { ram, dma } = pageOfRam();
      return { device: new FwCfg({ harts: HARTS, memory: RAM_BYTES, commandLine: 'fuzz' }, dma), ram };
    },
  },
  { region: { name: 'virtio', size: 0x1000 }, make: () => alone(new EmptyVirtioSlot()) },
  {
    region: { name: 'rom', size: 0xf000 },
    make: () => alone(new Rom(Uint8Array.from({ length: 100 }, (_, index) => index))),
  },
  { region: { name: 'pcie-ecam', size: 0x1000_0000 }, make: () => alone(new PcieEcam()) },
  { region: { name: 'pcie-mmio', size: 0x4000_0000 }, make: () => alone(new OpenBus()) },
];

/** As `expect`, a thousand times cheaper where it is asked a million times. */
function holds(condition: boolean, what: string): void {
  if (!condition) throw new Error(`does not hold: ${what}`);
}

/** Of states of half a megabyte. */
const same = (a: unknown, b: unknown): boolean => isDeepStrictEqual(a, b);

const fits = (value: number, size: AccessSize): boolean =>
  Number.isInteger(value) && value >= 0 && value < 2 ** (8 * size);

/** A read is what peeking promised, a number of its size, and peeking changed nothing. */
function checkRead(device: Device, offset: number, size: AccessSize, whole: boolean): void {
  const before = whole ? device.save() : undefined;
  const peeked = device.peek(offset, size);
  const what = `read of ${size} at 0x${offset.toString(16)}`;
  holds(!whole || same(device.save(), before), `${what} is peeked at without a change`);
  const value = device.read(offset, size);
  holds(value === peeked && fits(value, size), what);
}

describe.each(SUBJECTS)(`MMIO of every size to $region.name (seed ${SEED})`, ({ region, make }) => {
  const registers = make().device.registers.map(({ offset }) => offset);
  const swept = Array.from({ length: Math.min(region.size, SWEPT_BYTES) }, (_, offset) => offset);
  const edges = [-4, -3, -2, -1].map((offset) => region.size + offset);

  test('at every offset: reads are what peeking promises, writes do no harm', () => {
    const { device } = make();
    for (const offset of [...swept, ...registers, ...edges]) {
      for (const size of SIZES) {
        if (offset + size > region.size) continue;
        holds(fits(device.peek(offset, size), size), `a value of ${size} at 0x${offset.toString(16)}`);
        device.read(offset, size);
        for (const written of [0, 0xffff_ffff, 0x5555_5555]) device.write(offset, size, written);
        holds(fits(device.peek(offset, size), size), `a value of ${size} at 0x${offset.toString(16)}`);
      }
    }
    device.reset();
  });

  test('in any order: state stays one that can be saved, and restored to go on alike', () => {
    const numbers = random(SEED ^ region.size);
    let { device } = make();
    for (let step = 0; step < STEPS; step += 1) {
      const size = numbers.pick(SIZES);
      const near = numbers.pick([
        ...registers,
        numbers.below(region.size),
        numbers.below(Math.min(64, region.size)),
      ]);
      const offset = Math.min(near + numbers.below(8), region.size - size);
      if (numbers.below(3) === 0) checkRead(device, offset, size, step % STATES_COMPARED === 0);
      else {
        const value = numbers.pick([numbers.below(2 ** 32), numbers.below(256), 0, 0x00d0_00d0, 0x0020_0020]);
        device.write(offset, size, value % 2 ** (8 * size));
      }
      if (step % 500 !== 499) continue;
      const saved = structuredClone(device.save());
      const other = make().device;
      other.restore(saved);
      holds(same(other.save(), saved), 'what is restored is what was saved');
      device = other;
    }
  });

  test('memory that it was not told of stays as it was', () => {
    const { device, ram } = make();
    const numbers = random(SEED + region.size);
    for (let step = 0; step < STEPS; step += 1) {
      const size = numbers.pick(SIZES);
      const offset = numbers.below(region.size - size + 1);
      // High words of addresses are never those of RAM.
      device.write(offset, size, (0x8000_0000 + numbers.below(2 ** 31)) % 2 ** (8 * size));
    }
    expect(ram.every((byte) => byte === 0)).toBe(true);
  });
});
