import { assert } from '../base/assert.ts';
import { csrByName } from './csrs.ts';
import { encodeImmediate, FORMATS } from './formats.ts';
import { splitSyntax, TOKENS } from './syntax.ts';
import { INSTRUCTIONS } from './table.ts';

/** A mnemonic of the assembler that stands for one or more instructions (unprivileged, "RISC-V Assembly Programmer's Handbook"). */
export interface PseudoInstruction {
  readonly name: string;
  /** Operands, in the tokens of `FormatInfo.syntax`. */
  readonly syntax: string;
  readonly description: string;
  /** The instructions it stands for, as assembly text. */
  readonly meaning: string;
}

/** A pseudo-instruction that is a special case of one instruction, so that disassembly shows it. */
export interface Alias extends PseudoInstruction {
  /** It stands for encodings with `(raw & mask) === match`, and rs1 equal to rs2 if `same`. */
  readonly match: number;
  readonly mask: number;
  readonly same: boolean;
}

/** Operands that an alias fixes. `same`: both sources are one register. */
interface Fixed {
  readonly rd?: number;
  readonly rs1?: number;
  readonly rs2?: number;
  readonly imm?: number;
  readonly csr?: string;
  readonly pred?: number;
  readonly succ?: number;
  /** The mode field of a fence. */
  readonly fm?: number;
  readonly same?: true;
}

const instructions = new Map(INSTRUCTIONS.map((instruction) => [instruction.name, instruction]));

