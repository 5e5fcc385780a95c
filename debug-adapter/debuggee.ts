/** The machine being debugged, and all that is known of it. Made by launch or attach, released by disconnect. */
import type { BreakpointStore } from './breakpoints.ts';
import type { ExitBreakpointStore } from './exit-breakpoints.ts';
import type { ListingStore } from './listings.ts';
import type { MachineView } from './machine-view.ts';
import type { VariableNode } from './nodes.ts';
import type { RunControl } from './run-control.ts';
import type { SymbolStore } from './symbol-store.ts';
import type { StableHandles } from './values/index.ts';
import type { Vm } from './vm-client.ts';

/** How the machine came to be debugged, and so what becomes of it at the end. */
export type Ownership = 'launched' | 'attached';

export interface Debuggee {
  readonly vm: Vm;
  readonly harts: number;
  readonly ownership: Ownership;
  readonly symbols: SymbolStore;
  readonly view: MachineView;
  readonly breakpoints: BreakpointStore;
  readonly exitBreakpoints: ExitBreakpointStore;
  readonly run: RunControl;
  readonly handles: StableHandles<VariableNode>;
  /** Disassembly shown in place of sources. */
  readonly listings: ListingStore;
  /** Lets go of the machine: destroys what was launched, leaves what was attached to. Never rejects. */
  release(options?: { readonly terminate?: boolean; readonly suspend?: boolean }): Promise<void>;
}
