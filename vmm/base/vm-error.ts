/** What went wrong, for programs; `VmError.message` says it, and what to do, for people. */
export type VmErrorCode =
  | 'bad-request' // a message or parameter that does not fit its schema
  | 'bad-config' // a machine configuration that cannot be built
  | 'bad-file' // an image that is truncated, foreign or for another machine
  | 'no-such-vm'
  | 'no-such-hart'
  | 'bad-address' // an address that nothing answers at
  | 'bad-condition' // an exit condition that does not parse; `column` tells where
  | 'wrong-state' // e.g. stepping a machine that runs
  | 'unauthorized'
  | 'io' // a host file, socket or process
  | 'vm-died' // the VM's thread or the VMM process ended
  | 'internal'; // our own bug, as a server reports it instead of ending

/**
 * An operating error: something outside our code is wrong and a person can act on it.
 * Guest faults are `Trap` values and our own bugs are failed assertions; neither is a `VmError`.
 */
export class VmError extends Error {
  readonly code: VmErrorCode;
  /** 1-based column in the offending text, where there is one. */
  readonly column: number | undefined;

  constructor(code: VmErrorCode, message: string, column?: number) {
    super(message);
    this.name = 'VmError';
    this.code = code;
    this.column = column;
  }
}
