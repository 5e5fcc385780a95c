import type { ChildProcess } from 'node:child_process';

const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Resolves when this process should end: on a signal, or at the end of stdin, which whoever started us holds open for
 * as long as we shall live. `stay` ignores stdin.
 */
export function lifetimeOver(stay: boolean): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ENDING_SIGNALS) process.once(signal, () => resolve());
    if (stay) return;
    process.stdin.once('end', resolve);
    process.stdin.once('close', resolve);
    process.stdin.once('error', () => resolve());
    // Nothing is expected on stdin, but its end is seen only by reading it.
    process.stdin.resume();
  });
}

/** Waits for a child that shares our terminal and pipes; resolves to the exit status that stands for its end. */
export function childStatus(child: ChildProcess): Promise<number> {
  const forward = (signal: NodeJS.Signals) => void child.kill(signal);
  for (const signal of ENDING_SIGNALS) process.on(signal, forward);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      for (const name of ENDING_SIGNALS) process.off(name, forward);
      resolve(code ?? (signal === 'SIGINT' ? 130 : 143));
    });
  });
}
