/**
 * Expressions over the stopped machine, and their values as DAP shows them. All errors a person can act on are
 * `VmError('bad-request', message, column)`.
 *
 *   parseExpression(text): Expression
 *   evaluate(text | expression, context): Promise<Evaluation>          Evaluation = { value: Value; format: Format }
 *   evaluateCondition(text | expression, context): Promise<boolean>
 *   assign(target: Value, text, context): Promise<Assignment>          what to write, already encoded:
 *       { kind: 'register', name, value } | { kind: 'csr', name, value } | { kind: 'memory', address, data }
 *   render(value, context, format?): Promise<Rendered>                 DAP's value, type, memoryReference, child counts
 *   children(value, evaluateName, context, { start?, count?, format? }?): Promise<readonly ChildValue[]>
 *   variableValue(variable, frame, hart): Promise<Value>               a variable of `symbols.scopesAt(frame)`
 *   frameContext({ symbols, frame, hart, csrFields }): EvaluationContext
 *   new StableHandles<T>(): get(path, value): number; lookup(number): T | undefined; newStop()
 */

export { type Assignment, assign } from './assign.ts';
export { type ChildrenOptions, children } from './children.ts';
export {
  type Evaluation,
  type Expression,
  evaluate,
  evaluateCondition,
  parseExpression,
} from './evaluate.ts';
export { type FrameContextOptions, frameContext } from './frame-context.ts';
export type * from './model.ts';
export { render } from './render.ts';
export { StableHandles } from './stable-handles.ts';
export { variableValue } from './value.ts';
