import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FlashStore } from '../../vmm/devices/flash.ts';
import {
  PROBE_BUFFER,
  PROBE_FILE,
  type ProbeOperation,
  type ProbeOptions,
  probeHere,
  probeQemu,
} from '../support/device-probe.ts';
import {
  DEVICE_PROBES,
  type DeviceProbes,
  DMA_BUFFER_BYTES,
  dmaRequests,
  flashContents,
} from '../support/device-probes.ts';
import { output } from '../support/newer-tools.ts';
import { describeWith, findTool } from '../support/tools.ts';

/** A guest of bare instructions touches each device's registers in the same way on QEMU's board and on ours. */
describeWith(['qemu-system-riscv64'], "the board's devices", () => {
  describe.each(DEVICE_PROBES)('$device', (device) => {
    const operations = device.probes.flatMap((probe) => probe.operations);
    let here: Outcome;
    let there: Outcome;

    beforeAll(async () => {
      here = runHere(device, operations);
      there = await runThere(device, operations);
    });

    const major = qemuMajor();
    let start = 0;
    const probes = device.probes.map((probe) => {
      const from = start;
      start += probe.operations.length;
      const differs = (probe.differs?.since ?? 0) <= major ? probe.differs : undefined;
      return { ...probe, from, differs, alike: differs?.why ?? 'as QEMU' };
    });

    test.each(probes)('$name: $alike', ({ operations: own, from, differs }) => {
      const shown = (values: readonly bigint[], hidden: boolean): string[] =>
        own.map((operation, index) => {
          const value = values[from + index]!;
          return `${told(operation)}: ${(hidden && differs ? differs.hide(value, operation) : value).toString(16)}`;
        });
      expect(shown(here.values, true)).toEqual(shown(there.values, true));
      // A difference that is gone is to be taken from the list.
      if (differs) expect(shown(here.values, false)).not.toEqual(shown(there.values, false));
    });

    test('memory and files hold the same afterwards', () => {
      expect(Buffer.from(here.buffer).equals(Buffer.from(there.buffer))).toBe(true);
      expect(here.flash.equals(there.flash)).toBe(true);
    });
  });
});

/** The installed QEMU's version; 0 where there is none, and nothing runs. */
function qemuMajor(): number {
  if (findTool('qemu-system-riscv64') === undefined) return 0;
  const text = output({ file: 'qemu-system-riscv64', arguments: [] }, ['--version']);
  return Number(/version (\d+)/.exec(text)![1]);
}

interface Outcome {
  readonly values: readonly bigint[];
  readonly buffer: Uint8Array;
  readonly flash: Buffer;
}

const optionsOf = ({ dma }: DeviceProbes): ProbeOptions =>
  dma ? { buffer: dmaRequests(PROBE_BUFFER), bufferBytes: DMA_BUFFER_BYTES } : {};

function runHere(device: DeviceProbes, operations: readonly ProbeOperation[]): Outcome {
  const flash = device.flash ? flashContents() : new Uint8Array(0);
  const store: FlashStore = {
    size: flash.length,
    readOnly: false,
    read: (offset, target) => target.set(flash.subarray(offset, offset + target.length)),
    write: (offset, data) => flash.set(data, offset),
  };
  const { values, buffer } = probeHere(operations, {
    ...optionsOf(device),
    ...(device.flash && { machine: { flash: [store] } }),
  });
  return { values, buffer, flash: Buffer.from(flash) };
}

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

async function runThere(device: DeviceProbes, operations: readonly ProbeOperation[]): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'hartscope-devices-'));
  folders.push(folder);
  const file = join(folder, 'flash');
  if (device.flash) writeFileSync(file, flashContents());
  // With a file in the flash QEMU leaves a kernel to what starts there.
  const loader = `loader,file=${join(folder, PROBE_FILE)},addr=0x80000000,force-raw=on`;
  const qemuArguments = device.flash
    ? ['-drive', `if=pflash,unit=0,format=raw,file=${file}`, '-device', loader]
    : [];
  const { values, buffer } = await probeQemu(operations, { ...optionsOf(device), folder, qemuArguments });
  return { values, buffer, flash: device.flash ? readFileSync(file) : Buffer.alloc(0) };
}

function told(operation: ProbeOperation): string {
  if (operation.kind === 'wait') return `wait ${operation.ticks}`;
  const { kind, size, address } = operation;
  const value = kind === 'write' ? ` = 0x${BigInt.asUintN(64, operation.value).toString(16)}` : '';
  return `${kind} ${size} at 0x${address.toString(16)}${value}`;
}
