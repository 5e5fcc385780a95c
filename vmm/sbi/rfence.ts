import {
  FIRMWARE_EVENT,
  failed,
  functions,
  hartsOf,
  ok,
  SBI,
  type SbiCall,
  type SbiExtension,
  type SbiResult,
} from './extension.ts';

/** What a remote fence is for, as its `tlb-flush` exits tell it. */
interface Fence {
  /** Null for all addresses. */
  readonly address: bigint | null;
  readonly size: bigint;
  readonly asid: number | null;
}

const EVENTS = {
  sfenceVma: [FIRMWARE_EVENT.sfenceVmaSent, FIRMWARE_EVENT.sfenceVmaReceived],
  sfenceVmaAsid: [FIRMWARE_EVENT.sfenceVmaAsidSent, FIRMWARE_EVENT.sfenceVmaAsidReceived],
} as const;

/**
 * Drops cached translations of the harts, of the addresses in every address space: more than asked for is always
 * allowed (RISC-V privileged, "Supervisor Memory-Management Fence Instruction").
 */
export function flushRemote(call: SbiCall, harts: readonly number[], fence: Fence): void {
  const { ports, happened } = call;
  const { exits } = ports;
  const { address, size, asid } = fence;
  const [sent, received] = asid === null ? EVENTS.sfenceVma : EVENTS.sfenceVmaAsid;
  const exit = { kind: 'tlb-flush', fence: 'remote', address, asid } as const;
  for (const hart of harts) {
    happened(call.hart, sent);
    happened(hart, received);
    exits.count(hart, 'tlb-flush');
    if (exits.watches('tlb-flush', 'pre')) exits.report(hart, 'pre', exit, 0);
    ports.harts[hart]!.flushTranslations(address === null ? undefined : { start: address, size });
    if (exits.watches('tlb-flush', 'post')) exits.report(hart, 'post', exit, 0);
  }
}

/** Harts see each other's stores to code at once, so an instruction fence has nothing left to do but be counted. */
export function fenceInstructions({ hart: sender, happened }: SbiCall, harts: readonly number[]): void {
  for (const hart of harts) {
    happened(sender, FIRMWARE_EVENT.fenceISent);
    happened(hart, FIRMWARE_EVENT.fenceIReceived);
  }
}

function fenceI(call: SbiCall): SbiResult {
  const harts = hartsOf(call.ports, call.args[0]!, call.args[1]!);
  if (harts === undefined) return failed(SBI.invalidParameter);
  fenceInstructions(call, harts);
  return ok();
}

/** Both sizes 0, and a size of all ones, mean the whole address space (SBI 3.0, "Remote Fence"). */
function sfenceVma(call: SbiCall, asid: number | null): SbiResult {
  const [mask, base, start, size] = call.args;
  const harts = hartsOf(call.ports, mask!, base!);
  if (harts === undefined) return failed(SBI.invalidParameter);
  const all = size === 0n || BigInt.asIntN(64, size!) === -1n;
  if (!all && start! + size! > 1n << 64n) return failed(SBI.invalidAddress);
  flushRemote(call, harts, { address: all ? null : start!, size: size!, asid });
  return ok();
}

/** The RFENCE extension (SBI 3.0, chapter 8). The fences for guests of a hypervisor need the H extension. */
export const rfenceExtension: SbiExtension = {
  id: 0x5246_4e43n,
  name: 'RFENCE',
  functions: functions({
    0: ['remote_fence_i', fenceI],
    1: ['remote_sfence_vma', (call) => sfenceVma(call, null)],
    2: ['remote_sfence_vma_asid', (call) => sfenceVma(call, Number(call.args[4]! & 0xffffn))],
    3: ['remote_hfence_gvma_vmid', () => failed(SBI.notSupported)],
    4: ['remote_hfence_gvma', () => failed(SBI.notSupported)],
    5: ['remote_hfence_vvma_asid', () => failed(SBI.notSupported)],
    6: ['remote_hfence_vvma', () => failed(SBI.notSupported)],
  }),
};
