import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { VmmStarter } from './vmm-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'hartscope-vmm-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A program in the VMM's place: leaves a file with its pid's name as long as it runs, and ends with its stdin. */
const bundle = join(folder, 'vmm.cjs');
writeFileSync(
  bundle,
  `const { rmSync, writeFileSync } = require('node:fs');
   const mine = require('node:path').join(__dirname, process.pid + '.pid');
   writeFileSync(mine, '');
   console.log(JSON.stringify({ address: 'unix:/' + process.pid }));
   process.stdin.on('end', () => rmSync(mine)).resume();`,
);
const running = () => readdirSync(folder).filter((name) => name.endsWith('.pid')).length;

test('the VMM started ahead is taken once, and the next one is another', async () => {
  const vmms = new VmmStarter(bundle);
  vmms.startAhead();
  const first = vmms.take();
  const second = vmms.take();
  const [one, two] = [await first.ready, await second.ready];
  expect(one.address).not.toBe(two.address);
  expect(running()).toBe(2);
  await vmms.release();
  expect(running(), 'what was taken is the taker’s').toBe(2);
  await Promise.all([first.end(), second.end()]);
  expect(running()).toBe(0);
});

test('a VMM that nobody takes is gone when released, however often that is asked', async () => {
  const vmms = new VmmStarter(bundle);
  vmms.startAhead();
  await Promise.all([vmms.release(), vmms.release()]);
  expect(running()).toBe(0);
});

test('a bundle that is missing is told to whoever takes', () => {
  const vmms = new VmmStarter(join(folder, 'none.cjs'));
  vmms.startAhead();
  expect(() => vmms.take()).toThrow(/The VMM is missing: .*none\.cjs does not exist/);
});

test('one that does not come up says why', async () => {
  const broken = join(folder, 'broken.cjs');
  writeFileSync(broken, `console.error('no room'); process.exitCode = 3;`);
  await expect(new VmmStarter(broken).take().ready).rejects.toThrow(
    'The VMM could not start (status 3: no room).',
  );
});
