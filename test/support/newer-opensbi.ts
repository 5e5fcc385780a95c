import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
import { unpackFrom } from './debian-packages.ts';
import { NOT_RUN } from './tools.ts';

/** Debian 13's OpenSBI, which has the extensions of SBI 2.0 and firmware features; Debian 12's has SBI 1.0. */
const OPENSBI = { name: 'opensbi-1.6', suite: 'trixie', packages: ['opensbi'] } as const;
const IMAGE = 'usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin';

/**
 * A `describe` that runs where OpenSBI 1.6 can be fetched from Debian, and is given its image. Otherwise its tests do not
 * run, and the closing report lists them with the reason.
 */
export function describeWithOpensbi(
  name: string,
  body: (firmware: { name: string; data: Uint8Array }) => void,
): void {
  const found = unpackFrom(OPENSBI);
  if ('folder' in found && existsSync(join(found.folder, IMAGE))) {
    const data = new Uint8Array(readFileSync(join(found.folder, IMAGE)));
    describe(name, () => body({ name: 'fw_dynamic.bin', data }));
  } else {
    const problem = 'problem' in found ? found.problem : `${found.folder} holds no image`;
    describe.skip(`${name} [${NOT_RUN}${problem}]`, () => body({ name: '', data: new Uint8Array() }));
  }
}
