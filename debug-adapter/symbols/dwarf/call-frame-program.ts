import type { ByteReader } from '../../../vmm/base/bytes.ts';
import { ABSOLUTE_POINTER } from './pointer-encoding.ts';
import type { DwarfSections } from './sections.ts';

/** How the canonical frame address is computed. */
export type CfaRule =
  | { readonly kind: 'register'; readonly register: number; readonly offset: bigint }
  | { readonly kind: 'expression'; readonly expression: Uint8Array }
  | { readonly kind: 'undefined' };

/** How a register of the caller is found (DWARF 5, section 6.4.1, "register rules"). */
export type RegisterRule =
  | { readonly kind: 'undefined' }
  | { readonly kind: 'same' }
  /** Saved at CFA + offset. */
  | { readonly kind: 'offset'; readonly offset: bigint }
  /** Is CFA + offset. */
  | { readonly kind: 'valOffset'; readonly offset: bigint }
  | { readonly kind: 'register'; readonly register: number }
  /** Saved where the expression says; computed with the CFA on the stack. */
  | { readonly kind: 'expression'; readonly expression: Uint8Array }
  | { readonly kind: 'valExpression'; readonly expression: Uint8Array };

/** A common information entry (DWARF 5, section 6.4.1). */
export interface CommonEntry {
  readonly codeAlignment: number;
  readonly dataAlignment: bigint;
  readonly returnAddressRegister: number;
  readonly pointerEncoding: number;
  readonly isSignalFrame: boolean;
  readonly hasAugmentationData: boolean;
  /** Its initial instructions, as offsets in the section. */
  readonly program: number;
  readonly programEnd: number;
}

export function readCommonEntry(
  sections: DwarfSections,
  section: '.debug_frame' | '.eh_frame',
  offset: number,
  isEh: boolean,
): CommonEntry {
  const outer = sections.reader(section, offset);
  let length = outer.u32();
  const dwarf64 = length === 0xffff_ffff;
  if (dwarf64) length = outer.size64();
  const programEnd = outer.offset + length;
  if (programEnd > outer.end) throw outer.error('a common frame entry is longer than its section');
  const reader = outer.at(outer.offset, programEnd);
  reader.skip(dwarf64 && !isEh ? 8 : 4);
  const version = reader.u8();
  if (version !== 1 && version !== 3 && version !== 4) {
    throw reader.error(`a common frame entry of unknown version ${version}`);
  }
  const augmentation = reader.cstring();
  if (version === 4) reader.skip(2); // address and segment selector size
  const codeAlignment = reader.uleb();
  const dataAlignment = reader.slebBig();
  const returnAddressRegister = version === 1 ? reader.u8() : reader.uleb();
  let pointerEncoding: number = ABSOLUTE_POINTER;
  let isSignalFrame = false;
  const hasAugmentationData = augmentation.startsWith('z');
  if (hasAugmentationData) {
    const dataEnd = reader.uleb() + reader.offset;
    for (const letter of augmentation.slice(1)) {
      if (letter === 'R') pointerEncoding = reader.u8();
      else if (letter === 'L') reader.skip(1);
      else if (letter === 'P') skipPersonality(reader);
      else if (letter === 'S') isSignalFrame = true;
      else break; // the length tells where the instructions start whatever else there is
    }
    reader.seek(dataEnd);
  } else if (augmentation === 'S') {
    isSignalFrame = true; // what assemblers write in .debug_frame, where no augmentation has data
  } else if (augmentation !== '') {
    throw reader.error(`a common frame entry with the unknown augmentation "${augmentation}"`);
  }
  return {
    codeAlignment,
    dataAlignment,
    returnAddressRegister,
    pointerEncoding,
    isSignalFrame,
    hasAugmentationData,
    program: reader.offset,
    programEnd,
  };
}

function skipPersonality(reader: ByteReader): void {
  const format = reader.u8() & 0x0f;
  if (format === 0x01 || format === 0x09) reader.ulebBig();
  else reader.skip(format === 0x02 || format === 0x0a ? 2 : format === 0x03 || format === 0x0b ? 4 : 8);
}

