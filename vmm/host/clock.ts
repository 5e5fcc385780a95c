/** A monotonic clock in nanoseconds, from the start of this thread; exact below 2^53, which is 104 days. */
export const nowNs = (): number => performance.now() * 1e6;
