import { Expression } from './expressions.ts';
import { FunctionBody } from './function-body.ts';
import { ModuleBuilder } from './module-builder.ts';
import { OP, SIMD } from './opcodes.ts';

/**
 * `a * b + c` by relaxed SIMD, on one lane (WebAssembly core 3.0, "Relaxed Operations"). The specification leaves it to the
 * engine whether that rounds once or twice: use only where `hostFusesMultiplyAdd`.
 */
export class MultiplyAdd extends Expression {
  readonly operands: readonly [Expression, Expression, Expression];

  constructor(type: 'f32' | 'f64', operands: readonly [Expression, Expression, Expression]) {
    super(type);
    this.operands = operands;
  }

  override emit(body: FunctionBody): void {
    const { splat, relaxedMadd, extractLane } = this.type === 'f64' ? SIMD.f64x2 : SIMD.f32x4;
    for (const operand of this.operands) {
      operand.emit(body);
      body.simd(splat);
    }
    body.simd(relaxedMadd);
    body.simd(extractLane);
    body.code.u8(0); // lane
  }
}

let fuses: boolean | undefined;

/**
 * Whether this engine has relaxed SIMD and its multiply-add rounds once, as all do on a processor with an instruction
 * for it. V8 before 11.4 wants `--experimental-wasm-relaxed-simd` set before the first call.
 */
export function hostFusesMultiplyAdd(): boolean {
  fuses ??= probe('f64', 1 + 2 ** -30) && probe('f32', 1 + 2 ** -13);
  return fuses;
}

/** `x * x - round(x * x)` is zero when the product is rounded, and not when it is kept. */
function probe(type: 'f32' | 'f64', x: number): boolean {
  const body = new FunctionBody(3);
  const parameter = (index: number): Expression => new Parameter(type, index);
  new MultiplyAdd(type, [parameter(0), parameter(1), parameter(2)]).emit(body);
  const module = new ModuleBuilder();
  module.export('f', module.function({ parameters: [type, type, type], results: [type] }, body));
  const code = module.encode() as Uint8Array<ArrayBuffer>;
  if (!WebAssembly.validate(code)) return false;
  const memory = new WebAssembly.Memory({ initial: 0, maximum: 0x1_0000, shared: true });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code), { env: { memory } });
  const multiplyAdd = exports['f'] as (a: number, b: number, c: number) => number;
  const rounded = type === 'f64' ? x * x : Math.fround(x * x);
  return multiplyAdd(x, x, -rounded) !== 0;
}

class Parameter extends Expression {
  readonly index: number;

  constructor(type: 'f32' | 'f64', index: number) {
    super(type);
    this.index = index;
  }

  override emit(body: FunctionBody): void {
    body.code.u8(OP.localGet);
    body.code.u32(this.index);
  }
}
