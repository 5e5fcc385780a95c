import { describe, expect, test } from 'vitest';
import { enableRelaxedSimd } from '../../vmm/host/relaxed-simd.ts';
import { describeWithNewer, newerQemu, type Program } from '../support/newer-tools.ts';
import { temporaryFolder } from '../support/qemu.ts';
import { random, SEED } from '../support/random.ts';
import { describeWith } from '../support/tools.ts';
import { compareFloat } from './float-comparison.ts';
import {
  additionalOperations,
  constants,
  formatConversions,
  type GuestOperation,
  operationsOf,
} from './float-operations.ts';

/** Cases of each operation, each run three times; for a longer search raise it by `CASES` in the environment. */
const CASES = Number(process.env['CASES'] ?? 10_000);
const TIMEOUT_MS = 60_000 + CASES * 1000;

enableRelaxedSimd();

const INSTALLED: Program = { file: 'qemu-system-riscv64', arguments: [] };

describe(`floating point against QEMU (SEED=${SEED}, CASES=${CASES})`, () => {
  describeWith(['qemu-system-riscv64'], 'the installed one', () => {
    const groups: readonly [name: string, operations: readonly GuestOperation[]][] = [
      ['F', operationsOf('f32')],
      ['D', operationsOf('f64')],
      ['Zfh', operationsOf('f16')],
      ['conversions between formats', formatConversions(['f16', 'f32', 'f64'])],
    ];
    test.each(groups)(
      '%s',
      (_, operations) => compareAll(operations, CASES, INSTALLED, 'rv64,Zfh=true,Zfhmin=true'),
      TIMEOUT_MS,
    );
  });
  describeWithNewer(['qemu'], 'a newer one', () => {
    const compare = (operations: readonly GuestOperation[], casesOfEach: number) =>
      compareAll(operations, casesOfEach, newerQemu() as Program, 'max');
    test('Zfa', () => compare(additionalOperations(), CASES), TIMEOUT_MS);
    test('constants of Zfa', () => compare(constants(), 1));
  });
});

function compareAll(
  operations: readonly GuestOperation[],
  casesOfEach: number,
  program: Program,
  cpu: string,
): void {
  const qemu = { program, cpu, folder: temporaryFolder() };
  for (const { form, differences } of compareFloat(operations, casesOfEach, qemu, random(SEED))) {
    expect(differences.slice(0, 20), `${form}: ${differences.length} differ, SEED=${SEED}`).toEqual([]);
  }
}
