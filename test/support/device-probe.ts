import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Machine } from '../../vmm/contracts/machine.ts';
import { createMachine, type MachineOptions } from '../../vmm/machine/index.ts';
import { type VmConfigInput, vmConfigSchema } from '../../vmm/protocol/messages.ts';
import { assembleProgram } from './bare-hart.ts';
import type { Program } from './newer-tools.ts';
import { ramOf, runQemu, temporaryFolder } from './qemu.ts';

/** What a bare guest does to a register, in order. */
export type ProbeOperation =
  | { readonly kind: 'read'; readonly size: 1 | 2 | 4 | 8; readonly address: number }
  | { readonly kind: 'write'; readonly size: 1 | 2 | 4 | 8; readonly address: number; readonly value: bigint }
  /** Ticks of `mtime`, 100 ns each. */
  | { readonly kind: 'wait'; readonly ticks: number };

/** An address by a device's base. */
export const at = (base: number) => ({
  read: (offset: number, size: 1 | 2 | 4 | 8 = 4): ProbeOperation => ({
    kind: 'read',
    size,
    address: base + offset,
  }),
  write: (offset: number, value: number | bigint, size: 1 | 2 | 4 | 8 = 4): ProbeOperation => ({
    kind: 'write',
    size,
    address: base + offset,
    value: BigInt.asIntN(64, BigInt(value)),
  }),
});
export const wait = (ticks: number): ProbeOperation => ({ kind: 'wait', ticks });

const RAM_BASE = 0x8000_0000n;
/** Data that a device's DMA may reach, far behind the program. */
export const PROBE_BUFFER = 0x8010_0000;
/** The guest's image, in the folder of a QEMU run. */
export const PROBE_FILE = 'probe.bin';
const RAM_BYTES = 128 << 20;
const STEPS_MAX = 5_000_000_000;
const TEST_DEVICE = 0x10_0000;
/** What stands in place of a value when the access trapped: with the cause in its low bits. */
export const TRAPPED = 0xfa00_0000_0000_0000n;

const LOADS = { 1: 'lbu', 2: 'lhu', 4: 'lwu', 8: 'ld' } as const;
const STORES = { 1: 'sb', 2: 'sh', 4: 'sw', 8: 'sd' } as const;

/** Straight-line code for each operation: results go to a table, 0 for what is not a read. */
function guest(operations: readonly ProbeOperation[]): string {
  const lines = operations.map((operation) => {
    if (operation.kind === 'wait') {
      // The timer ends the wait; nothing is taken, for mstatus.MIE is off.
      return `
        li t1, ${operation.ticks}
        ld t2, 0(s2)
        add t1, t1, t2
        sd t1, 0(s3)
        wfi
        sd zero, 0(s1)
        addi s1, s1, 8`;
    }
    const { kind, size, address } = operation;
    const access =
      kind === 'read'
        ? `${LOADS[size]} a0, 0(t1)`
        : `li a0, ${operation.value}\n${STORES[size]} a0, 0(t1)\naddi a0, zero, 0`;
    return `li t1, ${address}\n${access}\nsd a0, 0(s1)\naddi s1, s1, 8`;
  });
  return `
    lla s1, trapped
    csrrw zero, mtvec, s1
    li s1, ${RESULTS}
    li s2, ${0x200_bff8}
    li s3, ${0x200_4000}
    li t1, ${1 << 7}
    csrrw zero, mie, t1
    ${lines.join('\n')}
    li t0, ${TEST_DEVICE}
    li t1, ${0x5555}
    sw t1, 0(t0)
  stand:
    jal zero, stand
  .balign 4
  trapped:
    csrrs t2, mepc, zero
    addi t2, t2, 4
    csrrw zero, mepc, t2
    csrrs t2, mcause, zero
    li a0, ${BigInt.asIntN(64, TRAPPED)}
    or a0, a0, t2
    mret
  `;
}

/** Where results stand: behind any program of a test's size. */
const RESULTS = 0x8008_0000;

export interface ProbeOptions {
  /** What stands in `PROBE_BUFFER` before the guest starts; on both machines it comes with the guest's image. */
  readonly buffer?: Uint8Array;
  /** Bytes of the buffer to read afterwards. */
  readonly bufferBytes?: number;
  readonly config?: Omit<VmConfigInput, 'kernel' | 'firmware'>;
  readonly images?: Omit<MachineOptions['images'], 'kernel'>;
  readonly machine?: Partial<Omit<MachineOptions, 'config' | 'images' | 'ports'>>;
  /** For QEMU's files; default: one that goes with the test. */
  readonly folder?: string;
  readonly qemu?: Program;
  readonly qemuArguments?: readonly string[];
}

export interface ProbeResult {
  /** By operation: what was read, a trap's mark, 0 for a write. */
  readonly values: readonly bigint[];
  readonly output: string;
  readonly buffer: Uint8Array;
}

/** The guest as a raw image, with the buffer in its place. */
function imageOf(operations: readonly ProbeOperation[], { buffer }: ProbeOptions): Uint8Array {
  const { code } = assembleProgram(guest(operations), RAM_BASE);
  if (code.length > RESULTS - Number(RAM_BASE)) throw new Error('the probe has too many operations');
  if (buffer === undefined) return code;
  const image = new Uint8Array(PROBE_BUFFER - Number(RAM_BASE) + buffer.length);
  image.set(code);
  image.set(buffer, PROBE_BUFFER - Number(RAM_BASE));
  return image;
}

function valuesIn(bytes: Uint8Array, count: number): bigint[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: count }, (_, index) => view.getBigUint64(index * 8, true));
}

/** Runs the operations on a machine of ours. */
export function probeHere(
  operations: readonly ProbeOperation[],
  options: ProbeOptions = {},
): ProbeResult & { readonly machine: Machine } {
  let output = '';
  const machine = createMachine({
    config: vmConfigSchema.parse({ memory: RAM_BYTES, ...options.config, firmware: 'none', kernel: 'probe' }),
    images: { kernel: { name: 'probe', data: imageOf(operations, options) }, ...options.images },
    ports: {
      console: (data) => (output += Buffer.from(data).toString('latin1')),
      nowNs: () => 0,
      log: () => {},
    },
    ...options.machine,
  });
  const result = machine.run(STEPS_MAX);
  if (result.kind !== 'end' || result.end.reason !== 'pass') {
    throw new Error(`the probe ended in ${result.kind}`);
  }
  const results = machine.readMemory(0, BigInt(RESULTS), operations.length * 8, 'physical');
  const buffer = machine.readMemory(0, BigInt(PROBE_BUFFER), options.bufferBytes ?? 0, 'physical');
  return { values: valuesIn(results, operations.length), output, buffer, machine };
}

/** Runs the same guest on QEMU. */
export async function probeQemu(
  operations: readonly ProbeOperation[],
  options: ProbeOptions = {},
): Promise<ProbeResult> {
  const { folder = temporaryFolder() } = options;
  const kernel = join(folder, PROBE_FILE);
  const ramFile = join(folder, 'ram');
  writeFileSync(kernel, imageOf(operations, options));
  const { output } = await runQemu({
    kernel,
    ramFile,
    memory: RAM_BYTES >> 20,
    ...(options.qemu && { program: options.qemu }),
    ...(options.qemuArguments && { arguments: options.qemuArguments }),
  });
  const results = Uint8Array.from(ramOf(ramFile, RESULTS, operations.length * 8));
  const buffer = Uint8Array.from(ramOf(ramFile, PROBE_BUFFER, options.bufferBytes ?? 0));
  return { values: valuesIn(results, operations.length), output, buffer };
}
