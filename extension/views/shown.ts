import type { MachineSession } from '../sessions.ts';
import type { ShownSession } from './shared/messages.ts';

/** What a page is told of a session. */
export function shown({ id, name, state }: MachineSession): ShownSession {
  return { id, name, state };
}
