import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Random, random, SEED } from '../../test/support/random.ts';
import { type Field, message, openSharedFolder, u8, u16, u32, u64 } from '../../test/support/share-client.ts';
import { ShareServer } from './server.ts';
import { MESSAGE } from './wire.ts';

const SECRET = 'what stands outside the folder';
const MESSAGE_BYTES = 8192;
const REQUESTS = Number(process.env['REQUESTS'] ?? 20_000);

let outside: string;
let folder: string;
beforeAll(() => {
  outside = mkdtempSync(join(tmpdir(), 'hartscope-share-fuzz-'));
  folder = join(outside, 'shared');
  mkdirSync(join(folder, 'a/b/c'), { recursive: true });
  writeFileSync(join(outside, 'secret'), SECRET);
  writeFileSync(join(folder, 'file'), 'x'.repeat(5000));
  symlinkSync('../secret', join(folder, 'out'));
  symlinkSync(outside, join(folder, 'a/up'));
  symlinkSync('a', join(folder, 'in'));
});
afterAll(() => rmSync(outside, { recursive: true, force: true }));

const NAMES = [
  'a',
  'b',
  'c',
  'file',
  'out',
  'up',
  'in',
  '..',
  '.',
  'new',
  'secret',
  '../secret',
  '/',
  'x/y',
  '',
];
const TARGETS = ['file', '../secret', '../../secret', '/etc/passwd', 'a/../..', ''];
const TYPES = Object.values(MESSAGE);
const OPEN_FLAGS = [0, 1, 2, 0o102, 0o1002, 0o2001, 0o200000, 0o4000002];

/** A request that is mostly well formed, about a few fids and names. */
function request(numbers: Random): Buffer {
  const fid = (): Field => u32(numbers.below(12) === 0 ? 0xffffffff : numbers.below(8));
  const name = (): string => numbers.pick(NAMES);
  const any32 = (): Field => u32(Number(numbers.next() & 0xffffffffn) >>> numbers.below(32));
  const any64 = (): Field => u64(numbers.next() >> BigInt(numbers.below(64)));
  const mode = (): Field => u32(numbers.pick([0o755, 0o644, 0o4777, 0]));
  const count = numbers.below(5);
  const names = Array.from({ length: count }, name);
  const shapes: readonly (() => Buffer)[] = [
    () => message(MESSAGE.walk, fid(), fid(), u16(count), ...names),
    () => message(MESSAGE.walk, fid(), fid(), u16(count), ...names),
    () => message(MESSAGE.attach, fid(), u32(0xffffffff), 'u', '', any32()),
    () => message(MESSAGE.lopen, fid(), u32(numbers.pick(OPEN_FLAGS))),
    () => message(MESSAGE.lcreate, fid(), name(), u32(numbers.pick(OPEN_FLAGS)), mode(), any32()),
    () => message(MESSAGE.read, fid(), any64(), any32()),
    () => message(MESSAGE.write, fid(), u64(numbers.below(9000)), u32(3), Buffer.from('abc')),
    () => message(MESSAGE.readdir, fid(), u64(numbers.below(10)), any32()),
    () => message(MESSAGE.getattr, fid(), any64()),
    () =>
      message(
        ...([
          MESSAGE.setattr,
          fid(),
          u32(numbers.below(0x200)),
          mode(),
          u32(0),
          u32(0),
          u64(numbers.below(9000)),
        ] as const),
        ...[any64(), any64(), any64(), any64()],
      ),
    () => message(MESSAGE.mkdir, fid(), name(), mode(), any32()),
    () => message(MESSAGE.symlink, fid(), name(), numbers.pick(TARGETS), any32()),
    () => message(MESSAGE.readlink, fid()),
    () => message(MESSAGE.link, fid(), fid(), name()),
    () => message(MESSAGE.rename, fid(), fid(), name()),
    () => message(MESSAGE.renameat, fid(), name(), fid(), name()),
    () => message(MESSAGE.unlinkat, fid(), name(), u32(numbers.pick([0, 0x200]))),
    () => message(MESSAGE.remove, fid()),
    () => message(MESSAGE.clunk, fid()),
    () => message(MESSAGE.clunk, fid()),
    () => message(MESSAGE.statfs, fid()),
    () => message(MESSAGE.lock, fid(), u8(1), any32(), any64(), any64(), any32(), 'client'),
    () => message(numbers.pick(TYPES), ...Array.from({ length: numbers.below(12) }, any32)),
  ];
  return numbers.pick(shapes)();
}

/** Sometimes a byte is another, or the end is cut off or long; the size always says what is there. */
function damaged(numbers: Random, bytes: Buffer): Buffer {
  const kind = numbers.below(6);
  if (kind === 0 && bytes.length > 8) bytes[7 + numbers.below(bytes.length - 7)] = numbers.below(256);
  const cut = kind === 1 ? bytes.subarray(0, Math.max(7, bytes.length - 1 - numbers.below(8))) : bytes;
  const long =
    kind === 2 ? Buffer.concat([cut, Buffer.alloc(1 + numbers.below(9), numbers.below(256))]) : cut;
  long.writeUInt32LE(long.length, 0);
  return long;
}

test('whatever a guest asks is answered, within its bounds, and nothing outside is read or changed', () => {
  const numbers = random(SEED);
  const server = new ShareServer(openSharedFolder(folder, { readOnly: false }));
  const errors = new Map<number, number>();
  let successes = 0;
  const begin = (): void => {
    server.handle(message(MESSAGE.version, u32(MESSAGE_BYTES), '9P2000.L'));
    server.handle(message(MESSAGE.attach, u32(0), u32(0xffffffff), 'user', '', u32(0)));
  };
  begin();
  for (let index = 0; index < REQUESTS; index += 1) {
    // A version's answer sets the bounds anew.
    if (index % 500 === 499) begin();
    const bytes = damaged(numbers, request(numbers));
    if (bytes[4] === MESSAGE.version) continue;
    const answer = Buffer.from(server.handle(bytes));
    const what = `SEED=${SEED}, request ${index}: ${bytes.toString('hex')}`;
    expect(answer.length, what).toBeLessThanOrEqual(MESSAGE_BYTES);
    expect(answer.readUInt32LE(0), what).toBe(answer.length);
    expect(answer.readUInt16LE(5), what).toBe(bytes.readUInt16LE(5));
    expect([bytes[4]! + 1, MESSAGE.lerror + 1], what).toContain(answer[4]);
    expect(answer.includes(SECRET), what).toBe(false);
    if (answer[4] === MESSAGE.lerror + 1) {
      const errno = answer.readUInt32LE(7);
      errors.set(errno, (errors.get(errno) ?? 0) + 1);
    } else {
      successes += 1;
    }
  }
  server.close();
  expect(readFileSync(join(outside, 'secret'), 'utf8'), `SEED=${SEED}`).toBe(SECRET);
  expect(readdirSync(outside).sort(), `SEED=${SEED}`).toEqual(['secret', 'shared']);
  // The requests were not all refused for the same reason.
  expect(successes, `SEED=${SEED}`).toBeGreaterThan(REQUESTS / 20);
  expect(errors.size, `SEED=${SEED}`).toBeGreaterThan(8);
});
