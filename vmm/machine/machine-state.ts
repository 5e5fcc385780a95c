import { VmError } from '../base/vm-error.ts';
import type { Saved } from '../contracts/device.ts';
import type { HartGroup } from '../contracts/hart.ts';
import type { MachineState } from '../contracts/machine.ts';
import type { Htif } from '../devices/htif.ts';
import { SavedReader } from '../devices/saved.ts';
import type { VmEnd } from '../protocol/messages.ts';
import type { Board } from './board.ts';
import type { Paravirtual } from './paravirtual.ts';
import type { RunLoop } from './run-loop.ts';

/** The parts of a machine whose state goes into a section each. */
export interface StatefulParts {
  readonly group: HartGroup;
  readonly loop: RunLoop;
  readonly board: Board;
  readonly paravirtual: Paravirtual | undefined;
  readonly htif: Htif | undefined;
}

const CACHES = 'caches';
const HTIF = 'htif';
const SBI = 'sbi';
const SCHEDULER = 'scheduler';
const hartSection = (hart: number): string => `hart${hart}`;
const deviceSection = (device: string): string => `device:${device}`;

/**
 * All that the parts are and that a guest could ever find out, RAM and the contents of disks left out, by section.
 *
 * What a session watches is not part of it: breakpoints, traces, counts of exits and of steps by tier.
 */
export function saveParts({ group, loop, board, paravirtual, htif }: StatefulParts): MachineState {
  const harts = group.harts.map((hart, index) => [hartSection(index), hart.save()] as const);
  const devices = board.placed.map(
    ({ region, device }) => [deviceSection(region.name), device.save()] as const,
  );
  return {
    ...Object.fromEntries(harts),
    ...Object.fromEntries(devices),
    [SCHEDULER]: loop.save(),
    [CACHES]: group.save(),
    ...(paravirtual && { [SBI]: paravirtual.save() }),
    ...(htif && { [HTIF]: htif.save() }),
  };
}

/**
 * Puts the parts into a state that `saveParts` gave, RAM being restored already. Throws `VmError('bad-file')`, with the
 * parts in no state to run in, when a section is missing or does not fit.
 */
export function restoreParts(
  { group, loop, board, paravirtual, htif }: StatefulParts,
  state: MachineState,
): void {
  // The lines that devices raise as they are restored are overwritten by those saved: of the interrupt controller, which is
  // the last device, and of the harts.
  for (const { region, device } of board.placed) device.restore(section(state, deviceSection(region.name)));
  if (paravirtual !== undefined) paravirtual.restore(section(state, SBI));
  for (const [index, hart] of group.harts.entries()) hart.restore(section(state, hartSection(index)));
  if (htif !== undefined) htif.restore(section(state, HTIF));
  loop.restore(section(state, SCHEDULER));
  group.restore(section(state, CACHES));
}

/** The names of the sections that the parts read. */
export function sectionsOf({ group, board, paravirtual, htif }: StatefulParts): string[] {
  return [
    ...group.harts.map((_, index) => hartSection(index)),
    ...board.placed.map(({ region }) => deviceSection(region.name)),
    ...[SCHEDULER, CACHES],
    ...(paravirtual === undefined ? [] : [SBI]),
    ...(htif === undefined ? [] : [HTIF]),
  ];
}

/** The section of that name, which must be there. */
export function section(state: MachineState, name: string): Saved {
  const found = state[name];
  if (found === undefined) throw new VmError('bad-file', `the saved machine has no section '${name}'`);
  return found;
}

const END_REASONS = ['pass', 'fail', 'shutdown', 'crash'] as const satisfies readonly VmEnd['reason'][];

/** How a guest ended, null when it goes on. */
export const saveEnd = (end: VmEnd | null): Saved =>
  end === null ? { version: 1, reason: '', code: 0 } : { version: 1, reason: end.reason, code: end.code };

export function restoreEnd(saved: Saved): VmEnd | null {
  const from = new SavedReader(saved, "the guest's end", 1);
  const reason = from.string('reason');
  if (reason === '') return null;
  const known = END_REASONS.find((name) => name === reason);
  if (known === undefined) throw new VmError('bad-file', `a guest does not end with '${reason}'`);
  return { reason: known, code: from.number('code') };
}
