import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { VmError } from '../base/vm-error.ts';
import { compileCondition, compileConditionOnKinds, compileLogText, parseExitFilter } from './condition.ts';
import { fieldsOf } from './condition-fields.ts';
import { EXIT_KINDS, type ExitKind, type VmExit } from './exits.ts';

const context = { hart: 1, pc: 0x8020_0004n, step: 5000n, handlerNs: 1234.6 };

const EXITS = {
  mmio: {
    kind: 'mmio',
    device: 'uart0',
    register: 'THR',
    offset: 0,
    address: 0x1000_0000n,
    size: 1,
    write: true,
    value: 0x0an,
  },
  sbi: {
    kind: 'sbi',
    ext: 'DBCN',
    extId: 0x4442_434en,
    fn: 2,
    function: 'console_write_byte',
    args: [65n, 1n, 2n, 3n, 4n, 5n],
    error: 0xffff_ffff_ffff_fffen,
    value: 7n,
  },
  csr: { kind: 'csr', csr: 'satp', number: 0x180, write: true, old: 0n, value: 0x8000_0000_0008_0200n },
  trap: {
    kind: 'trap',
    cause: 13,
    interrupt: false,
    name: 'load page fault',
    tval: 0x1000n,
    from: 'U',
    to: 'S',
  },
  'tlb-flush': { kind: 'tlb-flush', fence: 'sfence.vma', address: null, asid: 7 },
} as const satisfies Partial<Record<ExitKind, VmExit>>;
type Sample = keyof typeof EXITS;

const evaluate = (kind: Sample, text: string): boolean => compileCondition(kind, text)(EXITS[kind], context);

