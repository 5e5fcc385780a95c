import type { AccessSize, Saved } from '../../contracts/device.ts';
import type { DeviceInput } from '../../contracts/device-input.ts';
import { SavedReader } from '../saved.ts';
import type { Chain } from './chain.ts';
import { DEVICE_ID } from './constants.ts';
import type { VirtioDevice, VirtioTransport } from './device.ts';
import { INPUT_REGISTERS, inputConfig, SELECT_OFFSET, SUBSELECT_OFFSET } from './input-config.ts';
import { EV, type InputDescription, type InputEvent, SYN_REPORT } from './input-events.ts';
import { get16, get32, set16, set32 } from './little-endian.ts';

const EVENT_QUEUE = 0;
/** `struct virtio_input_event`. */
const EVENT_SIZE = 8;
/** Updates that wait for buffers. Beyond, whole updates are dropped (section 5.8.6.2). */
const UPDATES_MAX = 128;
/** Events of one update. */
const UPDATE_EVENTS_MAX = 64;

export interface InputPorts {
  /** The driver's feedback: a light of the keyboard goes on or off. */
  status(event: InputEvent): void;
}

/** A keyboard, a tablet, or whatever a description says (virtio 1.2, section 5.8). */
export class VirtioInput implements VirtioDevice {
  readonly id = DEVICE_ID.input;
  readonly name = 'input device';
  readonly features = 0n;
  readonly queues = 2;
  readonly configRegisters = INPUT_REGISTERS;
  readonly #description: InputDescription;
  readonly #ports: InputPorts;
  #transport: VirtioTransport | undefined;
  #select = 0;
  #subselect = 0;
  /** Each update ends with SYN_REPORT, and reaches the guest whole or not at all. */
  #updates: (readonly InputEvent[])[] = [];

  constructor(description: InputDescription, ports: InputPorts) {
    this.#description = description;
    this.#ports = ports;
  }

  plug(transport: VirtioTransport): void {
    this.#transport = transport;
  }

  /** Events that happen at once: axes of a movement, a key. False when they were dropped. */
  send(events: readonly InputEvent[]): boolean {
    if (events.length >= UPDATE_EVENTS_MAX || this.#updates.length >= UPDATES_MAX) return false;
    this.#updates.push([...events, { type: EV.syn, code: SYN_REPORT, value: 0 }]);
    this.#deliver();
    return true;
  }

  input(input: DeviceInput): number {
    return input.kind === 'events' && this.send(input.events) ? 1 : 0;
  }

  config(): Uint8Array {
    return inputConfig(this.#description, this.#select, this.#subselect);
  }

  writeConfig(offset: number, size: AccessSize, value: number): void {
    // Both selectors may be written at once, and in any order (section 5.8.5.1).
    for (let index = 0; index < size; index += 1) {
      const byte = (value >>> (8 * index)) & 0xff;
      if (offset + index === SELECT_OFFSET) this.#select = byte;
      else if (offset + index === SUBSELECT_OFFSET) this.#subselect = byte;
    }
  }

  notified(index: number): void {
    if (index === EVENT_QUEUE) this.#deliver();
    else this.#receiveStatus(index);
  }

  reset(): void {
    this.#select = 0;
    this.#subselect = 0;
    this.#updates = [];
  }

  save(): Saved {
    return {
      version: 1,
      select: this.#select,
      subselect: this.#subselect,
      updates: this.#updates.map((events) => ({ version: 1, events: events.flatMap(eventNumbers) })),
    };
  }

  restore(saved: Saved): void {
    const from = new SavedReader(saved, 'the input device', 1);
    const updates = from.sections('updates', { maximum: UPDATES_MAX }).map((update) => {
      const reader = new SavedReader(update, 'an update of the input device', 1);
      return eventsOf(reader.numbers('events', { maximum: 3 * UPDATE_EVENTS_MAX }));
    });
    this.#select = from.number('select');
    this.#subselect = from.number('subselect');
    this.#updates = updates;
  }

  #deliver(): void {
    if (this.#updates.length === 0) return;
    const queue = this.#transport?.open(EVENT_QUEUE);
    if (queue === undefined) return;
    while (this.#updates.length > 0) {
      const events = this.#updates[0]!;
      const chains: Chain[] = [];
      for (let chain = queue.take(); chain !== undefined; chain = queue.take()) {
        chains.push(chain);
        if (chain.writable.length < EVENT_SIZE) {
          this.#transport?.fail('a buffer for an input event is too small');
          return;
        }
        if (chains.length === events.length) break;
      }
      if (chains.length < events.length) {
        for (const chain of chains.toReversed()) queue.untake(chain);
        return;
      }
      this.#updates.shift();
      for (const [index, chain] of chains.entries()) chain.writable.put(encodeEvent(events[index]!));
      queue.useTogether(chains.map((chain) => ({ chain, written: EVENT_SIZE })));
    }
  }

  #receiveStatus(index: number): void {
    const queue = this.#transport?.open(index);
    if (queue === undefined) return;
    for (let chain = queue.take(); chain !== undefined; chain = queue.take()) {
      if (chain.readable.length >= EVENT_SIZE)
        this.#ports.status(decodeEvent(chain.readable.take(EVENT_SIZE)));
      queue.use(chain, 0);
    }
  }
}

function encodeEvent({ type, code, value }: InputEvent): Uint8Array {
  const bytes = new Uint8Array(EVENT_SIZE);
  set16(bytes, 0, type);
  set16(bytes, 2, code);
  set32(bytes, 4, value);
  return bytes;
}

const decodeEvent = (bytes: Uint8Array): InputEvent => ({
  type: get16(bytes, 0),
  code: get16(bytes, 2),
  value: get32(bytes, 4) | 0,
});

const eventNumbers = ({ type, code, value }: InputEvent): number[] => [type, code, value];

function eventsOf(numbers: readonly number[]): InputEvent[] {
  const events: InputEvent[] = [];
  for (let index = 0; index + 2 < numbers.length; index += 3) {
    events.push({ type: numbers[index]!, code: numbers[index + 1]!, value: numbers[index + 2]! });
  }
  return events;
}
