import type { AtomicWidth, Emitter, I32, I64 } from './emitter.ts';
import type { entriesOf, Instruction } from './instruction.ts';

/** What each width's mnemonics end in, and its funct3. */
const FORMS: Readonly<Record<AtomicWidth, { readonly suffix: string; readonly funct3: number }>> = {
  '8': { suffix: 'b', funct3: 0 },
  '16': { suffix: 'h', funct3: 1 },
  '32': { suffix: 'w', funct3: 2 },
  '64': { suffix: 'd', funct3: 3 },
};

type Entry = ReturnType<typeof entriesOf>;
type Update = (e: Emitter, old: I64, operand: I64) => I64;

/** What every width has (unprivileged, "Zaamo"): name, funct5 in place, what it does, the new value. */
const OPERATIONS: readonly (readonly [name: string, match: number, does: string, update: Update])[] = [
  ['amoswap', 0x08000000, 'Atomically swaps rs2 and memory', (_e, _old, b) => b],
  ['amoadd', 0x00000000, 'Atomically adds rs2 to memory', (e, old, b) => e.add(old, b)],
  ['amoxor', 0x20000000, 'Atomically exclusive-ors rs2 into memory', (e, old, b) => e.xor(old, b)],
  ['amoand', 0x60000000, 'Atomically ands rs2 into memory', (e, old, b) => e.and(old, b)],
  ['amoor', 0x40000000, 'Atomically ors rs2 into memory', (e, old, b) => e.or(old, b)],
  [
    'amomin',
    0x80000000,
    'Atomically stores the lesser of memory and rs2, signed',
    choose((e, a, b) => e.ltS(a, b)),
  ],
  [
    'amomax',
    0xa0000000,
    'Atomically stores the greater of memory and rs2, signed',
    choose((e, a, b) => e.ltS(b, a)),
  ],
  [
    'amominu',
    0xc0000000,
    'Atomically stores the lesser of memory and rs2, unsigned',
    choose((e, a, b) => e.ltU(a, b)),
  ],
  [
    'amomaxu',
    0xe0000000,
    'Atomically stores the greater of memory and rs2, unsigned',
    choose((e, a, b) => e.ltU(b, a)),
  ],
];

/** The read-modify-write instructions in these widths. */
export function readModifyWrite(entry: Entry, widths: readonly AtomicWidth[]): Instruction[] {
  return OPERATIONS.flatMap(([name, match, does, update]) =>
    widths.map((width) =>
      entry(
        `${name}.${FORMS[width].suffix}`,
        'amo',
        AMO | match | (FORMS[width].funct3 << 12),
        `${does} in ${width} bits; ${gets(width)}.`,
        (e) => {
          // Sign-extending both sides of a narrow operation keeps their order, the unsigned one too.
          const operand = e.bind(extend(e, width, e.x('rs2')));
          e.setX(
            'rd',
            e.amo(width, e.x('rs1'), (old) => update(e, old, operand)),
          );
        },
      ),
    ),
  );
}

/** Compare-and-swap in these widths (unprivileged, "Zacas" and "Zabha"). */
export function compareAndSwap(entry: Entry, widths: readonly AtomicWidth[]): Instruction[] {
  return widths.map((width) =>
    entry(
      `amocas.${FORMS[width].suffix}`,
      'amo',
      AMO | AMOCAS | (FORMS[width].funct3 << 12),
      `Atomically stores rs2 if memory equals rd, in ${width} bits; ${gets(width)}.`,
      (e) => {
        const compared = e.bind(extend(e, width, e.x('rd')));
        const operand = e.bind(e.x('rs2'));
        // One that fails writes back what it read, which the specification leaves open.
        const update = (old: I64): I64 => e.select(e.eq(old, compared), operand, old);
        e.setX('rd', e.amo(width, e.x('rs1'), update));
      },
    ),
  );
}

/** Opcode of all atomics, and funct5 of compare-and-swap. */
const AMO = 0x2f;
export const AMOCAS = 0x28000000;

const gets = (width: AtomicWidth): string =>
  `rd gets the old value${width === '64' ? '' : ', sign-extended'}`;

function extend(e: Emitter, width: AtomicWidth, value: I64): I64 {
  switch (width) {
    case '8':
      return e.extend8(value);
    case '16':
      return e.extend16(value);
    case '32':
      return e.extend32(value);
    case '64':
      return value;
  }
}

function choose(prefersOld: (e: Emitter, old: I64, operand: I64) => I32): Update {
  return (e, old, operand) => {
    const bound = e.bind(old);
    return e.select(prefersOld(e, bound, operand), bound, operand);
  };
}
