import { describe, expect, test } from 'vitest';
import type { TranslatorOption } from '../../vmm/hart/group.ts';
import { enableRelaxedSimd } from '../../vmm/host/relaxed-simd.ts';
import type { SoftFormat } from '../../vmm/isa/emitter.ts';
import { createTranslator, SynchronousCompiler } from '../../vmm/jit/index.ts';
import { hostFusesMultiplyAdd } from '../../vmm/wasm/multiply-add.ts';
import { inRegister, softFloat } from '../../vmm/wasm/soft-float.ts';
import { describeWithNewer, newerQemu, type Program } from '../support/newer-tools.ts';
import { temporaryFolder } from '../support/qemu.ts';
import { random, SEED } from '../support/random.ts';
import { describeWith } from '../support/tools.ts';
import { CASE_BYTES, CASES_MAX, FLAGS_BEFORE, guestProgram, runOnHart, runOnQemu } from './float-guest.ts';
import { OperandWriter } from './float-operands.ts';
import {
  additionalOperations,
  formatConversions,
  type GuestOperation,
  operationsOf,
} from './float-operations.ts';

/** Cases of each operation, each run three times; for a longer search raise it by `CASES` in the environment. */
const CASES = Number(process.env['CASES'] ?? 10_000);
/** Cases of all operations that are in memory at a time. */
const BATCH = Math.min(CASES_MAX, 1_000_000);
const TIMEOUT_MS = 60_000 + CASES * 1000;

enableRelaxedSimd();

/** Forms in which our hart executes an instruction. Where the engine has no fused multiply-add there are two. */
const TIERS: readonly (readonly [name: string, translator: TranslatorOption | undefined])[] = [
  ['interpreted', undefined],
  ['translated, multiply-add from single operations', translated(false)],
  ...(hostFusesMultiplyAdd() ? [['translated, fused multiply-add', translated(true)] as const] : []),
];

function translated(fusesMultiplyAdd: boolean): TranslatorOption {
  return createTranslator({ compiler: new SynchronousCompiler(), hotAfter: 1, fusesMultiplyAdd });
}

const INSTALLED: Program = { file: 'qemu-system-riscv64', arguments: [] };

describe(`floating point against QEMU (SEED=${SEED}, CASES=${CASES})`, () => {
  describeWith(['qemu-system-riscv64'], 'the installed one', () => {
    const operations = [
      ...(['f16', 'f32', 'f64'] as const).flatMap(operationsOf),
      ...formatConversions(['f16', 'f32', 'f64']),
    ];
    test('F, D and Zfh', () => compareAll(operations, INSTALLED, 'rv64,Zfh=true,Zfhmin=true'), TIMEOUT_MS);
  });
  describeWithNewer(['qemu'], 'a newer one', () => {
    test('Zfa', () => compareAll(additionalOperations(), newerQemu() as Program, 'max'), TIMEOUT_MS);
  });
});

/** Compares QEMU, our hart and the software path on as many cases of each operation as fit at a time, until it had enough. */
function compareAll(operations: readonly GuestOperation[], program: Program, cpu: string): void {
  const folder = temporaryFolder();
  const guest = guestProgram(operations);
  const perBatch = Math.min(CASES, Math.floor(BATCH / operations.length));
  const generator = random(SEED);
  for (let done = 0; done < CASES; done += perBatch) {
    const count = Math.min(perBatch, CASES - done);
    const cases = new Uint8Array(CASE_BYTES * count * operations.length);
    const view = new DataView(cases.buffer);
    const writer = new OperandWriter(view, generator);
    for (let at = 0; at < cases.length; at += CASE_BYTES) {
      const index = Math.floor(at / CASE_BYTES / count);
      view.setUint16(at, index, true);
      view.setUint16(at + 2, generator.below(2) === 0 ? 0 : generator.below(5), true);
      writer.write(at + 8, operations[index]!);
    }
    const qemu = runOnQemu({ program, cpu, folder }, guest, cases);
    expectSame('software path', softDifferences(operations, cases, qemu));
    for (const [tier, translator] of TIERS) {
      expectSame(tier, differences(operations, cases, qemu, runOnHart(guest, cases, translator)));
    }
  }
}

