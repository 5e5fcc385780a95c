import { INTERRUPT } from '../contracts/hart.ts';
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

/** Raises the supervisor software interrupt of harts that run. A stopped hart has no supervisor to interrupt. */
export function sendIpis({ ports, hart: sender, happened }: SbiCall, harts: readonly number[]): void {
  for (const hart of harts) {
    happened(sender, FIRMWARE_EVENT.ipiSent);
    happened(hart, FIRMWARE_EVENT.ipiReceived);
    ports.harts[hart]!.setInterrupt(INTERRUPT.SSIP, true);
  }
}

function sendIpi(call: SbiCall): SbiResult {
  const harts = hartsOf(call.ports, call.args[0]!, call.args[1]!);
  if (harts === undefined) return failed(SBI.invalidParameter);
  sendIpis(call, harts);
  return ok();
}

/** The IPI extension, "sPI" (SBI 3.0, chapter 7). */
export const ipiExtension: SbiExtension = {
  id: 0x73_5049n,
  name: 'IPI',
  functions: functions({ 0: ['send_ipi', sendIpi] }),
};
