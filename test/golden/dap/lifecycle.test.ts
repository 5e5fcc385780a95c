import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CustomResults } from '../../../debug-adapter/contract/requests.ts';
import { ADAPTER, DapClient, ROOT, SAMPLE } from '../../support/dap.ts';

const line = DapClient.line;
const mainSource = { source: { path: `${SAMPLE}/main.c` } };

let folder: string;
const clients: DapClient[] = [];
const processes: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartscope-test-'));
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.stop()));
  for (const child of processes.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.stdin!.end();
    await once(child, 'exit');
  }
  rmSync(folder, { recursive: true });
});

async function startClient(): Promise<DapClient> {
  const client = await DapClient.start({ XDG_RUNTIME_DIR: folder });
  clients.push(client);
  return client;
}

/** A VMM of our own, as `hartscope serve` gives one. */
async function startVmm(): Promise<{ child: ChildProcess; address: string }> {
  const env = { ...process.env, XDG_RUNTIME_DIR: folder };
  const child = spawn(process.execPath, [`${ROOT}dist/vmm.cjs`, 'serve'], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  processes.push(child);
  const [first] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
  return { child, address: (JSON.parse(first) as { address: string }).address };
}

/** The processes that `pid` started and that still run. */
function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text
    .split(' ')
    .filter((word) => word !== '')
    .map(Number);
}

