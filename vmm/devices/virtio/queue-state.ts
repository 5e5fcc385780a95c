import { VmError } from '../../base/vm-error.ts';
import type { Saved } from '../../contracts/device.ts';
import { SavedReader } from '../saved.ts';
import { QUEUE_SIZE_MAX } from './constants.ts';

/** Alignment of the used ring where a legacy driver sets none. */
const LEGACY_ALIGN_DEFAULT = 4096;

/** All that a queue is between two looks at it: where the driver put its parts, and how far the device has come. */
export interface QueueState {
  size: number;
  ready: boolean;
  /** Guest-physical addresses of descriptor area, driver area and device area (section 2.6). */
  descriptorArea: bigint;
  driverArea: bigint;
  deviceArea: bigint;
  /** Legacy layout: the page that the queue starts at, and the alignment of its used ring. */
  pageNumber: number;
  align: number;
  /** Split: free-running index of the available ring. Packed: offset in the ring. */
  nextAvailable: number;
  /** Likewise of the used ring. */
  nextUsed: number;
  /** Packed rings only (section 2.8.1). */
  availableWrap: boolean;
  usedWrap: boolean;
}

export const initialQueueState = (): QueueState => ({
  size: QUEUE_SIZE_MAX,
  ready: false,
  descriptorArea: 0n,
  driverArea: 0n,
  deviceArea: 0n,
  pageNumber: 0,
  align: LEGACY_ALIGN_DEFAULT,
  nextAvailable: 0,
  nextUsed: 0,
  availableWrap: true,
  usedWrap: true,
});

/** Back to where a queue starts, its place and size untouched (section 2.6.1). */
export function rewindQueue(state: QueueState): void {
  state.ready = false;
  state.nextAvailable = 0;
  state.nextUsed = 0;
  state.availableWrap = true;
  state.usedWrap = true;
}

/** Finds the parts of a queue in the legacy layout, one after another from a page on (section 2.7.2). */
export function placeLegacyQueue(state: QueueState, pageShift: number): void {
  const align = BigInt(state.align);
  const descriptors = BigInt(state.pageNumber) << BigInt(pageShift);
  const available = descriptors + 16n * BigInt(state.size);
  const end = available + 2n * BigInt(3 + state.size);
  state.descriptorArea = descriptors;
  state.driverArea = available;
  state.deviceArea = ((end + align - 1n) / align) * align;
}

export const saveQueue = (state: QueueState): Saved => ({ version: 1, ...state });

/** Throws `VmError('bad-file')`. */
export function restoreQueue(saved: Saved): QueueState {
  const from = new SavedReader(saved, 'a virtqueue', 1);
  const state: QueueState = {
    size: from.number('size'),
    ready: from.boolean('ready'),
    descriptorArea: from.bigint('descriptorArea'),
    driverArea: from.bigint('driverArea'),
    deviceArea: from.bigint('deviceArea'),
    pageNumber: from.number('pageNumber'),
    align: from.number('align'),
    nextAvailable: from.number('nextAvailable'),
    nextUsed: from.number('nextUsed'),
    availableWrap: from.boolean('availableWrap'),
    usedWrap: from.boolean('usedWrap'),
  };
  const words = [state.size, state.nextAvailable, state.nextUsed];
  if (!words.every((value) => Number.isInteger(value) && value >= 0 && value <= 0xffff) || state.align < 1) {
    throw new VmError('bad-file', 'saved state of a virtqueue: sizes and indices are 16 bits wide');
  }
  return state;
}
