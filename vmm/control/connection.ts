import { VmError } from '../base/vm-error.ts';
import type { VmMethod } from '../contracts/worker.ts';
import { decodeMessage, encodeMessage } from '../protocol/codec.ts';
import type { Results } from '../protocol/messages.ts';
import type { FrameSocket } from '../protocol/socket.ts';
import { errorReport } from './errors.ts';
import { type ParsedRequest, parseRequest, requestId, UNKNOWN_ID } from './requests.ts';
import type { ControlServer } from './server.ts';
import type { Outcome } from './vm-handle.ts';

/** A client that takes nothing for this long while more waits for it is cut off, for the sake of others who watch the same guest. */
const CONGESTED_MS_MAX = 30_000;

/** One client: turns frames into requests and gives each exactly one response. */
export class Connection {
  readonly #socket: FrameSocket;
  readonly #server: ControlServer;
  readonly #onClosed: () => void;
  #congestion: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(socket: FrameSocket, server: ControlServer, onClosed: () => void) {
    this.#socket = socket;
    this.#server = server;
    this.#onClosed = onClosed;
  }

  listen(): void {
    this.#socket.listen({
      frame: (frame) => this.#receive(frame),
      drained: () => {
        this.#endCongestion();
        this.#server.congestionChanged(this);
      },
      closed: () => {
        if (this.#closed) return;
        this.#closed = true;
        this.#endCongestion();
        this.#onClosed();
      },
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  sendFrame(frame: Uint8Array): void {
    if (this.#closed) return;
    this.#socket.send(frame);
    if (!this.#socket.congested || this.#congestion !== undefined) return;
    this.#congestion = setTimeout(() => this.close('nothing was read for too long'), CONGESTED_MS_MAX);
    this.#congestion.unref();
    this.#server.congestionChanged(this);
  }

  /** True while more waits for this client than should: guests that it listens to rest. */
  get congested(): boolean {
    return this.#congestion !== undefined;
  }

  close(reason: string): void {
    this.#socket.close(reason);
  }

  #endCongestion(): void {
    clearTimeout(this.#congestion);
    this.#congestion = undefined;
  }

  #receive(frame: Uint8Array): void {
    let id = UNKNOWN_ID;
    try {
      const message = decodeMessage(frame);
      id = requestId(message);
      this.#dispatch(parseRequest(message, frame.length));
    } catch (error) {
      this.#respond(id, { error: errorReport(error) });
    }
  }

  #dispatch(request: ParsedRequest): void {
    const { id } = request;
    const respond = (outcome: Outcome<unknown>) => this.#respond(id, outcome);
    const respondLater = (result: Promise<unknown>) => {
      result.then(
        (value) => respond({ result: value }),
        (error) => respond({ error: errorReport(error) }),
      );
    };
    switch (request.method) {
      case 'vmm.info':
        respond({ result: this.#server.info() });
        break;
      case 'vm.create':
        this.#server.create(this, request.params, respond);
        break;
      case 'vm.list':
        respondLater(this.#server.list().then((vms) => ({ vms })));
        break;
      case 'vm.destroy':
        respondLater(this.#server.destroy(request.params.vm).then(() => ({})));
        break;
      case 'vm.subscribe':
        this.#subscribe(request.params.vm, respond);
        break;
      default:
        this.#server.find(request.params.vm).request<VmMethod>(request.method, request.params, respond);
    }
  }

  /** Events follow the response, which tells the state that they start from. */
  #subscribe(vm: string, respond: (outcome: Outcome<Results['vm.subscribe']>) => void): void {
    const handle = this.#server.find(vm);
    handle.request('vm.state', { vm }, (outcome) => {
      if ('result' in outcome) {
        respond({ result: outcome.result.info });
        this.#server.subscribe(this, vm);
      } else {
        respond(outcome);
      }
    });
  }

  #respond(id: number, outcome: Outcome<unknown>): void {
    let frame: Uint8Array;
    try {
      frame = encodeMessage(
        'result' in outcome ? { id, result: outcome.result } : { id, error: outcome.error },
      );
    } catch (error) {
      // Only a result can be too large, never an error.
      if (!(error instanceof VmError)) throw error;
      frame = encodeMessage({ id, error: errorReport(error) });
    }
    this.sendFrame(frame);
  }
}
