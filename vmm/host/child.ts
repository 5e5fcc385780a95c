import { type ChildProcess, spawn } from 'node:child_process';
import { ENDING_SIGNALS } from './lifetime.ts';

/** Runs another bundle on this runtime, with our terminal and pipes; resolves to the exit status that stands for its end. */
export function runProgram(bundle: string, args: readonly string[]): Promise<number> {
  return childStatus(spawn(process.execPath, [bundle, ...args], { stdio: 'inherit' }));
}

function childStatus(child: ChildProcess): Promise<number> {
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
