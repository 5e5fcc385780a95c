import type { Emitter, F32, F64, I32, I64 } from './emitter.ts';
import { addition, division, multiplication, squareRoot } from './float-arithmetic.ts';
import { classify, comparison, minimumOrMaximum, signInjection } from './float-compare.ts';
import { fromInteger, type IntegerName, toInteger } from './float-convert.ts';
import type { FloatFormat, HostFormat } from './float-format.ts';
import type { Negated } from './float-fused.ts';
import { entriesOf, type Instruction, type Semantics } from './instruction.ts';

const INTEGER_TYPES: readonly { name: IntegerName; text: string }[] = [
  { name: 'w', text: 'a signed 32-bit integer' },
  { name: 'wu', text: 'an unsigned 32-bit integer' },
  { name: 'l', text: 'a signed 64-bit integer' },
  { name: 'lu', text: 'an unsigned 64-bit integer' },
];

/** What the instructions of a format mean where that depends on more than the format. */
export interface FloatArithmetic {
  readonly addition: (operation: 'add' | 'sub') => Semantics;
  readonly multiplication: Semantics;
  readonly division: Semantics;
  readonly squareRoot: Semantics;
  readonly fused: (negated: Negated) => Semantics;
  readonly fromInteger: (integer: IntegerName) => Semantics;
}

/** One of the extensions that bring a format. */
export interface FloatExtension<B extends I32 | I64, V extends F32 | F64> {
  readonly extension: 'F' | 'D' | 'Zfh';
  /** The fmt field, bits 26:25, in its place; the mnemonics' suffix; the format as descriptions name it. */
  readonly fmt: number;
  readonly suffix: string;
  readonly kind: string;
  readonly format: FloatFormat<B, V>;
}

/** Arithmetic by WebAssembly's operations. */
export function hostArithmetic<B extends I32 | I64, V extends F32 | F64>(
  format: HostFormat<B, V>,
  fused: (negated: Negated) => Semantics,
  convert: (e: Emitter, value: I64, signed: boolean) => V,
): FloatArithmetic {
  return {
    addition: (operation) => addition(format, operation),
    multiplication: multiplication(format),
    division: division(format),
    squareRoot: squareRoot(format),
    fused,
    fromInteger: (integer) => fromInteger(format, integer, convert),
  };
}

/** The instructions that F, D and Zfh all have. */
export function floatEntries<B extends I32 | I64, V extends F32 | F64>(
  { extension, fmt, suffix: s, kind, format }: FloatExtension<B, V>,
  { addition, multiplication, division, squareRoot, fused, fromInteger }: FloatArithmetic,
): readonly Instruction[] {
  const entry = entriesOf(extension);
  const not = (e: Emitter, a: B) => e.xor(a, format.constant(e, -1n));
  const conversions = INTEGER_TYPES.flatMap(({ name, text }, index) => [
    entry(
      `fcvt.${name}.${s}`,
      'float-to-int-rm',
      0xc0000053 + fmt + (index << 20),
      `Converts a ${kind} to ${text}, saturating${name === 'wu' ? '; rd gets it sign-extended' : ''}.`,
      toInteger(format, name),
    ),
    entry(
      `fcvt.${s}.${name}`,
      extension === 'D' && index < 2 ? 'int-to-float-exact' : 'int-to-float-rm',
      0xd0000053 + fmt + (index << 20),
      `Converts ${text} to a ${kind}.`,
      fromInteger(name),
    ),
  ]);
  return [
    entry(
      `fmadd.${s}`,
      'R4',
      0x00000043 + fmt,
      'Fused multiply-add: rs1 times rs2 plus rs3, rounded once.',
      fused({ product: false, addend: false }),
    ),
    entry(
      `fmsub.${s}`,
      'R4',
      0x00000047 + fmt,
      'Fused multiply-subtract: rs1 times rs2 minus rs3, rounded once.',
      fused({ product: false, addend: true }),
    ),
    entry(
      `fnmsub.${s}`,
      'R4',
      0x0000004b + fmt,
      'Fused: the negated product of rs1 and rs2, plus rs3, rounded once.',
      fused({ product: true, addend: false }),
    ),
    entry(
      `fnmadd.${s}`,
      'R4',
      0x0000004f + fmt,
      'Fused: the negated product of rs1 and rs2, minus rs3, rounded once.',
      fused({ product: true, addend: true }),
    ),
    entry(`fadd.${s}`, 'float-rm', 0x00000053 + fmt, `Adds ${kind}s.`, addition('add')),
    entry(`fsub.${s}`, 'float-rm', 0x08000053 + fmt, `Subtracts ${kind}s.`, addition('sub')),
    entry(`fmul.${s}`, 'float-rm', 0x10000053 + fmt, `Multiplies ${kind}s.`, multiplication),
    entry(`fdiv.${s}`, 'float-rm', 0x18000053 + fmt, `Divides ${kind}s.`, division),
    entry(`fsqrt.${s}`, 'float-unary-rm', 0x58000053 + fmt, `Square root of a ${kind}.`, squareRoot),
    entry(
      `fsgnj.${s}`,
      'float',
      0x20000053 + fmt,
      'rs1 with the sign of rs2.',
      signInjection(format, (_e, _a, b) => b),
    ),
    entry(
      `fsgnjn.${s}`,
      'float',
      0x20001053 + fmt,
      'rs1 with the opposite of the sign of rs2.',
      signInjection(format, (e, _a, b) => not(e, b)),
    ),
    entry(
      `fsgnjx.${s}`,
      'float',
      0x20002053 + fmt,
      'rs1 with its sign flipped if rs2 is negative.',
      signInjection(format, (e, a, b) => e.xor(a, b)),
    ),
    entry(
      `fmin.${s}`,
      'float',
      0x28000053 + fmt,
      `The lesser of two ${kind}s; of a number and a NaN the number.`,
      minimumOrMaximum(format, 'min', 'number'),
    ),
    entry(
      `fmax.${s}`,
      'float',
      0x28001053 + fmt,
      `The greater of two ${kind}s; of a number and a NaN the number.`,
      minimumOrMaximum(format, 'max', 'number'),
    ),
    entry(
      `feq.${s}`,
      'float-compare',
      0xa0002053 + fmt,
      `Sets rd to 1 if two ${kind}s are equal, else to 0; quiet on NaNs.`,
      comparison(format, 'eq', 'quiet'),
    ),
    entry(
      `flt.${s}`,
      'float-compare',
      0xa0001053 + fmt,
      'Sets rd to 1 if rs1 is less than rs2, else to 0; NaNs are invalid.',
      comparison(format, 'lt', 'signaling'),
    ),
    entry(
      `fle.${s}`,
      'float-compare',
      0xa0000053 + fmt,
      'Sets rd to 1 if rs1 is less than or equal to rs2, else to 0; NaNs are invalid.',
      comparison(format, 'le', 'signaling'),
    ),
    entry(
      `fclass.${s}`,
      'float-to-int',
      0xe0001053 + fmt,
      'Classifies a number: one bit of ten, from negative infinity (bit 0) to quiet NaN (bit 9).',
      classify(format),
    ),
    ...conversions,
  ];
}
