/** Random 32-bit instructions that keep to the rules of `random-programs.ts`. */
import { encodeImmediate, FORMATS } from '../../vmm/isa/formats.ts';
import type { Instruction } from '../../vmm/isa/instruction.ts';
import { INSTRUCTIONS } from '../../vmm/isa/table.ts';
import type { Random } from '../support/random.ts';
import {
  type Context,
  destination,
  destinationPair,
  field,
  floatRegister,
  type Item,
  RD,
  RM,
  RS1,
  RS2,
  RS3,
  source,
  temporary,
  type Unit,
  withField,
} from './random-context.ts';
import { BUFFER_SIZE } from './sequence-records.ts';

/** The instruction with random operands, and with what it needs around it. */
export function unitOf(context: Context, instruction: Instruction): Unit {
  if (instruction.name === 'jalr') return indirectJump(context, instruction);
  if (instruction.format === 'lr') return reservation(context, instruction);
  if (instruction.name === 'ctzw') return countOfNonzero(context, instruction);
  if (instruction.name.startsWith('froundnx')) return usedResult(context, instruction);
  if (instruction.name === 'fence.i' && context.random.below(4) > 0) return rewrite(context, instruction);
  return [itemOf(context, instruction)];
}

/** A random encoding of the instruction that keeps to the rules. */
function itemOf(context: Context, instruction: Instruction): Item {
  const { random } = context;
  const { format, name, match, mask } = instruction;
  const { syntax, immediate } = FORMATS[format];
  const tokens = new Set(syntax.split(/[,()]/));
  let raw = match | (random.below(2 ** 32) & ~mask);
  if (tokens.has('rd')) raw = withField(raw, RD, 5, destination(context));
  if (tokens.has('fd')) raw = withField(raw, RD, 5, floatRegister(context));
  if (tokens.has('rs1')) raw = withField(raw, RS1, 5, source(context));
  if (tokens.has('fs1')) raw = withField(raw, RS1, 5, floatRegister(context));
  if (tokens.has('rs2')) raw = withField(raw, RS2, 5, source(context));
  if (tokens.has('fs2')) raw = withField(raw, RS2, 5, floatRegister(context));
  if (tokens.has('fs3')) raw = withField(raw, RS3, 5, floatRegister(context));
  if (tokens.has('rm')) raw = withField(raw, RM, 3, roundingMode(random));
  if (tokens.has('csr')) raw = chooseCsr(context, name, raw);

  if (tokens.has('rdpair')) raw = withField(raw, RD, 5, destinationPair(context));
  if (tokens.has('rs2pair')) raw = withField(raw, RS2, 5, source(context) & ~1);
  // Not x0: see `QEMU_DEVIATIONS`.
  if (name.startsWith('amocas') && format === 'amo') raw = withField(raw, RD, 5, temporary(context));
  if (format === 'amo' || format === 'amo-pair') raw = atomicAddress(context, name, raw);
  if (format === 'cache-block') raw = withField(raw, RS1, 5, blockAddress(context));
  if (/^(load|S|float-load|float-store)$/.test(format)) {
    // The low bits of funct3 are the binary logarithm of the access's size.
    const place = accessPlace(context, 1 << field(match, 12, 2));
    const cleared = raw & ~encodeImmediate(immediate, -1);
    raw = withField(cleared, RS1, 5, place.register) | encodeImmediate(immediate, place.offset);
  }
  if (immediate === 'B' || immediate === 'J') {
    const cleared = raw & ~encodeImmediate(immediate, -2);
    const encode = (distance: number) => cleared | encodeImmediate(immediate, distance);
    return { raw, size: 4, name, jump: { units: 1 + random.below(5), encode } };
  }
  return { raw: raw | 0, size: 4, name };
}

/** Mostly the five modes and DYN; sometimes a reserved one. */
const roundingMode = (random: Random): number =>
  random.below(50) === 0 ? 5 + random.below(2) : random.pick([0, 1, 2, 3, 4, 7, 7]);

/** fflags, frm, fcsr, sscratch; mhartid, which cannot be written; and one that does not exist. */
const CSRS = [0x001, 0x002, 0x003, 0x001, 0x002, 0x003, 0x140, 0x140, 0xf14, 0x5c0];

function chooseCsr({ random }: Context, name: string, raw: number): number {
  const csr = random.pick(CSRS);
  const chosen = withField(raw, 20, 12, csr);
  // A register that happens to hold zero is one of `QEMU_DEVIATIONS`.
  const readOnly = csr >> 10 === 3 && /^csrr[sc]$/.test(name);
  return readOnly ? withField(chosen, RS1, 5, 0) : chosen;
}

/** A pointer register and an immediate for an access of `size` bytes within the buffer; rarely one in the hole. */
function accessPlace(
  { random, pointers, hole }: Context,
  size: number,
): { register: number; offset: number } {
  if (random.below(40) === 0) return { register: hole, offset: size * random.below(8) };
  const pointer = random.pick(pointers);
  const any = random.below(BUFFER_SIZE - size + 1);
  const at = random.below(3) === 0 ? any : any & -size;
  return { register: pointer.register, offset: at - pointer.offset };
}

