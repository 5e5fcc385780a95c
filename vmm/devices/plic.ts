import { assert } from '../base/assert.ts';
import type { AccessSize, Device, RegisterDescription, Saved } from '../contracts/device.ts';
import { SavedReader } from './saved.ts';

export type PlicEvent = 'raised' | 'lowered' | 'claimed' | 'completed';

export interface PlicPorts {
  /** Level of a context's external interrupt. Context 2h is hart h in M-mode, 2h + 1 in S-mode. */
  setTarget(context: number, level: boolean): void;
  /** Carries out `effect`, a change of state of one source, and may tell others of it. */
  transition(source: number, event: PlicEvent, effect: () => void): void;
}

/** Highest source of `virt`'s PLIC, as `riscv,ndev` in QEMU's device tree says. Source 0 is none. */
export const PLIC_SOURCE_MAX = 96;
const SOURCES = PLIC_SOURCE_MAX + 1;
const PRIORITY_MASK = 7;
const WORDS = Math.ceil(SOURCES / 32);

const PRIORITY = 0x0000;
const PENDING = 0x1000;
const ENABLE = 0x2000;
const ENABLE_STRIDE = 0x80;
const CONTEXT = 0x20_0000;
const CONTEXT_STRIDE = 0x1000;

/**
 * A platform-level interrupt controller as SiFive builds it (RISC-V PLIC specification 1.0.0), with the size of
 * QEMU's `virt`. All sources are level-triggered. What was forwarded stays pending until it is claimed, even if its line falls
 * before; one whose line is still high when it is completed becomes pending again ("Interrupt Gateways").
 */
export class Plic implements Device {
  readonly registers: readonly RegisterDescription[];
  readonly #ports: PlicPorts;
  readonly #contexts: number;
  readonly #priority = new Uint32Array(SOURCES);
  readonly #pending = new Uint32Array(WORDS);
  /** Claimed and not yet completed: the gateway forwards nothing more. */
  readonly #inService = new Uint32Array(WORDS);
  readonly #lines = new Uint32Array(WORDS);
  readonly #enable: Uint32Array;
  readonly #threshold: Uint32Array;
  readonly #targets: Uint8Array;

  constructor(contexts: number, ports: PlicPorts) {
    this.#ports = ports;
    this.#contexts = contexts;
    this.#enable = new Uint32Array(contexts * WORDS);
    this.#threshold = new Uint32Array(contexts);
    this.#targets = new Uint8Array(contexts);
    this.registers = registersOf(contexts);
  }

