import { expect, test } from 'vitest';
import { enableRelaxedSimd } from '../../vmm/host/relaxed-simd.ts';
import { LocalValue } from '../../vmm/wasm/expressions.ts';
import { FunctionBody } from '../../vmm/wasm/function-body.ts';
import { ModuleBuilder } from '../../vmm/wasm/module-builder.ts';
import { hostFusesMultiplyAdd, MultiplyAdd } from '../../vmm/wasm/multiply-add.ts';
import { OP } from '../../vmm/wasm/opcodes.ts';
import { softFloat } from '../../vmm/wasm/soft-float.ts';
import { OperandWriter } from '../fuzz/float-operands.ts';
import { random, SEED } from '../support/random.ts';
import { describeUnless } from '../support/tools.ts';

const CASES = 20_000;
/** Bytes of three operands and a result. */
const STRIDE = 32;

enableRelaxedSimd();

/** `f(from, to)`: replaces the fourth doubleword of each case between the addresses by the result on the first three. */
function compile(format: 'f32' | 'f64'): { view: DataView; run: (from: number, to: number) => void } {
  const body = new FunctionBody(2);
  const [at, end] = [body.parameter(0), body.parameter(1)];
  const load = (offset: number): LocalValue => {
    const local = body.local(format);
    body.get(at);
    body.memory(format === 'f32' ? F32_LOAD : OP.f64Load, offset);
    body.set(local);
    return new LocalValue(format, local);
  };
  const loop = body.loop();
  const operands = [load(0), load(8), load(16)] as const;
  body.get(at);
  new MultiplyAdd(format, operands).emit(body);
  body.memory(format === 'f32' ? F32_STORE : OP.f64Store, 24);
  body.get(at);
  body.i32(STRIDE);
  body.op(I32_ADD);
  body.tee(at);
  body.get(end);
  body.op(I32_LT_U);
  body.brIf(loop);
  body.end();
  const module = new ModuleBuilder();
  module.export('f', module.function({ parameters: ['i32', 'i32'], results: [] }, body));
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 0x1_0000, shared: true });
  const code = new WebAssembly.Module(module.encode() as Uint8Array<ArrayBuffer>);
  const { exports } = new WebAssembly.Instance(code, { env: { memory } });
  return { view: new DataView(memory.buffer), run: exports['f'] as (from: number, to: number) => void };
}

const F32_LOAD = 0x2a;
const F32_STORE = 0x38;
const I32_ADD = 0x6a;
const I32_LT_U = 0x49;

const reason = hostFusesMultiplyAdd() ? null : 'this engine rounds twice';

describeUnless(reason, 'relaxed multiply-add', () => {
  test.each(['f32', 'f64'] as const)(`%s: every result is rounded once (SEED=${SEED})`, (format) => {
    const { view, run } = compile(format);
    const writer = new OperandWriter(view, random(SEED));
    const fma = { instruction: '', operands: [format, format, format], result: format };
    const size = STRIDE * CASES;
    for (let at = 0; at < size; at += STRIDE) writer.write(at, fma);
    // V8 has two compilers of WebAssembly: what is called often has been through both.
    for (let at = 0; at < size; at += STRIDE) run(at, at + STRIDE);
    const bits = (at: number): bigint =>
      format === 'f32' ? BigInt(view.getUint32(at, true)) : view.getBigUint64(at, true);
    const value = (at: number): number =>
      format === 'f32' ? view.getFloat32(at, true) : view.getFloat64(at, true);
    for (let at = 0; at < size; at += STRIDE) {
      const [a, b, c] = [bits(at), bits(at + 8), bits(at + 16)];
      const expected = softFloat('fma', format, 0, a, b, c).bits;
      // Any NaN will do: its bits are not what the instruction is used for.
      if (expected === NAN[format] && Number.isNaN(value(at + 24))) continue;
      const label = `${format} ${[a, b, c].map((operand) => operand.toString(16))}`;
      if (bits(at + 24) !== expected) expect(bits(at + 24), label).toBe(expected);
    }
  });
});

const NAN = { f32: 0x7fc0_0000n, f64: 0x7ff8_0000_0000_0000n } as const;