/** An address register for an AMO: mostly aligned. `sc` gets only these, see `QEMU_DEVIATIONS`. */
function atomicAddress({ random, pointers, hole }: Context, name: string, raw: number): number {
  const choice = random.below(20);
  const [first, second, odd] = pointers.map(({ register }) => register);
  const aligned = random.pick([first!, second!]);
  const register = name.startsWith('sc') || choice > 1 ? aligned : choice === 1 ? odd! : hole;
  return withField(raw, RS1, 5, register);
}

/** An address register for a cache block, which may reach into the memory of other sequences: they all see the same. */
function blockAddress({ random, pointers, hole }: Context): number {
  return random.below(20) === 0 ? hole : random.pick(pointers).register;
}

/** `auipc` and a `jalr` that adds the rest: forward, to another unit. */
function indirectJump(context: Context, jalr: Instruction): Unit {
  const target = temporary(context);
  const base = withField(itemOf(context, jalr).raw & 0xfffff, RS1, 5, target);
  // Bit 0 of the sum is cleared: an odd distance goes to the same place.
  const odd = context.random.below(4) === 0 ? 1 : 0;
  const encode = (distance: number) => base | encodeImmediate('I', distance + odd);
  return [
    { raw: 0x17 | (target << RD), size: 4, name: 'auipc' },
    { raw: base, size: 4, name: 'jalr', jump: { units: 1 + context.random.below(5), encode } },
  ];
}

/** A floating-point instruction whose result the next one reads: see `QEMU_DEVIATIONS`. */
function usedResult(context: Context, instruction: Instruction): Unit {
  const item = itemOf(context, instruction);
  const move = 0xe2000053 | (temporary(context) << RD) | (field(item.raw, RD, 5) << RS1);
  return [item, { raw: move | 0, size: 4, name: 'fmv.x.d' }];
}

/** A `ctzw` of a register with a bit set in its low half: the other case is one of `QEMU_DEVIATIONS`. */
function countOfNonzero(context: Context, ctzw: Instruction): Unit {
  const bseti = INSTRUCTIONS.find(({ name }) => name === 'bseti')!;
  const register = temporary(context);
  const bit = encodeImmediate('shift6', context.random.below(32));
  const set = bseti.match | (source(context) << RS1) | (register << RD) | bit;
  const count = itemOf(context, ctzw);
  return [
    { raw: set, size: 4, name: 'bseti' },
    { ...count, raw: withField(count.raw, RS1, 5, register) },
  ];
}

/**
 * Code that writes an instruction over one of its own, fences, and executes it. Where page tables make code read-only
 * the store faults, and the old instruction stays.
 */
function rewrite(context: Context, fence: Instruction): Unit {
  const { random } = context;
  const address = temporary(context);
  let word = temporary(context);
  while (word === address) word = temporary(context);
  const [before, after] = [0, 1].map(() => itemOf(context, random.pick(context.pool.harmless)));
  // addiw sign-extends its immediate: the upper part makes up for it.
  const upper = (after!.raw + 0x800) & 0xffff_f000;
  const target = 5 * 4;
  const item = (name: string, raw: number): Item => ({ raw, size: 4, name });
  return [
    item('auipc', 0x17 | (address << RD)),
    item('lui', 0x37 | (word << RD) | upper),
    item('addiw', 0x1b | (word << RD) | (word << RS1) | encodeImmediate('I', after!.raw - upper)),
    item('sw', 0x2023 | (address << RS1) | (word << RS2) | encodeImmediate('S', target)),
    itemOf(context, fence),
    before!,
  ];
}

/** `lr`, a few harmless instructions, and the `sc` that uses the reservation up; sometimes at another address. */
function reservation(context: Context, lr: Instruction): Unit {
  const { random, pointers } = context;
  const sc = INSTRUCTIONS.find(({ name }) => name === lr.name.replace('lr', 'sc'))!;
  const [first, second, odd] = pointers;
  // Another address must be far away: how much a reservation covers is for the machine to choose.
  const apart = Math.abs(first!.offset - second!.offset) >= 64 && random.below(6) === 0;
  const at = random.pick([first!, second!]);
  const other = at === first ? second! : first!;
  const between = Array.from({ length: random.below(3) }, () =>
    itemOf(context, random.pick(context.pool.harmless)),
  );
  const address = (item: Item, register: number) => ({ ...item, raw: withField(item.raw, RS1, 5, register) });
  // A misaligned lr traps and reserves nothing.
  const misaligned = odd!.offset % 4 !== 0 && random.below(10) === 0;
  return [
    address(itemOf(context, lr), misaligned ? odd!.register : at.register),
    ...between,
    address(itemOf(context, sc), (apart ? other : at).register),
  ];
}

/** 32 bits that are no instruction. */
export function illegal({ random, pool }: Context): Item {
  for (;;) {
    const near = random.pick(pool.instructions);
    // Random bits, or an instruction with one bit flipped.
    const bits = random.below(2 ** 32);
    const raw = ((random.below(2) ? bits : near.match | (bits & ~near.mask)) ^ (1 << random.below(32))) | 3;
    if ((raw & 0x1f) === 0x1f) continue; // longer than 32 bits
    if (pool.instructionAt(raw) === undefined) return { raw, size: 4, name: 'illegal' };
  }
}
