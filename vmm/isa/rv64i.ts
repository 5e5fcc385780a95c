import type { Emitter, I32, I64, LoadWidth, StoreWidth } from './emitter.ts';
import { entriesOf, type Instruction } from './instruction.ts';

const entry = entriesOf('I');

/** RV64I (unprivileged, "RV32I Base Integer Instruction Set" and "RV64I"). */
export const RV64I: readonly Instruction[] = [
  entry('lui', 'U', 0x00000037, 'Loads a 20-bit immediate into bits 31:12 of rd, sign-extended.', (e) =>
    e.setX('rd', e.imm()),
  ),
  entry('auipc', 'U', 0x00000017, 'Adds a 20-bit immediate, shifted left by 12, to the pc.', (e) =>
    e.setX('rd', e.add(e.pc(), e.imm())),
  ),
  entry('jal', 'J', 0x0000006f, 'Jumps to a pc-relative address and puts the return address in rd.', (e) => {
    e.setX('rd', e.nextPc());
    e.jumpRelative();
  }),
  entry(
    'jalr',
    'jalr',
    0x00000067,
    'Jumps to rs1 plus an immediate and puts the return address in rd.',
    (e) => {
      // rd may be rs1. Bit 0 is cleared as the specification says; with C there is no misaligned target left.
      const target = e.bind(e.and(e.add(e.x('rs1'), e.imm()), e.i64(-2)));
      e.setX('rd', e.nextPc());
      e.jump(target);
    },
  ),

  entry(
    'beq',
    'B',
    0x00000063,
    'Branches if rs1 equals rs2.',
    branch((e, a, b) => e.eq(a, b)),
  ),
  entry(
    'bne',
    'B',
    0x00001063,
    'Branches if rs1 differs from rs2.',
    branch((e, a, b) => e.ne(a, b)),
  ),
  entry(
    'blt',
    'B',
    0x00004063,
    'Branches if rs1 is less than rs2, signed.',
    branch((e, a, b) => e.ltS(a, b)),
  ),
  entry(
    'bge',
    'B',
    0x00005063,
    'Branches if rs1 is at least rs2, signed.',
    branch((e, a, b) => e.geS(a, b)),
  ),
  entry(
    'bltu',
    'B',
    0x00006063,
    'Branches if rs1 is less than rs2, unsigned.',
    branch((e, a, b) => e.ltU(a, b)),
  ),
  entry(
    'bgeu',
    'B',
    0x00007063,
    'Branches if rs1 is at least rs2, unsigned.',
    branch((e, a, b) => e.geU(a, b)),
  ),

  entry('lb', 'load', 0x00000003, 'Loads a byte, sign-extended.', load('s8')),
  entry('lh', 'load', 0x00001003, 'Loads 16 bits, sign-extended.', load('s16')),
  entry('lw', 'load', 0x00002003, 'Loads 32 bits, sign-extended.', load('s32')),
  entry('ld', 'load', 0x00003003, 'Loads 64 bits.', load('64')),
  entry('lbu', 'load', 0x00004003, 'Loads a byte, zero-extended.', load('u8')),
  entry('lhu', 'load', 0x00005003, 'Loads 16 bits, zero-extended.', load('u16')),
  entry('lwu', 'load', 0x00006003, 'Loads 32 bits, zero-extended.', load('u32')),
  entry('sb', 'S', 0x00000023, 'Stores the low byte of rs2.', store('8')),
  entry('sh', 'S', 0x00001023, 'Stores the low 16 bits of rs2.', store('16')),
  entry('sw', 'S', 0x00002023, 'Stores the low 32 bits of rs2.', store('32')),
  entry('sd', 'S', 0x00003023, 'Stores rs2.', store('64')),

  entry(
    'addi',
    'I',
    0x00000013,
    'Adds an immediate.',
    immediate((e, a, b) => e.add(a, b)),
  ),
  entry(
    'slti',
    'I',
    0x00002013,
    'Sets rd to 1 if rs1 is less than the immediate, signed, else to 0.',
    immediate((e, a, b) => e.extendU(e.ltS(a, b))),
  ),
  entry(
    'sltiu',
    'I',
    0x00003013,
    'Sets rd to 1 if rs1 is less than the sign-extended immediate, unsigned, else to 0.',
    immediate((e, a, b) => e.extendU(e.ltU(a, b))),
  ),
  entry(
    'xori',
    'I',
    0x00004013,
    'Bitwise exclusive or with an immediate.',
    immediate((e, a, b) => e.xor(a, b)),
  ),
  entry(
    'ori',
    'I',
    0x00006013,
    'Bitwise or with an immediate.',
    immediate((e, a, b) => e.or(a, b)),
  ),
  entry(
    'andi',
    'I',
    0x00007013,
    'Bitwise and with an immediate.',
    immediate((e, a, b) => e.and(a, b)),
  ),
  entry(
    'slli',
    'shift6',
    0x00001013,
    'Shifts left by an immediate.',
    immediate((e, a, b) => e.shl(a, b)),
  ),
  entry(
    'srli',
    'shift6',
    0x00005013,
    'Shifts right by an immediate, filling with zeros.',
    immediate((e, a, b) => e.shrU(a, b)),
  ),
  entry(
    'srai',
    'shift6',
    0x40005013,
    'Shifts right by an immediate, filling with the sign.',
    immediate((e, a, b) => e.shrS(a, b)),
  ),

  // WebAssembly takes a shift amount modulo the operand's width, which is RISC-V's low 6 (or 5) bits of rs2.
  entry(
    'add',
    'R',
    0x00000033,
    'Adds rs1 and rs2.',
    register((e, a, b) => e.add(a, b)),
  ),
  entry(
    'sub',
    'R',
    0x40000033,
    'Subtracts rs2 from rs1.',
    register((e, a, b) => e.sub(a, b)),
  ),
  entry(
    'sll',
    'R',
    0x00001033,
    'Shifts rs1 left by the low 6 bits of rs2.',
    register((e, a, b) => e.shl(a, b)),
  ),
  entry(
    'slt',
    'R',
    0x00002033,
    'Sets rd to 1 if rs1 is less than rs2, signed, else to 0.',
    register((e, a, b) => e.extendU(e.ltS(a, b))),
  ),
  entry(
    'sltu',
    'R',
    0x00003033,
    'Sets rd to 1 if rs1 is less than rs2, unsigned, else to 0.',
    register((e, a, b) => e.extendU(e.ltU(a, b))),
  ),
  entry(
    'xor',
    'R',
    0x00004033,
    'Bitwise exclusive or of rs1 and rs2.',
    register((e, a, b) => e.xor(a, b)),
  ),
  entry(
    'srl',
    'R',
    0x00005033,
    'Shifts rs1 right by the low 6 bits of rs2, filling with zeros.',
    register((e, a, b) => e.shrU(a, b)),
  ),
  entry(
    'sra',
    'R',
    0x40005033,
    'Shifts rs1 right by the low 6 bits of rs2, filling with the sign.',
    register((e, a, b) => e.shrS(a, b)),
  ),
  entry(
    'or',
    'R',
    0x00006033,
    'Bitwise or of rs1 and rs2.',
    register((e, a, b) => e.or(a, b)),
  ),
  entry(
    'and',
    'R',
    0x00007033,
    'Bitwise and of rs1 and rs2.',
    register((e, a, b) => e.and(a, b)),
  ),

  entry(
    'addiw',
    'I',
    0x0000001b,
    'Adds an immediate in 32 bits and sign-extends the sum.',
    immediateWord((e, a, b) => e.add(a, b)),
  ),
  entry(
    'slliw',
    'shift5',
    0x0000101b,
    'Shifts the low 32 bits left by an immediate and sign-extends.',
    immediateWord((e, a, b) => e.shl(a, b)),
  ),
  entry(
    'srliw',
    'shift5',
    0x0000501b,
    'Shifts the low 32 bits right by an immediate, filling with zeros, and sign-extends.',
    immediateWord((e, a, b) => e.shrU(a, b)),
  ),
  entry(
    'sraiw',
    'shift5',
    0x4000501b,
    'Shifts the low 32 bits right by an immediate, filling with the sign, and sign-extends.',
    immediateWord((e, a, b) => e.shrS(a, b)),
  ),
  entry(
    'addw',
    'R',
    0x0000003b,
    'Adds in 32 bits and sign-extends the sum.',
    registerWord((e, a, b) => e.add(a, b)),
  ),
  entry(
    'subw',
    'R',
    0x4000003b,
    'Subtracts in 32 bits and sign-extends the difference.',
    registerWord((e, a, b) => e.sub(a, b)),
  ),
  entry(
    'sllw',
    'R',
    0x0000103b,
    'Shifts the low 32 bits left by the low 5 bits of rs2 and sign-extends.',
    registerWord((e, a, b) => e.shl(a, b)),
  ),
  entry(
    'srlw',
    'R',
    0x0000503b,
    'Shifts the low 32 bits right by the low 5 bits of rs2, filling with zeros, and sign-extends.',
    registerWord((e, a, b) => e.shrU(a, b)),
  ),
  entry(
    'sraw',
    'R',
    0x4000503b,
    'Shifts the low 32 bits right by the low 5 bits of rs2, filling with the sign, and sign-extends.',
    registerWord((e, a, b) => e.shrS(a, b)),
  ),

  // One hart runs at a time and sees its own accesses in order, so there is nothing to wait for.
  entry(
    'fence',
    'fence',
    0x0000000f,
    'Orders earlier memory and device accesses before later ones.',
    () => {},
  ),
  entry(
    'ecall',
    'none',
    0x00000073,
    'Calls the execution environment: an exception whose cause tells the privilege level.',
    (e) => e.leave('ecall'),
  ),
  entry('ebreak', 'none', 0x00100073, 'Raises a breakpoint exception, for debuggers.', (e) =>
    e.leave('ebreak'),
  ),
];

