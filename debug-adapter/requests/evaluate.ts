/** evaluate, setExpression, completions. */
import { VmError } from '../../vmm/base/vm-error.ts';
import type { Dap, Handlers } from '../dap.ts';
import type { Debuggee } from '../debuggee.ts';
import { type FrameRef, frameOf } from '../nodes.ts';
import { FLOAT_REGISTERS, INTEGER_REGISTERS } from '../registers.ts';
import { setByExpression, show } from './assign.ts';
import { CONSOLE_COMMANDS, runConsoleCommand } from './console.ts';
import { debuggeeOf, type SessionContext } from './context.ts';
import { currentHart } from './memory.ts';

export const evaluateHandlers: Handlers<SessionContext> = {
  evaluate: async (context, { expression, frameId, context: purpose, format }) => {
    const debuggee = debuggeeOf(context);
    const ref = frameRefOf(debuggee, frameId);
    if (purpose === 'repl') {
      const output = await runConsoleCommand(context, debuggee, ref, expression);
      if (output !== undefined) return { result: output, variablesReference: 0 };
      const assignment = splitAssignment(expression);
      if (assignment !== undefined) {
        const { value, ...rest } = await setByExpression(context, ref, ...assignment, format?.hex === true);
        return { result: value, ...rest };
      }
    }
    const { value, ...rest } = await show(debuggee, ref, expression, format?.hex === true);
    return { result: value, ...rest };
  },

  setExpression: async (context, { expression, value, frameId, format }) => {
    const ref = frameRefOf(debuggeeOf(context), frameId);
    return setByExpression(context, ref, expression, value, format?.hex === true);
  },

  completions: async (context, { text, column, frameId }) => {
    const debuggee = debuggeeOf(context);
    const before = text.slice(0, column - context.client.columnBase);
    const word = /[$\w]*$/.exec(before)![0];
    const start = before.length - word.length;
    const isFirst = before.slice(0, start).trim() === '';
    const candidates = await candidatesFor(debuggee, frameRefOf(debuggee, frameId), word, isFirst);
    const targets = candidates
      .filter(({ label }) => label.toLowerCase().startsWith(word.toLowerCase()))
      .map((item) => ({ ...item, start: start + context.client.columnBase, length: word.length }));
    return { targets };
  },
};

/** Without a frame, the innermost of the hart that stopped. */
function frameRefOf(debuggee: Debuggee, frameId: number | undefined): FrameRef {
  const ref = frameId === undefined ? { hart: currentHart(debuggee), level: 0 } : frameOf(frameId);
  if (ref.hart < 0 || ref.hart >= debuggee.harts) {
    throw new VmError('bad-request', `There is no frame ${frameId}.`);
  }
  return ref;
}

/** `a = b` as its two sides; undefined for comparisons and other expressions. */
export function splitAssignment(expression: string): [target: string, value: string] | undefined {
  // Quoted characters and texts may hold an equals sign of their own.
  const bare = expression.replace(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/g, (quoted) =>
    '_'.repeat(quoted.length),
  );
  const at = /(?<![=<>!+\-*/%&|^])=(?!=)/.exec(bare)?.index;
  if (at === undefined) return undefined;
  const target = expression.slice(0, at).trim();
  const value = expression.slice(at + 1).trim();
  return target === '' || value === '' ? undefined : [target, value];
}

const BEST_FIRST = 1000;

async function candidatesFor(
  { view, run }: Debuggee,
  { hart, level }: FrameRef,
  word: string,
  isFirst: boolean,
): Promise<Dap.CompletionItem[]> {
  if (word.startsWith('$')) {
    const csrs = [...(await view.csrs(hart)).keys()];
    return ['pc', ...INTEGER_REGISTERS, ...FLOAT_REGISTERS, ...csrs].map((name) => ({
      label: `$${name}`,
      type: 'variable',
    }));
  }
  const commands = isFirst
    ? CONSOLE_COMMANDS.map(({ name, summary }, index) => ({
        label: name,
        detail: summary,
        type: 'keyword' as const,
        sortText: String(BEST_FIRST + index),
      }))
    : [];
  if (run.state !== 'stopped') return commands;
  const frame = await view.frame(hart, level);
  const { symbols } = await view.hart(hart);
  const variables = [
    ...symbols.scopesAt(frame).flatMap((scope) => scope.variables),
    ...symbols.globalsAt(frame.lookupPc),
  ];
  const names = [...new Set(variables.map(({ name }) => name))];
  return [...commands, ...names.map((label) => ({ label, type: 'variable' as const }))];
}
