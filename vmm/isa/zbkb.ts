import { reverseInBytes } from './bit-groups.ts';
import { entriesOf, type Instruction } from './instruction.ts';

const entry = entriesOf('Zbkb');

/** What Zbkb (unprivileged, "Zbkb: Bit-manipulation for Cryptography") has beyond what it shares with Zbb. */
export const ZBKB: readonly Instruction[] = [
  entry(
    'pack',
    'R',
    0x08004033,
    'Packs the low 32 bits of rs1 and rs2; those of rs2 are the upper half.',
    (e) => e.setX('rd', e.or(e.and(e.x('rs1'), e.i64(0xffffffff)), e.shl(e.x('rs2'), e.i64(32)))),
  ),
  entry(
    'packh',
    'R',
    0x08007033,
    'Packs the low bytes of rs1 and rs2; that of rs2 is the upper one.',
    (e) => {
      const low = e.and(e.x('rs1'), e.i64(0xff));
      e.setX('rd', e.or(low, e.shl(e.and(e.x('rs2'), e.i64(0xff)), e.i64(8))));
    },
  ),
  entry(
    'packw',
    'R',
    0x0800403b,
    'Packs the low 16 bits of rs1 and rs2, those of rs2 above, and sign-extends.',
    (e) => {
      const low = e.and(e.x('rs1'), e.i64(0xffff));
      e.setX('rd', e.extend32(e.or(low, e.shl(e.x('rs2'), e.i64(16)))));
    },
  ),
  entry('brev8', 'unary', 0x68705013, 'Reverses the order of the bits in each byte.', (e) =>
    e.setX('rd', reverseInBytes(e, e.x('rs1'))),
  ),
];
