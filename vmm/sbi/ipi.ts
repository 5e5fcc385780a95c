import { INTERRUPT } from '../contracts/hart.ts';
import {
  failed,
  functions,
  hartsOf,
  ok,
  SBI,
  type SbiCall,
  type SbiExtension,
  type SbiPorts,
  type SbiResult,
} from './extension.ts';

/** Raises the supervisor software interrupt of harts that run. A stopped hart has no supervisor to interrupt. */
export function sendIpis(ports: SbiPorts, harts: readonly number[]): void {
  for (const hart of harts) ports.harts[hart]!.setInterrupt(INTERRUPT.SSIP, true);
}

function sendIpi({ ports, args }: SbiCall): SbiResult {
  const harts = hartsOf(ports, args[0]!, args[1]!);
  if (harts === undefined) return failed(SBI.invalidParameter);
  sendIpis(ports, harts);
  return ok();
}

/** The IPI extension, "sPI" (SBI 2.0, chapter 7). */
export const ipiExtension: SbiExtension = {
  id: 0x73_5049n,
  name: 'IPI',
  functions: functions({ 0: ['send_ipi', sendIpi] }),
};
