import { closeSync, openSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert } from '../../vmm/base/assert.ts';
import type { HartPorts } from '../../vmm/contracts/hart.ts';
import type { TranslatorOption } from '../../vmm/hart/group.ts';
import { createGuestMemory, createHartGroup } from '../../vmm/hart/index.ts';
import { assembleProgram } from '../support/bare-hart.ts';
import { output, type Program } from '../support/newer-tools.ts';
import type { GuestOperation } from './float-operations.ts';

const RAM_BASE = 0x8000_0000;
const RAM_SIZE = 128 << 20;
/** Where cases begin: first a header with the address of their end. */
const DATA = RAM_BASE + (1 << 20);
const TEST_DEVICE = 0x10_0000;
/** A case, and what the guest leaves in its place. */
export const CASE_BYTES = 32;
export const CASES_MAX = (RAM_SIZE - (1 << 20)) / CASE_BYTES - 1;
/** fflags before each of the three executions of a case. */
export const FLAGS_BEFORE = [0, 1, 3] as const;

/**
 * The program. A case is the operation's number and the rounding mode, 16 bits each, and at 8 three operands of 64 bits.
 * It is run three times, with `fflags` clear, with inexact and with underflow raised too; the results' bits stay at 0,
 * 8 and 16, the flags in the bytes from 24.
 */
export function guestProgram(operations: readonly GuestOperation[]): Uint8Array {
  // Each access to a CSR leaves the fast path: one gives the flags of an execution and takes those of the next.
  const run = (flagsNext: number, result: string, flagsAfter: string): string => `
    jalr ra, 0(s3)
    add ${result}, t0, zero
    ori t1, s4, ${flagsNext}
    csrrw ${flagsAfter}, fcsr, t1
    andi ${flagsAfter}, ${flagsAfter}, 31`;
  const lines = `
    li t0, 0x6000
    csrrs zero, mstatus, t0
    li s0, ${DATA}
    ld s1, 0(s0)
    addi s0, s0, ${CASE_BYTES}
    lla s2, handlers
    next:
    bgeu s0, s1, done
    lhu s3, 0(s0)
    lhu s4, 2(s0)
    ld a0, 8(s0)
    ld a1, 16(s0)
    ld a2, 24(s0)
    fmv.d.x fa0, a0
    fmv.d.x fa1, a1
    fmv.d.x fa2, a2
    slli s4, s4, 5
    slli s3, s3, 4
    add s3, s3, s2
    ori t1, s4, ${FLAGS_BEFORE[0]}
    csrrw zero, fcsr, t1
    ${run(FLAGS_BEFORE[1], 's5', 's8')}
    ${run(FLAGS_BEFORE[2], 's6', 's9')}
    ${run(0, 's7', 's10')}
    slli s9, s9, 8
    slli s10, s10, 16
    or s8, s8, s9
    or s8, s8, s10
    sd s5, 0(s0)
    sd s6, 8(s0)
    sd s7, 16(s0)
    sd s8, 24(s0)
    addi s0, s0, ${CASE_BYTES}
    jal zero, next
    done:
    li t0, ${TEST_DEVICE}
    li t1, 0x5555
    sw t1, 0(t0)
    park:
    wfi
    jal zero, park
    .balign 16
    handlers:
    ${operations.map(handler).join('\n')}`;
  return assembleProgram(lines, BigInt(RAM_BASE)).code;
}

function handler({ instruction, result }: GuestOperation): string {
  const move = result === 'integer' ? 'addi zero, zero, 0' : 'fmv.x.d t0, ft0';
  return `.balign 16\n${instruction}\n${move}\njalr zero, 0(ra)`;
}

/** The cases with their header, as the guest expects them. */
function withHeader(cases: Uint8Array): Uint8Array {
  const data = new Uint8Array(CASE_BYTES + cases.length);
  new DataView(data.buffer).setBigUint64(0, BigInt(DATA + data.length), true);
  data.set(cases, CASE_BYTES);
  return data;
}

/** Runs the program on QEMU; returns what stands in place of the cases. */
export function runOnQemu(
  qemu: { readonly program: Program; readonly cpu: string; readonly folder: string },
  program: Uint8Array,
  cases: Uint8Array,
): Uint8Array {
  const [code, data, ram] = ['code', 'data', 'ram'].map((name) => join(qemu.folder, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(code, program);
  writeFileSync(data, withHeader(cases));
  const megabytes = RAM_SIZE >> 20;
  output(qemu.program, [
    ...['-object', `memory-backend-file,id=ram,size=${megabytes}M,mem-path=${ram},share=on`],
    ...['-M', 'virt,memory-backend=ram', '-cpu', qemu.cpu, '-m', `${megabytes}M`, '-bios', 'none'],
    ...['-display', 'none', '-monitor', 'none', '-serial', 'none', '-nodefaults', '-no-reboot'],
    ...['-device', `loader,file=${code},addr=0x${RAM_BASE.toString(16)},force-raw=on`],
    ...['-device', `loader,file=${data},addr=0x${DATA.toString(16)},force-raw=on`],
  ]);
  const results = new Uint8Array(cases.length);
  const file = openSync(ram, 'r');
  readSync(file, results, 0, results.length, DATA + CASE_BYTES - RAM_BASE);
  closeSync(file);
  return results;
}

/** Runs the program on a hart of ours, with RAM and the device that ends it, interpreted or translated. */
export function runOnHart(program: Uint8Array, cases: Uint8Array, translator?: TranslatorOption): Uint8Array {
  const memory = createGuestMemory({ ramBase: RAM_BASE, ramSize: RAM_SIZE, harts: 1 });
  let ended = false;
  const ports: HartPorts = {
    bus: {
      low: 0,
      high: 0,
      read: () => 'fault',
      write(_hart, address) {
        if (address !== TEST_DEVICE) return 'fault';
        ended = true;
        group.harts[0]!.requestYield();
        return 'ok';
      },
    },
    exits: { count() {}, watches: () => false, report: () => 'continue' },
    time: () => 0n,
    stepsAt: () => Number.POSITIVE_INFINITY,
  };
  const group = createHartGroup({ memory, ports, ...(translator && { translator }) });
  const hart = group.harts[0]!;
  const [at, data] = [DATA - RAM_BASE, withHeader(cases)];
  memory.ram.set(program, 0);
  memory.ram.set(data, at);
  hart.reset({ pc: BigInt(RAM_BASE), privilege: 3, a0: 0n, a1: 0n });
  const stepsMax = 100 * (cases.length / CASE_BYTES) + 1000;
  while (!ended && hart.steps < stepsMax) hart.run(1_000_000);
  assert(ended, `the guest ends within ${stepsMax} steps; pc is 0x${hart.getPc().toString(16)}`);
  return memory.ram.slice(at + CASE_BYTES, at + data.length);
}
