import { codePageOf } from './code-cache.ts';

export interface Patience {
  /** Slow accesses that translated code leaves to the interpreter before the hart serves the next. */
  readonly left: number;
  /** Fast accesses that are served, at some 50 times the cost, before translated code does them again. */
  readonly servedFast: number;
}

const PATIENCE: Patience = { left: 32, servedFast: 1000 };

/** How often an access was left, then how often it was served though it was fast. */
interface Account {
  left: number;
  servedFast: number;
}

/**
 * Accesses that translated code leaves to the interpreter again and again, because they go to devices, to pages with code, or
 * across words: the hart serves them, so that the region goes on behind them. One that turns out to be fast after all
 * is translated as others are, for good.
 */
export class SlowAccesses {
  readonly #patience: Patience;
  /** By decoded page, then record. */
  readonly #accounts = new Map<number, Map<number, Account>>();

  constructor(patience: Patience = PATIENCE) {
    this.#patience = patience;
  }

  /** Whether the hart is to serve the access of this record. */
  isServed(record: number): boolean {
    const account = this.#accounts.get(codePageOf(record))?.get(record);
    return account !== undefined && this.#isServed(account);
  }

  /** Translated code left an access that was slow. True when it is to be served from now on. */
  left(record: number): boolean {
    const account = this.#account(record);
    account.left++;
    return account.left === this.#patience.left;
  }

  /** An access was served, and was fast. True when it is to be served no more. */
  servedFast(record: number): boolean {
    const account = this.#account(record);
    account.servedFast++;
    return account.servedFast === this.#patience.servedFast;
  }

  /** The decoded page is another one's from now on. */
  forget(codePage: number): void {
    this.#accounts.delete(codePage);
  }

  #isServed({ left, servedFast }: Account): boolean {
    return left >= this.#patience.left && servedFast < this.#patience.servedFast;
  }

  #account(record: number): Account {
    const codePage = codePageOf(record);
    let accounts = this.#accounts.get(codePage);
    if (accounts === undefined) this.#accounts.set(codePage, (accounts = new Map()));
    let account = accounts.get(record);
    if (account === undefined) accounts.set(record, (account = { left: 0, servedFast: 0 }));
    return account;
  }
}
