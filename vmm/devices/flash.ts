import { VmError } from '../base/vm-error.ts';
import type { AccessSize, Device, RegisterDescription, Saved } from '../contracts/device.ts';
import { SavedReader } from './saved.ts';

/** What a bank keeps when the machine is off: bytes from an offset on, as many as there are. */
export interface FlashStore {
  readonly size: number;
  readonly readOnly: boolean;
  read(offset: number, target: Uint8Array): void;
  write(offset: number, data: Uint8Array): void;
}

/** Bytes of one erase block of the bank, over both of its chips. */
const BLOCK_SIZE = 256 * 1024;
/** Chips of 16 bits side by side that make the 32-bit bank. */
const CHIPS = 2;
const BANK_BYTES = 4;
/** Bytes of the chips' write buffers together, as the query table tells it of one. */
const BUFFER_BYTES = 2048 * CHIPS;

/** First word of an Intel-style command (CFI publication 100, "Command Set 1"). */
const COMMAND = {
  program: 0x40,
  programAlternate: 0x10,
  erase: 0x20,
  clearStatus: 0x50,
  lock: 0x60,
  readStatus: 0x70,
  readIdentifier: 0x90,
  query: 0x98,
  bufferedProgram: 0xe8,
  readArray: 0xff,
} as const;
/** Second word of erasing, of locking, and last word of a buffered program. */
const CONFIRM = 0xd0;

const STATUS = { ready: 0x80, eraseError: 0x20, programError: 0x10 } as const;
const MANUFACTURER_INTEL = 0x89;
const DEVICE_CODE = 0x18;

const MODES = ['array', 'status', 'identifier', 'query'] as const;
type Mode = (typeof MODES)[number];

/** A write that waits in the chips' buffers for its confirmation. */
interface Buffered {
  readonly offset: number;
  readonly size: AccessSize;
  readonly value: number;
}

/**
 * A bank of parallel NOR flash with the common flash interface and Intel's command set (JEDEC JESD68.01; CFI publication 100),
 * as `virt` has two of them: two 16-bit chips side by side. As in QEMU, programming stores what is written, where real
 * chips could only clear bits, and commands take no time.
 */
export class Flash implements Device {
  readonly registers = REGISTERS;
  readonly #size: number;
  readonly #store: FlashStore | undefined;
  readonly #query: Uint8Array;
  /** Blocks that were read or changed; what they were at first is in `#original` once they changed. */
  readonly #blocks = new Map<number, Uint8Array>();
  readonly #original = new Map<number, Uint8Array>();
  #mode: Mode = 'array';
  #status: number = STATUS.ready;
  /** Command whose further words are still to come, 0 for none. */
  #command = 0;
  /** Words that a buffered program still brings; null while it has not said how many. */
  #wordsLeft: number | null = null;
  #buffer: Buffered[] = [];

  /** Without a store the bank begins as zeros, and forgets what it holds with the machine. */
  constructor(size: number, store?: FlashStore) {
    this.#size = size;
    this.#store = store;
    this.#query = queryTable(size);
  }

  registerName(): string | undefined {
    return this.#mode;
  }

  read(offset: number, size: AccessSize): number {
    return this.peek(offset, size);
  }

