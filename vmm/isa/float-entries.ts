import type { Emitter, F32, F64, I32, I64 } from './emitter.ts';
import { addition, division, multiplication, squareRoot } from './float-arithmetic.ts';
import { classify, comparison, minimumOrMaximum, signInjection } from './float-compare.ts';
import { fromInteger, type IntegerName, toInteger } from './float-convert.ts';
import type { FloatFormat } from './float-format.ts';
import { fusedDouble, fusedSingle } from './float-fused.ts';
import { entriesOf, type Instruction } from './instruction.ts';

const INTEGER_TYPES: readonly { name: IntegerName; text: string }[] = [
  { name: 'w', text: 'a signed 32-bit integer' },
  { name: 'wu', text: 'an unsigned 32-bit integer' },
  { name: 'l', text: 'a signed 64-bit integer' },
  { name: 'lu', text: 'an unsigned 64-bit integer' },
];

/** The instructions that F and D both have: they differ in the fmt field, bits 26:25, and in the format. */
export function floatEntries<B extends I32 | I64, V extends F32 | F64>(
  extension: 'F' | 'D',
  format: FloatFormat<B, V>,
  convert: (e: Emitter, value: I64) => V,
): readonly Instruction[] {
  const entry = entriesOf(extension);
  const [s, fmt, kind] = extension === 'F' ? ['s', 0, 'single'] : ['d', 0x02000000, 'double'];
  const fused = extension === 'F' ? fusedSingle : fusedDouble;
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
      fromInteger(format, name, convert),
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
    entry(`fadd.${s}`, 'float-rm', 0x00000053 + fmt, `Adds ${kind}s.`, addition(format, 'add')),
    entry(`fsub.${s}`, 'float-rm', 0x08000053 + fmt, `Subtracts ${kind}s.`, addition(format, 'sub')),
    entry(`fmul.${s}`, 'float-rm', 0x10000053 + fmt, `Multiplies ${kind}s.`, multiplication(format)),
    entry(`fdiv.${s}`, 'float-rm', 0x18000053 + fmt, `Divides ${kind}s.`, division(format)),
    entry(`fsqrt.${s}`, 'float-unary-rm', 0x58000053 + fmt, `Square root of a ${kind}.`, squareRoot(format)),
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
      minimumOrMaximum(format, 'min'),
    ),
    entry(
      `fmax.${s}`,
      'float',
      0x28001053 + fmt,
      `The greater of two ${kind}s; of a number and a NaN the number.`,
      minimumOrMaximum(format, 'max'),
    ),
    entry(
      `feq.${s}`,
      'float-compare',
      0xa0002053 + fmt,
      `Sets rd to 1 if two ${kind}s are equal, else to 0; quiet on NaNs.`,
      comparison(format, 'eq'),
    ),
    entry(
      `flt.${s}`,
      'float-compare',
      0xa0001053 + fmt,
      'Sets rd to 1 if rs1 is less than rs2, else to 0; NaNs are invalid.',
      comparison(format, 'lt'),
    ),
    entry(
      `fle.${s}`,
      'float-compare',
      0xa0000053 + fmt,
      'Sets rd to 1 if rs1 is less than or equal to rs2, else to 0; NaNs are invalid.',
      comparison(format, 'le'),
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
