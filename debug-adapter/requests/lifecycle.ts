/** initialize, launch, attach, configurationDone, disconnect, terminate, restart, cancel. */
import { VmError } from '../../vmm/base/vm-error.ts';
import { fieldsOf } from '../../vmm/protocol/condition-fields.ts';
import { AVAILABLE_EXIT_KINDS, type ExitKind } from '../../vmm/protocol/exits.ts';
import { type Attached, announceEnd, attach, type Launched, launch } from '../bring-up.ts';
import { type LaunchInput, parseAttach, parseLaunch } from '../contract/launch.ts';
import { CLIENT_FLAG } from '../contract/requests.ts';
import type { Dap, Handlers } from '../dap.ts';
import type { Debuggee } from '../debuggee.ts';
import { EXIT_TITLES } from '../describe.ts';
import { debuggeeOf, type SessionContext } from './context.ts';

/** What a session is about, between launch or attach and configurationDone, and for a restart. */
interface Target {
  readonly begin: () => Promise<void>;
  /** Absent for attach: what is not ours is reset, not made again. */
  readonly launchInput?: LaunchInput;
}
const targets = new WeakMap<SessionContext, Target>();

export const lifecycleHandlers: Handlers<SessionContext> = {
  initialize: async (context, args) => {
    if (args.pathFormat !== undefined && args.pathFormat !== 'path') {
      throw new VmError(
        'bad-request',
        'The debug adapter takes file paths, not URIs: set pathFormat to "path".',
      );
    }
    context.client = {
      lineBase: args.linesStartAt1 === false ? 0 : 1,
      columnBase: args.columnsStartAt1 === false ? 0 : 1,
      ownsConsole: hasFlag(args) || ('hartscope' in args && args.hartscope === true),
      takesInvalidated: args.supportsInvalidatedEvent === true,
      takesMemoryEvents: args.supportsMemoryEvent === true,
    };
    return CAPABILITIES;
  },

  launch: async (context, args) => {
    requireNothingYet(context);
    noteFlag(context, args ?? {});
    const { input, launched } = await orNoVmm(context, async () => {
      const input = parseLaunch(args);
      return { input, launched: await launch(context, input) };
    });
    await adopt(context, launched.debuggee);
    targets.set(context, {
      begin: () => beginLaunched(launched, input, args?.noDebug === true),
      launchInput: input,
    });
    context.enqueue(async () => context.emitEvent('initialized', undefined));
  },

  attach: async (context, args) => {
    requireNothingYet(context);
    noteFlag(context, args ?? {});
    const { input, attached } = await orNoVmm(context, async () => {
      const input = parseAttach(args);
      return { input, attached: await attach(context, input) };
    });
    await adopt(context, attached.debuggee);
    targets.set(context, { begin: () => beginAttached(context, attached, input.stopOnEntry === true) });
    context.enqueue(async () => context.emitEvent('initialized', undefined));
  },

  configurationDone: async (context) => {
    debuggeeOf(context);
    const target = targets.get(context);
    if (target !== undefined) context.enqueue(target.begin);
  },

  restart: async (context, args) => {
    const { vm, run, ownership, breakpoints, exitBreakpoints } = debuggeeOf(context);
    const known = targets.get(context)?.launchInput;
    if (ownership === 'attached' || known === undefined) {
      run.prepareRestart();
      await vm.request('vm.pause', {});
      await vm.request('vm.reset', {});
      const { stop } = await vm.request('vm.state', {});
      if (stop !== null) context.enqueue(() => run.start(stop, { report: false, entry: undefined }));
      return;
    }
    // Made anew from its files, since a restart is what follows a rebuild.
    const input = args?.arguments === undefined ? known : parseLaunch(args.arguments);
    await context.debuggee?.release();
    context.debuggee = undefined;
    const launched = await launch(context, input, { breakpoints, exitBreakpoints });
    await adopt(context, launched.debuggee);
    targets.set(context, { begin: () => beginLaunched(launched, input, false), launchInput: input });
    await launched.debuggee.exitBreakpoints.send(launched.debuggee.vm);
    context.enqueue(() => beginLaunched(launched, input, false));
  },

  disconnect: async (context, args) => {
    // It stays known until it is gone: an end of the connection meanwhile waits for it too.
    await context.debuggee?.release({
      ...(args?.terminateDebuggee === undefined ? {} : { terminate: args.terminateDebuggee }),
      suspend: args?.suspendDebuggee === true,
    });
    context.debuggee = undefined;
  },

  terminate: async (context) => {
    const { debuggee } = context;
    if (debuggee === undefined || debuggee.run.state === 'ended') return;
    debuggee.run.onEnded();
    context.emitEvent('terminated', undefined);
    await debuggee.release({ terminate: true });
  },

  // Requests are answered in milliseconds: there is nothing to cancel, which DAP allows.
  cancel: async () => {},
};

