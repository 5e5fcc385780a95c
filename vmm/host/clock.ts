/** A monotonic clock in nanoseconds, from the start of this thread; exact below 2^53, which is 104 days. */
export const nowNs = (): number => performance.now() * 1e6;

/** What `nowNs` counts from in this thread, in nanoseconds since 1970; exact to a quarter of a microsecond. */
export const clockOriginNs: number = performance.timeOrigin * 1e6;
