import { basename } from 'node:path';
import type { Debuggee } from './debuggee.ts';

/** Function and line of code, such as `putc (uart.c:12)`; undefined without a symbol there. */
export async function locate(
  { view, symbols: store }: Debuggee,
  hart: number,
  pc: bigint,
): Promise<string | undefined> {
  // Which files count depends on the address space only where some are meant for one.
  const symbols = store.hasSpaces ? (await view.hart(hart)).symbols : store.all;
  const name = symbols.functionAt(pc)?.name ?? symbols.symbolize(pc)?.name;
  const row = symbols.lineFor(pc);
  const line = row === undefined || row.line === 0 ? undefined : `${basename(row.file)}:${row.line}`;
  if (name === undefined) return line;
  return line === undefined ? name : `${name} (${line})`;
}
