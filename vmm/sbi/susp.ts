import {
  executable,
  failed,
  functions,
  HART_STATE,
  ok,
  SBI,
  type SbiCall,
  type SbiExtension,
  type SbiResult,
} from './extension.ts';

/** The one sleep type that the specification gives a number (SBI 3.0, "System Sleep Types"). */
const SUSPEND_TO_RAM = 0n;

/**
 * Puts the whole machine to sleep; all other harts must be stopped. It wakes as a hart does from a non-retentive
 * suspension, by any interrupt that is enabled in `sie`, since the board has no power controller that would mask some.
 */
function systemSuspend({ ports, hart, args }: SbiCall): SbiResult {
  const [type, resumeAddress, opaque] = args;
  if (BigInt.asUintN(32, type!) !== SUSPEND_TO_RAM) return failed(SBI.invalidParameter);
  const isAlone = ports.harts.every(
    (_, other) => other === hart || ports.hartState(other) === HART_STATE.stopped,
  );
  if (!isAlone) return failed(SBI.denied);
  if (!executable(ports, resumeAddress!)) return failed(SBI.invalidAddress);
  ports.systemSuspended();
  ports.suspendHart(hart, { pc: resumeAddress!, opaque: opaque! });
  return ok();
}

/** The System Suspend extension (SBI 3.0, chapter 13). */
export const suspExtension: SbiExtension = {
  id: 0x5355_5350n,
  name: 'SUSP',
  functions: functions({ 0: ['system_suspend', systemSuspend] }),
};
