import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'vitest';
import { DEFAULT_ISA } from '../../vmm/isa/extensions.ts';
import { compileGuest, ramOf, runQemu, temporaryFolder } from '../support/qemu.ts';
import { newerQemu } from '../support/newer-tools.ts';
import { runBareMetal } from './bare-machine.ts';
import { InstructionPool } from './instruction-pool.ts';
import { generateSequence } from './random-programs.ts';
import { decodeOutcomes, describeDifference, encodeSequences } from './sequence-records.ts';
const ADDED = ['zacas', 'zabha', 'zbkb', 'zbkx', 'zcb', 'zcmop', 'zfh', 'zicond', 'zimop', 'svinval'];
test('x', async () => {
  const pool = new InstructionPool(DEFAULT_ISA);
  (pool as any).instructions = pool.instructions.filter((e) => !/^fcvt/.test(e.name));
  const env = { privilege: 3, levels: 0, writableCode: true } as const;
  const s = generateSequence(20240607, Number(process.env.INDEX), env, Number(process.env.INDEX), pool);
  console.log('x31', s.start.x[15]!.toString(16));
  const variants = s.listing.map(({ offset }) => {
    const code = s.code.slice(); new DataView(code.buffer).setUint32(Math.min(offset, code.length-4), 0x73, true);
    return { code: offset === s.listing.at(-1)!.offset ? s.code : code.slice(0, offset + 4 > code.length ? code.length : offset+4), start: s.start };
  });
  const folder = temporaryFolder();
  const kernel = compileGuest({ folder, sources: { 'sequences.S': readFileSync('test/support/guests/sequences.S') }, start: false });
  const images = encodeSequences(env, variants);
  const ramFile = join(folder, 'ram');
  const loaders = Object.entries(images).flatMap(([name, { address, data }]) => { writeFileSync(join(folder, name), data); return ['-device', `loader,file=${join(folder, name)},addr=${address},force-raw=on`]; });
  await runQemu({ program: newerQemu() as any, kernel, cpu: ['rv64,h=false', ...ADDED.map((n) => `${n}=true`)].join(','), harts: 2, ramFile, arguments: loaders });
  const after = ({ address, data }: any) => ({ address, data: ramOf(ramFile, address, data.length) });
  const ref = decodeOutcomes(env, { code: after(images.code), buffers: after(images.buffers), tables: after(images.tables), records: after(images.records) });
  const ours = decodeOutcomes(env, runBareMetal(readFileSync(kernel), images, DEFAULT_ISA));
  for (const [i, o] of ours.entries()) { console.log(s.listing[i]!.offset, (s.listing[i]!.raw>>>0).toString(16), s.listing[i]!.name, 'x31 before', o.x[15]!.toString(16), ref[i]!.x[15]!.toString(16), describeDifference(o, ref[i]!).join('; ')); }
}, 60000);
