import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

const folder = fileURLToPath(new URL('../golden/', import.meta.url));

/** Compares `text` with the file `name` below test/golden; with UPDATE=1 in the environment the file is written instead. */
export function checkGolden(name: string, text: string): void {
  const path = folder + name;
  if (process.env['UPDATE'] === '1') {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return;
  }
  expect(existsSync(path), `test/golden/${name} is missing: UPDATE=1 makes it`).toBe(true);
  expect(text, `differs from test/golden/${name}; UPDATE=1 rewrites it`).toBe(readFileSync(path, 'utf8'));
}
