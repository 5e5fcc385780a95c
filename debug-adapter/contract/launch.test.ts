import { describe, expect, test } from 'vitest';
import { configurationAttributes, memoryBytes, parseAttach, parseLaunch } from './launch.ts';

/** The message a configuration is refused with. */
function refusal(parse: (raw: unknown) => unknown, raw: unknown): string {
  try {
    parse(raw);
  } catch (error) {
    return (error as Error).message;
  }
  return 'accepted';
}

describe('launch configuration', () => {
  test('takes what the editor adds, and program as an alias of kernel', () => {
    const parsed = parseLaunch({
      ...{ type: 'hartscope', request: 'launch', name: 'x', preLaunchTask: 'make', __sessionId: '1' },
      program: 'kernel.elf',
      harts: 2,
    });
    expect(parsed.kernel).toBe('kernel.elf');
    expect(parsed).not.toHaveProperty('__sessionId');
  });

  test.each([
    [{ kernal: 'k.elf' }, 'Unknown key "kernal" in the launch configuration: did you mean "kernel"?'],
    [
      { kernel: 'k', stoponentry: true },
      'Unknown key "stoponentry" in the launch configuration: did you mean "stopOnEntry"?',
    ],
    [
      { kernel: 'k', screen: [] },
      /^Unknown key "screen" in the launch configuration\. It takes kernel, program, /,
    ],
    [{ kernel: 'k', harts: 0 }, /^"harts" in the launch configuration is 0: too small/],
    [
      { kernel: 'k', harts: 'two' },
      /^"harts" in the launch configuration is "two": invalid input: expected number/,
    ],
    [
      { kernel: 'k', memory: '12 pints' },
      '"memory" in the launch configuration is "12 pints": it must be a number of bytes, or a text such as "128M".',
    ],
    [{ kernel: 'k', memory: '64G' }, '"memory" is "64G": it must be from "1M" to "3.5G".'],
    [
      { kernel: 'k', trace: ['mmoi'] },
      /^"trace" in the launch configuration is \["mmoi"\]: it must be true, false, or a list of mmio, /,
    ],
    [
      { kernel: 'k', exits: [{ kind: 'mmio', conditon: 'write' }] },
      'Unknown key "conditon" in "exits[0]" of the launch configuration: did you mean "condition"?',
    ],
    [{ kernel: 'k', exits: [{}] }, 'The launch configuration lacks "exits[0].kind".'],
    [
      { kernel: 'k', symbols: [{ file: 'a', ofset: 1 }] },
      'Unknown key "ofset" in "symbols[0]" of the launch configuration: did you mean "offset"?',
    ],
    [
      {},
      'The launch configuration names nothing to run: add "kernel" with the path of an ELF file or raw image.',
    ],
    [{ kernel: 'a', program: 'b' }, '"program" is another name for "kernel": give only one of them.'],
  ])('%j is refused with one clear line', (raw, message) => {
    expect(refusal(parseLaunch, raw)).toMatch(message);
  });

  test('firmware alone is something to run', () => {
    expect(parseLaunch({ firmware: 'fw_payload.bin' }).firmware).toBe('fw_payload.bin');
  });
});

test('an attach configuration needs the address of a VMM', () => {
  expect(refusal(parseAttach, {})).toBe(
    'The attach configuration lacks "vmm": the address that `hartscope serve` printed.',
  );
  expect(parseAttach({ vmm: 'unix:/run/vmm.sock' }).vmm).toBe('unix:/run/vmm.sock');
});

test.each([
  ['128M', 128 << 20],
  ['1.5G', 1.5 * 2 ** 30],
  ['65536K', 64 << 20],
  [1 << 20, 1 << 20],
  ['64MiB', 64 << 20],
])('memory %s is %d bytes', (memory, bytes) => {
  expect(memoryBytes(memory)).toBe(bytes);
});

test('every key of the manifest is described', () => {
  for (const schema of Object.values(configurationAttributes())) {
    const { properties } = schema as { properties: Record<string, { description?: string }> };
    expect(Object.entries(properties).filter(([, property]) => !property.description)).toEqual([]);
  }
});