/** Call frame instructions (DWARF 5, section 6.4.2); the first three carry an operand in their low six bits. */
const CFA = {
  advanceLoc: 0x40,
  offset: 0x80,
  restore: 0xc0,
  nop: 0x00,
  setLoc: 0x01,
  advanceLoc1: 0x02,
  advanceLoc2: 0x03,
  advanceLoc4: 0x04,
  offsetExtended: 0x05,
  restoreExtended: 0x06,
  undefined: 0x07,
  sameValue: 0x08,
  register: 0x09,
  rememberState: 0x0a,
  restoreState: 0x0b,
  defCfa: 0x0c,
  defCfaRegister: 0x0d,
  defCfaOffset: 0x0e,
  defCfaExpression: 0x0f,
  expression: 0x10,
  offsetExtendedSf: 0x11,
  defCfaSf: 0x12,
  defCfaOffsetSf: 0x13,
  valOffset: 0x14,
  valOffsetSf: 0x15,
  valExpression: 0x16,
  gnuArgsSize: 0x2e,
  gnuNegativeOffsetExtended: 0x2f,
} as const;

export interface FrameState {
  readonly start: bigint;
  readonly end: bigint;
  readonly cfa: CfaRule;
  readonly registers: ReadonlyMap<number, RegisterRule>;
}

export interface FrameProgram {
  readonly common: { readonly reader: ByteReader; readonly entry: CommonEntry };
  readonly own: ByteReader;
  readonly start: bigint;
  readonly pc: bigint;
  readonly readAddress: (reader: ByteReader) => bigint;
}

/** Runs the instructions up to the row that holds `pc`. Each takes at least a byte, so the work is bounded. */
export function runInstructions(program: FrameProgram): FrameState {
  const machine = new FrameMachine(program);
  machine.run(program.common.reader);
  machine.keepInitial();
  machine.run(program.own);
  return machine.state();
}

/** More remembered states than this exist only in damaged files, where each could copy a large table. */
const REMEMBERED_MAX = 64;

class FrameMachine {
  readonly #program: FrameProgram;
  #start: bigint;
  #end = (1n << 64n) - 1n;
  #cfa: CfaRule = { kind: 'undefined' };
  #registers = new Map<number, RegisterRule>();
  #initial: ReadonlyMap<number, RegisterRule> = new Map();
  readonly #remembered: { cfa: CfaRule; registers: Map<number, RegisterRule> }[] = [];

  constructor(program: FrameProgram) {
    this.#program = program;
    this.#start = program.start;
  }

  keepInitial(): void {
    this.#initial = new Map(this.#registers);
  }

