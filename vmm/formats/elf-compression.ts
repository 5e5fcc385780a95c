import { inflateSync, constants as zlibConstants } from 'node:zlib';
import { ByteReader } from '../base/bytes.ts';
import { VmError } from '../base/vm-error.ts';

/** Deflate cannot expand by more (zlib's technical notes: 1032 to 1), so a larger claim is a lie about the size. */
const DEFLATE_RATIO_MAX = 1032;

/**
 * Undoes `SHF_COMPRESSED` of the section `name` (System V ABI, "Compression Header"). Throws `VmError('bad-file')` when
 * the contents are damaged, lie about their size, or are compressed by another method than zlib's.
 */
export function decompress(name: string, contents: Uint8Array): Uint8Array {
  const reader = new ByteReader(contents, `the compressed section ${name}`);
  const type = reader.u32();
  reader.skip(4);
  const size = reader.size64();
  reader.skip(8); // ch_addralign
  if (type !== 1) {
    const method = type === 2 ? 'zstd' : `method ${type}`;
    throw new VmError(
      'bad-file',
      `section ${name} is compressed with ${method}; use zlib (-gz=zlib) or none (objcopy --decompress-debug-sections)`,
    );
  }
  const compressed = reader.take(reader.remaining);
  if (size > (compressed.length + 1) * DEFLATE_RATIO_MAX) {
    throw reader.error(`${compressed.length} bytes cannot expand to ${size}`);
  }
  let data: Uint8Array;
  try {
    data = inflateSync(compressed, { maxOutputLength: size + 1, finishFlush: zlibConstants.Z_SYNC_FLUSH });
  } catch (error) {
    throw reader.error(`damaged contents: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (data.length !== size) throw reader.error(`expands to ${data.length} bytes instead of ${size}`);
  return new Uint8Array(data.buffer, data.byteOffset, data.length);
}
