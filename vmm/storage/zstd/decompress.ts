import { Decompress } from 'fzstd';

/** What every decoder should have room for (RFC 8878, section 3.1.1.1.2); a header may ask for terabytes. */
const WINDOW_MAX = 8 << 20;

/**
 * The first `size` bytes of what the Zstandard frames at the beginning of `input` hold; what follows is foreign. Fewer bytes
 * when they hold fewer. Throws an `Error` when they are damaged, or one block leads beyond.
 */
export function decompressZstd(input: Uint8Array, size: number): Uint8Array {
  if (windowOf(input) > Math.max(WINDOW_MAX, size)) throw new Error('it needs a window that is too large');
  const output = new Uint8Array(size);
  let done = 0;
  const stream = new Decompress((piece) => {
    if (piece.length > size - done) throw new Error(`it expands to more than ${size} bytes`);
    output.set(piece, done);
    done += piece.length;
  });
  try {
    stream.push(input);
  } catch (error) {
    // Behind the frame the stream looks for another, and finds foreign bytes or the next cluster's frame.
    if (done < size) throw error;
  }
  return output.subarray(0, done);
}

/** Bytes that a decoder sets aside for the frame (RFC 8878, section 3.1.1.1); 0 where no frame begins. */
function windowOf(input: Uint8Array): number {
  if (input.length < 14) return 0;
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  const flags = view.getUint8(4);
  if ((flags & 0x20) === 0) {
    const descriptor = view.getUint8(5);
    const base = 2 ** (10 + (descriptor >> 3));
    return base + (base / 8) * (descriptor & 7);
  }
  // A single segment: the window is the content, whose size follows the dictionary's number.
  const at = 5 + [0, 1, 2, 4][flags & 3]!;
  if (at + 8 > input.length) return 0;
  switch (flags >> 6) {
    case 0:
      return view.getUint8(at);
    case 1:
      return view.getUint16(at, true) + 256;
    case 2:
      return view.getUint32(at, true);
    default:
      return Number(view.getBigUint64(at, true));
  }
}
