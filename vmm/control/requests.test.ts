import { describe, expect, test } from 'vitest';
import { parseRequest, requestId, UNKNOWN_ID } from './requests.ts';

function checkRefused(message: unknown, expected: string, frameBytes = 100): void {
  expect(() => parseRequest(message, frameBytes)).toThrow(
    expect.objectContaining({ code: 'bad-request', message: expected }),
  );
}

const request = (method: string, params: unknown) => ({ id: 1, method, params });

describe('requests', () => {
  test('defaults are filled in', () => {
    expect(parseRequest(request('vm.create', { config: { kernel: 'k.elf' } }), 100).params).toEqual({
      config: {
        kernel: 'k.elf',
        harts: 1,
        memory: 128 << 20,
        time: 'free',
        rtcStart: 0,
        trace: true,
      },
      owned: true,
    });
  });

  test('a request without parameters needs none', () => {
    expect(parseRequest({ id: 0, method: 'vmm.info' }, 10)).toEqual({
      id: 0,
      method: 'vmm.info',
      params: {},
    });
  });

  test.each<[string, unknown, string]>([
    ['no map', 7, 'a request is a map of id, method and params'],
    ['a list', [1, 2], 'a request is a map of id, method and params'],
    ['no id', { method: 'vmm.info' }, 'id: expected a whole number from 0'],
    ['a negative id', { id: -1, method: 'vmm.info' }, 'id: expected a whole number from 0'],
    ['a bigint as id', { id: 1n, method: 'vmm.info' }, 'id: expected a whole number from 0'],
    ['no method', { id: 1 }, 'method: expected a string'],
    ['an unknown method', request('vm.explode', {}), "there is no method 'vm.explode'"],
    ['a method of every object', request('toString', {}), "there is no method 'toString'"],
    ['a missing field', request('vm.state', {}), 'vm.state: vm: expected string, received undefined'],
    [
      'a number for an address',
      request('vm.readMemory', { vm: 'a', hart: 0, address: 5, length: 1 }),
      'vm.readMemory: address: expected bigint, received number',
    ],
    [
      'an address of more than 64 bits',
      request('vm.walk', { vm: 'a', hart: 0, address: -1n }),
      'vm.walk: address: expected bigint to be >=0',
    ],
    [
      'two wrong fields',
      request('vm.create', { config: { harts: 'two', memory: 1 } }),
      'vm.create: config.harts: expected number, received string (and 1 more)',
    ],
    [
      'an unknown field',
      request('vm.create', { config: { kernal: 'x' } }),
      'vm.create: config: Unrecognized key: "kernal"',
    ],
    [
      'an element of a list',
      request('vm.setBreakpoints', { vm: 'a', addresses: [1n, '2'] }),
      'vm.setBreakpoints: addresses[1]: expected bigint, received string',
    ],
    [
      'bytes that are a list',
      request('vm.consoleWrite', { vm: 'a', data: [1, 2] }),
      'vm.consoleWrite: data: expected Uint8Array, received array',
    ],
  ])('refuses %s', (_, message, expected) => checkRefused(message, expected));

  test('only memory and console take large frames', () => {
    const frameBytes = 2 << 20;
    checkRefused(
      request('vm.state', { vm: 'a' }),
      'vm.state: a frame of 2097152 bytes is too large for this method',
      frameBytes,
    );
    const data = new Uint8Array(frameBytes);
    const parsed = parseRequest(request('vm.consoleWrite', { vm: 'a', data }), frameBytes);
    expect(parsed.method).toBe('vm.consoleWrite');
  });

  test('an error finds its caller when the message has an id', () => {
    expect(requestId({ id: 5, method: 1 })).toBe(5);
    expect(requestId({ id: 'x' })).toBe(UNKNOWN_ID);
    expect(requestId(null)).toBe(UNKNOWN_ID);
  });
});
