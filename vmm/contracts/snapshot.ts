import type { SavedSnapshot } from '../protocol/messages.ts';

/** What tells a file from a changed one without reading it. */
export interface FileStamp {
  readonly size: number;
  /** Nanoseconds since 1970 by the host's clock. */
  readonly modifiedNs: bigint;
}

/** A file being written beside the one that it replaces. */
export interface SnapshotOutput {
  append(bytes: Uint8Array): void;
  /** What was written is on stable storage, and in the place of what had the name before, when this returns. */
  commit(): void;
  /** Nothing was written; may be called after a failure of the others. */
  abandon(): void;
}

export interface SnapshotInput {
  readonly size: number;
  /** The bytes from `offset` on, as many as there are, at most `length`. */
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

/** The host's files, for snapshots. All throw `VmError` `bad-file` or `io`, naming the file. */
export interface SnapshotFiles {
  /** A path that means the same wherever it is used. */
  absolute(path: string): string;
  /** The absolute path of one that was named relative to the folder of `beside`. */
  absoluteFrom(beside: string, path: string): string;
  /** A path relative to the folder of `beside`, so that both can be moved together. */
  relative(beside: string, path: string): string;
  create(path: string): SnapshotOutput;
  open(path: string): SnapshotInput;
  /** Undefined when there is no such file. */
  stamp(path: string): FileStamp | undefined;
}

/** What a session wrote over a disk that must not change, in blocks numbered from its start. */
export interface SessionDisk {
  readonly blockBytes: number;
  /** Blocks that differ from the disk below, those since the last mark only when told so; `null` for zeros. */
  changes(sinceMark: boolean): Iterable<{ readonly block: number; readonly data: Uint8Array | null }>;
  mark(): void;
  /** The disk is as the one below. */
  revert(): void;
  put(block: number, data: Uint8Array | null): void;
}

/** A disk of a machine, with what a snapshot must know of it. */
export interface SnapshotDisk {
  /** As it was configured, for messages. */
  readonly name: string;
  /** All files that it is made of, the image itself first. */
  readonly files: readonly string[];
  /** Bytes. */
  readonly size: number;
  /** Present when writes go to the session and not to the image. */
  readonly session: SessionDisk | undefined;
  /** Everything that the guest wrote is in the files. */
  flush(): void;
}

/** Saves and restores one machine with its disks. */
export interface MachineSnapshots {
  /**
   * Writes the machine's state to a file, which is whole or not there. With `incremental` it holds only what changed since the
   * last snapshot of this machine that was saved or restored, if there is one that it can build on.
   */
  save(file: string, options: { readonly incremental: boolean }): SavedSnapshot;
  /**
   * The machine is as it was when the file was written. Throws `VmError` `bad-file` for a file that is damaged or of another
   * version, `bad-config` for one of another machine, or whose images or disks changed; the machine is as before then.
   */
  restore(file: string): void;
}
