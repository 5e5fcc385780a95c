import { expect, test } from 'vitest';
import { TerminalText } from './terminal-text.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

/** Decodes `chunks` one after the other, as they come from the UART. */
function decode(...chunks: (string | number[])[]): string {
  const terminal = new TerminalText();
  const shown = chunks.map((chunk) =>
    terminal.decode(typeof chunk === 'string' ? bytes(chunk) : Uint8Array.from(chunk)),
  );
  return shown.join('') + terminal.flush();
}

test.each([
  [['hello\n'], 'hello\r\n'],
  [['hello\r\n'], 'hello\r\n'],
  [['a\n\n\nb'], 'a\r\n\r\n\r\nb'],
  [['\n\n'], '\r\n\r\n'],
  [['a\r', '\nb'], 'a\r\nb'],
  [['a', '\nb'], 'a\r\nb'],
  [['a\n', '\n'], 'a\r\n\r\n'],
  [['', '\n'], '\r\n'],
  [['50%\r100%\n'], '50%\r100%\r\n'],
])('line feeds of %j get a carriage return', (chunks, expected) => {
  expect(decode(...chunks)).toBe(expected);
});

test('a character cut between two chunks is one character', () => {
  expect(decode([0xe2, 0x82], [0xac])).toBe('€');
});

test('bytes that are no UTF-8 are shown as such and lose nothing after them', () => {
  expect(decode([0xff, 0x41])).toBe('\ufffdA');
  expect(decode([0xe2])).toBe('\ufffd');
});
