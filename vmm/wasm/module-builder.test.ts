import { describe, expect, it } from 'vitest';
import type { ValueType } from '../isa/emitter.ts';
import { asValue, Binary, Constant, LocalValue, numericOpcode, Select, Unary } from './expressions.ts';
import { FunctionBody } from './function-body.ts';
import { ModuleBuilder } from './module-builder.ts';
import { OP } from './opcodes.ts';

const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });

/** Builds a module of one function of two i64 parameters and runs it. */
function run(result: ValueType, build: (body: FunctionBody) => void, a: bigint, b: bigint): bigint | number {
  const module = new ModuleBuilder();
  const body = new FunctionBody(2);
  build(body);
  const index = module.function({ parameters: ['i64', 'i64'], results: [result] }, body);
  module.export('run', index);
  const bytes = module.encode() as Uint8Array<ArrayBuffer>;
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  return (instance.exports['run'] as (a: bigint, b: bigint) => bigint | number)(a, b);
}

describe('modules', () => {
  it('compute expressions of each type', () => {
    const check = (
      result: ValueType,
      expression: (a: LocalValue, b: LocalValue) => { emit(body: FunctionBody): void },
      expected: bigint | number,
    ): void => {
      const build = (body: FunctionBody): void =>
        expression(new LocalValue('i64', body.parameter(0)), new LocalValue('i64', body.parameter(1))).emit(
          body,
        );
      expect(run(result, build, -7n, 3n)).toBe(expected);
    };
    const i64 = (operation: 'add' | 'shrS' | 'remU') => numericOpcode(operation, 'i64');
    check('i64', (a, b) => new Binary('i64', i64('add'), a, b), -4n);
    check('i64', (a) => new Binary('i64', i64('shrS'), a, new Constant('i64', 1n)), -4n);
    check('i32', (a, b) => new Binary('i32', numericOpcode('ltS', 'i64'), a, b), 1);
    check('i64', (a, b) => new Select(new Constant('i32', 0), a, b), 3n);
    check('f64', (a) => new Unary('f64', numericOpcode('convertToF64', 'i64'), a), -7);
    check('f32', () => new Constant('f32', 1.5), 1.5);
    check('i64', () => new Constant('i64', -(1n << 63n)), -(1n << 63n));
  });

  it('branch by labels, out of blocks, back to loops and through tables', () => {
    // Sums 1 to a by a loop; b picks what is added at the end: 0: 100, 1: 200, else 300.
    const build = (body: FunctionBody): void => {
      const sum = body.local('i64');
      const n = body.parameter(0);
      const done = body.block();
      const again = body.loop();
      body.get(n);
      body.op(OP.i64Eqz);
      body.brIf(done);
      for (const [target, opcode, operand] of [
        [sum, numericOpcode('add', 'i64'), n],
        [n, numericOpcode('sub', 'i64'), null],
      ] as const) {
        body.get(target);
        if (operand === null) body.i64(1n);
        else body.get(operand);
        body.op(opcode);
        body.set(target);
      }
      body.br(again);
      body.end();
      body.end();
      const other = body.block();
      const second = body.block();
      const first = body.block();
      body.get(body.parameter(1));
      body.op(OP.i32WrapI64);
      body.brTable([first, second], other);
      for (const [index, added] of [100n, 200n, 300n].entries()) {
        body.end();
        body.get(sum);
        body.i64(added);
        body.op(numericOpcode('add', 'i64'));
        if (index < 2) body.op(OP.return);
      }
    };
    expect(run('i64', build, 10n, 0n)).toBe(155n);
    expect(run('i64', build, 10n, 1n)).toBe(255n);
    expect(run('i64', build, 0n, 7n)).toBe(300n);
  });

  it('call imports, and functions through the table', () => {
    const module = new ModuleBuilder();
    const signature = { parameters: ['i32'], results: ['i32'] } as const;
    const twice = module.importFunction('twice', signature);
    const bodies = [10, 20].map((added) => {
      const body = new FunctionBody(1);
      body.get(body.parameter(0));
      body.call(twice);
      body.i32(added);
      body.op(numericOpcode('add', 'i32'));
      return body;
    });
    for (const [slot, body] of bodies.entries()) {
      expect(module.tableSlot(module.function(signature, body))).toBe(slot);
    }
    const call = new FunctionBody(1);
    call.i32(4);
    call.get(call.parameter(0));
    call.callIndirect(module.type(signature));
    module.export('call', module.function(signature, call));
    const bytes = module.encode() as Uint8Array<ArrayBuffer>;
    const env = { memory, twice: (value: number) => value * 2 };
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env });
    const run = exports['call'] as (slot: number) => number;
    expect([run(0), run(1)]).toEqual([18, 28]);
  });

  it('refuse operands of different types', () => {
    const i32 = new Constant('i32', 1);
    const i64 = new Constant('i64', 1n);
    expect(() => new Binary('i32', numericOpcode('add', 'i32'), i32, i64)).toThrow(/one type/);
    expect(() => numericOpcode('sqrt', 'i32')).toThrow(/exists/);
    expect(asValue(i32)).toBe(i32);
  });
});
