import type { PageProtector, RamPages } from '../contracts/memory.ts';
import { GUARD, GUARDS_OFFSET } from './layout.ts';

const PAGE = 4096;
const NONE: PageProtector = { protect: () => {}, protectAll: () => {} };

/**
 * What is known of each page of RAM, in its guard byte: as long as that is not zero, stores to the page take the slow way and are
 * noted there. A page costs one slow store when it comes into being, and one after each mark; nothing else costs anything.
 */
export class GuardedPages implements RamPages {
  readonly count: number;
  readonly #guards: Uint8Array;
  readonly #ram: Uint8Array;
  #protector = NONE;
  #marked = false;

  /** `ram` is the whole of it, all zero, and `buffer` the memory that it lies in. */
  constructor(buffer: ArrayBufferLike, ram: Uint8Array) {
    this.#ram = ram;
    this.count = ram.length / PAGE;
    this.#guards = new Uint8Array(buffer, GUARDS_OFFSET, this.count).fill(GUARD.absent);
  }

  get marked(): boolean {
    return this.#marked;
  }

  get presentCount(): number {
    let absent = 0;
    for (const guard of this.#guards) if ((guard & GUARD.absent) !== 0) absent += 1;
    return this.count - absent;
  }

  isPresent(page: number): boolean {
    return (this.#guards[page]! & GUARD.absent) === 0;
  }

  isDirty(page: number): boolean {
    return (this.#guards[page]! & GUARD.clean) === 0;
  }

  isUntouched(page: number): boolean {
    return (this.#guards[page]! & (GUARD.clean | GUARD.absent)) !== 0;
  }

  wrote(offset: number, length: number): void {
    const last = Math.floor((offset + length - 1) / PAGE);
    for (let page = Math.floor(offset / PAGE); page <= last; page++) {
      this.#guards[page] = this.#guards[page]! & ~(GUARD.clean | GUARD.absent);
    }
  }

  clear(): void {
    for (let page = 0; page < this.count; page++) {
      const guard = this.#guards[page]!;
      if ((guard & GUARD.absent) === 0) this.#ram.fill(0, page * PAGE, (page + 1) * PAGE);
      this.#guards[page] = (guard & ~GUARD.clean) | GUARD.absent;
    }
    this.#protector.protectAll();
  }

  replace(present: Iterable<number>): void {
    for (let page = 0; page < this.count; page++) {
      this.#guards[page] = (this.#guards[page]! & ~GUARD.clean) | GUARD.absent;
    }
    for (const page of present) this.#guards[page] = this.#guards[page]! & ~GUARD.absent;
    this.#protector.protectAll();
  }

  release(offset: number, length: number): void {
    const last = Math.floor((offset + length) / PAGE) - 1;
    for (let page = Math.ceil(offset / PAGE); page <= last; page++) {
      if (!this.isPresent(page)) continue;
      this.#ram.fill(0, page * PAGE, (page + 1) * PAGE);
      // It changed since the last mark, too.
      this.#guards[page] = (this.#guards[page]! & ~GUARD.clean) | GUARD.absent;
      this.#protector.protect(page);
    }
  }

  mark(): void {
    this.#marked = true;
    for (let page = 0; page < this.count; page++) this.#guards[page] = this.#guards[page]! | GUARD.clean;
    this.#protector.protectAll();
  }

  unmark(): void {
    this.#marked = false;
    for (let page = 0; page < this.count; page++) this.#guards[page] = this.#guards[page]! & ~GUARD.clean;
  }

  protectBy(protector: PageProtector): void {
    this.#protector = protector;
  }
}
