import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { describeWithGuests, GUESTS } from '../support/debian-guests.ts';
import { processes } from '../support/processes.ts';
import { random, SEED } from '../support/random.ts';
import { echo, print, spin, tinyElf } from '../support/tiny-guest.ts';

const { start, run } = processes();
const folder = mkdtempSync(join(tmpdir(), 'hartscope-snapshot-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string): string => join(folder, name);

const KERNEL = file('guest.elf');
writeFileSync(KERNEL, tinyElf([...print('hello\n'), ...spin()]));
const GUEST = ['--firmware', 'none', '--kernel', KERNEL] as const;

/** Goes `steps` on with a machine, and saves it. */
async function goOn(machine: readonly string[], steps: number, to: string, ...options: string[]) {
  const saving = ['--max-instructions', String(steps), '--save-snapshot', file(to)];
  const ended = await run('vmm.cjs', ['run', ...machine, ...saving, ...options]);
  expect(ended.status, ended.stderr).toBe(124);
  return ended;
}

/** Whether two machines are the same in all that is saved of them. */
const same = (a: string, b: string): boolean =>
  Buffer.compare(readFileSync(file(a)), readFileSync(file(b))) === 0;

describe('run --snapshot', () => {
  test('goes on in another process, in either tier, as if it had never ended', async () => {
    const { stdout } = await goOn(GUEST, 3_000_000, 'whole');
    expect(stdout).toBe('hello\n');
    await goOn(GUEST, 1_000_000, 'first', '--translator', 'off');
    const { stdout: later } = await goOn(['--snapshot', file('first')], 2_000_000, 'second');
    expect(later).toBe('');
    expect(same('second', 'whole')).toBe(true);
  });

  test('says what is wrong in one line, and ends with status 2', async () => {
    await goOn(GUEST, 1000, 'good');
    const refusals: readonly (readonly [options: readonly string[], message: RegExp])[] = [
      [['--snapshot', file('nothing')], /cannot open the snapshot .*nothing: no such file/],
      [['--snapshot', KERNEL], /guest\.elf is no snapshot of a machine/],
      [['--snapshot', file('good'), '--harts', '2'], /--harts is what the snapshot says; leave it out/],
      [['--snapshot', file('cut')], /cut is damaged: it was cut off/],
      [
        ['--snapshot', file('good'), '--kernel', file('other.elf')],
        /the kernel '.*other\.elf' is not the file/,
      ],
    ];
    writeFileSync(file('cut'), readFileSync(file('good')));
    truncateSync(file('cut'), 3000);
    writeFileSync(file('other.elf'), tinyElf(spin()));
    for (const [options, message] of refusals) {
      const { status, stdout, stderr } = await run('vmm.cjs', ['run', ...options]);
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
      expect(stderr).toMatch(message);
      expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    }
  });

  test('a kernel that moved is named anew', async () => {
    await goOn(GUEST, 1000, 'good');
    writeFileSync(file('moved.elf'), readFileSync(KERNEL));
    const options = ['--snapshot', file('good'), '--kernel', file('moved.elf')];
    expect(await run('vmm.cjs', ['run', ...options, '--max-instructions', '1000'])).toMatchObject({
      status: 124,
      stderr: '',
    });
  });
});

test('inspect tells what a snapshot holds', async () => {
  await goOn(GUEST, 5000, 'inspected');
  const { status, stdout } = await run('vmm.cjs', ['inspect', file('inspected')]);
  expect(status).toBe(0);
  expect(stdout).toMatch(/inspected: snapshot of a machine, \d+ bytes/);
  expect(stdout).toMatch(/instructions +5000\n/);
  expect(stdout).toContain(KERNEL);
});

test('Ctrl-A s saves while the guest runs', async () => {
  writeFileSync(file('echo.elf'), tinyElf(echo()));
  const options = ['--firmware', 'none', '--kernel', file('echo.elf'), '--save-snapshot', file('typed')];
  const guest = start('vmm.cjs', ['run', ...options]);
  guest.child.stdin.write('a\x01sb');
  await guest.printed(/ab/);
  guest.child.stdin.write('\x01x');
  const { status, stderr } = await guest.ended;
  expect(status, stderr).toBe(0);
  // Once where it was typed, once at the end.
  expect(stderr.match(/saved .*typed \(\d+ bytes, \d+ pages of memory\)/g)).toHaveLength(2);
  const again = start('vmm.cjs', ['run', '--snapshot', file('typed')]);
  again.child.stdin.write('c\x01x');
  expect((await again.ended).status).toBe(0);
});

test(`a process that is killed while it saves leaves the snapshot before whole (SEED=${SEED})`, async () => {
  const source = random(SEED);
  await goOn([...GUEST, '--memory', '64M'], 1_000_000, 'kept');
  for (let round = 0; round < 5; round++) {
    const guest = start('vmm.cjs', ['run', '--snapshot', file('kept'), '--save-snapshot', file('kept')]);
    guest.child.stdin.write('\x01s'.repeat(1000));
    await delay(200 + source.below(600));
    guest.child.kill('SIGKILL');
    await guest.ended;
    const { status, stderr } = await run('vmm.cjs', ['inspect', file('kept')]);
    expect({ status, stderr }, `SEED=${SEED} round ${round}`).toEqual({ status: 0, stderr: '' });
  }
  // What was being written has another name.
  expect(readdirSync(folder).filter((name) => name.startsWith('kept'))).toEqual(['kept']);
});

describeWithGuests('firmware and boot loader from Debian', () => {
  test('OpenSBI and U-Boot go on where they were saved, in either tier', { timeout: 300_000 }, async () => {
    const machine = ['--firmware', GUESTS.fwJump, '--kernel', GUESTS.ubootSupervisor];
    const source = random(SEED);
    const parts = [1, 2, 3].map(() => 1_000_000 + source.below(12_000_000));
    const total = parts.reduce((sum, steps) => sum + steps, 0);
    await goOn(machine, total, 'booted');
    await goOn(machine, parts[0]!, 'part0', '--translator', 'off');
    await goOn(['--snapshot', file('part0')], parts[1]!, 'part1');
    await goOn(['--snapshot', file('part1')], parts[2]!, 'part2', '--translator', 'off');
    expect(same('part2', 'booted'), `SEED=${SEED}: ${parts.join(', ')} steps`).toBe(true);
  });
});
