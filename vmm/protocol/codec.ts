import { Packr } from 'msgpackr/pack';
import { VmError } from '../base/vm-error.ts';

/** The largest frame either side sends or takes: the largest memory transfer (16 MiB) and room for its envelope. */
export const FRAME_BYTES_MAX = (16 << 20) + (64 << 10);

/**
 * `structuredClone` carries bigints and typed arrays as they are. Records are msgpackr's own compression and keep state
 * between messages; without them each frame stands for itself, so a damaged one harms no other.
 * `msgpackr/pack` is the pure JavaScript build: a native addon would have to match VS Code's runtime.
 */
const packr = new Packr({ structuredClone: true, useRecords: false, mapsAsObjects: true });

/**
 * One message as one MessagePack frame. Bigints of up to 64 bits and `Uint8Array` keep their types.
 *
 * @throws VmError `bad-request` when the frame would be larger than `FRAME_BYTES_MAX`.
 */
export function encodeMessage(message: object): Uint8Array<ArrayBuffer> {
  const packed = packr.pack(message);
  if (packed.length > FRAME_BYTES_MAX) {
    throw new VmError(
      'bad-request',
      `a message of ${packed.length} bytes is too large; ask for less at a time`,
    );
  }
  // msgpackr packs into one buffer again and again; the frame may still be in a socket's queue by then.
  return new Uint8Array(packed);
}

/**
 * The message in a frame that anybody may have sent. Nothing about its shape is known yet.
 *
 * @throws VmError `bad-request` when the bytes are no MessagePack value, or more than one.
 */
export function decodeMessage(frame: Uint8Array): unknown {
  if (frame.length > FRAME_BYTES_MAX) {
    throw new VmError('bad-request', `a frame of ${frame.length} bytes is larger than ${FRAME_BYTES_MAX}`);
  }
  try {
    return packr.unpack(frame);
  } catch (error) {
    // Besides its own errors msgpackr lets a RangeError or TypeError out where the bytes make no sense.
    const reason = error instanceof Error ? error.message.split('\n')[0]!.slice(0, 100) : String(error);
    throw new VmError('bad-request', `the frame is not MessagePack: ${reason}`);
  }
}
