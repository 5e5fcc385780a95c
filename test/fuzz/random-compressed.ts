/**
 * Random 16-bit instructions that keep to the rules of `random-programs.ts`. The table's `expand` tells what an encoding
 * means: candidates that break the rules are drawn again.
 */
import { decodeImmediate, encodeImmediate, FORMATS } from '../../vmm/isa/formats.ts';
import type { CompressedInstruction } from '../../vmm/isa/instruction.ts';
import type { InstructionPool } from './instruction-pool.ts';
import { type Context, field, type Item, isFixed, RD, RS1, temporary, type Unit } from './random-context.ts';
import { BUFFER_SIZE } from './sequence-records.ts';

/** Draws encodings of the entry until one fits; undefined when none of many does. */
export function compressedUnit(context: Context, entry: CompressedInstruction): Unit | undefined {
  for (let attempt = 0; attempt < 200; attempt++) {
    const raw = entry.match | (context.random.below(0x1_0000) & ~entry.mask);
    const found = context.pool.compressedAt(raw);
    if (found?.entry !== entry) continue;
    if (found.expanded === undefined) {
      // Reserved encodings are illegal; a few are enough.
      if (context.random.below(20) === 0) return [{ raw, size: 2, name: entry.name }];
      continue;
    }
    const unit = fitCompressed(context, { raw, size: 2, name: entry.name }, found.expanded);
    if (unit) return unit;
  }
  return undefined;
}

/** A unit around the 16-bit instruction if it keeps to the rules, judged by its expansion. */
function fitCompressed(context: Context, item: Item, expanded: number): Unit | undefined {
  const { random, pool } = context;
  const { name, format, match } = pool.instructionAt(expanded)!;
  const { immediate, syntax } = FORMATS[format];
  const [rd, rs1] = [field(expanded, RD, 5), field(expanded, RS1, 5)];
  if (name === 'jalr') return indirectCompressedJump(context, item, rs1, rd);
  if (immediate === 'B' || immediate === 'J') {
    const encode = (distance: number) => compressedJump(pool, item.raw, item.name, distance);
    return [{ ...item, jump: { units: 1 + random.below(4), encode } }];
  }
  if (name === 'addi' && rd === 2 && rs1 === 2) {
    // Moves the stack pointer, which holds an address: shown in another register, and moved back.
    const amount = decodeImmediate('I', expanded);
    const addi = (to: number, value: number) => 0x13 | (to << RD) | (2 << RS1) | encodeImmediate('I', value);
    const seen = { raw: addi(temporary(context), 0), size: 4, name: 'addi' } as const;
    return [item, seen, { raw: addi(2, -amount), size: 4, name: 'addi' }];
  }
  if (/(^|[,(])rd/.test(syntax) && isFixed(context, rd)) return undefined;
  if (/^(load|S|float-load|float-store)$/.test(format)) {
    const pointer = context.pointers.find(({ register }) => register === rs1);
    const size = 1 << field(match, 12, 2);
    const at = (pointer?.offset ?? -1) + decodeImmediate(immediate, expanded);
    if (!pointer || at < 0 || at + size > BUFFER_SIZE) return undefined;
  }
  return [item];
}

function indirectCompressedJump(
  context: Context,
  item: Item,
  target: number,
  link: number,
): Unit | undefined {
  if (isFixed(context, target) || (link !== 0 && isFixed(context, link))) return undefined;
  const addi = 0x13 | (target << RD) | (target << RS1);
  const encode = (distance: number) => addi | encodeImmediate('I', distance);
  return [
    { raw: 0x17 | (target << RD), size: 4, name: 'auipc' },
    { raw: addi, size: 4, name: 'addi', jump: { units: 1 + context.random.below(4), encode } },
    item,
  ];
}

/** The encoding with that distance, found among all of the entry's through the table's own `expand`. */
function compressedJump(pool: InstructionPool, raw: number, name: string, distance: number): number {
  // The operand bits of a jump are 12:2; a branch has its register in 9:7.
  const operands = name.startsWith('c.b') ? 0x1c7c : 0x1ffc;
  const fixed = raw & ~operands;
  const key = `${fixed} ${distance}`;
  const known = compressedJumps.get(key);
  if (known !== undefined) return known;
  for (let bits = operands; ; bits = (bits - 1) & operands) {
    const expanded = pool.compressedAt(fixed | bits)!.expanded!;
    const kind = FORMATS[pool.instructionAt(expanded)!.format].immediate;
    if (decodeImmediate(kind, expanded) === distance) {
      compressedJumps.set(key, fixed | bits);
      return fixed | bits;
    }
    if (bits === 0) throw new Error(`${name} cannot jump ${distance} bytes`);
  }
}
const compressedJumps = new Map<string, number>();

/** 16 bits that no entry matches, or only with operands that are reserved. */
export function illegalCompressed({ random, pool }: Context): Item {
  for (;;) {
    const raw = random.below(0x1_0000);
    if ((raw & 3) !== 3 && pool.instructionAt(raw) === undefined) return { raw, size: 2, name: 'illegal' };
  }
}
