import { join } from 'node:path';
import { BenchError, compile, DIST, median, QEMU, QEMU_BARE, row, run } from './measure.ts';

export const GUESTS = ['integer', 'sort', 'memory', 'float'] as const;

/**
 * Runs guest programs on Hartscope and on QEMU in turn, on the same ELF files. Prints medians of CPU time as millions of
 * instructions a second, and the ratio; above 1 is faster than QEMU. What starting and stopping costs is taken off both.
 */
export function throughput(guests: readonly string[], rounds: number): void {
  for (const guest of guests) {
    if (!(GUESTS as readonly string[]).includes(guest)) {
      throw new BenchError(`no guest ${guest}; there are ${GUESTS.join(', ')}`);
    }
  }
  const empty = compile('empty');
  const start = {
    ours: median(Array.from({ length: 5 }, () => runHartscope(empty).cpuSeconds)),
    qemu: median(Array.from({ length: 5 }, () => run(QEMU, [...QEMU_BARE, empty]).cpuSeconds)),
  };
  row(['guest', 'instructions', 'MIPS', 'QEMU MIPS', 'ratio']);
  const ratios = guests.map((guest) => {
    const elf = compile(guest);
    const ours: number[] = [];
    const qemu: number[] = [];
    let instructions = 0;
    for (let round = 0; round < rounds; round++) {
      const sample = runHartscope(elf);
      instructions = sample.instructions;
      ours.push(sample.cpuSeconds - start.ours);
      qemu.push(run(QEMU, [...QEMU_BARE, elf]).cpuSeconds - start.qemu);
    }
    const mips = (seconds: number): string => (instructions / seconds / 1e6).toFixed(0);
    const ratio = median(qemu) / median(ours);
    row([guest, String(instructions), mips(median(ours)), mips(median(qemu)), ratio.toFixed(3)]);
    return ratio;
  });
  const geometricMean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
  row(['geometric mean', '', '', '', geometricMean.toFixed(3)]);
}

function runHartscope(elf: string): { cpuSeconds: number; instructions: number } {
  const args = ['run', '--firmware', 'none', '--kernel', elf, '--stats', 'json'];
  const { cpuSeconds, stderr } = run(process.execPath, [join(DIST, 'vmm.cjs'), ...args]);
  const { instructions } = JSON.parse(stderr.trim().split('\n').at(-1)!) as { instructions: number };
  return { cpuSeconds, instructions };
}
