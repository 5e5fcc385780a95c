import { reverseBytes } from './bit-groups.ts';
import type { Emitter, I32, I64 } from './emitter.ts';
import { broughtBy, entriesOf, type Instruction } from './instruction.ts';

const entry = entriesOf('Zbb');

/** What Zbkb (unprivileged, "Zbkb: Bit-manipulation for Cryptography") has of these too. */
const ALSO_ZBKB = new Set(['andn', 'orn', 'xnor', 'rol', 'rolw', 'ror', 'rori', 'roriw', 'rorw', 'rev8']);

const BASIC: readonly Instruction[] = [
  entry(
    'andn',
    'R',
    0x40007033,
    'Bitwise and of rs1 with the inverse of rs2.',
    binary((e, a, b) => e.and(a, not(e, b))),
  ),
  entry(
    'orn',
    'R',
    0x40006033,
    'Bitwise or of rs1 with the inverse of rs2.',
    binary((e, a, b) => e.or(a, not(e, b))),
  ),
  entry(
    'xnor',
    'R',
    0x40004033,
    'Inverse of the exclusive or of rs1 and rs2.',
    binary((e, a, b) => not(e, e.xor(a, b))),
  ),

  // WebAssembly's clz and ctz of zero are the operand's width, as RISC-V's are.
  entry(
    'clz',
    'unary',
    0x60001013,
    'Counts leading zero bits; 64 when rs1 is zero.',
    unary((e, a) => e.clz(a)),
  ),
  entry(
    'ctz',
    'unary',
    0x60101013,
    'Counts trailing zero bits; 64 when rs1 is zero.',
    unary((e, a) => e.ctz(a)),
  ),
  entry(
    'cpop',
    'unary',
    0x60201013,
    'Counts the bits that are set.',
    unary((e, a) => e.popcnt(a)),
  ),
  entry(
    'clzw',
    'unary',
    0x6000101b,
    'Counts leading zero bits of the low 32; 32 when they are zero.',
    unaryWord((e, a) => e.clz(a)),
  ),
  entry(
    'ctzw',
    'unary',
    0x6010101b,
    'Counts trailing zero bits of the low 32; 32 when they are zero.',
    unaryWord((e, a) => e.ctz(a)),
  ),
  entry(
    'cpopw',
    'unary',
    0x6020101b,
    'Counts the bits that are set in the low 32.',
    unaryWord((e, a) => e.popcnt(a)),
  ),

  entry(
    'max',
    'R',
    0x0a006033,
    'The greater of rs1 and rs2, signed.',
    choose((e, a, b) => e.ltS(b, a)),
  ),
  entry(
    'maxu',
    'R',
    0x0a007033,
    'The greater of rs1 and rs2, unsigned.',
    choose((e, a, b) => e.ltU(b, a)),
  ),
  entry(
    'min',
    'R',
    0x0a004033,
    'The lesser of rs1 and rs2, signed.',
    choose((e, a, b) => e.ltS(a, b)),
  ),
  entry(
    'minu',
    'R',
    0x0a005033,
    'The lesser of rs1 and rs2, unsigned.',
    choose((e, a, b) => e.ltU(a, b)),
  ),

  entry(
    'sext.b',
    'unary',
    0x60401013,
    'Sign-extends the low byte.',
    unary((e, a) => e.extend8(a)),
  ),
  entry(
    'sext.h',
    'unary',
    0x60501013,
    'Sign-extends the low 16 bits.',
    unary((e, a) => e.extend16(a)),
  ),
  {
    ...entry(
      'zext.h',
      'unary',
      0x0800403b,
      'Zero-extends the low 16 bits.',
      unary((e, a) => e.and(a, e.i64(0xffff))),
    ),
    // A packw of rs1 and x0 (unprivileged, "zext.h").
    refines: 'packw',
  },

  entry(
    'rol',
    'R',
    0x60001033,
    'Rotates rs1 left by the low 6 bits of rs2.',
    binary((e, a, b) => e.rotl(a, b)),
  ),
  entry(
    'ror',
    'R',
    0x60005033,
    'Rotates rs1 right by the low 6 bits of rs2.',
    binary((e, a, b) => e.rotr(a, b)),
  ),
  entry('rori', 'shift6', 0x60005013, 'Rotates rs1 right by an immediate.', (e) =>
    e.setX('rd', e.rotr(e.x('rs1'), e.imm())),
  ),
  entry(
    'rolw',
    'R',
    0x6000103b,
    'Rotates the low 32 bits left by the low 5 bits of rs2 and sign-extends.',
    (e) => e.setX('rd', e.extendS(e.rotl(e.wrap(e.x('rs1')), e.wrap(e.x('rs2'))))),
  ),
  entry(
    'rorw',
    'R',
    0x6000503b,
    'Rotates the low 32 bits right by the low 5 bits of rs2 and sign-extends.',
    (e) => e.setX('rd', e.extendS(e.rotr(e.wrap(e.x('rs1')), e.wrap(e.x('rs2'))))),
  ),
  entry(
    'roriw',
    'shift5',
    0x6000501b,
    'Rotates the low 32 bits right by an immediate and sign-extends.',
    (e) => e.setX('rd', e.extendS(e.rotr(e.wrap(e.x('rs1')), e.wrap(e.imm())))),
  ),

  entry(
    'orc.b',
    'unary',
    0x28705013,
    'Sets each byte to all ones if any of its bits is set, else to zero.',
    (e) => {
      // Adding 0x7f to a byte's low seven bits carries into its top bit exactly when they are not all zero.
      const a = e.bind(e.x('rs1'));
      const sevens = e.i64(0x7f7f7f7f7f7f7f7fn);
      const tops = e.and(e.or(e.add(e.and(a, sevens), sevens), a), e.i64(0x8080808080808080n));
      e.setX('rd', e.mul(e.shrU(tops, e.i64(7)), e.i64(0xff)));
    },
  ),
  entry(
    'rev8',
    'unary',
    0x6b805013,
    'Reverses the order of the bytes.',
    unary((e, a) => reverseBytes(e, a)),
  ),
];

/** Zbb (unprivileged, "Zbb: Basic bit-manipulation"). */
export const ZBB: readonly Instruction[] = BASIC.map((each) =>
  ALSO_ZBKB.has(each.name) ? broughtBy(each, ['Zbb'], ['Zbkb']) : each,
);

function binary(operation: (e: Emitter, a: I64, b: I64) => I64) {
  return (e: Emitter) => e.setX('rd', operation(e, e.x('rs1'), e.x('rs2')));
}

function unary(operation: (e: Emitter, a: I64) => I64) {
  return (e: Emitter) => e.setX('rd', operation(e, e.x('rs1')));
}

/** The results are counts, so sign extension does not matter. */
function unaryWord(operation: (e: Emitter, a: I32) => I32) {
  return (e: Emitter) => e.setX('rd', e.extendU(operation(e, e.wrap(e.x('rs1')))));
}

function choose(prefersFirst: (e: Emitter, a: I64, b: I64) => I32) {
  return (e: Emitter) => {
    const [a, b] = [e.bind(e.x('rs1')), e.bind(e.x('rs2'))];
    e.setX('rd', e.select(prefersFirst(e, a, b), a, b));
  };
}

function not(e: Emitter, a: I64): I64 {
  return e.xor(a, e.i64(-1));
}
