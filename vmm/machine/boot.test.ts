import { describe, expect, test } from 'vitest';
import { tinyElf } from '../../test/support/tiny-guest.ts';
import type { MachineImages } from '../contracts/machine.ts';
import { createGuestMemory } from '../hart/index.ts';
import { DEFAULT_ISA } from '../isa/extensions.ts';
import { type VmConfigInput, vmConfigSchema } from '../protocol/messages.ts';
import { type BootPlan, firmwareKind, loadGuest } from './boot.ts';
import { decodeFdt, encodeFdt, fdtChild, fdtNode } from './fdt.ts';

const MIB = 1 << 20;
const RAM = 0x8000_0000;
const image = (data: Uint8Array | number[], name = 'image.bin') => ({ name, data: Uint8Array.from(data) });

function boot(
  config: VmConfigInput,
  images: MachineImages,
): { plan: BootPlan; at: (address: number) => number } {
  const parsed = vmConfigSchema.parse(config);
  const memory = createGuestMemory({ ramBase: RAM, ramSize: parsed.memory, harts: parsed.harts });
  const plan = loadGuest(memory, parsed, images, DEFAULT_ISA);
  return { plan, at: (address) => memory.ram[address - RAM]! };
}

/** A tiny ELF with fields of its one program header patched. */
function elf(patch: { vaddr?: number; paddr?: number; entry?: number; memSize?: number } = {}): Uint8Array {
  const bytes = tinyElf([0x13, 0x6f]);
  const view = new DataView(bytes.buffer);
  for (const [offset, value] of [
    [24, patch.entry],
    [80, patch.vaddr],
    [88, patch.paddr],
    [104, patch.memSize],
  ] as const) {
    if (value !== undefined) view.setBigUint64(offset, BigInt(value), true);
  }
  return bytes;
}

describe('where images go', () => {
  test.each<[string, VmConfigInput, MachineImages, bigint]>([
    ['a raw kernel under the built-in firmware', { kernel: 'k' }, { kernel: image([0x13]) }, 0x8020_0000n],
    ['a raw kernel alone', { kernel: 'k', firmware: 'none' }, { kernel: image([0x13]) }, 0x8000_0000n],
    ['a raw firmware', { firmware: 'f' }, { firmware: image([0x13]) }, 0x8000_0000n],
    [
      'an ELF',
      { kernel: 'k' },
      { kernel: image(elf({ paddr: 0x8010_0000, vaddr: 0x8010_0000, entry: 0x8010_0004 })) },
      0x8010_0004n,
    ],
    [
      'an ELF linked for paging: its entry is moved to where it is loaded',
      { kernel: 'k' },
      { kernel: image(elf({ vaddr: 0x4000_0000, paddr: 0x8020_0000, entry: 0x4000_0004 })) },
      0x8020_0004n,
    ],
  ])('%s', (_, config, images, entry) => {
    const { plan, at } = boot(config, images);
    expect(plan.entry).toBe(entry);
    expect(at(Number(entry & ~7n))).toBe(0x13);
  });

  test('the zeroed end of a segment is zero', () => {
    const { at } = boot({ kernel: 'k' }, { kernel: image(elf({ memSize: 4096 })) });
    expect([at(RAM + 8), at(RAM + 4095)]).toEqual([0, 0]);
  });

  test('firmware learns of the kernel through the boot ROM', () => {
    const { plan } = boot({ firmware: 'f', kernel: 'k' }, { firmware: image([1]), kernel: image([2]) });
    const rom = new DataView(plan.rom.buffer);
    expect(rom.getBigUint64(0x18, true)).toBe(0x8000_0000n);
    expect(rom.getBigUint64(0x20, true)).toBe(plan.deviceTree.address);
    const info = [0, 1, 2, 3, 4, 5].map((index) => rom.getBigUint64(0x28 + index * 8, true));
    expect(info).toEqual([0x4942_534fn, 2n, 0x8020_0000n, 1n, 0n, 0n]);
  });

  test('the reset code in the ROM is the one QEMU has', () => {
    const { plan } = boot({ firmware: 'f' }, { firmware: image([1]) });
    const words = new Uint32Array(plan.rom.buffer, 0, 12);
    expect([...words.subarray(0, 8)]).toEqual([
      0x0000_0297, 0x0282_8613, 0xf140_2573, 0x0202_b583, 0x0182_b283, 0x0002_8067, 0x8000_0000, 0,
    ]);
    expect(words[10]).toBe(0x4942_534f);
  });

  test.each([
    [128, 0x87e0_0000],
    [64, 0x83e0_0000],
    [2048, 0xbfe0_0000],
    [3072, 0xbfe0_0000],
  ])('with %d MiB the device tree stands at 0x%s', (memory, address) => {
    const { plan, at } = boot({ kernel: 'k', memory: memory * MIB }, { kernel: image([1]) });
    expect(plan.deviceTree.address).toBe(BigInt(address));
    expect([at(address), at(address + 1)]).toEqual([0xd0, 0x0d]);
    const node = fdtChild(decodeFdt(plan.deviceTree.data), 'memory')!;
    expect(Buffer.from(node.properties.get('reg')!).readBigUInt64BE(8)).toBe(BigInt(memory * MIB));
  });

  test('in little RAM the device tree keeps out of the images', () => {
    const { plan } = boot(
      { kernel: 'k', memory: 1 * MIB, firmware: 'none' },
      { kernel: image(new Uint8Array(MIB - 16384)) },
    );
    expect(plan.deviceTree.address).toBeGreaterThanOrEqual(BigInt(RAM + MIB - 16384));
  });

  test('the initrd stands halfway into RAM and is told to the kernel', () => {
    const { plan, at } = boot({ kernel: 'k' }, { kernel: image([1]), initrd: Uint8Array.of(7, 8, 9) });
    const chosen = fdtChild(decodeFdt(plan.deviceTree.data), 'chosen')!;
    const start = Number(Buffer.from(chosen.properties.get('linux,initrd-start')!).readBigUInt64BE());
    const end = Number(Buffer.from(chosen.properties.get('linux,initrd-end')!).readBigUInt64BE());
    expect([start, end]).toEqual([0x8420_0000, 0x8420_0003]);
    expect([at(start), at(end - 1)]).toEqual([7, 9]);
  });

  test("the user's device tree is used, with the command line in it", () => {
    const dtb = encodeFdt(fdtNode('', { model: 'mine' }));
    const { plan } = boot({ kernel: 'k', append: 'quiet' }, { kernel: image([1]), dtb });
    const tree = decodeFdt(plan.deviceTree.data);
    expect(Buffer.from(tree.properties.get('model')!).toString()).toBe('mine\0');
    expect(Buffer.from(fdtChild(tree, 'chosen')!.properties.get('bootargs')!).toString()).toBe('quiet\0');
  });
});

