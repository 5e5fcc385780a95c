import { describe, expect, test } from 'vitest';
import { VmError } from '../../base/vm-error.ts';
import { vmConfigSchema } from '../../protocol/messages.ts';
import { parseRunOptions } from './run-options.ts';

const KERNEL = ['--kernel', 'k.elf'];
const configOf = (args: readonly string[], interactive = false) =>
  parseRunOptions([...KERNEL, ...args], interactive).config;

describe('the machine that the options of run describe', () => {
  test('is the one that a configuration without more gives, but that nothing is traced', () => {
    expect(configOf([])).toEqual(vmConfigSchema.parse({ kernel: 'k.elf', trace: false }));
  });

  test.each<[string, string[], object]>([
    ['files', ['--firmware', 'f', '--dtb', 'd', '--initrd', 'i'], { firmware: 'f', dtb: 'd', initrd: 'i' }],
    ['a command line', ['--append=console=ttyS0 quiet'], { append: 'console=ttyS0 quiet' }],
    ['harts', ['--harts', '16'], { harts: 16 }],
    ['the least memory', ['--memory', '1M'], { memory: 2 ** 20 }],
    ['the most', ['--memory', '3.5G'], { memory: 3.5 * 2 ** 30 }],
    ['a trace', ['--trace', 'file'], { trace: true }],
    ['a network card', ['--net', 'user'], { net: { forwards: [] }, time: 'wall' }],
    [
      'devices in their order',
      ['--device', 'rng', '--device=balloon'],
      { devices: [{ type: 'rng' }, { type: 'balloon', bytes: 0 }] },
    ],
    ['current registers of virtio', ['--virtio', 'modern'], { virtio: 'modern' }],
  ])('%s', (_, args, expected) => {
    const config = configOf(args);
    expect(config).toMatchObject(expected);
    // What the command line lets through is what the protocol does.
    expect(vmConfigSchema.parse(config)).toEqual(config);
  });

  test.each([
    ['--harts', '17', '--harts takes 1 to 16'],
    ['--memory', '1023K', '--memory takes 1M to 3.5G'],
    ['--memory', '4G', '--memory takes 1M to 3.5G'],
    ['--memory', '1.0000001M', '--memory takes 1M to 3.5G'],
    ['--virtio', '2', "--virtio takes legacy or modern, not '2'"],
    ['--time', 'later', "--time takes free or wall, not 'later'"],
  ])('%s %s is none', (option, value, message) => {
    expect(() => configOf([option, value])).toThrow(VmError);
    expect(() => configOf([option, value])).toThrow(message);
  });
});

describe('time', () => {
  test.each([
    ['runs free', [], false, 'free'],
    ['keeps pace with the clock of a person at the terminal', [], true, 'wall'],
    ['runs free at a terminal when told to', ['--time', 'free'], true, 'free'],
    ['keeps pace with a network', ['--net=user'], false, 'wall'],
    ['keeps pace without a terminal when told to', ['--time=wall'], false, 'wall'],
  ] as const)('%s', (_, args, interactive, time) => {
    expect(configOf(args, interactive).time).toBe(time);
  });
});