function expectSame(what: string, found: readonly string[]): void {
  expect(found.slice(0, 20), `${what}: ${found.length} differ, SEED=${SEED}`).toEqual([]);
}

function softDifferences(
  operations: readonly GuestOperation[],
  cases: Uint8Array,
  qemu: Uint8Array,
): string[] {
  const found: string[] = [];
  const results = new DataView(qemu.buffer);
  const view = new DataView(cases.buffer);
  for (let at = 0; at < cases.length; at += CASE_BYTES) {
    const operation = operations[view.getUint16(at, true)]!;
    const soft = softResult(operation, view, at);
    if (soft === undefined) continue;
    if (soft.bits === results.getBigUint64(at, true) && soft.flags === results.getUint8(at + 24)) continue;
    const theirs = describeResults(results, at);
    found.push(
      `${describeCase(operation, view, at)}: QEMU ${theirs}; ours ${hex(soft.bits)} flags ${soft.flags}`,
    );
  }
  return found;
}

function differences(
  operations: readonly GuestOperation[],
  cases: Uint8Array,
  qemu: Uint8Array,
  hart: Uint8Array,
): string[] {
  const found: string[] = [];
  const [theirs, ours] = [new Uint32Array(qemu.buffer), new Uint32Array(hart.buffer)];
  const view = new DataView(cases.buffer);
  for (let word = 0; word < theirs.length; word++) {
    if (theirs[word] === ours[word]) continue;
    const at = Math.floor((4 * word) / CASE_BYTES) * CASE_BYTES;
    word = (at + CASE_BYTES) / 4 - 1;
    const [left, right] = [qemu, hart].map(({ buffer }) => describeResults(new DataView(buffer), at));
    found.push(
      `${describeCase(operations[view.getUint16(at, true)]!, view, at)}: QEMU ${left}; ours ${right}`,
    );
  }
  return found;
}

/** The software path's result as the register holds it; undefined for what it does not have. */
function softResult(
  { soft, operands }: GuestOperation,
  view: DataView,
  at: number,
): { bits: bigint; flags: number } | undefined {
  if (soft === undefined) return undefined;
  const [a = 0n, b = 0n, c = 0n] = operands.map((kind, index) => {
    const raw = view.getBigUint64(at + 8 + 8 * index, true);
    if (kind === 'integer') return raw;
    const { width, nan } = BOXES[kind];
    const bits = raw >> width === (1n << (64n - width)) - 1n ? BigInt.asUintN(Number(width), raw) : nan;
    return soft.turned.includes(index) ? bits ^ (1n << (width - 1n)) : bits;
  });
  const { bits, flags } = softFloat(soft.operation, soft.format, view.getUint16(at + 2, true), a, b, c);
  return { bits: inRegister(soft.operation, soft.format, bits), flags };
}

/** Bits of a format, and what a register holds whose other bits are not all ones ("NaN Boxing of Narrower Values"). */
const BOXES: Readonly<Record<SoftFormat, { width: bigint; nan: bigint }>> = {
  f16: { width: 16n, nan: 0x7e00n },
  f32: { width: 32n, nan: 0x7fc0_0000n },
  f64: { width: 64n, nan: 0n },
};

function describeCase({ instruction, operands }: GuestOperation, view: DataView, at: number): string {
  const values = operands.map((_, index) => hex(view.getBigUint64(at + 8 + 8 * index, true)));
  return `${instruction}, mode ${view.getUint16(at + 2, true)}, (${values.join(', ')})`;
}

function describeResults(results: DataView, at: number): string {
  return FLAGS_BEFORE.map((_, index) => {
    const bits = results.getBigUint64(at + 8 * index, true);
    return `${hex(bits)} flags ${results.getUint8(at + 24 + index)}`;
  }).join(', ');
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;
