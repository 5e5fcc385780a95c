import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { processes } from '../support/processes.ts';
import { echo, finish, hang, print, spin, tinyElf } from '../support/tiny-guest.ts';

const { start, run } = processes();
const VMM = fileURLToPath(new URL('../../dist/vmm.cjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'hartscope-run-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, contents: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, contents);
  return path;
}

/** `hartscope run` of a guest of a few instructions. */
function runGuest(instructions: readonly number[], ...options: string[]) {
  const kernel = file('guest.elf', tinyElf(instructions));
  return run('vmm.cjs', ['run', '--firmware', 'none', '--kernel', kernel, ...options]);
}

describe('the exit status of run', () => {
  test.each([
    ['a pass', finish(), 0],
    ['a failure with a code', finish(7), 7],
    ['the largest code that a shell can show', finish(123), 123],
    ['a code that means something else to a shell', finish(124), 1],
    ['a code of more than a byte', finish(500), 1],
  ])('after %s', async (_, instructions, status) => {
    expect(await runGuest(instructions)).toMatchObject({ status, stdout: '', stderr: '' });
  });

  test('124 when the steps ran out, exactly there', async () => {
    const { status, stderr } = await runGuest(spin(), '--max-instructions', '1234567', '--stats', 'json');
    expect(status).toBe(124);
    expect(JSON.parse(stderr)).toMatchObject({ instructions: 1_234_567, end: { reason: 'exhausted' } });
  });

  test('124 when steps are limited and no further one can come', async () => {
    expect(await runGuest(hang(), '--max-instructions', '1000000')).toMatchObject({ status: 124 });
  });
});

describe('run', () => {
  test('prints what the guest prints, and its figures', async () => {
    const { status, stdout, stderr } = await runGuest([...print('hello\n'), ...finish()], '--stats', 'json');
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'hello\n' });
    const lines = stderr.trimEnd().split('\n');
    expect(lines).toHaveLength(1);
    const stats = JSON.parse(lines[0]!) as Record<string, unknown>;
    expect(stats).toMatchObject({
      instructions: expect.any(Number),
      seconds: expect.any(Number),
      mips: expect.any(Number),
      tiers: { interpreter: stats['instructions'] },
      end: { reason: 'pass', code: 0 },
    });
    // Six bytes to the UART, and one word to the test device.
    expect(stats['exits']).toMatchObject({ mmio: 7, sbi: 0 });
  });

  test('gives the guest what is piped in; Ctrl-A x leaves, Ctrl-A a sends Ctrl-A', async () => {
    const kernel = file('echo.elf', tinyElf(echo()));
    const running = start('vmm.cjs', ['run', '--firmware', 'none', '--kernel', kernel]);
    running.child.stdin.write('abc\x01aDEF');
    await running.printed(/DEF/);
    running.child.stdin.write('\x01x');
    expect(await running.ended).toMatchObject({ status: 0, stdout: 'abc\x01DEF', stderr: '' });
  });

  test('end of file on stdin does not end it', async () => {
    const kernel = file('echo2.elf', tinyElf(echo()));
    const running = start('vmm.cjs', ['run', '--firmware', 'none', '--kernel', kernel]);
    running.child.stdin.end('last words');
    await running.printed(/last words/);
    expect(running.child.exitCode).toBeNull();
    running.child.kill('SIGTERM');
    expect(await running.ended).toMatchObject({ status: 143 });
  });

  test('a guest that waits for ever is told of, and ends by a signal', async () => {
    const kernel = file('hang.elf', tinyElf([...print('.'), ...hang()]));
    const running = start('vmm.cjs', ['run', '--firmware', 'none', '--kernel', kernel]);
    running.child.stdin.end();
    await new Promise<void>((resolve) => running.child.stderr.once('data', () => resolve()));
    expect(running.stderr).toContain('the guest waits for an interrupt that nothing will raise');
    running.child.kill('SIGINT');
    expect(await running.ended).toMatchObject({ status: 130 });
  });

  test('ends when nobody reads its output any more', async () => {
    const kernel = file('loop.elf', tinyElf(echo()));
    const running = start('vmm.cjs', ['run', '--firmware', 'none', '--kernel', kernel]);
    running.child.stdout.destroy();
    running.child.stdin.write('x');
    expect((await running.ended).status).toBe(141);
  });

  test('--trace writes every exit, and inspect counts them', async () => {
    const trace = join(folder, 'trace.jsonl');
    expect(await runGuest([...print('hi'), ...finish()], '--trace', trace)).toMatchObject({ status: 0 });
    const records = readFileSync(trace, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { exit: Record<string, unknown> });
    const written = records.filter(({ exit }) => exit['device'] === 'uart0').map(({ exit }) => exit['value']);
    expect(written).toContain('0x68');
    const { stdout } = await run('vmm.cjs', ['inspect', trace]);
    expect(stdout).toMatch(new RegExp(`trace of ${records.length} exits`));
    expect(stdout).toMatch(/mmio +\d+/);
  });
});

