/**
 * One DAP connection: framing comes from `@vscode/debugadapter`, dispatch is our own.
 *
 * Invariants: every request gets exactly one response, also when its handler rejects; no bigint reaches JSON; requests and
 * the VMM's stops are handled one after another, in the order they came, so that no handler sees state change
 * under it. Only `disconnect` and `terminate` overtake, so that a stuck request cannot keep a session alive.
 */
import { DebugSession, Event, Response } from '@vscode/debugadapter';
import { VmError } from '../vmm/base/vm-error.ts';
import { toJson } from './contract/json.ts';
import { customRequestSchemas } from './contract/requests.ts';
import type { AdapterEvents, Command, Dap, Handlers, OutputCategory } from './dap.ts';
import type { Debuggee } from './debuggee.ts';
import { checkArguments } from './requests/arguments.ts';
import { breakpointHandlers } from './requests/breakpoints.ts';
import { type ClientTraits, defaultTraits, type SessionContext } from './requests/context.ts';
import { customHandlers } from './requests/custom.ts';
import { disassembleHandlers } from './requests/disassemble.ts';
import { evaluateHandlers } from './requests/evaluate.ts';
import { executionHandlers } from './requests/execution.ts';
import { exitHandlers } from './requests/exits.ts';
import { lifecycleHandlers } from './requests/lifecycle.ts';
import { memoryHandlers } from './requests/memory.ts';
import { sourceHandlers } from './requests/sources.ts';
import { stackHandlers } from './requests/stack.ts';
import { variableHandlers } from './requests/variables.ts';
import type { VmmStarter } from './vmm-process.ts';

const HANDLERS: Handlers<SessionContext> = {
  ...lifecycleHandlers,
  ...breakpointHandlers,
  ...exitHandlers,
  ...executionHandlers,
  ...stackHandlers,
  ...variableHandlers,
  ...evaluateHandlers,
  ...memoryHandlers,
  ...disassembleHandlers,
  ...sourceHandlers,
  ...customHandlers,
};

const OVERTAKING: ReadonlySet<string> = new Set(['disconnect', 'terminate', 'cancel']);

/** DAP error ids; clients show the message, the id tells them apart. */
const ERROR_ID = { user: 1000, unknownCommand: 1001, internal: 1002 } as const;

export class AdapterSession extends DebugSession implements SessionContext {
  client: ClientTraits = defaultTraits;
  debuggee: Debuggee | undefined;
  readonly vmms: VmmStarter;
  readonly #onEnd: () => void;
  #queue: Promise<void> = Promise.resolve();
  #ending: Promise<void> | undefined;

  /** @param vmms released with the session. @param onEnd called once, when the connection is over and the VMM is gone. */
  constructor(vmms: VmmStarter, onEnd: () => void) {
    super(true);
    this.vmms = vmms;
    this.#onEnd = onEnd;
    // The base class ends on any error, a message that is not JSON included; that one can be ignored.
    this.removeAllListeners('error');
    this.on('error', (event: Dap.Event) => {
      if (!String(event.body).startsWith('Error handling data')) this.shutdown();
    });
  }

  get isOver(): boolean {
    return this.#ending !== undefined;
  }

  override dispatchRequest(request: Dap.Request): void {
    if (OVERTAKING.has(request.command)) void this.#answer(request);
    else this.enqueue(() => this.#answer(request));
  }

  /** Runs `task` after all that was queued before, from a handler thus after its response. Its failure is our own bug and is reported, never swallowed. */
  enqueue(task: () => Promise<void>): void {
    this.#queue = this.#queue.then(task).catch((error: unknown) => {
      const { message, isUsers } = describeError(error);
      this.output(`${isUsers || !(error instanceof Error) ? message : error.stack}\n`, 'important');
    });
  }

  emitEvent<E extends keyof AdapterEvents>(event: E, body: AdapterEvents[E]): void {
    if (!this.isOver) this.sendEvent(new Event(event, toJson(body)));
  }

  output(text: string, category: OutputCategory = 'console'): void {
    this.emitEvent('output', { category, output: text });
  }

  /** The connection is over. Never ends the process, unlike the base class. */
  override shutdown(): void {
    void this.end();
  }

  /** Releases the VMM, then tells the owner. */
  end(): Promise<void> {
    this.#ending ??= this.#release();
    return this.#ending;
  }

  async #release(): Promise<void> {
    const { debuggee } = this;
    this.debuggee = undefined;
    await Promise.all([debuggee?.release(), this.vmms.release()]);
    this.#onEnd();
  }

  async #answer(request: Dap.Request): Promise<void> {
    const response: Dap.Response = new Response(request);
    const handler = HANDLERS[request.command as Command] as
      | ((context: SessionContext, args: unknown) => Promise<unknown>)
      | undefined;
    try {
      if (handler === undefined) {
        throw new VmError('bad-request', `The debug adapter has no request "${request.command}".`);
      }
      checkArguments(request.command, request.arguments);
      const body = toJson(await handler(this, request.arguments));
      if (body !== undefined) response.body = body;
    } catch (error) {
      this.#describeFailure(response, error, request.command);
    }
    if (!this.isOver) this.sendResponse(response);
    if (request.command === 'disconnect') this.shutdown();
  }

  #describeFailure(response: Dap.Response, error: unknown, command: string): void {
    const { message: format, isUsers } = describeError(error);
    response.success = false;
    response.message = format;
    // Braces would be read as variables of the message by clients.
    const escaped = format.replaceAll('{', '{open}');
    response.body = {
      error: {
        id: isUsers ? ERROR_ID.user : ERROR_ID.internal,
        format: escaped,
        ...(escaped === format ? {} : { variables: { open: '{' } }),
        // Who sends a request of our own shows its failure where it belongs.
        showUser: !(command in customRequestSchemas),
      } satisfies Dap.Message,
    };
  }
}

/** What to tell the user of a failure; one that is nobody's but ours says so. */
function describeError(error: unknown): { readonly message: string; readonly isUsers: boolean } {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof VmError)) return { message: `Internal error: ${message}`, isUsers: false };
  return { message: message.charAt(0).toUpperCase() + message.slice(1), isUsers: true };
}
