import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DapClient, SAMPLE } from '../../support/dap.ts';

const line = DapClient.line;
const main = (text: string): string => `main.c:${line('main.c', text)}`;

let dap: DapClient;
beforeEach(async () => {
  dap = await DapClient.start();
  await dap.launchSample();
});
afterEach(() => dap.stop());

/** Runs the sample to a line of one of its files. */
async function runTo(file: string, text: string): Promise<void> {
  await dap.request('setBreakpoints', {
    source: { path: `${SAMPLE}/${file}` },
    breakpoints: [{ line: line(file, text) }],
  });
  await dap.run();
  await dap.request('setBreakpoints', { source: { path: `${SAMPLE}/${file}` }, breakpoints: [] });
}

async function stepTo(command: string, more: object = {}): Promise<string> {
  expect(await dap.runUntilStop(command, more)).toMatchObject({ reason: 'step', threadId: 1 });
  return dap.place();
}

describe('by line', () => {
  test('next runs calls to their end, and a trap with its handler too', async () => {
    await runTo('main.c', 'vm_enable(hart);');
    expect(await stepTo('next')).toBe(main('print("paging: on'));
    expect(await stepTo('next')).toBe(main('    touch_unmapped_page();'));
    expect(await stepTo('next')).toBe(main('count_ticks(3);'));
    expect(await dap.outputWith('stdout', 'the word is')).toContain('page fault: handled, the word is 1234');
  });

  test('next at the end of a function goes on in the caller', async () => {
    await runTo('main.c', 'timer_stop();');
    // A tail call: it returns to the caller itself.
    expect(await stepTo('next')).toBe(main('    run_user_program();'));
  });

  test('next through a loop comes back to its head', async () => {
    await runTo('main.c', 'seen = timer_ticks();');
    const places = [];
    for (let count = 0; count < 6; count++) places.push(await stepTo('next'));
    expect(places.slice(0, 3)).toEqual([
      main('print("timer: tick "'),
      main('print_decimal(seen);'),
      `main.c:${line('main.c', 'print_decimal(seen);') + 1}`,
    ]);
    expect(places).toContain(main('wait_for_interrupt();'));
  });

  test('stepIn stops after the prologue of the function called', async () => {
    await runTo('main.c', 'print("hartscope sample: hello');
    expect(await stepTo('stepIn')).toMatch(/^print\.c:/);
    const frames = await dap.frames();
    expect(frames.map(({ name }) => name).slice(0, 2)).toEqual(['print', 'kernel_main']);
    const scopes = await dap.request<{ scopes: { name: string; variablesReference: number }[] }>('scopes', {
      frameId: frames[0]!.id,
    });
    const args = scopes.scopes.find(({ name }) => name === 'Arguments')!;
    const [text] = await dap.variables(args.variablesReference);
    expect(text!.value).toContain('"hartscope sample: hello from S-mode\\n"');
  });

  test('stepOut goes back to the call', async () => {
    await runTo('uart.c', 'uart[UART_DATA] = (uint8_t)c;');
    expect((await stepTo('stepOut')).split(':')[0]).toBe('print.c');
    // The call was the last instruction of its line.
    expect(await stepTo('stepOut')).toBe(main('device_tree_boot_arguments('));
  });

  test('stepIn goes into the handler of an exception', async () => {
    await runTo('main.c', '*word = 1234;');
    expect(await stepTo('stepIn')).toMatch(/^trap\.S:/);
    const names = (await dap.frames()).map(({ name }) => name);
    expect(names).toContain('touch_unmapped_page [interrupted by a trap]');
    expect(await stepTo('stepOut')).toBe(main('*word = 1234;'));
  });

  test('next over a line with an exception comes out behind it', async () => {
    await runTo('main.c', '*word = 1234;');
    expect(await stepTo('next')).toBe(main('print("page fault: handled'));
  });

  test('a breakpoint within a call ends the step over it', async () => {
    await runTo('main.c', 'count_ticks(3);');
    await dap.request('setFunctionBreakpoints', { breakpoints: [{ name: 'timer_start' }] });
    expect(await dap.runUntilStop('next')).toMatchObject({ reason: 'function breakpoint' });
  });

  test('a breakpoint within a call whose condition is false does not', async () => {
    await runTo('main.c', 'count_ticks(3);');
    await dap.request('setFunctionBreakpoints', {
      breakpoints: [
        { name: 'timer_start', condition: '1 == 2' },
        { name: 'uart_put', condition: "c == 'Z'" },
      ],
    });
    expect(await stepTo('next')).toBe(main('    run_user_program();'));
  });
});

describe('by instruction', () => {
  test('one at a time', async () => {
    await runTo('main.c', 'vm_enable(hart);');
    const pc = async () => BigInt((await dap.frames())[0]!.instructionPointerReference!);
    const before = await pc();
    await dap.runUntilStop('next', { granularity: 'instruction' });
    const after = await pc();
    expect([2n, 4n]).toContain(after - before);
  });

  test('into a call, and over it', async () => {
    await runTo('main.c', 'vm_enable(hart);');
    for (;;) {
      const [frame] = await dap.frames();
      const { instructions } = await dap.request<{
        instructions: { instruction: string; address: string }[];
      }>('disassemble', {
        memoryReference: frame!.instructionPointerReference,
        instructionCount: 2,
      });
      if (instructions[0]!.instruction.startsWith('jal')) break;
      await dap.runUntilStop('stepIn', { granularity: 'instruction' });
    }
    await dap.runUntilStop('stepIn', { granularity: 'instruction' });
    expect((await dap.frames())[0]!.name).toBe('vm_enable');
    await dap.runUntilStop('stepOut', { granularity: 'instruction' });
    expect((await dap.frames())[0]!.name).toBe('kernel_main');
  });
});

test('stepping out of the outermost frame is refused', async () => {
  await dap.request('setFunctionBreakpoints', { breakpoints: [{ name: '_start' }] });
  await dap.run();
  expect(await dap.refusal('stepOut', { threadId: 1 })).toMatch(/outermost frame/);
});
