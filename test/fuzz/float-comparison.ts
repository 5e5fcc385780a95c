import type { TranslatorOption } from '../../vmm/hart/group.ts';
import type { SoftFormat } from '../../vmm/isa/emitter.ts';
import { createTranslator, SynchronousCompiler } from '../../vmm/jit/index.ts';
import { hostFusesMultiplyAdd } from '../../vmm/wasm/multiply-add.ts';
import { inRegister, softFloat } from '../../vmm/wasm/soft-float.ts';
import type { Program } from '../support/newer-tools.ts';
import type { Random } from '../support/random.ts';
import { CASE_BYTES, CASES_MAX, FLAGS_BEFORE, guestProgram, runOnHart, runOnQemu } from './float-guest.ts';
import { OperandWriter } from './float-operands.ts';
import type { GuestOperation } from './float-operations.ts';

/** Cases of all operations that are in memory at a time. */
const BATCH = Math.min(CASES_MAX, 1_000_000);

/** Forms in which our hart executes an instruction; with a fused multiply-add of the engine too where it has one. */
function tiers(): readonly (readonly [name: string, translator: TranslatorOption | undefined])[] {
  const translated = (fusesMultiplyAdd: boolean): TranslatorOption =>
    createTranslator({ compiler: new SynchronousCompiler(), hotAfter: 1, fusesMultiplyAdd });
  return [
    ['interpreted', undefined],
    ['translated, multiply-add from single operations', translated(false)],
    ...(hostFusesMultiplyAdd() ? [['translated, fused multiply-add', translated(true)] as const] : []),
  ];
}

/**
 * Compares QEMU, the software path and our hart in all its forms on so many cases of each operation. Gives, batch by batch
 * and form by form, a line for each case that differs.
 */
export function* compareFloat(
  operations: readonly GuestOperation[],
  casesOfEach: number,
  qemu: { readonly program: Program; readonly cpu: string; readonly folder: string },
  generator: Random,
): Generator<{ readonly form: string; readonly differences: readonly string[] }> {
  const guest = guestProgram(operations);
  const perBatch = Math.min(casesOfEach, Math.floor(BATCH / operations.length));
  for (let done = 0; done < casesOfEach; done += perBatch) {
    const cases = makeCases(operations, Math.min(perBatch, casesOfEach - done), generator);
    const expected = runOnQemu(qemu, guest, cases);
    yield { form: 'software path', differences: softDifferences(operations, cases, expected) };
    for (const [form, translator] of tiers()) {
      const ours = runOnHart(guest, cases, translator);
      yield { form, differences: hartDifferences(operations, cases, expected, ours) };
    }
  }
}

function makeCases(operations: readonly GuestOperation[], count: number, generator: Random): Uint8Array {
  const cases = new Uint8Array(CASE_BYTES * count * operations.length);
  const view = new DataView(cases.buffer);
  const writer = new OperandWriter(view, generator);
  for (let at = 0; at < cases.length; at += CASE_BYTES) {
    const index = Math.floor(at / CASE_BYTES / count);
    view.setUint16(at, index, true);
    // To nearest, as programs do, half of the time.
    view.setUint16(at + 2, generator.below(2) === 0 ? 0 : generator.below(5), true);
    writer.write(at + 8, operations[index]!);
  }
  return cases;
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

function hartDifferences(
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