/** Where several match, the first is shown; GNU objdump chooses so too. */
export const ALIASES: readonly Alias[] = [
  alias('nop', 'addi', { rd: 0, rs1: 0, imm: 0 }, '', 'Does nothing.'),
  alias('li', 'addi', { rs1: 0 }, 'rd,imm', 'Loads an immediate; larger ones take several instructions.'),
  alias('mv', 'addi', { imm: 0 }, 'rd,rs1', 'Copies a register.'),
  alias('sext.w', 'addiw', { imm: 0 }, 'rd,rs1', 'Sign-extends the low 32 bits.'),
  alias('not', 'xori', { imm: -1 }, 'rd,rs1', 'Inverts every bit.'),
  alias('zext.b', 'andi', { imm: 255 }, 'rd,rs1', 'Zero-extends the low byte.'),
  alias('neg', 'sub', { rs1: 0 }, 'rd,rs2', 'Negates.'),
  alias('negw', 'subw', { rs1: 0 }, 'rd,rs2', 'Negates in 32 bits and sign-extends.'),
  alias('zext.w', 'add.uw', { rs2: 0 }, 'rd,rs1', 'Zero-extends the low 32 bits.'),
  alias('seqz', 'sltiu', { imm: 1 }, 'rd,rs1', 'Sets rd to 1 if the register is zero, else to 0.'),
  alias('snez', 'sltu', { rs1: 0 }, 'rd,rs2', 'Sets rd to 1 if the register is not zero, else to 0.'),
  alias('sltz', 'slt', { rs2: 0 }, 'rd,rs1', 'Sets rd to 1 if the register is negative, else to 0.'),
  alias('sgtz', 'slt', { rs1: 0 }, 'rd,rs2', 'Sets rd to 1 if the register is above zero, else to 0.'),

  alias('beqz', 'beq', { rs2: 0 }, 'rs1,target', 'Branches if the register is zero.'),
  alias('bnez', 'bne', { rs2: 0 }, 'rs1,target', 'Branches if the register is not zero.'),
  alias('blez', 'bge', { rs1: 0 }, 'rs2,target', 'Branches if the register is zero or negative.'),
  alias('bgez', 'bge', { rs2: 0 }, 'rs1,target', 'Branches if the register is zero or above.'),
  alias('bltz', 'blt', { rs2: 0 }, 'rs1,target', 'Branches if the register is negative.'),
  alias('bgtz', 'blt', { rs1: 0 }, 'rs2,target', 'Branches if the register is above zero.'),
  alias('j', 'jal', { rd: 0 }, 'target', 'Jumps to a pc-relative address.'),
  alias('jal', 'jal', { rd: 1 }, 'target', 'Calls a pc-relative address; ra gets the return address.'),
  alias('ret', 'jalr', { rd: 0, rs1: 1, imm: 0 }, '', 'Returns to the address in ra.'),
  alias('jr', 'jalr', { rd: 0, imm: 0 }, 'rs1', 'Jumps to the address in a register.'),
  alias('jr', 'jalr', { rd: 0 }, 'imm(rs1)', 'Jumps to the address in a register.'),
  alias(
    'jalr',
    'jalr',
    { rd: 1, imm: 0 },
    'rs1',
    'Calls the address in a register; ra gets the return address.',
  ),
  alias(
    'jalr',
    'jalr',
    { rd: 1 },
    'imm(rs1)',
    'Calls the address in a register; ra gets the return address.',
  ),
  alias('jalr', 'jalr', { imm: 0 }, 'rd,rs1', 'Calls the address in a register; rd gets the return address.'),

  alias('unimp', 'csrrw', { rd: 0, csr: 'cycle', rs1: 0 }, '', 'Always illegal: cycle cannot be written.'),
  alias('rdcycle', 'csrrs', { csr: 'cycle', rs1: 0 }, 'rd', 'Reads the count of clock cycles.'),
  alias('rdtime', 'csrrs', { csr: 'time', rs1: 0 }, 'rd', 'Reads the timer.'),
  alias('rdinstret', 'csrrs', { csr: 'instret', rs1: 0 }, 'rd', 'Reads the count of instructions retired.'),
  alias('frflags', 'csrrs', { csr: 'fflags', rs1: 0 }, 'rd', 'Reads the accrued floating-point exceptions.'),
  alias('frrm', 'csrrs', { csr: 'frm', rs1: 0 }, 'rd', 'Reads the floating-point rounding mode.'),
  alias(
    'frcsr',
    'csrrs',
    { csr: 'fcsr', rs1: 0 },
    'rd',
    'Reads the floating-point control and status register.',
  ),
  ...swap('fsflags', 'fflags', 'accrued floating-point exceptions', true),
  ...swap('fsrm', 'frm', 'floating-point rounding mode', true),
  ...swap('fscsr', 'fcsr', 'floating-point control and status register', false),
  alias('csrr', 'csrrs', { rs1: 0 }, 'rd,csr', 'Reads a CSR.'),
  alias('csrw', 'csrrw', { rd: 0 }, 'csr,rs1', 'Writes a CSR.'),
  alias('csrs', 'csrrs', { rd: 0 }, 'csr,rs1', 'Sets bits in a CSR.'),
  alias('csrc', 'csrrc', { rd: 0 }, 'csr,rs1', 'Clears bits in a CSR.'),
  alias('csrwi', 'csrrwi', { rd: 0 }, 'csr,zimm', 'Writes an immediate to a CSR.'),
  alias('csrsi', 'csrrsi', { rd: 0 }, 'csr,zimm', 'Sets the bits of an immediate in a CSR.'),
  alias('csrci', 'csrrci', { rd: 0 }, 'csr,zimm', 'Clears the bits of an immediate in a CSR.'),

  ...signs('s', 'single'),
  ...signs('d', 'double'),
  ...signs('h', 'half'),

  alias(
    'fence.tso',
    'fence',
    { fm: 8, pred: 3, succ: 3, rd: 0, rs1: 0 },
    '',
    'Orders as total store order does.',
  ),
  alias('fence', 'fence', { pred: 15, succ: 15 }, '', 'Orders all earlier accesses before all later ones.'),
  alias(
    'sfence.vma',
    'sfence.vma',
    { rs1: 0, rs2: 0 },
    '',
    'Orders page-table writes before later translations, all of them.',
  ),
  alias(
    'sfence.vma',
    'sfence.vma',
    { rs2: 0 },
    'rs1',
    'Orders page-table writes before later translations of an address.',
  ),
];

