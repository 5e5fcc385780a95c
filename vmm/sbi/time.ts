import { failed, functions, ok, SBI, type SbiCall, type SbiExtension, type SbiResult } from './extension.ts';

/** The harts have Sstc, so the timer is the supervisor's own (RISC-V privileged, "stimecmp"). */
const STIMECMP = 0x14d;

/**
 * Sets the calling hart's timer to an absolute time and so clears its pending interrupt; all ones means never
 * (SBI 2.0, "Set Timer").
 */
export function setTimer({ ports, hart, args }: SbiCall): SbiResult {
  return ports.harts[hart]!.writeCsr(STIMECMP, args[0]!) ? ok() : failed(SBI.notSupported);
}

/** The Timer extension (SBI 2.0, chapter 6). */
export const timeExtension: SbiExtension = {
  id: 0x5449_4d45n,
  name: 'TIME',
  functions: functions({ 0: ['set_timer', setTimer] }),
};
