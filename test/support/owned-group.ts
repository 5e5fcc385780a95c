/** Process groups that end with the process that started them, also when that is killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** What a group may take to end after SIGTERM; what is left of it is killed then. */
const TERM_WAIT_MS = 5000;
const POLL_MS = 50;

/**
 * The leader of the group: it runs the command and watches its own stdin, a pipe whose other end the owner holds. The
 * system closes that end with the owner, and the leader then ends the group. It outlives SIGTERM to see to that.
 */
const LEADER = `
const [command, ...args] = process.argv.slice(1);
const signalGroup = (signal) => process.kill(-process.pid, signal);
const child = require('node:child_process').spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
let orphaned = false;
child.on('error', (error) => {
  console.error(error.message);
  process.exit(127);
});
child.on('exit', (status) => (orphaned ? signalGroup('SIGKILL') : process.exit(status ?? 1)));
process.on('SIGTERM', () => {});
process.stdin.on('end', () => {
  orphaned = true;
  signalGroup('SIGTERM');
  setTimeout(signalGroup, ${TERM_WAIT_MS}, 'SIGKILL');
});
process.stdin.resume();
`;

/** The command line of a leader that runs `command`. Its stdin has to be a pipe, and it has to lead a group. */
export function leaderCommand(command: string, args: readonly string[]): [command: string, args: string[]] {
  return [process.execPath, ['-e', LEADER, '--', command, ...args]];
}

/**
 * Runs a command in a process group of its own, whose id is the returned process's. stdout and stderr are pipes. The
 * returned process ends with the status of the command, 127 when there is no such command.
 */
export function spawnOwnedGroup(
  command: string,
  args: readonly string[],
  { cwd, env }: { cwd: string; env: NodeJS.ProcessEnv },
): ChildProcess {
  return spawn(...leaderCommand(command, args), { cwd, env, stdio: 'pipe', detached: true });
}

export interface GroupMember {
  readonly id: number;
  /** Its command line. */
  readonly command: string;
}

/** Processes of a group that have not ended (Linux: /proc/PID/stat, fields 3 state and 5 group; see proc(5)). */
export function membersOf(group: number): GroupMember[] {
  const alive: GroupMember[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const [state, , processGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (Number(processGroup) !== group || state === 'Z') continue;
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      alive.push({ id: Number(name), command });
    } catch {
      // It has ended since the folder was read.
    }
  }
  return alive;
}

/** Ends a group and waits for that: it is asked first and killed when that was in vain. */
export async function endGroup(group: number): Promise<void> {
  signalGroup(group, 'SIGTERM');
  for (let waited = 0; membersOf(group).length > 0; waited += POLL_MS) {
    if (waited >= TERM_WAIT_MS) signalGroup(group, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch {
    // Nobody is left in it.
  }
}
