/** Exits from guest to VMM as DAP's exceptions: setExceptionBreakpoints and exceptionInfo. */

import { hex } from '../../vmm/base/brands.ts';
import { VmError } from '../../vmm/base/vm-error.ts';
import type { Handlers } from '../dap.ts';
import { describeExit, EXIT_TITLES } from '../describe.ts';
import { parseFilter } from '../exit-breakpoints.ts';
import { debuggeeOf, hartOf, type SessionContext } from './context.ts';

export const exitHandlers: Handlers<SessionContext> = {
  setExceptionBreakpoints: async (context, { filters, filterOptions = [] }) => {
    const { exitBreakpoints, vm } = debuggeeOf(context);
    // Answers stand in the order of `filters`, then of `filterOptions` (DAP, "SetExceptionBreakpoints Request").
    const wanted = [
      ...filters.map((filter) => parseFilter(filter, '')),
      ...filterOptions.map(({ filterId, condition }) => parseFilter(filterId, condition ?? '')),
    ];
    const results = await exitBreakpoints.replace('filters', wanted, vm);
    return {
      breakpoints: results.map(({ verified, message }) => ({
        verified,
        ...(message === undefined ? {} : { message }),
      })),
    };
  },

  exceptionInfo: async (context, { threadId }) => {
    const { run } = debuggeeOf(context);
    const report = run.report;
    const record = report?.info.record;
    if (report === undefined || record === undefined || report.hart !== hartOf(threadId)) {
      throw new VmError('wrong-state', `Hart ${hartOf(threadId)} did not stop on an exit.`);
    }
    const { exit, stage, step, pc, handlerNs } = record;
    const text = describeExit(exit, stage);
    const timing = stage === 'post' ? `, handled in ${handlerNs} ns` : '';
    const fields = Object.entries(exit)
      .filter(([key]) => key !== 'kind')
      .map(([key, value]) => `${key}: ${formatField(value)}`);
    return {
      exceptionId: exit.kind,
      description: `${EXIT_TITLES[exit.kind]}: ${text}`,
      breakMode: 'always',
      details: {
        message: text,
        typeName: `${exit.kind} (${stage})`,
        fullTypeName: `hartscope.exit.${exit.kind}.${stage}`,
        stackTrace: [`at ${hex(pc)}, step ${step}${timing}`, ...fields].join('\n'),
      },
    };
  },
};

function formatField(value: unknown): string {
  if (typeof value === 'bigint') return hex(value);
  if (Array.isArray(value)) return `[${value.map(formatField).join(', ')}]`;
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
