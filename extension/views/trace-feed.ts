import type { CustomArguments, CustomResults, TraceRecord } from '../../debug-adapter/contract/requests.ts';
import type { TraceFilter } from './shared/messages.ts';

/** Records kept for the view; about 10 MB, and more lines than anyone reads. */
export const RECORDS_MAX = 20_000;
/** Records a request brings. */
const BATCH = 1000;
/** How far the feed may lag before it skips to the present: a guest can make millions of records a second. */
export const BACKLOG_MAX = 5000;

type Fetch = (args: CustomArguments<'hartscope/exits'>) => Promise<CustomResults['hartscope/exits']>;

export interface FeedListener {
  /** The kept records are to be forgotten. */
  reset(): void;
  append(records: readonly TraceRecord[], missed: number): void;
  /** Why nothing comes, or null when it does again. */
  problem(message: string | null): void;
}

/**
 * Follows a machine's trace: asks for what is new after each `notify`, one request at a time, and keeps the newest
 * `RECORDS_MAX` records.
 */
export class TraceFeed {
  readonly #fetch: Fetch;
  readonly #listener: FeedListener;
  #records: TraceRecord[] = [];
  #missed = 0;
  #problem: string | null = null;
  #after = 0;
  #newest = 0;
  #filter: TraceFilter = {};
  #pumping: Promise<void> | undefined;
  /** A new filter or a clear makes answers under way worthless. */
  #generation = 0;

  constructor(fetch: Fetch, listener: FeedListener) {
    this.#fetch = fetch;
    this.#listener = listener;
  }

  get records(): readonly TraceRecord[] {
    return this.#records;
  }

  /** Records that were overwritten or skipped before they could be fetched. */
  get missed(): number {
    return this.#missed;
  }

  /** The machine has records up to number `newest`. Resolves when they are here. */
  notify(newest: number): Promise<void> {
    this.#newest = Math.max(this.#newest, newest);
    return this.#pump();
  }

  /** Why nothing comes, or null. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Shows the trace anew, from the oldest record that the machine has, through `filter`; not if it is the same. */
  setFilter(filter: TraceFilter): Promise<void> {
    if (JSON.stringify(filter) === JSON.stringify(this.#filter)) return Promise.resolve();
    this.#filter = filter;
    this.#restart(0);
    return this.#pump();
  }

  /** Forgets what has been traced until now. */
  clear(): void {
    this.#restart(this.#newest);
  }

  #restart(after: number): void {
    this.#generation += 1;
    this.#records = [];
    this.#missed = 0;
    this.#after = after;
    this.#listener.reset();
    this.#tell(null);
  }

  #tell(problem: string | null): void {
    this.#problem = problem;
    this.#listener.problem(problem);
  }

  #pump(): Promise<void> {
    if (this.#after >= this.#newest) return this.#pumping ?? Promise.resolve();
    this.#pumping ??= this.#drain();
    return this.#pumping;
  }

  /** Called with something to fetch, so that it suspends before it ends and `#pumping` is set by then. */
  async #drain(): Promise<void> {
    while (this.#after < this.#newest) {
      const generation = this.#generation;
      try {
        this.#skipBacklog();
        const answer = await this.#fetch({ after: this.#after, limit: BATCH, filter: this.#requestFilter() });
        if (generation !== this.#generation) continue;
        // An answer that gets no further would be asked for again for ever.
        this.#after = answer.next > this.#after ? answer.next : this.#newest;
        this.#missed += answer.dropped;
        this.#keep(answer.records);
        this.#tell(null);
        this.#listener.append(answer.records, this.#missed);
      } catch (error) {
        if (generation !== this.#generation) continue;
        this.#tell((error as Error).message);
        break;
      }
    }
    this.#pumping = undefined;
  }

  #skipBacklog(): void {
    const excess = this.#newest - this.#after - BACKLOG_MAX;
    // With a filter few records come back; the machine looks through the rest.
    if (excess <= 0 || this.#filter.condition !== undefined || this.#filter.kinds !== undefined) return;
    this.#after += excess;
    this.#missed += excess;
  }

  #requestFilter(): NonNullable<CustomArguments<'hartscope/exits'>['filter']> {
    const { kinds, condition } = this.#filter;
    return {
      ...(kinds === undefined ? {} : { kinds: [...kinds] }),
      ...(condition === undefined ? {} : { condition }),
    };
  }

  #keep(records: readonly TraceRecord[]): void {
    this.#records.push(...records);
    if (this.#records.length > RECORDS_MAX) this.#records = this.#records.slice(-RECORDS_MAX);
  }
}
