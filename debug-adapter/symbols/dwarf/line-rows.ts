import type { ByteReader } from '../../../vmm/base/bytes.ts';
import { type LineHeader, type LineSequence, ROW } from './line-program.ts';
import type { DwarfSections } from './sections.ts';

/** Standard opcodes (DWARF 5, section 6.2.5.2). */
const LNS = {
  copy: 1,
  advancePc: 2,
  advanceLine: 3,
  setFile: 4,
  setColumn: 5,
  negateStatement: 6,
  setBasicBlock: 7,
  constAddPc: 8,
  fixedAdvancePc: 9,
  setPrologueEnd: 10,
  setEpilogueBegin: 11,
  setIsa: 12,
} as const;

/** Extended opcodes (DWARF 5, section 6.2.5.3). */
const LNE = { endSequence: 1, setAddress: 2, defineFile: 3, setDiscriminator: 4 } as const;

/**
 * Runs a line-number program (DWARF 5, section 6.2). Every opcode takes at least a byte and appends at most one
 * row, so the work is bounded by the size of the section. A program that breaks off keeps the sequences before.
 */
export function runLineProgram(sections: DwarfSections, header: LineHeader): LineSequence[] {
  const machine = new LineMachine(sections, header);
  try {
    machine.run();
  } catch (error) {
    sections.report(error);
  }
  return machine.sequences;
}

class LineMachine {
  readonly sequences: LineSequence[] = [];
  readonly #header: LineHeader;
  readonly #reader: ByteReader;
  readonly #bias: bigint;
  #rows = new RowBuffer();
  /** The address register is `#base + #offset`: plain numbers do for all but the start of a sequence. */
  #base = 0n;
  #offset = 0;
  #operation = 0;
  #file = 1;
  #line = 1;
  #column = 0;
  #statement: boolean;
  /** Flags that hold for the next row only. */
  #once = 0;

  constructor(sections: DwarfSections, header: LineHeader) {
    this.#header = header;
    this.#reader = sections.reader('.debug_line', header.programStart).at(header.programStart, header.end);
    this.#bias = sections.bias;
    this.#statement = header.defaultIsStatement;
  }

  run(): void {
    const reader = this.#reader;
    const { opcodeBase, lineBase, lineRange } = this.#header;
    while (!reader.atEnd) {
      const opcode = reader.u8();
      if (opcode >= opcodeBase) {
        const adjusted = opcode - opcodeBase;
        this.#advance(Math.floor(adjusted / lineRange));
        this.#line += lineBase + (adjusted % lineRange);
        this.#append();
      } else if (opcode === 0) this.#extended();
      else this.#standard(opcode);
    }
  }

  #standard(opcode: number): void {
    const reader = this.#reader;
    switch (opcode) {
      case LNS.copy:
        this.#append();
        return;
      case LNS.advancePc:
        this.#advance(reader.uleb());
        return;
      case LNS.advanceLine:
        this.#line += reader.sleb();
        return;
      case LNS.setFile:
        this.#file = reader.uleb();
        return;
      case LNS.setColumn:
        this.#column = reader.uleb();
        return;
      case LNS.negateStatement:
        this.#statement = !this.#statement;
        return;
      case LNS.setBasicBlock:
        this.#once |= ROW.basicBlock;
        return;
      case LNS.constAddPc:
        this.#advance(Math.floor((255 - this.#header.opcodeBase) / this.#header.lineRange));
        return;
      case LNS.fixedAdvancePc:
        // Not scaled by the instruction length: what RISC-V assemblers emit, for linkers that relax code to patch.
        this.#offset += reader.u16();
        this.#operation = 0;
        return;
      case LNS.setPrologueEnd:
        this.#once |= ROW.prologueEnd;
        return;
      case LNS.setEpilogueBegin:
        this.#once |= ROW.epilogueBegin;
        return;
      case LNS.setIsa:
        reader.uleb();
        return;
      default:
        for (let count = this.#header.operandCounts[opcode]!; count > 0; count -= 1) reader.ulebBig();
    }
  }

