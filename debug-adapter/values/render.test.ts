import { describe, expect, it } from 'vitest';
import { VmError } from '../../vmm/base/vm-error.ts';
import type { Type } from '../symbols/index.ts';
import { assign } from './assign.ts';
import { children } from './children.ts';
import { evaluate } from './evaluate.ts';
import type { Format } from './model.ts';
import { render } from './render.ts';
import { StableHandles } from './stable-handles.ts';
import {
  arrayOf,
  base,
  fakeContext,
  I16,
  I32,
  inMemoryAt,
  MEMORY_BASE,
  NODE,
  nodeMemory,
  pointerTo,
  STATE,
  TEXT,
  U8,
  U32,
  U64,
} from './testing.ts';
import { located, toBytes } from './value.ts';

const CONTEXT = fakeContext({
  registers: { a0: 5n, fa0: 0n },
  csrs: { mstatus: 0x1888n },
  csrFields: [{ name: 'MPP', low: 11, high: 12 }],
  memory: nodeMemory(),
  symbols: { main: 0x8000_0000n },
  variables: {
    node: inMemoryAt(NODE, MEMORY_BASE),
    numbers: inMemoryAt(arrayOf(U8, 64), MEMORY_BASE),
    count: { type: I32, location: { kind: 'register', register: 10 } },
    unsigned_count: { type: U32, location: { kind: 'register', register: 10 } },
    small: { type: I16, location: { kind: 'register', register: 10 } },
    single: { type: base('float', 4, 'float'), location: { kind: 'register', register: 42 } },
    fixed: { type: I32, location: { kind: 'bytes', bytes: toBytes(1n, 8) } },
  },
  enumerators: { RUNNING: { type: STATE, value: 5n } },
});

async function text(type: Type, bytes: number[] | bigint, format: Format = 'natural'): Promise<string> {
  const contents = typeof bytes === 'bigint' ? toBytes(bytes, type.size) : Uint8Array.from(bytes);
  return (await render({ type, bytes: contents, lvalue: undefined }, CONTEXT, format)).text;
}

