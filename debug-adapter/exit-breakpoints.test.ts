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
  ['!log "sent {value}"', { action: 'log', log: 'sent {value}' }],
])('condition %j', (text, expected) => {
  const defaults = { kind: 'mmio', stage: 'pre', hitCount: 1, action: 'stop' };
  expect(parseFilter('mmio', text)).toEqual({ ...defaults, ...expected });
});

test.each([
  ['mmio', 'write @after', '@ is followed by pre or post (column 7)', 7],
  ['mmio', 'write #0', '# is followed by a hit count of 1 or more (column 7)', 7],
  ['mmio', 'write !skip', "the action 'skip' does not exist yet; use !stop or !log (column 7)", 7],
  ['mmoi', '', 'There is no exit of kind "mmoi". Did you mean "mmio"?', undefined],
])('%s %j is refused with the column', (kind, text, message, column) => {
  const refused = { verified: false, message, ...(column === undefined ? {} : { column }) };
  expect(parseFilter(kind, text)).toEqual({ refused });
});
