import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CustomResults } from '../../../debug-adapter/contract/requests.ts';
import { DapClient } from '../../support/dap.ts';
import { describeWithGuests, GUESTS } from '../../support/debian-guests.ts';

let dap: DapClient;
let folder: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hartscope-dap-devices-'));
  dap = await DapClient.start();
});
afterEach(async () => {
  await dap.stop();
  rmSync(folder, { recursive: true, force: true });
});

const type = (text: string) => dap.request('hartscope/consoleWrite', { text });

describeWithGuests('devices of a launch configuration', () => {
  test('a disk that a session changes is as before; a kick stops the machine; the network answers', async () => {
    const disk = Buffer.alloc(1 << 20, 'disk');
    writeFileSync(join(folder, 'disk.img'), disk);
    await dap.launchSample({
      kernel: GUESTS.ubootSupervisor,
      cwd: folder,
      drives: [{ file: 'disk.img', format: 'raw' }],
      net: { capture: 'frames.pcapng' },
      shares: [{ folder: '.' }],
      devices: [{ type: 'rng' }],
      virtio: 'modern',
      time: 'wall',
      stopOnEntry: false,
    });
    await dap.request('configurationDone');
    await dap.outputWith('stdout', 'Hit any key to stop autoboot');
    await type(' ');
    await dap.outputWith('stdout', '=> ');
    const { devices } = await dap.request<CustomResults['hartscope/devices']>('hartscope/devices', {
      values: true,
    });
    const identities = devices
      .filter(({ name }) => name.startsWith('virtio'))
      .map(({ registers }) => registers.find(({ name }) => name === 'DeviceID')!.value);
    expect(identities).toEqual(['0x0', '0x0', '0x0', '0x0', '0x9', '0x4', '0x1', '0x2']);
    await type('virtio scan; virtio read 84000000 0 8; mw.b 84000000 41 1000; virtio write 84000000 0 8\r');
    await dap.outputWith('stdout', '8 blocks written: OK');
    await type('setenv autoload no; dhcp\r');
    await dap.outputWith('stdout', 'bound to address 10.0.2.15');
    const filterOptions = [{ filterId: 'virtqueue', condition: 'device == "virtio7" && event == "kicked"' }];
    await dap.request('setExceptionBreakpoints', { filters: [], filterOptions });
    const stopped = dap.next<{ reason: string; text: string }>('stopped');
    await type('virtio read 84000000 0 8\r');
    expect(await stopped).toMatchObject({ reason: 'exception', text: expect.stringContaining('virtio7') });
    expect(readFileSync(join(folder, 'disk.img')).equals(disk)).toBe(true);
  });
});
