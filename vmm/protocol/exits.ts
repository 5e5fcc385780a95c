/**
 * Exits from guest to VMM, modelled on KVM's exit reasons (Documentation/virt/kvm/api.rst, "kvm_run") and
 * wide enough for what a TypeScript core can see. All 64-bit quantities are unsigned bigints.
 */
export type Privilege = 'U' | 'S' | 'M';

export type VmExit =
  | {
      readonly kind: 'mmio';
      readonly device: string;
      readonly register: string;
      readonly offset: number;
      readonly address: bigint;
      readonly size: number;
      readonly write: boolean;
      readonly value: bigint;
    }
  | {
      readonly kind: 'sbi';
      readonly ext: string;
      readonly extId: bigint;
      readonly fn: number;
      readonly function: string;
      readonly args: readonly bigint[];
      readonly error: bigint;
      readonly value: bigint;
    }
  | {
      readonly kind: 'csr';
      readonly csr: string;
      readonly number: number;
      readonly write: boolean;
      readonly old: bigint;
      readonly value: bigint;
    }
  | {
      readonly kind: 'trap';
      readonly cause: number;
      readonly interrupt: boolean;
      readonly name: string;
      readonly tval: bigint;
      readonly from: Privilege;
      readonly to: Privilege;
    }
  | {
      readonly kind: 'irq';
      readonly line: number;
      readonly device: string;
      readonly event: 'raised' | 'lowered' | 'claimed' | 'completed';
    }
  | {
      readonly kind: 'page-fault';
      readonly address: bigint;
      readonly reason: 'outside-ram' | 'not-present' | 'write-protected';
      readonly write: boolean;
    }
  | {
      readonly kind: 'tlb-flush';
      readonly fence: 'sfence.vma' | 'sinval.vma' | 'satp' | 'remote';
      readonly address: bigint | null;
      readonly asid: number | null;
    }
  | {
      readonly kind: 'virtqueue';
      readonly device: string;
      readonly queue: number;
      readonly event: 'kicked' | 'used';
      readonly descriptors: number;
      readonly bytes: number;
    }
  | { readonly kind: 'wfi'; readonly until: bigint | null }
  | { readonly kind: 'nested'; readonly cause: number; readonly htinst: bigint; readonly htval: bigint }
  | {
      readonly kind: 'system';
      readonly event: 'shutdown' | 'reboot' | 'suspend' | 'crash' | 'pass' | 'fail';
      readonly code: number;
    }
  | {
      readonly kind: 'debug';
      readonly event: 'breakpoint' | 'watchpoint' | 'step' | 'semihosting';
      readonly address: bigint;
    };

export type ExitKind = VmExit['kind'];

/** The order is the number of the kind in counters and trace records: append, never reorder. */
export const EXIT_KINDS = [
  'mmio',
  'sbi',
  'csr',
  'trap',
  'irq',
  'page-fault',
  'tlb-flush',
  'virtqueue',
  'wfi',
  'nested',
  'system',
  'debug',
] as const satisfies readonly ExitKind[];

/** The kinds that guests of this version can cause; the other waits for the hypervisor extension. */
export const AVAILABLE_EXIT_KINDS = [
  'mmio',
  'sbi',
  'csr',
  'trap',
  'irq',
  'page-fault',
  'tlb-flush',
  'virtqueue',
  'wfi',
  'system',
  'debug',
] as const satisfies readonly ExitKind[];

/** `pre`: before the VMM handled the exit; `post`: after. */
export type ExitStage = 'pre' | 'post';

/** Where an exit happened. `step` is the machine's step count (see ARCHITECTURE.md, "Time and determinism"). */
export interface ExitContext {
  readonly hart: number;
  readonly pc: bigint;
  readonly step: bigint;
  readonly stage: ExitStage;
  /** The handler's time in nanoseconds; a measurement, 0 in `pre`. Takes no part in the guest's run. */
  readonly handlerNs: number;
}

/** One line of the trace: an exit, where it happened, and its number since the machine was made. */
export type ExitRecord = ExitContext & { readonly sequence: number; readonly exit: VmExit };

/** What a breakpoint on an exit does when it hits. Skipping the effect and editing the result come with later versions. */
export type ExitAction = 'stop' | 'log';
