import type { Emitter, I32, I64, SourceRegister } from './emitter.ts';
import { entriesOf, type Instruction } from './instruction.ts';

const entry = entriesOf('M');

/** What an operation needs to know of the width it works in. */
interface Shape<T extends I32 | I64> {
  readonly read: (e: Emitter, register: SourceRegister) => T;
  readonly constant: (e: Emitter, value: number) => T;
  readonly write: (e: Emitter, value: T) => void;
}

const LONG: Shape<I64> = {
  read: (e, register) => e.bind(e.x(register)),
  constant: (e, value) => e.i64(value),
  write: (e, value) => e.setX('rd', value),
};

const WORD: Shape<I32> = {
  read: (e, register) => e.bind(e.wrap(e.x(register))),
  constant: (e, value) => e.i32(value),
  write: (e, value) => e.setX('rd', e.extendS(value)),
};

/** M (unprivileged, "M" Extension for Integer Multiplication and Division). */
export const M: readonly Instruction[] = [
  entry('mul', 'R', 0x02000033, 'Multiplies; rd gets the low 64 bits of the product.', (e) =>
    e.setX('rd', e.mul(e.x('rs1'), e.x('rs2'))),
  ),
  entry(
    'mulh',
    'R',
    0x02001033,
    'Multiplies signed by signed; rd gets the high 64 bits of the product.',
    (e) => {
      const [a, b] = operands(e);
      // As unsigned, a negative factor is 2^64 too large, so the high half is too large by the other factor.
      const high = e.sub(unsignedHigh(e, a, b), e.and(signs(e, a), b));
      e.setX('rd', e.sub(high, e.and(signs(e, b), a)));
    },
  ),
  entry(
    'mulhsu',
    'R',
    0x02002033,
    'Multiplies signed rs1 by unsigned rs2; rd gets the high 64 bits of the product.',
    (e) => {
      const [a, b] = operands(e);
      e.setX('rd', e.sub(unsignedHigh(e, a, b), e.and(signs(e, a), b)));
    },
  ),
  entry('mulhu', 'R', 0x02003033, 'Multiplies unsigned; rd gets the high 64 bits of the product.', (e) => {
    const [a, b] = operands(e);
    e.setX('rd', unsignedHigh(e, a, b));
  }),
  entry(
    'div',
    'R',
    0x02004033,
    'Divides signed, rounding towards zero; division by zero gives -1.',
    divideSigned(LONG),
  ),
  entry('divu', 'R', 0x02005033, 'Divides unsigned; division by zero gives all ones.', divideUnsigned(LONG)),
  entry(
    'rem',
    'R',
    0x02006033,
    'Remainder of the signed division, with the sign of rs1; by zero it is rs1.',
    remainder(LONG, (e, a, b) => e.remS(a, b)),
  ),
  entry(
    'remu',
    'R',
    0x02007033,
    'Remainder of the unsigned division; by zero it is rs1.',
    remainder(LONG, (e, a, b) => e.remU(a, b)),
  ),
  entry('mulw', 'R', 0x0200003b, 'Multiplies in 32 bits and sign-extends the product.', (e) =>
    e.setX('rd', e.extendS(e.mul(e.wrap(e.x('rs1')), e.wrap(e.x('rs2'))))),
  ),
  entry(
    'divw',
    'R',
    0x0200403b,
    'Divides the low 32 bits signed, rounding towards zero; division by zero gives -1.',
    divideSigned(WORD),
  ),
  entry(
    'divuw',
    'R',
    0x0200503b,
    'Divides the low 32 bits unsigned and sign-extends; division by zero gives all ones.',
    divideUnsigned(WORD),
  ),
  entry(
    'remw',
    'R',
    0x0200603b,
    'Remainder of the signed division of the low 32 bits; by zero it is that of rs1.',
    remainder(WORD, (e, a, b) => e.remS(a, b)),
  ),
  entry(
    'remuw',
    'R',
    0x0200703b,
    'Remainder of the unsigned division of the low 32 bits; by zero it is that of rs1.',
    remainder(WORD, (e, a, b) => e.remU(a, b)),
  ),
];

function operands(e: Emitter): [I64, I64] {
  return [e.bind(e.x('rs1')), e.bind(e.x('rs2'))];
}

/** All ones where `a` is negative, else 0. */
function signs(e: Emitter, a: I64): I64 {
  return e.shrS(a, e.i64(63));
}

/** The high 64 bits of an unsigned product, from four products of 32-bit halves. */
function unsignedHigh(e: Emitter, a: I64, b: I64): I64 {
  const low = e.i64(0xffffffff);
  const half = e.i64(32);
  const [aLow, aHigh] = [e.bind(e.and(a, low)), e.bind(e.shrU(a, half))];
  const [bLow, bHigh] = [e.bind(e.and(b, low)), e.bind(e.shrU(b, half))];
  // None of these sums overflows: (2^32-1)^2 + 2 * (2^32-1) = 2^64 - 1.
  const middle = e.bind(e.add(e.mul(aHigh, bLow), e.shrU(e.mul(aLow, bLow), half)));
  const carried = e.add(e.mul(aLow, bHigh), e.and(middle, low));
  return e.add(e.add(e.mul(aHigh, bHigh), e.shrU(middle, half)), e.shrU(carried, half));
}

// Division never traps in RISC-V ("Division Operations"): by zero the quotient is all ones and the remainder the
// dividend; the one signed overflow, the most negative number by -1, gives the dividend and the remainder 0.

function divideSigned<T extends I32 | I64>({ read, constant, write }: Shape<T>) {
  return (e: Emitter) => {
    const [a, b] = [read(e, 'rs1'), read(e, 'rs2')];
    // a / -1 is -a, which in the overflowing case is a itself: no need to look at a.
    const byMinusOne = () => write(e, e.sub(constant(e, 0), a));
    const divide = () => e.if(e.eq(b, constant(e, -1)), byMinusOne, () => write(e, e.divS(a, b)));
    e.if(e.eqz(b), () => write(e, constant(e, -1)), divide);
  };
}

function divideUnsigned<T extends I32 | I64>({ read, constant, write }: Shape<T>) {
  return (e: Emitter) => {
    const [a, b] = [read(e, 'rs1'), read(e, 'rs2')];
    e.if(
      e.eqz(b),
      () => write(e, constant(e, -1)),
      () => write(e, e.divU(a, b)),
    );
  };
}

/** WebAssembly's signed remainder does not trap on overflow: it gives 0, as RISC-V's does. */
function remainder<T extends I32 | I64>({ read, write }: Shape<T>, operation: (e: Emitter, a: T, b: T) => T) {
  return (e: Emitter) => {
    const [a, b] = [read(e, 'rs1'), read(e, 'rs2')];
    e.if(
      e.eqz(b),
      () => write(e, a),
      () => write(e, operation(e, a, b)),
    );
  };
}
