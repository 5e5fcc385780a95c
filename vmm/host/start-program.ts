import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import nodeModule, { createRequire } from 'node:module';
import { basename, dirname } from 'node:path';
import { Script } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

/** Names the bundle that, when it ends, shall keep what the engine has compiled of it. Set by the build. */
const KEEP_VARIABLE = 'HARTSCOPE_KEEP_COMPILED';
const HEADER_END = '\n'.charCodeAt(0);

/**
 * Runs a bundle, a CommonJS module. To compile it takes as long as all that a program does until it is ready, so it
 * is taken as the engine compiled it before: from the file that the build made with the same version of Node, else from
 * where Node itself keeps compiled code (from version 22 on, in the user's temporary folder). Without either, it only takes longer.
 */
export function startProgram(bundle: string): void {
  const kept = keptCodeOf(bundle);
  const writes = process.env[KEEP_VARIABLE] === basename(bundle) && isMainThread;
  // Node maps stack traces to sources for the modules that it loads itself only.
  if ((kept.code === undefined && !writes) || process.execArgv.includes('--enable-source-maps')) {
    (nodeModule as { enableCompileCache?: () => void }).enableCompileCache?.();
    createRequire(bundle)(bundle);
    return;
  }
  const source = readFileSync(bundle, 'utf8');
  const script = new Script(`(function (exports, require, module, __filename, __dirname) { ${source}\n})`, {
    filename: bundle,
    ...(kept.code && { cachedData: kept.code }),
  });
  // What was kept and what this run compiles besides.
  if (writes) process.once('exit', () => keep(kept, script.createCachedData()));
  const run = script.runInThisContext() as (...parameters: readonly unknown[]) => void;
  const module = { exports: {} };
  run(module.exports, createRequire(bundle), module, bundle, dirname(bundle));
}

interface KeptCode {
  readonly path: string;
  /** Names the bundle that the code was compiled from: the engine compares no more than its length. */
  readonly header: string;
  readonly code: Uint8Array | undefined;
}

function keptCodeOf(bundle: string): KeptCode {
  const path = `${bundle}.${process.version}-${process.arch}.cache`;
  const { size, mtimeMs } = statSync(bundle);
  const header = JSON.stringify({ size, mtimeMs });
  let file: Uint8Array;
  try {
    file = readFileSync(path);
  } catch {
    return { path, header: `${header}\n`, code: undefined };
  }
  const end = file.indexOf(HEADER_END);
  const matches = Buffer.from(file.subarray(0, Math.max(end, 0))).toString() === header;
  return { path, header: `${header}\n`, code: matches ? file.subarray(end + 1) : undefined };
}

/** A program that starts just now sees the old file or the new one: the engine does not check what it is given. */
function keep({ path, header }: KeptCode, code: Uint8Array): void {
  const made = `${path}.${process.pid}`;
  writeFileSync(made, Buffer.concat([Buffer.from(header), code]));
  renameSync(made, path);
}
