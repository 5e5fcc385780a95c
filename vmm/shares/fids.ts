import { VmError } from '../base/vm-error.ts';
import type { Saved } from '../contracts/device.ts';
import type { ShareFile } from '../contracts/share.ts';
import { ERRNO, ShareError, type ShareObject, type ShareOpen } from '../contracts/share.ts';

/** Each holds a descriptor of the host's, and one more while it is open. */
const FIDS_MAX = 4096;
const NAMES_MAX = 1 << 20;

/** What a number of the client's stands for. */
export interface Fid {
  readonly object: ShareObject;
  /** As it was opened; folders need no file. */
  readonly open: { readonly how: ShareOpen; readonly file: ShareFile | undefined } | undefined;
  /** Names in a folder, as they were when it was read from its start. */
  names: readonly Uint8Array[] | undefined;
}

/** The client's numbers and what they stand for. Who puts something in gives up what it holds. */
export class FidTable {
  readonly #fids = new Map<number, Fid>();
  /** Numbers whose objects could not be found again. */
  readonly #stale = new Set<number>();

  get count(): number {
    return this.#fids.size;
  }

  /** @throws ShareError EBADF, or ESTALE for what a restore did not find. */
  get(number: number): Fid {
    const fid = this.#fids.get(number);
    if (fid !== undefined) return fid;
    throw new ShareError(this.#stale.has(number) ? ERRNO.ESTALE : ERRNO.EBADF);
  }

  /** @throws ShareError when the number is in use or there are too many; `object` is closed then. */
  add(number: number, object: ShareObject): void {
    const errno = this.#fids.has(number) ? ERRNO.EBADF : this.#fids.size >= FIDS_MAX ? ERRNO.ENFILE : 0;
    if (errno !== 0) {
      object.close();
      throw new ShareError(errno);
    }
    this.#stale.delete(number);
    this.#fids.set(number, { object, open: undefined, names: undefined });
  }

  /** The number stands for something else from now on. */
  replace(number: number, object: ShareObject, open?: Fid['open']): void {
    const before = this.#fids.get(number);
    this.#fids.set(number, { object, open, names: undefined });
    before?.open?.file?.close();
    if (before?.object !== object) before?.object.close();
  }

  /** Frees a number, which need not stand for anything that is still there. */
  remove(number: number): void {
    if (this.#stale.delete(number)) return;
    const fid = this.get(number);
    this.#fids.delete(number);
    fid.open?.file?.close();
    fid.object.close();
  }

  all(): Iterable<Fid> {
    return this.#fids.values();
  }

  clear(): void {
    for (const number of [...this.#fids.keys()]) this.remove(number);
    this.#stale.clear();
  }

  save(): readonly Saved[] {
    return [...this.#fids].map(([number, { object, open }]) => ({
      version: 1,
      number,
      path: object.path().map((name) => Buffer.from(name).toString('latin1')),
      ...(open && { how: open.how }),
    }));
  }

  /** @throws VmError `bad-file`. */
  restore(saved: Saved, root: ShareObject): void {
    const entries = saved['fids'];
    if (!Array.isArray(entries) || entries.length > FIDS_MAX) throw wrong();
    const parsed = entries.map(parse);
    this.clear();
    for (const { number, path, how } of parsed) {
      try {
        const object = find(root, path);
        this.add(number, object);
        if (how !== undefined) this.#reopen(number, object, how);
      } catch (error) {
        if (!(error instanceof ShareError)) throw error;
        if (this.#fids.has(number)) this.remove(number);
        this.#stale.add(number);
      }
    }
  }

  #reopen(number: number, object: ShareObject, how: ShareOpen): void {
    const file = object.kind === 'folder' ? undefined : object.open({ ...how, truncate: false });
    this.replace(number, object, { how, file });
  }
}

function find(root: ShareObject, path: readonly string[]): ShareObject {
  let at = root.again();
  for (const name of path) {
    try {
      const next = at.child(Buffer.from(name, 'latin1'));
      at.close();
      at = next;
    } catch (error) {
      at.close();
      throw error;
    }
  }
  return at;
}

function parse(entry: unknown): { number: number; path: readonly string[]; how: ShareOpen | undefined } {
  const { number, path, how } = (entry ?? {}) as Record<string, unknown>;
  const names =
    Array.isArray(path) && path.length < NAMES_MAX && path.every((name) => typeof name === 'string');
  if (typeof number !== 'number' || !names) throw wrong();
  if (how === undefined) return { number, path: path as string[], how: undefined };
  const { access, append, sync } = how as Partial<Record<string, unknown>>;
  if (access !== 'read' && access !== 'write' && access !== 'both') throw wrong();
  const open: ShareOpen = { access, truncate: false, append: append === true, sync: sync === true };
  return { number, path: path as string[], how: open };
}

const wrong = (): VmError =>
  new VmError('bad-file', 'saved state of a shared folder: its open files are none');
