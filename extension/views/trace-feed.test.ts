import { describe, expect, test } from 'vitest';
import type { TraceRecord } from '../../debug-adapter/contract/requests.ts';
import { BACKLOG_MAX, RECORDS_MAX, TraceFeed } from './trace-feed.ts';

const record = (sequence: number): TraceRecord => ({
  hart: 0,
  pc: '0x80200000',
  step: String(sequence),
  stage: 'post',
  handlerNs: 100,
  sequence,
  exit: { kind: 'wfi', until: null },
  text: `record ${sequence}`,
});

/** A machine with `count` records of which the oldest `lost` are overwritten, and a view that writes down what it is told. */
function machine(count: number, lost = 0) {
  const told: string[] = [];
  const asked: object[] = [];
  const state = { count };
  const feed = new TraceFeed(
    async (args) => {
      asked.push(args);
      if (args.filter?.condition === 'bad ==') throw new Error('expected a value at column 7');
      const after = Math.max(args.after ?? 0, lost);
      const last = Math.min(state.count, after + (args.limit ?? 1000));
      const numbers = Array.from({ length: last - after }, (_, index) => after + 1 + index);
      return { records: numbers.map(record), dropped: after - (args.after ?? 0), next: last };
    },
    {
      reset: () => told.push('reset'),
      append: (records, missed) =>
        told.push(`append ${records[0]?.sequence}..${records.at(-1)?.sequence} missed ${missed}`),
      problem: (message) => message !== null && told.push(`problem ${message}`),
    },
  );
  return { feed, told, asked, state };
}

describe('the trace feed', () => {
  test('fetches what is new, batch by batch', async () => {
    const { feed, told, state } = machine(1500);
    await feed.notify(1500);
    state.count = 1510;
    await feed.notify(1510);
    expect(told).toEqual([
      'append 1..1000 missed 0',
      'append 1001..1500 missed 0',
      'append 1501..1510 missed 0',
    ]);
    expect(feed.records).toHaveLength(1510);
  });

  test('has one request under way, however often it is told', async () => {
    const { feed, asked } = machine(10);
    await Promise.all([feed.notify(5), feed.notify(8), feed.notify(10)]);
    expect(asked).toHaveLength(1);
  });

  test('counts what the machine has overwritten', async () => {
    const { feed } = machine(300, 200);
    await feed.notify(300);
    expect(feed.missed).toBe(200);
    expect(feed.records[0]!.sequence).toBe(201);
  });

  test('skips to the present when it lags too far', async () => {
    const { feed } = machine(1_000_000);
    await feed.notify(1_000_000);
    expect(feed.missed).toBe(1_000_000 - BACKLOG_MAX);
    expect(feed.records.at(-1)!.sequence).toBe(1_000_000);
  });

  test('keeps the newest records only', async () => {
    const { feed, state } = machine(0);
    for (state.count = BACKLOG_MAX; state.count <= RECORDS_MAX + BACKLOG_MAX; state.count += BACKLOG_MAX) {
      await feed.notify(state.count);
    }
    expect(feed.records).toHaveLength(RECORDS_MAX);
    expect(feed.records[0]!.sequence).toBe(BACKLOG_MAX + 1);
  });

  test('a filter shows the whole trace anew; a wrong one says why and can be mended', async () => {
    const { feed, told, asked } = machine(3);
    await feed.notify(3);
    await feed.setFilter({ condition: 'bad ==' });
    await feed.setFilter({ kinds: ['mmio'], condition: 'write' });
    expect(told.slice(1)).toEqual([
      'reset',
      'problem expected a value at column 7',
      'reset',
      'append 1..3 missed 0',
    ]);
    expect(asked.at(-1)).toMatchObject({ after: 0, filter: { kinds: ['mmio'], condition: 'write' } });
  });

  test('the same filter again changes nothing', async () => {
    const { feed, told, asked } = machine(3);
    await feed.setFilter({});
    await feed.notify(3);
    await feed.setFilter({});
    expect([told, asked.length]).toEqual([['append 1..3 missed 0'], 1]);
  });

  test('an answer that was asked for before a clear is not shown', async () => {
    const { feed, told } = machine(3);
    const under = feed.notify(3);
    feed.clear();
    await under;
    expect(told).toEqual(['reset']);
    expect(feed.records).toEqual([]);
  });
});
