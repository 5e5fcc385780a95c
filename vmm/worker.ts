/** One VM's thread. It runs no event loop while the VM lives: see `control/vm-loop.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from './base/assert.ts';
import { VmError } from './base/vm-error.ts';
import type { MachinePorts } from './contracts/machine.ts';
import type { VmLoopPorts, VmReport, VmStart } from './contracts/worker.ts';
import { VmLoop } from './control/vm-loop.ts';
import { loadImages } from './host/images.ts';
import { receiveStart, type VmThreadData, vmLoopPorts } from './host/threads.ts';
import { csrByNumber } from './isa/csrs.ts';
import { createMachine } from './machine/index.ts';
import { openPeripherals, type Peripherals } from './peripherals.ts';
import type { VmConfig } from './protocol/messages.ts';
import { threadedTranslator } from './translator.ts';

function main(): void {
  assert(parentPort !== null, 'the worker runs in a thread');
  const port = parentPort;
  const data = workerData as VmThreadData;
  const send = (report: VmReport) => port.postMessage(report);
  const start = receiveStart(data, warmUp);
  const ports = vmLoopPorts(data, send);
  const peripherals = orReport(ports, () => openPeripherals(start.config));
  if (peripherals !== undefined) {
    orReport(ports, () => makeLoop(start, ports, peripherals))?.run();
    peripherals.close();
  }
  data.commands.close();
}

function makeLoop(start: VmStart, ports: VmLoopPorts, { virtio }: Peripherals): VmLoop {
  const { config } = start;
  return new VmLoop({
    start,
    ports,
    createMachine: (machinePorts) =>
      createMachine({
        config,
        images: loadImages(config, 'refused'),
        ports: machinePorts,
        virtio,
        translator: threadedTranslator((text) =>
          ports.send({ kind: 'event', event: 'warning', params: { text } }),
        ),
      }),
    csrName: (number) => csrByNumber(number)?.name,
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
