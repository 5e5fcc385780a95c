import { describe, expect, test } from 'vitest';
import { makeSbiCalls, SBI_EXTENSION, type SbiCallsRun } from '../support/sbi-calls.ts';
import { SBI_ERROR, SBI_SEQUENCES, type SbiSequence } from '../support/sbi-cases.ts';
import { EVENTS_ASKED, PMU, PMU_EVENTS, PMU_SNAPSHOT } from '../support/sbi-pmu-cases.ts';

/** The run of a sequence, made by the first of its tests. */
function lazily(sequence: SbiSequence): () => SbiCallsRun {
  let run: SbiCallsRun | undefined;
  return () => {
    const { steps, harts = 1, memory, typed } = sequence;
    run ??= makeSbiCalls(
      steps.map(({ request }) => request),
      { config: { harts }, ...(memory && { memory }), ...(typed !== undefined && { typed }) },
    );
    return run;
  };
}

const SEQUENCES = [...SBI_SEQUENCES, PMU, PMU_SNAPSHOT, PMU_EVENTS];

describe.each(SEQUENCES)('SBI 3.0, chapter $chapter, $name', (sequence) => {
  const run = lazily(sequence);

  test.each(sequence.steps.map((step, index) => ({ ...step, index })))(
    '$name: $error',
    ({ error, value, index }) => {
      const given = run().answers[index]!;
      expect(given.error).toBe(SBI_ERROR[error]);
      if (value !== undefined) expect(given.value).toBe(value);
    },
  );
});

describe('what the calls leave behind', () => {
  const leftBy = (name: string): SbiCallsRun =>
    lazily(SEQUENCES.find((sequence) => sequence.name === name)!)();

  test('chapter 12, DBCN: the console has what was written, memory what was typed', () => {
    const { output, shared } = leftBy('DBCN');
    expect(output).toBe('consoleA');
    expect(Buffer.from(shared(64, 4)).toString('latin1')).toBe('abc\0');
  });

  test('chapter 16, STA: the first 64 bytes of its memory are zero', () => {
    const { shared } = leftBy('STA');
    expect([...shared(0, 65)]).toEqual([...Array.from({ length: 64 }, () => 0), 0xaa]);
  });

  test('chapter 11, FID #4, PMU: values stand by their place in the mask', () => {
    const { shared } = leftBy('PMU, snapshots');
    const memory = shared(0, 4096);
    const view = new DataView(memory.buffer, memory.byteOffset);
    // The second stop put counter 33 in front; 32 had counted one timer, 33 no fence.
    expect([0, 8, 16, 24].map((offset) => view.getBigUint64(offset, true))).toEqual([0n, 2000n, 2000n, 0n]);
  });

  test('chapter 11, FID #8, PMU: each entry says whether its event is counted', () => {
    const { shared } = leftBy('PMU, events');
    const memory = shared(0, EVENTS_ASKED.length * 16);
    const view = new DataView(memory.buffer, memory.byteOffset);
    const outputs = EVENTS_ASKED.map((_, index) => view.getUint32(index * 16 + 4, true));
    expect(outputs).toEqual(EVENTS_ASKED.map(([, counted]) => counted));
  });

  test('chapter 12, FID #0, DBCN: more than one call writes is written in part', () => {
    const { answers, output } = makeSbiCalls([
      { extension: SBI_EXTENSION.DBCN, fn: 0, args: [8n << 20n, 0x8000_0000n, 0n] },
    ]);
    expect(answers[0]!.error).toBe(0n);
    expect(BigInt(output.length)).toBe(answers[0]!.value);
    expect(output.length).toBeGreaterThan(0);
    expect(output.length).toBeLessThan(8 << 20);
  });
});