  /** Level of a source's line. */
  setLine(source: number, level: boolean): void {
    assert(source > 0 && source < SOURCES, `the PLIC has no source ${source}`);
    if (hasBit(this.#lines, source) === level) return;
    this.#ports.transition(source, level ? 'raised' : 'lowered', () => {
      setBit(this.#lines, source, level);
      if (level && !hasBit(this.#inService, source)) setBit(this.#pending, source, true);
      this.#updateTargets();
    });
  }

  read(offset: number, size: AccessSize): number {
    const context = contextAt(offset);
    if (size === 4 && context < this.#contexts && isClaim(offset)) return this.#claim(context);
    return this.peek(offset, size);
  }

  peek(offset: number, size: AccessSize): number {
    // The registers are words; QEMU answers nothing narrower either.
    if (size !== 4 || (offset & 3) !== 0) return 0;
    if (offset < PRIORITY + 4 * SOURCES) return this.#priority[offset >> 2]!;
    if (offset >= PENDING && offset < PENDING + 4 * WORDS) return this.#pending[(offset - PENDING) >> 2]!;
    const enable = this.#enableIndex(offset);
    if (enable !== undefined) return this.#enable[enable]!;
    const context = contextAt(offset);
    if (context >= this.#contexts) return 0;
    if (isThreshold(offset)) return this.#threshold[context]!;
    return isClaim(offset) ? this.#best(context, 0) : 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (size !== 4 || (offset & 3) !== 0) return;
    const enable = this.#enableIndex(offset);
    const context = contextAt(offset);
    if (offset < PRIORITY + 4 * SOURCES) {
      // Source 0 does not exist; its priority is hardwired (PLIC, "Interrupt Priorities").
      if (offset !== PRIORITY) this.#priority[offset >> 2] = value & PRIORITY_MASK;
    } else if (enable !== undefined) {
      this.#enable[enable] = enable % WORDS === 0 ? value & ~1 : value;
    } else if (context < this.#contexts && isThreshold(offset)) {
      this.#threshold[context] = value & PRIORITY_MASK;
    } else if (context < this.#contexts && isClaim(offset)) {
      this.#complete(context, value);
    }
    this.#updateTargets();
  }

  reset(): void {
    for (const state of [this.#priority, this.#pending, this.#inService, this.#enable, this.#threshold]) {
      state.fill(0);
    }
    // The lines belong to the devices, which lower them in their own reset.
    this.#pending.set(this.#lines);
    this.#updateTargets();
  }

  save(): Saved {
    return {
      version: 1,
      priority: [...this.#priority],
      pending: [...this.#pending],
      inService: [...this.#inService],
      lines: [...this.#lines],
      enable: [...this.#enable],
      threshold: [...this.#threshold],
    };
  }

  restore(saved: Saved): void {
    const from = new SavedReader(saved, 'the PLIC', 1);
    this.#priority.set(from.numbers('priority', this.#priority.length));
    this.#pending.set(from.numbers('pending', WORDS));
    this.#inService.set(from.numbers('inService', WORDS));
    this.#lines.set(from.numbers('lines', WORDS));
    this.#enable.set(from.numbers('enable', this.#enable.length));
    this.#threshold.set(from.numbers('threshold', this.#threshold.length));
    this.#updateTargets();
  }

  /**
   * Takes the pending source of highest priority; the claim clears its pending bit at once. The threshold takes
   * no part (PLIC, "Interrupt Claim Process").
   */
  #claim(context: number): number {
    const source = this.#best(context, 0);
    if (source !== 0) {
      this.#ports.transition(source, 'claimed', () => {
        setBit(this.#pending, source, false);
        setBit(this.#inService, source, true);
        this.#updateTargets();
      });
    }
    return source;
  }

  /** A completion for a source that is not enabled for the context is ignored (PLIC, "Interrupt Completion"). */
  #complete(context: number, source: number): void {
    if (source <= 0 || source >= SOURCES || !hasBit(this.#inService, source)) return;
    if (!hasBit(this.#enable.subarray(context * WORDS, (context + 1) * WORDS), source)) return;
    this.#ports.transition(source, 'completed', () => {
      setBit(this.#inService, source, false);
      if (hasBit(this.#lines, source)) setBit(this.#pending, source, true);
      this.#updateTargets();
    });
  }

  /** The pending, enabled source of highest priority above `threshold`, of equals the lowest number; else 0. */
  #best(context: number, threshold: number): number {
    let best = 0;
    let priority = threshold;
    for (let word = 0; word < WORDS; word += 1) {
      let candidates = this.#pending[word]! & this.#enable[context * WORDS + word]!;
      while (candidates !== 0) {
        const bit = 31 - Math.clz32(candidates & -candidates);
        candidates &= candidates - 1;
        const source = word * 32 + bit;
        if (this.#priority[source]! <= priority) continue;
        priority = this.#priority[source]!;
        best = source;
      }
    }
    return best;
  }

  #updateTargets(): void {
    for (let context = 0; context < this.#contexts; context += 1) {
      const level = this.#best(context, this.#threshold[context]!) !== 0;
      if (level === (this.#targets[context] !== 0)) continue;
      this.#targets[context] = Number(level);
      this.#ports.setTarget(context, level);
    }
  }

  #enableIndex(offset: number): number | undefined {
    const context = Math.floor((offset - ENABLE) / ENABLE_STRIDE);
    const word = ((offset - ENABLE) % ENABLE_STRIDE) >> 2;
    const known = offset >= ENABLE && context < this.#contexts && word < WORDS;
    return known ? context * WORDS + word : undefined;
  }
}

/** The context whose registers stand at an offset; beyond all contexts for an offset before them. */
const contextAt = (offset: number): number =>
  offset < CONTEXT ? Number.POSITIVE_INFINITY : Math.floor((offset - CONTEXT) / CONTEXT_STRIDE);
const isThreshold = (offset: number): boolean => offset % CONTEXT_STRIDE === 0;
const isClaim = (offset: number): boolean => offset % CONTEXT_STRIDE === 4;

const hasBit = (words: Uint32Array, bit: number): boolean => (words[bit >> 5]! & (1 << (bit & 31))) !== 0;

function setBit(words: Uint32Array, bit: number, level: boolean): void {
  const mask = 1 << (bit & 31);
  words[bit >> 5] = level ? words[bit >> 5]! | mask : words[bit >> 5]! & ~mask;
}

function registersOf(contexts: number): RegisterDescription[] {
  const modes = Array.from({ length: contexts }, (_, context) => ({
    context,
    who: `hart ${context >> 1} in ${(context & 1) === 0 ? 'M' : 'S'}-mode`,
  }));
  return [
    {
      name: 'priority',
      offset: PRIORITY,
      size: 4,
      count: SOURCES,
      description: 'Priority of a source; 0 never interrupts',
      fields: [{ name: 'PRIORITY', low: 0, high: 2 }],
    },
    { name: 'pending', offset: PENDING, size: 4, count: WORDS, description: 'A bit a source' },
    ...modes.map(
      ({ context, who }): RegisterDescription => ({
        name: `enable${context}`,
        offset: ENABLE + context * ENABLE_STRIDE,
        size: 4,
        count: WORDS,
        description: `Sources enabled for ${who}`,
      }),
    ),
    ...modes.flatMap(({ context, who }): RegisterDescription[] => [
      {
        name: `threshold${context}`,
        offset: CONTEXT + context * CONTEXT_STRIDE,
        size: 4,
        description: `Priorities up to this do not interrupt ${who}`,
        fields: [{ name: 'THRESHOLD', low: 0, high: 2 }],
      },
      {
        name: `claim${context}`,
        offset: CONTEXT + context * CONTEXT_STRIDE + 4,
        size: 4,
        description: `Read: claim the best source for ${who}. Write: complete it`,
      },
    ]),
  ];
}
