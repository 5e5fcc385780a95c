import { floatEntries, hostArithmetic } from './float-entries.ts';
import { SINGLE } from './float-format.ts';
import { fusedSingle } from './float-fused.ts';
import { entriesOf, type Instruction } from './instruction.ts';

const entry = entriesOf('F');

/** F (unprivileged, "F" Extension for Single-Precision Floating-Point). */
export const F: readonly Instruction[] = [
  entry('flw', 'float-load', 0x00002007, 'Loads a single.', (e) => {
    e.requireFloat();
    e.setFSingle('rd', e.wrap(e.load('u32', e.add(e.x('rs1'), e.imm()))));
  }),
  // Moves and stores take the low 32 bits as they are, boxed or not ("NaN Boxing of Narrower Values").
  entry('fsw', 'float-store', 0x00002027, 'Stores a single: the low 32 bits of rs2.', (e) => {
    e.requireFloat();
    e.store('32', e.add(e.x('rs1'), e.imm()), e.f('rs2'));
  }),
  entry(
    'fmv.x.w',
    'float-to-int',
    0xe0000053,
    'Moves the bits of a single to an integer register, sign-extended.',
    (e) => {
      e.requireFloat();
      e.setX('rd', e.extend32(e.f('rs1')));
    },
  ),
  entry(
    'fmv.w.x',
    'int-to-float',
    0xf0000053,
    'Moves the low 32 bits of an integer register to a single.',
    (e) => {
      e.requireFloat();
      e.setFSingle('rd', e.wrap(e.x('rs1')));
    },
  ),
  ...floatEntries(
    { extension: 'F', fmt: 0, suffix: 's', kind: 'single', format: SINGLE },
    hostArithmetic(SINGLE, fusedSingle, (e, value, signed) =>
      signed ? e.convertS(value, 'f32') : e.convertU(value, 'f32'),
    ),
  ),
];
