/** disassemble. */
import { hex } from '../../vmm/base/brands.ts';
import type { Dap, Handlers } from '../dap.ts';
import { type CodeLine, disassembleBackward, disassembleForward } from '../disassembly.ts';
import { parseMemoryReference } from '../memory-reference.ts';
import type { Symbols } from '../symbols/index.ts';
import { debuggeeOf, type SessionContext, toClientColumn, toClientLine } from './context.ts';
import { currentHart } from './memory.ts';
import { toSource } from './sources.ts';

/** More than any view shows at once. */
const INSTRUCTIONS_MAX = 4096;

export const disassembleHandlers: Handlers<SessionContext> = {
  disassemble: async (context, args) => {
    const { memoryReference, offset = 0, instructionOffset = 0, resolveSymbols = true } = args;
    const { view, run } = debuggeeOf(context);
    const reference = parseMemoryReference(memoryReference);
    const hart = currentHart({ run } as Parameters<typeof currentHart>[0]);
    const { symbols } = await view.hart(hart);
    const address = BigInt.asUintN(64, reference.address + BigInt(offset));
    const count = Math.min(args.instructionCount, INSTRUCTIONS_MAX);
    const at = { hart, address, space: reference.space };

    // Exactly as many as were asked for, as DAP demands: a client lays them out by number.
    const backward = Math.max(0, -instructionOffset);
    const before = await disassembleBackward(view, at, backward, symbols);
    const forward = Math.max(0, instructionOffset + count);
    const after = await disassembleForward(view, at, forward, symbols);
    const lines = [...before, ...after].slice(Math.max(0, instructionOffset)).slice(0, count);
    return { instructions: describe(context, lines, symbols, resolveSymbols) };
  },
};

function describe(
  context: SessionContext,
  lines: readonly CodeLine[],
  symbols: Symbols,
  resolveSymbols: boolean,
): Dap.DisassembledInstruction[] {
  let previous: string | undefined;
  return lines.map((line) => {
    const row = line.isValid ? symbols.lineFor(line.address) : undefined;
    const symbol = resolveSymbols && line.isValid ? symbols.symbolize(line.address) : undefined;
    const place = row === undefined || row.line === 0 ? undefined : `${row.file}:${row.line}`;
    // The location is given where it changes, which is where a view shows the source line.
    const showsPlace = place !== undefined && place !== previous;
    previous = place;
    return {
      address: hex(line.address),
      instruction: line.text,
      ...(line.bytes === '' ? {} : { instructionBytes: line.bytes }),
      ...(symbol?.offset === 0n ? { symbol: symbol.name } : {}),
      ...(showsPlace && row !== undefined
        ? {
            location: toSource(row.file),
            line: toClientLine(context.client, row.line),
            ...(row.column > 0 ? { column: toClientColumn(context.client, row.column) } : {}),
          }
        : {}),
      ...(line.isValid ? {} : { presentationHint: 'invalid' as const }),
    };
  });
}
