import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openSharedFolder, ShareClient, u16, u32, u64 } from '../../test/support/share-client.ts';
import { ShareServer } from './server.ts';
import { MESSAGE } from './wire.ts';

let outside: string;
let folder: string;
let servers: ShareServer[];
beforeEach(() => {
  outside = mkdtempSync(join(tmpdir(), 'hartscope-share-'));
  folder = join(outside, 'shared');
  mkdirSync(join(folder, 'sub/deep'), { recursive: true });
  writeFileSync(join(folder, 'hello'), 'hello\n');
  writeFileSync(join(folder, 'sub/inner'), 'inner\n');
  writeFileSync(join(outside, 'secret'), 'secret\n');
  servers = [];
});
afterEach(() => {
  for (const server of servers) server.close();
  rmSync(outside, { recursive: true, force: true });
});

function serve(readOnly = false): ShareServer {
  const server = new ShareServer(openSharedFolder(folder, { readOnly }));
  servers.push(server);
  return server;
}
const client = (readOnly = false): ShareClient => new ShareClient(serve(readOnly)).start();
const host = (path: string): string => readFileSync(join(folder, path), 'utf8');

/** With the file `hello` as fid 1. */
const onHello = (act: (nine: ShareClient) => unknown) => (nine: ShareClient) => {
  nine.walk(['hello'], 1);
  act(nine);
};

describe('a session', () => {
  test('speaks one dialect, in messages as long as both can', () => {
    const fresh = new ShareClient(serve());
    const answer = fresh.ask(MESSAGE.version, u32(1 << 30), '9P2000.L');
    expect(answer.readUInt32LE(0)).toBe(512 << 10);
    expect(answer.subarray(6).toString()).toBe('9P2000.L');
    expect(fresh.ask(MESSAGE.version, u32(8192), '9P2000').subarray(6).toString()).toBe('unknown');
    expect(() => fresh.ask(MESSAGE.version, u32(100), '9P2000.L')).toThrow('EINVAL');
  });

  test('begins anew with the version: what was open is forgotten', () => {
    const nine = client();
    nine.walk(['sub'], 1);
    nine.ask(MESSAGE.version, u32(65536), '9P2000.L');
    expect(() => nine.walk([], 2, 1)).toThrow('EBADF');
  });

  test('needs nobody to say who they are, and knows no way to', () => {
    expect(() => client().ask(MESSAGE.auth, u32(5), 'user', '', u32(0))).toThrow('EOPNOTSUPP');
  });
});

describe('files', () => {
  test('are read', () => {
    const nine = client();
    expect(nine.file('hello')).toBe('hello\n');
    expect(nine.file('sub', 'inner')).toBe('inner\n');
    expect(() => nine.file('sub', 'none')).toThrow('ENOENT');
    expect(() => nine.walk(['hello', 'x'], 3)).toThrow('ENOENT');
  });

  test('are made, written, cut and kept', () => {
    const nine = client();
    nine.create('new', 'abcdef');
    expect(host('new')).toBe('abcdef');
    nine.walk(['new'], 1);
    nine.ask(MESSAGE.lopen, u32(1), u32(0o2));
    expect(nine.write(1, 'XY', 2)).toBe(2);
    nine.ask(MESSAGE.fsync, u32(1), u32(0));
    expect(host('new')).toBe('abXYef');
    setattr(nine, 1, { valid: 8, size: 3 });
    expect(host('new')).toBe('abX');
    expect(nine.attributes(1)).toMatchObject({ size: 3n });
  });

  test('carry mode and times, but never the rights of their owner', () => {
    const nine = client();
    nine.walk(['hello'], 1);
    setattr(nine, 1, { valid: 1, mode: 0o4755 });
    expect(statSync(join(folder, 'hello')).mode & 0o7777).toBe(0o755);
    setattr(nine, 1, { valid: 0x20 | 0x100, modify: 1_000_000_000 });
    expect(statSync(join(folder, 'hello')).mtimeMs).toBe(1e12);
    expect(nine.attributes(1).modifySeconds).toBe(1_000_000_000n);
  });

  test('stay themselves when their names change', () => {
    const nine = client();
    nine.walk(['hello'], 1);
    nine.ask(MESSAGE.lopen, u32(1), u32(2));
    nine.walk(['sub'], 2);
    nine.walk(['sub', 'inner'], 3);
    nine.ask(MESSAGE.renameat, u32(0), 'hello', u32(2), 'moved');
    nine.write(1, 'J');
    expect(host('sub/moved')).toBe('Jello\n');
    nine.ask(MESSAGE.rename, u32(3), u32(0), 'outer');
    expect(host('outer')).toBe('inner\n');
    nine.ask(MESSAGE.remove, u32(3));
    expect(existsSync(join(folder, 'outer'))).toBe(false);
    nine.clunk(1);
    nine.ask(MESSAGE.unlinkat, u32(2), 'moved', u32(0));
    expect(nine.names(['sub'])).toEqual(['.', '..', 'deep']);
  });

  test('have several names when asked to', () => {
    const nine = client();
    nine.walk(['hello'], 1);
    nine.walk(['sub'], 2);
    nine.ask(MESSAGE.link, u32(2), u32(1), 'again');
    expect(statSync(join(folder, 'sub/again')).ino).toBe(statSync(join(folder, 'hello')).ino);
  });
});

