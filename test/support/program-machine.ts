import type { Machine, MachineImages, MachineReturn } from '../../vmm/contracts/machine.ts';
import type { TranslatorOption } from '../../vmm/hart/index.ts';
import { createMachine } from '../../vmm/machine/index.ts';
import { type StopInfo, type VmConfigInput, vmConfigSchema } from '../../vmm/protocol/messages.ts';
import { assembleProgram } from './bare-hart.ts';

/** A machine with a program assembled from lines (see `assembleProgram`), and what came out of it. */
export interface ProgramMachine {
  readonly machine: Machine;
  readonly images: MachineImages;
  readonly labels: Readonly<Record<string, bigint>>;
  /** What the guest wrote to its console so far. */
  output(): string;
  readonly logs: string[];
  /** Runs to the next stop, which must come within `maxSteps`. */
  runToStop(maxSteps?: number): StopInfo;
  /** Reads a doubleword of RAM at a label. */
  read64(label: string): bigint;
}

/** Where `assembleProgram` code starts, by firmware: M-mode alone, or S-mode on the built-in SBI. */
const ENTRY = { none: 0x8000_0000n, builtin: 0x8020_0000n } as const;

/** Makes a machine whose raw kernel image is the program. Without more said it runs in M-mode with 1 MiB of RAM. */
export function programMachine(
  lines: string,
  config: Omit<VmConfigInput, 'kernel' | 'firmware'> & { firmware?: keyof typeof ENTRY } = {},
  translator?: TranslatorOption,
): ProgramMachine {
  const firmware = config.firmware ?? 'none';
  const { code, labels } = assembleProgram(lines, ENTRY[firmware]);
  const memory = firmware === 'none' ? 1 << 20 : 4 << 20;
  let output = '';
  const logs: string[] = [];
  const images = { kernel: { name: 'program', data: code } };
  const machine = createMachine({
    config: vmConfigSchema.parse({ memory, ...config, firmware, kernel: 'program' }),
    images,
    ports: {
      console: (data) => (output += Buffer.from(data).toString('latin1')),
      nowNs: () => 0,
      log: (text) => logs.push(text),
    },
    ...(translator && { translator }),
  });
  return {
    machine,
    images,
    labels,
    logs,
    output: () => output,
    runToStop: (maxSteps = 1_000_000) => stopOf(machine.run(maxSteps)),
    read64: (label) => {
      const bytes = machine.readMemory(0, labels[label]!, 8, 'physical');
      return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
    },
  };
}

function stopOf(result: MachineReturn): StopInfo {
  if (result.kind === 'stop') return result.stop;
  throw new Error(`the machine did not stop: ${result.kind}`);
}
