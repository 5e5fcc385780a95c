/** threads, stackTrace, scopes. */
import { basename } from 'node:path';
import { hex } from '../../vmm/base/brands.ts';
import { VmError } from '../../vmm/base/vm-error.ts';
import type { Dap, Handlers } from '../dap.ts';
import type { Debuggee } from '../debuggee.ts';
import { isInterrupted } from '../frames.ts';
import { type FrameRef, frameIdOf, frameOf, type VariableNode } from '../nodes.ts';
import type { Frame } from '../symbols/index.ts';
import {
  debuggeeOf,
  hartOf,
  type SessionContext,
  threadOf,
  toClientColumn,
  toClientLine,
} from './context.ts';
import { toSource } from './sources.ts';

export const stackHandlers: Handlers<SessionContext> = {
  threads: async (context) => {
    const { view, harts } = debuggeeOf(context);
    const states = await Promise.all(Array.from({ length: harts }, (_, hart) => view.hart(hart)));
    return {
      threads: states.map(({ hart, registers }) => ({
        id: threadOf(hart),
        name: `hart ${hart} (${registers.privilege}${registers.waiting ? ', waiting' : ''})`,
      })),
    };
  },

  stackTrace: async (context, { threadId, startFrame = 0, levels = 0 }) => {
    const debuggee = debuggeeOf(context);
    const hart = hartOf(threadId);
    requireStopped(debuggee);
    if (hart < 0 || hart >= debuggee.harts)
      throw new VmError('no-such-hart', `There is no thread ${threadId}.`);
    const end = levels === 0 ? Number.POSITIVE_INFINITY : startFrame + levels;
    // One more than asked for tells whether there are more; the stack below is not unwound before it is asked for.
    const frames = await debuggee.view.frames(hart, end + 1);
    const asked = frames.slice(startFrame, end);
    const { symbols } = await debuggee.view.hart(hart);
    const describe = (frame: Frame) => {
      const isOfTrap = isInterrupted(symbols, frames[frame.level - 1], frame);
      return describeFrame(context, debuggee, hart, frame, isOfTrap);
    };
    return {
      stackFrames: await Promise.all(asked.map(describe)),
      totalFrames: frames.length,
    };
  },

  scopes: async (context, { frameId }) => {
    const debuggee = debuggeeOf(context);
    const ref = frameOf(frameId);
    requireStopped(debuggee);
    if (ref.hart < 0 || ref.hart >= debuggee.harts) {
      throw new VmError('bad-request', `There is no frame ${frameId}.`);
    }
    const frame = await debuggee.view.frame(ref.hart, ref.level);
    const { symbols } = await debuggee.view.hart(ref.hart);
    const variables = symbols.scopesAt(frame).flatMap((scope) => scope.variables);
    const count = (isArgument: boolean) =>
      variables.filter(({ kind }) => (kind === 'parameter') === isArgument).length;
    const globals = symbols.globalsAt(frame.lookupPc).length;
    const scope = (name: string, node: VariableNode, more: Partial<Dap.Scope> = {}): Dap.Scope => ({
      name,
      variablesReference: debuggee.handles.get(scopePath(node, frame), node),
      expensive: false,
      ...more,
    });
    return {
      scopes: [
        ...(count(true) > 0
          ? [scope('Arguments', { kind: 'arguments', ...ref }, { presentationHint: 'arguments' })]
          : []),
        ...(count(false) > 0
          ? [scope('Locals', { kind: 'locals', ...ref }, { presentationHint: 'locals' })]
          : []),
        ...(globals > 0
          ? [scope('Globals', { kind: 'globals', ...ref }, { expensive: true, namedVariables: globals })]
          : []),
        scope('Registers', { kind: 'integer-registers', ...ref }, { presentationHint: 'registers' }),
        scope(
          'Float registers',
          { kind: 'float-registers', ...ref },
          { presentationHint: 'registers', expensive: true },
        ),
        scope('CSRs', { kind: 'csrs', hart: ref.hart }, { presentationHint: 'registers', expensive: true }),
        scope('Devices', { kind: 'devices' }, { expensive: true }),
      ],
    };
  },
};

/** @throws VmError `wrong-state` while the machine runs: its stack would change as it is read. */
export function requireStopped({ run }: Debuggee): void {
  if (run.state === 'ended') throw new VmError('wrong-state', 'The guest has ended.');
  if (run.state !== 'stopped') throw new VmError('wrong-state', 'The machine runs: pause it first.');
}

/** The same from stop to stop as long as the function stays at its place in the stack. */
function scopePath(node: VariableNode, frame: Frame): string {
  const frameRelated = 'level' in node ? `${node.level} ${frame.functionName ?? ''}` : '';
  return `${'hart' in node ? node.hart : ''}/${frameRelated}/${node.kind}`;
}

async function describeFrame(
  context: SessionContext,
  debuggee: Debuggee,
  hart: number,
  frame: Frame,
  isOfTrap: boolean,
): Promise<Dap.StackFrame> {
  const ref: FrameRef = { hart, level: frame.level };
  const shared = {
    id: frameIdOf(ref),
    name: frameName(frame, isOfTrap),
    instructionPointerReference: hex(frame.pc),
    ...moduleOf(debuggee, frame),
  };
  const { location } = frame;
  if (location !== undefined && location.line > 0) {
    const column = location.column === 0 ? 1 : location.column;
    return {
      ...shared,
      source: toSource(location.file),
      line: toClientLine(context.client, location.line),
      column: toClientColumn(context.client, column),
    };
  }
  const listing = await debuggee.listings.at(debuggee, hart, frame.pc);
  if (listing === undefined) return { ...shared, line: 0, column: 0, presentationHint: 'subtle' };
  return {
    ...shared,
    source: { name: listing.name, sourceReference: listing.reference, origin: 'disassembly' },
    line: toClientLine(context.client, listing.line),
    column: toClientColumn(context.client, 1),
  };
}

/** What a frame is called; frames that a trap interrupted and inlined functions say so. */
function frameName(frame: Frame, isOfTrap: boolean): string {
  const name = frame.functionName ?? hex(frame.pc);
  if (frame.inlined) return `${name} [inlined]`;
  return isOfTrap ? `${name} [interrupted by a trap]` : name;
}

/** With one symbol file there is nothing to tell apart. */
function moduleOf({ symbols }: Debuggee, frame: Frame): { moduleId?: string } {
  return symbols.modules.length === 1 && frame.functionName !== undefined
    ? { moduleId: basename(symbols.modules[0]!.path) }
    : {};
}
