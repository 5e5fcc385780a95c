import { assert } from '../base/assert.ts';
import type { GuestMemory } from '../contracts/memory.ts';
import { createDecoded, type DecodeInto } from '../isa/decode.ts';
import type { HandlerForms } from './interpreter.ts';
import { SPECIAL } from './interpreter-loop.ts';
import { RECORD, RECORD_SIZE, SCRATCH_REGISTER } from './layout.ts';

/** Behind these, straight code does not go on. */
const ENDS_STRAIGHT_CODE: ReadonlySet<string> = new Set(['jalr', 'mret', 'sret']);
/** Offset of an instruction outside a page: all its targets are far. */
export const NO_PAGE = -1;

/** Writes pre-decoded records into linear memory. */
export class RecordWriter {
  readonly #u16: Uint16Array;
  readonly #i32: Int32Array;
  readonly #forms: readonly HandlerForms[];
  readonly #decode: DecodeInto;
  readonly #decoded = createDecoded();

  /** `decode`: false for what is illegal in this machine. */
  constructor(memory: GuestMemory, forms: readonly HandlerForms[], decode: DecodeInto) {
    this.#u16 = new Uint16Array(memory.memory.buffer);
    this.#i32 = new Int32Array(memory.memory.buffer);
    this.#forms = forms;
    this.#decode = decode;
  }

  writeSpecial(record: number, special: number): void {
    this.#u16[(record + RECORD.op) >>> 1] = special;
  }

  /**
   * Writes the record of the instruction that begins with these 32 bits (of a compressed one only the low 16
   * count), which stands at `offset` of its page or at `NO_PAGE`. Returns its length when straight code goes on
   * behind it, else 0.
   */
  write(record: number, raw: number, offset: number): 0 | 2 | 4 {
    const decoded = this.#decoded;
    if (!this.#decode(decoded, raw)) {
      this.writeSpecial(record, SPECIAL.illegal);
      this.#i32[(record + RECORD.raw) >>> 2] = (raw & 3) === 3 ? raw : raw & 0xffff;
      return 0;
    }
    const { length, imm } = decoded;
    const forms = this.#forms[decoded.index]!;
    const target = offset + imm;
    const near = forms.near !== null && offset !== NO_PAGE && target >= 0 && target < 4096;
    const op = (near ? forms.near! : forms.far)[length];
    assert(op >= 0, `${decoded.instruction.name} has a form of ${length} bytes`);
    const rd = forms.writesX && decoded.rd === 0 ? SCRATCH_REGISTER : decoded.rd;
    this.#u16[(record + RECORD.op) >>> 1] = op;
    this.#u16[(record + RECORD.rd) >>> 1] = rd * 8;
    this.#u16[(record + RECORD.rs1) >>> 1] = decoded.rs1 * 8;
    this.#u16[(record + RECORD.rs2) >>> 1] = decoded.rs2 * 8;
    // A record for each 2 bytes: a near target's distance in records.
    this.#i32[(record + RECORD.imm) >>> 2] = near ? (imm / 2) * RECORD_SIZE : imm;
    this.#i32[(record + RECORD.raw) >>> 2] = decoded.raw;
    if (ENDS_STRAIGHT_CODE.has(decoded.instruction.name)) return 0;
    if (decoded.instruction.name === 'jal' && decoded.rd === 0) return 0;
    return length;
  }
}
