/** One VM's thread. It runs no event loop while the VM lives: see `control/vm-loop.ts`. */
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from './base/assert.ts';
import { VmError } from './base/vm-error.ts';
import type { MachinePorts } from './contracts/machine.ts';
import type { VmLoopPorts, VmReport, VmStart } from './contracts/worker.ts';
import { VmLoop } from './control/vm-loop.ts';
import { loadImages } from './host/images.ts';
import { doorbellOf, receiveStart, type VmThreadData, vmLoopPorts } from './host/threads.ts';
import { csrByNumber } from './isa/csrs.ts';
import { createMachine } from './machine/index.ts';
import { INPUT_LOG_BYTES_MAX, openPeripherals, type Peripherals } from './peripherals.ts';
import type { VmConfig } from './protocol/messages.ts';
import { resolveConfig, snapshotsOf } from './saved-machines.ts';
import { threadedTranslator } from './translator.ts';

/** Bundles stand beside this one. */
declare const __dirname: string;

function main(): void {
  assert(parentPort !== null, 'the worker runs in a thread');
  const port = parentPort;
  const data = workerData as VmThreadData;
  const send = (report: VmReport) => port.postMessage(report);
  const asked = receiveStart(data, warmUp);
  const ports = vmLoopPorts(data, send);
  const opened = orReport(ports, () => {
    const config = resolveConfig(asked.config);
    const host = { script: join(__dirname, 'worker.cjs'), doorbell: doorbellOf(data) };
    return { start: { ...asked, config }, peripherals: openPeripherals(config, host) };
  });
  if (opened !== undefined) {
    const { start, peripherals } = opened;
    orReport(ports, () => makeLoop(start, ports, peripherals))?.run();
    peripherals.close();
  }
  data.commands.close();
}

function makeLoop(start: VmStart, ports: VmLoopPorts, peripherals: Peripherals): VmLoop {
  const { config } = start;
  const { virtio, flash, feed, notes } = peripherals;
  const images = loadImages(config, 'refused');
  return new VmLoop({
    start,
    ports,
    createMachine: (machinePorts) =>
      createMachine({
        config,
        images,
        ports: machinePorts,
        virtio,
        flash,
        virtioLegacy: config.virtio !== 'modern',
        inputLogBytesMax: INPUT_LOG_BYTES_MAX,
        translator: threadedTranslator((text) =>
          ports.send({ kind: 'event', event: 'warning', params: { text } }),
        ),
      }),
    snapshots: (machine) => snapshotsOf(machine, images, peripherals, __dirname),
    csrName: (number) => csrByNumber(number)?.name,
    feed,
    notes,
  });
}

/** What `make` makes; what goes wrong because of the configuration or its files is told, and there is no machine. */
function orReport<T>(ports: VmLoopPorts, make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof VmError)) throw error;
    const { code, message } = error;
    ports.send({ kind: 'failed', error: { code, message } });
    return undefined;
  }
}

/** `j .`: a guest that is there and does nothing. */
const IDLE_GUEST = Uint8Array.of(0x6f, 0, 0, 0);

/**
 * Makes and runs a small machine that nobody sees: what is done once a thread, first of all to generate and compile the
 * interpreter, is done then.
 */
function warmUp(): void {
  const config: VmConfig = {
    ...{ kernel: 'idle', firmware: 'none', harts: 1, memory: 1 << 20 },
    ...{ time: 'free', rtcStart: 0, trace: false },
  };
  const ports: MachinePorts = { console: () => {}, nowNs: () => 0, log: () => {} };
  createMachine({ config, images: { kernel: { name: 'idle', data: IDLE_GUEST } }, ports }).run(1000);
}

main();
