/** Debian's OpenSBI in M-mode handing over to U-Boot: a machine whose software nobody here compiled, without lines. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CustomResults } from '../../../debug-adapter/contract/requests.ts';
import { DapClient } from '../../support/dap.ts';
import { describeWithGuests, GUESTS } from '../../support/debian-guests.ts';

/** What firmware jumps to: RAM and 2 MiB (OpenSBI, FW_JUMP_OFFSET for 64 bits). */
const HANDOVER = '0x80200000';

let dap: DapClient;
beforeEach(async () => {
  dap = await DapClient.start();
});
afterEach(() => dap.stop());

async function launch(config: object): Promise<void> {
  await dap.request('initialize', { adapterID: 'hartscope', pathFormat: 'path' });
  await dap.request('launch', { time: 'free', ...config });
  await dap.next('initialized');
}

/** Runs until the guest's console shows `text`. */
const shows = (text: string): Promise<string> => dap.outputWith('stdout', text);
const type = (text: string) => dap.request('hartscope/consoleWrite', { text });
const topFrame = async (threadId = 1) => (await dap.frames(threadId))[0]!;

/** Lets the guest come to U-Boot's prompt: a key stops the countdown. */
async function toPrompt(): Promise<void> {
  await dap.request('configurationDone');
  await shows('Hit any key to stop autoboot');
  await type(' ');
  await shows('=> ');
}

describeWithGuests('OpenSBI and U-Boot through the adapter', () => {
  test('x', async () => {
    await launch({ firmware: GUESTS.fwJump, kernel: GUESTS.ubootSupervisor });
    await toPrompt();
    await type('version\r');
    await shows('GNU ld');
    console.log(dap.output('stdout'));
    console.log(await dap.runUntilStop('pause'));
    console.log(await dap.frames());
    console.log(await dap.runUntilStop('next', { granularity: 'instruction' }));
    console.log(await topFrame());
  });
});
