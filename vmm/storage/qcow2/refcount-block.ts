const HIGH = 2 ** 32;

/** Refcount `index` of a block whose counts are `bits` wide (qcow2, "Refcount block entry"). */
export function getCount(block: DataView, bits: number, index: number): number {
  switch (bits) {
    case 8:
      return block.getUint8(index);
    case 16:
      return block.getUint16(index * 2);
    case 32:
      return block.getUint32(index * 4);
    case 64:
      return block.getUint32(index * 8) * HIGH + block.getUint32(index * 8 + 4);
    default: {
      // "If refcount_bits implies a sub-byte width, bit 0 means the least significant bit."
      const bit = index * bits;
      return (block.getUint8(bit >>> 3) >>> (bit & 7)) & ((1 << bits) - 1);
    }
  }
}

/** Sets refcount `index`; returns the position of the first byte that changed. */
export function setCount(block: DataView, bits: number, index: number, count: number): number {
  switch (bits) {
    case 8:
      block.setUint8(index, count);
      return index;
    case 16:
      block.setUint16(index * 2, count);
      return index * 2;
    case 32:
      block.setUint32(index * 4, count);
      return index * 4;
    case 64:
      block.setUint32(index * 8, Math.floor(count / HIGH));
      block.setUint32(index * 8 + 4, count % HIGH);
      return index * 8;
    default: {
      const bit = index * bits;
      const at = bit >>> 3;
      const mask = ((1 << bits) - 1) << (bit & 7);
      block.setUint8(at, (block.getUint8(at) & ~mask) | (count << (bit & 7)));
      return at;
    }
  }
}

/** Bytes that a change of one count touches. */
export const countBytes = (bits: number): number => Math.max(1, bits >>> 3);
