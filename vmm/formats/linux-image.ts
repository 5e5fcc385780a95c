/**
 * The symbols that a Linux kernel carries in its own image for its stack traces (CONFIG_KALLSYMS), which is all that a
 * distribution's stripped kernel has. Nothing points to them: they are found by their shape.
 *
 * Layout: Linux, `scripts/kallsyms.c`, `write_src`. In this order stand the number of symbols, the compressed names, a marker
 * for every 256th name, 256 tokens as strings, and where each token begins. Since 6.4 the addresses follow, before they came first.
 */
export interface KernelSymbol {
  readonly name: string;
  /** As `nm` prints it: `T` code, `D` data, lower case when local. */
  readonly type: string;
  readonly address: bigint;
}

/** `ARM64_IMAGE_MAGIC`'s sister at offset 56 of an image (Linux, `Documentation/arch/riscv/boot-image-header.rst`). */
const MAGIC = 'RSC\x05';
const MAGIC_OFFSET = 56;
/** Where kernels are linked: 2 GiB below the end of the address space (Linux, `Documentation/arch/riscv/vm-layout.rst`). */
const LINK_ADDRESS = 0xffff_ffff_8000_0000n;
const TOKENS = 256;
const NAMES_PER_MARKER = 256;
/** Names are that much padded at most, whose end is the markers' beginning. */
const ALIGNMENT = 8;
/** A distribution's kernel has 200,000. */
const SYMBOLS_MAX = 1 << 22;

/** True for a kernel as its build makes it for boot loaders (`arch/riscv/boot/Image`). */
export function isLinuxImage(bytes: Uint8Array): boolean {
  return (
    bytes.length > MAGIC_OFFSET + MAGIC.length &&
    [...MAGIC].every((character, index) => bytes[MAGIC_OFFSET + index] === character.charCodeAt(0))
  );
}

/** The symbols of a kernel image, by address; empty when it has none, or keeps them in a way that is not known here. */
export function linuxSymbols(image: Uint8Array): readonly KernelSymbol[] {
  const view = new DataView(image.buffer, image.byteOffset, image.length);
  const tokens = findTokens(image, view);
  if (tokens === undefined) return [];
  const names = findNames(image, view, tokens.start);
  if (names === undefined) return [];
  const offsets = findOffsets(view, names, tokens);
  if (offsets === undefined) return [];
  const symbols = decodeNames(image, names, tokens.strings).map((text, index): KernelSymbol => {
    return {
      type: text.charAt(0),
      name: text.slice(1),
      address: offsets.base + BigInt(view.getUint32(offsets.start + index * 4, true)),
    };
  });
  return symbols.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
}

interface Tokens {
  readonly start: number;
  /** Of the strings and of the table behind them. */
  readonly end: number;
  readonly strings: readonly string[];
}

/** Tokens that are single characters stand at the character's own code, so the digits are in sequence. */
function findTokens(image: Uint8Array, view: DataView): Tokens | undefined {
  const buffer = Buffer.from(image.buffer, image.byteOffset, image.length);
  const digits = Buffer.from('0\x001\x002\x003\x004\x005\x006\x007\x008\x009\x00', 'latin1');
  for (let at = buffer.indexOf(digits); at >= 0; at = buffer.indexOf(digits, at + 1)) {
    const found = tokensAround(buffer, view, at);
    if (found !== undefined) return found;
  }
  return undefined;
}

function tokensAround(image: Buffer, view: DataView, digits: number): Tokens | undefined {
  let start = digits;
  for (let token = '0'.charCodeAt(0); token > 0; token--) {
    // The end of the string before is just before this one's first character.
    start = image.lastIndexOf(0, start - 2) + 1;
    if (start === 0 || digits - start > 48 * 64) return undefined;
  }
  const strings: string[] = [];
  const starts: number[] = [];
  let end = start;
  for (let token = 0; token < TOKENS; token++) {
    const zero = image.indexOf(0, end);
    if (zero < 0) return undefined;
    starts.push(end - start);
    strings.push(image.toString('latin1', end, zero));
    end = zero + 1;
  }
  // The index repeats where each begins, which makes the find certain. Padding of the first string is none of it.
  for (let skipped = 0; skipped < ALIGNMENT; skipped++) {
    const index = Math.ceil(end / 4) * 4 + skipped * 4;
    if (index + TOKENS * 2 > view.byteLength) return undefined;
    const isIndex = starts.every((offset, token) => {
      const said = view.getUint16(index + token * 2, true);
      return token === 0 ? said === 0 : said === offset;
    });
    if (isIndex) return { start, end: index + TOKENS * 2, strings };
  }
  return undefined;
}

