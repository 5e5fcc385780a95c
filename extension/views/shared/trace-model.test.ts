import { expect, test } from 'vitest';
import type { TraceRecord } from './messages.ts';
import { conditionOf, matchesWords, recordFields } from './trace-model.ts';

const record: TraceRecord = {
  hart: 1,
  pc: '0x80200010',
  step: '0x10',
  stage: 'post',
  handlerNs: 850,
  sequence: 7,
  text: "write uart0.THR = 0x48 'H'",
  location: 'putc (uart.c:12)',
  exit: {
    ...{ kind: 'mmio', device: 'uart0', register: 'THR', offset: 0, address: '0x10000000' },
    ...{ size: 1, write: true, value: '0x48' },
  },
};

test.each([
  ['', undefined],
  ['uart write', undefined],
  ['uart.c:12', undefined],
  [' value == 10 ', 'value == 10'],
  ['handlerNs > 5000', 'handlerNs > 5000'],
  ['!write', '!write'],
  ['write && size', 'write && size'],
])('%j is the condition %j', (text, expected) => {
  expect(conditionOf(text)).toBe(expected);
});

test.each([
  ['', true],
  ['UART0 write', true],
  ['putc mmio', true],
  ['80200010', true],
  ['uart0 read', false],
])('words %j match: %j', (words, expected) => {
  expect(matchesWords(record, words)).toBe(expected);
});

test('the details hold every field of the exit', () => {
  expect(Object.fromEntries(recordFields(record))).toEqual({
    ...{ kind: 'mmio', stage: 'post', hart: '1', pc: '0x80200010', at: 'putc (uart.c:12)', step: '16' },
    ...{ device: 'uart0', register: 'THR', offset: '0', address: '0x10000000', size: '1' },
    ...{ write: 'true', value: '0x48', handlerNs: '850' },
  });
  const sbi = { ...record, exit: { kind: 'wfi', until: null } } as const;
  expect(recordFields(sbi)).toContainEqual(['until', 'null']);
});
