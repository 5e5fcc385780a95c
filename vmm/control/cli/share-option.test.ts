import { expect, test } from 'vitest';
import { shareSchema } from '../../protocol/messages.ts';
import { parseShare } from './share-option.ts';

test.each([
  ['/srv', { folder: '/srv', readonly: false }],
  ['a,,b,readonly', { folder: 'a,b', readonly: true }],
  ['.,tag=src', { folder: '.', readonly: false, tag: 'src' }],
])('--share %s', (text, expected) => {
  expect(parseShare(text)).toEqual(expected);
  expect(shareSchema.parse(expected)).toEqual(expected);
});

test.each([
  ['', '--share needs a folder'],
  [',tag=a', '--share needs a folder'],
  ['d,tag', "--share does not take 'tag'"],
  ['d,tag=', "--share does not take 'tag='"],
  ['d,tag=a-tag-that-is-longer-than-a-guest-knows', '--share does not take'],
  ['d,readonly=on', "--share does not take 'readonly=on'"],
])('--share %s is wrong', (text, message) => {
  expect(() => parseShare(text)).toThrow(message);
});
