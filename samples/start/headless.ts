import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { DebugProtocol as Dap } from '@vscode/debugprotocol';
import type { CustomResults } from '../../debug-adapter/contract/requests.ts';
import { DapClient } from './dap-client.ts';
import { bold, dim, heading, table, underCursor } from './terminal.ts';

/**
 * Tells in the terminal what F5 shows in the editor, through the same debug adapter: a breakpoint, a step, the stack
 * through a trap, a page walk before and after, a stop at a device access, and the trace. Every value printed is asked of
 * the running guest. Throws when the guest or the adapter does not do what the story says.
 */
export async function tellStory(dist: string, sample: string): Promise<void> {
  const client = new DapClient(process.execPath, [join(dist, 'debug-adapter.cjs')]);
  try {
    await new Story(client, sample).tell();
  } finally {
    await client.close();
  }
}

class Story {
  readonly #client: DapClient;
  readonly #sample: string;
  readonly #main: string;
  #console = '';
  /** Asked for once: each event is given to one who waits. */
  #terminated: Promise<unknown> = Promise.resolve();

  constructor(client: DapClient, sample: string) {
    this.#client = client;
    this.#sample = sample;
    this.#main = join(sample, 'main.c');
  }

  async tell(): Promise<void> {
    await this.#boot();
    await this.#stopInMain();
    const address = await this.#stepIntoTheFault();
    await this.#stopInTheHandler(address);
    await this.#stopAtTheUart(address);
    await this.#runToTheEnd();
  }

