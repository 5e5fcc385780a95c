import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Machine, MachineReturn } from '../../vmm/contracts/machine.ts';
import type { TranslatorOption } from '../../vmm/hart/index.ts';
import { createMachine } from '../../vmm/machine/index.ts';
import { openPeripherals } from '../../vmm/peripherals.ts';
import { type VmConfigInput, vmConfigSchema } from '../../vmm/protocol/messages.ts';

/** Waits for `expect` in the guest's output behind what was matched before, then types `send`. */
export interface Exchange {
  readonly expect: string;
  readonly send?: string;
}

/** Finds the exchanges in output as it grows. */
export class Script {
  readonly #exchanges: readonly Exchange[];
  #next = 0;
  #from = 0;
  output = '';

  constructor(exchanges: readonly Exchange[]) {
    this.#exchanges = exchanges;
  }

  get isDone(): boolean {
    return this.#next === this.#exchanges.length;
  }

  /** What to type now, if an expected text has appeared. */
  poll(): string | undefined {
    const exchange = this.#exchanges[this.#next];
    if (exchange === undefined) return undefined;
    const at = this.output.indexOf(exchange.expect, this.#from);
    if (at < 0) return undefined;
    this.#from = at + exchange.expect.length;
    this.#next += 1;
    return exchange.send ?? '';
  }

  get waitingFor(): string {
    return JSON.stringify(this.#exchanges[this.#next]?.expect);
  }
}

/** Output of a conversation with a machine, which stands where the last expected text appeared. */
export interface MachineConversation {
  readonly output: string;
  readonly machine: Machine;
  /** How the machine's last run returned. */
  readonly last: MachineReturn;
}

/** Steps between looks at the output: 1 ms of the guest's time. */
const SLICE_STEPS = 1_000_000;

/** Makes a machine from the files that `config` names. */
export function machineFromFiles(
  config: VmConfigInput,
  console: (text: string) => void,
  translator?: TranslatorOption,
): Machine {
  const parsed = vmConfigSchema.parse(config);
  const image = (path: string | undefined) =>
    path === undefined || path === 'builtin' || path === 'none'
      ? undefined
      : { name: basename(path), data: new Uint8Array(readFileSync(path)) };
  const kernel = image(parsed.kernel);
  const firmware = image(parsed.firmware);
  return createMachine({
    config: parsed,
    images: { ...(kernel ? { kernel } : {}), ...(firmware ? { firmware } : {}) },
    ports: {
      console: (data) => console(Buffer.from(data).toString('latin1')),
      nowNs: () => 0,
      log: () => {},
    },
    // Its files are let go of with this process.
    virtio: openPeripherals(parsed).virtio,
    ...(translator && { translator }),
  });
}

/** Runs a machine until the conversation is over, the guest ends, or `maxSteps` are done. */
export function converseWithMachine(
  config: VmConfigInput,
  exchanges: readonly Exchange[],
  maxSteps: number,
): MachineConversation {
  const script = new Script(exchanges);
  const machine = machineFromFiles(config, (text) => (script.output += text));
  let last: MachineReturn = { kind: 'budget' };
  while (!script.isDone && machine.steps < BigInt(maxSteps)) {
    last = machine.run(SLICE_STEPS);
    for (let send = script.poll(); send !== undefined; send = script.poll()) {
      if (send !== '') machine.consoleInput(Buffer.from(send, 'latin1'));
    }
    if (last.kind === 'end' || last.kind === 'stop') break;
  }
  if (!script.isDone) {
    throw new Error(
      `after ${machine.steps} steps still waiting for ${script.waitingFor} in:\n${script.output}`,
    );
  }
  return { output: script.output, machine, last };
}

/** The same with QEMU, whose UART is the conversation. Rejects with the output when it takes longer than `timeoutMs`. */
export function converseWithQemu(
  args: readonly string[],
  exchanges: readonly Exchange[],
  timeoutMs = 60_000,
): Promise<string> {
  const script = new Script(exchanges);
  const terminal = ['-display', 'none', '-monitor', 'none', '-serial', 'stdio'];
  const qemu = spawn('qemu-system-riscv64', [...args, ...terminal], { stdio: ['pipe', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    let errors = '';
    const timer = setTimeout(() => qemu.kill('SIGKILL'), timeoutMs);
    qemu.stdin.on('error', () => {}); // The guest may end the machine while something is typed.
    qemu.stderr.on('data', (data: Buffer) => (errors += data.toString()));
    qemu.stdout.on('data', (data: Buffer) => {
      script.output += data.toString('latin1');
      for (let send = script.poll(); send !== undefined; send = script.poll()) {
        if (send !== '') qemu.stdin.write(send);
      }
      if (script.isDone) qemu.kill();
    });
    qemu.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    qemu.on('close', () => {
      clearTimeout(timer);
      if (script.isDone) resolve(script.output);
      else reject(new Error(`QEMU: waiting for ${script.waitingFor} in:\n${script.output}${errors}`));
    });
  });
}
