import { doubleToSingle, singleToDouble } from './float-convert.ts';
import { floatEntries, hostArithmetic } from './float-entries.ts';
import { DOUBLE } from './float-format.ts';
import { fusedDouble } from './float-fused.ts';
import { entriesOf, type Instruction } from './instruction.ts';

const entry = entriesOf('D');

/** D (unprivileged, "D" Extension for Double-Precision Floating-Point). */
export const D: readonly Instruction[] = [
  entry('fld', 'float-load', 0x00003007, 'Loads a double.', (e) => {
    e.requireFloat();
    e.setF('rd', e.load('64', e.add(e.x('rs1'), e.imm())));
  }),
  entry('fsd', 'float-store', 0x00003027, 'Stores a double.', (e) => {
    e.requireFloat();
    e.store('64', e.add(e.x('rs1'), e.imm()), e.f('rs2'));
  }),
  entry('fmv.x.d', 'float-to-int', 0xe2000053, 'Moves the bits of a double to an integer register.', (e) => {
    e.requireFloat();
    e.setX('rd', e.f('rs1'));
  }),
  entry('fmv.d.x', 'int-to-float', 0xf2000053, 'Moves the bits of an integer register to a double.', (e) => {
    e.requireFloat();
    e.setF('rd', e.x('rs1'));
  }),
  entry('fcvt.s.d', 'float-unary-rm', 0x40100053, 'Converts a double to a single.', doubleToSingle),
  entry(
    'fcvt.d.s',
    'float-unary-exact',
    0x42000053,
    'Converts a single to a double, exactly.',
    singleToDouble,
  ),
  ...floatEntries(
    { extension: 'D', fmt: 0x02000000, suffix: 'd', kind: 'double', format: DOUBLE },
    hostArithmetic(DOUBLE, fusedDouble, (e, value, signed) =>
      signed ? e.convertS(value, 'f64') : e.convertU(value, 'f64'),
    ),
  ),
];
