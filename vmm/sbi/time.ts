import { functions, ok, type SbiCall, type SbiExtension, type SbiResult } from './extension.ts';

/**
 * Sets the calling hart's timer to an absolute time and so clears its pending interrupt; all ones means never
 * (SBI 2.0, "Set Timer").
 */
export function setTimer({ ports, hart, args }: SbiCall): SbiResult {
  ports.harts[hart]!.supervisorTimer = args[0]!;
  return ok();
}

/** The Timer extension (SBI 2.0, chapter 6). */
export const timeExtension: SbiExtension = {
  id: 0x5449_4d45n,
  name: 'TIME',
  functions: functions({ 0: ['set_timer', setTimer] }),
};
