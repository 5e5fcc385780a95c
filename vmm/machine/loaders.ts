import { hex } from '../base/brands.ts';
import { VmError } from '../base/vm-error.ts';
import type { GuestMemory } from '../contracts/memory.ts';
import { type Elf, type ElfSegment, isElf, parseElf, SECTION_FLAG, SEGMENT_TYPE } from '../formats/elf.ts';

/** An image in memory: the guest-physical range it takes, and where it starts. */
export interface LoadedImage {
  readonly start: bigint;
  readonly end: bigint;
  readonly entry: bigint;
  /** Mailboxes of the host-target interface, where the image has such symbols. */
  readonly tohost?: bigint | undefined;
  readonly fromhost?: bigint | undefined;
}

export interface Image {
  readonly name: string;
  readonly data: Uint8Array;
}

/**
 * Loads an ELF where its headers say, or anything else as a raw image at `rawAddress`. Addresses are
 * guest-physical. Throws `VmError('bad-file')`, naming the file, for an image that is damaged, for another
 * machine, or that does not fit RAM.
 */
export function loadImage(memory: GuestMemory, image: Image, rawAddress: bigint): LoadedImage {
  const { name, data } = image;
  if (data.length === 0) throw new VmError('bad-file', `${name} is empty`);
  if (!isElf(data)) {
    placeBytes(memory, rawAddress, data, name);
    return { start: rawAddress, end: rawAddress + BigInt(data.length), entry: rawAddress };
  }
  try {
    return loadElf(memory, parseElf(data));
  } catch (error) {
    if (error instanceof VmError) throw new VmError(error.code, `${name}: ${error.message}`);
    throw error;
  }
}

/** Copies bytes to RAM. Throws `VmError('bad-file')` when the range is not all RAM. */
export function placeBytes(memory: GuestMemory, address: bigint, data: Uint8Array, what: string): void {
  const range = ramRange(memory, address, BigInt(data.length));
  if (range === undefined)
    throw new VmError('bad-file', `${what} ${outsideRam(memory, address, data.length)}`);
  range.set(data);
  noteWritten(memory, address, data.length);
}

/** RAM at an address was written from outside the harts. */
export function noteWritten(memory: GuestMemory, address: bigint, length: number): void {
  memory.pages.wrote(Number(address) - memory.ramBase, length);
}

/** A range of RAM as host bytes; undefined when some of it is not RAM. */
export function ramRange(memory: GuestMemory, address: bigint, length: bigint): Uint8Array | undefined {
  const offset = address - BigInt(memory.ramBase);
  if (offset < 0n || length < 0n || offset + length > BigInt(memory.ramSize)) return undefined;
  return memory.ram.subarray(Number(offset), Number(offset + length));
}

function loadElf(memory: GuestMemory, elf: Elf): LoadedImage {
  const segments = elf.segments
    .filter(({ type, memSize }) => type === SEGMENT_TYPE.load && memSize > 0)
    .map((segment) => withoutHeaders(memory, elf, segment));
  if (segments.length === 0) {
    throw new VmError(
      'bad-file',
      'the ELF file has nothing to load: it is an object file or holds symbols only',
    );
  }
  for (const segment of segments) {
    const range = ramRange(memory, segment.paddr, BigInt(segment.memSize));
    if (range === undefined) {
      const what = `the ELF file's segment ${segment.index}`;
      throw new VmError('bad-file', `${what} ${outsideRam(memory, segment.paddr, segment.memSize)}`);
    }
    range.fill(0);
  }
  // After all zeros: the zeroed end of one segment may lie over the place of another's bytes.
  for (const { paddr, data } of segments) {
    ramRange(memory, paddr, BigInt(data.length))!.set(data);
    noteWritten(memory, paddr, data.length);
  }
  const bounds = segments.flatMap(({ paddr, memSize }) => [paddr, paddr + BigInt(memSize)]);
  bounds.sort((a, b) => (a < b ? -1 : 1));
  return {
    start: bounds.at(0)!,
    end: bounds.at(-1)!,
    entry: toPhysical(elf, elf.entry),
    tohost: elf.tohost === undefined ? undefined : toPhysical(elf, elf.tohost),
    fromhost: elf.fromhost === undefined ? undefined : toPhysical(elf, elf.fromhost),
  };
}

/** What of a segment goes to memory. */
interface Piece {
  readonly index: number;
  readonly paddr: bigint;
  readonly memSize: number;
  readonly data: Uint8Array;
}

/**
 * Linkers put the file's own headers in front of the first section, so an image linked to the very start of RAM
 * by `-Ttext=` alone has a page before it. Nothing reads the headers there: what lies before RAM is left out.
 */
function withoutHeaders(memory: GuestMemory, elf: Elf, segment: ElfSegment): Piece {
  const { paddr, vaddr, memSize, data } = segment;
  const index = elf.segments.indexOf(segment);
  const before = BigInt(memory.ramBase) - paddr;
  const isHeaderPage =
    segment.offset === 0 && before > 0n && before < BigInt(memSize) && before <= HEADER_PAGE;
  const holdsSections = elf.sections.some(
    ({ flags, size, address }) =>
      (flags & SECTION_FLAG.alloc) !== 0 && size > 0 && address >= vaddr && address < vaddr + before,
  );
  if (!isHeaderPage || holdsSections) return { index, paddr, memSize, data };
  const cut = Number(before);
  return { index, paddr: paddr + before, memSize: memSize - cut, data: data.subarray(cut) };
}

/** Linkers align segments to pages of at most 64 KiB. */
const HEADER_PAGE = 0x1_0000n;

/**
 * The load address of a link address: kernels linked for paging (`vaddr` unlike `paddr`) start with it off.
 * An address in no segment is taken as it stands.
 */
function toPhysical(elf: Elf, address: bigint): bigint {
  const holder = elf.segments.find(
    ({ type, vaddr, memSize }) =>
      type === SEGMENT_TYPE.load && address >= vaddr && address < vaddr + BigInt(memSize),
  );
  return holder === undefined ? address : address - holder.vaddr + holder.paddr;
}

function outsideRam(memory: GuestMemory, address: bigint, length: number): string {
  const end = memory.ramBase + memory.ramSize;
  return (
    `takes ${hex(address)} to ${hex(address + BigInt(length))}, but RAM is ${hex(memory.ramBase)} to ${hex(end)}; ` +
    'give the machine more memory or link the image elsewhere'
  );
}
