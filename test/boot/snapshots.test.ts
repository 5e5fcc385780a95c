import { expect, test } from 'vitest';
import type { Machine, MachineImages } from '../../vmm/contracts/machine.ts';
import { VirtioBlock } from '../../vmm/devices/virtio/block.ts';
import type { TranslatorOption } from '../../vmm/hart/index.ts';
import { loadImages } from '../../vmm/host/images.ts';
import { createTranslator, SynchronousCompiler } from '../../vmm/jit/index.ts';
import { createMachine } from '../../vmm/machine/index.ts';
import { vmConfigSchema } from '../../vmm/protocol/messages.ts';
import { Snapshots } from '../../vmm/snapshot/index.ts';
import { MemoryFile, Overlay, RawImage } from '../../vmm/storage/index.ts';
import { machineState } from '../sim/machine-state.ts';
import { describeWithGuests, GUESTS } from '../support/debian-guests.ts';
import { MemorySnapshots } from '../support/memory-snapshots.ts';
import { random, SEED } from '../support/random.ts';

const DISK_BYTES = 1 << 20;
const HARTS = 4;
/** After the countdown, when time has passed by waiting, U-Boot looks for something to boot on the disk. */
const COMMANDS =
  'virtio scan; virtio read 84000000 3 8; virtio write 84000000 10 40; virtio read 85000000 10 40\r';

interface Guest {
  readonly machine: Machine;
  readonly images: MachineImages;
  readonly overlay: Overlay;
  output(): string;
}

function createGuest(translator?: TranslatorOption): Guest {
  const config = vmConfigSchema.parse({
    ...{ firmware: GUESTS.fwJump, kernel: GUESTS.ubootSupervisor, harts: HARTS, trace: ['virtqueue'] },
  });
  const images = loadImages(config, 'refused');
  const disk = new MemoryFile(Uint8Array.from({ length: DISK_BYTES }, (_, index) => index * 13));
  const image = new RawImage(disk, { name: 'disk', readOnly: true, guessed: false });
  const overlay = new Overlay(image, new MemoryFile(), 'disk');
  let output = '';
  const machine = createMachine({
    ...{ config, images, virtio: [new VirtioBlock({ image: overlay, serial: 'disk' })] },
    ports: {
      console: (data) => (output += Buffer.from(data).toString('latin1')),
      nowNs: () => 0,
      log: () => {},
    },
    ...(translator && { translator }),
  });
  return { machine, images, overlay, output: () => output };
}

function snapshotsOf({ machine, images, overlay }: Guest, files: MemorySnapshots): Snapshots {
  const disk = { name: 'disk', files: ['disk'], size: DISK_BYTES, session: overlay, flush: () => {} };
  return new Snapshots({ machine, images, disks: [disk] }, files, 'test');
}

function runTo({ machine }: Guest, steps: number): void {
  while (machine.steps < BigInt(steps)) machine.run(steps - Number(machine.steps));
}

/** To the step at which a person types, who types at steps only. */
const PROMPT_STEPS = 40_000_000;
const END_STEPS = PROMPT_STEPS + 12_000_000;

function type({ machine }: Guest): void {
  machine.consoleInput(Buffer.from(` ${COMMANDS}`));
}

const diskOf = ({ overlay }: Guest): Uint8Array => {
  const bytes = new Uint8Array(DISK_BYTES);
  overlay.read(0, bytes);
  return bytes;
};

describeWithGuests(`OpenSBI, U-Boot and a disk on virtio (SEED=${SEED})`, () => {
  test('go on from any step, also amid requests to the disk', { timeout: 900_000 }, () => {
    const translator = () => createTranslator({ hotAfter: 200, compiler: new SynchronousCompiler() });
    const files = new MemorySnapshots();
    files.touch('disk', DISK_BYTES);
    const whole = createGuest(translator());
    const early = snapshotsOf(whole, files);
    runTo(whole, PROMPT_STEPS);
    early.save('prompt', { incremental: false });
    type(whole);
    const before = whole.output().length;
    runTo(whole, END_STEPS);
    const { records } = whole.machine.trace(0, 1000, {});
    const requests = records.map(({ step }) => Number(step)).filter((step) => step > PROMPT_STEPS);
    expect(requests.length).toBeGreaterThan(5);
    expect(diskOf(whole)).not.toEqual(diskOf(createGuest()));
    const expected = machineState(whole.machine);

    const source = random(SEED);
    const places = [PROMPT_STEPS + 5, ...[0, 1].map(() => source.pick(requests) + source.below(9) - 4)];
    for (const [index, at] of places.entries()) {
      const first = createGuest(index % 2 === 0 ? translator() : undefined);
      const snapshots = snapshotsOf(first, files);
      snapshots.restore('prompt');
      type(first);
      runTo(first, at);
      snapshots.save(`at${index}`, { incremental: true });
      const second = createGuest(index % 2 === 0 ? undefined : translator());
      snapshotsOf(second, files).restore(`at${index}`);
      runTo(second, END_STEPS);
      expect(machineState(second.machine), `saved at step ${at}`).toEqual(expected);
      expect(Buffer.compare(diskOf(second), diskOf(whole)), `saved at step ${at}`).toBe(0);
      expect(first.output() + second.output()).toBe(whole.output().slice(before));
    }
  });
});
