/** Bytes of one device access. The bus splits 8-byte accesses into two of 4, low half first. */
export type AccessSize = 1 | 2 | 4;

/** A wire into an interrupt controller. Level-triggered: a device holds it high until it is served. */
export interface IrqLine {
  set(level: boolean): void;
}

/** Bits `low` to `high`, both counted, of a register; `values` names what particular contents mean. */
export interface FieldDescription {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  readonly values?: Readonly<Record<number, string>>;
  readonly description?: string;
}

/** One register as the views, traces and exit conditions show it. */
export interface RegisterDescription {
  readonly name: string;
  readonly offset: number;
  /** Bytes; 8 for the few that are 64 bits wide. */
  readonly size: AccessSize | 8;
  readonly description?: string;
  readonly fields?: readonly FieldDescription[];
  /** Reached by reads only, or by writes only; another register may share its offset. Default: both. */
  readonly access?: 'read' | 'write';
  /** For an array of registers: how many, `stride` bytes apart (default: `size`). */
  readonly count?: number;
  readonly stride?: number;
}

/** Saved state names its fields and its version, never positions. JSON values, bigint and Uint8Array may stand in it. */
export type Saved = { readonly version: number; readonly [field: string]: unknown };

export interface Snapshottable {
  save(): Saved;
  /** Throws `VmError('bad-file')` on a version or shape it does not know. */
  restore(saved: Saved): void;
}

/**
 * A device is plain state plus injected ports.
 *
 * Invariant: no device knows its base address, the wall clock, or that a debugger exists.
 * Offsets are within the device's region and need not be aligned or known: what hardware ignores is
 * ignored, reading as zero.
 */
export interface Device extends Snapshottable {
  readonly registers: readonly RegisterDescription[];
  /** Where what answers at an offset depends on the device's state (a latch bit, a window): the register's name now. */
  registerName?(offset: number, write: boolean): string | undefined;
  /** An unsigned value of `size` bytes. */
  read(offset: number, size: AccessSize): number;
  write(offset: number, size: AccessSize, value: number): void;
  /** What `read` would return, without its side effects: the debugger's view. */
  peek(offset: number, size: AccessSize): number;
  /** Power-on state. */
  reset(): void;
}
