import { describe, expect, test } from 'vitest';
import { EscapeFilter } from './escape-filter.ts';

/** Types the pieces one after the other; returns what the guest gets of each, `<leave>` where the user left. */
function type(...pieces: string[]): string[] {
  const filter = new EscapeFilter();
  return pieces.map((piece) => {
    const { data, leave, save } = filter.take(new TextEncoder().encode(piece));
    return new TextDecoder().decode(data) + (save ? '<save>' : '') + (leave ? '<leave>' : '');
  });
}

describe('what is typed', () => {
  test.each<[string, string[], string[]]>([
    ['goes to the guest', ['ls -l\r'], ['ls -l\r']],
    ['with Ctrl-C and Ctrl-D', ['\x03\x04'], ['\x03\x04']],
    ['leaves at Ctrl-A x', ['ab\x01xcd'], ['ab<leave>']],
    ['leaves when the command comes in two pieces', ['ab\x01', 'x'], ['ab', '<leave>']],
    ['sends Ctrl-A at Ctrl-A a', ['\x01a'], ['\x01']],
    ['sends Ctrl-A at Ctrl-A Ctrl-A, and ends the command', ['\x01\x01x'], ['\x01x']],
    ['drops other commands', ['a\x01qb'], ['ab']],
    ['saves at Ctrl-A s', ['a\x01sb', 's'], ['ab<save>', 's']],
    ['saves before it leaves', ['\x01s\x01x'], ['<save><leave>']],
    ['x alone is a letter', ['x'], ['x']],
  ])('%s', (_, pieces, expected) => {
    expect(type(...pieces)).toEqual(expected);
  });
});
