/** Guests that find their work in memory, leave their results there, and end by the test device: on our hart, and on QEMU. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert } from '../../vmm/base/assert.ts';
import type { HartPorts } from '../../vmm/contracts/hart.ts';
import { parseElf, SEGMENT_TYPE } from '../../vmm/formats/elf.ts';
import { createGuestMemory, createHartGroup } from '../../vmm/hart/index.ts';
import type { IsaConfig } from '../../vmm/isa/extensions.ts';
import { newerQemu, output } from './newer-tools.ts';
import { ramOf } from './qemu.ts';

/** Bytes at a guest-physical address. */
export interface Image {
  readonly address: number;
  readonly data: Uint8Array;
}

/** What memory holds after a run. */
export type MemoryAfter = (address: number, length: number) => Uint8Array;

const RAM_BASE = 0x8000_0000;
const RAM_MIB = 32;
const TEST_DEVICE = 0x10_0000;

/** Runs the ELF in M-mode on one hart with RAM and the test device, and nothing else. */
export function runOnHart(
  elf: Uint8Array,
  isa: IsaConfig,
  images: readonly Image[],
  stepsMax: number,
): MemoryAfter {
  const memory = createGuestMemory({ ramBase: RAM_BASE, ramSize: RAM_MIB << 20, harts: 1 });
  let ended = false;
  const ports: HartPorts = {
    bus: {
      low: 0,
      high: 0,
      read: () => 'fault',
      write(_hart, address) {
        if (address !== TEST_DEVICE) return 'fault';
        ended = true;
        group.harts[0]!.requestYield();
        return 'ok';
      },
    },
    exits: { count() {}, watches: () => false, report: () => 'continue' },
    time: () => 0n,
    stepsAt: () => Number.POSITIVE_INFINITY,
  };
  const group = createHartGroup({ memory, ports, isa });
  const hart = group.harts[0]!;
  const { segments, entry } = parseElf(elf);
  for (const { type, paddr, data } of segments) {
    if (type === SEGMENT_TYPE.load) memory.ram.set(data, Number(paddr) - RAM_BASE);
  }
  for (const { address, data } of images) memory.ram.set(data, address - RAM_BASE);
  hart.reset({ pc: entry, privilege: 3, a0: 0n, a1: 0n });
  hart.run(stepsMax);
  assert(ended, `the guest ended within ${stepsMax} steps; pc is 0x${hart.getPc().toString(16)}`);
  return (address, length) => memory.ram.slice(address - RAM_BASE, address - RAM_BASE + length);
}

/** The same on QEMU 10's `virt`. `cpu` is what `-cpu` takes; `folder` is for the run's files. */
export function runOnNewerQemu(
  folder: string,
  elf: string,
  cpu: string,
  images: readonly Image[],
): MemoryAfter {
  const ramFile = join(folder, 'ram');
  const loaders = images.flatMap(({ address, data }, index) => {
    const file = join(folder, `image${index}`);
    writeFileSync(file, data);
    return ['-device', `loader,file=${file},addr=${address},force-raw=on`];
  });
  const ram = `memory-backend-file,id=ram,size=${RAM_MIB}M,mem-path=${ramFile},share=on`;
  output(newerQemu(), [
    ...['-M', 'virt,memory-backend=ram', '-object', ram, '-cpu', cpu, '-m', `${RAM_MIB}M`],
    ...['-display', 'none', '-monitor', 'none', '-serial', 'none', '-nodefaults', '-bios', 'none'],
    ...['-kernel', elf, ...loaders],
  ]);
  return (address, length) => ramOf(ramFile, address, length);
}
