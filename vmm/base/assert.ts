/** Throws when `condition` is false: the failure of our own code, never of a guest or a user (those are `Trap` and `VmError`). */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** Ends a `switch` over a closed union: a new member that is not handled fails to compile here. */
export function unreachable(value: never): never {
  throw new Error(`assertion failed: unexpected ${JSON.stringify(value)}`);
}
