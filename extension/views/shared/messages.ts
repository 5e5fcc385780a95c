/** What the extension and its webviews say to each other. */
import type {
  CustomArguments,
  CustomResults,
  TraceRecord,
} from '../../../debug-adapter/contract/requests.ts';
import type { ExitKind } from '../../../vmm/protocol/exits.ts';
import type { RunState } from '../../sessions.ts';

export type { TraceRecord };
export type WalkAnswer = CustomResults['hartscope/walk'];
export type Access = NonNullable<CustomArguments<'hartscope/walk'>['access']>;

/** Which machine a view shows. */
export interface ShownSession {
  readonly id: string;
  readonly name: string;
  readonly state: RunState;
}

export interface TraceFilter {
  /** Undefined: every kind. */
  readonly kinds?: readonly ExitKind[];
  /** In the exit-condition language. */
  readonly condition?: string;
}

export type ToTraceView =
  | { readonly type: 'session'; readonly session: ShownSession | null }
  /** Everything shown before is gone: another session, another filter, or cleared. */
  | { readonly type: 'reset' }
  | { readonly type: 'append'; readonly records: readonly TraceRecord[]; readonly missed: number }
  | { readonly type: 'problem'; readonly message: string | null }
  | { readonly type: 'toggleFollow' };

export type FromTraceView =
  | { readonly type: 'ready' }
  | { readonly type: 'filter'; readonly filter: TraceFilter }
  | { readonly type: 'openSource'; readonly pc: string }
  | { readonly type: 'walk'; readonly address: string }
  | { readonly type: 'start' };

export interface WalkState {
  readonly session: ShownSession | null;
  /** What was asked: an address or an expression. */
  readonly address: string;
  readonly access: Access;
  readonly hart: number | null;
  readonly result: WalkAnswer | null;
  readonly problem: string | null;
}

export type ToWalkView = { readonly type: 'state'; readonly state: WalkState };

export type FromWalkView =
  | { readonly type: 'ready' }
  | { readonly type: 'walk'; readonly address: string; readonly access: Access }
  | { readonly type: 'start' };
