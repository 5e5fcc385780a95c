/** continue, pause, next, stepIn, stepOut, gotoTargets, goto. */

import { hex } from '../../vmm/base/brands.ts';
import { VmError } from '../../vmm/base/vm-error.ts';
import type { Dap, Handlers } from '../dap.ts';
import type { Granularity, StepKind } from '../stepping.ts';
import {
  debuggeeOf,
  fromClientLine,
  hartOf,
  type SessionContext,
  threadOf,
  toClientLine,
} from './context.ts';

export const executionHandlers: Handlers<SessionContext> = {
  continue: async (context) => {
    await debuggeeOf(context).run.resume();
    return { allThreadsContinued: true };
  },

  pause: async (context) => {
    await debuggeeOf(context).run.pause();
  },

  next: (context, args) => step(context, 'next', args),
  stepIn: (context, args) => step(context, 'stepIn', args),
  stepOut: (context, args) => step(context, 'stepOut', args),

  gotoTargets: async (context, { source, line }) => {
    const { symbols } = debuggeeOf(context);
    if (source.path === undefined) return { targets: [] };
    const found = symbols.all.addressesFor(source.path, fromClientLine(context.client, line));
    return {
      targets: found.map(({ address, line: at }) => ({
        // The address stands in the label and the reference; the id only has to lead back to it.
        id: rememberTarget(context, address),
        label: `${symbols.all.functionAt(address)?.name ?? hex(address)}, line ${at}`,
        line: toClientLine(context.client, at),
        instructionPointerReference: hex(address),
      })),
    };
  },

  goto: async (context, { threadId, targetId }) => {
    const { view, run } = debuggeeOf(context);
    const address = gotoTargets.get(context)?.[targetId];
    if (address === undefined) throw new VmError('bad-request', `There is no goto target ${targetId}.`);
    if (run.state !== 'stopped') throw new VmError('wrong-state', 'The machine runs: pause it first.');
    const hart = hartOf(threadId);
    await view.writeRegister(hart, 'pc', address);
    context.enqueue(async () =>
      context.emitEvent('stopped', { reason: 'goto', threadId: threadOf(hart), allThreadsStopped: true }),
    );
  },
};

const gotoTargets = new WeakMap<SessionContext, bigint[]>();

function rememberTarget(context: SessionContext, address: bigint): number {
  const known = gotoTargets.get(context) ?? [];
  gotoTargets.set(context, known);
  const index = known.indexOf(address);
  return index >= 0 ? index : known.push(address) - 1;
}

async function step(
  context: SessionContext,
  kind: StepKind,
  { threadId, granularity }: { threadId: number; granularity?: Dap.SteppingGranularity },
): Promise<void> {
  // A statement is a line: line tables of C compilers say no more.
  const by: Granularity = granularity === 'instruction' ? 'instruction' : 'line';
  const { harts, run } = debuggeeOf(context);
  const hart = hartOf(threadId);
  if (hart < 0 || hart >= harts) throw new VmError('no-such-hart', `There is no thread ${threadId}.`);
  await run.step(hart, kind, by);
}
