import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { SoftOperation } from '../../vmm/isa/emitter.ts';
import { type FloatFormat, softFloat } from '../../vmm/wasm/soft-float.ts';
import { compileGuest, ramOf, runQemu, symbolsOf, temporaryFolder } from '../support/qemu.ts';
import { random as generator, SEED } from '../support/random.ts';
import { describeWith } from '../support/tools.ts';

/** Each operation's operand count and instruction; `0` to `2` stand for the operands in registers of their kind. */
interface GuestOperation {
  readonly operation: SoftOperation;
  readonly format: FloatFormat;
  readonly operands: 1 | 2 | 3;
  readonly instruction: string;
}

function operationsOf(format: FloatFormat): GuestOperation[] {
  const f = format === 'f32' ? 's' : 'd';
  const of = (operation: SoftOperation, operands: 1 | 2 | 3, instruction: string): GuestOperation => ({
    operation,
    format,
    operands,
    instruction,
  });
  const integers = { I32: 'w', U32: 'wu', I64: 'l', U64: 'lu' };
  return [
    ...(['add', 'sub', 'mul', 'div'] as const).map((name) => of(name, 2, `f${name}.${f} ft0, fa0, fa1, dyn`)),
    of('sqrt', 1, `fsqrt.${f} ft0, fa0, dyn`),
    of('fma', 3, `fmadd.${f} ft0, fa0, fa1, fa2, dyn`),
    of('min', 2, `fmin.${f} ft0, fa0, fa1`),
    of('max', 2, `fmax.${f} ft0, fa0, fa1`),
    ...(['eq', 'lt', 'le'] as const).map((name) => of(name, 2, `f${name}.${f} t0, fa0, fa1`)),
    ...Object.entries(integers).flatMap(([name, suffix]) => [
      of(`to${name}` as SoftOperation, 1, `fcvt.${suffix}.${f} t0, fa0, dyn`),
      // The double holds every 32-bit integer: that conversion cannot round, and takes no mode.
      of(
        `from${name}` as SoftOperation,
        1,
        `fcvt.${f}.${suffix} ft0, a0${format === 'f64' && name.endsWith('32') ? '' : ', dyn'}`,
      ),
    ]),
    format === 'f32' ? of('toF64', 1, 'fcvt.d.s ft0, fa0') : of('toF32', 1, 'fcvt.s.d ft0, fa0, dyn'),
  ];
}

const OPERATIONS = [...operationsOf('f32'), ...operationsOf('f64')];

/** One case as the guest reads it: operation and mode, then three operands; 32 bytes. */
interface Case {
  readonly operation: number;
  readonly mode: number;
  readonly operands: readonly [bigint, bigint, bigint];
}

/** A guest that runs every case and leaves result bits and flags in `results`, 16 bytes a case. */
function guestSource(): string {
  const handlers = OPERATIONS.map(({ instruction, format }, i) => {
    const move = (x: number) => (format === 'f32' ? `fmv.w.x fa${x}, a${x}` : `fmv.d.x fa${x}, a${x}`);
    const toFloat = /^\S+ ft0/.test(instruction);
    // A single's result is read with its upper half, to see that it is NaN-boxed.
    const result = toFloat ? 'fmv.x.d t0, ft0' : 'nop';
    return `operation_${i}: ${move(0)}; ${move(1)}; ${move(2)}; fsflags zero; ${instruction}; ${result}; ret`;
  });
  return `
.section .text
.globl main
main:
    mv s5, ra
    la s0, cases
    la s1, cases_end
    la s2, results
    la s3, table
1:  bgeu s0, s1, 2f
    lwu t0, 0(s0)
    lwu t1, 4(s0)
    ld a0, 8(s0)
    ld a1, 16(s0)
    ld a2, 24(s0)
    fsrm t1
    slli t0, t0, 3
    add t0, t0, s3
    ld t0, 0(t0)
    jalr t0
    frflags t1
    sd t0, 0(s2)
    sd t1, 8(s2)
    addi s0, s0, 32
    addi s2, s2, 16
    j 1b
2:  li a0, 0
    jr s5
${handlers.join('\n')}
.section .rodata
.balign 16
cases: .incbin "cases.bin"
cases_end:
.balign 8
table: ${OPERATIONS.map((_, i) => `.dword operation_${i}`).join('\n')}
.section .bss
.globl results
.balign 16
results: .zero ((cases_end - cases) / 2)
`;
}

/** Where formats have their edges: zeros, subnormals, powers of two, ulps next to them, limits of integers, NaNs. */
function specials(format: FloatFormat): bigint[] {
  const [fraction, bias, sign] = format === 'f32' ? [23n, 127n, 1n << 31n] : [52n, 1023n, 1n << 63n];
  const power = (exponent: bigint) => (exponent + bias) << fraction;
  const infinity = (2n * bias + 1n) << fraction;
  const positive = [
    ...[0n, 1n, 2n, 3n, (1n << fraction) - 1n, 1n << fraction, (1n << fraction) + 1n], // subnormal border
    ...[power(-1n), power(-1n) - 1n, power(-1n) + 1n, power(0n), power(0n) - 1n, power(0n) + 1n],
    ...[power(0n) | (1n << (fraction - 1n)), power(1n) | (1n << (fraction - 2n)), power(1n) - 1n],
    ...[power(fraction) + 1n, power(fraction + 1n) - 1n, power(-fraction)],
    ...[31n, 32n, 63n, 64n].flatMap((exponent) => [power(exponent) - 1n, power(exponent)]),
    ...[power(bias - 1n), power(bias), infinity - 1n, infinity, infinity + 1n],
    ...[infinity | (1n << (fraction - 1n)), infinity | (1n << (fraction - 1n)) | 5n],
  ];
  return positive.flatMap((bits) => [bits, bits | sign]);
}

