import { describe, expect, test } from 'vitest';
import { type BreakpointSpec, BreakpointStore, parseHitCondition, parseLogMessage } from './breakpoints.ts';
import type { Symbols } from './symbols/index.ts';
import type { EvaluationContext } from './values/index.ts';

const noSymbols = {} as Symbols;

/** A machine whose a0 is `a0` and that has nothing else. */
function contextWith(a0: bigint): () => Promise<EvaluationContext> {
  const context: EvaluationContext = {
    readRegister: async (name) => (name === 'a0' ? a0 : undefined),
    readCsr: async () => undefined,
    csrFields: () => undefined,
    readMemory: async () => new Uint8Array(),
    variable: async () => undefined,
    symbol: () => undefined,
    type: () => undefined,
    enumerator: () => undefined,
    symbolize: () => undefined,
  };
  return async () => context;
}

function storeWith(...specs: Partial<BreakpointSpec>[]): BreakpointStore {
  const store = new BreakpointStore();
  const wanted = specs.map((spec, index) => ({
    spec: { kind: 'source' as const, where: `a.c:${index}`, ...spec },
    locate: () => ({ addresses: [0x1000n] }),
  }));
  store.replace('a.c', wanted, noSymbols);
  return store;
}

describe('hit conditions', () => {
  test.each([
    ['3', [3, 4, 5, 6]],
    ['>= 3', [3, 4, 5, 6]],
    ['> 3', [4, 5, 6]],
    ['== 3', [3]],
    ['=3', [3]],
    ['< 3', [1, 2]],
    ['<=3', [1, 2, 3]],
    ['% 3', [3, 6]],
  ])('%s counts hits %j of six', (text, hits) => {
    expect([1, 2, 3, 4, 5, 6].filter(parseHitCondition(text))).toEqual(hits);
  });

  test.each(['', 'often', '0', '>> 3', '-1'])('%j is refused', (text) => {
    expect(() => parseHitCondition(text)).toThrow(/is no hit count/);
  });
});

test.each([
  ['plain', [['text', 'plain']]],
  [
    'a {x} b',
    [
      ['text', 'a '],
      ['expression', 'x'],
      ['text', ' b'],
    ],
  ],
  [
    '{a}{b}',
    [
      ['expression', 'a'],
      ['expression', 'b'],
    ],
  ],
  ['\\{x\\}', [['text', '{x}']]],
  ['open { only', [['text', 'open { only']]],
])('log message %j', (message, parts) => {
  expect(parseLogMessage(message).map(({ kind, text }) => [kind, text])).toEqual(parts);
});

describe('reaching a breakpoint', () => {
  test('a false condition neither stops nor counts', async () => {
    const store = storeWith({ condition: '$a0 == 5' });
    expect((await store.reach(0x1000n, contextWith(4n))).stops).toEqual([]);
    expect(store.at(0x1000n)[0]!.hits).toBe(0);
    expect((await store.reach(0x1000n, contextWith(5n))).stops).toHaveLength(1);
  });

  test('hit counts count true conditions only', async () => {
    const store = storeWith({ condition: '$a0 > 1', hitCondition: '== 2' });
    const stops = [];
    for (const a0 of [1n, 2n, 1n, 3n, 4n])
      stops.push((await store.reach(0x1000n, contextWith(a0))).stops.length);
    expect(stops).toEqual([0, 0, 0, 1, 0]);
  });

  test('a log point logs and does not stop', async () => {
    const store = storeWith({ logMessage: 'a0 is {$a0,d}, nothing is {nowhere}' });
    const { stops, logs } = await store.reach(0x1000n, contextWith(7n));
    expect(stops).toEqual([]);
    expect(logs[0]!.text).toMatch(/^a0 is 7, nothing is <.*nowhere.*>$/);
  });

  test('a condition that cannot be evaluated stops and says why', async () => {
    const store = storeWith({ condition: 'nowhere == 1' });
    const { stops, problems } = await store.reach(0x1000n, contextWith(0n));
    expect(stops).toHaveLength(1);
    expect(problems[0]).toMatch(/^The condition "nowhere == 1" of the breakpoint at a.c:0 failed: /);
  });
});

test('a condition that does not parse is a problem with its column', () => {
  const [breakpoint] = [...storeWith({ condition: '$a0 == ' })];
  expect(breakpoint!.problem).toMatch(/column \d+/);
  expect(storeWith({ condition: '$a0 == ' }).addresses()).toEqual([]);
});

test('an unchanged breakpoint keeps its id and hits when the list is set again', async () => {
  const store = new BreakpointStore();
  const wanted = (where: string) => ({
    spec: { kind: 'source' as const, where },
    locate: () => ({ addresses: [0x1000n] }),
  });
  const [first] = store.replace('a.c', [wanted('a.c:1')], noSymbols);
  await store.reach(0x1000n, contextWith(0n));
  const [second, third] = store.replace('a.c', [wanted('a.c:1'), wanted('a.c:2')], noSymbols);
  expect([second!.id, second!.hits]).toEqual([first!.id, 1]);
  expect([third!.id === first!.id, third!.hits]).toEqual([false, 0]);
});
