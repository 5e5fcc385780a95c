import { VmError } from '../base/vm-error.ts';
import type { ErrorReport } from '../contracts/worker.ts';

/** An error as it is sent: anything but a `VmError` is our own bug, reported so that the peer is not left waiting. */
export function errorReport(error: unknown): ErrorReport {
  if (error instanceof VmError) {
    const { code, message, column } = error;
    return column === undefined ? { code, message } : { code, message, column };
  }
  return { code: 'internal', message: `an error in Hartscope itself: ${describe(error)}` };
}

/** The `VmError` that a report was made from. */
export const errorOf = (report: ErrorReport): VmError =>
  new VmError(report.code, report.message, report.column);

/** One line about anything that was thrown. */
export function describe(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}
