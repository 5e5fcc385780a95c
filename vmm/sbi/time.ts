import {
  FIRMWARE_EVENT,
  functions,
  ok,
  type SbiCall,
  type SbiExtension,
  type SbiResult,
} from './extension.ts';

/**
 * Sets the calling hart's timer to an absolute time and so clears its pending interrupt; all ones means never
 * (SBI 3.0, "Set Timer").
 */
export function setTimer({ ports, hart, args, happened }: SbiCall): SbiResult {
  happened(hart, FIRMWARE_EVENT.setTimer);
  ports.harts[hart]!.supervisorTimer = args[0]!;
  return ok();
}

/** The Timer extension (SBI 3.0, chapter 6). */
export const timeExtension: SbiExtension = {
  id: 0x5449_4d45n,
  name: 'TIME',
  functions: functions({ 0: ['set_timer', setTimer] }),
};
