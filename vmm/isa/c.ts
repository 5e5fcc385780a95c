import {
  compressedEntriesOf,
  expandTo as expand,
  compressedImmediate as immediate,
} from './compressed-entries.ts';
import type { CompressedInstruction } from './instruction.ts';

const entry = compressedEntriesOf('C');

const SP = 2;
const RA = 1;

const SHIFT_HINT = 'A hint without effect on RV64.';

// Immediates, written as the specification's tables do: the value's bits and where the lowest of them stands.
const SIGNED_6 = immediate('signed', '5@12 4:0@2');
const SHIFT_AMOUNT = immediate('unsigned', '5@12 4:0@2');
const UPPER = immediate('signed', '17@12 16:12@2');
const SP_SUM = immediate('unsigned', '5:4@11 9:6@7 2@6 3@5');
const SP_ADJUSTMENT = immediate('signed', '9@12 4@6 6@5 8:7@3 5@2');
const WORD_OFFSET = immediate('unsigned', '5:3@10 2@6 6@5');
const LONG_OFFSET = immediate('unsigned', '5:3@10 7:6@5');
const WORD_LOAD_SP = immediate('unsigned', '5@12 4:2@4 7:6@2');
const LONG_LOAD_SP = immediate('unsigned', '5@12 4:3@5 8:6@2');
const WORD_STORE_SP = immediate('unsigned', '5:2@9 7:6@7');
const LONG_STORE_SP = immediate('unsigned', '5:3@10 8:6@7');
const JUMP = immediate('signed', '11@12 4@11 9:8@9 10@8 6@7 7@6 3:1@3 5@2');
const BRANCH = immediate('signed', '8@12 4:3@10 7:6@5 2:1@3 5@2');

/**
 * C for RV64 with F and D (unprivileged, "C" Extension, "RVC Instruction Set Listings"). Reserved encodings do
 * not expand. Hints do, to instructions without effect.
 */
