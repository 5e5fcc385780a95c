import { describe, expect, test } from 'vitest';
import { describeWithOpensbi } from '../support/newer-opensbi.ts';
import { makeSbiCalls, type SbiCallsRun } from '../support/sbi-calls.ts';
import { SBI_ERROR, SBI_SEQUENCES, type SbiSequence, type SbiStep } from '../support/sbi-cases.ts';
import { PMU, PMU_EVENTS, PMU_SNAPSHOT } from '../support/sbi-pmu-cases.ts';

/** What a failed call leaves in a1 is anything. */
const shown = (error: bigint, value: bigint | undefined): string =>
  error === 0n && value !== undefined ? `0 ${value}` : `${error}`;

/** The same guest that calls the built-in SBI calls OpenSBI, which runs in M-mode of the same machine. */
describeWithOpensbi('OpenSBI 1.6', (firmware) => {
  describe.each([...SBI_SEQUENCES, PMU, PMU_SNAPSHOT, PMU_EVENTS])(
    'answers as the built-in SBI, chapter $chapter, $name',
    (sequence) => {
      let run: SbiCallsRun | undefined;
      const answers = () => (run ??= callOpensbi(sequence, firmware)).answers;

      const steps = stepsOnOpensbi(sequence).map((step, index) => ({
        ...step,
        index,
        differs: step.opensbi?.why ?? 'alike',
      }));
      test.each(steps)('$name: $differs', ({ index, ...step }) => {
        const { error, value } = answers()[index]!;
        const expected: Pick<SbiStep, 'error' | 'value'> = step.opensbi ?? step;
        expect(shown(error, expected.value === undefined ? undefined : value)).toBe(
          shown(SBI_ERROR[expected.error], expected.value),
        );
      });
    },
  );
});

const stepsOnOpensbi = ({ steps }: SbiSequence): readonly SbiStep[] =>
  steps.filter(({ harmsOpensbi }) => harmsOpensbi !== true);

function callOpensbi(sequence: SbiSequence, firmware: { name: string; data: Uint8Array }): SbiCallsRun {
  const { harts = 1, memory, typed } = sequence;
  return makeSbiCalls(
    stepsOnOpensbi(sequence).map(({ request }) => request),
    {
      firmware,
      config: { harts },
      ...(memory && { memory }),
      ...(typed !== undefined && { typed }),
    },
  );
}
