/**
 * Random instructions for lockstep programs, made from the instruction table: whatever stands there is generated, by
 * the tokens of its operands. Operand plans and pools of 16-bit encodings are made once, for programs are many.
 */
import { decode } from '../../vmm/isa/decode.ts';
import { encodeImmediate, FORMATS, type FormatInfo } from '../../vmm/isa/formats.ts';
import type { Instruction } from '../../vmm/isa/instruction.ts';
import { COMPRESSED, INSTRUCTIONS } from '../../vmm/isa/table.ts';
import type { Random } from '../support/random.ts';
import { PINNED, REGISTER } from './lockstep-layout.ts';

/** What an instruction does, as far as programs must know to place it. */
export type Class = 'integer' | 'float' | 'load' | 'store' | 'atomic' | 'other';

/** How to draw an encoding. */
interface Plan {
  readonly name: string;
  readonly match: number;
  /** Bits that operands are in. */
  readonly free: number;
  readonly rd: boolean;
  /** rd stands for itself and the next register. */
  readonly pair: boolean;
  readonly registers: readonly { readonly shift: number; readonly integer: boolean }[];
  readonly base: boolean;
  readonly rounds: boolean;
  readonly immediate: FormatInfo['immediate'];
}

/** Registers that results go to more often than to others. */
export interface HotRegisters {
  readonly x: readonly number[];
  readonly f: readonly number[];
}

const tokensOf = ({ format }: Instruction): string[] => FORMATS[format].syntax.split(/[,()]/);

function classOf(instruction: Instruction): Class {
  const { syntax } = FORMATS[instruction.format];
  const tokens = tokensOf(instruction);
  if (syntax === '' || tokens.includes('target') || tokens.includes('csr') || instruction.name === 'jalr') {
    return 'other';
  }
  if (instruction.format === 'sfence.vma' || instruction.extension === 'Privileged') return 'other';
  if (syntax.includes('imm(rs1)')) return tokens[0] === 'rd' || tokens[0] === 'fd' ? 'load' : 'store';
  if (syntax.includes('(rs1)')) return 'atomic';
  return tokens.some((token) => /^f/.test(token)) ? 'float' : 'integer';
}

const FIELDS: Readonly<Record<string, { shift: number; integer: boolean }>> = {
  rs1: { shift: 15, integer: true },
  fs1: { shift: 15, integer: false },
  rs2: { shift: 20, integer: true },
  fs2: { shift: 20, integer: false },
  fs3: { shift: 27, integer: false },
  fd: { shift: 7, integer: false },
};

function planOf(instruction: Instruction): Plan {
  const tokens = tokensOf(instruction);
  const { immediate, syntax } = FORMATS[instruction.format];
  return {
    name: instruction.name,
    match: instruction.match,
    free: ~instruction.mask,
    rd: tokens.includes('rd'),
    pair: tokens.includes('rdpair'),
    registers: tokens.flatMap((token) => FIELDS[token] ?? []),
    base: syntax.includes('(rs1)'),
    rounds: tokens.includes('rm') || tokens.includes('exactrm'),
    immediate,
  };
}

const PLANS: Readonly<Record<Class, readonly Plan[]>> = {
  integer: plansOf('integer'),
  float: plansOf('float'),
  load: plansOf('load'),
  store: plansOf('store'),
  atomic: plansOf('atomic'),
  other: [],
};

function plansOf(wanted: Class): Plan[] {
  return INSTRUCTIONS.filter(
    (instruction) => classOf(instruction) === wanted && !isOneOfMany(instruction),
  ).map(planOf);
}

/** Of instructions that differ by a number in their names (`mop.r.0` to `mop.r.31`) two are enough. */
function isOneOfMany({ name }: Instruction): boolean {
  return Number(/\.(\d+)$/.exec(name)?.[1] ?? 0) > 1;
}

/** Names of the instructions that a class has, or of all that are generated. */
export const generatedNames = (): string[] =>
  Object.values(PLANS).flatMap((plans) => plans.map(({ name }) => name));

/** A register that random instructions may write: one that is not pinned. x0 among them. */
export function destination(random: Random, hot: HotRegisters): number {
  for (;;) {
    const register = random.below(3) ? random.pick(hot.x) : random.below(32);
    if (!PINNED.has(register)) return register;
  }
}