describe('render', () => {
  it.each<[string, Type, bigint, Format, string]>([
    ['signed', I32, -5n, 'natural', '-5'],
    ['hexadecimal of the type’s width', I32, -5n, 'x', '0xfffffffb'],
    ['unsigned', I32, -5n, 'u', '4294967291'],
    ['binary', U8, 5n, 'b', '0b101'],
    ['octal', U8, 8n, 'o', '010'],
    ['character', TEXT, 0x41n, 'natural', "65 'A'"],
    ['newline', TEXT, 10n, 'natural', "10 '\\n'"],
    ['quote', TEXT, 39n, 'natural', "39 '\\''"],
    ['high character', TEXT, 200n, 'natural', "200 '\\xc8'"],
    ['byte as a number', U8, 65n, 'natural', '65'],
    ['byte as a character', U8, 65n, 'c', "65 'A'"],
    ['true', base('_Bool', 1, 'boolean'), 1n, 'natural', 'true'],
    ['odd bool', base('_Bool', 1, 'boolean'), 2n, 'natural', 'true (2)'],
    ['enumerator', STATE, 5n, 'natural', 'RUNNING'],
    ['negative enumerator', STATE, -1n, 'natural', 'DEAD'],
    ['no enumerator', STATE, 3n, 'natural', '(enum state) 3'],
    ['pointer to code', pointerTo(U64), 0x8000_0008n, 'natural', '0x80000008 <main+8>'],
    ['pointer to data', pointerTo(U64), 0x1000n, 'natural', '0x1000'],
    ['string', pointerTo(TEXT), 0x1010n, 'natural', '0x1010 "first"'],
    ['unreadable string', pointerTo(TEXT), 0x99n, 'natural', '0x99'],
    ['address', U64, 0x8000_0000n, 'a', '0x80000000 <main>'],
    ['double', base('double', 8, 'float'), 0x4009_21fb_5444_2d18n, 'natural', '3.141592653589793'],
    ['infinity', base('float', 4, 'float'), 0x7f80_0000n, 'natural', 'inf'],
    ['long double', base('long double', 16, 'float'), 0x3fff_8000n << 96n, 'natural', '1.5'],
  ])('%s', async (_, type, value, format, expected) => {
    expect(await text(type, value, format)).toBe(expected);
  });

  it('combines flags by name', async () => {
    const flags: Type = {
      kind: 'enum',
      name: 'enum flags',
      size: 4,
      signed: false,
      enumerators: ['READ', 'WRITE', 'EXECUTE'].map((name, bit) => ({ name, value: 1n << BigInt(bit) })),
    };
    expect(await text(flags, 5n)).toBe('READ | EXECUTE');
    expect(await text(flags, 9n)).toBe('(enum flags) 9');
  });

  it('shows aggregates in a line', async () => {
    const node = await located(NODE, { kind: 'memory', address: MEMORY_BASE }, CONTEXT);
    expect(await render(node, CONTEXT)).toEqual({
      text: '{next = 0x1020, value = -7, low = 5, high = -3, name = "first", state = RUNNING, {…}}',
      type: 'struct node',
      memoryReference: '0x1000',
      namedChildren: 7,
      indexedChildren: 0,
    });
    const numbers = await located(arrayOf(U8, 64), { kind: 'memory', address: MEMORY_BASE }, CONTEXT);
    const rendered = await render(numbers, CONTEXT, 'x');
    expect(rendered.text).toBe('{0x20, 0x10, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, …}');
    expect(rendered.indexedChildren).toBe(64);
  });

  it('cuts long strings', async () => {
    expect(await text(arrayOf(TEXT, 300), Array(300).fill(0x61))).toBe(`"${'a'.repeat(200)}"…`);
    expect(await text(arrayOf(TEXT, 4), [0x61, 0x62, 0x63, 0x64])).toBe('"abcd"');
  });

  it('joins the pieces of a value', async () => {
    const bytes = toBytes(0x1122n, 2);
    const pieces = [
      { kind: 'register', register: 10, size: 2 },
      { kind: 'bytes', bytes, size: 2 },
    ] as const;
    const whole = await located(U32, { kind: 'pieces', pieces }, CONTEXT);
    expect((await render(whole, CONTEXT, 'x')).text).toBe('0x11220005');
    const partly = await located(U64, { kind: 'pieces', pieces }, CONTEXT);
    expect((await render(partly, CONTEXT)).text).toBe('<partly optimized out>');
  });
});

describe('children', () => {
  const list = async (expression: string, options = {}) => {
    const { value } = await evaluate(expression, CONTEXT);
    const found = await children(value, expression, CONTEXT, options);
    return await Promise.all(
      found.map(async (child) => [child.name, child.evaluateName, (await render(child.value, CONTEXT)).text]),
    );
  };

  it('lists members, which can be evaluated again', async () => {
    const members = await list('node');
    expect(members.slice(0, 3)).toEqual([
      ['next', 'node.next', '0x1020'],
      ['value', 'node.value', '-7'],
      ['low', 'node.low', '5'],
    ]);
    expect(members.at(-1)).toEqual(['<struct {…}>', 'node', '{x = -2}']);
    for (const [, expression, shown] of members.slice(0, 6)) {
      const { value, format } = await evaluate(expression!, CONTEXT);
      expect((await render(value, CONTEXT, format)).text).toBe(shown);
    }
  });

  it('goes through pointers', async () => {
    expect((await list('node.next'))[1]).toEqual(['value', 'node.next->value', '99']);
    expect((await list('&node'))[1]).toEqual(['value', '(&node)->value', '-7']);
    expect(await list('&node.value')).toEqual([['*(&node.value)', '*(&node.value)', '-7']]);
    expect(await list('node.next->next')).toEqual([]);
  });

  it('pages arrays', async () => {
    expect(await list('numbers', { start: 8, count: 2 })).toEqual([
      ['[8]', 'numbers[8]', '249'],
      ['[9]', 'numbers[9]', '255'],
    ]);
    expect(await list('numbers', { start: 63, count: 10 })).toHaveLength(1);
    expect(await list('numbers', { start: 64, count: 10 })).toEqual([]);
    expect(await list('numbers')).toHaveLength(64);
  });
});

