import { VmError } from '../base/vm-error.ts';
import type { Saved } from './device.ts';

/** Reads the fields of a saved state, each checked: the state may come from a file. */
export class SavedReader {
  readonly #saved: Saved;
  readonly #device: string;

  /** Throws `VmError('bad-file')` when the state has another version than `version`. */
  constructor(saved: Saved, device: string, version: number) {
    this.#saved = saved;
    this.#device = device;
    if (saved.version !== version) {
      throw new VmError(
        'bad-file',
        `saved state of ${device} has version ${saved.version}, expected ${version}`,
      );
    }
  }

  number(field: string): number {
    const value = this.#saved[field];
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.#wrong(field, 'a number');
    return value;
  }

  boolean(field: string): boolean {
    const value = this.#saved[field];
    if (typeof value !== 'boolean') throw this.#wrong(field, 'true or false');
    return value;
  }

  bigint(field: string): bigint {
    const value = this.#saved[field];
    if (typeof value !== 'bigint') throw this.#wrong(field, 'a 64-bit integer');
    return value;
  }

  string(field: string): string {
    const value = this.#saved[field];
    if (typeof value !== 'string') throw this.#wrong(field, 'text');
    return value;
  }

  /** At most `maximum` bytes. */
  bytes(field: string, maximum: number): Uint8Array {
    const value = this.#saved[field];
    if (!(value instanceof Uint8Array) || value.length > maximum) {
      throw this.#wrong(field, `at most ${maximum} bytes`);
    }
    return value;
  }

  /** The state of a part, with a version of its own. */
  section(field: string): Saved {
    const value = this.#saved[field];
    if (!isSaved(value)) throw this.#wrong(field, 'the state of a part');
    return value;
  }

  /** The states of exactly `length` parts, or of any number up to `maximum`. */
  sections(field: string, length: number | { readonly maximum: number }): Saved[] {
    const value = this.#saved[field];
    const fits = (count: number): boolean =>
      typeof length === 'number' ? count === length : count <= length.maximum;
    if (!Array.isArray(value) || !fits(value.length) || !value.every(isSaved)) {
      throw this.#wrong(field, 'the states of parts, as many as the device has');
    }
    return value;
  }

  /** An array of exactly `length` numbers, or of any length up to `maximum`. */
  numbers(field: string, length: number | { readonly maximum: number }): number[] {
    const value = this.#saved[field];
    const fits = (count: number): boolean =>
      typeof length === 'number' ? count === length : count <= length.maximum;
    if (!Array.isArray(value) || !fits(value.length) || !value.every((item) => typeof item === 'number')) {
      throw this.#wrong(field, 'numbers, as many as the device has');
    }
    return value;
  }

  bigints(field: string, length: number): bigint[] {
    const value = this.#saved[field];
    if (
      !Array.isArray(value) ||
      value.length !== length ||
      !value.every((item) => typeof item === 'bigint')
    ) {
      throw this.#wrong(field, `${length} 64-bit integers`);
    }
    return value;
  }

  #wrong(field: string, expected: string): VmError {
    return new VmError('bad-file', `saved state of ${this.#device}: '${field}' is not ${expected}`);
  }
}

const isSaved = (value: unknown): value is Saved =>
  typeof value === 'object' && value !== null && 'version' in value && typeof value.version === 'number';
