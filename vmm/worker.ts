/** One VM's thread. It runs no event loop while the VM lives: see `control/vm-loop.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from './base/assert.ts';
import { VmError } from './base/vm-error.ts';
import type { VmReport } from './contracts/worker.ts';
import { VmLoop } from './control/index.ts';
import { loadImages } from './host/images.ts';
import { type VmThreadData, vmLoopPorts } from './host/threads.ts';
import { csrByNumber } from './isa/csrs.ts';
import { createMachine } from './machine/index.ts';

function main(): void {
  assert(parentPort !== null, 'the worker runs in a thread');
  const port = parentPort;
  const data = workerData as VmThreadData;
  const send = (report: VmReport) => port.postMessage(report);
  const loop = makeLoop(data, send);
  loop?.run();
  data.commands.close();
}

function makeLoop(data: VmThreadData, send: (report: VmReport) => void): VmLoop | undefined {
  const { config } = data.start;
  try {
    return new VmLoop({
      start: data.start,
      ports: vmLoopPorts(data, send),
      createMachine: (ports) => createMachine({ config, images: loadImages(config), ports }),
      csrName: (number) => csrByNumber(number)?.name,
    });
  } catch (error) {
    if (!(error instanceof VmError)) throw error;
    const { code, message } = error;
    send({ kind: 'failed', error: { code, message } });
    return undefined;
  }
}

main();
