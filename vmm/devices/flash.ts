import type { AccessSize, Device, RegisterDescription, Saved } from '../contracts/device.ts';
import { SavedReader } from './saved.ts';

/** Bytes of one erase block of the bank, over both of its chips. */
const BLOCK_SIZE = 256 * 1024;
/** Chips of 16 bits side by side that make the 32-bit bank. */
const CHIPS = 2;
const CHIP_BITS = 16;
const BANK_BYTES = 4;

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

const STATUS = { ready: 0x80, eraseError: 0x20, programError: 0x10 } as const;
const MANUFACTURER_INTEL = 0x89;
const DEVICE_CODE = 0x18;

type Mode = 'array' | 'status' | 'identifier' | 'query';

/**
 * A bank of parallel NOR flash with the common flash interface and Intel's command set (JEDEC JESD68.01),
 * as `virt` has two of them: two 16-bit chips side by side. The bank is write-protected: programming and
 * erasing answer with the chips' error bits.
 */
export class Flash implements Device {
  readonly registers: readonly RegisterDescription[] = [];
  readonly #size: number;
  readonly #contents: Uint8Array;
  readonly #query: Uint8Array;
  #mode: Mode = 'array';
  #status = 0;
  /** Command whose second word is still to come, 0 for none. */
  #command = 0;
  /** Words a buffered program still brings, the confirmation counted. */
  #wordsLeft = 0;

  /** `contents` may be shorter than `size` bytes; the rest reads as zero, as QEMU's unattached flash does. */
  constructor(size: number, contents: Uint8Array = new Uint8Array(0)) {
    this.#size = size;
    this.#contents = contents;
    this.#query = queryTable(size);
  }

  registerName(): string | undefined {
    return this.#mode;
  }

  read(offset: number, size: AccessSize): number {
    return this.peek(offset, size);
  }

  peek(offset: number, size: AccessSize): number {
    let value = 0;
    for (let byte = 0; byte < size; byte += 1) value |= this.#byte(offset + byte) << (8 * byte);
    return value >>> 0;
  }

  write(_offset: number, _size: AccessSize, value: number): void {
    const word = value & 0xff;
    if (this.#command === 0) this.#begin(word);
    else this.#continue(word, value & 0xffff);
  }

  reset(): void {
    this.#mode = 'array';
    this.#status = 0;
    this.#command = 0;
    this.#wordsLeft = 0;
  }

  save(): Saved {
    const mode = MODES.indexOf(this.#mode);
    return { version: 1, mode, status: this.#status, command: this.#command, wordsLeft: this.#wordsLeft };
  }

  restore(saved: Saved): void {
    const from = new SavedReader(saved, 'the flash', 1);
    this.#mode = MODES[from.number('mode')] ?? 'array';
    this.#status = from.number('status');
    this.#command = from.number('command');
    this.#wordsLeft = from.number('wordsLeft');
  }

  /** One byte of what a bus read sees in the present mode; both chips answer alike but for the array. */
  #byte(offset: number): number {
    const lane = offset % (CHIP_BITS / 8);
    const index = Math.floor(offset / BANK_BYTES);
    switch (this.#mode) {
      case 'array':
        return offset < this.#size ? (this.#contents[offset] ?? 0) : 0;
      case 'status':
        return lane === 0 ? this.#status : 0;
      case 'identifier':
        return lane === 0 ? ([MANUFACTURER_INTEL, DEVICE_CODE][index & 0xff] ?? 0) : 0;
      case 'query':
        return lane === 0 ? (this.#query[index] ?? 0) : 0;
    }
  }

  #begin(command: number): void {
    switch (command) {
      case COMMAND.program:
      case COMMAND.programAlternate:
      case COMMAND.erase:
      case COMMAND.lock:
        this.#command = command;
        this.#mode = 'status';
        break;
      case COMMAND.bufferedProgram:
        this.#command = command;
        this.#status |= STATUS.ready;
        this.#mode = 'status';
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

  #continue(word: number, full: number): void {
    if (this.#command === COMMAND.bufferedProgram) {
      if (this.#wordsLeft === 0) {
        // The count is one less than the words that follow; the confirmation comes behind them.
        this.#wordsLeft = full + 2;
        return;
      }
      this.#wordsLeft -= 1;
      if (this.#wordsLeft > 0) return;
    }
    if (this.#command === COMMAND.erase) this.#status |= STATUS.eraseError;
    else if (this.#command !== COMMAND.lock) this.#status |= STATUS.programError;
    this.#status |= STATUS.ready;
    this.#command = 0;
    if (word === COMMAND.readArray) this.#mode = 'array';
  }
}

const MODES: readonly Mode[] = ['array', 'status', 'identifier', 'query'];

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
