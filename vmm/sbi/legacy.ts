import { virtual } from '../base/brands.ts';
import { INTERRUPT } from '../contracts/hart.ts';
import { hartsOf, type SbiCall, type SbiPorts } from './extension.ts';
import { sendIpis } from './ipi.ts';
import { fenceInstructions, flushRemote } from './rfence.ts';
import { setTimer } from './time.ts';

/** A call of the legacy extensions: numbered by a7 alone, its one result in a0 and a1 untouched. */
export interface LegacyCall {
  readonly name: string;
  /** Returns a0: 0, a negative error, or for `console_getchar` the character. */
  call(call: SbiCall): bigint;
}

const FAILED = -1n;

/** The legacy extensions (SBI 3.0, chapter 5), which kernels before 5.7 and small guests use. */
export const LEGACY_CALLS: ReadonlyMap<bigint, LegacyCall> = new Map(
  (
    [
      ['set_timer', (call) => setTimer(call).error],
      ['console_putchar', consolePutchar],
      ['console_getchar', ({ ports }) => BigInt(ports.consoleRead() ?? -1)],
      ['clear_ipi', clearIpi],
      ['send_ipi', (call) => forHarts(call, (harts) => sendIpis(call, harts))],
      ['remote_fence_i', (call) => forHarts(call, (harts) => fenceInstructions(call, harts))],
      ['remote_sfence_vma', (call) => remoteFence(call, false)],
      ['remote_sfence_vma_asid', (call) => remoteFence(call, true)],
      ['shutdown', shutdown],
    ] satisfies [string, LegacyCall['call']][]
  ).map(([name, call], id) => [BigInt(id), { name, call }]),
);

function consolePutchar({ ports, args }: SbiCall): bigint {
  ports.consoleWrite(Number(args[0]! & 0xffn));
  return 0n;
}

function clearIpi({ ports, hart }: SbiCall): bigint {
  ports.harts[hart]!.setInterrupt(INTERRUPT.SSIP, false);
  return 0n;
}

function shutdown({ ports }: SbiCall): bigint {
  ports.system('shutdown', false);
  return 0n;
}

function remoteFence(call: SbiCall, withAsid: boolean): bigint {
  const [, start, size, asid] = call.args;
  const all = size === 0n || BigInt.asIntN(64, size!) === -1n;
  const fence = {
    address: all ? null : start!,
    size: size!,
    asid: withAsid ? Number(asid! & 0xffffn) : null,
  };
  return forHarts(call, (harts) => flushRemote(call, harts, fence));
}

/** The mask of harts is in memory, at the virtual address in a0; 0 means all harts. */
function forHarts({ ports, hart, args }: SbiCall, action: (harts: readonly number[]) => void): bigint {
  const address = args[0]!;
  const mask = address === 0n ? undefined : readMask(ports, hart, address);
  if (address !== 0n && mask === undefined) return FAILED;
  const harts = mask === undefined ? [...ports.harts.keys()] : hartsOf(ports, mask, 0n);
  if (harts === undefined) return FAILED;
  action(harts);
  return 0n;
}

/** A double word of the caller's address space; undefined when it is not mapped to RAM. */
function readMask(ports: SbiPorts, hart: number, address: bigint): bigint | undefined {
  let mask = 0n;
  for (let index = 7n; index >= 0n; index -= 1n) {
    const physical = ports.harts[hart]!.walk(virtual(address + index)).physical;
    const byte = physical === undefined ? undefined : ports.ram(physical, 1n)?.[0];
    if (byte === undefined) return undefined;
    mask = (mask << 8n) | BigInt(byte);
  }
  return mask;
}