type Binary<T, R> = (e: Emitter, a: T, b: T) => R;

function branch(condition: Binary<I64, I32>) {
  return (e: Emitter) => e.branch(condition(e, e.x('rs1'), e.x('rs2')));
}

function load(width: LoadWidth) {
  return (e: Emitter) => e.setX('rd', e.load(width, e.add(e.x('rs1'), e.imm())));
}

function store(width: StoreWidth) {
  return (e: Emitter) => e.store(width, e.add(e.x('rs1'), e.imm()), e.x('rs2'));
}

function immediate(operation: Binary<I64, I64>) {
  return (e: Emitter) => e.setX('rd', operation(e, e.x('rs1'), e.imm()));
}

function register(operation: Binary<I64, I64>) {
  return (e: Emitter) => e.setX('rd', operation(e, e.x('rs1'), e.x('rs2')));
}

function immediateWord(operation: Binary<I32, I32>) {
  return (e: Emitter) => e.setX('rd', e.extendS(operation(e, e.wrap(e.x('rs1')), e.wrap(e.imm()))));
}

function registerWord(operation: Binary<I32, I32>) {
  return (e: Emitter) => e.setX('rd', e.extendS(operation(e, e.wrap(e.x('rs1')), e.wrap(e.x('rs2')))));
}