interface Names {
  /** Of the count of symbols. */
  readonly start: number;
  readonly first: number;
  readonly count: number;
}

/** Goes back from the tokens: to the first of the markers, which is 0, and from there to the names that end there. */
function findNames(image: Uint8Array, view: DataView, tokens: number): Names | undefined {
  let at = Math.floor(tokens / 4) * 4;
  const before = (): number => view.getUint32(at - 4, true);
  while (at > 4 && before() === 0) at -= 4;
  const markersEnd = at;
  for (let next = before(); at > 4 && next !== 0; next = before()) {
    at -= 4;
    if (before() >= next) return undefined;
  }
  at -= 4;
  const markers = (markersEnd - at) / 4;
  if (markers < 2) return undefined;
  const last = view.getUint32(markersEnd - 4, true);
  // Behind the last marker are up to 256 names more, of at most 512 bytes each.
  const lowest = Math.max(0, at - last - NAMES_PER_MARKER * 512);
  for (let first = alignDown(at - last); first > lowest; first -= 4) {
    for (const start of [first - 4, first - 8]) {
      if (start < 0) return undefined;
      const count = view.getUint32(start, true);
      const fits = count > (markers - 1) * NAMES_PER_MARKER && count <= markers * NAMES_PER_MARKER;
      if (fits && count <= SYMBOLS_MAX && namesEndAt(image, first, count, at)) return { start, first, count };
    }
  }
  return undefined;
}

const alignDown = (offset: number): number => Math.floor(offset / 4) * 4;

/** Where the name after the one at `at` begins. */
function nextName(image: Uint8Array, at: number): { data: number; end: number } {
  const first = image[at]!;
  // Long names have a length of two bytes, seven bits in the first.
  const isLong = (first & 0x80) !== 0;
  const length = isLong ? (first & 0x7f) | (image[at + 1]! << 7) : first;
  const data = at + (isLong ? 2 : 1);
  return { data, end: data + length };
}

function namesEndAt(image: Uint8Array, first: number, count: number, end: number): boolean {
  let at = first;
  for (let name = 0; name < count && at < end; name++) at = nextName(image, at).end;
  return at <= end && end - at < ALIGNMENT;
}

function decodeNames(image: Uint8Array, { first, count }: Names, tokens: readonly string[]): string[] {
  const names: string[] = [];
  let at = first;
  for (let index = 0; index < count; index++) {
    const { data, end } = nextName(image, at);
    let text = '';
    for (let byte = data; byte < end; byte++) text += tokens[image[byte]!]!;
    names.push(text);
    at = end;
  }
  return names;
}

/** 32-bit offsets from a base, ascending; behind the tokens, or before everything in kernels older than 6.4. */
function findOffsets(
  view: DataView,
  { start, count }: Names,
  tokens: Tokens,
): { start: number; base: bigint } | undefined {
  const isSorted = (at: number): boolean => {
    if (at < 0 || at + count * 4 + 8 > view.byteLength) return false;
    let previous = view.getUint32(at, true);
    if (previous !== 0) return false;
    for (let index = 1; index < count; index++) {
      const next = view.getUint32(at + index * 4, true);
      if (next < previous) return false;
      previous = next;
    }
    return previous > 0;
  };
  const behind = Math.ceil(tokens.end / ALIGNMENT) * ALIGNMENT;
  if (isSorted(behind)) return { start: behind, base: baseAt(view, behind + count * 4) };
  for (const padding of [0, 4, 8, 12]) {
    // The base, of eight bytes, stands between the offsets and the count.
    const before = start - padding - 8 - count * 4;
    if (before % 4 === 0 && isSorted(before))
      return { start: before, base: baseAt(view, before + count * 4) };
  }
  return undefined;
}

/** A kernel that can be moved has its base filled in when it starts; it is linked for this one. */
function baseAt(view: DataView, offset: number): bigint {
  const base = view.getBigUint64(Math.ceil(offset / ALIGNMENT) * ALIGNMENT, true);
  return base === 0n ? LINK_ADDRESS : base;
}