/** Resolves when the process is gone. There is no event for processes of others, so this looks until it is. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('nothing is left behind', () => {
  test('after disconnect', async () => {
    const dap = await startClient();
    await dap.launchSample({ stopOnEntry: true });
    await dap.run();
    const [vmm] = childrenOf(dap.process.pid!);
    expect(vmm).toBeDefined();
    await dap.request('disconnect');
    await gone(vmm!);
  });

  test('after terminate', async () => {
    const dap = await startClient();
    await dap.launchSample({ stopOnEntry: true });
    await dap.run();
    const [vmm] = childrenOf(dap.process.pid!);
    await dap.request('terminate');
    await dap.next('terminated');
    await gone(vmm!);
  });

  test('when the client vanishes while the guest runs', async () => {
    const dap = await startClient();
    await dap.launchSample({ append: 'echo', time: 'wall' });
    await dap.request('configurationDone');
    await dap.outputWith('stdout', 'type a line: ');
    const adapter = dap.process;
    const [vmm] = childrenOf(adapter.pid!);
    adapter.stdin!.end();
    await once(adapter, 'exit');
    await gone(vmm!);
  });

  test('when the adapter is killed', async () => {
    const dap = await startClient();
    await dap.launchSample({ stopOnEntry: true });
    await dap.run();
    const [vmm] = childrenOf(dap.process.pid!);
    dap.process.kill('SIGKILL');
    await gone(vmm!);
  });
});

test('a VMM that hangs is killed when the session ends', async () => {
  const dap = await startClient();
  await dap.launchSample({ stopOnEntry: true });
  await dap.run();
  const [vmm] = childrenOf(dap.process.pid!);
  process.kill(vmm!, 'SIGSTOP');
  await dap.request('disconnect');
  await gone(vmm!);
});

test('a VMM that dies is reported once, and the session ends', async () => {
  const dap = await startClient();
  await dap.launchSample({ stopOnEntry: true });
  await dap.run();
  const [vmm] = childrenOf(dap.process.pid!);
  process.kill(vmm!, 'SIGKILL');
  await dap.next('terminated');
  expect(dap.output('important')).toBe(
    'The VMM process ended unexpectedly (signal SIGKILL). Start debugging again for a new one.\n',
  );
  expect(await dap.refusal('stackTrace', { threadId: 1 })).toBe('The guest has ended.');
});

describe('attach', () => {
  /** A client that launches the sample in a VMM that runs, and lets it wait for input. */
  async function runningGuest(address: string): Promise<DapClient> {
    const first = await startClient();
    await first.launchSample({ vmm: address, append: 'echo', time: 'wall' });
    await first.request('configurationDone');
    await first.outputWith('stdout', 'type a line: ');
    return first;
  }

  async function attach(address: string, more: object = {}): Promise<DapClient> {
    const second = await startClient();
    await second.request('initialize', { adapterID: 'hartscope', pathFormat: 'path' });
    await second.request('attach', { vmm: address, ...more });
    await second.next('initialized');
    return second;
  }

  test('stops, looks, and leaves the guest running', async () => {
    const { address } = await startVmm();
    const owner = await runningGuest(address);
    const guest = await attach(address);
    await guest.request('configurationDone');
    expect(await guest.runUntilStop('pause')).toMatchObject({ reason: 'pause' });
    const frames = await guest.frames();
    expect(frames.map(({ name }) => name)).toContain('echo_line');
    await guest.request('disconnect');
    await owner.request('hartscope/consoleWrite', { text: 'still here\n' });
    await owner.outputWith('stdout', 'still here');
    await owner.next('terminated');
  });

  test('breakpoints hit', async () => {
    const { address } = await startVmm();
    await runningGuest(address);
    const guest = await attach(address);
    const uart = { source: { path: `${SAMPLE}/uart.c` } };
    await guest.request('setBreakpoints', { ...uart, breakpoints: [{ line: line('uart.c', 'received++') }] });
    await guest.request('configurationDone');
    await guest.request('hartscope/consoleWrite', { text: 'x' });
    expect(await guest.next('stopped')).toMatchObject({ reason: 'breakpoint' });
    const frameId = (await guest.frames())[0]!.id;
    expect(await guest.evaluate('received - taken', { frameId })).toBe('0');
    // A variable of a block within a loop.
    expect(await guest.evaluate('c', { frameId })).toBe("120 'x'");
  });

  test('restart resets the machine that is there, and leaves it its name and owner', async () => {
    const { address } = await startVmm();
    const owner = await runningGuest(address);
    const guest = await attach(address);
    await guest.request('setFunctionBreakpoints', { breakpoints: [{ name: 'kernel_main' }] });
    await guest.request('configurationDone');
    const before = await guest.request<CustomResults['hartscope/machine']>('hartscope/machine');
    await guest.request('restart');
    expect(await guest.next('stopped')).toMatchObject({ reason: 'function breakpoint' });
    expect((await guest.frames()).map(({ name }) => name)).toEqual(['kernel_main', '_start']);
    const after = await guest.request<CustomResults['hartscope/machine']>('hartscope/machine');
    expect({ vm: after.info.vm, owned: after.info.owned }).toEqual({ vm: before.info.vm, owned: true });
    // The harts count from power-on.
    expect(after.harts[0]!.steps).toBeLessThan(before.harts[0]!.steps);
    await guest.request('restart');
    expect(await guest.next('stopped')).toMatchObject({ reason: 'function breakpoint' });
    await guest.request('disconnect');
    // The guest goes on for its owner, which has followed it all. What is typed before it listens would be lost.
    const boots = () => owner.output('stdout').split('type a line: ').length - 1;
    while (boots() < 2) await owner.next('output');
    await owner.request('hartscope/consoleWrite', { text: 'again\n' });
    await owner.outputWith('stdout', 'again');
    await owner.next('terminated');
    expect(owner.output('stdout').match(/hello from S-mode/g)).toHaveLength(2);
  });

  test('to a VMM that is not there', async () => {
    const dap = await startClient();
    await dap.request('initialize', { adapterID: 'hartscope', pathFormat: 'path' });
    expect(await dap.refusal('attach', { vmm: `unix:${folder}/none.sock` })).toMatch(/does the VMM run/);
    expect(await dap.refusal('attach', {})).toBe(
      'The attach configuration lacks "vmm": the address that `hartscope serve` printed.',
    );
  });

  test('to a VMM without machines, or to a wrong name', async () => {
    const { address } = await startVmm();
    const dap = await startClient();
    await dap.request('initialize', { adapterID: 'hartscope', pathFormat: 'path' });
    expect(await dap.refusal('attach', { vmm: address })).toBe(
      'The VMM runs no machine: launch one instead of attaching.',
    );
    await runningGuest(address);
    expect(await dap.refusal('attach', { vmm: address, vm: 'other' })).toMatch(
      /^The VMM has no machine "other": it runs /,
    );
  });
});

test('restart makes the machine anew and keeps breakpoints', async () => {
  const dap = await startClient();
  await dap.launchSample();
  await dap.request('setBreakpoints', {
    ...mainSource,
    breakpoints: [{ line: line('main.c', 'vm_enable(hart);') }],
  });
  await dap.run();
  await dap.runUntilStop('next');
  await dap.request('restart');
  expect(await dap.next('stopped')).toMatchObject({ reason: 'breakpoint' });
  expect(await dap.place()).toBe(`main.c:${line('main.c', 'vm_enable(hart);')}`);
});

test('without debugging, nothing stops', async () => {
  const dap = await startClient();
  await dap.launchSample({ noDebug: true, stopOnEntry: true });
  await dap.request('setFunctionBreakpoints', { breakpoints: [{ name: 'kernel_main' }] });
  await dap.request('configurationDone');
  await dap.next('terminated');
  expect(dap.events.filter(({ event }) => event === 'stopped')).toEqual([]);
});