describe('conditions on exits', () => {
  test.each<[Sample, string, boolean]>([
    ['mmio', 'device == "uart0" && write && value == 0x0a', true],
    ['mmio', "device == 'uart0' && !write", false],
    ['mmio', 'device != "plic"', true],
    ['sbi', 'ext == "DBCN" && fn == 2', true],
    ['sbi', 'extId == 0x4442434e && a0 == 65 && a5 == 5', true],
    ['sbi', 'error == -2', true],
    ['sbi', 'error != 0 && value == 7', true],
    ['sbi', 'function == "console_write"', false],
    ['csr', 'value >> 60 == 8', true],
    ['csr', 'csr == "satp" && old == 0', true],
    ['trap', 'cause == 13 && !interrupt && from == "U"', true],
    ['mmio', 'handlerNs > 5000', false],
    ['mmio', 'handlerNs == 1235', true],
    ['mmio', 'hart == 1 && pc == 0x80200004 && step >= 5_000', true],
    ['mmio', 'write == true', true],
    ['mmio', 'true', true],
  ])('%s: %s is %s', (kind, text, expected) => {
    expect(evaluate(kind, text)).toBe(expected);
  });

  test.each<[string, boolean]>([
    ['1 + 2 * 3 == 7', true],
    ['(1 + 2) * 3 == 9', true],
    ['10 - 2 - 3 == 5', true],
    ['100 / 10 / 5 == 2', true],
    ['7 % 4 == 3', true],
    ['value & 8 == 8', true],
    ['0b1100 & 0b1010 | 1 == 9', true],
    ['6 ^ 3 == 5', true],
    ['~0 == 0xffffffffffffffff', true],
    ['-1 > 5', true],
    ['- -3 == 3', true],
    ['~~5 == 5', true],
    ['1 << 63 == 0x8000000000000000', true],
    ['1 << 64 == 1', true],
    ['0xffffffffffffffff + 1 == 0', true],
    ['0 - 1 == 18446744073709551615', true],
    ['5 / 0 == ~0', true],
    ['5 % 0 == 5', true],
    ['true || false && false', true],
    ['!(true && false)', true],
    ['!false == true', true],
    ['1 < 2 == true', true],
    ['1 <= 1 && 1 >= 1 && !(1 < 1) && !(1 > 1)', true],
    ['"a\\"b" == \'a"b\'', true],
    ['"\\n" == "n"', false],
  ])('%s is %s', (text, expected) => expect(evaluate('mmio', text)).toBe(expected));

  test.each<[string, boolean]>([
    ['address == 0', false],
    ['address != 0', true],
    ['address < 5 || address >= 5', false],
    ['address + 1 == 1', false],
    ['asid == 7', true],
  ])('a field that does not apply is equal to nothing and in no order: %s is %s', (text, expected) =>
    expect(evaluate('tlb-flush', text)).toBe(expected),
  );

  test.each<[Sample, string, number, RegExp]>([
    ['mmio', '', 1, /ends where a value/],
    ['mmio', 'value ==', 9, /ends where a value/],
    ['mmio', 'value = 10', 7, /equality is '=='/],
    ['mmio', 'valeu == 10', 1, /no field 'valeu'; it has device, register, offset/],
    ['mmio', 'write && ext == "DBCN"', 10, /kind mmio has no field 'ext'/],
    ['mmio', 'value', 1, /compare it, for example with != 0/],
    ['mmio', 'device', 1, /compare it with ==/],
    ['mmio', 'device == 5', 8, /a string and an integer cannot be compared with ==/],
    ['mmio', 'write == 1', 7, /true or false and an integer/],
    ['mmio', 'device < "x"', 1, /< needs an integer here, but this is a string/],
    ['mmio', 'write && value', 10, /&& needs true or false here, but this is an integer/],
    ['mmio', '!value', 2, /! needs true or false/],
    ['mmio', '~write == 1', 2, /~ needs an integer/],
    ['mmio', '(value == 1', 12, /'\)' is expected here, not the end/],
    ['mmio', 'value == 1)', 11, /an operator is expected here/],
    ['mmio', 'value == 1 2', 12, /an operator is expected here, not '2'/],
    ['mmio', 'device == "uart0', 11, /has no end/],
    ['mmio', 'value == 0x', 10, /is no number/],
    ['mmio', 'value == 12ab', 10, /'12ab' is no number/],
    ['mmio', 'value == 0x1ffffffffffffffff', 10, /does not fit 64 bits/],
    ['mmio', 'value == 1 § 2', 12, /'§' has no meaning/],
    ['mmio', '== 1', 1, /a value is expected here, not '=='/],
    ['mmio', `${'('.repeat(80)}true`, 65, /nests deeper than 64/],
    ['mmio', '1'.repeat(3000), 2001, /at most 2000 characters/],
  ])('%s: %s fails at column %d', (kind, text, column, message) => {
    const error = catchError(() => compileCondition(kind, text));
    expect(error.code).toBe('bad-condition');
    expect(error.message).toMatch(message);
    expect(error.column).toBe(column);
  });

  test('a condition on several kinds matches those that have its fields', () => {
    const condition = compileConditionOnKinds(EXIT_KINDS, 'device == "uart0"');
    expect(condition(EXITS.mmio, context)).toBe(true);
    expect(condition(EXITS.sbi, context)).toBe(false);
    expect(condition({ kind: 'irq', line: 10, device: 'uart0', event: 'raised' }, context)).toBe(true);
    expect(catchError(() => compileConditionOnKinds(EXIT_KINDS, 'nosuch == 1')).column).toBe(1);
    expect(catchError(() => compileConditionOnKinds(['sbi', 'csr'], 'device == "uart0"')).code).toBe(
      'bad-condition',
    );
  });

  test('every kind has fields with descriptions', () => {
    for (const kind of EXIT_KINDS) {
      expect([...fieldsOf(kind).keys()]).toEqual(expect.arrayContaining(['hart', 'pc', 'step', 'handlerNs']));
      for (const field of fieldsOf(kind).values()) expect(field.description).not.toBe('');
    }
  });

  test('log texts take fields', () => {
    const text = compileLogText('mmio', '{device} {register} <- {value} ({size} byte, hart {hart}) at {pc}');
    expect(text(EXITS.mmio, context)).toBe('uart0 THR <- 0xa (1 byte, hart 1) at 0x80200004');
    const fence = EXITS['tlb-flush'];
    expect(compileLogText('tlb-flush', 'address {address}')(fence, context)).toBe('address none');
    expect(catchError(() => compileLogText('mmio', 'is {vlaue}')).column).toBe(5);
  });
});

