import { afterEach, expect, test, vi } from 'vitest';
import { missingFeature } from './probe.ts';

afterEach(() => vi.unstubAllGlobals());

test('a runtime that we support lacks nothing', () => {
  expect(missingFeature()).toBeUndefined();
});

test('a runtime without shared memory is told from one without the instructions', () => {
  vi.stubGlobal('WebAssembly', { validate: () => false });
  expect(missingFeature()).toMatch(/WebAssembly lacks .*; use Node 20\.19 or newer/);
  vi.stubGlobal('SharedArrayBuffer', undefined);
  expect(missingFeature()).toMatch(/no shared memory/);
});
