import type { Frame, Symbols } from './symbols/index.ts';

/**
 * True when `frame` did not call `inner`, the frame before it, but was interrupted by a trap: found through sepc or mepc, or by
 * call frame information of a handler that says so (DWARF augmentation `S`, a signal frame).
 */
export function isInterrupted(symbols: Symbols, inner: Frame | undefined, frame: Frame): boolean {
  if (frame.origin === 'trap') return true;
  return inner !== undefined && !inner.inlined && symbols.unwindRow(inner.lookupPc)?.isSignalFrame === true;
}
