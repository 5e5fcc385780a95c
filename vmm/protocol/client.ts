import { VmError, type VmErrorCode } from '../base/vm-error.ts';
import { decodeMessage, encodeMessage } from './codec.ts';
import { connectSocket, type VmmTarget } from './connect.ts';
import type { EventName, Events, Method, Params, Results } from './messages.ts';
import type { FrameSocket } from './socket.ts';

export type { VmmTarget } from './connect.ts';

type EventListener = <E extends EventName>(event: E, params: Events[E]) => void;

interface Pending {
  readonly method: Method;
  readonly resolve: (result: never) => void;
  readonly reject: (error: VmError) => void;
}

/**
 * A client's end of the protocol: typed requests and events over one connection.
 *
 * Responses and events are handed on in the order in which the VMM sent them. When the connection ends, every request
 * that waits rejects with `VmError('vm-died')`, and so does every later one.
 */
export class VmmClient {
  readonly #socket: FrameSocket;
  readonly #pending = new Map<number, Pending>();
  readonly #eventListeners = new Set<EventListener>();
  readonly #closeListeners = new Set<(reason: string) => void>();
  #lastId = 0;
  #closed: string | undefined;

  /** Speaks over a socket that is open; `connect` is what programs use. */
  constructor(socket: FrameSocket) {
    this.#socket = socket;
    socket.listen({
      frame: (frame) => this.#receive(frame),
      closed: (reason) => this.#end(reason),
    });
  }

  /**
   * Connects to the VMM at `target.address`. The token is given, or read from `tokenFile`, or from where a VMM of this
   * user puts it.
   *
   * @throws VmError `bad-config` for a text that is no address, `io` when nothing answers there, `unauthorized` when the
   *   token is missing or refused.
   */
  static async connect(target: VmmTarget): Promise<VmmClient> {
    return new VmmClient(await connectSocket(target));
  }

  /** Sends a request. Rejects with the VMM's `VmError`, or `vm-died` when the connection ends first. */
  request<M extends Method>(method: M, params: Params<M>): Promise<Results[M]> {
    if (this.#closed !== undefined) return Promise.reject(connectionEnded(method, this.#closed));
    const id = ++this.#lastId;
    return new Promise<Results[M]>((resolve, reject) => {
      // Encoding may refuse; it does so before anything waits for the response.
      const frame = encodeMessage({ id, method, params });
      this.#pending.set(id, { method, resolve, reject });
      this.#socket.send(frame);
    });
  }

  /** Calls `listener` for each event of this name; the returned function takes it away again. */
  on<E extends EventName>(event: E, listener: (params: Events[E]) => void): () => void {
    return this.onEvent((name, params) => {
      if ((name as EventName) === event) listener(params as unknown as Events[E]);
    });
  }

  /** Calls `listener` for every event, in order; the returned function takes it away again. */
  onEvent(listener: EventListener): () => void {
    this.#eventListeners.add(listener);
    return () => this.#eventListeners.delete(listener);
  }

  /** Calls `listener` once when the connection is over, after all requests were rejected. */
  onClose(listener: (reason: string) => void): void {
    if (this.#closed !== undefined) listener(this.#closed);
    else this.#closeListeners.add(listener);
  }

  /** Ends the connection; VMs that it owns are destroyed. Requests that wait reject. */
  close(): void {
    this.#socket.close();
    this.#end('closed by this client');
  }

  #receive(frame: Uint8Array): void {
    if (this.#closed !== undefined) return;
    let message: unknown;
    try {
      message = decodeMessage(frame);
    } catch {
      this.#socket.close();
      this.#end('what the VMM sent cannot be read; it may be of another version');
      return;
    }
    if (!isObject(message)) return;
    if (typeof message['event'] === 'string') {
      for (const listener of [...this.#eventListeners]) {
        listener(message['event'] as EventName, message['params'] as Events[EventName]);
      }
      return;
    }
    const id = message['id'];
    const pending = typeof id === 'number' ? this.#pending.get(id) : undefined;
    // Id -1 answers a frame that the VMM could not read at all; requests of this client can be read.
    if (pending === undefined) return;
    this.#pending.delete(id as number);
    if (isObject(message['error'])) pending.reject(errorOf(message['error']));
    else pending.resolve(message['result'] as never);
  }

  #end(reason: string): void {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    for (const { method, reject } of this.#pending.values()) reject(connectionEnded(method, reason));
    this.#pending.clear();
    for (const listener of this.#closeListeners) listener(reason);
    this.#closeListeners.clear();
  }
}

function connectionEnded(method: Method, reason: string): VmError {
  const why = reason === '' ? '' : ` (${reason})`;
  return new VmError('vm-died', `the connection to the VMM ended before it answered ${method}${why}`);
}

function errorOf(error: Record<string, unknown>): VmError {
  const column = typeof error['column'] === 'number' ? error['column'] : undefined;
  return new VmError(error['code'] as VmErrorCode, String(error['message']), column);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;
