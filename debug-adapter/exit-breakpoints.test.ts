import { expect, test } from 'vitest';
import { parseFilter } from './exit-breakpoints.ts';

test.each([
  ['', {}],
  ['value == 10', { condition: 'value == 10' }],
  ['value == 10 @post #3 !log', { condition: 'value == 10', stage: 'post', hitCount: 3, action: 'log' }],
  ['!log #2 @pre', { action: 'log', hitCount: 2, stage: 'pre' }],
  ['device == "uart0" && !write', { condition: 'device == "uart0" && !write' }],
  ['!write', { condition: '!write' }],
  ['register == "a#3"', { condition: 'register == "a#3"' }],
  ['(value == 1)@post', { condition: '(value == 1)', stage: 'post' }],
])('condition %j', (text, expected) => {
  expect(parseFilter('mmio', text)).toEqual({ kind: 'mmio', ...expected });
});

test.each([
  ['mmio', 'write @after', '"@after" is no stage: write @pre or @post (column 7)', 7],
  ['mmio', 'write #0', '"#0" is no hit count: write # and a number from 1, such as #3 (column 7)', 7],
  ['mmio', 'write !skip', 'the action "skip" is not available: write !stop or !log (column 7)', 7],
  ['mmoi', '', 'There is no exit of kind "mmoi". Did you mean "mmio"?', undefined],
])('%s %j is refused with the column', (kind, text, message, column) => {
  const refused = { verified: false, message, ...(column === undefined ? {} : { column }) };
  expect(parseFilter(kind, text)).toEqual({ refused });
});
