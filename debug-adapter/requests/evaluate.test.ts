import { expect, test } from 'vitest';
import { splitAssignment } from './evaluate.ts';

test.each([
  ['a = 1', ['a', '1']],
  ['$a0=$a1 + 2', ['$a0', '$a1 + 2']],
  ['list->next = &head', ['list->next', '&head']],
  ['array[i] = x == y', ['array[i]', 'x == y']],
  ['$mstatus.MIE = 0', ['$mstatus.MIE', '0']],
  ["c = '='", ['c', "'='"]],
  ["c == '='", undefined],
  ['a == 1', undefined],
  ['a <= 1', undefined],
  ['a >= b', undefined],
  ['a != b', undefined],
  ['a += 1', undefined],
  ['a =', undefined],
  ['= 1', undefined],
])('%j', (expression, expected) => {
  expect(splitAssignment(expression)).toEqual(expected);
});
