import { describe, expect, test } from 'vitest';
import { formatAddress, parseAddress, tokenFileOf } from './address.ts';

describe('addresses', () => {
  test.each([
    ['unix:/run/user/1000/vmm.sock', { kind: 'unix', path: '/run/user/1000/vmm.sock' }],
    ['unix:a:b', { kind: 'unix', path: 'a:b' }],
    ['127.0.0.1:4711', { kind: 'tcp', host: '127.0.0.1', port: 4711 }],
    ['[::1]:0', { kind: 'tcp', host: '::1', port: 0 }],
  ])('%s is read and written', (text, address) => {
    expect(parseAddress(text)).toEqual(address);
    expect(formatAddress(parseAddress(text))).toBe(text);
  });

  test('localhost is this machine by its number, whatever the host says', () => {
    expect(parseAddress('localhost:80')).toEqual({ kind: 'tcp', host: '127.0.0.1', port: 80 });
  });

  test.each([
    '',
    'unix:',
    '0.0.0.0:1',
    '192.168.0.1:1',
    '[::]:1',
    '127.0.0.1',
    '127.0.0.1:',
    '127.0.0.1:65536',
    'example.org:1',
    ':1',
  ])("'%s' is refused", (text) =>
    expect(() => parseAddress(text)).toThrow(expect.objectContaining({ code: 'bad-config' })),
  );

  test('a path that no socket can have is refused', () => {
    expect(() => parseAddress(`unix:/${'x'.repeat(107)}`)).toThrow(/longer than 107 bytes/);
  });

  test('each address has its own token file', () => {
    const files = ['127.0.0.1:1', '127.0.0.1:2', 'unix:/a'].map((text) => tokenFileOf(parseAddress(text)));
    expect(new Set(files).size).toBe(3);
    expect(tokenFileOf(parseAddress('localhost:1'))).toBe(files[0]);
  });
});