export const C: readonly CompressedInstruction[] = [
  // Quadrant 0.
  entry(
    'c.addi4spn',
    'low,sp,imm',
    0x0000,
    0xe003,
    SP_SUM,
    'Adds a multiple of 4 to the stack pointer.',
    ({ low, imm }) => (imm === 0 ? undefined : expand('addi', { rd: low, rs1: SP, imm })),
  ),
  entry('c.fld', 'flow,imm(high)', 0x2000, 0xe003, LONG_OFFSET, 'Loads a double.', ({ low, high, imm }) =>
    expand('fld', { rd: low, rs1: high, imm }),
  ),
  entry(
    'c.lw',
    'low,imm(high)',
    0x4000,
    0xe003,
    WORD_OFFSET,
    'Loads 32 bits, sign-extended.',
    ({ low, high, imm }) => expand('lw', { rd: low, rs1: high, imm }),
  ),
  entry('c.ld', 'low,imm(high)', 0x6000, 0xe003, LONG_OFFSET, 'Loads 64 bits.', ({ low, high, imm }) =>
    expand('ld', { rd: low, rs1: high, imm }),
  ),
  entry('c.fsd', 'flow,imm(high)', 0xa000, 0xe003, LONG_OFFSET, 'Stores a double.', ({ low, high, imm }) =>
    expand('fsd', { rs2: low, rs1: high, imm }),
  ),
  entry(
    'c.sw',
    'low,imm(high)',
    0xc000,
    0xe003,
    WORD_OFFSET,
    'Stores the low 32 bits.',
    ({ low, high, imm }) => expand('sw', { rs2: low, rs1: high, imm }),
  ),
  entry('c.sd', 'low,imm(high)', 0xe000, 0xe003, LONG_OFFSET, 'Stores 64 bits.', ({ low, high, imm }) =>
    expand('sd', { rs2: low, rs1: high, imm }),
  ),

  // Quadrant 1.
  entry(
    'c.nop',
    'hint',
    0x0001,
    0xef83,
    SIGNED_6,
    'Does nothing; with an immediate it is a hint.',
    ({ imm }) => expand('addi', { imm }),
  ),
  entry('c.addi', 'rd,imm', 0x0001, 0xe003, SIGNED_6, 'Adds an immediate.', ({ rd, imm }) =>
    rd === 0 ? undefined : expand('addi', { rd, rs1: rd, imm }),
  ),
  entry(
    'c.addiw',
    'rd,imm',
    0x2001,
    0xe003,
    SIGNED_6,
    'Adds an immediate in 32 bits and sign-extends the sum.',
    ({ rd, imm }) => (rd === 0 ? undefined : expand('addiw', { rd, rs1: rd, imm })),
  ),
  entry('c.li', 'rd,imm', 0x4001, 0xe003, SIGNED_6, 'Loads an immediate.', ({ rd, imm }) =>
    expand('addi', { rd, imm }),
  ),
  entry(
    'c.addi16sp',
    'sp,imm',
    0x6101,
    0xef83,
    SP_ADJUSTMENT,
    'Adds a multiple of 16 to the stack pointer.',
    ({ imm }) => (imm === 0 ? undefined : expand('addi', { rd: SP, rs1: SP, imm })),
  ),
  entry(
    'c.lui',
    'rd,upper',
    0x6001,
    0xe003,
    UPPER,
    'Loads an immediate into bits 17:12, sign-extended.',
    ({ rd, imm }) => (rd === SP || imm === 0 ? undefined : expand('lui', { rd, imm })),
  ),
  // Shifts by 64 on RV128; hints on RV64. They come first, as they match the shifts too.
  entry('c.srli64', 'high', 0x8001, 0xfc7f, undefined, SHIFT_HINT, () => expand('addi', {})),
  entry('c.srai64', 'high', 0x8401, 0xfc7f, undefined, SHIFT_HINT, () => expand('addi', {})),
  entry('c.slli64', 'rd', 0x0002, 0xf07f, undefined, SHIFT_HINT, () => expand('addi', {})),
  entry(
    'c.srli',
    'high,shamt',
    0x8001,
    0xec03,
    SHIFT_AMOUNT,
    'Shifts right, filling with zeros.',
    ({ high, imm }) => (imm === 0 ? undefined : expand('srli', { rd: high, rs1: high, imm })),
  ),
  entry(
    'c.srai',
    'high,shamt',
    0x8401,
    0xec03,
    SHIFT_AMOUNT,
    'Shifts right, filling with the sign.',
    ({ high, imm }) => (imm === 0 ? undefined : expand('srai', { rd: high, rs1: high, imm })),
  ),
  entry('c.andi', 'high,imm', 0x8801, 0xec03, SIGNED_6, 'Bitwise and with an immediate.', ({ high, imm }) =>
    expand('andi', { rd: high, rs1: high, imm }),
  ),
  ...arithmetic('sub', 0x8c01, 'Subtracts.'),
  ...arithmetic('xor', 0x8c21, 'Bitwise exclusive or.'),
  ...arithmetic('or', 0x8c41, 'Bitwise or.'),
  ...arithmetic('and', 0x8c61, 'Bitwise and.'),
  ...arithmetic('subw', 0x9c01, 'Subtracts in 32 bits and sign-extends the difference.'),
  ...arithmetic('addw', 0x9c21, 'Adds in 32 bits and sign-extends the sum.'),
  entry('c.j', 'target', 0xa001, 0xe003, JUMP, 'Jumps to a pc-relative address.', ({ imm }) =>
    expand('jal', { imm }),
  ),
  entry(
    'c.beqz',
    'high,target',
    0xc001,
    0xe003,
    BRANCH,
    'Branches if the register is zero.',
    ({ high, imm }) => expand('beq', { rs1: high, imm }),
  ),
  entry(
    'c.bnez',
    'high,target',
    0xe001,
    0xe003,
    BRANCH,
    'Branches if the register is not zero.',
    ({ high, imm }) => expand('bne', { rs1: high, imm }),
  ),

  // Quadrant 2.
  entry('c.slli', 'rd,shamt', 0x0002, 0xe003, SHIFT_AMOUNT, 'Shifts left.', ({ rd, imm }) =>
    imm === 0 ? undefined : expand('slli', { rd, rs1: rd, imm }),
  ),
  entry(
    'c.fldsp',
    'frd,imm(sp)',
    0x2002,
    0xe003,
    LONG_LOAD_SP,
    'Loads a double from the stack.',
    ({ rd, imm }) => expand('fld', { rd, rs1: SP, imm }),
  ),
  entry(
    'c.lwsp',
    'rd,imm(sp)',
    0x4002,
    0xe003,
    WORD_LOAD_SP,
    'Loads 32 bits from the stack, sign-extended.',
    ({ rd, imm }) => (rd === 0 ? undefined : expand('lw', { rd, rs1: SP, imm })),
  ),
  entry(
    'c.ldsp',
    'rd,imm(sp)',
    0x6002,
    0xe003,
    LONG_LOAD_SP,
    'Loads 64 bits from the stack.',
    ({ rd, imm }) => (rd === 0 ? undefined : expand('ld', { rd, rs1: SP, imm })),
  ),
  entry('c.jr', 'rd', 0x8002, 0xf07f, undefined, 'Jumps to the address in a register.', ({ rd }) =>
    rd === 0 ? undefined : expand('jalr', { rs1: rd }),
  ),
  entry('c.mv', 'rd,rs2', 0x8002, 0xf003, undefined, 'Copies a register.', ({ rd, rs2 }) =>
    rs2 === 0 ? undefined : expand('add', { rd, rs2 }),
  ),
  entry('c.ebreak', '', 0x9002, 0xffff, undefined, 'Raises a breakpoint exception, for debuggers.', () =>
    expand('ebreak', {}),
  ),
  entry(
    'c.jalr',
    'rd',
    0x9002,
    0xf07f,
    undefined,
    'Jumps to the address in a register; ra gets the return address.',
    ({ rd }) => (rd === 0 ? undefined : expand('jalr', { rd: RA, rs1: rd })),
  ),
  entry('c.add', 'rd,rs2', 0x9002, 0xf003, undefined, 'Adds a register.', ({ rd, rs2 }) =>
    rs2 === 0 ? undefined : expand('add', { rd, rs1: rd, rs2 }),
  ),
  entry(
    'c.fsdsp',
    'frs2,imm(sp)',
    0xa002,
    0xe003,
    LONG_STORE_SP,
    'Stores a double to the stack.',
    ({ rs2, imm }) => expand('fsd', { rs2, rs1: SP, imm }),
  ),
  entry(
    'c.swsp',
    'rs2,imm(sp)',
    0xc002,
    0xe003,
    WORD_STORE_SP,
    'Stores the low 32 bits to the stack.',
    ({ rs2, imm }) => expand('sw', { rs2, rs1: SP, imm }),
  ),
  entry(
    'c.sdsp',
    'rs2,imm(sp)',
    0xe002,
    0xe003,
    LONG_STORE_SP,
    'Stores 64 bits to the stack.',
    ({ rs2, imm }) => expand('sd', { rs2, rs1: SP, imm }),
  ),
];

function arithmetic(name: string, match: number, description: string): CompressedInstruction[] {
  return [
    entry(`c.${name}`, 'high,low', match, 0xfc63, undefined, description, ({ high, low }) =>
      expand(name, { rd: high, rs1: high, rs2: low }),
    ),
  ];
}
