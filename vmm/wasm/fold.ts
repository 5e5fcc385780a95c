import { Constant, type Expression } from './expressions.ts';
import type { NumericOperation } from './opcodes.ts';

/**
 * The value of an integer operation whose operands are known, or one operand where the other changes nothing;
 * undefined when there is nothing to gain. V8's first tier folds nothing by itself.
 */
export function fold(
  operation: NumericOperation,
  left: Expression,
  right: Expression,
): Expression | undefined {
  if (left.type !== 'i32' && left.type !== 'i64') return undefined;
  if (right instanceof Constant) {
    if (left instanceof Constant) return foldConstants(operation, left, right);
    const value = BigInt(right.value);
    if (value === 0n && KEEPS_LEFT_WITH_ZERO.has(operation)) return left;
    if (value === 0n && (operation === 'and' || operation === 'mul')) return right;
    if (value === -1n && operation === 'and') return left;
    if (value === 1n && operation === 'mul') return left;
  } else if (left instanceof Constant && BigInt(left.value) === 0n) {
    if (operation === 'add' || operation === 'or' || operation === 'xor') return right;
    if (operation === 'and' || operation === 'mul') return left;
  }
  return undefined;
}

const KEEPS_LEFT_WITH_ZERO: ReadonlySet<NumericOperation> = new Set<NumericOperation>([
  'add',
  'sub',
  'or',
  'xor',
  'shl',
  'shrS',
  'shrU',
  'rotl',
  'rotr',
]);

function foldConstants(operation: NumericOperation, left: Constant, right: Constant): Constant | undefined {
  const bits = left.type === 'i32' ? 32 : 64;
  const a = BigInt(left.value);
  const b = BigInt(right.value);
  const shift = b & BigInt(bits - 1);
  const make = (value: bigint): Constant => {
    const wrapped = BigInt.asIntN(bits, value);
    return new Constant(left.type, bits === 32 ? Number(wrapped) : wrapped);
  };
  switch (operation) {
    case 'add':
      return make(a + b);
    case 'sub':
      return make(a - b);
    case 'mul':
      return make(a * b);
    case 'and':
      return make(a & b);
    case 'or':
      return make(a | b);
    case 'xor':
      return make(a ^ b);
    case 'shl':
      return make(a << shift);
    case 'shrS':
      return make(a >> shift);
    case 'shrU':
      return make(BigInt.asUintN(bits, a) >> shift);
    default:
      return undefined;
  }
}

/** The value of a comparison of two known integers; undefined where they are not, or the operation is none of these. */
export function foldComparison(
  operation: NumericOperation,
  left: Expression,
  right: Expression,
): Expression | undefined {
  if (!(left instanceof Constant && right instanceof Constant)) return undefined;
  if (left.type !== 'i32' && left.type !== 'i64') return undefined;
  const [a, b] = [BigInt(left.value), BigInt(right.value)];
  const unsigned = (value: bigint) => BigInt.asUintN(64, value);
  const make = (holds: boolean): Constant => new Constant('i32', holds ? 1 : 0);
  switch (operation) {
    case 'eq':
      return make(a === b);
    case 'ne':
      return make(a !== b);
    case 'ltU':
      return make(unsigned(a) < unsigned(b));
    case 'geU':
      return make(unsigned(a) >= unsigned(b));
    default:
      return undefined;
  }
}