  async #boot(): Promise<void> {
    const client = this.#client;
    client.on<{ data: string }>('hartscope/console', ({ data }) => {
      this.#console += Buffer.from(data, 'base64').toString('utf8');
    });
    this.#terminated = client.event('terminated');
    await client.request('initialize', { adapterID: 'hartscope', clientID: 'headless', hartscope: true });
    const launched = client.request('launch', { kernel: join(this.#sample, 'kernel.elf') });
    // A launch that fails rejects here instead of leaving us waiting.
    await Promise.race([client.event('initialized'), launched]);
    await client.request('setBreakpoints', {
      source: { path: this.#main },
      breakpoints: [{ line: this.#lineOf('*word = ') }],
    });
    await client.request('setFunctionBreakpoints', { breakpoints: [{ name: 'vm_map_fresh_page' }] });
    await Promise.all([client.request('configurationDone'), launched]);
  }

  async #stopInMain(): Promise<void> {
    const stop = await this.#stopped('breakpoint');
    heading('A breakpoint in main.c');
    await this.#showSource(stop);
    await this.#showStack(stop);
    this.#showConsole();
  }

  /** Returns the address that is about to fault. */
  async #stepIntoTheFault(): Promise<string> {
    heading('By instruction, up to the store that will fault');
    for (let count = 0; count < 16; count++) {
      const frame = (await this.#frames())[0]!;
      const [instruction] = await this.#disassemble(frame.instructionPointerReference!, 1);
      console.log(`  ${dim(instruction!.address)}  ${instruction!.instruction}`);
      const store = /^s[bhwd]\s+\w+,(-?\d+)\((\w+)\)/.exec(instruction!.instruction);
      if (store !== null) {
        const address = await this.#evaluate(`(uint64_t)$${store[2]} + (${store[1]}),x`);
        if (!(await this.#walk(address)).fault) throw new Error(`the store at ${address} will not fault`);
        await this.#showWalk(address);
        return address;
      }
      await this.#resume('stepIn', { granularity: 'instruction' });
      await this.#stopped('step');
    }
    throw new Error('no store within 16 instructions of the breakpoint');
  }

  async #stopInTheHandler(address: string): Promise<void> {
    await this.#resume('continue');
    const stop = await this.#stopped('function breakpoint');
    heading(`The page fault at ${address}: the stack goes through the trap`);
    await this.#showStack(stop);
    const frame = (await this.#frames())[0]!;
    const csrs = await this.#scope(frame.id, 'CSRs');
    const wanted = ['sstatus', 'scause', 'stval', 'sepc', 'satp'];
    console.log();
    table(
      csrs.filter(({ name }) => wanted.includes(name)).map(({ name, value }) => [`  ${bold(name)}`, value]),
    );
  }

  async #stopAtTheUart(address: string): Promise<void> {
    await this.#client.request('setFunctionBreakpoints', { breakpoints: [] });
    const { breakpoints } = await this.#client.request<{ breakpoints: Dap.Breakpoint[] }>(
      'setExceptionBreakpoints',
      {
        filters: [],
        filterOptions: [{ filterId: 'mmio', condition: `device == "uart0" && write && value == 0x68` }],
      },
    );
    if (!breakpoints[0]?.verified) throw new Error(`the exit breakpoint: ${breakpoints[0]?.message}`);
    await this.#resume('continue');
    const stop = await this.#stopped('exception');
    const info = await this.#client.request<Dap.ExceptionInfoResponse['body']>('exceptionInfo', {
      threadId: stop.threadId,
    });
    heading('A stop before a byte leaves through the UART');
    console.log(`  ${bold(info.description ?? info.exceptionId)}`);
    await this.#showStack(stop);
    heading('The same address, now that the kernel mapped a page');
    await this.#showWalk(address);
  }

  async #runToTheEnd(): Promise<void> {
    await this.#client.request('setExceptionBreakpoints', { filters: [] });
    const { records } = await this.#client.request<CustomResults['hartscope/exits']>('hartscope/exits', {
      filter: { condition: undefined },
      limit: 10_000,
    });
    heading('The trace so far, its last lines');
    table(
      records
        .slice(-8)
        .map((record) => [
          `  ${dim(`step ${record.step}`)}`,
          bold(record.exit.kind),
          record.text,
          dim(record.location ?? ''),
        ]),
    );
    const stats = await this.#client.request<CustomResults['hartscope/exitStats']>('hartscope/exitStats');
    console.log();
    table(
      stats.counts.filter(({ count }) => count > 0).map(({ kind, count }) => [`  ${bold(kind)}`, `${count}`]),
    );
    await this.#resume('continue');
    const exited = await this.#client.event<Dap.ExitedEvent['body']>('exited');
    await this.#terminated;
    heading('To the end');
    this.#showConsole();
    console.log(`  The guest powered off with status ${exited.exitCode}.\n`);
    if (exited.exitCode !== 0) throw new Error('the sample did not end well');
  }

  #lineOf(text: string): number {
    const index = readFileSync(this.#main, 'utf8')
      .split('\n')
      .findIndex((line) => line.includes(text));
    if (index < 0) throw new Error(`${this.#main} has no line with ${text}`);
    return index + 1;
  }

  /** The next stop, which must have this reason; or the guest's end, which is an error here. */
  async #stopped(reason: string): Promise<Dap.StoppedEvent['body'] & { threadId: number }> {
    const stop = await Promise.race([
      this.#client.event<Dap.StoppedEvent['body']>('stopped'),
      this.#terminated.then(() => {
        throw new Error('the guest ended before it stopped');
      }),
    ]);
    if (stop.reason !== reason || stop.threadId === undefined) {
      throw new Error(`stopped by ${stop.reason} (${stop.text ?? ''}) instead of ${reason}`);
    }
    this.#threadId = stop.threadId;
    return { ...stop, threadId: stop.threadId };
  }

  #threadId = 0;

  #resume(command: 'continue' | 'stepIn', args: object = {}): Promise<unknown> {
    return this.#client.request(command, { threadId: this.#threadId, ...args });
  }

  async #frames(): Promise<Dap.StackFrame[]> {
    const body = await this.#client.request<Dap.StackTraceResponse['body']>('stackTrace', {
      threadId: this.#threadId,
    });
    return body.stackFrames;
  }

  async #disassemble(
    memoryReference: string,
    instructionCount: number,
  ): Promise<Dap.DisassembledInstruction[]> {
    const body = await this.#client.request<Dap.DisassembleResponse['body']>('disassemble', {
      memoryReference,
      instructionCount,
    });
    return body!.instructions;
  }

  async #evaluate(expression: string): Promise<string> {
    const frameId = (await this.#frames())[0]!.id;
    const body = await this.#client.request<Dap.EvaluateResponse['body']>('evaluate', {
      expression,
      frameId,
    });
    return body.result;
  }

  #walk(address: string): Promise<CustomResults['hartscope/walk']> {
    return this.#client.request('hartscope/walk', { address });
  }

  async #scope(frameId: number, name: string): Promise<Dap.Variable[]> {
    const { scopes } = await this.#client.request<Dap.ScopesResponse['body']>('scopes', { frameId });
    const scope = scopes.find((candidate) => candidate.name === name);
    if (scope === undefined) throw new Error(`no scope ${name}`);
    const groups = await this.#variables(scope.variablesReference);
    const nested = await Promise.all(
      groups.map((group) => (group.variablesReference ? this.#variables(group.variablesReference) : [])),
    );
    return [...groups, ...nested.flat()];
  }

  async #variables(variablesReference: number): Promise<Dap.Variable[]> {
    const body = await this.#client.request<Dap.VariablesResponse['body']>('variables', {
      variablesReference,
    });
    return body.variables;
  }

  async #showSource(stop: { threadId: number }): Promise<void> {
    this.#threadId = stop.threadId;
    const frame = (await this.#frames())[0]!;
    underCursor(readFileSync(frame.source!.path!, 'utf8'), frame.line);
  }

  async #showStack(stop: { threadId: number }): Promise<void> {
    this.#threadId = stop.threadId;
    console.log();
    table(
      (await this.#frames()).map((frame, index) => [
        `  ${dim(`#${index}`)}`,
        bold(frame.name),
        frame.source?.path ? `${basename(frame.source.path)}:${frame.line}` : '',
        dim(frame.instructionPointerReference ?? ''),
      ]),
    );
  }

  async #showWalk(address: string): Promise<void> {
    const walk = await this.#walk(address);
    console.log(`\n  ${bold(`walk ${walk.address}`)} ${dim(walk.mode)}`);
    table(
      walk.levels.map(({ level, table: at, index, pte, flags, leaf }) => [
        `  level ${level}`,
        `table ${at}`,
        `[${index}]`,
        `pte ${pte}`,
        flags || '-',
        leaf ? 'leaf' : '',
      ]),
    );
    console.log(walk.fault ? `  ${bold('fault')}: ${walk.fault}` : `  ${bold('physical')} ${walk.physical}`);
  }

  #showConsole(): void {
    console.log(
      `\n${this.#console
        .trimEnd()
        .split('\n')
        .map((line) => dim(`  | ${line.trimEnd()}`))
        .join('\n')}\n`,
    );
    this.#console = '';
  }
}
