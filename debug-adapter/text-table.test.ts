import { expect, test } from 'vitest';
import { formatTable } from './text-table.ts';

test('columns are aligned, the last is not padded', () => {
  const rows = [
    ['mmio', '7', 'short'],
    ['page-fault', '123', ''],
  ];
  expect(formatTable(['kind', 'count', ''], rows, new Set([1]))).toBe(
    ['kind        count', 'mmio            7  short', 'page-fault    123'].join('\n'),
  );
});
