import type { AccessSize, Saved } from '../../contracts/device.ts';
import type { DeviceInput } from '../../contracts/device-input.ts';
import { SavedReader } from '../saved.ts';
import { ByteBacklog } from './byte-backlog.ts';
import { CONTROL, CONTROL_SIZE, decodeControl, encodeControl } from './console-control.ts';
import { DEVICE_ID, has } from './constants.ts';
import type { VirtioDevice, VirtioTransport } from './device.ts';
import { set16, set32 } from './little-endian.ts';

const FEATURE = { size: 1n, multiport: 2n, emergencyWrite: 4n } as const;
const EMERGENCY_WRITE = 8;
const CONFIG_SIZE = 12;

/** Queues in front of those of port 1: port 0's two and the control queues (section 5.3.2). */
const CONTROL_RECEIVE = 2;
const CONTROL_TRANSMIT = 3;

/** Bytes that wait for a guest to take them. What comes beyond is refused, and the host keeps it. */
export const CONSOLE_BACKLOG_MAX = 1 << 20;
/** Bytes of one buffer that are handed to the host at a time. */
const OUTPUT_PIECE = 64 << 10;
/** Bytes of one buffer at most; Linux sends no more than 32 KiB. */
const OUTPUT_MAX = 16 << 20;
/** Control messages that wait for buffers. Beyond, the driver's own are left in their queue until it gives some. */
const MESSAGES_MAX = 256;

export interface ConsolePortOptions {
  /** A tag by which the guest finds the port (`/dev/virtio-ports/NAME`); undefined for none. */
  readonly name?: string;
  /** A terminal (`/dev/hvcN`), not a stream of bytes. */
  readonly console: boolean;
}

export interface ConsolePorts {
  /** What the guest sent through a port. */
  output(port: number, data: Uint8Array): void;
  /** The guest opened or closed a port. */
  opened?(port: number, open: boolean): void;
  /** The guest took bytes: there is room for more. */
  taken?(port: number): void;
}

interface PortState {
  readonly options: ConsolePortOptions;
  readonly input: ByteBacklog;
  /** The driver has taken the port up. */
  ready: boolean;
  guestOpen: boolean;
  /** Something on the host is connected. */
  hostOpen: boolean;
}

/** A console with any number of ports (virtio 1.2, section 5.3). */
export class VirtioConsole implements VirtioDevice {
  readonly id = DEVICE_ID.console;
  readonly name = 'console';
  readonly features = FEATURE.size | FEATURE.multiport | FEATURE.emergencyWrite;
  readonly queues: number;
  readonly configRegisters = [
    { name: 'cols', offset: 0, size: 2, access: 'read', description: 'Columns of port 0' },
    { name: 'rows', offset: 2, size: 2, access: 'read', description: 'Rows of port 0' },
    { name: 'max_nr_ports', offset: 4, size: 4, access: 'read', description: 'Number of ports' },
    { name: 'emerg_wr', offset: EMERGENCY_WRITE, size: 4, access: 'write', description: 'Writes one byte' },
  ] as const;
  readonly #ports: ConsolePorts;
  readonly #states: readonly PortState[];
  #transport: VirtioTransport | undefined;
  #columns = 80;
  #rows = 25;
  #messages: Uint8Array[] = [];

