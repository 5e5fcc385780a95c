import { expect, test } from 'vitest';
import { EXIT_KINDS } from '../protocol/exits.ts';
import { KINDS, kindIndex, stageIndex } from './kinds.ts';

test('a kind’s number is its place in the list of kinds', () => {
  expect(EXIT_KINDS.map(kindIndex)).toEqual([...EXIT_KINDS.keys()]);
});

test('each stage of each kind has an entry of its own', () => {
  const indices = EXIT_KINDS.flatMap((kind) => [stageIndex(kind, 'pre'), stageIndex(kind, 'post')]);
  expect(indices).toEqual(Array.from({ length: 2 * KINDS }, (_, index) => index));
});
