import { unreachable } from '../base/assert.ts';
import { EXIT_KINDS, type ExitKind, type Privilege, type VmExit } from '../protocol/exits.ts';
import { kindIndex } from './kinds.ts';

/**
 * Words of an encoded exit. The widest kind decides: `sbi` with its head, extension number, six arguments,
 * error and value.
 */
export const PAYLOAD_WORDS = 12;

/**
 * Distinct names that records can refer to. Devices, registers, CSRs and SBI functions are a few hundred; the
 * limit keeps a bug that invents names from filling memory, and a 16-bit number in a record enough.
 */
const NAMES_MAX = 0xffff;

/** Numbers for names: records have a fixed size and hold no text. */
export class Names {
  readonly #numbers = new Map<string, number>([['', 0]]);
  readonly #names: string[] = [''];

  number(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    if (this.#names.length > NAMES_MAX) return 0;
    this.#names.push(name);
    this.#numbers.set(name, this.#names.length - 1);
    return this.#names.length - 1;
  }

  name(number: number): string {
    return this.#names[number] ?? '';
  }
}

const PRIVILEGES: readonly Privilege[] = ['U', 'S', 'M'];
const ABSENT = 0xffff_ffff_ffff_ffffn;

/** The same memory as 64-bit and as 32-bit words; the latter spare a bigint where a number fits. */
export interface RecordViews {
  readonly words: BigUint64Array;
  readonly halves: Uint32Array;
}

/**
 * Writes an exit to `PAYLOAD_WORDS` words. The first is the head: kind in 8 bits, flags in 8, a name in 16 and
 * a small number or a second name in 32; what the others mean depends on the kind.
 */
export function encodeExit(exit: VmExit, { words, halves }: RecordViews, at: number, names: Names): void {
  const head = (name: string, flags: number, small: number): void => {
    halves[2 * at] = kindIndex(exit.kind) | (flags << 8) | (names.number(name) << 16);
    halves[2 * at + 1] = small;
  };
  switch (exit.kind) {
    case 'mmio':
      head(exit.device, Number(exit.write) | (exit.size << 1), exit.offset);
      halves[2 * at + 2] = names.number(exit.register);
      halves[2 * at + 3] = 0;
      words[at + 2] = exit.address;
      words[at + 3] = exit.value;
      return;
    case 'sbi':
      head(exit.ext, exit.args.length, exit.fn);
      words[at + 1] = exit.extId;
      words[at + 2] = BigInt(names.number(exit.function));
      words[at + 3] = exit.error;
      words[at + 4] = exit.value;
      for (let index = 0; index < Math.min(exit.args.length, SBI_ARGUMENTS); index += 1) {
        words[at + 5 + index] = exit.args[index]!;
      }
      return;
    case 'csr':
      head(exit.csr, Number(exit.write), exit.number);
      words[at + 1] = exit.old;
      words[at + 2] = exit.value;
      return;
    case 'trap':
      head(
        exit.name,
        Number(exit.interrupt) | (PRIVILEGES.indexOf(exit.from) << 1) | (PRIVILEGES.indexOf(exit.to) << 3),
        exit.cause,
      );
      words[at + 1] = exit.tval;
      return;
    case 'irq':
      head(exit.device, 0, exit.line);
      words[at + 1] = BigInt(names.number(exit.event));
      return;
    case 'page-fault':
      head(exit.reason, Number(exit.write), 0);
      words[at + 1] = exit.address;
      return;
    case 'tlb-flush':
      head(exit.fence, 0, 0);
      words[at + 1] = exit.address ?? ABSENT;
      words[at + 2] = exit.asid === null ? ABSENT : BigInt(exit.asid);
      return;
    case 'virtqueue':
      head(exit.device, 0, exit.queue);
      words[at + 1] = BigInt(names.number(exit.event));
      words[at + 2] = BigInt(exit.descriptors);
      words[at + 3] = BigInt(exit.bytes);
      return;
    case 'wfi':
      head('', 0, 0);
      words[at + 1] = exit.until ?? ABSENT;
      return;
    case 'nested':
      head('', 0, exit.cause);
      words[at + 1] = exit.htinst;
      words[at + 2] = exit.htval;
      return;
    case 'system':
      head(exit.event, 0, exit.code);
      return;
    case 'debug':
      head(exit.event, 0, 0);
      words[at + 1] = exit.address;
      return;
    default:
      unreachable(exit);
  }
}

const SBI_ARGUMENTS = 6;

/** Reads back what `encodeExit` wrote with the same names. */
export function decodeExit({ words, halves }: RecordViews, at: number, names: Names): VmExit {
  const low = halves[2 * at]!;
  const kind = EXIT_KINDS[low & 0xff] as ExitKind;
  const flags = (low >>> 8) & 0xff;
  const name = names.name(low >>> 16);
  const small = halves[2 * at + 1]!;
  const word = (index: number): bigint => words[at + index]!;
  const nameAt = <T extends string>(index: number): T => names.name(Number(word(index))) as T;
  const optional = (index: number): bigint | null => (word(index) === ABSENT ? null : word(index));
  const write = (flags & 1) !== 0;
  switch (kind) {
    case 'mmio':
      return {
        kind,
        device: name,
        register: nameAt(1),
        offset: small,
        address: word(2),
        size: flags >> 1,
        write,
        value: word(3),
      };
    case 'sbi': {
      const args = Array.from({ length: Math.min(flags, SBI_ARGUMENTS) }, (_, index) => word(5 + index));
      const [error, value] = [word(3), word(4)];
      return { kind, ext: name, extId: word(1), fn: small, function: nameAt(2), args, error, value };
    }
    case 'csr':
      return { kind, csr: name, number: small, write, old: word(1), value: word(2) };
    case 'trap': {
      const [from, to] = [PRIVILEGES[(flags >> 1) & 3]!, PRIVILEGES[(flags >> 3) & 3]!];
      return { kind, cause: small, interrupt: write, name, tval: word(1), from, to };
    }
    case 'irq':
      return { kind, line: small, device: name, event: nameAt(1) };
    case 'page-fault':
      return { kind, address: word(1), reason: name as 'outside-ram', write };
    case 'tlb-flush': {
      const asid = optional(2);
      const fence = name as 'sfence.vma';
      return { kind, fence, address: optional(1), asid: asid === null ? null : Number(asid) };
    }
    case 'virtqueue': {
      const [descriptors, bytes] = [Number(word(2)), Number(word(3))];
      return { kind, device: name, queue: small, event: nameAt(1), descriptors, bytes };
    }
    case 'wfi':
      return { kind, until: optional(1) };
    case 'nested':
      return { kind, cause: small, htinst: word(1), htval: word(2) };
    case 'system':
      return { kind, event: name as 'pass', code: small };
    case 'debug':
      return { kind, event: name as 'step', address: word(1) };
    default:
      return unreachable(kind);
  }
}
