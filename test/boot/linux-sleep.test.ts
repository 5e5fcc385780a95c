import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { converse, typed } from '../support/linux-console.ts';
import { describeWithLinux } from '../support/linux-guests.ts';
import { linuxInitramfs } from '../support/linux-initramfs.ts';
import { processes } from '../support/processes.ts';

const { start } = processes();
const PROMPT = '~ # ';
/** Only a hang takes it. */
const TIMEOUT_MS = 900_000;
/** A key that comes before the machine is asleep ends the attempt: the guest tries again, and so do we. */
const KEY_EVERY_MS = 3_000;

describeWithLinux("Debian's Linux on the built-in SBI", (linux) => {
  const folder = mkdtempSync(join(tmpdir(), 'hartscope-sleep-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test(
    'finds its extensions, suspends to RAM, and is woken by a key',
    async () => {
      const initrd = join(folder, 'initrd');
      writeFileSync(initrd, linuxInitramfs(linux, []));
      const options = [
        '--kernel',
        linux.kernel,
        '--initrd',
        initrd,
        '--append=console=ttyS0',
        '--time',
        'free',
      ];
      const machine = start('vmm.cjs', ['run', '--stats', 'json', '--memory', '256M', ...options]);
      await converse(machine, [
        ...typed(PROMPT, [
          'for key in $(find /sys/devices -path "*serial*" -name wakeup -type f); do echo enabled > $key; done',
          'cat /sys/power/state /sys/power/mem_sleep',
          'until [ $(cat /sys/power/suspend_stats/success) -gt 0 ]; do echo mem > /sys/power/state; done; echo "sleeps: $(cat /sys/power/suspend_stats/success)"',
        ]),
        { expect: 'PM: suspend entry (deep)' },
      ]);
      const keys = setInterval(() => machine.child.stdin.write('\r'), KEY_EVERY_MS);
      await converse(machine, [{ expect: 'sleeps: 1' }]).finally(() => clearInterval(keys));
      machine.child.stdin.write('\rpoweroff -f\r');
      const { status, stdout, stderr } = await machine.ended;
      expect(status).toBe(0);
      for (const line of [
        'SBI specification v3.0 detected',
        ...['TIME', 'IPI', 'RFENCE', 'SRST', 'DBCN', 'HSM'].map((name) => `SBI ${name} extension detected`),
        'suspend: SBI SUSP extension detected',
        'riscv-pmu-sbi: 16 firmware and 32 hardware counters',
        'riscv-pmu-sbi: SBI PMU snapshot detected',
        's2idle [deep]',
      ]) {
        expect(stdout).toContain(line);
      }
      // The sleep and the power-off.
      const stats = JSON.parse(stderr.split('\n').find((line) => line.startsWith('{'))!) as {
        exits: { system: number };
      };
      expect(stats.exits.system).toBeGreaterThanOrEqual(2);
    },
    TIMEOUT_MS,
  );
});
