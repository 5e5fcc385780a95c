/** Writing to the stopped machine through an expression: what setVariable, setExpression and `a = b` in the console share. */
import { VmError } from '../../vmm/base/vm-error.ts';
import type { Dap } from '../dap.ts';
import type { Debuggee } from '../debuggee.ts';
import type { FrameRef } from '../nodes.ts';
import { type Assignment, assign, evaluate, render } from '../values/index.ts';
import { debuggeeOf, type SessionContext } from './context.ts';
import { announceChange, announceMemoryWrite } from './memory.ts';
import { requireStopped } from './stack.ts';

type Shown = Pick<
  Dap.EvaluateResponse['body'],
  'type' | 'variablesReference' | 'namedVariables' | 'indexedVariables' | 'memoryReference'
> & {
  value: string;
};

/** Assigns the value of `text` to what `target` names, and reads back what came of it (a CSR keeps only legal values). */
export async function setByExpression(
  context: SessionContext,
  ref: FrameRef,
  target: string,
  text: string,
  isHex: boolean,
): Promise<Shown> {
  const debuggee = debuggeeOf(context);
  requireStopped(debuggee);
  const before = await contextOf(debuggee, ref);
  const { value } = await evaluate(target, before);
  await apply(context, debuggee, ref, await assign(value, text, before));
  return show(debuggee, ref, target, isHex);
}

/** The value of an expression, ready for the client. */
export async function show(
  debuggee: Debuggee,
  ref: FrameRef,
  expression: string,
  isHex: boolean,
): Promise<Shown> {
  const context = await contextOf(debuggee, ref);
  const { value, format } = await evaluate(expression, context);
  const rendered = await render(value, context, isHex && format === 'natural' ? 'x' : format);
  const node = { kind: 'value', value, evaluateName: stripFormat(expression), ...ref } as const;
  const hasChildren = rendered.namedChildren + rendered.indexedChildren > 0;
  return {
    value: rendered.text,
    type: rendered.type,
    variablesReference: hasChildren
      ? debuggee.handles.get(`${ref.hart}/${ref.level}/evaluate/${expression}`, node)
      : 0,
    ...(rendered.namedChildren > 0 ? { namedVariables: rendered.namedChildren } : {}),
    ...(rendered.indexedChildren > 0 ? { indexedVariables: rendered.indexedChildren } : {}),
    ...(rendered.memoryReference === undefined ? {} : { memoryReference: rendered.memoryReference }),
  };
}

/** The frame's variables and registers while the machine stands; else only what needs no stack. */
export async function contextOf({ view, run }: Debuggee, { hart, level }: FrameRef) {
  const frame = run.state === 'stopped' ? await view.frame(hart, level) : undefined;
  return view.evaluationContext(hart, frame);
}

async function apply(
  context: SessionContext,
  { view }: Debuggee,
  { hart, level }: FrameRef,
  assignment: Assignment,
): Promise<void> {
  switch (assignment.kind) {
    case 'register': {
      const frames = await view.frames(hart);
      // Frames above the innermost hold register values that were restored by unwinding: there is no place to write them to.
      if (frames.slice(0, level).some(({ inlined }) => !inlined)) {
        throw new VmError('bad-request', 'Registers can be set in the innermost frame only.');
      }
      await view.writeRegister(hart, assignment.name, assignment.value);
      return announceChange(context);
    }
    case 'csr':
      await view.writeCsr(hart, assignment.name, assignment.value);
      return announceChange(context);
    case 'memory': {
      const { address, data } = assignment;
      const written = await view.writeMemory(hart, address, data);
      if (written < data.length) {
        throw new VmError('bad-address', `Only ${written} of ${data.length} bytes could be written.`);
      }
      return announceMemoryWrite(context, address, written);
    }
  }
}

const stripFormat = (expression: string): string => expression.replace(/,\s*\w\s*$/, '');
