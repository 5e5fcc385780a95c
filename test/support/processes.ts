import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, expect } from 'vitest';

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));

/** How long a process may take to end once it was asked to; only a hang takes it. */
const END_MS_MAX = 30_000;

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program from `dist/` that a test started. */
export class TestProcess {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';
  #waiting: (() => void)[] = [];

  constructor(child: ChildProcessWithoutNullStreams) {
    this.child = child;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#wake();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#wake();
    });
    // Writing to a process that just ended fails; its status tells the test.
    child.stdin.on('error', () => {});
    this.ended = new Promise((resolve) => {
      child.on('close', (status, signal) => {
        resolve({ status, signal, stdout: this.stdout, stderr: this.stderr });
        this.#wake();
      });
    });
  }

  /** Resolves when what was printed on stdout matches; rejects when the process ends without. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.stdout);
      if (match !== null) return match;
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        const { status, stderr } = await this.ended;
        const last = pattern.exec(this.stdout);
        if (last !== null) return last;
        throw new Error(`ended with status ${status} without printing ${pattern}: ${this.stdout}${stderr}`);
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/**
 * Starts programs for the tests of one file. After each test all are ended, and none of their children may be left:
 * every process started here, or by one of them, carries a mark in its environment.
 */
export function processes(): {
  /** `node dist/BUNDLE ARGS…` */
  start(bundle: string, args: readonly string[], environment?: Record<string, string>): TestProcess;
  /** The same to its end, with `input` as all of its stdin. */
  run(bundle: string, args: readonly string[], input?: string): Promise<Ended>;
  /** The folder that stands in for XDG_RUNTIME_DIR. */
  readonly runtimeFolder: string;
} {
  const mark = randomUUID();
  const runtimeFolder = mkdtempSync(join(tmpdir(), 'hartscope-run-'));
  const running = new Set<TestProcess>();
  const start = (bundle: string, args: readonly string[], environment = {}): TestProcess => {
    const path = join(DIST, bundle);
    if (!existsSync(path)) throw new Error(`${path} is missing: run 'npm run build' first`);
    const env = { ...process.env, XDG_RUNTIME_DIR: runtimeFolder, ...environment, [MARK]: mark };
    const started = new TestProcess(spawn(process.execPath, [path, ...args], { env }));
    running.add(started);
    return started;
  };
  afterEach(async () => {
    await Promise.all([...running].map(end));
    running.clear();
    expect(await orphans(mark), 'processes left behind').toEqual([]);
    // The user's folder itself stays; what was in it does not.
    const left = readdirSync(runtimeFolder, { recursive: true, withFileTypes: true });
    expect(
      left.filter((entry) => !entry.isDirectory()).map(({ name }) => name),
      'files left behind',
    ).toEqual([]);
  });
  afterAll(() => rmSync(runtimeFolder, { recursive: true, force: true }));
  return {
    start,
    run: (bundle, args, input = '') => {
      const started = start(bundle, args);
      started.child.stdin.end(input);
      return started.ended;
    },
    runtimeFolder,
  };
}

const MARK = 'HARTSCOPE_TEST_PROCESS';

/** Ends a process as its owner would, by closing its stdin; one that does not take the hint is killed and fails the test. */
async function end(started: TestProcess): Promise<void> {
  const { child } = started;
  if (child.exitCode !== null || child.signalCode !== null) return void (await started.ended);
  child.stdin.end();
  let killed = false;
  const timer = setTimeout(() => {
    killed = true;
    child.kill('SIGKILL');
  }, END_MS_MAX);
  await started.ended;
  clearTimeout(timer);
  expect(killed, `${child.spawnargs.join(' ')} did not end when its stdin was closed`).toBe(false);
}

/** Command lines of processes with our mark. They may be on their way out, so they get a moment. */
async function orphans(mark: string): Promise<string[]> {
  for (let attempt = 0; ; attempt++) {
    const found = marked(mark);
    if (found.length === 0 || attempt === 50) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function marked(mark: string): string[] {
  // Only Linux lets one read this; elsewhere the processes started here are still waited for.
  if (!existsSync('/proc/self/environ')) return [];
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`${MARK}=${mark}`)) return [];
      return [`${pid}: ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()}`];
    } catch {
      // It ended meanwhile, or belongs to somebody else.
      return [];
    }
  });
}