describe('exception filters', () => {
  test.each([
    ['', { stage: 'pre', hitCount: 1, action: 'stop' }],
    ['value == 10', { condition: 'value == 10', stage: 'pre', hitCount: 1, action: 'stop' }],
    ['value == 10 @post #3', { condition: 'value == 10', stage: 'post', hitCount: 3, action: 'stop' }],
    ['value == 10 #0x10 @pre !log', { condition: 'value == 10', stage: 'pre', hitCount: 16, action: 'log' }],
    ['@post', { stage: 'post', hitCount: 1, action: 'stop' }],
    ['!log "sent {value}"', { stage: 'pre', hitCount: 1, action: 'log', log: 'sent {value}' }],
    ['!write', { condition: '!write', stage: 'pre', hitCount: 1, action: 'stop' }],
    ['!write !stop', { condition: '!write', stage: 'pre', hitCount: 1, action: 'stop' }],
    [
      'device == "a @post" @post',
      { condition: 'device == "a @post"', stage: 'post', hitCount: 1, action: 'stop' },
    ],
  ])('%s', (text, expected) => expect(parseExitFilter('mmio', text)).toEqual(expected));

  test.each<[string, number, RegExp]>([
    ['value == 10 !skip', 13, /'skip' does not exist yet; use !stop or !log/],
    ['!skip', 1, /does not exist yet/],
    ['value == 10 @middle', 13, /@ is followed by pre or post/],
    ['value == 10 #0', 13, /hit count of 1 or more/],
    ['value == 10 #x', 13, /hit count of 1 or more/],
    ['@pre @post', 6, /the stage is given twice/],
    ['#1 #2', 4, /the hit count is given twice/],
    ['!stop !log', 7, /the action is given twice/],
    ['value == 10 !jump', 13, /! is followed by stop or log/],
    ['value == 10 value', 13, /an operator, @pre, @post, #count or !action is expected/],
    ['@post value == 10', 7, /an operator, @pre/],
    ['!log "{nosuch}"', 8, /no field 'nosuch'/],
    ['@', 1, /@ is followed by/],
  ])('%s fails at column %d', (text, column, message) => {
    const error = catchError(() => parseExitFilter('mmio', text));
    expect(error.message).toMatch(message);
    expect(error.column).toBe(column);
  });
});

describe('fuzzing', () => {
  const seed = Number(process.env['SEED'] ?? 4711);
  const words = [
    'value',
    'write',
    'device',
    '==',
    '&&',
    '!',
    '(',
    ')',
    '-',
    '~',
    '<<',
    '/',
    '%',
    '0',
    '7',
    '"x"',
    '@',
    '#',
    '@post',
    '!log',
    'true',
    ' ',
  ];

  test('no text throws anything but a VmError with a column inside it', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(fc.constantFrom(...words)).map((w) => w.join(' ')),
    );
    fc.assert(
      fc.property(fc.constantFrom(...EXIT_KINDS), text, (kind, input) => {
        for (const parse of [compileCondition, parseExitFilter]) {
          try {
            parse(kind, input);
          } catch (error) {
            expect(error).toBeInstanceOf(VmError);
            const { column } = error as VmError;
            expect(column).toBeGreaterThanOrEqual(1);
            expect(column).toBeLessThanOrEqual(Math.max(input.length, 1) + 1);
          }
        }
      }),
      { seed, numRuns: 3000 },
    );
  });

  test('whatever compiles evaluates without throwing', () => {
    const expression = fc.letrec<{ integer: string; boolean: string }>((tie) => ({
      integer: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom('value', 'address', '0', '1', '63', '64', '0xffffffffffffffff'),
        fc
          .tuple(
            tie('integer'),
            fc.constantFrom('+', '-', '*', '/', '%', '&', '|', '^', '<<', '>>'),
            tie('integer'),
          )
          .map((p) => `(${p.join(' ')})`),
        tie('integer').map((inner) => `~${inner}`),
      ),
      boolean: fc.oneof(
        { depthSize: 'small' },
        fc
          .tuple(tie('integer'), fc.constantFrom('==', '!=', '<', '<=', '>', '>='), tie('integer'))
          .map((p) => p.join(' ')),
        fc.tuple(tie('boolean'), fc.constantFrom('&&', '||'), tie('boolean')).map((p) => `(${p.join(' ')})`),
        tie('boolean').map((inner) => `!(${inner})`),
      ),
    }));
    fc.assert(
      fc.property(expression.boolean, (text) => {
        if (text.length < 500)
          expect(typeof compileCondition('mmio', text)(EXITS.mmio, context)).toBe('boolean');
      }),
      { seed, numRuns: 1000 },
    );
  });
});

function catchError(action: () => unknown): VmError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(VmError);
    return error as VmError;
  }
  throw new Error('nothing was thrown');
}
