export { configFrom } from './config.ts';
export type { SnapshotHeader } from './header.ts';
export { openChain, type SnapshotSubject, Snapshots } from './snapshots.ts';
export { type SnapshotSummary, summarize } from './summary.ts';
