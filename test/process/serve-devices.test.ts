import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { VmmClient } from '../../vmm/protocol/client.ts';
import { describeWithGuests, GUESTS } from '../support/debian-guests.ts';
import { processes } from '../support/processes.ts';

const { start } = processes();
const folder = mkdtempSync(join(tmpdir(), 'hartscope-serve-devices-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const bytes = (text: string) => new TextEncoder().encode(text);

describeWithGuests('a machine in a thread of the server', () => {
  test('has a network: frames wake it while it waits, and its requests find its devices', async () => {
    const server = start('vmm.cjs', ['serve']);
    const [line] = await server.printed(/^\{.*\}$/m);
    const client = await VmmClient.connect(JSON.parse(line) as { address: string; tokenFile: string });
    const notes: string[] = [];
    let output = '';
    let looked: () => void = () => {};
    client.on('note', ({ text }) => void notes.push(text));
    client.on('console', ({ data }) => {
      output += new TextDecoder().decode(data);
      looked();
    });
    const says = async (text: string): Promise<void> => {
      while (!output.includes(text)) await new Promise<void>((resolve) => (looked = resolve));
      output = output.slice(output.indexOf(text) + text.length);
    };
    const vm = 'board';
    await client.request('vm.create', {
      name: vm,
      config: {
        kernel: GUESTS.ubootSupervisor,
        time: 'wall',
        trace: false,
        net: { forwards: [{ hostPort: 0, guestPort: 80 }], capture: join(folder, 'frames.pcapng') },
        devices: [{ type: 'rng' }, { type: 'keyboard' }, { type: 'balloon' }],
      },
    });
    await client.request('vm.resume', { vm });
    await says('Hit any key');
    const type = (text: string) => client.request('vm.consoleWrite', { vm, data: bytes(text) });
    await type(' ');
    await says('=> ');
    await type('setenv autoload no\r');
    await says('=> ');
    await type('dhcp\r');
    await says('bound to address 10.0.2.15');
    await says('=> ');
    await type('ping 10.0.2.2\r');
    await says('host 10.0.2.2 is alive');
    expect(notes).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+ leads to port 80 of the guest$/)]);
    const events = [{ type: 1, code: 30, value: 1 }];
    expect(await client.request('vm.sendEvents', { vm, device: 'keyboard', events })).toEqual({
      taken: true,
    });
    await client.request('vm.setBalloon', { vm, bytes: 1 << 20 });
    const { devices } = await client.request('vm.devices', { vm });
    const balloon = devices.find(({ name }) => name === 'virtio4')!;
    expect(balloon.registers.find(({ name }) => name === 'num_pages')!.value).toBe(256n);
    await expect(client.request('vm.sendEvents', { vm, device: 'tablet', events })).rejects.toMatchObject({
      code: 'bad-request',
    });
    client.close();
  });

  test('is not made when its capture cannot be', async () => {
    const server = start('vmm.cjs', ['serve']);
    const [line] = await server.printed(/^\{.*\}$/m);
    const client = await VmmClient.connect(JSON.parse(line) as { address: string; tokenFile: string });
    const config = { kernel: GUESTS.ubootSupervisor, time: 'wall', net: { capture: folder } } as const;
    await expect(client.request('vm.create', { config })).rejects.toMatchObject({
      code: 'bad-config',
      message: `cannot write the capture '${folder}': it is a directory`,
    });
    client.close();
  });
});
