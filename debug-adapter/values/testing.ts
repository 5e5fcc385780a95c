import { type Type, type ValueLocation, VOID } from '../symbols/index.ts';
import { pointerTo } from './builtin-types.ts';
import type { CsrField, EvaluationContext } from './model.ts';
import { toBytes } from './value.ts';

/** A machine made of plain maps, to evaluate expressions against without a program. */
export interface FakeMachine {
  readonly registers?: Readonly<Record<string, bigint>>;
  readonly csrs?: Readonly<Record<string, bigint>>;
  readonly csrFields?: readonly CsrField[];
  /** Memory from `MEMORY_BASE` on. */
  readonly memory?: Uint8Array;
  readonly variables?: Readonly<Record<string, { type: Type; location: ValueLocation }>>;
  readonly symbols?: Readonly<Record<string, bigint>>;
  readonly types?: readonly Type[];
  readonly enumerators?: Readonly<Record<string, { type: Type; value: bigint }>>;
}

export const MEMORY_BASE = 0x1000n;

export function fakeContext(machine: FakeMachine): EvaluationContext {
  const memory = machine.memory ?? new Uint8Array(0);
  return {
    readRegister: async (name) => machine.registers?.[name],
    readCsr: async (name) => machine.csrs?.[name],
    csrFields: () => machine.csrFields,
    readMemory: async (address, length) => {
      const start = address - MEMORY_BASE;
      return start < 0n || start >= BigInt(memory.length)
        ? new Uint8Array(0)
        : memory.subarray(Number(start), Number(start) + length);
    },
    variable: async (name) => machine.variables?.[name],
    enumerator: (name) => machine.enumerators?.[name],
    symbol: (name) => {
      const address = machine.symbols?.[name];
      return address === undefined ? undefined : { address };
    },
    type: (name) => machine.types?.find((type) => type.name === name),
    symbolize: (address) => {
      const found = Object.entries(machine.symbols ?? {}).find(
        ([, at]) => address >= at && address < at + 16n,
      );
      return found && { name: found[0], offset: address - found[1] };
    },
  };
}

export const base = (
  name: string,
  size: number,
  encoding: 'signed' | 'unsigned' | 'boolean' | 'float' | 'char',
): Type => ({ kind: 'base', name, size, encoding });

export const U8 = base('unsigned char', 1, 'unsigned');
export const I16 = base('short int', 2, 'signed');
export const I32 = base('int', 4, 'signed');
export const U32 = base('unsigned int', 4, 'unsigned');
export const U64 = base('long unsigned int', 8, 'unsigned');
export const TEXT = base('char', 1, 'char');

export function arrayOf(element: Type, count: number): Type {
  return { kind: 'array', name: `${element.name} [${count}]`, size: element.size * count, element, count };
}

export const STATE: Type = {
  kind: 'enum',
  name: 'enum state',
  size: 4,
  signed: true,
  enumerators: [
    { name: 'IDLE', value: 0n },
    { name: 'RUNNING', value: 5n },
    { name: 'DEAD', value: -1n },
  ],
};

/** `struct node { struct node *next; int value; unsigned low : 3; int high : 5; char name[8]; enum state state; struct { short x; }; }` */
export const NODE: Type = {
  kind: 'struct',
  keyword: 'struct',
  name: 'struct node',
  size: 32,
  get members() {
    return [
      { name: 'next', type: pointerTo(NODE), offset: 0 },
      { name: 'value', type: I32, offset: 8 },
      { name: 'low', type: U32, offset: 12, bits: { offset: 96, size: 3 } },
      { name: 'high', type: I32, offset: 12, bits: { offset: 99, size: 5 } },
      { name: 'name', type: arrayOf(TEXT, 8), offset: 16 },
      { name: 'state', type: STATE, offset: 24 },
      {
        name: '',
        offset: 28,
        type: {
          kind: 'struct' as const,
          keyword: 'struct' as const,
          name: 'struct {…}',
          size: 2,
          members: [{ name: 'x', type: I16, offset: 0 }],
        },
      },
    ];
  },
};

/** A node at `MEMORY_BASE` that points to one after it, whose bit fields are 5 and -3. */
export function nodeMemory(): Uint8Array {
  const memory = new Uint8Array(64);
  const put = (at: number, value: bigint, size: number): void => memory.set(toBytes(value, size), at);
  put(0, MEMORY_BASE + 32n, 8);
  put(8, -7n, 4);
  put(12, (5n | (BigInt.asUintN(5, -3n) << 3n)) & 0xffn, 1);
  memory.set(new TextEncoder().encode('first'), 16);
  put(24, 5n, 4);
  put(28, -2n, 2);
  put(40, 99n, 4);
  memory.set(new TextEncoder().encode('a"\n'), 48);
  put(56, 7n, 4);
  return memory;
}

export const inMemoryAt = (type: Type, address: bigint): { type: Type; location: ValueLocation } => ({
  type,
  location: { kind: 'memory', address },
});

export { pointerTo, VOID };
