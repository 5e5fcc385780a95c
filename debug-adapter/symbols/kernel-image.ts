import {
  ELF_TYPE,
  type Elf,
  type ElfSection,
  type ElfSymbol,
  SECTION_FLAG,
  SECTION_TYPE,
  SYMBOL_BINDING,
  SYMBOL_TYPE,
} from '../../vmm/formats/elf.ts';
import { isLinuxImage, type KernelSymbol, linuxSymbols } from '../../vmm/formats/linux-image.ts';

/**
 * A Linux image as the ELF that it was made from, as far as the image tells: its symbols, and where code is. Undefined
 * for what is no Linux image, or one without symbols.
 */
export function kernelImageAsElf(image: Uint8Array): Elf | undefined {
  if (!isLinuxImage(image)) return undefined;
  const known = linuxSymbols(image);
  if (known.length === 0) return undefined;
  const addresses = new Map(known.map(({ name, address }) => [name, address]));
  const sections: ElfSection[] = [section(0, '', 0, 0n, 0n)];
  for (const [name, first, behind] of CODE) {
    const start = addresses.get(first);
    const end = addresses.get(behind);
    if (start === undefined || end === undefined || end <= start) continue;
    sections.push(section(sections.length, name, SECTION_FLAG.alloc | SECTION_FLAG.execute, start, end));
  }
  const code = sections.slice(1);
  const data = section(
    sections.length,
    '.data',
    SECTION_FLAG.alloc,
    known[0]!.address,
    known.at(-1)!.address,
  );
  sections.push(data);
  const symbols = known.map((symbol) => {
    const home = code.find(
      ({ address, size }) => symbol.address >= address && symbol.address < address + BigInt(size),
    );
    return asElfSymbol(symbol, home ?? data);
  });
  const byName = new Map<string, ElfSymbol>();
  for (const symbol of symbols) {
    const other = byName.get(symbol.name);
    if (other === undefined || other.binding === SYMBOL_BINDING.local) byName.set(symbol.name, symbol);
  }
  return {
    entry: known[0]!.address,
    type: ELF_TYPE.executable,
    flags: 0,
    segments: [],
    sections,
    symbols,
    section: (name) => sections.find((other) => other.name === name),
    symbol: (name) => byName.get(name),
    tohost: undefined,
    fromhost: undefined,
  };
}

/** Sections of code, and the symbols at their ends (Linux, `include/asm-generic/sections.h`). */
const CODE = [
  ['.text', '_stext', '_etext'],
  ['.init.text', '_sinittext', '_einittext'],
] as const;

const section = (index: number, name: string, flags: number, start: bigint, end: bigint): ElfSection => ({
  name,
  index,
  type: index === 0 ? SECTION_TYPE.null : SECTION_TYPE.nobits,
  flags,
  address: start,
  size: Number(end - start),
  link: 0,
  data: new Uint8Array(),
});

/** Sizes are not told: a symbol reaches up to the next one. */
function asElfSymbol({ name, type, address }: KernelSymbol, home: ElfSection): ElfSymbol {
  const isCode = (home.flags & SECTION_FLAG.execute) !== 0;
  return {
    name,
    value: address,
    size: 0,
    type: isCode ? SYMBOL_TYPE.function : SYMBOL_TYPE.object,
    binding: type === type.toUpperCase() ? SYMBOL_BINDING.global : SYMBOL_BINDING.local,
    section: home.index,
  };
}