describe('assign', () => {
  const to = async (target: string, value: string) =>
    assign((await evaluate(target, CONTEXT)).value, value, CONTEXT);

  it('writes registers, sign-extended as the calling convention has it', async () => {
    expect(await to('$a0', '0x1234')).toEqual({ kind: 'register', name: 'a0', value: 0x1234n });
    expect(await to('count', '-1')).toEqual({ kind: 'register', name: 'a0', value: (1n << 64n) - 1n });
    expect(await to('unsigned_count', '0xffffffff')).toEqual({
      kind: 'register',
      name: 'a0',
      value: (1n << 64n) - 1n,
    });
    expect(await to('small', '0x18000')).toEqual({
      kind: 'register',
      name: 'a0',
      value: 0xffff_ffff_ffff_8000n,
    });
    expect(await to('single', '1.5')).toEqual({
      kind: 'register',
      name: 'fa0',
      value: 0xffff_ffff_3fc0_0000n,
    });
  });

  it('writes CSRs and their fields', async () => {
    expect(await to('$mstatus', '0')).toEqual({ kind: 'csr', name: 'mstatus', value: 0n });
    expect(await to('$mstatus.MPP', '1')).toEqual({ kind: 'csr', name: 'mstatus', value: 0x0888n });
    await expect(to('$mstatus.MPP', '4')).rejects.toThrow('MPP has 2 bits');
  });

  it('writes memory, and bit fields without their neighbours', async () => {
    expect(await to('node.value', 'node.value * 2')).toEqual({
      kind: 'memory',
      address: MEMORY_BASE + 8n,
      data: toBytes(-14n, 4),
    });
    expect(await to('node.low', '2')).toEqual({
      kind: 'memory',
      address: MEMORY_BASE + 12n,
      data: Uint8Array.of(0xea),
    });
    expect(await to('node.state', 'RUNNING')).toMatchObject({ data: toBytes(5n, 4) });
    expect(await to('*(char *)0x1000', "'A'")).toMatchObject({ address: 0x1000n, data: Uint8Array.of(0x41) });
  });

  it('refuses what cannot be written', async () => {
    await expect(to('fixed', '1')).rejects.toThrow('cannot be written');
    await expect(to('count + 1', '1')).rejects.toThrow(VmError);
    await expect(to('node', '1')).rejects.toThrow('cannot be written as a whole');
    await expect(to('node.name', '1')).rejects.toThrow('cannot be written as a whole');
    await expect(to('count', 'nonsense')).rejects.toThrow('nothing here is named');
  });
});

describe('StableHandles', () => {
  it('keeps numbers for paths and drops values at each stop', () => {
    const handles = new StableHandles<string>();
    const locals = handles.get('locals', 'old');
    const page = handles.get('locals/page', 'old page');
    expect(locals).not.toBe(page);
    expect(handles.lookup(page)).toBe('old page');
    handles.newStop();
    expect(handles.lookup(page)).toBeUndefined();
    expect(handles.pathOf(page)).toBe('locals/page');
    expect(handles.get('locals/page', 'new page')).toBe(page);
    expect(handles.lookup(page)).toBe('new page');
    expect(handles.lookup(locals)).toBeUndefined();
    expect(handles.lookup(9999)).toBeUndefined();
  });

  it('forgets paths that are not asked for any more', () => {
    const handles = new StableHandles<number>();
    const first = handles.get('gone', 1);
    for (let stop = 0; stop < 20; stop += 1) handles.newStop();
    expect(handles.pathOf(first)).toBeUndefined();
    expect(handles.get('gone', 2)).not.toBe(first);
  });
});
