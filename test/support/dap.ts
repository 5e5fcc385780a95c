/** A DAP client for tests: the test kit's, with a transcript of what was said and events that wait to be asked for. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DebugClient } from '@vscode/debugadapter-testsupport';
import type { DebugProtocol } from '@vscode/debugprotocol';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const ADAPTER = `${ROOT}dist/debug-adapter.cjs`;
export const SAMPLE = `${ROOT}samples/01-first-kernel`;

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Events that come at their own time, and so take no part in transcripts. */
const UNORDERED = new Set(['hartscope/traced', 'hartscope/console', 'output']);

export class DapClient extends DebugClient {
  /** Everything asked and answered since the start, one line each, without what differs from run to run. */
  readonly transcript: string[] = [];
  readonly events: DebugProtocol.Event[] = [];
  #wake: (() => void)[] = [];
  #taken = 0;

  /** @param env more of the environment for the adapter, and so for its VMM. */
  constructor(env: Record<string, string> = {}) {
    super(process.execPath, ADAPTER, 'hartscope', { env: { ...process.env, ...env } });
    // Noted as they arrive: promises resolve later than the events of the same chunk are told.
    const receiver = this as unknown as { dispatch(body: string): void };
    const dispatch = receiver.dispatch.bind(this);
    receiver.dispatch = (body) => {
      this.#noteReceived(JSON.parse(body) as DebugProtocol.Event | DebugProtocol.Response);
      dispatch(body);
    };
  }

  static async start(env: Record<string, string> = {}): Promise<DapClient> {
    const client = new DapClient(env);
    await client.start();
    return client;
  }

  /** Ends the adapter as a client does that goes away, and waits until it is gone. */
  override async stop(): Promise<void> {
    const adapter = this.process;
    if (adapter === undefined) return super.stop();
    if (adapter.exitCode !== null || adapter.signalCode !== null) return;
    const exited = once(adapter, 'exit');
    adapter.stdin!.end();
    await exited;
  }

  /** The adapter's process. */
  get process(): ChildProcess {
    return (this as unknown as { _adapterProcess: ChildProcess })._adapterProcess;
  }

  override emit(name: string, ...args: unknown[]): boolean {
    const event = args[0] as DebugProtocol.Event;
    this.events.push(event);
    for (const wake of this.#wake.splice(0)) wake();
    return super.emit(name, ...args);
  }

  /** Sends a request and returns the body of its response. Rejects with the adapter's message. */
  async request<Body = Record<string, unknown>>(command: string, args: object = {}): Promise<Body> {
    this.#note(`-> ${command}`, args as Json);
    const response = await this.send(command, args);
    return response.body as Body;
  }

  /** The message a request is refused with. */
  async refusal(command: string, args: object = {}): Promise<string> {
    try {
      await this.request(command, args);
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error(`${command} was not refused`);
  }

  /** The next event of this name after the last one returned; waits for it. */
  async next<Body = Record<string, unknown>>(name: string): Promise<Body> {
    for (;;) {
      const index = this.events.findIndex((event, at) => at >= this.#taken && event.event === name);
      if (index >= 0) {
        this.#taken = index + 1;
        return this.events[index]!.body as Body;
      }
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  /** All the text of `output` events of a category so far. */
  output(category: string): string {
    return this.events
      .filter(
        (event) => event.event === 'output' && (event.body as { category: string }).category === category,
      )
      .map((event) => (event.body as { output: string }).output)
      .join('');
  }

  /** Waits until the output of a category holds `text`. */
  async outputWith(category: string, text: string): Promise<string> {
    while (!this.output(category).includes(text)) {
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
    return this.output(category);
  }

  /** initialize and launch of the sample kernel, up to where breakpoints are set. Time runs free, so that runs repeat. */
  async launchSample(config: object = {}): Promise<void> {
    await this.request('initialize', { adapterID: 'hartscope', pathFormat: 'path', clientID: 'test' });
    await this.request('launch', { kernel: `${SAMPLE}/kernel.elf`, time: 'free', ...config });
    await this.next('initialized');
  }

  /** Tells the adapter that all is set, and waits for the first stop. */
  async run(): Promise<DebugProtocol.StoppedEvent['body']> {
    await this.request('configurationDone');
    return this.next('stopped');
  }

  /** A request that makes the machine run, and the stop that ends it. */
  async runUntilStop(command: string, args: object = {}): Promise<DebugProtocol.StoppedEvent['body']> {
    await this.request(command, { threadId: 1, ...args });
    return this.next('stopped');
  }

  async frames(threadId = 1): Promise<DebugProtocol.StackFrame[]> {
    return (await this.request<{ stackFrames: DebugProtocol.StackFrame[] }>('stackTrace', { threadId }))
      .stackFrames;
  }

  /** Where the hart stands: `main.c:74`. */
  async place(threadId = 1): Promise<string> {
    const [frame] = await this.frames(threadId);
    return `${frame?.source?.name}:${frame?.line}`;
  }

  async variables(variablesReference: number, more: object = {}): Promise<DebugProtocol.Variable[]> {
    const body = await this.request<{ variables: DebugProtocol.Variable[] }>('variables', {
      variablesReference,
      ...more,
    });
    return body.variables;
  }

  async evaluate(expression: string, more: object = {}): Promise<string> {
    return (await this.request<{ result: string }>('evaluate', { expression, ...more })).result;
  }

  /** The 1-based line of a sample's source that holds `text`; tests name code, not numbers. */
  static line(file: string, text: string): number {
    const lines = readFileSync(`${SAMPLE}/${file}`, 'utf8').split('\n');
    const index = lines.findIndex((line) => line.includes(text));
    if (index < 0) throw new Error(`${file} has no line with ${text}`);
    return index + 1;
  }

  /** The transcript as a golden file. */
  transcriptText(): string {
    return `${this.transcript.join('\n')}\n`;
  }

  #noteReceived(message: DebugProtocol.Event | DebugProtocol.Response): void {
    if ('event' in message) {
      if (!UNORDERED.has(message.event)) this.#note(`<* ${message.event}`, message.body as Json);
    } else if (message.success) {
      this.#note(`<- ${message.command}`, message.body as Json);
    } else {
      this.#note(`<- ${message.command} failed`, message.message ?? null);
    }
  }

  #note(what: string, body: Json | undefined): void {
    const isEmpty =
      body === undefined || (typeof body === 'object' && body !== null && Object.keys(body).length === 0);
    this.transcript.push(isEmpty ? what : `${what} ${JSON.stringify(normalise(body), null, 2)}`);
  }
}

/** Replaces what differs from machine to machine and run to run. */
function normalise(value: Json, key = ''): Json {
  if (Array.isArray(value)) return value.map((member) => normalise(member));
  if (typeof value === 'string') {
    const text = value.replaceAll(ROOT, '<root>/').replace(/handled in \d+ ns/g, 'handled in <time>');
    return key === 'vmm' ? '<address>' : text;
  }
  if (typeof value === 'number') return key === 'handlerNs' ? 0 : value;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, normalise(member, name)]));
}
