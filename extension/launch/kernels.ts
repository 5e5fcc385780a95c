import { open, readdir } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';

const EM_RISCV = 243;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const ET_EXEC = 2;
const ET_DYN = 3;

/** Folders beside the sources where builds put what they link. */
const BUILD_FOLDERS = ['.', 'build', 'out', 'bin', 'target'];

/** Whether `path` starts with the header of a little-endian RISC-V 64 ELF that can run (ELF gABI, "ELF Header"). */
export async function isRiscvExecutable(path: string): Promise<boolean> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return false;
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(20), 0, 20, 0);
    if (bytesRead < 20 || buffer.readUInt32BE(0) !== 0x7f454c46) return false;
    const type = buffer.readUInt16LE(16);
    return (
      buffer[4] === ELFCLASS64 &&
      buffer[5] === ELFDATA2LSB &&
      (type === ET_EXEC || type === ET_DYN) &&
      buffer.readUInt16LE(18) === EM_RISCV
    );
  } catch {
    return false; // A folder, or gone since it was listed.
  } finally {
    await file.close();
  }
}

/**
 * RISC-V executables nearest to a source file: those in its own folder or a build folder there, else the same one
 * folder up, until `root`. Absolute paths, sorted.
 */
export async function kernelsNear(file: string, root: string): Promise<readonly string[]> {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const inside = relative(root, folder);
    if (inside === '..' || inside.startsWith('..' + sep)) return [];
    const lists = await Promise.all(BUILD_FOLDERS.map((name) => kernelsIn(join(folder, name))));
    const found = lists.flat();
    if (found.length > 0) return found.sort();
    if (inside === '' || folder === dirname(folder)) return [];
  }
}

async function kernelsIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(folder, entry.name));
  const verdicts = await Promise.all(paths.map(isRiscvExecutable));
  return paths.filter((_, index) => verdicts[index]);
}
