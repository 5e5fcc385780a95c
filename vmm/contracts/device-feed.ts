import type { Machine } from './machine.ts';

/**
 * What comes to a machine's devices from the host's sockets, seen from the thread that runs the machine. Nothing here waits, and
 * nothing calls back: the owner of the machine asks between slices, so that everything takes effect at a step.
 */
export interface DeviceFeed {
  /** `give` would have something to do. Cheap: asked before every slice. */
  readonly pending: boolean;
  /** Hands to the machine what has come, as far as its devices take it now. */
  give(machine: Pick<Machine, 'deviceInput'>): void;
  /** What the guest has sent since the last time goes on its way. Called behind every slice. */
  flush(): void;
  /** The machine's past is another one now: what its devices refused before says nothing any more. */
  restored(): void;
  /** A sentence on something that went wrong and that a person should know, told once. */
  takeWarning(): string | undefined;
}
