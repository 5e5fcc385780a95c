import { EscapeFilter } from './escape-filter.ts';
import { explainErrno } from './images.ts';

/** Signals that end a run, and the exit status that a shell gives them (128 and the signal's number). */
const SIGNAL_STATUS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
/** As if SIGPIPE had ended the process, which Node ignores. */
export const BROKEN_PIPE_STATUS = 141;
/** The output goes to a place that does not take it, such as a full disk: as for any wrong file. */
const LOST_OUTPUT_STATUS = 2;
/** The longest delay of a timer, 24 days; a timer keeps the process alive that waits for a signal only. */
const LONG_MS = 2 ** 31 - 1;

/**
 * The terminal, or the pipes in its place, as a guest's UART.
 *
 * A terminal is set raw, so that the guest gets each key, Ctrl-C included; `close` sets it back.
 */
export class Terminal {
  readonly #filter = new EscapeFilter();
  #typed: Uint8Array[] = [];
  #ended = false;
  #asked = false;
  #interruptStatus: number | undefined;
  #wake: (() => void) | undefined;
  readonly #onData = (data: Buffer) => this.#take(data);
  readonly #onEnd = () => this.#endInput();
  readonly #onOutputError = (error: Error) => this.#loseOutput(error);
  readonly #onSignal = (signal: NodeJS.Signals) =>
    this.#interrupt(SIGNAL_STATUS[signal as keyof typeof SIGNAL_STATUS]);

  /** A person sits at it: what is typed comes from a terminal, and what is printed goes to one. */
  static get isInteractive(): boolean {
    return process.stdin.isTTY === true && process.stdout.isTTY === true;
  }

  constructor() {
    if (process.stdin.isTTY) process.stdin.setRawMode(true);
    process.stdin.on('data', this.#onData);
    process.stdin.on('end', this.#onEnd);
    process.stdin.on('error', this.#onEnd);
    process.stdout.on('error', this.#onOutputError);
    for (const signal of Object.keys(SIGNAL_STATUS)) process.on(signal, this.#onSignal);
  }

  /** Bytes typed since the last call. */
  takeInput(): Uint8Array | undefined {
    if (this.#typed.length === 0) return undefined;
    const input = Buffer.concat(this.#typed);
    this.#typed = [];
    return input;
  }

  /** A snapshot was asked for since the last call. */
  takeSaveRequest(): boolean {
    const asked = this.#asked;
    this.#asked = false;
    return asked;
  }

  get inputEnded(): boolean {
    return this.#ended;
  }

  get interrupted(): boolean {
    return this.#interruptStatus !== undefined;
  }

  /** The exit status that the interruption asks for: 0 after Ctrl-A x. */
  get interruptStatus(): number | undefined {
    return this.#interruptStatus;
  }

  /** Resolves on input, at its end, on an interruption, or when the time is over (null: never); at once when input waits. */
  inputOrInterrupt(timeoutMs: number | null): Promise<void> {
    if (this.#typed.length > 0 || this.#asked || this.interrupted) return Promise.resolve();
    return new Promise((resolve) => {
      // Timers count whole milliseconds: one that fires too early would have to be set again.
      const timeout = setTimeout(() => this.wakeUp(), Math.min(Math.ceil(timeoutMs ?? LONG_MS), LONG_MS));
      this.#wake = () => {
        clearTimeout(timeout);
        resolve();
      };
    });
  }

  /** Something else came that whoever waits for input should look at. */
  wakeUp(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  /** Writes the guest's output; what a slow reader has not taken is waited for in `turn`. */
  write(data: Uint8Array): void {
    // The guest's buffer is reused before a slow reader has taken the bytes.
    if (!this.interrupted) process.stdout.write(Uint8Array.from(data));
  }

  /** Gives the event loop a turn, and a slow reader of the output the time it needs. */
  async turn(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (!process.stdout.writableNeedDrain || this.interrupted) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        process.stdout.off('drain', done);
        process.stdout.off('error', done);
        resolve();
      };
      process.stdout.on('drain', done);
      process.stdout.on('error', done);
    });
  }

  /** Sets the terminal back and lets go of stdin; waits until all output is written. */
  async close(): Promise<void> {
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
    process.stdin.off('data', this.#onData);
    process.stdin.off('end', this.#onEnd);
    process.stdin.off('error', this.#onEnd);
    process.stdin.pause();
    for (const signal of Object.keys(SIGNAL_STATUS)) process.off(signal, this.#onSignal);
    if (!this.interrupted) await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
  }

  #take(data: Uint8Array): void {
    const typed = this.#filter.take(data);
    if (typed.data.length > 0) this.#typed.push(typed.data);
    if (typed.save) this.#asked = true;
    if (typed.leave) this.#interrupt(0);
    else this.wakeUp();
  }

  /** A reader that has gone needs no word; an output that cannot be kept does. */
  #loseOutput(error: Error): void {
    if (this.interrupted) return;
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') {
      this.#interrupt(BROKEN_PIPE_STATUS);
      return;
    }
    process.stderr.write(`hartscope: cannot write the guest's output: ${explainErrno(error)}\n`);
    this.#interrupt(LOST_OUTPUT_STATUS);
  }

  #endInput(): void {
    this.#ended = true;
    this.wakeUp();
  }

  #interrupt(status: number): void {
    this.#interruptStatus ??= status;
    this.wakeUp();
  }
}