  #extended(): void {
    const reader = this.#reader;
    const length = reader.uleb();
    if (length === 0) return;
    const next = reader.offset + length;
    if (next > reader.end) throw reader.error('an opcode reaches past its line table');
    switch (reader.u8()) {
      case LNE.endSequence:
        this.#once |= ROW.endSequence;
        this.#append();
        this.#finish();
        this.#reset();
        break;
      case LNE.setAddress:
        this.#setAddress(BigInt.asUintN(64, reader.unsigned(length - 1) + this.#bias));
        break;
      default: // Discriminators tell copies of a line apart, which nothing here asks; the rest are vendors' own.
    }
    reader.seek(next);
  }

  #setAddress(address: bigint): void {
    this.#operation = 0;
    if (this.#rows.length > 0) {
      const distance = address - this.#base;
      if (distance >= 0n && distance <= BigInt(Number.MAX_SAFE_INTEGER)) {
        this.#offset = Number(distance);
        return;
      }
      // Backwards in the middle of a sequence: no compiler does so; what came before ends at its last row.
      this.#once = ROW.endSequence;
      this.#append();
      this.#finish();
    }
    this.#base = address;
    this.#offset = 0;
  }

  /** Operation advance (DWARF 5, section 6.2.5.1), which for all but VLIW machines is an advance of the address. */
  #advance(operations: number): void {
    const { minimumInstructionLength, maximumOperations } = this.#header;
    if (maximumOperations === 1) {
      this.#offset += minimumInstructionLength * operations;
      return;
    }
    const total = this.#operation + operations;
    this.#offset += minimumInstructionLength * Math.floor(total / maximumOperations);
    this.#operation = total % maximumOperations;
  }

  #append(): void {
    const flags = this.#once | (this.#statement ? ROW.statement : 0);
    this.#rows.push(this.#offset, this.#file, this.#line, this.#column, flags);
    this.#once = 0;
  }

  #finish(): void {
    const sequence = this.#rows.finish(this.#base);
    if (sequence !== undefined) this.sequences.push(sequence);
    this.#rows = new RowBuffer();
  }

  #reset(): void {
    this.#base = this.#bias;
    this.#offset = 0;
    this.#operation = 0;
    this.#file = 1;
    this.#line = 1;
    this.#column = 0;
    this.#statement = this.#header.defaultIsStatement;
    this.#once = 0;
  }
}

class RowBuffer {
  readonly #offsets: number[] = [];
  readonly #files: number[] = [];
  readonly #lines: number[] = [];
  readonly #columns: number[] = [];
  readonly #flags: number[] = [];
  #sorted = true;

  get length(): number {
    return this.#offsets.length;
  }

  push(offset: number, file: number, line: number, column: number, flags: number): void {
    if (offset < (this.#offsets.at(-1) ?? 0)) this.#sorted = false;
    this.#offsets.push(offset);
    this.#files.push(file);
    // Damaged programs can run below line 0; such rows count as "no line".
    this.#lines.push(Math.max(0, line));
    this.#columns.push(Math.min(column, 0xffff));
    this.#flags.push(flags);
  }

  /** The rows as a sequence; undefined when they cover no code. */
  finish(base: bigint): LineSequence | undefined {
    const count = this.length;
    if (count < 2) return undefined;
    const order = Array.from({ length: count }, (_, index) => index);
    // The last row stays the last: it says where the code ends. Array.prototype.sort is stable.
    const last = order.pop()!;
    if (!this.#sorted) order.sort((a, b) => this.#offsets[a]! - this.#offsets[b]!);
    order.push(last);
    const size = this.#offsets[last]!;
    if (!(size > 0)) return undefined;
    return {
      base,
      end: base + BigInt(size),
      offsets: Float64Array.from(order, (index) => this.#offsets[index]!),
      files: Uint32Array.from(order, (index) => this.#files[index]!),
      lines: Uint32Array.from(order, (index) => this.#lines[index]!),
      columns: Uint16Array.from(order, (index) => this.#columns[index]!),
      flags: Uint8Array.from(order, (index) => this.#flags[index]!),
    };
  }
}
