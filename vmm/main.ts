#!/usr/bin/env node
/**
 * The command line: `hartscope run`, `serve`, `dap`, `inspect`. One function a command; each returns the exit status.
 * What only one command needs and takes long to load (the machine, the server, parts of Node) is imported by that command.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { VmError } from './base/vm-error.ts';
import type { MachineSnapshots } from './contracts/snapshot.ts';
import { helpText, nearest, parseArguments, usageError } from './control/cli/arguments.ts';
import { COMMANDS, type CommandName, DAP, INSPECT, overview, SERVE } from './control/cli/commands.ts';
import { describe } from './control/errors.ts';
import {
  exitStatus,
  type HeadlessPorts,
  type HeadlessResult,
  runHeadless,
  runStatistics,
  traceLine,
} from './control/headless-run.ts';
import { nowNs } from './host/clock.ts';
import { explainErrno, loadImages, readImage } from './host/images.ts';
import { missingFeature } from './host/probe.ts';
import { BROKEN_PIPE_STATUS, Terminal } from './host/terminal.ts';
import { type LineFile, openTraceFile } from './host/trace-file.ts';
import { packageVersion } from './host/version.ts';
import type { Peripherals } from './peripherals.ts';
import type { ExitRecord } from './protocol/exits.ts';

/** Bundles stand beside this one. */
declare const __dirname: string;

/** Exit statuses of the command line itself: a wrong call or file (as for most tools), and our own bug (EX_SOFTWARE of sysexits.h). */
const STATUS = { ok: 0, usage: 2, internal: 70 } as const;

async function run(args: readonly string[]): Promise<number> {
  const { parseRunOptions } = await import('./control/cli/run-options.ts');
  const { createMachine } = await import('./machine/index.ts');
  const { threadedTranslator } = await import('./translator.ts');
  const { INPUT_LOG_BYTES_MAX, openPeripherals } = await import('./peripherals.ts');
  const options = parseRunOptions(args, Terminal.isInteractive);
  const { maxInstructions, stats, translator, trace } = options;
  const { resolveConfig, snapshotsOf } = await import('./saved-machines.ts');
  const config = resolveConfig(options.config);
  const images = loadImages(config, 'accepted');
  const traceFile = trace === undefined ? undefined : openTraceFile(trace);
  const peripherals = openPeripherals(config, { script: join(__dirname, 'worker.cjs') });
  for (const note of peripherals.notes) console.error(`hartscope: ${note}`);
  let terminal: Terminal | undefined;
  const machine = createMachine({
    config,
    images,
    virtio: peripherals.virtio,
    flash: peripherals.flash,
    virtioLegacy: config.virtio !== 'modern',
    inputLogBytesMax: INPUT_LOG_BYTES_MAX,
    ports: { console: (data) => terminal?.write(data), nowNs, log: () => {} },
    ...(translator && { translator: threadedTranslator((text) => console.error(`hartscope: ${text}`)) }),
  });
  let result: HeadlessResult;
  try {
    const snapshots = snapshotsOf(machine, images, peripherals, __dirname);
    terminal = new Terminal();
    const save = (): void =>
      saveSnapshot(snapshots, options.saveSnapshot ?? `hartscope-${machine.steps}.snapshot`);
    const ports = headlessPorts(terminal, traceFile, peripherals.feed, () => trySave(save));
    result = await runHeadless(machine, ports, maxInstructions);
    if (options.saveSnapshot !== undefined || terminal.takeSaveRequest()) save();
  } finally {
    await terminal?.close();
    traceFile?.close();
    peripherals.close();
  }
  if (result.traceLost > 0) {
    console.error(
      `hartscope: the trace lacks ${result.traceLost} records: the guest made them faster than they are kept`,
    );
  }
  if (stats) process.stderr.write(JSON.stringify(runStatistics(machine, result)) + '\n');
  return terminal.interruptStatus ?? exitStatus(result.end);
}

function saveSnapshot(snapshots: MachineSnapshots, path: string): void {
  const { file, bytes, pages } = snapshots.save(path, { incremental: false });
  process.stderr.write(`hartscope: saved ${file} (${bytes} bytes, ${pages} pages of memory)\n`);
}

/** A snapshot that cannot be written is no reason to end the guest. */
function trySave(save: () => void): void {
  try {
    save();
  } catch (error) {
    if (!(error instanceof VmError)) throw error;
    process.stderr.write(`hartscope: ${error.message}\n`);
  }
}

function headlessPorts(
  terminal: Terminal,
  traceFile: LineFile | undefined,
  feed: Peripherals['feed'],
  save: () => void,
): HeadlessPorts {
  feed?.onWake(() => terminal.wakeUp());
  const takeTrace = (file: LineFile) => (records: readonly ExitRecord[]) => {
    for (const record of records) file.line(traceLine(record));
  };
  return {
    takeInput: () => terminal.takeInput(),
    get interrupted() {
      return terminal.interrupted;
    },
    get inputEnded() {
      return terminal.inputEnded && feed === undefined;
    },
    inputOrInterrupt: (timeoutMs) => {
      // First, so that what comes after the look wakes.
      feed?.setAsleep();
      return feed?.pending === true ? Promise.resolve() : terminal.inputOrInterrupt(timeoutMs);
    },
    between: () => {
      if (terminal.takeSaveRequest()) save();
    },
    turn: () => {
      const text = feed?.takeWarning();
      if (text !== undefined) process.stderr.write(`hartscope: ${text}\n`);
      return terminal.turn();
    },
    feed,
    stuck: () =>
      process.stderr.write(
        'hartscope: the guest waits for an interrupt that nothing will raise: no timer is set and the input is at its end; end it with Ctrl-C or --max-instructions\n',
      ),
    warn: (text) =>
      process.stderr.write(`hartscope: ${text} (--trace FILE shows the first trap; Ctrl-A x leaves)\n`),
    ...(traceFile && { trace: takeTrace(traceFile) }),
    nowNs,
  };
}

