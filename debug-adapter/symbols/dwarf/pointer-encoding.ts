import type { ByteReader } from '../../../vmm/base/bytes.ts';

/** Low half: how a pointer is written (Linux Standard Base, "DWARF Exception Header Encoding"). */
const FORMAT = {
  absolute: 0x00,
  uleb: 0x01,
  udata2: 0x02,
  udata4: 0x03,
  udata8: 0x04,
  sleb: 0x09,
  sdata2: 0x0a,
  sdata4: 0x0b,
  sdata8: 0x0c,
} as const;
const APPLICATION = { absolute: 0x00, pcRelative: 0x10 } as const;

/** What `.debug_frame` uses throughout. */
export const ABSOLUTE_POINTER = 0;

/** Reads a pointer of `.eh_frame`; one that is absolute gets the file's bias. */
export function readEncoded(
  reader: ByteReader,
  encoding: number,
  context: { readonly sectionAddress: bigint; readonly bias: bigint },
): bigint {
  const position = BigInt(reader.offset);
  const value = readFormat(reader, encoding & 0x0f);
  switch (encoding & 0x70) {
    case APPLICATION.absolute:
      return BigInt.asUintN(64, value + context.bias);
    case APPLICATION.pcRelative:
      return BigInt.asUintN(64, context.sectionAddress + position + value);
    default:
      // Relative to text, data or function: no RISC-V toolchain writes those.
      throw reader.error(`a frame pointer in the unknown encoding 0x${encoding.toString(16)}`);
  }
}

function readFormat(reader: ByteReader, format: number): bigint {
  switch (format) {
    case FORMAT.absolute:
    case FORMAT.udata8:
      return reader.u64();
    case FORMAT.uleb:
      return reader.ulebBig();
    case FORMAT.udata2:
      return BigInt(reader.u16());
    case FORMAT.udata4:
      return BigInt(reader.u32());
    case FORMAT.sleb:
      return reader.slebBig();
    case FORMAT.sdata2:
      return BigInt(reader.i16());
    case FORMAT.sdata4:
      return BigInt(reader.i32());
    case FORMAT.sdata8:
      return reader.i64();
    default:
      throw reader.error(`a frame pointer in the unknown format 0x${format.toString(16)}`);
  }
}