const ASSEMBLER_ONLY: readonly PseudoInstruction[] = [
  pseudo(
    'la',
    'rd,symbol',
    'Loads the address of a symbol; through the GOT in position-independent code.',
    'auipc rd,%pcrel_hi(symbol); addi rd,rd,%pcrel_lo(…)',
  ),
  pseudo(
    'lla',
    'rd,symbol',
    'Loads the address of a local symbol.',
    'auipc rd,%pcrel_hi(symbol); addi rd,rd,%pcrel_lo(…)',
  ),
  pseudo(
    'lga',
    'rd,symbol',
    'Loads the address of a global symbol from the GOT.',
    'auipc rd,%got_pcrel_hi(symbol); ld rd,%pcrel_lo(…)(rd)',
  ),
  pseudo(
    'la.tls.ie',
    'rd,symbol',
    'Loads the offset of a thread-local symbol (initial exec).',
    'auipc rd,%tls_ie_pcrel_hi(symbol); ld rd,%pcrel_lo(…)(rd)',
  ),
  pseudo(
    'la.tls.gd',
    'rd,symbol',
    'Loads the address of the GOT entry of a thread-local symbol (global dynamic).',
    'auipc rd,%tls_gd_pcrel_hi(symbol); addi rd,rd,%pcrel_lo(…)',
  ),
  pseudo(
    'call',
    'symbol',
    'Calls a function within 2 GiB; the linker may shorten it to jal.',
    'auipc ra,…; jalr ra,…(ra)',
  ),
  pseudo(
    'tail',
    'symbol',
    'Jumps to a function within 2 GiB that returns to the caller of this one; t1 is overwritten.',
    'auipc t1,…; jalr zero,…(t1)',
  ),
  pseudo('jump', 'symbol,rs1', 'Jumps within 2 GiB by way of a register.', 'auipc rs1,…; jalr zero,…(rs1)'),
  pseudo('bgt', 'rs1,rs2,target', 'Branches if rs1 is greater than rs2, signed.', 'blt rs2,rs1,target'),
  pseudo('ble', 'rs1,rs2,target', 'Branches if rs1 is at most rs2, signed.', 'bge rs2,rs1,target'),
  pseudo('bgtu', 'rs1,rs2,target', 'Branches if rs1 is greater than rs2, unsigned.', 'bltu rs2,rs1,target'),
  pseudo('bleu', 'rs1,rs2,target', 'Branches if rs1 is at most rs2, unsigned.', 'bgeu rs2,rs1,target'),
  pseudo(
    'sgt',
    'rd,rs1,rs2',
    'Sets rd to 1 if rs1 is greater than rs2, signed, else to 0.',
    'slt rd,rs2,rs1',
  ),
  pseudo(
    'sgtu',
    'rd,rs1,rs2',
    'Sets rd to 1 if rs1 is greater than rs2, unsigned, else to 0.',
    'sltu rd,rs2,rs1',
  ),
  ...comparisons('s'),
  ...comparisons('d'),
  ...comparisons('h'),
  ...['s', 'd', 'h'].flatMap(quietComparisons),
  pseudo('move', 'rd,rs1', 'An older name of mv.', 'addi rd,rs1,0'),
  pseudo('scall', '', 'An older name of ecall.', 'ecall'),
  pseudo('sbreak', '', 'An older name of ebreak.', 'ebreak'),
  pseudo('sfence.vm', 'rs1', 'An older name of sfence.vma.', 'sfence.vma rs1'),
  pseudo('fmv.x.s', 'rd,fs1', 'An older name of fmv.x.w.', 'fmv.x.w rd,fs1'),
  pseudo('fmv.s.x', 'fd,rs1', 'An older name of fmv.w.x.', 'fmv.w.x fd,rs1'),
];

/**
 * All pseudo-instructions, one for each mnemonic that is not an instruction's too: where it has several forms, the
 * first with all operands.
 */
export const PSEUDO_INSTRUCTIONS: readonly PseudoInstruction[] = fullestForms(
  [...ALIASES, ...ASSEMBLER_ONLY].filter(({ name }) => !instructions.has(name)),
);

const byName = new Map(PSEUDO_INSTRUCTIONS.map((entry) => [entry.name, entry]));

/** By a mnemonic in lower case. */
export const pseudoByName = (name: string): PseudoInstruction | undefined => byName.get(name);

const aliasesOf = new Map<string, Alias[]>();
for (const entry of ALIASES) {
  const base = entry.meaning.split(' ')[0]!;
  aliasesOf.set(base, [...(aliasesOf.get(base) ?? []), entry]);
}

/** The alias that stands for an encoding of the instruction called `name`, if any. */
export function findAlias(name: string, raw: number): Alias | undefined {
  return aliasesOf
    .get(name)
    ?.find(
      ({ match, mask, same }) =>
        (raw & mask) === match && (!same || ((raw >> 15) & 0x1f) === ((raw >> 20) & 0x1f)),
    );
}

