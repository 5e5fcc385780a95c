import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { BlockImage } from '../../vmm/contracts/storage.ts';
import { openImageFile, temporaryImageFile } from '../../vmm/host/image-file.ts';
import { type DriveOptions, openDrive } from '../../vmm/storage/index.ts';

/** A folder for the images of one test, removed with all that is in it. */
export class ImageFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'hartscope-images-'));

  file(name: string): string {
    return join(this.path, name);
  }

  write(name: string, contents: Uint8Array): string {
    writeFileSync(this.file(name), contents);
    return this.file(name);
  }

  read(name: string): Uint8Array {
    return new Uint8Array(readFileSync(this.file(name)));
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Runs `qemu-img` in `folder` and returns what it printed. */
export function qemuImg(folder: ImageFolder, ...args: string[]): string {
  return execFileSync('qemu-img', args, { cwd: folder.path, encoding: 'utf8', stdio: 'pipe' });
}

/** Runs `qemu-io` commands on an image; `format` is what it is opened as. */
export function qemuIo(
  folder: ImageFolder,
  image: string,
  format: string,
  commands: readonly string[],
): string {
  const args = ['-d', 'unmap', '-f', format, ...commands.flatMap((command) => ['-c', command]), image];
  const output = execFileSync('qemu-io', args, { cwd: folder.path, encoding: 'utf8', stdio: 'pipe' });
  // It exits with 0 after a command that failed.
  expect(output).not.toMatch(/failed|error|Pattern verification/i);
  return output;
}

export interface QemuCheck {
  readonly corruptions: number;
  readonly leaks: number;
  readonly text: string;
}

/** What `qemu-img check` says of a qcow2 image. */
export function qemuCheck(folder: ImageFolder, image: string): QemuCheck {
  const { status, stdout, stderr } = spawnSync('qemu-img', ['check', '-f', 'qcow2', '--output=json', image], {
    cwd: folder.path,
    encoding: 'utf8',
  });
  if (status !== 0 && status !== 2 && status !== 3) throw new Error(`qemu-img check: ${stderr}`);
  const report = JSON.parse(stdout) as Record<string, number | undefined>;
  return { corruptions: report['corruptions'] ?? 0, leaks: report['leaks'] ?? 0, text: stderr };
}

/** Opens an image of `folder` as a VM would, for writing unless the options say otherwise. */
export function openImage(
  folder: ImageFolder,
  name: string,
  options: Partial<DriveOptions> = {},
): BlockImage {
  return openDrive(
    { path: folder.file(name), readOnly: false, overlay: false, ...options },
    { open: openImageFile, temporary: temporaryImageFile },
  );
}
