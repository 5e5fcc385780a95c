import { assert } from '../base/assert.ts';
import { VmError } from '../base/vm-error.ts';
import type { Saved } from '../contracts/device.ts';
import type { Machine, MachineImages, MachineState } from '../contracts/machine.ts';
import type {
  FileStamp,
  MachineSnapshots,
  SnapshotDisk,
  SnapshotFiles,
  SnapshotInput,
} from '../contracts/snapshot.ts';
import type { SavedSnapshot } from '../protocol/messages.ts';
import { checkConfig, checkDisks, checkImages } from './checks.ts';
import { Container, ContainerWriter, MAY_SKIP } from './container.ts';
import { DISK_SECTION, DISK_VERSION, readDisks, writeDisks } from './disks.ts';
import {
  absoluteConfig,
  digestOf,
  HEADER_SECTION,
  HEADER_VERSION,
  imagesOf,
  readHeader,
  type SavedImage,
  type SnapshotHeader,
  savedDisk,
} from './header.ts';
import {
  MEMORY_SECTION,
  MEMORY_VERSION,
  PAGES_SECTION,
  readMemory,
  readMemoryContents,
  writeMemory,
} from './memory.ts';
import { decodeValue, encodeValue } from './values.ts';

/** Longer chains are full of pages that nobody reads any more: the next snapshot is a whole one. */
const CHAIN_MAX = 64;
/** In front of the names of the machine's own sections. */
const STATE = 'state:';

export interface SnapshotSubject {
  readonly machine: Machine;
  readonly images: MachineImages;
  readonly disks: readonly SnapshotDisk[];
}

/** The snapshot that the machine's marks are from. */
interface Base {
  readonly identity: string;
  /** The files that it is made of, newest first. */
  readonly chain: readonly string[];
  /** Of the newest. */
  readonly stamp: FileStamp | undefined;
}

/** The snapshots of one machine. Its pages and disks are marked with each, so that the next can build on it. */
export class Snapshots implements MachineSnapshots {
  readonly #subject: SnapshotSubject;
  readonly #files: SnapshotFiles;
  /** The version that is running, for those who look at a file. */
  readonly #program: string;
  #images: readonly SavedImage[] | undefined;
  #base: Base | null = null;

  constructor(subject: SnapshotSubject, files: SnapshotFiles, program: string) {
    this.#subject = subject;
    this.#files = files;
    this.#program = program;
  }

  save(path: string, { incremental }: { readonly incremental: boolean }): SavedSnapshot {
    const { machine, disks } = this.#subject;
    const file = this.#files.absolute(path);
    const base = incremental && this.#canBuildOn(file) ? this.#base : null;
    for (const disk of disks) disk.flush();
    const output = this.#files.create(file);
    try {
      const writer = new ContainerWriter(output);
      const header = this.#header(file, base);
      writer.section(HEADER_SECTION, HEADER_VERSION, encodeValue(header));
      for (const [name, saved] of Object.entries(machine.save())) {
        writer.section(STATE + name, saved.version, encodeValue(saved));
      }
      const pages = writeMemory(writer, machine.memory, { sinceMark: base !== null });
      const blocks = writeDisks(writer, disks, base !== null);
      const identity = writer.end();
      output.commit();
      this.#mark(identity, [file, ...(base?.chain ?? [])]);
      return {
        ...{ file, bytes: writer.bytes, pages: pages.written, present: pages.present, blocks },
        parent: base?.chain[0] ?? null,
      };
    } catch (error) {
      output.abandon();
      throw error;
    }
  }

  restore(path: string): void {
    const chain = openChain(this.#files, this.#files.absolute(path));
    try {
      this.#restore(chain);
    } finally {
      chain.close();
    }
  }

  #restore({ links }: SnapshotChain): void {
    const { machine, images, disks } = this.#subject;
    const [newest] = links;
    assert(newest !== undefined, 'a chain begins with the file that was asked for');
    const { container, header, name: file } = newest;
    checkConfig(file, header.config, machine.config);
    checkImages(file, header.images, machine.config, images, this.#files);
    checkDisks(file, header.disks, disks, this.#files);
    const state = readState(container, file, machine);
    const { base, size } = readMemoryContents(container, file);
    if (base !== machine.memory.ramBase || size !== machine.memory.ramSize) {
      throw new VmError('bad-file', `the snapshot ${file} is of a machine with other memory`);
    }
    // From here on the machine changes, so nothing should fail: all that can be damaged is looked at before.
    for (const link of links) link.container.verify();
    try {
      readMemory(links, machine.memory);
      readDisks(links, disks);
      machine.restore(state);
    } catch (error) {
      machine.reset();
      this.#base = null;
      if (!(error instanceof VmError)) throw error;
      throw new VmError(error.code, `${error.message}; the machine was reset`);
    }
    this.#mark(
      container.identity,
      links.map((link) => link.name),
    );
  }

  /** A snapshot must not take the place of one that it builds on, nor build on one that something else took the place of. */
  #canBuildOn(file: string): boolean {
    if (this.#base === null) return false;
    const { chain, stamp } = this.#base;
    if (chain.length >= CHAIN_MAX || chain.includes(file)) return false;
    const now = this.#files.stamp(chain[0]!);
    return now !== undefined && now.size === stamp?.size && now.modifiedNs === stamp.modifiedNs;
  }

  #mark(identity: string, chain: readonly string[]): void {
    const { machine, disks } = this.#subject;
    machine.memory.pages.mark();
    for (const { session } of disks) session?.mark();
    this.#base = { identity, chain, stamp: this.#files.stamp(chain[0]!) };
  }