  constructor(ports: ConsolePorts, options: readonly ConsolePortOptions[] = [{ console: true }]) {
    this.#ports = ports;
    this.#states = options.map((port) => ({
      options: port,
      input: new ByteBacklog(CONSOLE_BACKLOG_MAX),
      ready: false,
      guestOpen: false,
      hostOpen: true,
    }));
    this.queues = 2 + 2 * options.length;
  }

  plug(transport: VirtioTransport): void {
    this.#transport = transport;
  }

  /** Bytes from the host's end. Returns how many were taken; the rest may be offered again once the guest has read. */
  receive(port: number, data: Uint8Array): number {
    const state = this.#states[port];
    if (state === undefined) return 0;
    const taken = state.input.push(data);
    this.#deliver(port, state);
    return taken;
  }

  input(input: DeviceInput): number {
    if (input.kind === 'port') return this.receive(input.port, input.data);
    if (input.kind === 'port-open') this.setHostOpen(input.port, input.open);
    return 0;
  }

  /** The terminal has another size. */
  resize(columns: number, rows: number): void {
    this.#columns = columns & 0xffff;
    this.#rows = rows & 0xffff;
    // The configuration space tells of port 0 only (section 5.3.6), the message of any.
    if (this.#multiport) {
      for (const [port, { ready, options }] of this.#states.entries()) {
        if (ready && options.console) this.#sendSize(port);
      }
      this.#sendMessages();
    }
    this.#transport?.configChanged();
  }

  /** Something on the host connected to a port, or left it. */
  setHostOpen(port: number, open: boolean): void {
    const state = this.#states[port];
    if (state === undefined || state.hostOpen === open) return;
    state.hostOpen = open;
    if (!state.ready) return;
    this.#sendLatest(port, CONTROL.portOpen, Number(open));
    this.#sendMessages();
  }

  config(): Uint8Array {
    const config = new Uint8Array(CONFIG_SIZE);
    set16(config, 0, this.#columns);
    set16(config, 2, this.#rows);
    set32(config, 4, this.#states.length);
    return config;
  }

  /** An emergency write needs no driver (section 5.3.5.1). */
  writeConfig(offset: number, _size: AccessSize, value: number): void {
    if (offset === EMERGENCY_WRITE) this.#ports.output(0, Uint8Array.of(value));
  }

  notified(index: number): void {
    if (index === CONTROL_RECEIVE) {
      this.#sendMessages();
      // The driver's messages waited while there was no room for the answers.
      this.#receiveControl();
      return;
    }
    if (index === CONTROL_TRANSMIT) {
      this.#receiveControl();
      this.#sendMessages();
      return;
    }
    const port = index < CONTROL_RECEIVE ? 0 : (index >> 1) - 1;
    if ((index & 1) === 1) this.#transmit(port);
    else this.#deliver(port, this.#states[port]!);
  }

  reset(): void {
    this.#messages = [];
    for (const [port, state] of this.#states.entries()) {
      state.ready = false;
      state.input.clear();
      this.#setGuestOpen(port, state, false);
    }
  }

  save(): Saved {
    return {
      version: 1,
      columns: this.#columns,
      rows: this.#rows,
      messages: this.#messages.map((message) => ({ version: 1, message })),
      ports: this.#states.map(({ input, ready, guestOpen, hostOpen }) => ({
        version: 1,
        input: input.contents(),
        ready,
        guestOpen,
        hostOpen,
      })),
    };
  }

  restore(saved: Saved): void {
    const from = new SavedReader(saved, 'the console', 1);
    const messages = from.sections('messages', { maximum: 2 * MESSAGES_MAX });
    const ports = from
      .sections('ports', this.#states.length)
      .map((port) => new SavedReader(port, 'a console port', 1));
    this.#columns = from.number('columns');
    this.#rows = from.number('rows');
    this.#messages = messages.map((message) =>
      new SavedReader(message, 'a message', 1).bytes('message', 1024),
    );
    for (const [index, state] of this.#states.entries()) {
      const port = ports[index]!;
      state.input.clear();
      state.input.push(port.bytes('input', CONSOLE_BACKLOG_MAX));
      state.ready = port.boolean('ready');
      state.guestOpen = port.boolean('guestOpen');
      state.hostOpen = port.boolean('hostOpen');
    }
  }

  get #multiport(): boolean {
    return has(this.#transport?.features ?? 0n, FEATURE.multiport);
  }

  /** Host to guest, as far as there are buffers. */
  #deliver(port: number, state: PortState): void {
    // A driver drops what comes for a port that no program has open; QEMU keeps it as well.
    if (state.input.length === 0 || (this.#multiport && !state.guestOpen)) return;
    const queue = this.#transport?.open(port === 0 ? 0 : 2 + 2 * port);
    if (queue === undefined) return;
    while (state.input.length > 0) {
      const chain = queue.take();
      if (chain === undefined) return;
      if (chain.writable.length === 0) {
        this.#transport?.fail('a buffer for input has no room');
        return;
      }
      let piece = state.input.peek(chain.writable.length);
      while (piece.length > 0) {
        state.input.drop(chain.writable.put(piece));
        piece = state.input.peek(chain.writable.length - chain.writable.written);
      }
      queue.use(chain, chain.writable.written);
      this.#ports.taken?.(port);
    }
  }

  /** Guest to host. */
  #transmit(port: number): void {
    const queue = this.#transport?.open(port === 0 ? 1 : 3 + 2 * port);
    if (queue === undefined) return;
    for (let chain = queue.take(); chain !== undefined; chain = queue.take()) {
      if (chain.readable.length > OUTPUT_MAX) {
        this.#transport?.fail('a buffer for output is too long');
        return;
      }
      while (chain.readable.remaining > 0) this.#ports.output(port, chain.readable.take(OUTPUT_PIECE));
      queue.use(chain, 0);
    }
  }

  #receiveControl(): void {
    const queue = this.#transport?.open(CONTROL_TRANSMIT);
    if (queue === undefined) return;
    while (this.#messages.length < MESSAGES_MAX) {
      const chain = queue.take();
      if (chain === undefined) return;
      // A message that is too short says nothing; what follows a longer one is reserved.
      if (chain.readable.length >= CONTROL_SIZE) this.#control(chain.readable.take(CONTROL_SIZE));
      queue.use(chain, 0);
    }
  }

  #control(message: Uint8Array): void {
    const { port, event, value } = decodeControl(message);
    if (event === CONTROL.deviceReady) {
      if (value !== 1) return;
      for (const index of this.#states.keys()) this.#send(index, CONTROL.deviceAdd, 0);
      return;
    }
    const state = this.#states[port];
    if (state === undefined) return;
    if (event === CONTROL.portReady) {
      state.ready = value === 1;
      if (state.ready) this.#describePort(port, state);
    } else if (event === CONTROL.portOpen) {
      this.#setGuestOpen(port, state, value === 1);
      this.#deliver(port, state);
    }
  }

  /** What the driver learns of a port that it has taken up (section 5.3.5, step 3). */
  #describePort(port: number, { options, hostOpen }: PortState): void {
    if (options.console) {
      this.#send(port, CONTROL.consolePort, 1);
      this.#sendSize(port);
    }
    if (options.name !== undefined) {
      this.#send(port, CONTROL.portName, 1, new TextEncoder().encode(options.name).subarray(0, 255));
    }
    if (hostOpen) this.#send(port, CONTROL.portOpen, 1);
  }

  /** Columns, then rows, as the text has it; Linux read them the other way round up to version 6.14. */
  #sendSize(port: number): void {
    const size = new Uint8Array(4);
    set16(size, 0, this.#columns);
    set16(size, 2, this.#rows);
    this.#sendLatest(port, CONTROL.resize, 0, size);
  }

  #send(port: number, event: number, value: number, rest?: Uint8Array<ArrayBuffer>): void {
    this.#messages.push(encodeControl({ port, event, value }, rest));
  }

  /** Sends what replaces an earlier message of its kind, so that a host cannot pile them up. */
  #sendLatest(port: number, event: number, value: number, rest?: Uint8Array<ArrayBuffer>): void {
    this.#messages = this.#messages.filter((message) => {
      const queued = decodeControl(message);
      return queued.port !== port || queued.event !== event;
    });
    this.#send(port, event, value, rest);
  }

  #sendMessages(): void {
    if (this.#messages.length === 0) return;
    const queue = this.#transport?.open(CONTROL_RECEIVE);
    if (queue === undefined) return;
    while (this.#messages.length > 0) {
      const chain = queue.take();
      if (chain === undefined) return;
      queue.use(chain, chain.writable.put(this.#messages.shift()!));
    }
  }

  #setGuestOpen(port: number, state: PortState, open: boolean): void {
    if (state.guestOpen === open) return;
    state.guestOpen = open;
    this.#ports.opened?.(port, open);
  }
}
