import { widened } from './float-convert.ts';
import { floatEntries } from './float-entries.ts';
import { DOUBLE, SINGLE } from './float-format.ts';
import {
  doubleToHalf,
  fusedHalf,
  HALF,
  halfArithmetic,
  halfDivision,
  halfSquareRoot,
  integerToHalf,
  singleToHalf,
} from './float-half.ts';
import { broughtBy, entriesOf, type Instruction, seldomUsed } from './instruction.ts';

const entry = entriesOf('Zfhmin');

/** Zfhmin (unprivileged, "Zfhmin" Standard Extension for Minimal Half-Precision Floating-Point): a part of Zfh. */
export const ZFHMIN: readonly Instruction[] = [
  entry('flh', 'float-load', 0x00001007, 'Loads a half.', (e) => {
    e.requireFloat();
    HALF.write(e, e.wrap(e.load('u16', e.add(e.x('rs1'), e.imm()))));
  }),
  // Moves and stores take the low 16 bits as they are, boxed or not ("NaN Boxing of Narrower Values").
  entry('fsh', 'float-store', 0x00001027, 'Stores a half: the low 16 bits of rs2.', (e) => {
    e.requireFloat();
    e.store('16', e.add(e.x('rs1'), e.imm()), e.f('rs2'));
  }),
  entry(
    'fmv.x.h',
    'float-to-int',
    0xe4000053,
    'Moves the bits of a half to an integer register, sign-extended.',
    (e) => {
      e.requireFloat();
      e.setX('rd', e.extend16(e.f('rs1')));
    },
  ),
  entry(
    'fmv.h.x',
    'int-to-float',
    0xf4000053,
    'Moves the low 16 bits of an integer register to a half.',
    (e) => {
      e.requireFloat();
      HALF.write(e, e.and(e.wrap(e.x('rs1')), e.i32(0xffff)));
    },
  ),
  entry('fcvt.h.s', 'float-unary-rm', 0x44000053, 'Converts a single to a half.', singleToHalf),
  entry('fcvt.s.h', 'float-unary-exact', 0x40200053, 'Converts a half to a single, exactly.', (e) => {
    e.requireFloat();
    e.roundingMode();
    const bits = HALF.read(e, 'rs1');
    SINGLE.write(
      e,
      widened(e, HALF, SINGLE, bits, (value) => SINGLE.narrow(e, value)),
    );
  }),
  broughtBy(entry('fcvt.h.d', 'float-unary-rm', 0x44100053, 'Converts a double to a half.', doubleToHalf), [
    'Zfhmin',
    'D',
  ]),
  broughtBy(
    entry('fcvt.d.h', 'float-unary-exact', 0x42200053, 'Converts a half to a double, exactly.', (e) => {
      e.requireFloat();
      e.roundingMode();
      const bits = HALF.read(e, 'rs1');
      DOUBLE.write(
        e,
        widened(e, HALF, DOUBLE, bits, (value) => DOUBLE.narrow(e, value)),
      );
    }),
    ['Zfhmin', 'D'],
  ),
].map(seldomUsed);

/** What Zfh (unprivileged, "Zfh" and "Zfhmin" Extensions for Half-Precision Floating-Point) has beyond Zfhmin. */
export const ZFH: readonly Instruction[] = floatEntries(
  { extension: 'Zfh', fmt: 0x04000000, suffix: 'h', kind: 'half', format: HALF },
  {
    addition: halfArithmetic,
    multiplication: halfArithmetic('mul'),
    division: halfDivision,
    squareRoot: halfSquareRoot,
    fused: fusedHalf,
    fromInteger: integerToHalf,
  },
).map(seldomUsed);
