import { spawn } from 'node:child_process';
import type { Exchange } from './conversation.ts';
import { type Ended, TestProcess } from './processes.ts';

/**
 * Types at the console of a running machine what `exchanges` say, each when the text that it waits for has been printed
 * behind the one before. Rejects with all output when the process ends first.
 */
export async function converse(machine: TestProcess, exchanges: readonly Exchange[]): Promise<void> {
  let from = 0;
  for (const { expect, send } of exchanges) {
    from = (await printedAfter(machine, expect, from)) + expect.length;
    if (send !== undefined) machine.child.stdin.write(send);
  }
}

function printedAfter(machine: TestProcess, text: string, from: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const look = (): void => {
      const at = machine.stdout.indexOf(text, from);
      if (at < 0) return;
      machine.child.stdout.off('data', look);
      resolve(at);
    };
    machine.child.stdout.on('data', look);
    void machine.ended.then(({ status, stdout, stderr }) =>
      reject(new Error(`ended with ${status}, waiting for ${JSON.stringify(text)} in:\n${stdout}${stderr}`)),
    );
    look();
  });
}

/** The commands of a shell as exchanges: each is typed when the prompt of the one before has come. */
export const typed = (prompt: string, commands: readonly string[]): Exchange[] =>
  commands.map((command) => ({ expect: prompt, send: `${command}\r` }));

/** Runs QEMU through the same conversation, to the end of the machine. */
export async function converseWithQemuToEnd(
  args: readonly string[],
  exchanges: readonly Exchange[],
  timeoutMs: number,
): Promise<Ended> {
  const terminal = ['-display', 'none', '-monitor', 'none', '-serial', 'stdio', '-no-reboot'];
  const qemu = new TestProcess(spawn('qemu-system-riscv64', [...args, ...terminal]));
  const timer = setTimeout(() => qemu.child.kill('SIGKILL'), timeoutMs);
  try {
    await converse(qemu, exchanges);
    return await qemu.ended;
  } finally {
    clearTimeout(timer);
    qemu.child.kill('SIGKILL');
  }
}