describe('firmware', () => {
  test.each<[VmConfigInput, string]>([
    [{ kernel: 'k' }, 'builtin'],
    [{}, 'none'],
    [{ kernel: 'k', firmware: 'none' }, 'none'],
    [{ firmware: 'builtin' }, 'builtin'],
    [{ firmware: '/path/fw.bin' }, 'image'],
  ])('%o means %s', (config, kind) => expect(firmwareKind(vmConfigSchema.parse(config))).toBe(kind));
});

describe('what cannot start', () => {
  test.each<[string, VmConfigInput, MachineImages, RegExp]>([
    ['nothing', {}, {}, /nothing to run: name a kernel or a firmware/],
    ['an empty file', { kernel: 'k' }, { kernel: image([], 'empty.bin') }, /empty.bin is empty/],
    [
      'an ELF for another machine',
      { kernel: 'k' },
      { kernel: image(tinyElf([1], 62), 'x86.elf') },
      /x86.elf: .*x86-64/,
    ],
    [
      'half an ELF',
      { kernel: 'k' },
      { kernel: image(elf().subarray(0, 100), 'half.elf') },
      /half.elf: .*truncated/,
    ],
    [
      'an ELF outside RAM',
      { kernel: 'k' },
      { kernel: image(elf({ paddr: 0x1000 }), 'low.elf') },
      /low.elf: the ELF file's segment 0 takes 0x1000 to 0x1008, but RAM is 0x80000000 to 0x88000000/,
    ],
    [
      'a raw image larger than RAM',
      { kernel: 'k', memory: 4 * MIB },
      { kernel: image(new Uint8Array(3 * MIB), 'big.bin') },
      /big.bin takes .* more memory/,
    ],
    [
      'a kernel over the firmware',
      { kernel: 'k', firmware: 'f' },
      { firmware: image([1]), kernel: image(elf()) },
      /overlap/,
    ],
    [
      'no room for the initrd',
      { kernel: 'k', memory: 4 * MIB },
      { kernel: image([1]), initrd: new Uint8Array(MIB) },
      /initrd of 1048576 bytes does not fit/,
    ],
    [
      'no room for the device tree',
      { kernel: 'k', firmware: 'none', memory: MIB },
      { kernel: image(new Uint8Array(MIB)) },
      /no room for the device tree/,
    ],
    [
      'a device tree that is none',
      { kernel: 'k' },
      { kernel: image([1]), dtb: Uint8Array.of(1, 2, 3) },
      /not a device tree blob/,
    ],
  ])('%s', (_, config, images, message) => expect(() => boot(config, images)).toThrow(message));
});