  #header(file: string, base: Base | null): SnapshotHeader {
    const { machine, images, disks } = this.#subject;
    this.#images ??= imagesOf(machine.config, images).map(([option, path, data]) => ({
      ...{ option, file: this.#files.absolute(path), stamp: this.#files.stamp(path) ?? null },
      sha256: digestOf(data),
    }));
    return {
      program: this.#program,
      config: absoluteConfig(machine.config, images, this.#files),
      steps: machine.steps,
      instructions: machine.instructions,
      parent: base && {
        file: this.#files.relative(file, base.chain[0]!),
        identity: base.identity,
      },
      images: this.#images,
      disks: disks.map((disk) => savedDisk(disk, this.#files)),
    };
  }
}

/** One file of a chain of snapshots. */
export interface SnapshotLink {
  readonly name: string;
  readonly container: Container;
  readonly header: SnapshotHeader;
}

/** The files that a snapshot is made of, newest first; closed by who opened them. */
export interface SnapshotChain {
  readonly links: readonly SnapshotLink[];
  close(): void;
}

/** Opens a snapshot and all that it builds on. Throws `VmError('bad-file')`. */
export function openChain(files: SnapshotFiles, path: string): SnapshotChain {
  const inputs: SnapshotInput[] = [];
  const links: SnapshotLink[] = [];
  const close = (): void => {
    for (const input of inputs) input.close();
  };
  try {
    for (let name: string | undefined = files.absolute(path); name !== undefined; ) {
      if (links.length === CHAIN_MAX) {
        throw new VmError('bad-file', `the snapshot ${path} builds on more than ${CHAIN_MAX} others`);
      }
      const child = links.at(-1);
      const input = openLink(files, name, child);
      inputs.push(input);
      const container = new Container(input, name);
      const expected = child?.header.parent?.identity;
      if (expected !== undefined && container.identity !== expected) {
        throw new VmError(
          'bad-file',
          `the snapshot ${child!.name} builds on ${name}, which is another one by now`,
        );
      }
      const header = readHeader(container, name);
      links.push({ name, container, header });
      name = header.parent === null ? undefined : files.absoluteFrom(name, header.parent.file);
    }
  } catch (error) {
    close();
    throw error;
  }
  return { links, close };
}

function openLink(files: SnapshotFiles, name: string, child: SnapshotLink | undefined): SnapshotInput {
  try {
    return files.open(name);
  } catch (error) {
    if (child === undefined || !(error instanceof VmError)) throw error;
    throw new VmError(error.code, `the snapshot ${child.name} builds on another: ${error.message}`);
  }
}

/** Sections that are not the machine's own, with the versions that this code reads. */
const KNOWN = new Map([
  [HEADER_SECTION, HEADER_VERSION],
  [MEMORY_SECTION, MEMORY_VERSION],
  [PAGES_SECTION, MEMORY_VERSION],
  [DISK_SECTION, DISK_VERSION],
]);

/** Reads the machine's sections. One that nobody here knows is refused, unless it says that it may be left out. */
function readState(container: Container, name: string, machine: Machine): MachineState {
  const state: Record<string, Saved> = {};
  for (const section of container.sections) {
    const known = KNOWN.get(section.name);
    if (known === section.version) continue;
    const own = section.name.startsWith(STATE) ? section.name.slice(STATE.length) : '';
    if (machine.sections.includes(own)) {
      state[own] = asSaved(decodeValue(container.payload(section), `${name}: the section '${section.name}'`));
    } else if ((section.flags & MAY_SKIP) === 0) {
      const what =
        known === undefined ? `'${section.name}'` : `'${section.name}' of version ${section.version}`;
      throw new VmError(
        'bad-file',
        `the snapshot ${name} has a section ${what}, which this version of Hartscope does not know`,
      );
    }
  }
  const missing = machine.sections.find((own) => state[own] === undefined);
  if (missing !== undefined)
    throw new VmError('bad-file', `the snapshot ${name} has no section '${missing}'`);
  return state;
}

function asSaved(value: unknown): Saved {
  if (
    typeof value === 'object' &&
    value !== null &&
    'version' in value &&
    typeof value.version === 'number'
  ) {
    return value as Saved;
  }
  throw new VmError('bad-file', 'a section of the snapshot has no version');
}