describe('a guest that goes nowhere', () => {
  // jalr zero, 0(zero); an illegal instruction; each with no trap handler set.
  test.each([
    ['jumps to nowhere', [0x67]],
    ['loops in traps', [0]],
  ])('%s: is told of once, and ends at the limit', async (_, instructions) => {
    const { status, stderr } = await runGuest(instructions, '--max-instructions', '300000');
    expect(status).toBe(124);
    expect(stderr).toMatch(
      /^hartscope: hart 0 is caught in traps .*mtvec is 0x0\).*instruction access fault, mtval 0x0; set mtvec[^\n]+\n$/,
    );
  });

  test('Ctrl-A x leaves it', async () => {
    const kernel = file('lost.elf', tinyElf([0x67]));
    const running = start('vmm.cjs', ['run', '--firmware', 'none', '--kernel', kernel]);
    await new Promise<void>((resolve) => running.child.stderr.once('data', () => resolve()));
    running.child.stdin.write('\x01x');
    expect(await running.ended).toMatchObject({ status: 0, stdout: '' });
  });
});

describe.skipIf(!existsSync('/dev/full'))('output that the disk does not take', () => {
  const full = (...args: string[]) => {
    const descriptor = openSync('/dev/full', 'w');
    const { status, stderr } = spawnSync(process.execPath, [VMM, ...args], {
      stdio: ['ignore', descriptor, 'pipe'],
      encoding: 'utf8',
    });
    closeSync(descriptor);
    return { status, stderr };
  };
  const hello = () => file('hello.elf', tinyElf([...print('hello\n'), ...spin()]));

  test.each<[string, () => string[]]>([
    ['help', () => ['--help']],
    ['inspect', () => ['inspect', hello()]],
    ['run', () => ['run', '--firmware', 'none', '--kernel', hello()]],
    ['serve', () => ['serve']],
  ])('of %s is one line on stderr and status 2', (_, args) => {
    const { status, stderr } = full(...args());
    expect(stderr).toMatch(/^hartscope: cannot write the (guest's )?output: no space left on the device\n$/);
    expect(status).toBe(2);
  });
});

describe('inspect', () => {
  test('an ELF file', async () => {
    const { status, stdout } = await run('vmm.cjs', ['inspect', file('k.elf', tinyElf(spin()))]);
    expect(status).toBe(0);
    expect(stdout).toContain('ELF64, RISC-V, executable');
    expect(stdout).toMatch(/entry +0x80000000/);
    expect(stdout).toMatch(/0x80000000 +0x80000000 +4 +4 +rwx/);
  });

  test('a raw image', async () => {
    const { stdout } = await run('vmm.cjs', ['inspect', file('k.bin', 'not any format')]);
    expect(stdout).toContain('raw image, 14 bytes');
  });

  test('a damaged device tree', async () => {
    const ended = await run('vmm.cjs', [
      'inspect',
      file('bad.dtb', Uint8Array.of(0xd0, 0x0d, 0xfe, 0xed, 0, 0)),
    ]);
    expect(ended).toMatchObject({ status: 2, stdout: '' });
  });
});

describe('dap', () => {
  const initialize =
    '{"seq":1,"type":"request","command":"initialize","arguments":{"adapterID":"hartscope"}}';

  test('speaks DAP on stdio, and ends with its stdin', async () => {
    const message = `Content-Length: ${initialize.length}\r\n\r\n${initialize}`;
    const adapter = start('vmm.cjs', ['dap']);
    adapter.child.stdin.write(message);
    await adapter.printed(/"command":"initialize","success":true/);
    adapter.child.stdin.end();
    expect(await adapter.ended).toMatchObject({ status: 0, stderr: '' });
  });

  test('passes a signal on to the adapter', async () => {
    const adapter = start('vmm.cjs', ['dap', '--port', '0']);
    await new Promise<void>((resolve) => adapter.child.stderr.once('data', () => resolve()));
    adapter.child.kill('SIGTERM');
    expect((await adapter.ended).signal).toBeNull();
  });
});

describe('help', () => {
  test.each([['--help'], ['run', '--help'], ['serve', '--help'], ['dap', '--help'], ['inspect', '--help']])(
    '%s %s fits a terminal',
    async (...args) => {
      const { status, stdout, stderr } = await run('vmm.cjs', args.filter(Boolean));
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout).toContain('Usage: hartscope');
      expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
    },
  );

  test.each([['--version'], ['run', '--version']])('%s %s', async (...args) => {
    const { status, stdout } = await run('vmm.cjs', args.filter(Boolean));
    expect(status).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('a wrong call', () => {
  const truncated = () => file('cut.elf', tinyElf(spin()).subarray(0, 90));
  const foreign = () => file('x86.elf', tinyElf(spin(), 62));
  test.each<[string, () => string[], RegExp]>([
    ['an unknown command', () => ['rum'], /there is no command 'rum'; did you mean 'run'\?/],
    [
      'an unknown option',
      () => ['run', '--kernal', 'x'],
      /unknown option '--kernal'; did you mean --kernel\?/,
    ],
    ['an option that there is not', () => ['run', '--checkpoint', 'x'], /unknown option '--checkpoint'/],
    ['a short option', () => ['run', '-k', 'x'], /unknown option '-k'/],
    ['no kernel', () => ['run'], /nothing to run: give --kernel FILE/],
    ['no value', () => ['run', '--kernel'], /--kernel needs a value: --kernel=FILE/],
    ['a switch with a value', () => ['serve', '--stay=yes'], /--stay takes no value/],
    ['a missing file', () => ['run', '--kernel', 'nope.elf'], /cannot read kernel 'nope.elf': no such file/],
    ['a directory', () => ['run', '--kernel', folder], /it is a directory/],
    ['a device', () => ['run', '--kernel', '/dev/zero'], /is a device; name a file/],
    ['an empty file', () => ['run', '--kernel', file('empty', '')], /is empty/],
    ['a truncated ELF file', () => ['run', '--kernel', truncated()], /truncated/],
    ['an ELF file for another machine', () => ['run', '--kernel', foreign()], /x86-64/],
    [
      'a number that is none',
      () => ['run', '--kernel', 'x', '--harts', 'two'],
      /--harts takes a whole number/,
    ],
    ['a time that is none', () => ['run', '--kernel', 'x', '--time', 'slow'], /--time takes free or wall/],
    ['too many harts', () => ['run', '--kernel', 'x', '--harts', '99'], /--harts takes 1 to 16/],
    [
      'a size that is none',
      () => ['run', '--kernel', 'x', '--memory', '12Q'],
      /--memory takes a size such as 128M/,
    ],
    [
      'an extension that there is not',
      () => ['run', '--kernel', file('i.elf', tinyElf(spin())), '--isa=-zaca'],
      /in "isa": there is no extension "zaca" here; there are: i m a /,
    ],
    [
      'an ISA for other harts',
      () => ['run', '--kernel', file('i.elf', tinyElf(spin())), '--isa', 'rv32imac'],
      /begin with rv64i or rv64g/,
    ],
    ['an address that is a folder', () => ['serve', '--listen', `unix:${folder}`], /is no socket/],
    ['an address in no folder', () => ['serve', '--listen', 'unix:/nope/s'], /there is no folder \/nope/],
    [
      'a device tree that is none',
      () => ['run', '--kernel', file('d.elf', tinyElf(spin())), '--dtb', file('d.dtb', 'hello')],
      /d\.dtb: not a device tree blob/,
    ],
    ['an operand too many', () => ['run', 'kernel.elf'], /unexpected argument 'kernel.elf'/],
    ['an operand too few', () => ['inspect'], /FILE is missing/],
    ['a port that is none', () => ['dap', '--port', '99999'], /--port takes a number up to 65535/],
    ['a file to inspect that is missing', () => ['inspect', 'nope'], /cannot read file 'nope': no such file/],
    [
      'a trace that cannot be written',
      () => ['run', '--kernel', file('t.elf', tinyElf(spin())), '--trace', folder],
      /cannot write the trace/,
    ],
  ])('%s is one line on stderr and status 2', async (_, args, message) => {
    const { status, stdout, stderr } = await run('vmm.cjs', args());
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^hartscope: [^\n]+\n$/);
  });

  test('without any argument shows the commands and fails', async () => {
    const { status, stdout } = await run('vmm.cjs', []);
    expect(status).toBe(2);
    expect(stdout).toContain('Usage: hartscope COMMAND');
  });
});
