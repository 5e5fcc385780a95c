import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { endGroup, leaderCommand, membersOf, spawnOwnedGroup } from './owned-group.ts';

/** A shell whose child does not heed SIGTERM, as an extension host does for a while. */
const STUBBORN = 'trap "" TERM; sleep 600 & trap - TERM; echo ready; wait';
const here = { cwd: '/', env: process.env };

/** Starts a leader as its owner does, prints the group's id once the command says something, and waits. */
const OWNER = `
const [command, ...args] = process.argv.slice(1);
const leader = require('node:child_process').spawn(command, args, { stdio: 'pipe', detached: true });
leader.stdout.once('data', () => console.log(leader.pid));
`;

const firstOutput = async (child: ChildProcess): Promise<string> =>
  String((await once(child.stdout!, 'data'))[0]);

test('a group ends when its owner is killed', async () => {
  const [leader, args] = leaderCommand('sh', ['-c', STUBBORN]);
  const owner = spawn(process.execPath, ['-e', OWNER, '--', leader, ...args]);
  const group = Number(await firstOutput(owner));
  expect(membersOf(group).map(({ command }) => command)).toEqual(
    expect.arrayContaining([expect.stringContaining('sleep 600')]),
  );

  owner.kill('SIGKILL');
  await expect.poll(() => membersOf(group), { timeout: 60_000 }).toEqual([]);
});

test('a group ends when its owner asks, the stubborn too', async () => {
  const leader = spawnOwnedGroup('sh', ['-c', STUBBORN], here);
  expect(await firstOutput(leader)).toBe('ready\n');
  await endGroup(leader.pid!);
  expect(membersOf(leader.pid!)).toEqual([]);
});

test.each([
  ['sh', ['-c', 'exit 3'], 3],
  ['no-such-command', [], 127],
])('the status of %s %j is %i', async (command, args, expected) => {
  const [status] = (await once(spawnOwnedGroup(command, args, here), 'exit')) as [number];
  expect(status).toBe(expected);
});
