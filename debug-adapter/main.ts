/**
 * The debug adapter as a program: DAP on stdin and stdout, or for clients that connect to `--port`. The end of
 * stdin ends it, and with it the VMMs that it started.
 */
import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { parseArgs } from 'node:util';
import type { AdapterSession } from './session.ts';
import { VmmStarter } from './vmm-process.ts';

const USAGE = `Usage: hartscope dap [--port N]

Speaks the Debug Adapter Protocol on stdin and stdout, or on 127.0.0.1:N.

  --port N     listen for clients on this port of 127.0.0.1; 0 takes a free one
  --help       print this
  --version    print the version
`;

/** Bundles are CommonJS, and know where they stand. */
declare const __dirname: string;

/** The VMM's bundle stands beside ours. */
const VMM_BUNDLE = join(__dirname, 'vmm.cjs');

/** How long a session may take to release its VMM when the process is told to end. */
const END_GRACE_MS = 5000;

const sessions = new Set<AdapterSession>();

void main();

async function main(): Promise<void> {
  const options = readOptions();
  if (options.help || options.version) {
    process.stdout.write(options.help ? USAGE : `${version()}\n`);
    return;
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => end(0));
  if (options.port === undefined) await openSession(process.stdin, process.stdout, () => end(0));
  else servePort(options.port);
  process.stdin.on('end', () => end(0)).resume();
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(__dirname, '..', 'package.json'), 'utf8'));
  return (manifest as { version: string }).version;
}

function servePort(port: number): void {
  const server = createServer((socket) => serveSocket(socket));
  server.on('error', (error: NodeJS.ErrnoException) => {
    const why =
      error.code === 'EADDRINUSE'
        ? 'is in use: choose another, or 0 for a free one'
        : `failed: ${error.message}`;
    fail(`Port ${port} on 127.0.0.1 ${why}.`);
  });
  server.listen(port, '127.0.0.1', () => {
    const address = server.address();
    const actual = typeof address === 'object' && address !== null ? address.port : port;
    process.stderr.write(`Listening for DAP clients on 127.0.0.1:${actual}.\n`);
  });
}

function serveSocket(socket: Socket): void {
  // What is written already, such as the response to `disconnect`, still goes out.
  void openSession(socket, socket, () => socket.end());
}

async function openSession(input: Readable, output: Writable, onEnd: () => void): Promise<void> {
  const vmms = new VmmStarter(VMM_BUNDLE);
  // Most sessions launch: their VMM starts up while the rest of this program is loaded.
  vmms.startAhead();
  const { AdapterSession } = await import('./session.ts');
  const session = new AdapterSession(vmms, () => {
    sessions.delete(session);
    onEnd();
  });
  sessions.add(session);
  session.start(input, output);
}

/** Lets every session release its VMM, then ends the process. */
function end(status: number): void {
  setTimeout(() => process.exit(status), END_GRACE_MS).unref();
  void Promise.all([...sessions].map((session) => session.end())).finally(() => {
    // What is written already, such as the response to `disconnect`, still goes out.
    process.stdout.write('', () => process.exit(status));
  });
}

function readOptions(): { help: boolean; version: boolean; port: number | undefined } {
  try {
    const { values } = parseArgs({
      options: { port: { type: 'string' }, help: { type: 'boolean' }, version: { type: 'boolean' } },
    });
    const { port, help = false, version = false } = values;
    if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) <= 65535)) {
      fail(`--port takes a number from 0 to 65535, not "${port}".`);
    }
    return { help, version, port: port === undefined ? undefined : Number(port) };
  } catch (error) {
    return fail(`${(error as Error).message.split('. ')[0]}. Try --help.`);
  }
}

function fail(message: string): never {
  process.stderr.write(`hartscope dap: ${message}\n`);
  process.exit(2);
}
