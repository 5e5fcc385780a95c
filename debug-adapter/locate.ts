import { basename } from 'node:path';
import { hex } from '../vmm/base/brands.ts';
import type { Debuggee } from './debuggee.ts';
import type { Symbols } from './symbols/index.ts';

/** Function and line of code, such as `putc (uart.c:12)`; undefined without a symbol there. */
export async function locate(
  { view, symbols: store }: Debuggee,
  hart: number,
  pc: bigint,
): Promise<string | undefined> {
  // Which files count depends on the address space only where some are meant for one.
  const symbols = store.hasSpaces ? (await view.hart(hart)).symbols : store.all;
  const name = codeName(symbols, pc);
  const line = sourceLine(symbols, pc);
  if (name === undefined) return line;
  return line === undefined ? name : `${name} (${line})`;
}

/**
 * The function of code. Without debug information it is the symbol before it and how far behind: in firmware without a full
 * symbol table that symbol may be another function's.
 */
export function codeName(symbols: Pick<Symbols, 'functionAt' | 'symbolize'>, pc: bigint): string | undefined {
  const found = symbols.functionAt(pc);
  if (found?.declaration !== undefined) return found.name;
  const symbol = symbols.symbolize(pc);
  if (symbol === undefined) return found?.name;
  return symbol.offset === 0n ? symbol.name : `${symbol.name}+${hex(symbol.offset)}`;
}

/** File and line of code, such as `uart.c:12`. */
export function sourceLine(symbols: Pick<Symbols, 'lineFor'>, pc: bigint): string | undefined {
  const row = symbols.lineFor(pc);
  return row === undefined || row.line === 0 ? undefined : `${basename(row.file)}:${row.line}`;
}
