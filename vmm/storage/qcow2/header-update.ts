import { readPadded } from '../ranges.ts';
import type { OrderedFile } from './ordered-file.ts';

/** All fields of the header lie in the first sector, which storage writes whole or not at all. */
const SECTOR_BYTES = 512;

/** Changes fields of the header at once, and has them on stable storage when it returns, after all that was written before. */
export function updateHeader(file: OrderedFile, change: (header: DataView) => void): void {
  const sector = new Uint8Array(SECTOR_BYTES);
  readPadded(file, 0, sector);
  change(new DataView(sector.buffer));
  file.barrier();
  file.write(0, sector);
  file.barrier();
}