  state(): FrameState {
    return { start: this.#start, end: this.#end, cfa: this.#cfa, registers: this.#registers };
  }

  run(reader: ByteReader): void {
    const { codeAlignment } = this.#program.common.entry;
    while (!reader.atEnd) {
      const opcode = reader.u8();
      const low = opcode & 0x3f;
      let next: bigint | undefined;
      switch (opcode & 0xc0 || opcode) {
        case CFA.advanceLoc:
          next = this.#start + BigInt(low * codeAlignment);
          break;
        case CFA.setLoc:
          next = this.#program.readAddress(reader);
          break;
        case CFA.advanceLoc1:
          next = this.#start + BigInt(reader.u8() * codeAlignment);
          break;
        case CFA.advanceLoc2:
          next = this.#start + BigInt(reader.u16() * codeAlignment);
          break;
        case CFA.advanceLoc4:
          next = this.#start + BigInt(reader.u32() * codeAlignment);
          break;
        default:
          this.#rule(reader, opcode, low);
      }
      if (next === undefined) continue;
      if (next > this.#program.pc) {
        this.#end = next;
        return;
      }
      this.#start = next;
    }
  }

  #rule(reader: ByteReader, opcode: number, low: number): void {
    const scale = this.#program.common.entry.dataAlignment;
    const set = (register: number, rule: RegisterRule): unknown => this.#registers.set(register, rule);
    switch (opcode & 0xc0 || opcode) {
      case CFA.offset:
        set(low, { kind: 'offset', offset: reader.ulebBig() * scale });
        return;
      case CFA.restore:
        this.#restore(low);
        return;
      case CFA.nop:
        return;
      case CFA.offsetExtended:
        set(reader.uleb(), { kind: 'offset', offset: reader.ulebBig() * scale });
        return;
      case CFA.offsetExtendedSf:
        set(reader.uleb(), { kind: 'offset', offset: reader.slebBig() * scale });
        return;
      case CFA.gnuNegativeOffsetExtended:
        set(reader.uleb(), { kind: 'offset', offset: -reader.ulebBig() * scale });
        return;
      case CFA.valOffset:
        set(reader.uleb(), { kind: 'valOffset', offset: reader.ulebBig() * scale });
        return;
      case CFA.valOffsetSf:
        set(reader.uleb(), { kind: 'valOffset', offset: reader.slebBig() * scale });
        return;
      case CFA.restoreExtended:
        this.#restore(reader.uleb());
        return;
      case CFA.undefined:
        set(reader.uleb(), { kind: 'undefined' });
        return;
      case CFA.sameValue:
        set(reader.uleb(), { kind: 'same' });
        return;
      case CFA.register:
        set(reader.uleb(), { kind: 'register', register: reader.uleb() });
        return;
      case CFA.expression:
        set(reader.uleb(), { kind: 'expression', expression: reader.take(reader.uleb()) });
        return;
      case CFA.valExpression:
        set(reader.uleb(), { kind: 'valExpression', expression: reader.take(reader.uleb()) });
        return;
      case CFA.rememberState:
        if (this.#remembered.length === REMEMBERED_MAX)
          throw reader.error('too many remembered frame states');
        this.#remembered.push({ cfa: this.#cfa, registers: new Map(this.#registers) });
        return;
      case CFA.restoreState:
        this.#restoreState(reader);
        return;
      case CFA.gnuArgsSize:
        reader.uleb();
        return;
      default:
        this.#cfaRule(reader, opcode, scale);
    }
  }

  #cfaRule(reader: ByteReader, opcode: number, scale: bigint): void {
    switch (opcode) {
      case CFA.defCfa:
        this.#cfa = { kind: 'register', register: reader.uleb(), offset: reader.ulebBig() };
        return;
      case CFA.defCfaSf:
        this.#cfa = { kind: 'register', register: reader.uleb(), offset: reader.slebBig() * scale };
        return;
      case CFA.defCfaRegister:
        this.#cfa = { kind: 'register', register: reader.uleb(), offset: this.#cfaOffset() };
        return;
      case CFA.defCfaOffset:
        this.#cfa = { kind: 'register', register: this.#cfaRegister(), offset: reader.ulebBig() };
        return;
      case CFA.defCfaOffsetSf:
        this.#cfa = { kind: 'register', register: this.#cfaRegister(), offset: reader.slebBig() * scale };
        return;
      case CFA.defCfaExpression:
        this.#cfa = { kind: 'expression', expression: reader.take(reader.uleb()) };
        return;
      default:
        throw reader.error(`an unknown call frame instruction 0x${opcode.toString(16)}`);
    }
  }

  #cfaOffset(): bigint {
    return this.#cfa.kind === 'register' ? this.#cfa.offset : 0n;
  }

  #cfaRegister(): number {
    return this.#cfa.kind === 'register' ? this.#cfa.register : 2; // sp
  }

  #restore(register: number): void {
    const initial = this.#initial.get(register);
    if (initial === undefined) this.#registers.delete(register);
    else this.#registers.set(register, initial);
  }

  #restoreState(reader: ByteReader): void {
    const state = this.#remembered.pop();
    if (state === undefined) throw reader.error('a frame state is restored that was not remembered');
    this.#cfa = state.cfa;
    this.#registers = state.registers;
  }
}