  peek(offset: number, size: AccessSize): number {
    switch (this.#mode) {
      case 'array':
        return this.#array(offset, size);
      case 'status':
        // Each chip that the access reaches gives its own.
        return size === BANK_BYTES ? this.#status | (this.#status << 16) : this.#status;
      case 'identifier':
        return bytesOf(offset, size, (index) => [MANUFACTURER_INTEL, DEVICE_CODE][index & 0xff] ?? 0);
      case 'query':
        return bytesOf(offset, size, (index) => this.#query[index] ?? 0);
    }
  }

  write(offset: number, size: AccessSize, value: number): void {
    const word = value & 0xff;
    switch (this.#command) {
      case 0:
        this.#begin(word, offset);
        break;
      case COMMAND.program:
      case COMMAND.programAlternate:
        this.#program([{ offset, size, value }]);
        this.#end(STATUS.ready);
        break;
      case COMMAND.bufferedProgram:
        this.#continueBuffered(offset, size, value);
        break;
      case COMMAND.erase:
        // The block went with the first word, as in QEMU.
        if (word === CONFIRM) this.#end(STATUS.ready);
        else this.#readArray();
        break;
      default:
        // Locking, which these chips allow and do not heed: 0x01 and the confirmation end it well.
        if (word === CONFIRM || word === 1) this.#end(STATUS.ready);
        else this.#readArray();
    }
  }

  /** What it holds outlasts a reset. */
  reset(): void {
    this.#readArray();
    this.#status = STATUS.ready;
    this.#buffer = [];
    this.#wordsLeft = null;
  }

  /** Of its contents what changed since the machine began. */
  save(): Saved {
    return {
      version: 2,
      mode: this.#mode,
      status: this.#status,
      command: this.#command,
      wordsLeft: this.#wordsLeft ?? -1,
      buffer: this.#buffer.map((buffered) => ({ version: 1, ...buffered })),
      blocks: [...this.#original.keys()]
        .sort((a, b) => a - b)
        .map((index) => ({ version: 1, index, data: this.#block(index).slice() })),
    };
  }

  restore(saved: Saved): void {
    const from = new SavedReader(saved, 'the flash', 2);
    const mode = MODES.find((known) => known === from.string('mode'));
    const blocks = from.sections('blocks', { maximum: this.#size / BLOCK_SIZE }).map((section) => {
      const block = new SavedReader(section, 'the flash', 1);
      return { index: block.number('index'), data: block.bytes('data', BLOCK_SIZE) };
    });
    const buffer = from.sections('buffer', { maximum: BUFFER_BYTES }).map((section) => {
      const word = new SavedReader(section, 'the flash', 1);
      return {
        offset: word.number('offset'),
        size: word.number('size') as AccessSize,
        value: word.number('value'),
      };
    });
    const isBlock = ({ index, data }: (typeof blocks)[number]): boolean =>
      Number.isInteger(index) && index >= 0 && index < this.#size / BLOCK_SIZE && data.length === BLOCK_SIZE;
    const isWrite = ({ offset, size }: Buffered): boolean =>
      [1, 2, 4].includes(size) && Number.isInteger(offset) && offset >= 0 && offset + size <= this.#size;
    if (mode === undefined || !blocks.every(isBlock) || !buffer.every(isWrite)) {
      throw new VmError('bad-file', 'saved state of the flash: a mode, a block or a word that there is not');
    }
    this.#mode = mode;
    this.#status = from.number('status');
    this.#command = from.number('command');
    const wordsLeft = from.number('wordsLeft');
    this.#wordsLeft = wordsLeft < 0 ? null : wordsLeft;
    this.#buffer = buffer;
    // What changed here since is as it was, but for what had changed there.
    const changed = new Map([...this.#original, ...blocks.map(({ index, data }) => [index, data] as const)]);
    for (const [index, data] of changed) {
      this.#change(index).set(data);
      this.#keep(index * BLOCK_SIZE, BLOCK_SIZE);
    }
  }

  get #isReadOnly(): boolean {
    return this.#store?.readOnly ?? false;
  }

  #array(offset: number, size: AccessSize): number {
    let value = 0;
    for (let byte = 0; byte < size && offset + byte < this.#size; byte += 1) {
      const at = offset + byte;
      value |= this.#block(Math.floor(at / BLOCK_SIZE))[at % BLOCK_SIZE]! << (8 * byte);
    }
    return value >>> 0;
  }

  #begin(command: number, offset: number): void {
    switch (command) {
      case COMMAND.program:
      case COMMAND.programAlternate:
      case COMMAND.lock:
        this.#await(command);
        break;
      case COMMAND.erase:
        this.#erase(Math.floor(offset / BLOCK_SIZE));
        this.#await(command);
        break;
      case COMMAND.bufferedProgram:
        this.#status |= STATUS.ready;
        this.#wordsLeft = null;
        this.#buffer = [];
        this.#await(command);
        break;
      case COMMAND.readStatus:
        this.#mode = 'status';
        break;
      case COMMAND.readIdentifier:
        this.#mode = 'identifier';
        break;
      case COMMAND.query:
        this.#mode = 'query';
        break;
      case COMMAND.clearStatus:
        this.#status = 0;
        this.#mode = 'array';
        break;
      default:
        // Read array, the AMD probes 0x00 and 0xf0, and commands these chips do not know.
        this.#mode = 'array';
    }
  }

  #await(command: number): void {
    this.#command = command;
    this.#mode = 'status';
  }

  #end(status: number): void {
    this.#status |= status;
    this.#command = 0;
  }

  #readArray(): void {
    this.#command = 0;
    this.#mode = 'array';
  }

  /** A count, one less than the words that follow; the words; a confirmation. Nothing is programmed before it. */
  #continueBuffered(offset: number, size: AccessSize, value: number): void {
    if (this.#wordsLeft === null) {
      this.#wordsLeft = (value & 0xffff) + 1;
    } else if (this.#wordsLeft > 0) {
      this.#wordsLeft -= 1;
      // Words beyond the buffer, or of another part of the chips than the first, spoil the whole program.
      const fits =
        (this.#buffer.length + 1) * size <= BUFFER_BYTES &&
        bufferAt(offset) === bufferAt(this.#buffer[0]?.offset ?? offset);
      if (fits && !this.#isReadOnly) this.#buffer.push({ offset, size, value });
      else this.#status |= STATUS.programError;
      this.#status |= STATUS.ready;
    } else if ((value & 0xff) === CONFIRM && (this.#status & STATUS.programError) === 0) {
      this.#program(this.#buffer);
      this.#buffer = [];
      this.#end(STATUS.ready);
    } else {
      this.#buffer = [];
      this.#readArray();
    }
  }

  #program(writes: readonly Buffered[]): void {
    if (this.#isReadOnly) {
      this.#status |= STATUS.programError;
      return;
    }
    for (const { offset, size, value } of writes) {
      for (let byte = 0; byte < size && offset + byte < this.#size; byte += 1) {
        const at = offset + byte;
        this.#change(Math.floor(at / BLOCK_SIZE))[at % BLOCK_SIZE] = (value >>> (8 * byte)) & 0xff;
      }
    }
    // A program lies within one of the chips' buffers, and so within a block.
    const starts = writes.map(({ offset }) => offset);
    const end = Math.max(...writes.map(({ offset, size }) => offset + size));
    if (starts.length > 0) this.#keep(Math.min(...starts), end - Math.min(...starts));
  }

  #erase(index: number): void {
    this.#status |= STATUS.ready;
    if (this.#isReadOnly) {
      this.#status |= STATUS.eraseError;
      return;
    }
    this.#change(index).fill(0xff);
    this.#keep(index * BLOCK_SIZE, BLOCK_SIZE);
  }

  #block(index: number): Uint8Array {
    let block = this.#blocks.get(index);
    if (block === undefined) {
      block = new Uint8Array(BLOCK_SIZE);
      const start = index * BLOCK_SIZE;
      const there = Math.max(0, Math.min(BLOCK_SIZE, (this.#store?.size ?? 0) - start));
      if (there > 0) this.#store!.read(start, block.subarray(0, there));
      this.#blocks.set(index, block);
    }
    return block;
  }

  /** A block about to be changed. */
  #change(index: number): Uint8Array {
    const block = this.#block(index);
    if (!this.#original.has(index)) this.#original.set(index, block.slice());
    return block;
  }

  /** Writes through to the store, whole sectors. */
  #keep(start: number, length: number): void {
    if (this.#store === undefined || this.#isReadOnly) return;
    const first = start - (start % SECTOR);
    const end = Math.min(this.#store.size, Math.ceil((start + length) / SECTOR) * SECTOR);
    const index = Math.floor(first / BLOCK_SIZE);
    if (end > first) {
      this.#store.write(first, this.#block(index).subarray(first % BLOCK_SIZE, end - index * BLOCK_SIZE));
    }
  }
}

const SECTOR = 512;
const bufferAt = (offset: number): number => Math.floor(offset / BUFFER_BYTES);

/** What an access sees of a table that each chip answers with in its low byte: an entry a bank word. */
function bytesOf(offset: number, size: AccessSize, entry: (index: number) => number): number {
  let value = 0;
  for (let byte = 0; byte < size; byte += 1) {
    const at = offset + byte;
    if (at % (BANK_BYTES / CHIPS) === 0) value |= entry(Math.floor(at / BANK_BYTES)) << (8 * byte);
  }
  return value >>> 0;
}

const REGISTERS: readonly RegisterDescription[] = [];

/** The chips' CFI query table, a byte an address (JESD68.01, "CFI Query Identification String" and what follows). */
function queryTable(bankSize: number): Uint8Array {
  const table = new Uint8Array(0x52);
  const put = (address: number, ...bytes: number[]): void => table.set(bytes, address);
  const blocks = bankSize / BLOCK_SIZE;
  const chipBlock = BLOCK_SIZE / CHIPS;
  const chipSize = bankSize / CHIPS;
  put(0x10, ...ascii('QRY'), 0x01, 0x00, 0x31, 0x00);
  // Supply voltage 4.5 to 5.5 V; timeouts of programming and erasing as powers of two, typical then maximal.
  put(0x1b, 0x45, 0x55, 0x00, 0x00, 0x07, 0x07, 0x0a, 0x00, 0x04, 0x04, 0x04, 0x00);
  // Size, interface of 8 or 16 bits, write buffer of 2 KiB, one region of equal blocks.
  put(0x27, Math.log2(chipSize), 0x02, 0x00, 0x0b, 0x00, 0x01);
  put(0x2d, (blocks - 1) & 0xff, (blocks - 1) >> 8, (chipBlock >> 8) & 0xff, chipBlock >> 16);
  put(0x31, ...ascii('PRI10'));
  put(0x3f, 0x01);
  return table;
}

const ascii = (text: string): number[] => [...text].map((character) => character.charCodeAt(0));