/** Conditions to show where one is typed. */
const EXAMPLES: Partial<Record<ExitKind, string>> = {
  mmio: 'device == "uart0" && write && value == 0x0a',
  sbi: 'ext == "DBCN" && fn == 2 @post',
  csr: 'csr == "satp" && write',
  trap: '!interrupt && cause == 13',
  irq: 'device == "uart0" && event == "claimed"',
  system: 'event == "shutdown"',
  debug: 'event == "breakpoint"',
};

const exampleOf = (kind: ExitKind): string =>
  EXAMPLES[kind] === undefined ? '' : ` Example: ${EXAMPLES[kind]}`;

const CAPABILITIES: Dap.Capabilities = {
  supportsConfigurationDoneRequest: true,
  supportsFunctionBreakpoints: true,
  supportsConditionalBreakpoints: true,
  supportsHitConditionalBreakpoints: true,
  supportsLogPoints: true,
  supportsInstructionBreakpoints: true,
  supportsBreakpointLocationsRequest: true,
  supportsEvaluateForHovers: true,
  supportsSetVariable: true,
  supportsSetExpression: true,
  supportsCompletionsRequest: true,
  completionTriggerCharacters: ['$', '.', ' '],
  supportsExceptionInfoRequest: true,
  supportsExceptionFilterOptions: true,
  exceptionBreakpointFilters: AVAILABLE_EXIT_KINDS.map((kind) => ({
    filter: kind,
    label: `Exit: ${EXIT_TITLES[kind]}`,
    description: `Stop when the guest leaves to the VMM with an exit of kind "${kind}".`,
    supportsCondition: true,
    conditionDescription: `Fields: ${[...fieldsOf(kind).keys()].join(', ')}. Then, if wanted, @pre or @post, #hits, !log.${exampleOf(kind)}`,
  })),
  supportsValueFormattingOptions: true,
  supportsDelayedStackTraceLoading: true,
  supportsLoadedSourcesRequest: true,
  supportsModulesRequest: true,
  supportsTerminateRequest: true,
  supportTerminateDebuggee: true,
  supportSuspendDebuggee: true,
  supportsRestartRequest: true,
  supportsSteppingGranularity: true,
  supportsGotoTargetsRequest: true,
  supportsDisassembleRequest: true,
  supportsReadMemoryRequest: true,
  supportsWriteMemoryRequest: true,
  supportsClipboardContext: true,
};

async function beginLaunched(
  { debuggee, entry, stop }: Launched,
  input: LaunchInput,
  noDebug: boolean,
): Promise<void> {
  const { run, vm } = debuggee;
  if (noDebug) {
    // "Run without debugging": what was set so far does not count.
    await vm.request('vm.setBreakpoints', { addresses: [] });
    await vm.request('vm.setExitBreakpoints', { breakpoints: [] });
    run.disarm();
  } else {
    await run.arm();
  }
  await run.start(stop, { report: input.stopOnEntry === true && !noDebug, entry });
}

async function beginAttached(
  context: SessionContext,
  { debuggee, stop, ended }: Attached,
  pauses: boolean,
): Promise<void> {
  const { run } = debuggee;
  if (ended !== null) return announceEnd(context, run, ended, null);
  await run.arm();
  if (stop !== undefined) return run.adopt(stop);
  run.startRunning();
  if (pauses) await run.pause();
}

/** The client may have gone while the machine was made; then nobody else would let go of it. */
async function adopt(context: SessionContext, debuggee: Debuggee): Promise<void> {
  if (context.isOver) await debuggee.release();
  else context.debuggee = debuggee;
}

function requireNothingYet(context: SessionContext): void {
  if (context.debuggee !== undefined) {
    throw new VmError('wrong-state', 'This session debugs a machine already: disconnect first.');
  }
}

/** When `begin` fails, the VMM that was started ahead for it goes too. */
async function orNoVmm<T>({ vmms }: SessionContext, begin: () => Promise<T>): Promise<T> {
  try {
    return await begin();
  } catch (error) {
    await vmms.release();
    throw error;
  }
}

function noteFlag(context: SessionContext, args: object): void {
  if (hasFlag(args)) context.client = { ...context.client, ownsConsole: true };
}

const hasFlag = (args: object): boolean => CLIENT_FLAG in args && args[CLIENT_FLAG] === true;
