import type { SoftFormat } from '../../vmm/isa/emitter.ts';
import type { Random } from '../support/random.ts';
import type { GuestOperation, OperandKind } from './float-operations.ts';

/** Bits of the fraction and of the exponent. */
const LAYOUT = { f16: [10, 5], f32: [23, 8], f64: [52, 11] } as const;

/**
 * Operands of floating-point instructions, where formats and shortcuts have their edges: numbers of few and of many bits,
 * near the ends of the exponents' range, near integers' limits, near half way cases, near each other's negatives.
 * Written in halves of 32 bits, for millions of them.
 */
export class OperandWriter {
  readonly #view: DataView;
  readonly #random: Random;

  constructor(view: DataView, random: Random) {
    this.#view = view;
    this.#random = random;
  }

  /** Writes three doublewords; those that the operation does not have are arbitrary. */
  write(at: number, { operands }: GuestOperation): void {
    for (const [index, kind] of operands.entries()) this.#writeOne(at + 8 * index, kind);
    if (operands.length > 1 && this.#random.below(4) === 0)
      this.#relate(at, operands as readonly SoftFormat[]);
  }

  #writeOne(at: number, kind: OperandKind): void {
    if (kind === 'integer') {
      this.#writeInteger(at);
      return;
    }
    const { below } = this.#random;
    const [fractionBits, exponentBits] = LAYOUT[kind];
    const exponentMax = 2 ** exponentBits - 1;
    const exponent = this.#exponent(fractionBits, exponentMax);
    this.#writeFloat(
      at,
      kind,
      below(2),
      Math.min(Math.max(exponent, 0), exponentMax),
      this.#fraction(fractionBits),
    );
  }

  #exponent(fractionBits: number, exponentMax: number): number {
    const { below } = this.#random;
    const bias = exponentMax >> 1;
    const near = (center: number, spread: number): number => center + below(2 * spread + 1) - spread;
    switch (below(16)) {
      case 0:
      case 1:
        return below(exponentMax + 1);
      case 2:
        return near(0, 3);
      case 3:
        return near(exponentMax, 2);
      case 4:
        return near(bias >> 1, fractionBits);
      case 5:
        return near(bias + (bias >> 1), 4);
      case 6:
        return near(fractionBits, fractionBits);
      case 7:
        return bias + [11, 16, 24, 31, 32, 53, 63, 64][below(8)]! - below(2);
      case 8:
      case 9:
        return near(bias, 1);
      case 10:
      case 11:
        return near(bias, 2 * fractionBits + 4);
      default:
        return near(bias, fractionBits + 3);
    }
  }

  /** All, few, or no bits; a run of ones, or a one and then nothing for long. */
  #fraction(bits: number): [high: number, low: number] {
    const { below } = this.#random;
    const word = (): number => below(2 ** 32);
    const [highBits, lowBits] = [Math.max(bits - 32, 0), Math.min(bits, 32)];
    const cut = (high: number, low: number): [number, number] => [
      highBits === 0 ? 0 : high >>> (32 - highBits),
      low >>> (32 - lowBits),
    ];
    const dropped = below(bits + 1);
    switch (below(8)) {
      case 0:
        return [0, below(2)];
      case 1:
        return cut(2 ** 32 - 1, 2 ** 32 - 1 - below(2));
      case 2:
      case 3:
        return cut(word(), word());
      case 4: {
        // One bit, or one and the last.
        const [high, low] = dropped < lowBits ? [0, 2 ** dropped] : [2 ** (dropped - lowBits), 0];
        return [dropped < bits ? high : 0, ((dropped < bits ? low : 0) | below(2)) >>> 0];
      }
      default: {
        const [high, low] = cut(word(), word());
        return dropped < 32
          ? [high, ((low >>> dropped) << dropped) >>> 0]
          : [((high >>> (dropped - 32)) << (dropped - 32)) >>> 0, 0];
      }
    }
  }

  #writeFloat(
    at: number,
    format: SoftFormat,
    sign: number,
    exponent: number,
    [high, low]: [number, number],
  ): void {
    const { below } = this.#random;
    if (format === 'f64') {
      this.#view.setUint32(at + 4, ((sign << 31) | (exponent << 20) | (high & 0xf_ffff)) >>> 0, true);
      this.#view.setUint32(at, low, true);
      return;
    }
    const bits =
      format === 'f32' ? (sign << 31) | (exponent << 23) | low : (sign << 15) | (exponent << 10) | low;
    const box = format === 'f32' ? 0 : 0xffff_0000;
    // Now and then the box is wrong: the operand is a NaN then.
    const wrong = below(200) === 0 ? 1 : 0;
    this.#view.setUint32(at, ((bits >>> 0) | box) >>> 0, true);
    this.#view.setUint32(at + 4, (0xffff_ffff ^ wrong) >>> 0, true);
  }

  #writeInteger(at: number): void {
    const { next, below } = this.#random;
    const size = BigInt(below(65));
    const value = below(3) === 0 ? (1n << size) + BigInt(below(5) - 2) : next() >> size;
    this.#view.setBigUint64(at, BigInt.asUintN(64, below(2) === 0 ? value : -value), true);
  }

  /** Makes the last operand one near to another, or to the product of the others, or the negative of that. */
  #relate(at: number, operands: readonly SoftFormat[]): void {
    const { below } = this.#random;
    const last = at + 8 * (operands.length - 1);
    const format = operands[0]!;
    if (operands.length === 3 && format === 'f64') {
      this.#view.setFloat64(
        last,
        this.#view.getFloat64(at, true) * this.#view.getFloat64(at + 8, true),
        true,
      );
    } else if (operands.length === 3 && format === 'f32') {
      this.#view.setFloat32(
        last,
        this.#view.getFloat32(at, true) * this.#view.getFloat32(at + 8, true),
        true,
      );
    } else {
      this.#view.setUint32(last, this.#view.getUint32(at, true), true);
      this.#view.setUint32(last + 4, this.#view.getUint32(at + 4, true), true);
    }
    const low = this.#view.getUint32(last, true) + below(3) - 1;
    this.#view.setUint32(last, low >>> 0, true);
    const signAt = last + LAYOUT_SIGN_BYTE[format];
    if (below(3) !== 0) this.#view.setUint8(signAt, this.#view.getUint8(signAt) ^ 0x80);
  }
}

/** The byte that has a format's sign. */
const LAYOUT_SIGN_BYTE = { f16: 1, f32: 3, f64: 7 } as const;