describe('wrong launches are refused with one clear message', () => {
  async function refused(config: object): Promise<string> {
    const dap = await startClient();
    await dap.request('initialize', { adapterID: 'hartscope', pathFormat: 'path' });
    const message = await dap.refusal('launch', { cwd: folder, ...config });
    expect(message).not.toMatch(/Internal error|\n/);
    expect(childrenOf(dap.process.pid!), 'a VMM was left running').toEqual([]);
    return message;
  }

  test('a kernel that is not there', async () => {
    expect(await refused({ kernel: 'none.elf' })).toBe(
      `"kernel" not found: ${folder}/none.elf. Relative paths start at ${folder} (set "cwd" to change it).`,
    );
  });

  test('an ELF for another machine', async () => {
    copyFileSync(process.execPath, join(folder, 'node'));
    expect(await refused({ kernel: 'node' })).toMatch(/x86-64|another machine|RISC-V/);
  });

  test('an ELF that is cut short', async () => {
    writeFileSync(join(folder, 'cut.elf'), readFileSync(`${SAMPLE}/kernel.elf`).subarray(0, 3000));
    expect(await refused({ kernel: 'cut.elf' })).toMatch(/truncated|beyond|outside/);
  });

  test('a symbol file that is no ELF', async () => {
    writeFileSync(join(folder, 'notes.txt'), 'hello');
    expect(await refused({ kernel: `${SAMPLE}/kernel.elf`, symbols: ['notes.txt'] })).toBe(
      `${folder}/notes.txt is not an ELF file: it has no symbols to read.`,
    );
  });

  test('an extension that there is not', async () => {
    expect(await refused({ kernel: `${SAMPLE}/kernel.elf`, isa: '-zaca' })).toMatch(
      /^In "isa": there is no extension "zaca" here; there are: i m a /,
    );
  });

  test('a wrong key', async () => {
    expect(await refused({ kernal: 'k.elf' })).toBe(
      'Unknown key "kernal" in the launch configuration: did you mean "kernel"?',
    );
  });
});

test('requests out of place are answered, and the session goes on', async () => {
  const dap = await startClient();
  await dap.request('initialize', { adapterID: 'hartscope', pathFormat: 'path' });
  expect(await dap.refusal('threads')).toBe('No machine is being debugged: launch or attach first.');
  expect(await dap.refusal('stepBack', { threadId: 1 })).toBe('The debug adapter has no request "stepBack".');
  await dap.request('launch', { kernel: `${SAMPLE}/kernel.elf`, stopOnEntry: true });
  expect(await dap.refusal('launch', { kernel: `${SAMPLE}/kernel.elf` })).toMatch(/disconnect first/);
  await dap.run();
  expect(await dap.refusal('variables', { variablesReference: 999 })).toMatch(/earlier stop/);
  expect(await dap.refusal('readMemory', { memoryReference: 'here', count: 4 })).toMatch(/is no address/);
  expect(await dap.refusal('hartscope/walk', { adress: '0x0' })).toMatch(
    /^Wrong arguments of hartscope\/walk: "address"/,
  );
  expect(await dap.evaluate('$pc')).toContain('0x80200000');
});

test('a message that is not JSON is ignored', async () => {
  const dap = await startClient();
  dap.process.stdin!.write('Content-Length: 5\r\n\r\n{oops');
  await dap.request('initialize', { adapterID: 'hartscope', pathFormat: 'path' });
});

describe('on a port', () => {
  function startAdapter(...args: string[]): { child: ChildProcess; said: Promise<string> } {
    const child = spawn(process.execPath, [ADAPTER, ...args], { stdio: ['pipe', 'ignore', 'pipe'] });
    processes.push(child);
    const said = once(createInterface({ input: child.stderr! }), 'line').then(([first]) => String(first));
    return { child, said };
  }

  test('serves a client, and ends with its stdin', async () => {
    const { child, said } = startAdapter('--port', '0');
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(await said)![1]);
    const dap = new DapClient();
    await dap.start(port);
    await dap.launchSample({ stopOnEntry: true });
    expect(await dap.run()).toMatchObject({ reason: 'entry' });
    const [vmm] = childrenOf(child.pid!);
    child.stdin!.end();
    await once(child, 'exit');
    await gone(vmm!);
  });

  test('that is in use is one clear line and status 2', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const { child, said } = startAdapter('--port', String(port));
    expect(await said).toBe(
      `hartscope dap: Port ${port} on 127.0.0.1 is in use: choose another, or 0 for a free one.`,
    );
    const [status] = (await once(child, 'exit')) as [number];
    expect(status).toBe(2);
    other.close();
  });

  test.each([
    [['--port', 'x'], /--port takes a number/],
    [['--prot'], /Unknown option '--prot'/],
  ])('wrong flag %j', async (args, message) => {
    const { child, said } = startAdapter(...args);
    expect(await said).toMatch(message);
    expect(await once(child, 'exit')).toEqual([2, null]);
  });
});
