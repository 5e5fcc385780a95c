/** What asks a process to end. */
export const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

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
