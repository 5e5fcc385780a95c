import { assert } from '../../vmm/base/assert.ts';
import type { HartPorts } from '../../vmm/contracts/hart.ts';
import { parseElf, SEGMENT_TYPE } from '../../vmm/formats/elf.ts';
import { createGuestMemory, createHartGroup, type TranslatorOption } from '../../vmm/hart/index.ts';
import type { IsaConfig } from '../../vmm/isa/extensions.ts';
import { createTranslator, SynchronousCompiler } from '../../vmm/jit/index.ts';
import type { Image, Images } from './sequence-records.ts';

const RAM_BASE = 0x8000_0000;
const RAM_SIZE = 64 << 20;
const TEST_DEVICE = 0x10_0000;
/** More than any batch needs: a run that takes more is lost in a loop. */
const STEPS_MAX = 50_000_000;

/**
 * One hart, RAM and a test device, and nothing else: runs the guest of `sequences.S` on the images, and returns what is in
 * their place afterwards. `translates`: all code is translated when it is first jumped to. The hart runs in slices of changing length, which must not matter.
 */
export function runBareMetal(kernel: Uint8Array, images: Images, isa: IsaConfig, translates = false): Images {
  const memory = createGuestMemory({ ramBase: RAM_BASE, ramSize: RAM_SIZE, harts: 1 });
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
  const group = createHartGroup({ memory, ports, isa, ...(translates ? { translator: everything() } : {}) });
  const hart = group.harts[0]!;

  const elf = parseElf(kernel);
  for (const { type, paddr, data } of elf.segments) {
    if (type === SEGMENT_TYPE.load) memory.ram.set(data, Number(paddr) - RAM_BASE);
  }
  for (const { address, data } of Object.values(images) as Image[]) memory.ram.set(data, address - RAM_BASE);
  hart.reset({ pc: elf.entry, privilege: 3, a0: 0n, a1: 0n });
  for (let slice = 1; !ended && hart.steps < STEPS_MAX; slice = (slice * 75) % 1009) hart.run(slice);
  assert(ended, `the guest did not end within ${STEPS_MAX} steps; pc is 0x${hart.getPc().toString(16)}`);
  const after = ({ address, data }: Image): Image => ({
    address,
    data: memory.ram.slice(address - RAM_BASE, address - RAM_BASE + data.length),
  });
  return {
    code: after(images.code),
    buffers: after(images.buffers),
    tables: after(images.tables),
    records: after(images.records),
  };
}

const everything = (): TranslatorOption =>
  createTranslator({ compiler: new SynchronousCompiler(), hotAfter: 1, verify: false });