function alias(name: string, of: string, fixed: Fixed, syntax: string, description: string): Alias {
  const instruction = instructions.get(of);
  assert(instruction !== undefined, `${name} is an alias of ${of}, which is no instruction`);
  let { match, mask } = instruction;
  const fix = (value: number | undefined, field: number, bits: number) => {
    if (value === undefined) return;
    mask |= field;
    match |= bits;
  };
  const { rd, rs1, rs2, imm, csr, pred, succ, fm, same = false } = fixed;
  const { immediate } = FORMATS[instruction.format];
  const csrNumber = csr === undefined ? undefined : csrByName(csr)?.number;
  fix(rd, 0x1f << 7, rd! << 7);
  fix(rs1, 0x1f << 15, rs1! << 15);
  fix(rs2, 0x1f << 20, rs2! << 20);
  fix(imm, encodeImmediate(immediate, -1), encodeImmediate(immediate, imm!));
  fix(csrNumber, 0xfff << 20, csrNumber! << 20);
  fix(fm, 0xf << 28, fm! << 28);
  fix(pred, 0xf << 24, pred! << 24);
  fix(succ, 0xf << 20, succ! << 20);
  const meaning = canonicalText(of, FORMATS[instruction.format].syntax, match, mask, same, imm);
  return { name, syntax, description, meaning, match, mask, same };
}

/** The instruction with the fixed operands in place and the others by name: `addi rd,zero,imm`. */
function canonicalText(
  name: string,
  syntax: string,
  match: number,
  mask: number,
  same: boolean,
  imm: number | undefined,
): string {
  const fields: Readonly<Record<string, number>> = { rd: 7, rs1: 15, rs2: 20, csr: 20, pred: 24, succ: 20 };
  const operand = (token: string) => {
    if (same && token === 'fs2') return 'fs1';
    const shift = fields[token];
    const fixed = token === 'imm' ? imm !== undefined : shift !== undefined && (mask >> shift) & 1;
    return fixed ? TOKENS[token]!.print({ raw: match, imm: imm ?? 0, pc: undefined }) : token;
  };
  return `${name} ${splitSyntax(syntax).map(operand).join('')}`.trimEnd();
}

/** Exchanging a floating-point CSR with a register, with or without a use for the old value, or an immediate. */
function swap(name: string, csr: string, what: string, withImmediate: boolean): Alias[] {
  const exchange = `Writes the ${what}; rd gets the old value.`;
  return [
    alias(name, 'csrrw', { csr, rd: 0 }, 'rs1', `Writes the ${what}.`),
    alias(name, 'csrrw', { csr }, 'rd,rs1', exchange),
    ...(withImmediate ? [alias(`${name}i`, 'csrrwi', { csr }, 'rd,zimm', exchange)] : []),
  ];
}

function signs(suffix: string, kind: string): Alias[] {
  return [
    alias(`fmv.${suffix}`, `fsgnj.${suffix}`, { same: true }, 'fd,fs1', `Copies a ${kind}.`),
    alias(`fneg.${suffix}`, `fsgnjn.${suffix}`, { same: true }, 'fd,fs1', `Negates a ${kind}.`),
    alias(`fabs.${suffix}`, `fsgnjx.${suffix}`, { same: true }, 'fd,fs1', `Absolute value of a ${kind}.`),
  ];
}

/** Zfa's quiet comparisons, likewise. */
function quietComparisons(suffix: string): PseudoInstruction[] {
  return [
    pseudo(
      `fgtq.${suffix}`,
      'rd,fs1,fs2',
      'Sets rd to 1 if fs1 is greater than fs2, else to 0; quiet on NaNs.',
      `fltq.${suffix} rd,fs2,fs1`,
    ),
    pseudo(
      `fgeq.${suffix}`,
      'rd,fs1,fs2',
      'Sets rd to 1 if fs1 is at least fs2, else to 0; quiet on NaNs.',
      `fleq.${suffix} rd,fs2,fs1`,
    ),
  ];
}

/** The comparisons that the assembler makes by exchanging the sources. */
function comparisons(suffix: string): PseudoInstruction[] {
  return [
    pseudo(
      `fgt.${suffix}`,
      'rd,fs1,fs2',
      'Sets rd to 1 if fs1 is greater than fs2, else to 0.',
      `flt.${suffix} rd,fs2,fs1`,
    ),
    pseudo(
      `fge.${suffix}`,
      'rd,fs1,fs2',
      'Sets rd to 1 if fs1 is at least fs2, else to 0.',
      `fle.${suffix} rd,fs2,fs1`,
    ),
  ];
}

function fullestForms(forms: readonly PseudoInstruction[]): PseudoInstruction[] {
  const operands = ({ syntax }: PseudoInstruction) => (syntax === '' ? 0 : syntax.split(',').length);
  const fullest = new Map<string, PseudoInstruction>();
  for (const form of forms) {
    const known = fullest.get(form.name);
    if (known === undefined || operands(form) > operands(known)) fullest.set(form.name, form);
  }
  return [...fullest.values()];
}

function pseudo(name: string, syntax: string, description: string, meaning: string): PseudoInstruction {
  return { name, syntax, description, meaning };
}
