import type { FrameRegisters, HartView } from './model.ts';

/** Instructions followed: a trap handler that saves all 63 registers takes about 70. */
const INSTRUCTIONS_MAX = 256;

/** Place of a register's entry value: in the register still, or saved at an offset from the present base of the stack. */
type Save = { readonly register: number; readonly slot: bigint };

/**
 * Registers as they were at the entry of hand-written assembly without call frame information, found by following its
 * straight-line code from `start` to `registers.pc`: stack pointer changes, register saves, and an exchange of sp with a
 * scratch register at the entry of a trap handler. Registers that were saved are read back from the stack, those
 * that were not touched keep their value, others are undefined. Undefined without a stack pointer. The code is followed up to its first jump or change of sp
 * to something unknown; saves after that are not found.
 */
export async function recoverEntry(
  start: bigint,
  registers: FrameRegisters,
  hart: HartView,
): Promise<FrameRegisters | undefined> {
  const length = Number(registers.pc - start);
  const code = await hart.readMemory(start, Math.min(length, INSTRUCTIONS_MAX * 4));
  const tracker = new StackTracker();
  let offset = 0;
  while (offset + 2 <= code.length) {
    const half = code[offset]! | (code[offset + 1]! << 8);
    if ((half & 3) !== 3) {
      if (!tracker.compressed(half)) break;
      offset += 2;
      continue;
    }
    if (offset + 4 > code.length) break;
    const word = (half | (code[offset + 2]! << 16) | (code[offset + 3]! << 24)) >>> 0;
    if (!tracker.full(word)) break;
    offset += 4;
  }
  return await tracker.entry(registers, hart);
}

/** Tracks sp as an offset from its value at the entry, or from that of the scratch register it was exchanged with. */
class StackTracker {
  /** sp now, less sp at the base (the entry, or after the exchange). */
  #delta = 0n;
  /** The CSR that holds the interrupted sp since `csrrw sp, xscratch, sp`. */
  #scratch: 'sscratch' | 'mscratch' | undefined;
  readonly #saves: Save[] = [];
  /** Registers overwritten before the point reached, whose entry value is gone unless it was saved. */
  readonly #clobbered = new Set<number>();
  /** Registers that hold the interrupted sp, read back from the scratch register. */
  readonly #copies = new Map<number, 'sp'>();