async function serve(args: readonly string[]): Promise<number> {
  const { values, switches } = parseArguments(SERVE, args);
  const version = packageVersion(__dirname);
  const { pid } = process;
  const { vmThreads } = await import('./host/threads.ts');
  // Before the other imports: the first thread loads the machine meanwhile.
  const startThread = vmThreads(join(__dirname, 'worker.cjs'));
  const { ControlServer } = await import('./control/server.ts');
  const { listen, privateSocket } = await import('./host/websocket-server.ts');
  const { lifetimeOver } = await import('./host/lifetime.ts');
  const { formatAddress, parseAddress } = await import('./protocol/address.ts');
  const server = new ControlServer({ startThread, version, pid });
  const wanted = values.get('listen');
  const over = lifetimeOver(switches.has('stay'));
  const listening = await listen(wanted === undefined ? privateSocket(pid) : parseAddress(wanted), (socket) =>
    server.accept(socket),
  );
  // Whatever ends the process, socket and token do not stay behind.
  process.once('exit', listening.close);
  const address = formatAddress(listening.address);
  await print(JSON.stringify({ address, tokenFile: listening.tokenFile, pid, version }) + '\n');
  await over;
  await server.close();
  listening.close();
  return STATUS.ok;
}

async function dap(args: readonly string[]): Promise<number> {
  const { values } = parseArguments(DAP, args);
  const port = values.get('port');
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) <= 0xffff)) {
    throw usageError(DAP, `--port takes a number up to 65535, not '${port}'`);
  }
  const bundle = join(__dirname, 'debug-adapter.cjs');
  if (!existsSync(bundle)) {
    throw new VmError('io', `the debug adapter is missing: ${bundle}; run 'npm run build'`);
  }
  const options = port === undefined ? [] : ['--port', port];
  const { runProgram } = await import('./host/child.ts');
  return runProgram(bundle, options);
}

async function inspect(args: readonly string[]): Promise<number> {
  const { operands } = parseArguments(INSPECT, args);
  const [path] = operands;
  const { inspectFile } = await import('./control/cli/inspect.ts');
  const { summarize } = await import('./snapshot/index.ts');
  const { snapshotFiles } = await import('./host/snapshot-files.ts');
  const { isElf, parseElf } = await import('./formats/elf.ts');
  const { decodeFdt } = await import('./machine/fdt.ts');
  const summary = () => summarize(snapshotFiles, path!);
  const readers = { isElf, parseElf, decodeFdt, summary };
  return print(inspectFile(path!, readImage('file', path!, 'accepted'), readers));
}

const RUNNERS: Readonly<Record<CommandName, (args: readonly string[]) => Promise<number>>> = {
  run,
  serve,
  dap,
  inspect,
};

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  const version = packageVersion(__dirname);
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const status = await print(overview(version));
    return name === undefined ? STATUS.usage : status;
  }
  if (name === '--version' || rest[0] === '--version') {
    return print(version + '\n');
  }
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command === undefined) {
    const near = nearest(name, Object.keys(RUNNERS));
    const hint = near === undefined ? '' : `; did you mean '${near}'?`;
    throw new VmError('bad-config', `there is no command '${name}'${hint} (see 'hartscope --help')`);
  }
  if (rest.includes('--help') || rest[0] === '-h') {
    return print(helpText(command));
  }
  const missing = missingFeature();
  if (missing !== undefined) throw new VmError('io', missing);
  return RUNNERS[command.name](rest);
}

/**
 * Writes to stdout; resolves to the exit status. A reader that has gone is no error of anyone's, a full disk is.
 *
 * @throws VmError `io` when the text could not be written.
 */
function print(text: string): Promise<number> {
  process.stdout.on('error', () => {});
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => {
      if (!error) resolve(STATUS.ok);
      else if ((error as NodeJS.ErrnoException).code === 'EPIPE') resolve(BROKEN_PIPE_STATUS);
      else reject(new VmError('io', `cannot write the output: ${explainErrno(error)}`));
    });
  });
}

function fail(error: unknown): never {
  if (error instanceof VmError) {
    console.error(`hartscope: ${error.message}`);
    process.exit(STATUS.usage);
  }
  const stack = process.env['HARTSCOPE_STACK'] ? `\n${error instanceof Error ? error.stack : ''}` : '';
  console.error(
    `hartscope: an error in Hartscope itself: ${describe(error)} (HARTSCOPE_STACK=1 shows where; please report it)${stack}`,
  );
  process.exit(STATUS.internal);
}

process.on('uncaughtException', fail);
main(process.argv.slice(2)).then((status) => process.exit(status), fail);