const INTEGERS = [0n, 1n, 2n, 3n]
  .concat(
    [24n, 25n, 31n, 32n, 53n, 54n, 63n, 64n].flatMap((bits) => [
      (1n << bits) - 1n,
      1n << bits,
      (1n << bits) + 1n,
    ]),
  )
  .concat([0x7fff_ffff_ffff_fbffn, 0x7fff_ffff_ffff_fe00n, 0x8000_0000_0000_0400n, 0x1234_5678_9abc_def1n])
  .flatMap((value) => [value, -value])
  .map((value) => BigInt.asUintN(64, value));

function allCases(): Case[] {
  const cases: Case[] = [];
  const { next, below } = generator(SEED);
  OPERATIONS.forEach(({ operation, format, operands }, index) => {
    const values = operation.startsWith('from') ? INTEGERS : specials(format);
    const addAll = (a: bigint, b: bigint, c: bigint) => {
      for (let mode = 0; mode < 5; mode++) cases.push({ operation: index, mode, operands: [a, b, c] });
    };
    const random = (): bigint => values[below(values.length)]! ^ (next() >> 44n);
    for (const a of values) {
      if (operands === 1) addAll(a, 0n, 0n);
      else for (const b of values) if (operands === 2) addAll(a, b, 0n);
    }
    // Three special operands each would be half a million cases: drawn instead, with products near the addend.
    const draws = operands === 3 ? 8000 : 500;
    for (let i = 0; i < draws; i++) {
      const [a, b] = [random(), operands > 1 ? random() : 0n];
      const product = softFloat('mul', format, 0, a, b, 0n).bits ^ (next() & 1n);
      const opposite = product ^ (format === 'f32' ? 1n << 31n : 1n << 63n);
      const addend = [values[i % values.length]!, random(), product, opposite][i % 4]!;
      addAll(a, b, operands === 3 ? addend : 0n);
    }
  });
  return cases;
}

function encode(cases: readonly Case[]): Uint8Array {
  const data = new Uint8Array(32 * cases.length);
  const view = new DataView(data.buffer);
  cases.forEach(({ operation, mode, operands }, i) => {
    view.setUint32(32 * i, operation, true);
    view.setUint32(32 * i + 4, mode, true);
    for (const [k, operand] of operands.entries()) view.setBigUint64(32 * i + 8 + 8 * k, operand, true);
  });
  return data;
}

/** The bits of the result in its register: singles are NaN-boxed there. */
function inRegister({ operation, format }: GuestOperation, bits: bigint): bigint {
  const comparison = operation === 'eq' || operation === 'lt' || operation === 'le';
  const single = operation === 'toF32' || (format === 'f32' && operation !== 'toF64');
  const toInteger = operation.startsWith('to') && !operation.startsWith('toF');
  return single && !comparison && !toInteger ? bits | 0xffff_ffff_0000_0000n : bits;
}

describeWith(['qemu-system-riscv64', 'riscv64-unknown-elf-gcc'], 'soft floating point against QEMU', () => {
  test('every operation, in every rounding mode, on special and random operands', async () => {
    const folder = temporaryFolder();
    const ramFile = join(folder, 'ram');
    const cases = allCases();
    const sources = { 'main.S': guestSource(), 'cases.bin': encode(cases) };
    const kernel = compileGuest({ folder, sources });
    expect((await runQemu({ kernel, ramFile })).status).toBe(0);

    const results = ramOf(ramFile, symbolsOf(kernel).get('results')!, 16 * cases.length);
    const view = new DataView(results.buffer, results.byteOffset, results.byteLength);
    const differences: string[] = [];
    cases.forEach(({ operation, mode, operands }, i) => {
      const what = OPERATIONS[operation]!;
      const qemu = [view.getBigUint64(16 * i, true), view.getBigUint64(16 * i + 8, true)];
      const { bits, flags } = softFloat(what.operation, what.format, mode, ...operands);
      if (inRegister(what, bits) === qemu[0] && BigInt(flags) === qemu[1]) return;
      const hex = (x: bigint) => '0x' + x.toString(16);
      const operandText = operands.slice(0, what.operands).map(hex).join(', ');
      differences.push(
        `${what.instruction}, mode ${mode}, (${operandText}): ${hex(inRegister(what, bits))} flags ${flags}, QEMU ${hex(qemu[0]!)} flags ${qemu[1]}`,
      );
    });
    expect(differences.slice(0, 20), `${differences.length} of ${cases.length} differ, SEED=${SEED}`).toEqual(
      [],
    );
    expect(cases.length).toBeGreaterThan(100_000);
  });
});