describe('folders', () => {
  test('are listed in pieces of any size', () => {
    for (let index = 0; index < 100; index += 1) writeFileSync(join(folder, 'sub', `file-${index}`), '');
    const nine = client();
    const expected = [
      '.',
      '..',
      'deep',
      'inner',
      ...Array.from({ length: 100 }, (_, i) => `file-${i}`),
    ].sort();
    expect(nine.names(['sub'])).toEqual(expected);
    expect(nine.names(['sub'], 40)).toEqual(expected);
  });

  test('are made and removed', () => {
    const nine = client();
    nine.ask(MESSAGE.mkdir, u32(0), 'made', u32(0o700), u32(0));
    expect(statSync(join(folder, 'made')).mode & 0o777).toBe(0o700);
    expect(() => nine.ask(MESSAGE.unlinkat, u32(0), 'sub', u32(0x200))).toThrow('ENOTEMPTY');
    nine.ask(MESSAGE.unlinkat, u32(0), 'made', u32(0x200));
    expect(existsSync(join(folder, 'made'))).toBe(false);
  });
});

describe('read-only', () => {
  const attempts: readonly [string, (nine: ShareClient) => unknown][] = [
    ['create', (nine) => nine.create('new', '')],
    ['open for writing', (nine) => open(nine, ['hello'], 1)],
    ['open and cut', (nine) => open(nine, ['hello'], 0o1000)],
    ['mkdir', (nine) => nine.ask(MESSAGE.mkdir, u32(0), 'd', u32(0o755), u32(0))],
    ['symlink', (nine) => nine.ask(MESSAGE.symlink, u32(0), 'l', 'hello', u32(0))],
    ['unlink', (nine) => nine.ask(MESSAGE.unlinkat, u32(0), 'hello', u32(0))],
    ['rename', (nine) => nine.ask(MESSAGE.renameat, u32(0), 'hello', u32(0), 'x')],
    ['attributes', onHello((nine) => setattr(nine, 1, { valid: 1, mode: 0 }))],
    ['size', onHello((nine) => setattr(nine, 1, { valid: 8, size: 0 }))],
    ['link', onHello((nine) => nine.ask(MESSAGE.link, u32(0), u32(1), 'x'))],
    ['remove', onHello((nine) => nine.ask(MESSAGE.remove, u32(1)))],
  ];
  test.each(attempts)('%s is refused', (_, attempt) => {
    const nine = client(true);
    expect(() => attempt(nine)).toThrow('EROFS');
    expect(nine.names()).toEqual(['.', '..', 'hello', 'sub']);
    expect(host('hello')).toBe('hello\n');
  });
});

