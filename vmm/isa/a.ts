import type { AtomicWidth, Emitter, I32, I64 } from './emitter.ts';
import { entriesOf, type Instruction } from './instruction.ts';

const entry = entriesOf('A');

/**
 * A (unprivileged, "A" Extension for Atomic Instructions). The aq and rl bits ask for an order that every
 * access has here anyway: harts take turns.
 */
export const A: readonly Instruction[] = [
  entry(
    'lr.w',
    'lr',
    0x1000202f,
    'Loads 32 bits, sign-extended, and reserves them for sc.w.',
    loadReserved('32'),
  ),
  entry('lr.d', 'lr', 0x1000302f, 'Loads 64 bits and reserves them for sc.d.', loadReserved('64')),
  entry(
    'sc.w',
    'amo',
    0x1800202f,
    'Stores 32 bits if the reservation holds; rd is 0 on success.',
    storeConditional('32'),
  ),
  entry(
    'sc.d',
    'amo',
    0x1800302f,
    'Stores 64 bits if the reservation holds; rd is 0 on success.',
    storeConditional('64'),
  ),
  ...pair('amoswap', 0x0800202f, 'Atomically swaps rs2 and memory', (_e, _old, b) => b),
  ...pair('amoadd', 0x0000202f, 'Atomically adds rs2 to memory', (e, old, b) => e.add(old, b)),
  ...pair('amoxor', 0x2000202f, 'Atomically exclusive-ors rs2 into memory', (e, old, b) => e.xor(old, b)),
  ...pair('amoand', 0x6000202f, 'Atomically ands rs2 into memory', (e, old, b) => e.and(old, b)),
  ...pair('amoor', 0x4000202f, 'Atomically ors rs2 into memory', (e, old, b) => e.or(old, b)),
  ...pair(
    'amomin',
    0x8000202f,
    'Atomically stores the lesser of memory and rs2, signed',
    choose((e, a, b) => e.ltS(a, b)),
  ),
  ...pair(
    'amomax',
    0xa000202f,
    'Atomically stores the greater of memory and rs2, signed',
    choose((e, a, b) => e.ltS(b, a)),
  ),
  ...pair(
    'amominu',
    0xc000202f,
    'Atomically stores the lesser of memory and rs2, unsigned',
    choose((e, a, b) => e.ltU(a, b)),
  ),
  ...pair(
    'amomaxu',
    0xe000202f,
    'Atomically stores the greater of memory and rs2, unsigned',
    choose((e, a, b) => e.ltU(b, a)),
  ),
];

type Update = (e: Emitter, old: I64, operand: I64) => I64;

function loadReserved(width: AtomicWidth) {
  return (e: Emitter) => e.setX('rd', e.loadReserved(width, e.x('rs1')));
}

function storeConditional(width: AtomicWidth) {
  return (e: Emitter) => e.setX('rd', e.storeConditional(width, e.x('rs1'), e.x('rs2')));
}

/** The 32-bit and 64-bit form of a read-modify-write; they differ in the lowest bit of funct3. */
function pair(name: string, match: number, does: string, update: Update): Instruction[] {
  const semantics = (width: AtomicWidth) => (e: Emitter) => {
    // Sign-extending both sides of a 32-bit operation keeps their order, the unsigned one too.
    const operand = e.bind(width === '32' ? e.extend32(e.x('rs2')) : e.x('rs2'));
    e.setX(
      'rd',
      e.amo(width, e.x('rs1'), (old) => update(e, old, operand)),
    );
  };
  return [
    entry(
      `${name}.w`,
      'amo',
      match,
      `${does} in 32 bits; rd gets the old value, sign-extended.`,
      semantics('32'),
    ),
    entry(`${name}.d`, 'amo', match + 0x1000, `${does} in 64 bits; rd gets the old value.`, semantics('64')),
  ];
}

function choose(prefersOld: (e: Emitter, old: I64, operand: I64) => I32): Update {
  return (e, old, operand) => {
    const bound = e.bind(old);
    return e.select(prefersOld(e, bound, operand), bound, operand);
  };
}
