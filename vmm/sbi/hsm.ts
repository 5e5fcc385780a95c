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

/** Default suspend types (SBI 3.0, "Hart suspend"): registers kept, or lost with a new start on resumption. */
const SUSPEND = { retentive: 0x0000_0000n, nonRetentive: 0x8000_0000n } as const;

function start({ ports, args }: SbiCall): SbiResult {
  const [hart, address, opaque] = args;
  if (hart! >= BigInt(ports.harts.length)) return failed(SBI.invalidParameter);
  if (ports.hartState(Number(hart)) !== HART_STATE.stopped) return failed(SBI.alreadyAvailable);
  if (!executable(ports, address!)) return failed(SBI.invalidAddress);
  ports.startHart(Number(hart), address!, opaque!);
  return ok();
}

function getStatus({ ports, args }: SbiCall): SbiResult {
  const hart = args[0]!;
  if (hart >= BigInt(ports.harts.length)) return failed(SBI.invalidParameter);
  return ok(ports.hartState(Number(hart)));
}

/** Does not return when it succeeds: the hart stands still until it is started again. */
function stop({ ports, hart }: SbiCall): SbiResult {
  ports.stopHart(hart);
  return ok();
}

function suspend({ ports, hart, args }: SbiCall): SbiResult {
  const [type, resumeAddress, opaque] = args;
  // The type is a 32-bit number; what a caller leaves above it is not part of it.
  switch (BigInt.asUintN(32, type!)) {
    case SUSPEND.retentive:
      ports.suspendHart(hart);
      return ok();
    case SUSPEND.nonRetentive:
      if (!executable(ports, resumeAddress!)) return failed(SBI.invalidAddress);
      ports.suspendHart(hart, { pc: resumeAddress!, opaque: opaque! });
      return ok();
    default:
      return failed(SBI.invalidParameter);
  }
}

/** The Hart State Management extension (SBI 3.0, chapter 9). */
export const hsmExtension: SbiExtension = {
  id: 0x48_534dn,
  name: 'HSM',
  functions: functions({
    0: ['hart_start', start],
    1: ['hart_stop', stop],
    2: ['hart_get_status', getStatus],
    3: ['hart_suspend', suspend],
  }),
};
