import { Binary, type Expression, Unary } from './expressions.ts';
import type { FunctionBody, Label } from './function-body.ts';
import { NUMERIC, OP } from './opcodes.ts';

/** The two-armed statement that `openIf` began: the caller emits the first arm, then these. */
export interface OpenIf {
  /** Ends the first arm and begins the other. */
  otherwise(): void;
  end(): void;
}

/**
 * Begins an `if`. A conjunction or disjunction of conditions becomes a branch for each, evaluated from the left as far as
 * needed: where all are predictable, branches cost less than the values of comparisons.
 */
export function openIf(body: FunctionBody, condition: Expression, hasOtherwise: boolean): OpenIf {
  if (partsOf(negationOf(condition) ?? condition) === undefined) {
    condition.emit(body);
    body.if();
    return { otherwise: () => body.else(), end: () => body.end() };
  }
  const end = hasOtherwise ? body.block() : undefined;
  const skip = body.block();
  branchUnless(body, condition, skip);
  return {
    otherwise: () => {
      body.br(end!);
      body.end();
    },
    end: () => body.end(),
  };
}

function branchUnless(body: FunctionBody, condition: Expression, label: Label): void {
  const negated = negationOf(condition);
  if (negated !== undefined) {
    branchWhen(body, negated, label);
    return;
  }
  const parts = partsOf(condition);
  if (parts?.operation === 'and') {
    branchUnless(body, parts.left, label);
    branchUnless(body, parts.right, label);
  } else if (parts?.operation === 'or') {
    const holds = body.block();
    branchWhen(body, parts.left, holds);
    branchUnless(body, parts.right, label);
    body.end();
  } else {
    condition.emit(body);
    body.op(OP.i32Eqz);
    body.brIf(label);
  }
}

function branchWhen(body: FunctionBody, condition: Expression, label: Label): void {
  const negated = negationOf(condition);
  if (negated !== undefined && partsOf(negated) !== undefined) {
    branchUnless(body, negated, label);
    return;
  }
  const parts = partsOf(condition);
  if (parts?.operation === 'or') {
    branchWhen(body, parts.left, label);
    branchWhen(body, parts.right, label);
  } else if (parts?.operation === 'and') {
    const fails = body.block();
    branchUnless(body, parts.left, fails);
    branchWhen(body, parts.right, label);
    body.end();
  } else {
    condition.emit(body);
    body.brIf(label);
  }
}

/** The operands of `and` or `or` where both are 0 or 1: bitwise and logical are the same then. */
function partsOf(
  condition: Expression,
): { operation: 'and' | 'or'; left: Expression; right: Expression } | undefined {
  if (!(condition instanceof Binary)) return undefined;
  const { opcode, left, right } = condition;
  const operation = opcode === NUMERIC.and.i32 ? 'and' : opcode === NUMERIC.or.i32 ? 'or' : undefined;
  return operation !== undefined && isBoolean(left) && isBoolean(right)
    ? { operation, left, right }
    : undefined;
}

/** What `i32.eqz` is applied to. */
function negationOf(condition: Expression): Expression | undefined {
  return condition instanceof Unary && condition.opcode === OP.i32Eqz ? condition.operand : undefined;
}

/** Comparisons have the opcodes from i32.eqz to f64.ge. */
function isBoolean(expression: Expression): boolean {
  if (!(expression instanceof Unary || expression instanceof Binary)) return false;
  const { opcode } = expression;
  return (opcode >= OP.i32Eqz && opcode <= OP.f64Ge) || partsOf(expression) !== undefined;
}
