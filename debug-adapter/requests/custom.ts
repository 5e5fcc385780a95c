/** The custom requests of `contract/requests.ts`. */
import { hex } from '../../vmm/base/brands.ts';
import { VmError } from '../../vmm/base/vm-error.ts';
import { toJson } from '../contract/json.ts';
import {
  type CustomRequest,
  customRequestSchemas,
  type HartInfo,
  type TraceRecord,
} from '../contract/requests.ts';
import type { Handlers } from '../dap.ts';
import type { Debuggee } from '../debuggee.ts';
import { describeExit } from '../describe.ts';
import { codeName, locate, sourceLine } from '../locate.ts';
import { evaluateAddress } from './address.ts';
import { debuggeeOf, type SessionContext, threadOf } from './context.ts';
import { currentHart } from './memory.ts';

export const customHandlers: Handlers<SessionContext> = {
  'hartscope/walk': async (context, args) => {
    const { address, hart, root, access } = parse('hartscope/walk', args);
    const debuggee = debuggeeOf(context);
    const ref = { hart: hart ?? currentHart(debuggee), level: 0 };
    const walk = await debuggee.vm.request('vm.walk', {
      hart: ref.hart,
      address: await evaluateAddress(debuggee, ref, address),
      ...(root === undefined ? {} : { root: await evaluateAddress(debuggee, ref, root) }),
      ...(access === undefined ? {} : { access }),
    });
    return toJson(walk);
  },

  'hartscope/exits': async (context, args) => {
    const { after = 0, limit = 1000, filter = {} } = parse('hartscope/exits', args ?? {});
    const debuggee = debuggeeOf(context);
    const { records, dropped, next } = await debuggee.vm.request('vm.trace', { after, limit, filter });
    const described = records.map(async (record): Promise<TraceRecord> => {
      const location = await locate(debuggee, record.hart, record.pc);
      const text = describeExit(record.exit, record.stage);
      return { ...toJson(record), text, ...(location === undefined ? {} : { location }) };
    });
    return { records: await Promise.all(described), dropped, next };
  },

  'hartscope/exitStats': async (context, args) => {
    const { filter = {} } = parse('hartscope/exitStats', args ?? {});
    const { kinds, hart } = filter;
    const { counts, detail } = await debuggeeOf(context).vm.request('vm.exitStats', {});
    return toJson({
      counts: counts.filter((one) => (kinds?.includes(one.kind) ?? true) && (hart ?? one.hart) === one.hart),
      detail: detail.filter((one) => kinds?.includes(one.kind) ?? true),
    });
  },

  'hartscope/devices': async (context, args) => {
    const { values = true } = parse('hartscope/devices', args ?? {});
    return toJson(await debuggeeOf(context).vm.request('vm.devices', { values }));
  },

  'hartscope/setExitBreakpoints': async (context, args) => {
    const { breakpoints } = parse('hartscope/setExitBreakpoints', args);
    const { exitBreakpoints, vm } = debuggeeOf(context);
    return { breakpoints: await exitBreakpoints.replace('request', breakpoints, vm) };
  },

  'hartscope/consoleWrite': async (context, args) => {
    const typed = parse('hartscope/consoleWrite', args);
    const data = 'text' in typed ? Buffer.from(typed.text, 'utf8') : Buffer.from(typed.data, 'base64');
    await debuggeeOf(context).vm.request('vm.consoleWrite', { data: new Uint8Array(data) });
    return {};
  },

  'hartscope/saveSnapshot': async (context, args) => {
    const { file, incremental = false } = parse('hartscope/saveSnapshot', args);
    return toJson(await debuggeeOf(context).vm.request('vm.save', { file, incremental }));
  },

  'hartscope/restoreSnapshot': async (context, args) => {
    const { file } = parse('hartscope/restoreSnapshot', args);
    const { run, vm } = debuggeeOf(context);
    await run.takeOver(() => vm.request('vm.restore', { file }));
    return {};
  },

  'hartscope/machine': async (context) => {
    const debuggee = debuggeeOf(context);
    const { info } = await debuggee.vm.request('vm.state', {});
    const report = debuggee.run.report;
    const harts = Array.from({ length: debuggee.harts }, (_, hart) => describeHart(debuggee, hart));
    return {
      info: toJson(info),
      vmm: debuggee.vm.vmm.address,
      harts: await Promise.all(harts),
      ...(report === undefined
        ? {}
        : {
            stopped: {
              reason: report.reason,
              hart: report.hart,
              description: report.text ?? report.description,
            },
          }),
    };
  },
};

async function describeHart(debuggee: Debuggee, hart: number): Promise<HartInfo> {
  const { registers, symbols } = await debuggee.view.hart(hart);
  const { pc, privilege, waiting, steps } = registers;
  const name = codeName(symbols, pc);
  const location = sourceLine(symbols, pc);
  return {
    ...{ hart, threadId: threadOf(hart), pc: hex(pc), privilege, waiting, steps },
    ...(name === undefined ? {} : { function: name }),
    ...(location === undefined ? {} : { location }),
  };
}

/** @throws VmError `bad-request` that names the member that is wrong. */
function parse<R extends CustomRequest>(request: R, args: unknown) {
  const result = customRequestSchemas[request].safeParse(args);
  if (result.success) return result.data as ReturnType<(typeof customRequestSchemas)[R]['parse']>;
  const issue = result.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? '' : `"${issue.path.join('.')}": `;
  throw new VmError(
    'bad-request',
    `Wrong arguments of ${request}: ${where}${issue?.message ?? 'wrong arguments'}`,
  );
}
