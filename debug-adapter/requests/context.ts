import { VmError } from '../../vmm/base/vm-error.ts';
import type { AdapterEvents, OutputCategory } from '../dap.ts';
import type { Debuggee } from '../debuggee.ts';
import type { VmmStarter } from '../vmm-process.ts';

/** What `initialize` told about the client. */
export interface ClientTraits {
  /** The number of the first line and of the first column, as the client counts. */
  readonly lineBase: 0 | 1;
  readonly columnBase: 0 | 1;
  /** The client shows the guest's console itself: no `output` events for it. */
  readonly ownsConsole: boolean;
  readonly takesInvalidated: boolean;
  readonly takesMemoryEvents: boolean;
}

export const defaultTraits: ClientTraits = {
  lineBase: 1,
  columnBase: 1,
  ownsConsole: false,
  takesInvalidated: false,
  takesMemoryEvents: false,
};

/** What request handlers see of their session. */
export interface SessionContext {
  client: ClientTraits;
  /** Absent before launch or attach, and after disconnect. */
  debuggee: Debuggee | undefined;
  /** The client is gone. */
  readonly isOver: boolean;
  /** Where a VMM of our own comes from. */
  readonly vmms: VmmStarter;
  emitEvent<E extends keyof AdapterEvents>(event: E, body: AdapterEvents[E]): void;
  output(text: string, category?: OutputCategory): void;
  /** Runs `task` after what is being handled, and after all that waits already. */
  enqueue(task: () => Promise<void>): void;
}

/** The machine being debugged. @throws VmError `wrong-state` before launch and after the end. */
export function debuggeeOf(context: SessionContext): Debuggee {
  if (context.debuggee === undefined) {
    throw new VmError('wrong-state', 'No machine is being debugged: launch or attach first.');
  }
  return context.debuggee;
}

/** DAP threads are harts; 0 is no thread to some clients. */
export const threadOf = (hart: number): number => hart + 1;
export const hartOf = (threadId: number): number => threadId - 1;

export const toClientLine = (client: ClientTraits, line: number): number => line - 1 + client.lineBase;
export const fromClientLine = (client: ClientTraits, line: number): number => line + 1 - client.lineBase;
export const toClientColumn = (client: ClientTraits, column: number): number =>
  column - 1 + client.columnBase;
