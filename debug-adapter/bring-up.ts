/** From a checked configuration to a machine that stands at its first instruction, or to one that was there already. */
import { existsSync, statSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { VmError } from '../vmm/base/vm-error.ts';
import type { StopInfo, VmConfigInput, VmEnd, VmInfo } from '../vmm/protocol/messages.ts';
import { BreakpointStore } from './breakpoints.ts';
import { toJson } from './contract/json.ts';
import {
  type AttachInput,
  type ExitBreakpointConfig,
  type LaunchInput,
  memoryBytes,
} from './contract/launch.ts';
import type { Debuggee, Ownership } from './debuggee.ts';
import { describeExit } from './describe.ts';
import { deviceConfig } from './device-config.ts';
import { ExitBreakpointStore } from './exit-breakpoints.ts';
import { ListingStore } from './listings.ts';
import { MachineView } from './machine-view.ts';
import type { VariableNode } from './nodes.ts';
import { type SessionContext, threadOf, toClientColumn, toClientLine } from './requests/context.ts';
import { toSource } from './requests/sources.ts';
import { RunControl } from './run-control.ts';
import { loadSymbols, readElf, type SymbolSource, type SymbolStore } from './symbol-store.ts';
import { StableHandles } from './values/index.ts';
import { Vm, type VmEvent, Vmm } from './vm-client.ts';

/** What survives a restart. */
export type CarriedOver = Pick<Debuggee, 'breakpoints' | 'exitBreakpoints'>;

export interface Launched {
  readonly debuggee: Debuggee;
  /** Where the kernel's first instruction is, when the machine starts elsewhere (in firmware or a reset vector). */
  readonly entry: bigint | undefined;
  readonly stop: StopInfo;
}

export interface Attached {
  readonly debuggee: Debuggee;
  /** Absent when the machine runs. */
  readonly stop: StopInfo | undefined;
  readonly ended: VmEnd | null;
}

/** @throws VmError with one line that says what to do: a file that is missing or foreign, a VMM that does not start. */
export async function launch(
  context: SessionContext,
  input: LaunchInput,
  carriedOver?: CarriedOver,
): Promise<Launched> {
  const files = new ConfiguredFiles(input.cwd);
  const config = machineConfig(input, files);
  const entry = input.snapshot === undefined ? kernelEntry(config) : undefined;
  const vmm =
    input.vmm === undefined
      ? await Vmm.of(context.vmms.take())
      : await connectRunning(context, files, input.vmm, input.vmmToken);
  try {
    const creating = Vm.create(vmm, config);
    // Read while the VMM makes the machine. Of two failures, this one is reported.
    creating.catch(() => {});
    // What machine a snapshot holds, the VMM knows.
    const named = input.snapshot === undefined ? config : imagesOf((await creating).info, config);
    const symbols = loadSymbols(symbolSources(input, files, named), files.sourceMap(input.sourceMap));
    const { vm, info } = await creating;
    const debuggee = assemble(context, { vm, info, symbols, ownership: 'launched', carriedOver });
    await setConfiguredExits(debuggee, input.exits ?? []);
    const { stop } = await vm.request('vm.state', {});
    return { debuggee, entry, stop: stop ?? (await standing(vm, info)) };
  } catch (error) {
    await vmm.close();
    throw error;
  }
}

/** @throws VmError when there is no VMM at the address, or no (or more than one) machine in it. */
export async function attach(context: SessionContext, input: AttachInput): Promise<Attached> {
  const files = new ConfiguredFiles(input.cwd);
  const vmm = await connectRunning(context, files, input.vmm, input.vmmToken);
  try {
    const { vms } = await vmm.request('vm.list', {});
    const chosen = chooseVm(vms, input.vm);
    const kernel = files.optional('kernel', input.kernel) ?? existing(chosen.kernel);
    const config = kernel === undefined ? {} : { kernel };
    const symbols = loadSymbols(symbolSources(input, files, config), files.sourceMap(input.sourceMap));
    const vm = new Vm(vmm, chosen.vm);
    const info = await vm.request('vm.subscribe', {});
    const debuggee = assemble(context, { vm, info, symbols, ownership: 'attached', carriedOver: undefined });
    await setConfiguredExits(debuggee, input.exits ?? []);
    const state = await vm.request('vm.state', {});
    const stop = state.info.state === 'stopped' ? (state.stop ?? (await standing(vm, info))) : undefined;
    return { debuggee, stop, ended: state.info.state === 'ended' ? (state.info.endedWith ?? crash) : null };
  } catch (error) {
    await vmm.close();
    throw error;
  }
}

function connectRunning(
  context: SessionContext,
  files: ConfiguredFiles,
  address: string,
  token: string | undefined,
): Promise<Vmm> {
  const tokenFile = files.optional('vmmToken', token);
  void context.vmms.release();
  return Vmm.connect(address, tokenFile);
}

const crash: VmEnd = { reason: 'crash', code: 1 };

/** A stop to show for a machine that stands still for a reason the VMM does not know any more. */
async function standing(vm: Vm, info: VmInfo): Promise<StopInfo> {
  const { pc } = await vm.request('vm.registers', { hart: 0 });
  return { reason: 'entry', hart: 0, pc, step: info.steps };
}

interface Parts {
  readonly vm: Vm;
  readonly info: VmInfo;
  readonly symbols: SymbolStore;
  readonly ownership: Ownership;
  readonly carriedOver: CarriedOver | undefined;
}

function assemble(context: SessionContext, { vm, info, symbols, ownership, carriedOver }: Parts): Debuggee {
  const view = new MachineView(vm, symbols);
  const breakpoints = carriedOver?.breakpoints ?? new BreakpointStore();
  breakpoints.relocate(symbols.all);
  const handles = new StableHandles<VariableNode>();
  const run = new RunControl(vm, view, breakpoints, {
    stopped: (report) => {
      handles.newStop();
      context.emitEvent('stopped', {
        ...{ reason: report.reason, description: report.description, threadId: threadOf(report.hart) },
        ...(report.text === undefined ? {} : { text: report.text }),
        ...(report.hitBreakpointIds.length === 0 ? {} : { hitBreakpointIds: [...report.hitBreakpointIds] }),
        allThreadsStopped: true,
      });
    },
    continued: (hart) =>
      context.emitEvent('continued', { threadId: threadOf(hart), allThreadsContinued: true }),
    logPoint: ({ placement: { file, line, column } }, text) => {
      const place =
        file === undefined || line === undefined
          ? {}
          : {
              source: toSource(file),
              line: toClientLine(context.client, line),
              column: toClientColumn(context.client, column === undefined || column === 0 ? 1 : column),
            };
      context.emitEvent('output', { category: 'console', output: `${text}\n`, ...place });
    },
    warn: (text) => context.output(`${text}\n`, 'important'),
  });
  let releasing: Promise<void> | undefined;
  const debuggee: Debuggee = {
    ...{ vm, harts: info.harts, ownership, symbols, view, breakpoints, run, handles },
    exitBreakpoints: carriedOver?.exitBreakpoints ?? new ExitBreakpointStore(),
    listings: new ListingStore(),
    release: (options = {}) => {
      releasing ??= letGo(debuggee, options);
      return releasing;
    },
  };
  connectEvents(context, debuggee, () => releasing !== undefined);
  return debuggee;
}

/** The VMM's events wait their turn in the session's queue, but for the console, which nobody's state depends on. */
function connectEvents(context: SessionContext, debuggee: Debuggee, isReleased: () => boolean): void {
  const { vm, run } = debuggee;
  const console = new TextDecoder();
  vm.vmm.onEvent((event) => {
    if (isReleased() || event.vm !== vm.name) return;
    switch (event.event) {
      case 'console':
        context.emitEvent('hartscope/console', { data: Buffer.from(event.data).toString('base64') });
        if (!context.client.ownsConsole) {
          context.output(console.decode(event.data, { stream: true }), 'stdout');
        }
        return;
      case 'traced':
        context.emitEvent('hartscope/traced', { next: event.next });
        return;
      default:
        context.enqueue(async () => {
          if (!isReleased()) await followEvent(context, debuggee, event);
        });
    }
  });
  vm.vmm.onLost((message) => {
    if (isReleased()) return;
    // Not through the queue: what stands there may wait for an answer that does not come any more.
    const wasRunning = run.state !== 'ended';
    run.onEnded();
    context.output(`${message}\n`, 'important');
    if (wasRunning) context.emitEvent('terminated', undefined);
  });
}

async function followEvent(context: SessionContext, { vm, run }: Debuggee, event: VmEvent): Promise<void> {
  switch (event.event) {
    case 'stopped':
      return run.onStopped(event.stop, event.registers);
    case 'resumed':
      return run.onResumed();
    case 'log': {
      const text = event.text === '' ? describeExit(event.record.exit, event.record.stage) : event.text;
      return context.output(`${text}\n`);
    }
    case 'note':
      return context.output(`${event.text.charAt(0).toUpperCase()}${event.text.slice(1)}.\n`);
    case 'warning':
      context.output(`${event.text.charAt(0).toUpperCase()}${event.text.slice(1)}.\n`, 'important');
      return run.halt();
    case 'ended':
      if (event.end !== null) await sendLastStats(context, vm);
      return announceEnd(context, run, event.end, event.error);
    case 'destroyed':
      if (run.state === 'ended') return;
      run.onEnded();
      context.output('The machine was destroyed by another client.\n', 'important');
      return context.emitEvent('terminated', undefined);
    default:
      return;
  }
}

/** The views of our own extension show them after the session; other clients have no use for them. */
async function sendLastStats(context: SessionContext, vm: Vm): Promise<void> {
  if (!context.client.ownsConsole) return;
  const stats = await vm.request('vm.exitStats', {}).catch(() => undefined);
  if (stats !== undefined) context.emitEvent('hartscope/lastExitStats', toJson(stats));
}

/** Tells the client how the guest ended. */
export function announceEnd(
  context: SessionContext,
  run: RunControl,
  end: VmEnd | null,
  error: string | null,
): void {
  if (run.state === 'ended') return;
  run.onEnded();
  if (end === null) {
    context.output(`The machine stopped working: ${error ?? 'its thread ended'}.\n`, 'important');
  } else {
    context.output(`${END_TEXTS[end.reason](end.code)}\n`);
  }
  const failed = end === null || end.reason === 'fail' || end.reason === 'crash';
  context.emitEvent('exited', { exitCode: failed ? end?.code || 1 : 0 });
  context.emitEvent('terminated', undefined);
}

const END_TEXTS: Record<VmEnd['reason'], (code: number) => string> = {
  pass: () => 'The guest ended: pass.',
  shutdown: () => 'The guest powered off.',
  fail: (code) => `The guest ended: failure, code ${code}.`,
  crash: (code) => `The guest crashed, code ${code}.`,
};

/** The VMM may be gone already, which is as good as released. */
async function letGo(debuggee: Debuggee, options: { terminate?: boolean; suspend?: boolean }): Promise<void> {
  const asked = askToLetGo(debuggee, options).catch(() => {});
  await Promise.race([asked, delay(LET_GO_MS_MAX, undefined, { ref: false })]);
  await debuggee.vm.vmm.close();
}

/** A VMM that hangs does not answer; one of ours is then killed, while this process still lives to do it. */
const LET_GO_MS_MAX = 1500;

async function askToLetGo(
  { vm, ownership, run }: Debuggee,
  options: { terminate?: boolean; suspend?: boolean },
): Promise<void> {
  const destroys = options.terminate ?? ownership === 'launched';
  if (destroys) {
    await vm.request('vm.destroy', {});
  } else if (run.state !== 'ended') {
    await vm.request('vm.setBreakpoints', { addresses: [] });
    await vm.request('vm.setExitBreakpoints', { breakpoints: [] });
    const { info } = await vm.request('vm.state', {});
    if (info.state === 'stopped' && !options.suspend) await vm.request('vm.resume', {});
  }
}

async function setConfiguredExits(debuggee: Debuggee, exits: readonly ExitBreakpointConfig[]): Promise<void> {
  const results = await debuggee.exitBreakpoints.replace('configuration', exits, debuggee.vm);
  const wrong = results.findIndex(({ verified }) => !verified);
  if (wrong >= 0) {
    throw new VmError(
      'bad-config',
      `"exits[${wrong}].condition" in the configuration: ${results[wrong]!.message}.`,
    );
  }
}

/** Paths of a configuration, made absolute. */
class ConfiguredFiles {
  readonly #folder: string;

  constructor(cwd: string | undefined) {
    this.#folder = resolve(cwd ?? process.cwd());
  }

  /** @throws VmError `bad-file` when there is no such file. */
  existing(key: string, path: string): string {
    const absolute = resolve(this.#folder, path);
    const problem = !existsSync(absolute)
      ? 'not found'
      : statSync(absolute).isFile()
        ? undefined
        : 'not a file';
    if (problem === undefined) return absolute;
    const start = isAbsolute(path)
      ? ''
      : ` Relative paths start at ${this.#folder} (set "cwd" to change it).`;
    throw new VmError('bad-file', `"${key}" ${problem}: ${absolute}.${start}`);
  }

  /** A path that need not be there. */
  absolute(path: string): string {
    return resolve(this.#folder, path);
  }

  /** What stands on the left is what compilers wrote, and stays as it is. */
  sourceMap(map: LaunchInput['sourceMap']): [string, string][] {
    return Object.entries(map ?? {}).map(([from, to]) => [from, resolve(this.#folder, to)]);
  }

  optional(key: string, path: string | undefined): string | undefined {
    return path === undefined ? undefined : this.existing(key, path);
  }
}

function machineConfig(input: LaunchInput, files: ConfiguredFiles): VmConfigInput {
  const { firmware } = input;
  const isFile = firmware !== undefined && firmware !== 'builtin' && firmware !== 'none';
  const config: VmConfigInput = {
    kernel: files.optional('kernel', input.kernel),
    firmware: isFile ? files.existing('firmware', firmware) : firmware,
    dtb: files.optional('dtb', input.dtb),
    initrd: files.optional('initrd', input.initrd),
    append: input.append,
    ...deviceConfig(input, files),
    harts: input.harts,
    memory: input.memory === undefined ? undefined : memoryBytes(input.memory),
    isa: input.isa,
    snapshot: files.optional('snapshot', input.snapshot),
    // A person sits at the console: timers keep pace with the clock on the wall.
    time: input.time ?? 'wall',
    rtcStart: input.rtcStart,
    trace: input.trace,
  };
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
}

/** The images that the configuration names, else those that the machine was made with, where they are still there. */
function imagesOf({ kernel, firmware }: VmInfo, config: VmConfigInput): VmConfigInput {
  return {
    kernel: config.kernel ?? existing(kernel),
    firmware: config.firmware ?? existing(firmware) ?? 'none',
  };
}

function symbolSources(
  input: Pick<LaunchInput, 'symbols'>,
  files: ConfiguredFiles,
  config: VmConfigInput,
): SymbolSource[] {
  const { kernel, firmware } = config;
  const images = [kernel, firmware === 'builtin' || firmware === 'none' ? undefined : firmware];
  const further = (input.symbols ?? []).map((entry, index): SymbolSource => {
    const { file, offset, space } = typeof entry === 'string' ? { file: entry } : entry;
    return {
      path: files.existing(`symbols[${index}]`, file),
      optional: false,
      ...(offset === undefined ? {} : { offset: toOffset(offset) }),
      ...(space === undefined ? {} : { space }),
    };
  });
  return [...images.flatMap((path) => (path === undefined ? [] : [{ path, optional: true }])), ...further];
}

const toOffset = (offset: number | string): bigint =>
  typeof offset === 'string' && offset.startsWith('-') ? -BigInt(offset.slice(1)) : BigInt(offset);

/** Board addresses that raw images start at: what firmware jumps to, and the start of RAM. */
const RAW_ENTRY = { afterFirmware: 0x8020_0000n, bare: 0x8000_0000n } as const;

/** Physical address of the kernel's first instruction; undefined where the machine starts right there, or no kernel is named. */
function kernelEntry({ kernel, firmware }: VmConfigInput): bigint | undefined {
  if (kernel === undefined || firmware === undefined || firmware === 'builtin') return undefined;
  const elf = readElf(kernel);
  if (elf === undefined) return firmware === 'none' ? RAW_ENTRY.bare : RAW_ENTRY.afterFirmware;
  const { entry, segments } = elf;
  const home = segments.find(({ vaddr, memSize }) => vaddr <= entry && entry < vaddr + BigInt(memSize));
  return home === undefined ? entry : entry - home.vaddr + home.paddr;
}

function chooseVm(vms: readonly VmInfo[], name: string | undefined): VmInfo {
  const names = vms.map(({ vm }) => vm).join(', ');
  if (vms.length === 0)
    throw new VmError('no-such-vm', 'The VMM runs no machine: launch one instead of attaching.');
  if (name === undefined) {
    if (vms.length === 1) return vms[0]!;
    throw new VmError('no-such-vm', `The VMM runs several machines: name one of ${names} as "vm".`);
  }
  const chosen = vms.find(({ vm }) => vm === name);
  if (chosen === undefined) {
    throw new VmError('no-such-vm', `The VMM has no machine "${name}": it runs ${names}.`);
  }
  return chosen;
}

const existing = (path: string | null): string | undefined =>
  path !== null && isAbsolute(path) && existsSync(path) ? path : undefined;
