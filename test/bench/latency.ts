import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { DebugProtocol as Dap } from '@vscode/debugprotocol';
import { DapClient } from '../../samples/start/dap-client.ts';
import { QEMU } from './machines.ts';
import { BenchError, DIST, median, ROOT } from './measure.ts';

const SAMPLE = join(ROOT, 'samples/01-first-kernel/kernel.elf');
const STEPS = 200;

/** Milliseconds since an arbitrary start. */
const now = (): number => Number(process.hrtime.bigint()) / 1e6;

interface Latencies {
  /** From starting the processes to the stop at the breakpoint, in milliseconds. */
  readonly firstStop: number;
  /** Each of `STEPS` instruction steps, in milliseconds. */
  readonly steps: readonly number[];
}

export interface Latency {
  readonly what: string;
  readonly oursMs: number;
  readonly gdbMs: number;
}

/**
 * What a person waits for: from F5 to the first stop, and one instruction step, on the sample kernel. Beside it GDB with
 * QEMU's stub, in turn. Wall time, for that is what is waited for; medians.
 */
export async function latency(rounds: number): Promise<Latency[]> {
  const ours: Latencies[] = [];
  const gdb: Latencies[] = [];
  for (let round = 0; round < rounds; round++) {
    ours.push(await throughAdapter());
    gdb.push(await throughGdb());
  }
  const firstStop = (all: readonly Latencies[]): number => median(all.map((one) => one.firstStop));
  const step = (all: readonly Latencies[]): number => median(all.flatMap(({ steps }) => steps));
  return [
    { what: 'start to first stop', oursMs: firstStop(ours), gdbMs: firstStop(gdb) },
    { what: 'one instruction step', oursMs: step(ours), gdbMs: step(gdb) },
  ];
}

async function throughAdapter(): Promise<Latencies> {
  const begun = now();
  const client = new DapClient(process.execPath, [join(DIST, 'debug-adapter.cjs')]);
  try {
    await client.request('initialize', { adapterID: 'hartscope' });
    const launched = client.request('launch', { kernel: SAMPLE });
    await Promise.race([client.event('initialized'), launched]);
    await client.request('setFunctionBreakpoints', { breakpoints: [{ name: 'kernel_main' }] });
    await Promise.all([client.request('configurationDone'), launched]);
    const { threadId } = await client.event<Dap.StoppedEvent['body']>('stopped');
    const firstStop = now() - begun;
    const steps: number[] = [];
    for (let step = 0; step < STEPS; step++) {
      const from = now();
      await client.request('stepIn', { threadId, granularity: 'instruction' });
      await client.event('stopped');
      steps.push(now() - from);
    }
    return { firstStop, steps };
  } finally {
    await client.close();
  }
}

/** GDB times its own steps, so that starting it does not count as one. */
const GDB_SCRIPT = `
import time
gdb.execute("break kernel_main")
gdb.execute("continue")
print("stopped", time.time() * 1000)
for _ in range(${STEPS}):
    begun = time.time()
    gdb.execute("stepi", to_string=True)
    print("step", (time.time() - begun) * 1000)
`;

async function throughGdb(): Promise<Latencies> {
  const firmware = '/usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin';
  if (!existsSync(firmware))
    throw new BenchError(`QEMU has no firmware at ${firmware}: apt-get install opensbi qemu-system-data`);
  const port = await freePort();
  const begun = Date.now();
  const machine = ['-M', 'virt', '-display', 'none', '-serial', 'null', '-monitor', 'none', '-S'];
  const qemu = spawn(QEMU, [...machine, '-gdb', `tcp:127.0.0.1:${port}`, '-kernel', SAMPLE], {
    stdio: 'ignore',
  });
  try {
    const commands = [
      'set confirm off',
      'set pagination off',
      'set tcp auto-retry on',
      `target remote 127.0.0.1:${port}`,
      `python exec(${JSON.stringify(GDB_SCRIPT)})`,
    ];
    const { stdout, stderr, status } = spawnSync(
      'gdb-multiarch',
      ['-q', '-batch', '-nx', SAMPLE, ...commands.flatMap((command) => ['-ex', command])],
      { encoding: 'utf8', timeout: 60_000 },
    );
    const stopped = /^stopped ([\d.]+)$/m.exec(stdout);
    if (stopped === null) throw new BenchError(`gdb-multiarch ended with status ${status}: ${stderr}`);
    const steps = [...stdout.matchAll(/^step ([\d.]+)$/gm)].map(([, ms]) => Number(ms));
    return { firstStop: Number(stopped[1]) - begun, steps };
  } finally {
    const ended = new Promise((resolve) => qemu.once('exit', resolve));
    qemu.kill('SIGKILL');
    await ended;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
