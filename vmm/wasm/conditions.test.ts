import { expect, test } from 'vitest';
import { openIf } from './conditions.ts';
import { Binary, Constant, type Expression, LocalValue, Unary } from './expressions.ts';
import { FunctionBody } from './function-body.ts';
import { ModuleBuilder } from './module-builder.ts';
import { NUMERIC, OP } from './opcodes.ts';

const VARIABLES = 3;

/** A function of three numbers that gives 1 where the condition of them holds, 2 where not, or 0 with no second arm. */
function compile(condition: (variables: Expression[]) => Expression, hasOtherwise: boolean) {
  const body = new FunctionBody(VARIABLES);
  const variables = Array.from(
    { length: VARIABLES },
    (_, index) => new LocalValue('i32', body.parameter(index)),
  );
  const result = body.local('i32');
  const set = (value: number): void => {
    body.i32(value);
    body.set(result);
  };
  const open = openIf(body, condition(variables), hasOtherwise);
  set(1);
  if (hasOtherwise) {
    open.otherwise();
    set(2);
  }
  open.end();
  body.get(result);
  const module = new ModuleBuilder();
  const parameters = variables.map(() => 'i32' as const);
  module.export('f', module.function({ parameters, results: ['i32'] }, body));
  const memory = new WebAssembly.Memory({ initial: 0, maximum: 0x1_0000, shared: true });
  const code = new WebAssembly.Module(module.encode() as Uint8Array<ArrayBuffer>);
  return {
    branches: count(module.encode(), OP.brIf),
    run: new WebAssembly.Instance(code, { env: { memory } }).exports['f'] as (...values: number[]) => number,
  };
}

const count = (bytes: Uint8Array, value: number): number => bytes.filter((byte) => byte === value).length;

const isSet = (value: Expression): Expression =>
  new Binary('i32', NUMERIC.ne.i32, value, new Constant('i32', 0));
const not = (value: Expression): Expression => new Unary('i32', OP.i32Eqz, value);
const and = (a: Expression, b: Expression): Expression => new Binary('i32', NUMERIC.and.i32, a, b);
const or = (a: Expression, b: Expression): Expression => new Binary('i32', NUMERIC.or.i32, a, b);

type Condition = (variables: [Expression, Expression, Expression]) => Expression;
const CONDITIONS: readonly [
  text: string,
  condition: Condition,
  holds: (a: number, b: number, c: number) => boolean,
][] = [
  ['a', ([a]) => isSet(a), (a) => a !== 0],
  ['not a', ([a]) => not(isSet(a)), (a) => a === 0],
  ['a and b', ([a, b]) => and(isSet(a), isSet(b)), (a, b) => a !== 0 && b !== 0],
  ['a or b', ([a, b]) => or(isSet(a), isSet(b)), (a, b) => a !== 0 || b !== 0],
  ['not (a and b)', ([a, b]) => not(and(isSet(a), isSet(b))), (a, b) => a === 0 || b === 0],
  ['not a or not b', ([a, b]) => or(not(isSet(a)), not(isSet(b))), (a, b) => a === 0 || b === 0],
  [
    '(a or b) and c',
    ([a, b, c]) => and(or(isSet(a), isSet(b)), isSet(c)),
    (a, b, c) => (a !== 0 || b !== 0) && c !== 0,
  ],
  [
    '(a and b) or not c',
    ([a, b, c]) => or(and(isSet(a), isSet(b)), not(isSet(c))),
    (a, b, c) => (a !== 0 && b !== 0) || c === 0,
  ],
  [
    'not (not (a or b) or not c)',
    ([a, b, c]) => not(or(not(or(isSet(a), isSet(b))), not(isSet(c)))),
    (a, b, c) => (a !== 0 || b !== 0) && c !== 0,
  ],
  // Not conditions but numbers: 1 and 2 have no bit in common.
  ['a & b', ([a, b]) => and(a, b), (a, b) => (a & b) !== 0],
  ['a & b, and c', ([a, b, c]) => and(and(a, b), isSet(c)), (a, b, c) => (a & b & (c === 0 ? 0 : 1)) !== 0],
];

test.each(CONDITIONS)('%s', (_text, condition, holds) => {
  for (const hasOtherwise of [true, false]) {
    const { run } = compile((variables) => condition(variables as Parameters<Condition>[0]), hasOtherwise);
    for (let bits = 0; bits < 64; bits++) {
      const values = [bits & 3, (bits >> 2) & 3, bits >> 4] as const;
      expect(run(...values), `${values}`).toBe(holds(...values) ? 1 : hasOtherwise ? 2 : 0);
    }
  }
});

test('only conditions become branches', () => {
  const two: Condition = ([a, b]) => or(isSet(a), isSet(b));
  const numbers: Condition = ([a, b]) => or(a, b);
  const branches = (condition: Condition): number =>
    compile((variables) => condition(variables as Parameters<Condition>[0]), false).branches;
  expect(branches(two)).toBeGreaterThan(branches(numbers));
});
