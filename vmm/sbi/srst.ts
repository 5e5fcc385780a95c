import { failed, functions, ok, SBI, type SbiCall, type SbiExtension, type SbiResult } from './extension.ts';

/** Types and reasons of a reset (SBI 3.0, "System Reset Extension"). */
const TYPE = { shutdown: 0n, coldReboot: 1n, warmReboot: 2n } as const;
const REASON = { none: 0n, systemFailure: 1n } as const;

function systemReset({ ports, args }: SbiCall): SbiResult {
  const type = BigInt.asUintN(32, args[0]!);
  const reason = BigInt.asUintN(32, args[1]!);
  if (reason !== REASON.none && reason !== REASON.systemFailure) return failed(SBI.invalidParameter);
  if (type !== TYPE.shutdown && type !== TYPE.coldReboot && type !== TYPE.warmReboot) {
    return failed(SBI.invalidParameter);
  }
  ports.system(type === TYPE.shutdown ? 'shutdown' : 'reboot', reason === REASON.systemFailure);
  return ok();
}

/** The System Reset extension (SBI 3.0, chapter 10). */
export const srstExtension: SbiExtension = {
  id: 0x5352_5354n,
  name: 'SRST',
  functions: functions({ 0: ['system_reset', systemReset] }),
};