describe('there is no way out', () => {
  test('of the shared folder by ..', () => {
    const nine = client();
    nine.walk(['..', '..', 'sub', '..', '..', 'hello'], 1);
    nine.ask(MESSAGE.lopen, u32(1), u32(0));
    expect(nine.read(1).toString()).toBe('hello\n');
    expect(() => nine.walk(['..', 'secret'], 2)).toThrow('ENOENT');
    expect(nine.attributes(1).size).toBe(6n);
  });

  test.each(['../secret', 'sub/inner', '/etc/passwd', '', 'a\0b', '.', '..'])('by the name %j', (name) => {
    const nine = client();
    if (name !== '.' && name !== '..') expect(() => nine.walk([name], 1)).toThrow('EINVAL');
    expect(() => nine.create(name, 'x')).toThrow('EINVAL');
    expect(() => nine.ask(MESSAGE.mkdir, u32(0), name, u32(0o755), u32(0))).toThrow('EINVAL');
    expect(() => nine.ask(MESSAGE.renameat, u32(0), 'hello', u32(0), name)).toThrow('EINVAL');
    expect(() => nine.ask(MESSAGE.unlinkat, u32(0), name, u32(0))).toThrow('EINVAL');
    expect(() => nine.ask(MESSAGE.symlink, u32(0), name, 'hello', u32(0))).toThrow('EINVAL');
  });

  test.each([
    ['an absolute one', () => outside],
    ['a relative one', () => '../../..'],
    ['one inside', () => 'sub'],
  ])("by a link of the host's: %s is told, and not followed", (_, target) => {
    symlinkSync(target(), join(folder, 'link'));
    const nine = client();
    nine.walk(['link'], 1);
    expect(nine.ask(MESSAGE.readlink, u32(1)).subarray(2).toString()).toBe(target());
    expect(() => nine.walk(['link', 'secret'], 2)).toThrow('ENOENT');
    expect(() => nine.ask(MESSAGE.lopen, u32(1), u32(0))).toThrow('EACCES');
    expect(() => nine.walk(['inner'], 2, 1)).toThrow('ENOTDIR');
    expect(() => setattr(nine, 1, { valid: 8, size: 0 })).toThrow('EINVAL');
    expect(() => setattr(nine, 1, { valid: 1, mode: 0 })).toThrow('EOPNOTSUPP');
    setattr(nine, 1, { valid: 0x20 | 0x100, modify: 5 });
    expect(lstatSync(join(folder, 'link')).mtimeMs).toBe(5000);
    expect(() => nine.create('link', 'x')).toThrow('EACCES');
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret\n');
  });

  test.each([
    ['hello', 0, true],
    ['../hello', 0, false],
    ['sub/../../secret', 0, false],
    ['sub/../hello', 0, true],
    ['/etc/passwd', 0, false],
    ['', 0, false],
    ['../hello', 1, true],
    ['../../secret', 1, false],
    ['./.././hello', 1, true],
  ])("by a link of the guest's: %j at depth %i may be made: %s", (target, depth, allowed) => {
    const nine = client();
    nine.walk(depth === 0 ? [] : ['sub'], 1);
    const make = (): unknown => nine.ask(MESSAGE.symlink, u32(1), 'made', target, u32(0));
    if (allowed) {
      make();
      expect(readlinkSync(join(folder, depth === 0 ? 'made' : 'sub/made'))).toBe(target);
    } else {
      expect(make).toThrow('EPERM');
    }
  });

  test('when the host exchanges a folder for a link between two steps', () => {
    const nine = client();
    nine.walk(['sub'], 1);
    renameSync(join(folder, 'sub'), join(folder, 'was'));
    symlinkSync(outside, join(folder, 'sub'));
    // The fid is the folder that it was, wherever its name leads now.
    nine.create('fresh', 'x', 1);
    expect(host('was/fresh')).toBe('x');
    expect(existsSync(join(outside, 'fresh'))).toBe(false);
    expect(() => nine.walk(['sub', 'secret'], 2)).toThrow('ENOENT');
    nine.walk(['inner'], 3, 1);
    expect(nine.attributes(3).size).toBe(6n);
  });

  test('when what a name leads to is another than before', () => {
    symlinkSync('hello', join(folder, 'link'));
    const nine = client();
    nine.walk(['link'], 1);
    rmSync(join(folder, 'link'));
    writeFileSync(join(folder, 'link'), 'keep');
    expect(() => nine.ask(MESSAGE.readlink, u32(1))).toThrow('ESTALE');
    expect(() => nine.ask(MESSAGE.remove, u32(1))).toThrow('ESTALE');
    expect(host('link')).toBe('keep');
  });

  test('by pipes and devices, which are not opened', () => {
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    const nine = client();
    nine.walk(['pipe'], 1);
    expect(() => nine.ask(MESSAGE.lopen, u32(1), u32(0))).toThrow('EACCES');
    expect(() => nine.create('pipe', '')).toThrow('EACCES');
    expect(() => nine.ask(MESSAGE.mknod, u32(0), 'n', u32(0o20666), u32(1), u32(3), u32(0))).toThrow(
      'EOPNOTSUPP',
    );
  });
});

