/** Debian's OpenSBI in M-mode handing over to U-Boot in S-mode: software that nobody here compiled, without lines. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CustomResults } from '../../../debug-adapter/contract/requests.ts';
import { DapClient } from '../../support/dap.ts';
import { describeWithGuests, GUESTS } from '../../support/debian-guests.ts';

/** What OpenSBI jumps to: RAM and 2 MiB (its `FW_JUMP_OFFSET`), where U-Boot is linked. */
const HANDOVER = 0x8020_0000n;

const ELF = { firmware: GUESTS.fwJump, kernel: GUESTS.ubootSupervisor };
const RAW = { firmware: GUESTS.fwDynamic, kernel: GUESTS.ubootSupervisorRaw };

let dap: DapClient;
beforeEach(async () => {
  dap = await DapClient.start();
});
afterEach(() => dap.stop());

type Stop = DebugProtocol.StoppedEvent['body'];

async function launch(config: object): Promise<void> {
  await dap.request('initialize', { adapterID: 'hartscope', pathFormat: 'path' });
  // Free time: U-Boot's countdown takes two seconds on the wall.
  await dap.request('launch', { time: 'free', ...config });
  await dap.next('initialized');
}

const type = (text: string) => dap.request('hartscope/consoleWrite', { text });

/** Lets the guest run to U-Boot's prompt; a key stops the countdown. */
async function toPrompt(): Promise<void> {
  await dap.outputWith('stdout', 'Hit any key to stop autoboot');
  await type(' ');
  await dap.outputWith('stdout', '=> ');
}

const pcOf = async (threadId = 1): Promise<bigint> =>
  BigInt((await dap.frames(threadId))[0]!.instructionPointerReference!);
const threadNames = async (): Promise<string[]> => {
  const { threads } = await dap.request<{ threads: DebugProtocol.Thread[] }>('threads');
  return threads.map(({ name }) => name);
};
const stepInstruction = (threadId = 1): Promise<Stop> =>
  dap.runUntilStop('stepIn', { threadId, granularity: 'instruction' });

async function disassemble(pc: bigint, before: number, count: number) {
  const { instructions } = await dap.request<{ instructions: DebugProtocol.DisassembledInstruction[] }>(
    'disassemble',
    {
      memoryReference: `0x${pc.toString(16)}`,
      instructionOffset: -before,
      instructionCount: count,
    },
  );
  return instructions;
}

async function breakOn(filterId: string, condition: string): Promise<void> {
  const body = await dap.request<{ breakpoints: { verified: boolean }[] }>('setExceptionBreakpoints', {
    filters: [],
    filterOptions: [{ filterId, condition }],
  });
  expect(body.breakpoints).toEqual([{ verified: true }]);
}

