import type { Operation } from './instructions.ts';

export type OperandKind =
  | 'integer-register'
  | 'float-register'
  | 'csr'
  | 'number'
  | 'target'
  | 'rounding-mode'
  | 'fence-set';

const KINDS: Readonly<Record<string, OperandKind>> = {
  ...{ rd: 'integer-register', rs1: 'integer-register', rs2: 'integer-register' },
  ...{ rdpair: 'integer-register', rs2pair: 'integer-register' },
  ...{ low: 'integer-register', high: 'integer-register', sp: 'integer-register' },
  ...{ fd: 'float-register', fs1: 'float-register', fs2: 'float-register', fs3: 'float-register' },
  ...{ flow: 'float-register', fhigh: 'float-register', csr: 'csr', rm: 'rounding-mode' },
  ...{ imm: 'number', upper: 'number', shamt: 'number', zimm: 'number' },
  ...{ target: 'target', symbol: 'target', pred: 'fence-set', succ: 'fence-set' },
};

/** Rounding modes in assembly (unprivileged, "Floating-Point Control and Status Register"). */
export const ROUNDING_MODES: readonly (readonly [name: string, description: string])[] = [
  ['rne', 'Round to nearest, ties to even.'],
  ['rtz', 'Round towards zero.'],
  ['rdn', 'Round down, towards minus infinity.'],
  ['rup', 'Round up, towards plus infinity.'],
  ['rmm', 'Round to nearest, ties to the greater magnitude.'],
  ['dyn', 'The rounding mode in frm.'],
];

/** Operators on symbols, for the parts of an address (RISC-V Assembly Programmer's Manual, "Relocation Functions"). */
export const RELOCATIONS: readonly (readonly [name: string, description: string])[] = [
  ['%hi', 'Bits 31:12 of a symbol, for lui.'],
  ['%lo', 'Bits 11:0 of a symbol, for addi, loads and stores after lui.'],
  ['%pcrel_hi', 'Bits 31:12 of the distance to a symbol, for auipc.'],
  ['%pcrel_lo', 'Bits 11:0 of the distance; its operand is the label of the auipc.'],
  ['%got_pcrel_hi', "Bits 31:12 of the distance to a symbol's GOT entry, for auipc."],
  ['%tprel_hi', 'Bits 31:12 of a thread-local offset, for lui.'],
  ['%tprel_lo', 'Bits 11:0 of a thread-local offset.'],
  ['%tprel_add', 'Marks the add of tp to a thread-local offset.'],
];

/**
 * What operand number `index` of an operation may be; `inParentheses` when the cursor stands in the base of
 * `offset(base)`.
 */
export function operandKind(
  operation: Operation,
  index: number,
  inParentheses: boolean,
): OperandKind | undefined {
  const operand = operation.syntax === '' ? undefined : operation.syntax.split(',')[index];
  if (operand === undefined) return undefined;
  const [, outer, base] = /^([a-z0-9]*)(?:\(([a-z0-9]+)\))?$/.exec(operand) ?? [];
  const token = inParentheses ? base : outer;
  // An atomic's address is `(rs1)`, with nothing before it.
  return token === undefined || token === '' ? undefined : KINDS[token];
}
