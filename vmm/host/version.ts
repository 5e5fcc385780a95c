import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The version in the package.json beside the folder of bundles. */
export function packageVersion(bundles: string): string {
  const manifest: unknown = JSON.parse(readFileSync(join(bundles, '..', 'package.json'), 'utf8'));
  return (manifest as { version: string }).version;
}
