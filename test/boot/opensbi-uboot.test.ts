import { expect, test } from 'vitest';
import { converseWithMachine, converseWithQemu, type Exchange } from '../support/conversation.ts';
import { describeWithGuests, GUESTS } from '../support/debian-guests.ts';
import { describeWith } from '../support/tools.ts';

/** Stops the countdown, asks for version and board, restarts the machine and comes to the countdown again. */
const SESSION: readonly Exchange[] = [
  { expect: 'Hit any key to stop autoboot', send: ' ' },
  { expect: '=> ', send: 'version\r' },
  { expect: 'GNU ld', send: 'bdinfo\r' },
  { expect: 'devicetree  = board' },
  { expect: '=> ', send: 'reset\r' },
  { expect: 'Hit any key to stop autoboot', send: ' ' },
  { expect: '=> ' },
];
/** The session takes about 60 million steps. */
const STEPS_MAX = 1_000_000_000;

/**
 * What may differ from QEMU 7.2, and why. Each pattern is replaced on both sides; all else must be equal.
 */
const MASKS: readonly { readonly pattern: RegExp; readonly why: string }[] = [
  {
    pattern: /^CPU: {3}rv64\S+?\s*(?=Model: )/gm,
    why: "this machine's ISA string is longer than QEMU's, and than what U-Boot prints of it with the end of the line",
  },
  {
    pattern: /(?<=Boot HART (?:Base ISA {8}|ISA Extensions {2}): )\S+/g,
    why: 'this machine has extensions that QEMU 7.2 has not: B, Sscofpmf, Smstateen',
  },
  {
    pattern: /(?<=Boot HART MIDELEG {9}: )\S+/g,
    why: 'OpenSBI delegates the counter-overflow interrupt of Sscofpmf',
  },
  {
    pattern: /(?<=Boot HART MHPM Count {6}: )\d+/g,
    why: 'how many programmable counters there are: QEMU has 16',
  },
  {
    pattern: /(?<=Working FDT set to |fdt_blob {4}= 0x|new_fdt {5}= 0x)[0-9a-f]+/g,
    why: 'where U-Boot moves the device tree depends on its size (next line)',
  },
  {
    pattern: /(?<=fdt_size {4}= 0x)[0-9a-f]+/g,
    why: 'the device tree differs in size: other ISA string, no rng-seed, no pmu node; see device-tree.test.ts',
  },
  {
    pattern: /(?<=reserved\[\d\]\t\[0x)[0-9a-f]+(-0x87ffffff\], 0x)[0-9a-f]+/g,
    why: 'U-Boot reserves memory from its stack, which lies below the moved device tree, to the end of RAM',
  },
  {
    pattern: /(?<=stop autoboot: )[^=]+/g,
    why: 'how many seconds the countdown shows before the key comes is a matter of the host',
  },
];

const masked = (output: string): string =>
  MASKS.reduce((text, { pattern }) => text.replace(pattern, '<masked>'), output).replaceAll('\r', '');

interface Setup {
  readonly name: string;
  readonly config: { readonly kernel?: string; readonly firmware: string };
  readonly qemu: readonly string[];
}

const setups: readonly Setup[] = [
  {
    name: 'OpenSBI fw_jump.elf and U-Boot in S-mode as an ELF',
    config: { firmware: GUESTS.fwJump, kernel: GUESTS.ubootSupervisor },
    qemu: ['-bios', GUESTS.fwJump, '-kernel', GUESTS.ubootSupervisor],
  },
  {
    name: 'OpenSBI fw_dynamic.bin and U-Boot in S-mode as a raw image',
    config: { firmware: GUESTS.fwDynamic, kernel: GUESTS.ubootSupervisorRaw },
    qemu: ['-bios', GUESTS.fwDynamic, '-kernel', GUESTS.ubootSupervisorRaw],
  },
  {
    name: 'U-Boot in M-mode as the firmware',
    config: { firmware: GUESTS.ubootMachineRaw },
    qemu: ['-bios', GUESTS.ubootMachineRaw],
  },
];

describeWithGuests('firmware and boot loader from Debian', () => {
  test.each(setups)('$name: reaches its prompt and answers', ({ config }) => {
    const { output, machine } = converseWithMachine(config, SESSION.slice(0, 5), STEPS_MAX);
    expect(output).toContain('U-Boot 20');
    expect(output).toContain('DRAM:  128 MiB');
    expect(output).toContain('-> start    = 0x0000000080000000');
    expect(machine.end).toBeNull();
  });

  test('four harts: OpenSBI finds them all', () => {
    const { output } = converseWithMachine(
      { firmware: GUESTS.fwDynamic, kernel: GUESTS.ubootSupervisorRaw, harts: 4 },
      [{ expect: 'Hit any key to stop autoboot', send: ' ' }, { expect: '=> ' }],
      STEPS_MAX,
    );
    expect(output).toMatch(/Platform HART Count +: 4/);
    expect(output).toMatch(/Domain0 HARTs +: 0\*,1\*,2\*,3\*/);
  });

  test('U-Boot in S-mode on the built-in SBI: prompt and power-off', () => {
    const { output, machine } = converseWithMachine(
      { kernel: GUESTS.ubootSupervisor },
      [
        { expect: 'Hit any key to stop autoboot', send: ' ' },
        { expect: '=> ', send: 'poweroff\r' },
        { expect: 'poweroff ...' },
      ],
      STEPS_MAX,
    );
    expect(output).toContain('U-Boot 20');
    expect(machine.run(STEPS_MAX)).toMatchObject({ kind: 'end', end: { code: 0 } });
  });

  test('two runs take the same steps and print the same', () => {
    const run = () => {
      const { output, machine } = converseWithMachine(setups[0]!.config, SESSION.slice(0, 3), STEPS_MAX);
      const registers = Array.from({ length: 32 }, (_, index) => machine.harts[0]!.getX(index));
      return { output, registers, steps: machine.steps, inputs: machine.inputLog };
    };
    expect(run()).toEqual(run());
  });

  describeWith(['qemu-system-riscv64'], 'against QEMU', () => {
    test.each(setups)('$name prints what QEMU prints, a restart included', async ({ config, qemu }) => {
      const machine = ['-M', 'virt', '-cpu', 'rv64,h=false'];
      const expected = await converseWithQemu([...machine, ...qemu], SESSION);
      const { output } = converseWithMachine(config, SESSION, STEPS_MAX);
      expect(masked(output)).toBe(masked(expected));
    });
  });
});
