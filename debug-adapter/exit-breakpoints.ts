/**
 * Breakpoints on exits, from three places: the launch configuration, the exception filters, and the custom request.
 * The VMM evaluates them; here they are joined into the one list it takes.
 */
import { VmError } from '../vmm/base/vm-error.ts';
import { parseExitFilter } from '../vmm/protocol/condition.ts';
import { AVAILABLE_EXIT_KINDS, type ExitKind } from '../vmm/protocol/exits.ts';
import type { ExitBreakpointInput, Results } from '../vmm/protocol/messages.ts';
import { nearest } from './contract/nearest.ts';
import type { ExitBreakpointResult } from './contract/requests.ts';
import type { Vm } from './vm-client.ts';

export type ExitBreakpointOrigin = 'configuration' | 'filters' | 'request';

type Check = Results['vm.setExitBreakpoints']['results'][number];
/** One that cannot even be sent. */
interface Refused {
  readonly refused: ExitBreakpointResult;
}
export type WantedExitBreakpoint = ExitBreakpointInput | Refused;

export class ExitBreakpointStore {
  readonly #groups = new Map<ExitBreakpointOrigin, readonly WantedExitBreakpoint[]>();

  /** Replaces the breakpoints of one origin and sends all to the VMM. Answers for those of this origin, in order. */
  async replace(
    origin: ExitBreakpointOrigin,
    wanted: readonly WantedExitBreakpoint[],
    vm: Vm,
  ): Promise<readonly ExitBreakpointResult[]> {
    this.#groups.set(origin, wanted);
    const checks = await this.send(vm);
    return checks.get(origin) ?? [];
  }

  async send(vm: Vm): Promise<ReadonlyMap<ExitBreakpointOrigin, readonly ExitBreakpointResult[]>> {
    const sent = [...this.#groups.values()].flat().flatMap((one) => ('refused' in one ? [] : [one]));
    const { results } = await vm.request('vm.setExitBreakpoints', { breakpoints: sent });
    const checks = results.values();
    return new Map(
      [...this.#groups].map(([origin, group]) => [
        origin,
        group.map((one) => ('refused' in one ? one.refused : describeCheck(checks.next().value))),
      ]),
    );
  }
}

/**
 * A condition as typed behind an exception filter: `value == 10 @post #3 !log`. Stage, hit count and action stand
 * behind the condition, in any order; each may be left out, and so may the condition.
 */
export function parseFilter(kind: string, text: string): WantedExitBreakpoint {
  if (!isExitKind(kind)) {
    const near = nearest(kind, AVAILABLE_EXIT_KINDS);
    const hint =
      near === undefined ? `Kinds are ${AVAILABLE_EXIT_KINDS.join(', ')}.` : `Did you mean "${near}"?`;
    return { refused: { verified: false, message: `There is no exit of kind "${kind}". ${hint}` } };
  }
  try {
    return { kind, ...parseExitFilter(kind, text) };
  } catch (error) {
    if (!(error instanceof VmError)) throw error;
    const column = error.column === undefined ? {} : { column: error.column };
    return { refused: { verified: false, message: withColumn(error.message, error.column), ...column } };
  }
}

function describeCheck(check: Check | undefined): ExitBreakpointResult {
  if (check === undefined || check.ok) return { verified: true };
  const { message, column } = check;
  return column === null
    ? { verified: false, message }
    : { verified: false, message: withColumn(message, column), column };
}

const withColumn = (message: string, column: number | undefined): string =>
  column === undefined || /column \d/.test(message) ? message : `${message} (column ${column})`;

const isExitKind = (kind: string): kind is ExitKind =>
  (AVAILABLE_EXIT_KINDS as readonly string[]).includes(kind);
