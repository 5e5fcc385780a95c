import { spawn } from 'node:child_process';

/** How to run one of the project's Node programs: a command and the environment it needs. */
export interface Runtime {
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
}

/** VS Code's own binary is a Node with this set; a plain Node ignores it. */
const AS_NODE = { ELECTRON_RUN_AS_NODE: '1' } as const;

/** A start of Electron on a loaded machine takes seconds; a runtime that hangs must not hang the extension. */
const PROBE_TIMEOUT_MS = 20_000;

/**
 * What the VMM needs of its runtime: shared WebAssembly memory, `Atomics.wait`, and a worker that sees the same
 * memory. The worker stores a word in shared memory and the probe ends with status 0 once it has seen it.
 */
export const PROBE = `
const { Worker } = require('node:worker_threads');
const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
if (!(memory.buffer instanceof SharedArrayBuffer)) process.exit(3);
const worker = new Worker(
  "require('node:worker_threads').workerData[0] = 42",
  { eval: true, workerData: new Int32Array(memory.buffer) },
);
worker.on('error', () => process.exit(4));
worker.on('exit', () => {
  const word = new Int32Array(memory.buffer);
  process.exit(word[0] === 42 && Atomics.wait(word, 0, 42, 1) === 'timed-out' ? 0 : 5);
});
`;

/** The ways to run Node, best first: the editor's own binary, then what PATH has. */
export function candidates(execPath: string): readonly Runtime[] {
  return [
    { command: execPath, env: AS_NODE },
    { command: 'node', env: {} },
  ];
}

/**
 * The first of `runtimes` that passes the probe.
 * @throws Error with what to do about it when none does.
 */
export async function findRuntime(
  runtimes: readonly Runtime[],
): Promise<{ runtime: Runtime; rejected: readonly string[] }> {
  const rejected: string[] = [];
  for (const runtime of runtimes) {
    const problem = await probe(runtime);
    if (problem === undefined) return { runtime, rejected };
    rejected.push(`${runtime.command}: ${problem}`);
  }
  throw new Error(
    `Hartscope needs a Node.js runtime with shared WebAssembly memory and worker threads. Install Node.js 20.19 or newer so that "node" is on PATH. Tried ${rejected.join('; ')}.`,
  );
}

/** Why `runtime` cannot run the VMM, or undefined when it can. */
function probe(runtime: Runtime): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(runtime.command, ['-e', PROBE], {
      env: { ...process.env, ...runtime.env },
      stdio: 'ignore',
      timeout: PROBE_TIMEOUT_MS,
    });
    child.on('error', (error) => resolve(error.message));
    child.on('exit', (code, signal) =>
      resolve(code === 0 ? undefined : `the probe ended with ${signal ?? `status ${code}`}`),
    );
  });
}
