import type { Machine } from '../../vmm/contracts/machine.ts';
import { createMachine } from '../../vmm/machine/index.ts';
import { type VmConfigInput, vmConfigSchema } from '../../vmm/protocol/messages.ts';
import { assembleProgram } from './bare-hart.ts';

/** Extensions by name (RISC-V SBI 3.0). */
export const SBI_EXTENSION = {
  Base: 0x10n,
  TIME: 0x5449_4d45n,
  IPI: 0x73_5049n,
  RFENCE: 0x5246_4e43n,
  HSM: 0x48_534dn,
  SRST: 0x5352_5354n,
  PMU: 0x50_4d55n,
  DBCN: 0x4442_434en,
  SUSP: 0x5355_5350n,
  STA: 0x53_5441n,
  FWFT: 0x4657_4654n,
} as const;

/** A call as a supervisor makes it: a7, a6, and a0 to a5. */
export interface SbiRequest {
  readonly extension: bigint;
  readonly fn: number;
  readonly args: readonly bigint[];
}

/** a0 and a1 afterwards, signed and unsigned. */
export interface SbiAnswer {
  readonly error: bigint;
  readonly value: bigint;
}

/** Where the calling guest lies, and memory beside it for calls that share some. */
export const SBI_GUEST = {
  entry: 0x8020_0000n,
  shared: 0x8030_0000n,
  /** A second hart that is started here waits for ever. */
  idle: 0x8020_0000n + 8n,
} as const;
const REQUEST_BYTES = 64n;
const STEPS_MAX = 40_000_000;

export interface SbiCallsOptions {
  /** An image that runs in M-mode below the guest; default: the built-in SBI. */
  readonly firmware?: { readonly name: string; readonly data: Uint8Array };
  readonly config?: Omit<VmConfigInput, 'kernel' | 'firmware'>;
  /** What shared memory holds at first, by offset in it. */
  readonly memory?: ReadonlyMap<number, Uint8Array>;
  /** Bytes typed at the console before the guest starts. */
  readonly typed?: string;
}

export interface SbiCallsRun {
  readonly answers: readonly SbiAnswer[];
  readonly machine: Machine;
  readonly output: string;
  /** Bytes of shared memory. */
  shared(offset: number, length: number): Uint8Array;
}

/**
 * Has a supervisor make calls one after the other, and returns its answers. Interrupts stay off; the registers that a call
 * must leave alone (SBI 3.0, chapter 3: all but a0 and a1) are compared in the guest, which breaks off where one changed.
 */
export function makeSbiCalls(requests: readonly SbiRequest[], options: SbiCallsOptions = {}): SbiCallsRun {
  const { code, labels } = assembleProgram(guest(requests), SBI_GUEST.entry);
  let output = '';
  const machine = createMachine({
    config: vmConfigSchema.parse({
      memory: 16 << 20,
      time: 'free',
      ...options.config,
      firmware: options.firmware === undefined ? 'builtin' : options.firmware.name,
      kernel: 'guest',
    }),
    images: {
      kernel: { name: 'guest', data: code },
      ...(options.firmware && { firmware: options.firmware }),
    },
    ports: {
      console: (data) => (output += Buffer.from(data).toString('latin1')),
      nowNs: () => 0,
      log: () => {},
    },
  });
  for (const [offset, bytes] of options.memory ?? []) {
    machine.writeMemory(0, SBI_GUEST.shared + BigInt(offset), bytes, 'physical');
  }
  if (options.typed !== undefined) machine.consoleInput(Buffer.from(options.typed, 'latin1'));
  machine.setBreakpoints(new Set([labels['done']!, labels['broken']!]));
  const result = machine.run(STEPS_MAX);
  if (result.kind !== 'stop' || result.stop.pc !== labels['done']) {
    throw new Error(`the calls did not come to their end: ${describe(result)}\n${output}`);
  }
  const bytes = machine.readMemory(0, labels['answers']!, requests.length * 16, 'physical');
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const answers = requests.map((_, index) => ({
    error: view.getBigInt64(index * 16, true),
    value: view.getBigUint64(index * 16 + 8, true),
  }));
  const shared = (offset: number, length: number): Uint8Array =>
    machine.readMemory(0, SBI_GUEST.shared + BigInt(offset), length, 'physical');
  return { answers, machine, output, shared };
}

const describe = (result: unknown): string =>
  JSON.stringify(result, (_, value) => (typeof value === 'bigint' ? `0x${value.toString(16)}` : value));

const dwords = (values: readonly bigint[]): string =>
  values.map((value) => `.dword ${BigInt.asIntN(64, value)}`).join('\n');

/** Registers that hold a mark across each call. */
const MARKED = [
  'ra',
  'sp',
  'gp',
  'tp',
  't0',
  't1',
  't2',
  's0',
  's1',
  's5',
  's6',
  's7',
  's8',
  's9',
  's10',
  's11',
];
const MARKED_HIGH = ['t3', 't4', 't5', 't6'];

function guest(requests: readonly SbiRequest[]): string {
  const marked = [...MARKED, ...MARKED_HIGH];
  return `
    csrrwi zero, sie, 0
    jal zero, start
  idle:
    wfi
    jal zero, idle
  start:
    lla s2, requests
    lla s3, answers
    li s4, ${requests.length}
  next:
    ${marked.map((register, index) => `li ${register}, ${0x111 + index}`).join('\n')}
    ld a0, 0(s2)
    ld a1, 8(s2)
    ld a2, 16(s2)
    ld a3, 24(s2)
    ld a4, 32(s2)
    ld a5, 40(s2)
    ld a6, 48(s2)
    ld a7, 56(s2)
    ecall
    sd a0, 0(s3)
    sd a1, 8(s3)
    ${marked.map((register, index) => `addi a0, ${register}, ${-(0x111 + index)}\nbne a0, zero, broken`).join('\n')}
    ${['a2', 'a3', 'a4', 'a5', 'a6', 'a7'].map((register, index) => `ld a0, ${16 + 8 * index}(s2)\nbne a0, ${register}, broken`).join('\n')}
    addi s2, s2, ${REQUEST_BYTES}
    addi s3, s3, 16
    addi s4, s4, -1
    bne s4, zero, next
  done:
    jal zero, done
  broken:
    jal zero, broken
  .balign 8
  requests:
    ${dwords(requests.flatMap(({ extension, fn, args }) => [...Array.from({ length: 6 }, (_, index) => args[index] ?? 0n), BigInt(fn), extension]))}
  answers:
    ${dwords(requests.flatMap(() => [0x5555n, 0x5555n]))}
  `;
}
