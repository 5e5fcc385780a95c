import { type ChildProcess, spawn } from 'node:child_process';

interface Response {
  readonly type: 'response';
  readonly request_seq: number;
  readonly success: boolean;
  readonly message?: string;
  readonly body?: unknown;
}
interface AdapterEvent {
  readonly type: 'event';
  readonly event: string;
  readonly body?: unknown;
}

/** A small DAP client over the adapter's stdio: what an editor does, without the editor. */
export class DapClient {
  readonly #process: ChildProcess;
  readonly #pending = new Map<number, { resolve: (body: never) => void; reject: (error: Error) => void }>();
  readonly #waiting: { event: string; resolve: (body: never) => void; reject: (error: Error) => void }[] = [];
  readonly #early: AdapterEvent[] = [];
  readonly #listeners = new Map<string, (body: never) => void>();
  #buffer = Buffer.alloc(0);
  #sequence = 0;
  #ended: Error | undefined;

  constructor(command: string, args: readonly string[]) {
    this.#process = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#process.stdout!.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#process.on('error', (error) => this.#end(error));
    this.#process.on('exit', (code) => this.#end(new Error(`the debug adapter ended with status ${code}`)));
    // A write to an adapter that just ended fails; its `exit` event says so to everyone who waits.
    this.#process.stdin!.on('error', (error) => this.#end(error));
  }

  /** Sends a request; rejects with the adapter's message when it fails, or when the adapter ends. */
  request<Body = unknown>(command: string, args: object = {}): Promise<Body> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const seq = ++this.#sequence;
    const text = JSON.stringify({ seq, type: 'request', command, arguments: args });
    this.#process.stdin!.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
    return new Promise((resolve, reject) => this.#pending.set(seq, { resolve, reject }));
  }

  /** The next event of this name, those that came before anyone asked included; each is given once. */
  event<Body = unknown>(name: string): Promise<Body> {
    const index = this.#early.findIndex((event) => event.event === name);
    if (index >= 0) return Promise.resolve(this.#early.splice(index, 1)[0]!.body as Body);
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => this.#waiting.push({ event: name, resolve, reject }));
  }

  /** Calls `listener` for each event of this name; such events are not kept for `event`. */
  on<Body>(name: string, listener: (body: Body) => void): void {
    this.#listeners.set(name, listener);
  }

  /** Closes the adapter's stdin, which ends it and all it started, and waits for that. */
  async close(): Promise<void> {
    if (this.#ended !== undefined) return;
    const exited = new Promise<void>((resolve) => this.#process.once('exit', () => resolve()));
    this.#process.stdin!.end();
    await exited;
  }

  #receive(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
    for (;;) {
      const headerEnd = this.#buffer.indexOf('\r\n\r\n');
      if (headerEnd < 0) return;
      const length = Number(
        /Content-Length: *(\d+)/i.exec(this.#buffer.toString('latin1', 0, headerEnd))?.[1],
      );
      const end = headerEnd + 4 + length;
      if (this.#buffer.length < end) return;
      const message = JSON.parse(this.#buffer.toString('utf8', headerEnd + 4, end)) as
        | Response
        | AdapterEvent;
      this.#buffer = this.#buffer.subarray(end);
      if (message.type === 'response') this.#settle(message);
      else if (message.type === 'event') this.#dispatch(message);
    }
  }

  #settle(response: Response): void {
    const waiter = this.#pending.get(response.request_seq);
    this.#pending.delete(response.request_seq);
    if (response.success) waiter?.resolve(response.body as never);
    else waiter?.reject(new Error(errorText(response)));
  }

  #dispatch(event: AdapterEvent): void {
    const listener = this.#listeners.get(event.event);
    if (listener !== undefined) {
      listener(event.body as never);
      return;
    }
    const index = this.#waiting.findIndex((waiter) => waiter.event === event.event);
    if (index >= 0) this.#waiting.splice(index, 1)[0]!.resolve(event.body as never);
    else this.#early.push(event);
  }

  #end(reason: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    for (const waiter of [...this.#pending.values(), ...this.#waiting]) waiter.reject(reason);
    this.#pending.clear();
    this.#waiting.length = 0;
  }
}

function errorText(response: Response): string {
  const format = (response.body as { error?: { format?: string } } | undefined)?.error?.format;
  return format ?? response.message ?? 'the request failed';
}
