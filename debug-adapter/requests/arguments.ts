/**
 * What the handlers of standard requests rely on in their arguments. Clients are programs with bugs of their own: what is
 * missing or of another type ends as one message, never inside a handler. Members that are not named here pass as they are.
 */
import * as z from 'zod';
import { VmError } from '../../vmm/base/vm-error.ts';
import type { Command } from '../dap.ts';

const int = z.int();
const count = z.int().min(0);
const text = z.string();
/** Instructions that a disassembly may start away from its reference: more than any view scrolls in one request. */
const INSTRUCTION_OFFSET_MAX = 1 << 16;

const source = z.looseObject({ path: text.optional(), sourceReference: int.optional() });
const conditions = { condition: text.optional(), hitCondition: text.optional(), logMessage: text.optional() };
const breakpoints = <T extends z.ZodType>(breakpoint: T) => z.array(breakpoint);
const step = z.looseObject({ threadId: int, granularity: text.optional() });

const SCHEMAS: { readonly [C in Command]?: z.ZodType } = {
  setBreakpoints: z.looseObject({
    source,
    breakpoints: breakpoints(z.looseObject({ line: int, column: int.optional(), ...conditions })).optional(),
  }),
  setFunctionBreakpoints: z.looseObject({
    breakpoints: breakpoints(z.looseObject({ name: text, ...conditions })),
  }),
  setInstructionBreakpoints: z.looseObject({
    breakpoints: breakpoints(
      z.looseObject({ instructionReference: text, offset: int.optional(), ...conditions }),
    ),
  }),
  setExceptionBreakpoints: z.looseObject({
    filters: z.array(text),
    filterOptions: z.array(z.looseObject({ filterId: text, condition: text.optional() })).optional(),
  }),
  next: step,
  stepIn: step,
  stepOut: step,
  gotoTargets: z.looseObject({ source, line: int }),
  exceptionInfo: z.looseObject({ threadId: int }),
  goto: z.looseObject({ threadId: int, targetId: int }),
  stackTrace: z.looseObject({ threadId: int, startFrame: count.optional(), levels: count.optional() }),
  scopes: z.looseObject({ frameId: int }),
  variables: z.looseObject({ variablesReference: int, start: count.optional(), count: count.optional() }),
  setVariable: z.looseObject({ variablesReference: int, name: text, value: text }),
  setExpression: z.looseObject({ expression: text, value: text, frameId: int.optional() }),
  evaluate: z.looseObject({ expression: text, frameId: int.optional(), context: text.optional() }),
  completions: z.looseObject({ text, column: int, frameId: int.optional() }),
  source: z.looseObject({ sourceReference: int }),
  readMemory: z.looseObject({ memoryReference: text, offset: int.optional(), count }),
  writeMemory: z.looseObject({ memoryReference: text, offset: int.optional(), data: z.base64() }),
  disassemble: z.looseObject({
    memoryReference: text,
    offset: int.optional(),
    instructionOffset: int.min(-INSTRUCTION_OFFSET_MAX).max(INSTRUCTION_OFFSET_MAX).optional(),
    instructionCount: count,
  }),
};

/** @throws VmError `bad-request` that names the member that is missing or wrong. */
export function checkArguments(command: string, args: unknown): void {
  const schema = Object.hasOwn(SCHEMAS, command) ? SCHEMAS[command as Command] : undefined;
  const issue = schema?.safeParse(args ?? {}).error?.issues[0];
  if (issue === undefined) return;
  const where = issue.path.length === 0 ? '' : `"${issue.path.join('.')}": `;
  throw new VmError('bad-request', `Wrong arguments of ${command}: ${where}${issue.message}.`);
}