describeWithGuests('OpenSBI and U-Boot in the debugger', () => {
  test('at its prompt U-Boot answers, is paused, stepped, disassembled and walked, and goes on', async () => {
    await launch(ELF);
    await dap.request('configurationDone');
    await toPrompt();
    await type('version\r');
    await dap.outputWith('stdout', 'GNU ld');

    expect(await dap.runUntilStop('pause')).toMatchObject({ reason: 'pause', threadId: 1 });
    expect(await threadNames()).toEqual(['hart 0 (S)']);
    const pc = await pcOf();
    // It has moved itself to the end of RAM.
    expect(pc > 0x8700_0000n && pc < 0x8800_0000n).toBe(true);

    const code = await disassemble(pc, 8, 16);
    expect(code).toHaveLength(16);
    expect(BigInt(code[8]!.address)).toBe(pc);
    for (const [index, { address, instructionBytes }] of code.entries()) {
      const next = code[index + 1];
      if (next === undefined) continue;
      expect(BigInt(next.address) - BigInt(address)).toBe(
        BigInt(instructionBytes!.replaceAll(' ', '').length / 2),
      );
    }
    expect(await stepInstruction()).toMatchObject({ reason: 'step', threadId: 1 });
    expect(await pcOf()).not.toBe(pc);

    // U-Boot runs with translation off.
    const walk = await dap.request<CustomResults['hartscope/walk']>('hartscope/walk', { address: '$pc' });
    expect(walk).toMatchObject({ mode: 'Bare', levels: [], physical: walk.address });

    await dap.request('continue', { threadId: 1 });
    await type('echo on it goes\r');
    await dap.outputWith('stdout', '\r\non it goes\r\n=> ');
    await dap.request('disconnect');
  });

  test('exits: a UART write, and the ecall of U-Boot into OpenSBI', async () => {
    await launch(RAW);
    await dap.request('configurationDone');
    await toPrompt();
    await breakOn('mmio', 'device == "uart0" && register == "THR" && write && value == 0x21');
    await type('echo !\r');
    // Once as the shell echoes what is typed, once as the command prints it.
    for (const _ of ['typed', 'printed']) {
      const stop = await dap.next<Stop>('stopped');
      expect(stop).toMatchObject({ reason: 'exception', text: `write uart0.THR = 0x21 '!'` });
      await dap.request('continue', { threadId: 1 });
    }
    await breakOn('trap', 'cause == 9 && from == "S" && to == "M"');
    await type('sbi\r');
    const stop = await dap.next<Stop>('stopped');
    expect(stop.text).toBe('exception 9: environment call from S-mode, tval 0x0, S -> M');
    const [ecall] = await disassemble(await pcOf(), 0, 1);
    expect(ecall!.instruction).toBe('ecall');
    // The Base extension, asked for the version of the specification (SBI, "Base Extension").
    expect([await dap.evaluate('$a7,d'), await dap.evaluate('$a6,d')]).toEqual(['16', '0']);
    expect(await threadNames()).toEqual(['hart 0 (S)']);
    await stepInstruction();
    expect(await threadNames()).toEqual(['hart 0 (M)']);
    expect(await dap.evaluate('$mcause,d')).toBe('9');
    expect(BigInt(await dap.evaluate('$mepc'))).toBe(BigInt(ecall!.address));
    expect(await pcOf()).toBe(BigInt(await dap.evaluate('$mtvec')) & ~3n);
    await dap.request('setExceptionBreakpoints', { filters: [] });
    await dap.request('continue', { threadId: 1 });
    await dap.outputWith('stdout', 'OpenSBI 1.1');
  });

  test("the CSRs of OpenSBI's work: delegation, and the trap vector of each privilege", async () => {
    await launch({ ...ELF, stopOnEntry: true });
    await dap.run();
    const [frame] = await dap.frames();
    const { scopes } = await dap.request<{ scopes: DebugProtocol.Scope[] }>('scopes', { frameId: frame!.id });
    const csrs = scopes.find(({ name }) => name === 'CSRs')!;
    const groups = await dap.variables(csrs.variablesReference);
    const machine = groups.find(({ name }) => name.startsWith('Machine'))!;
    const members = await dap.variables(machine.variablesReference);
    const shown = (name: string) => members.find((member) => member.name === name)?.value;
    // As OpenSBI prints them a moment before: `Boot HART MIDELEG`, `Boot HART MEDELEG`.
    const printed = (name: string) =>
      BigInt(new RegExp(`Boot HART ${name} +: (0x[0-9a-f]+)`).exec(dap.output('stdout'))![1]!);
    expect(BigInt(shown('mideleg')!.split(' ')[0]!)).toBe(printed('MIDELEG'));
    expect(BigInt(shown('medeleg')!.split(' ')[0]!)).toBe(printed('MEDELEG'));
  });

  test.each([
    ['an ELF', ELF],
    ['a raw image', RAW],
  ])('stopOnEntry stops where the firmware hands over to the kernel, %s', async (_, config) => {
    await launch({ ...config, stopOnEntry: true });
    const stop = await dap.run();
    expect(stop).toMatchObject({ reason: 'entry', threadId: 1 });
    expect(stop.description).toBe('Stopped at the first instruction of the kernel');
    expect(await pcOf()).toBe(HANDOVER);
    expect(await threadNames()).toEqual(['hart 0 (S)']);
    expect(dap.output('stdout')).toContain('Boot HART MEDELEG');
    expect(dap.output('stdout')).not.toContain('U-Boot');
    // The stop was for once.
    await dap.request('continue', { threadId: 1 });
    await toPrompt();
    expect(dap.events.filter(({ event }) => event === 'stopped')).toHaveLength(1);
  });

  test('four harts: OpenSBI holds three of them, and each can be looked at, stepped and stopped', async () => {
    await launch({ ...RAW, harts: 4, stopOnEntry: true });
    await dap.run();
    expect(await threadNames()).toEqual([
      'hart 0 (S)',
      ...[1, 2, 3].map((hart) => `hart ${hart} (M, waiting)`),
    ]);
    // The instruction behind the WFI is what a hart that waits will execute next.
    const waitsAt = await pcOf(3);
    expect((await disassemble(waitsAt, 1, 2))[0]!.instruction).toBe('wfi');
    await dap.request('continue', { threadId: 1 });
    await toPrompt();

    // Woken by the boot hart's interrupt, which stays pending, they go round OpenSBI's waiting loop.
    await dap.runUntilStop('pause');
    expect(await threadNames()).toEqual(['hart 0 (S)', 'hart 1 (M)', 'hart 2 (M)', 'hart 3 (M)']);
    const steps = async (): Promise<number[]> => {
      const { harts } = await dap.request<CustomResults['hartscope/machine']>('hartscope/machine');
      return harts.map((hart) => hart.steps);
    };
    const before = await steps();
    for (let count = 0; count < 20; count++) {
      const pc = await pcOf(3);
      expect(await stepInstruction(3)).toMatchObject({ reason: 'step', threadId: 3 });
      expect(await pcOf(3)).not.toBe(pc);
    }
    const after = await steps();
    expect(after[2]).toBe(before[2]! + 20);

    const loop = await pcOf(3);
    await dap.request('setInstructionBreakpoints', {
      breakpoints: [{ instructionReference: `0x${loop.toString(16)}` }],
    });
    const hit = new Set<number>();
    while (hit.size < 3) {
      const { reason, threadId } = await dap.runUntilStop('continue');
      expect(reason).toBe('instruction breakpoint');
      expect(await pcOf(threadId)).toBe(loop);
      hit.add(threadId!);
    }
    expect([...hit].sort()).toEqual([2, 3, 4]);
  });

  test('symbols of U-Boot count where it moved itself to, with the offset it tells', async () => {
    await launch(ELF);
    await dap.request('configurationDone');
    await toPrompt();
    await type('bdinfo\r');
    const output = await dap.outputWith('stdout', 'devicetree  = board');
    const moved = BigInt(/relocaddr +=\s+(0x[0-9a-f]+)/.exec(output)![1]!);
    await dap.stop();

    dap = await DapClient.start();
    const offset = `0x${(moved - HANDOVER).toString(16)}`;
    await launch({ ...ELF, symbols: [{ file: GUESTS.ubootSupervisor, offset }] });
    await dap.request('configurationDone');
    await toPrompt();
    const { breakpoints } = await dap.request<{ breakpoints: DebugProtocol.Breakpoint[] }>(
      'setFunctionBreakpoints',
      { breakpoints: [{ name: 'vprintf' }] },
    );
    expect(breakpoints[0]).toMatchObject({ verified: true });
    await type('version\r');
    const stop = await dap.next<Stop>('stopped');
    expect(stop).toMatchObject({ reason: 'function breakpoint', hitBreakpointIds: [breakpoints[0]!.id] });
    const [frame] = await dap.frames();
    expect(frame!.name).toBe('vprintf');
    expect(BigInt(frame!.instructionPointerReference!)).toBeGreaterThanOrEqual(moved);
    const { modules } = await dap.request<{ modules: DebugProtocol.Module[] }>('modules');
    expect(modules).toHaveLength(3);
  });
});