describe('a saved server', () => {
  test('finds its files again, and calls stale what is gone', () => {
    const first = serve();
    const nine = new ShareClient(first).start();
    nine.walk(['sub', 'inner'], 1);
    nine.ask(MESSAGE.lopen, u32(1), u32(2));
    nine.walk(['hello'], 2);
    const saved = structuredClone(first.save());
    rmSync(join(folder, 'hello'));
    const second = serve();
    second.restore(saved);
    const later = new ShareClient(second);
    expect(later.read(1).toString()).toBe('inner\n');
    later.write(1, 'I');
    expect(host('sub/inner')).toBe('Inner\n');
    expect(() => later.attributes(2)).toThrow('ESTALE');
    later.clunk(2);
    expect(later.file('sub', 'inner')).toBe('Inner\n');
  });

  test('of another shape is refused', () => {
    expect(() => serve().restore({ version: 1, fids: [{ number: 'x' }] })).toThrow(
      'saved state of a shared folder',
    );
  });
});

test('what is asked too much of is an error, and fids are counted', () => {
  const nine = client();
  expect(() => nine.ask(MESSAGE.walk, u32(0), u32(1), u16(17), ...Array(17).fill('..'))).toThrow('EINVAL');
  expect(() => nine.walk([], 0, 7)).toThrow('EBADF');
  nine.walk(['sub'], 1);
  expect(() => nine.walk(['sub'], 1)).toThrow('EBADF');
  expect(() => nine.read(1)).toThrow('EBADF');
  expect(() => {
    for (let fid = 2; fid < 5000; fid += 1) nine.walk([], fid);
  }).toThrow('ENFILE');
});

test('a folder that may not be read stays so', () => {
  chmodSync(join(folder, 'sub'), 0o000);
  const nine = client();
  nine.walk(['sub'], 1);
  if (process.getuid?.() !== 0) expect(() => nine.names(['sub'])).toThrow('EACCES');
  expect(nine.attributes(1).mode & 0o777).toBe(0);
});

function open(nine: ShareClient, path: readonly string[], flags: number): void {
  nine.walk(path, 50);
  nine.ask(MESSAGE.lopen, u32(50), u32(flags));
}

interface Attributes {
  readonly valid: number;
  readonly mode?: number;
  readonly size?: number;
  readonly modify?: number;
}

function setattr(
  nine: ShareClient,
  fid: number,
  { valid, mode = 0, size = 0, modify = 0 }: Attributes,
): void {
  const owner = [u32(0), u32(0)];
  const times = [u64(0), u64(0), u64(modify), u64(0)];
  nine.ask(MESSAGE.setattr, u32(fid), u32(valid), u32(mode), ...owner, u64(size), ...times);
}
