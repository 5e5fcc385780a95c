import { describe, expect, test } from 'vitest';
import { checkArguments } from './arguments.ts';

describe('arguments that no handler could make sense of', () => {
  test.each([
    ['evaluate', undefined, 'Wrong arguments of evaluate: "expression"'],
    ['evaluate', { expression: 'a', frameId: 1.5 }, '"frameId"'],
    // A fraction of a byte once kept a read going for ever.
    ['readMemory', { memoryReference: '0x0', count: 1.5 }, '"count"'],
    ['readMemory', { memoryReference: '0x0', count: -1 }, '"count"'],
    ['readMemory', { memoryReference: '0x0', offset: 1e300, count: 1 }, '"offset"'],
    ['writeMemory', { memoryReference: '0x0', data: '!!!' }, '"data"'],
    ['setBreakpoints', {}, '"source"'],
    ['setBreakpoints', { source: { path: 'a' }, breakpoints: [{ line: 1 }, null] }, '"breakpoints.1"'],
    ['disassemble', { memoryReference: '0x0', instructionCount: 1, instructionOffset: -(2 ** 31) }, 'Offset'],
    ['stepIn', { threadId: 'x' }, '"threadId"'],
  ])('%s %j', (command, args, message) => {
    expect(() => checkArguments(command, args)).toThrow(message);
  });
});

describe('arguments that pass', () => {
  test.each([
    ['evaluate', { expression: 'a', frameId: 1, context: 'hover', line: 3 }],
    ['readMemory', { memoryReference: '0x0', offset: -4, count: 0 }],
    ['setBreakpoints', { source: { path: 'a', adapterData: {} }, breakpoints: [{ line: 1 }] }],
    ['continue', undefined],
    ['toString', undefined],
  ])('%s %j', (command, args) => {
    expect(() => checkArguments(command, args)).not.toThrow();
  });
});
