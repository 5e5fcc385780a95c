/** The bundle of both composition roots: a VM's thread runs what the command line runs too, and it is compiled once. */
import { isMainThread } from 'node:worker_threads';

if (isMainThread) void import('./main.ts');
else void import('./worker.ts');
