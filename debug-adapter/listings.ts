/** Disassembly as text documents, shown for frames whose function has no source. */
import { hex } from '../vmm/base/brands.ts';
import type { Debuggee } from './debuggee.ts';
import { type CodeLine, disassembleForward } from './disassembly.ts';
import type { Symbols } from './symbols/index.ts';

export interface ListingPlace {
  /** DAP's `sourceReference`. */
  readonly reference: number;
  readonly name: string;
  /** 1-based line of the address asked for. */
  readonly line: number;
}

interface Listing {
  readonly reference: number;
  readonly name: string;
  readonly lines: readonly CodeLine[];
}

/** A listing is for reading: longer functions are shown from where the hart stands. */
const LISTING_INSTRUCTIONS_MAX = 2000;
/** Shown where no symbol tells how far the code goes. */
const UNKNOWN_INSTRUCTIONS = 64;

export class ListingStore {
  readonly #byStart = new Map<bigint, Listing>();
  readonly #listings: Listing[] = [];

  /** The listing that shows `pc` as seen by `hart`; undefined when memory there cannot be read. */
  async at(debuggee: Debuggee, hart: number, pc: bigint): Promise<ListingPlace | undefined> {
    const { symbols } = await debuggee.view.hart(hart);
    const { start, count, name } = extent(symbols, pc);
    let listing = this.#byStart.get(start);
    if (listing === undefined || indexOf(listing, pc) < 0) {
      const lines = await disassembleForward(
        debuggee.view,
        { hart, address: start, space: 'virtual' },
        count,
        symbols,
      );
      const readable = lines.slice(0, lines.findLastIndex(({ bytes }) => bytes !== '') + 1);
      if (readable.length === 0) return undefined;
      listing = { reference: this.#listings.length + 1, name, lines: readable };
      this.#listings.push(listing);
      this.#byStart.set(start, listing);
    }
    const index = indexOf(listing, pc);
    return index < 0 ? undefined : { reference: listing.reference, name: listing.name, line: index + 1 };
  }

  content(reference: number): string | undefined {
    const listing = this.#listings[reference - 1];
    return listing?.lines.map(formatCodeLine).join('\n');
  }

  /** The address on a 1-based line of a listing. */
  addressOf(reference: number, line: number): bigint | undefined {
    return this.#listings[reference - 1]?.lines[line - 1]?.address;
  }
}

export const formatCodeLine = ({ address, bytes, text }: CodeLine): string =>
  `${hex(address, 8)}  ${bytes.padEnd(8)}  ${text}`;

const indexOf = (listing: Listing, pc: bigint): number =>
  listing.lines.findIndex(({ address }) => address === pc);

function extent(symbols: Symbols, pc: bigint): { start: bigint; count: number; name: string } {
  const range = symbols.functionAt(pc)?.ranges.find(({ start, end }) => start <= pc && pc < end);
  const symbol = symbols.symbolize(pc);
  const start = range?.start ?? (symbol === undefined ? pc : pc - symbol.offset);
  const name = symbol?.name ?? hex(pc);
  const before = Number(pc - start) / 2;
  // Out of step with a symbol that is data, or far into a large function: from here.
  if (before >= LISTING_INSTRUCTIONS_MAX / 2) return { start: pc, count: UNKNOWN_INSTRUCTIONS, name };
  const bytes =
    range === undefined ? Number(pc - start) + UNKNOWN_INSTRUCTIONS * 4 : Number(range.end - range.start);
  return { start, count: Math.min(Math.ceil(bytes / 2), LISTING_INSTRUCTIONS_MAX), name };
}
