/** The bundle of both composition roots: a VM's thread runs what the command line runs too, and it is compiled once. */
import { isMainThread, workerData } from 'node:worker_threads';

if (isMainThread) void import('./main.ts');
else if ((workerData as { readonly kind?: string }).kind === 'sockets') void import('./socket-worker.ts');
else void import('./worker.ts');
