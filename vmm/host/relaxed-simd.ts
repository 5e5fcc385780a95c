import { setFlagsFromString } from 'node:v8';

let enabled = false;

/**
 * Turns on relaxed SIMD, which V8 11.3 (Node 20) has behind a flag; later versions have it on. To be called before the
 * first module that could use it is compiled; applies to all threads.
 */
export function enableRelaxedSimd(): void {
  if (!enabled && process.versions.v8.startsWith('11.3.')) {
    setFlagsFromString('--experimental-wasm-relaxed-simd');
  }
  enabled = true;
}
