import { compressedEntriesOf, compressedImmediate, expandTo } from './compressed-entries.ts';
import type { CompressedInstruction, Extension } from './instruction.ts';

const entry = compressedEntriesOf('Zcb');

const BYTE_OFFSET = compressedImmediate('unsigned', '0@6 1@5');
const HALF_OFFSET = compressedImmediate('unsigned', '1@5');

/** Zcb (unprivileged, "Zcb"). Those that stand for instructions of other extensions exist where these do. */
export const ZCB: readonly CompressedInstruction[] = [
  load('c.lbu', 0x8000, 0xfc03, 'lbu', 'Loads a byte, zero-extended.'),
  load('c.lhu', 0x8400, 0xfc43, 'lhu', 'Loads 16 bits, zero-extended.'),
  load('c.lh', 0x8440, 0xfc43, 'lh', 'Loads 16 bits, sign-extended.'),
  store('c.sb', 0x8800, 0xfc03, 'sb', 'Stores the low byte.'),
  store('c.sh', 0x8c00, 0xfc43, 'sh', 'Stores the low 16 bits.'),
  unary('c.zext.b', 0x9c61, 'Zero-extends the low byte.', (rd) =>
    expandTo('andi', { rd, rs1: rd, imm: 0xff }),
  ),
  unary('c.sext.b', 0x9c65, 'Sign-extends the low byte.', (rd) => expandTo('sext.b', { rd, rs1: rd }), 'Zbb'),
  unary(
    'c.zext.h',
    0x9c69,
    'Zero-extends the low 16 bits.',
    (rd) => expandTo('zext.h', { rd, rs1: rd }),
    'Zbb',
  ),
  unary(
    'c.sext.h',
    0x9c6d,
    'Sign-extends the low 16 bits.',
    (rd) => expandTo('sext.h', { rd, rs1: rd }),
    'Zbb',
  ),
  unary(
    'c.zext.w',
    0x9c71,
    'Zero-extends the low 32 bits.',
    (rd) => expandTo('add.uw', { rd, rs1: rd }),
    'Zba',
  ),
  unary('c.not', 0x9c75, 'Inverts every bit.', (rd) => expandTo('xori', { rd, rs1: rd, imm: -1 })),
  entry('c.mul', 'high,low', 0x9c41, 0xfc63, undefined, 'Multiplies.', ({ high, low }) =>
    expandTo('mul', { rd: high, rs1: high, rs2: low }),
  ),
];

function load(
  name: string,
  match: number,
  mask: number,
  expansion: string,
  description: string,
): CompressedInstruction {
  const layout = expansion === 'lbu' ? BYTE_OFFSET : HALF_OFFSET;
  return entry(name, 'low,imm(high)', match, mask, layout, description, ({ low, high, imm }) =>
    expandTo(expansion, { rd: low, rs1: high, imm }),
  );
}

function store(
  name: string,
  match: number,
  mask: number,
  expansion: string,
  description: string,
): CompressedInstruction {
  const layout = expansion === 'sb' ? BYTE_OFFSET : HALF_OFFSET;
  return entry(name, 'low,imm(high)', match, mask, layout, description, ({ low, high, imm }) =>
    expandTo(expansion, { rs2: low, rs1: high, imm }),
  );
}

function unary(
  name: string,
  match: number,
  description: string,
  expand: (register: number) => number,
  ...needs: readonly Extension[]
): CompressedInstruction {
  return entry(name, 'high', match, 0xfc7f, undefined, description, ({ high }) => expand(high), needs);
}