/** An even register to write with the next one. */
function destinationPair(random: Random, hot: HotRegisters): number {
  for (;;) {
    const register = destination(random, hot) & ~1;
    if (!PINNED.has(register) && !PINNED.has(register + 1)) return register;
  }
}

/** A register to read: any at all. */
export const source = (random: Random, hot: HotRegisters): number =>
  random.below(3) ? random.pick(hot.x) : random.below(32);

/** A random encoding of an instruction of the class; memory is reached by the pinned pointers. */
export function instruction(random: Random, kind: Exclude<Class, 'other'>, hot: HotRegisters): number {
  const plan = random.pick(PLANS[kind]);
  let raw = plan.match | (random.below(2 ** 32) & plan.free);
  for (const { shift, integer } of plan.registers) {
    const any = random.below(3) === 0 ? random.below(32) : random.pick(integer ? hot.x : hot.f);
    raw = (raw & ~(31 << shift)) | (any << shift);
  }
  if (plan.rd) raw = (raw & ~(31 << 7)) | (destination(random, hot) << 7);
  if (plan.pair) raw = (raw & ~(31 << 7)) | (destinationPair(random, hot) << 7);
  if (plan.base) raw = withBase(random, raw, plan);
  if (plan.rounds) raw = (raw & ~0x7000) | (roundingMode(random) << 12);
  return raw | 0;
}

/** Mostly the mode in fcsr, sometimes one of the others, rarely a reserved one. */
function roundingMode(random: Random): number {
  if (random.below(3)) return 7;
  return random.below(12) ? random.below(5) : 5 + random.below(2);
}

const ALIGNMENTS = [-8, -8, -4, -16, -1] as const;

/** Where a memory access goes: around the middle of a page, or around the end of one. */
function withBase(random: Random, raw: number, { immediate }: Plan): number {
  const base = random.below(4) ? REGISTER.middle : random.pick([REGISTER.edge, REGISTER.stack]);
  const placed = (raw & ~(31 << 15)) | (base << 15);
  if (immediate === 'none') return placed;
  const near = base === REGISTER.edge ? random.below(32) - 16 : random.below(256) - 128;
  const any = random.below(8) ? near : random.below(4096) - 2048;
  const offset = any & random.pick(ALIGNMENTS);
  return (placed & ~encodeImmediate(immediate, -1)) | encodeImmediate(immediate, offset);
}

/** 16-bit encodings of one entry of the table, by what they do. */
interface CompressedPool {
  readonly name: string;
  readonly straight: readonly number[];
  readonly memory: readonly number[];
}

const POOLS = compressedPools();
const STRAIGHT_POOLS = POOLS.filter(({ straight }) => straight.length > 0);
const MEMORY_POOLS = POOLS.filter(({ memory }) => memory.length > 0);

/** A random 16-bit instruction without memory access. */
export const compressed = (random: Random): number => random.pick(random.pick(STRAIGHT_POOLS).straight);
/** One that loads or stores, by a pinned pointer. */
export const compressedAccess = (random: Random): number => random.pick(random.pick(MEMORY_POOLS).memory);

function compressedPools(): CompressedPool[] {
  return COMPRESSED.map(({ name, match, mask, expand }) => {
    const straight: number[] = [];
    const memory: number[] = [];
    for (let raw = match; raw < 0x1_0000; raw++) {
      if ((raw & mask) !== match) continue;
      const word = expand(raw);
      const decoded = word === undefined ? undefined : decode(word);
      if (decoded === undefined) continue;
      const kind = classOf(decoded.instruction);
      const writes = tokensOf(decoded.instruction).includes('rd') && PINNED.has(decoded.rd);
      if (kind === 'other' || writes) continue;
      if (kind === 'integer' || kind === 'float') straight.push(raw);
      else if (PINNED.has(decoded.rs1)) memory.push(raw);
    }
    return { name, straight, memory };
  });
}

/** 16 or 32 bits that mean nothing, or nothing here. */
export function illegal(random: Random): number {
  for (;;) {
    const raw = random.below(3) === 0 ? random.below(0x1_0000) : random.below(2 ** 32) | 3;
    if (decode(raw) === undefined) return raw;
  }
}
