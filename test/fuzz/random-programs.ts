/**
 * Random instruction sequences made from the instruction table: every entry of it but those in `NOT_GENERATED`, with
 * random operands, so that two machines can run them and be compared. A sequence keeps to a few rules that make it
 * end and keep it away from everything but its registers and its buffer:
 *
 * - some registers hold addresses in the buffer; nothing writes them, and loads and stores use no others;
 * - branches and jumps go forward, to the beginning of a unit; a unit is one instruction, or a few that only make
 *   sense together (`auipc` and the `jalr` that uses it); a loop around the end of a sequence counts its rounds;
 * - it ends with an `ecall`; anything else that traps is recorded and skipped (see `guests/sequences.S`).
 */
import { encodeImmediate } from '../../vmm/isa/formats.ts';
import { random as generator } from '../support/random.ts';
import type { InstructionPool } from './instruction-pool.ts';
import { compressedUnit, illegalCompressed } from './random-compressed.ts';
import { type Context, createContext, RD, RS1, sizeOf, type Unit } from './random-context.ts';
import { illegal, unitOf } from './random-instructions.ts';
import { initialState } from './random-state.ts';
import { bufferAddress, CODE_BYTES_MAX, type Environment, type SequenceInput } from './sequence-records.ts';

export interface Sequence extends SequenceInput {
  /** What stands where: an instruction's table name, or `illegal`. */
  readonly listing: readonly { readonly offset: number; readonly raw: number; readonly name: string }[];
}

/**
 * Sequence number `index` of a run: `seed` and `index` determine it, but for the addresses, which are those of the
 * `slot` in its batch.
 */
export function generateSequence(
  seed: number,
  index: number,
  environment: Environment,
  slot: number,
  pool: InstructionPool,
): Sequence {
  const context = createContext(generator(seed * 1_000_003 + index), pool);
  const { random } = context;
  const units: Unit[] = [];
  const wanted = 8 + random.below(40);
  for (let bytes = 0; units.length < wanted; ) {
    const unit = randomUnit(context);
    bytes += sizeOf(unit);
    if (bytes > CODE_BYTES_MAX - LOOP_BYTES - 4) break;
    units.push(unit);
  }
  if (random.below(3) === 0) units.push(loop(context, random.below(units.length) + 1));
  const listing = layOut(units);
  return { ...assemble(listing), start: initialState(context, bufferAddress(environment, slot)) };
}
function randomUnit(context: Context): Unit {
  const { random, pool } = context;
  const choice = random.below(100);
  if (choice < 2) return [random.below(2) ? illegal(context) : illegalCompressed(context)];
  if (choice < 30) return compressedUnit(context, random.pick(pool.compressed)) ?? randomUnit(context);
  return unitOf(context, random.pick(pool.instructions));
}

const LOOP_BYTES = 8;

/** Counts down and goes back so many units, until the count is zero. */
function loop({ counter }: Context, units: number): Unit {
  const bne = 0x1063 | (counter << RS1);
  // The branch stands 4 bytes behind the beginning of this unit.
  const encode = (distance: number) => bne | encodeImmediate('B', distance - 4);
  return [
    { raw: 0x13 | (counter << RD) | (counter << RS1) | encodeImmediate('I', -1), size: 4, name: 'addi' },
    { raw: bne, size: 4, name: 'bne', jump: { units: -units, encode } },
  ];
}

/** Gives every instruction its place, and jumps their distance. */
function layOut(units: readonly Unit[]): Sequence['listing'] {
  const starts: number[] = [0];
  for (const unit of units) starts.push(starts.at(-1)! + sizeOf(unit));
  const listing = units.flatMap((unit, u) => {
    let offset = starts[u]!;
    return unit.map(({ raw, size, name, jump }) => {
      const target = starts[Math.min(u + (jump?.units ?? 0), units.length)]!;
      const entry = { offset, raw: jump ? jump.encode(target - starts[u]!) : raw, name };
      offset += size;
      return entry;
    });
  });
  return [...listing, { offset: starts.at(-1)!, raw: 0x73, name: 'ecall' }];
}

function assemble(listing: Sequence['listing']): { code: Uint8Array; listing: Sequence['listing'] } {
  const code = new Uint8Array(listing.at(-1)!.offset + 4);
  const view = new DataView(code.buffer);
  for (const { offset, raw } of listing) {
    view.setUint16(offset, raw & 0xffff, true);
    if ((raw & 3) === 3) view.setUint16(offset + 2, raw >>> 16, true);
  }
  return { code, listing };
}
