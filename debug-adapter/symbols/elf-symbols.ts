import {
  type Elf,
  type ElfSymbol,
  SECTION_FLAG,
  SYMBOL_BINDING,
  SYMBOL_TYPE,
} from '../../vmm/formats/elf.ts';
import type { SymbolOffset } from './model.ts';

/** A symbol with an address: a function, an object, or a label of assembly code. */
export interface AddressSymbol {
  readonly name: string;
  readonly address: bigint;
  readonly size: bigint;
  readonly isFunction: boolean;
}

/** Names for addresses and the reverse, from the ELF symbol table: all there is where no debug information exists. */
export class ElfSymbols {
  readonly #elf: Elf;
  readonly #bias: bigint;
  #sorted: readonly AddressSymbol[] | undefined;
  #functions: Map<string, AddressSymbol[]> | undefined;

  constructor(elf: Elf, bias: bigint) {
    this.#elf = elf;
    this.#bias = bias;
  }

  addressOf(name: string): bigint | undefined {
    const symbol = this.#elf.symbol(name);
    return symbol === undefined ? undefined : BigInt.asUintN(64, symbol.value + this.#bias);
  }

  /** The symbol whose bytes hold `address`. One without a size reaches up to the next symbol of its section. */
  at(address: bigint): AddressSymbol | undefined {
    const symbols = this.#all();
    let low = 0;
    let high = symbols.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (symbols[middle]!.address <= address) low = middle + 1;
      else high = middle;
    }
    // A sized symbol before may hold the address although a smaller one lies between: go back a few.
    for (let index = low - 1; index >= 0 && index >= low - 8; index -= 1) {
      const symbol = symbols[index]!;
      if (address < symbol.address + symbol.size) return symbol;
    }
    return undefined;
  }

  symbolize(address: bigint): SymbolOffset | undefined {
    const symbol = this.at(address);
    return symbol && { name: symbol.name, offset: address - symbol.address };
  }

  /** Functions of that name, and the copies of it that compilers make and name `name.constprop.0` or the like. */
  functions(name: string): readonly AddressSymbol[] {
    if (this.#functions === undefined) {
      this.#functions = new Map();
      for (const symbol of this.#all()) {
        if (!symbol.isFunction) continue;
        const base = /^[^.]+(?=\.(?:constprop|isra|part|cold|lto_priv)\b)/.exec(symbol.name)?.[0];
        for (const key of base === undefined ? [symbol.name] : [symbol.name, base]) {
          const list = this.#functions.get(key);
          if (list === undefined) this.#functions.set(key, [symbol]);
          else list.push(symbol);
        }
      }
    }
    return this.#functions.get(name) ?? [];
  }

  #all(): readonly AddressSymbol[] {
    return (this.#sorted ??= sortSymbols(this.#elf, this.#bias));
  }
}

function sortSymbols(elf: Elf, bias: bigint): AddressSymbol[] {
  const candidates = elf.symbols.filter((symbol) => hasAddress(elf, symbol));
  candidates.sort((a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : preference(a) - preference(b)));
  const symbols: AddressSymbol[] = [];
  for (const [index, symbol] of candidates.entries()) {
    // Of several names for one address the preferred one, which sorts last, is shown.
    if (candidates[index + 1]?.value === symbol.value) continue;
    const size = symbol.size > 0 ? BigInt(symbol.size) : gapAfter(elf, symbol, candidates[index + 1]);
    symbols.push({
      name: symbol.name,
      address: BigInt.asUintN(64, symbol.value + bias),
      size,
      isFunction: symbol.type === SYMBOL_TYPE.function || isCode(elf, symbol),
    });
  }
  return symbols.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
}

function hasAddress(elf: Elf, symbol: ElfSymbol): boolean {
  if (symbol.name === '' || symbol.type > SYMBOL_TYPE.function) return false;
  // `$x` and `$d` mark code and data (RISC-V ELF psABI, "Mapping Symbol"); `.L` is for labels of the compiler's own.
  if (/^(?:\$[xd]|\.L)/.test(symbol.name)) return false;
  const section = elf.sections[symbol.section];
  return section !== undefined && symbol.section !== 0 && (section.flags & SECTION_FLAG.alloc) !== 0;
}

function isCode(elf: Elf, symbol: ElfSymbol): boolean {
  const executable = ((elf.sections[symbol.section]?.flags ?? 0) & SECTION_FLAG.execute) !== 0;
  return executable && symbol.type === SYMBOL_TYPE.none;
}

/** Higher is better: functions and objects before labels, global before local, plain names before underscored ones. */
function preference(symbol: ElfSymbol): number {
  return (
    (symbol.type === SYMBOL_TYPE.none ? 0 : 8) +
    (symbol.size > 0 ? 4 : 0) +
    (symbol.binding === SYMBOL_BINDING.local ? 0 : 2) +
    (symbol.name.startsWith('_') ? 0 : 1)
  );
}

function gapAfter(elf: Elf, symbol: ElfSymbol, next: ElfSymbol | undefined): bigint {
  const section = elf.sections[symbol.section]!;
  const end = section.address + BigInt(section.size);
  const limit = next !== undefined && next.value < end ? next.value : end;
  return limit > symbol.value ? limit - symbol.value : 0n;
}
