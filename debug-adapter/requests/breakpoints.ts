/** setBreakpoints, setFunctionBreakpoints, setInstructionBreakpoints, breakpointLocations. */

import { hex } from '../../vmm/base/brands.ts';
import { VmError } from '../../vmm/base/vm-error.ts';
import type { Breakpoint, BreakpointKind, Placement, WantedBreakpoint } from '../breakpoints.ts';
import type { Dap, Handlers } from '../dap.ts';
import type { Debuggee } from '../debuggee.ts';
import { parseMemoryReference } from '../memory-reference.ts';
import type { Symbols } from '../symbols/index.ts';
import { debuggeeOf, fromClientLine, type SessionContext, toClientColumn, toClientLine } from './context.ts';
import { toSource } from './sources.ts';

export const breakpointHandlers: Handlers<SessionContext> = {
  setBreakpoints: async (context, { source, breakpoints = [] }) => {
    const debuggee = debuggeeOf(context);
    const wanted = breakpoints.map((asked) => {
      const line = fromClientLine(context.client, asked.line);
      return want(
        'source',
        `${source.name ?? source.path}:${asked.line}`,
        asked,
        inSource(debuggee, source, line),
      );
    });
    const group = `source ${source.path ?? source.sourceReference}`;
    return { breakpoints: await place(context, debuggee, group, wanted) };
  },

  setFunctionBreakpoints: async (context, { breakpoints }) => {
    const debuggee = debuggeeOf(context);
    const wanted = breakpoints.map((asked) =>
      want('function', asked.name, asked, (symbols) => atFunction(symbols, asked.name)),
    );
    return { breakpoints: await place(context, debuggee, 'functions', wanted) };
  },

  setInstructionBreakpoints: async (context, { breakpoints }) => {
    const debuggee = debuggeeOf(context);
    const wanted = breakpoints.map((asked) => {
      const where = `${asked.instructionReference}${asked.offset === undefined ? '' : `+${asked.offset}`}`;
      return want('instruction', where, asked, () =>
        atInstruction(asked.instructionReference, asked.offset ?? 0),
      );
    });
    return { breakpoints: await place(context, debuggee, 'instructions', wanted) };
  },

  breakpointLocations: async (context, { source, line, endLine }) => {
    const { symbols } = debuggeeOf(context);
    if (source.path === undefined) return { breakpoints: [] };
    const { client } = context;
    const from = fromClientLine(client, line);
    const to = fromClientLine(client, endLine ?? line);
    const locations = symbols.all.breakpointLocations(source.path, from, to);
    return {
      breakpoints: locations.map((location) => ({
        line: toClientLine(client, location.line),
        ...(location.column > 0 ? { column: toClientColumn(client, location.column) } : {}),
      })),
    };
  },
};

type Asked = Pick<Dap.SourceBreakpoint, 'condition' | 'hitCondition' | 'logMessage'>;

function want(
  kind: BreakpointKind,
  where: string,
  { condition, hitCondition, logMessage }: Asked,
  locate: WantedBreakpoint['locate'],
): WantedBreakpoint {
  // Editors send empty texts for what was cleared.
  const spec = {
    ...{ kind, where },
    condition: condition?.trim() || undefined,
    hitCondition: hitCondition?.trim() || undefined,
    logMessage: logMessage || undefined,
  };
  return { spec, locate };
}

async function place(
  context: SessionContext,
  debuggee: Debuggee,
  group: string,
  wanted: readonly WantedBreakpoint[],
): Promise<Dap.Breakpoint[]> {
  const breakpoints = debuggee.breakpoints.replace(group, wanted, debuggee.symbols.all);
  await debuggee.run.arm();
  return breakpoints.map((breakpoint) => describe(context, breakpoint));
}

function describe({ client }: SessionContext, { id, placement, problem }: Breakpoint): Dap.Breakpoint {
  const { file, line, column, addresses } = placement;
  return {
    id,
    verified: problem === undefined,
    ...(problem === undefined ? {} : { message: problem, reason: 'failed' as const }),
    ...(file === undefined ? {} : { source: toSource(file) }),
    ...(line === undefined ? {} : { line: toClientLine(client, line) }),
    ...(column === undefined || column === 0 ? {} : { column: toClientColumn(client, column) }),
    ...(addresses[0] === undefined ? {} : { instructionReference: hex(addresses[0]) }),
  };
}

function inSource(debuggee: Debuggee, source: Dap.Source, line: number): WantedBreakpoint['locate'] {
  if (source.sourceReference) {
    const address = debuggee.listings.addressOf(source.sourceReference, line);
    return () =>
      address === undefined
        ? noCode('There is no instruction on this line.')
        : { addresses: [address], line };
  }
  const { path } = source;
  if (path === undefined) return () => noCode('The source has no path.');
  return (symbols) => {
    const found = symbols.addressesFor(path, line);
    if (found.length === 0) return noCode(whyNoCode(symbols, path, line));
    const first = found[0]!;
    return {
      ...toPlacement(found.map(({ address }) => address)),
      file: path,
      line: first.line,
      column: first.column,
    };
  };
}

const toPlacement = (addresses: readonly bigint[]): Placement => ({ addresses });
const noCode = (message: string): Placement => ({ addresses: [], message });

function whyNoCode(symbols: Symbols, path: string, line: number): string {
  const files = symbols.files();
  if (files.length === 0) {
    return 'The program has no line information: compile it with -g, or name an ELF file that has some under "symbols".';
  }
  if (symbols.breakpointLocations(path, 1, Number.MAX_SAFE_INTEGER).length > 0) {
    return `Line ${line} has no code.`;
  }
  return `No code in the program comes from this file. If it was built elsewhere, add a "sourceMap" to the launch configuration.`;
}

function atFunction(symbols: Symbols, name: string): Placement {
  const found = symbols.functionsByName(name);
  const first = found[0];
  if (first === undefined) {
    const address = /^0x[0-9a-f]+$/i.test(name) ? BigInt(name) : symbols.addressOf(name);
    return address === undefined
      ? noCode(`The program has no function "${name}".`)
      : { addresses: [address] };
  }
  const row = symbols.lineFor(first.breakpointAddress);
  return {
    addresses: found.map(({ breakpointAddress }) => breakpointAddress),
    ...(row === undefined || row.line === 0 ? {} : { file: row.file, line: row.line, column: row.column }),
  };
}

function atInstruction(reference: string, offset: number): Placement {
  try {
    const { address, space } = parseMemoryReference(reference);
    if (space === 'physical')
      return noCode('Breakpoints are on virtual addresses: write a plain 0x… address.');
    const target = BigInt.asUintN(64, address + BigInt(offset));
    // Instructions are aligned to 2 bytes (RISC-V unprivileged, "C" extension).
    return target % 2n === 0n ? { addresses: [target] } : noCode('An instruction address is even.');
  } catch (error) {
    if (error instanceof VmError) return noCode(error.message);
    throw error;
  }
}