  /** False: the code stops being straight, and what is known so far must do. */
  full(word: number): boolean {
    const opcode = word & 0x7f;
    const rd = (word >>> 7) & 31;
    const rs1 = (word >>> 15) & 31;
    const funct3 = (word >>> 12) & 7;
    if (opcode === OPCODE.store && funct3 === 3 && rs1 === SP) {
      this.#save((word >>> 20) & 31, BigInt(((word >> 25) << 5) | rd));
      return true;
    }
    if (opcode === OPCODE.opImm && funct3 === 0 && rd === SP && rs1 === SP) {
      this.#delta += BigInt(word >> 20);
      return true;
    }
    if (opcode === OPCODE.system && funct3 === 1 && rd === SP && rs1 === SP) {
      return this.#exchange(word >>> 20);
    }
    if (opcode === OPCODE.system && funct3 === 2 && rs1 === 0 && SCRATCH.get(word >>> 20) === this.#scratch) {
      this.#set(rd);
      if (this.#scratch !== undefined) this.#copies.set(rd, 'sp');
      return true;
    }
    if (opcode === OPCODE.branch || opcode === OPCODE.jal || opcode === OPCODE.jalr) return false;
    if (WRITES_RD.has(opcode) || opcode === OPCODE.system) return this.#set(rd);
    return true; // stores elsewhere, fences, float operations
  }

  compressed(half: number): boolean {
    const quadrant = half & 3;
    const funct3 = half >>> 13;
    if (quadrant === 2 && funct3 === 7) {
      // c.sdsp
      this.#save((half >>> 2) & 31, BigInt((((half >>> 10) & 7) << 3) | (((half >>> 7) & 7) << 6)));
      return true;
    }
    if (quadrant === 1 && funct3 === 3 && ((half >>> 7) & 31) === SP) {
      this.#delta += addi16sp(half);
      return true;
    }
    if (quadrant === 1 && (funct3 === 0 || funct3 === 1 || funct3 === 2 || funct3 === 3)) {
      const rd = (half >>> 7) & 31;
      if (rd === SP && funct3 === 0) {
        this.#delta += BigInt(((half >>> 2) & 31) - (half & 0x1000 ? 32 : 0));
        return true;
      }
      return this.#set(rd);
    }
    if (quadrant === 0 && funct3 === 0) return this.#set(8 + ((half >>> 2) & 7)); // c.addi4spn
    if (quadrant === 0 && (funct3 === 2 || funct3 === 3)) return this.#set(8 + ((half >>> 2) & 7)); // loads
    if (quadrant === 1 && funct3 === 4) return this.#set(8 + ((half >>> 7) & 7)); // arithmetic
    if (quadrant === 2 && (funct3 === 0 || funct3 === 2 || funct3 === 3)) return this.#set((half >>> 7) & 31);
    if (quadrant === 2 && funct3 === 4 && ((half >>> 2) & 31) !== 0) return this.#set((half >>> 7) & 31); // c.mv, c.add
    if ((quadrant === 1 && funct3 >= 5) || (quadrant === 2 && funct3 === 4)) return false; // jumps and branches
    return true; // stores elsewhere
  }

  async entry(registers: FrameRegisters, hart: HartView): Promise<FrameRegisters | undefined> {
    const sp = registers.x[SP];
    if (sp === undefined) return undefined;
    const base = BigInt.asUintN(64, sp - this.#delta);
    const x = registers.x.map((value, index) => (this.#clobbered.has(index) ? undefined : value));
    x[SP] = this.#scratch === undefined ? base : await hart.readCsr(this.#scratch);
    for (const { register, slot } of this.#saves) {
      const bytes = await hart.readMemory(BigInt.asUintN(64, base + slot), 8);
      if (bytes.length < 8) continue;
      const value = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
      x[register] = value;
    }
    return { pc: registers.pc, x, f: registers.f };
  }

  #save(register: number, offset: bigint): void {
    const slot = this.#delta + offset;
    const copied = this.#copies.get(register);
    if (copied !== undefined) this.#saves.push({ register: SP, slot });
    else if (!this.#clobbered.has(register) && register !== SP && register !== 0)
      this.#saves.push({ register, slot });
  }

  #exchange(csr: number): boolean {
    const name = SCRATCH.get(csr);
    if (name === undefined || this.#scratch !== undefined || this.#delta !== 0n) return false;
    this.#scratch = name;
    return true;
  }

  /** A register other than sp is overwritten. False when it is sp, which then cannot be followed. */
  #set(register: number): boolean {
    if (register === SP) return false;
    this.#copies.delete(register);
    if (register !== 0) this.#clobbered.add(register);
    return true;
  }
}

const SP = 2;

/** Major opcodes (RISC-V unprivileged, "RV32/64G Instruction Set Listings"). */
const OPCODE = {
  load: 0x03,
  opImm: 0x13,
  auipc: 0x17,
  opImm32: 0x1b,
  store: 0x23,
  amo: 0x2f,
  op: 0x33,
  lui: 0x37,
  op32: 0x3b,
  branch: 0x63,
  jalr: 0x67,
  jal: 0x6f,
  system: 0x73,
} as const;

const WRITES_RD: ReadonlySet<number> = new Set([
  OPCODE.load,
  OPCODE.opImm,
  OPCODE.auipc,
  OPCODE.opImm32,
  OPCODE.amo,
  OPCODE.op,
  OPCODE.lui,
  OPCODE.op32,
]);

const SCRATCH: ReadonlyMap<number, 'sscratch' | 'mscratch'> = new Map([
  [0x140, 'sscratch'],
  [0x340, 'mscratch'],
]);

/** Immediate of c.addi16sp: bits 9, 4, 6, 8:7, 5 (RISC-V unprivileged, "C" extension). */
function addi16sp(half: number): bigint {
  const value =
    (((half >>> 6) & 1) << 4) |
    (((half >>> 5) & 1) << 6) |
    (((half >>> 3) & 3) << 7) |
    (((half >>> 2) & 1) << 5);
  return BigInt(value - (half & 0x1000 ? 512 : 0));
}
