import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sha256 } from '../support/http-files.ts';
import { converse, typed } from '../support/linux-console.ts';
import { describeWithLinux } from '../support/linux-guests.ts';
import { linuxInitramfs } from '../support/linux-initramfs.ts';
import { processes } from '../support/processes.ts';

const { start } = processes();

const PROMPT = '# ';
const MIB = 1 << 20;
/** Only a hang takes it. */
const TIMEOUT_MS = 900_000;

describeWithLinux("Debian's Linux and folders of the host's", (linux) => {
  let outside: string;
  const inside = (...path: string[]): string => join(outside, 'work', ...path);
  const data = Uint8Array.from({ length: 3 * MIB }, (_, index) => (index * 7) ^ (index >> 8) ^ (index >> 15));
  beforeAll(() => {
    outside = mkdtempSync(join(tmpdir(), 'hartscope-linux-share-'));
    mkdirSync(inside('sub'), { recursive: true });
    mkdirSync(join(outside, 'fixed'));
    writeFileSync(join(outside, 'secret'), 'secret');
    writeFileSync(join(outside, 'fixed', 'text'), 'as it was\n');
    writeFileSync(inside('data'), data);
    symlinkSync('../secret', inside('out'));
    writeFileSync(join(outside, 'initrd.cpio'), linuxInitramfs(linux, ['virtio_mmio', '9pnet_virtio', '9p']));
  });
  afterAll(() => rmSync(outside, { recursive: true, force: true }));

  test(
    'one that may be written and one that may not: both are mounted, used, and neither is a way out',
    async () => {
      const machine = start('vmm.cjs', [
        ...['run', '--kernel', linux.kernel, '--initrd', join(outside, 'initrd.cpio'), '--memory', '256M'],
        ...['--append', 'console=ttyS0 quiet', '--share', `${inside()},tag=work`],
        ...['--share', `${join(outside, 'fixed')},readonly`],
      ]);
      const mount = 'mount -t 9p -o trans=virtio,version=9p2000.L';
      await converse(
        machine,
        typed(PROMPT, [
          `mkdir /w /f; ${mount} work /w && ${mount} share1 /f && echo mounted`,
          'cd /w; ls -1',
          'sha256sum data',
          'cat out; cat /f/text',
          'mkdir -p made/deep; cp data made/deep/copy; ln -s deep/copy made/link; ln data made/hard',
          'cmp data made/link && echo same',
          'mv made/deep made/moved; mv data sub/data; readlink made/link; rm made/link',
          'echo more >> made/text; echo lines >> made/text; sed -i s/more/many/ made/text; cat made/text',
          'ln -s /etc/passwd made/away || echo no such link',
          'truncate -s 5 made/hard; touch -d @1000000000 made/text; stat -c %s-%Y made/hard made/text',
          'for i in $(seq 200); do echo $i > sub/$i; done; ls sub | wc -l; rm sub/1*; ls sub | wc -l',
          'echo x > /f/text; rm /f/text; mkdir /f/new; ls /f; df /w | tail -n 1 | wc -w',
          'cd /; umount /w; umount /f; poweroff -f',
        ]),
      );
      const { status, stdout } = await machine.ended;
      const said = stdout.replaceAll('\r', '');
      expect(status).toBe(0);
      expect(said).toContain('\nmounted\n');
      expect(said).toContain('\ndata\nout\nsub\n');
      expect(said).toContain(`${sha256(data)}  data\n`);
      expect(said).toContain("cat: can't open 'out': No such file or directory\nas it was\n");
      expect(said).toContain('\nsame\n');
      expect(said).toContain('\ndeep/copy\n');
      expect(said).toContain('\nmany\nlines\n');
      expect(said).toContain('Operation not permitted\nno such link\n');
      expect(said).toMatch(/\n5-\d+\n11-1000000000\n/);
      expect(said).toContain('\n201\n90\n');
      expect(said.match(/Read-only file system/g)).toHaveLength(3);
      expect(said).toContain('\ntext\n6\n');
      // What the host finds.
      expect(Buffer.compare(readFileSync(inside('made/moved/copy')), data)).toBe(0);
      expect(statSync(inside('sub/data')).size).toBe(5);
      expect(readFileSync(inside('made/text'), 'utf8')).toBe('many\nlines\n');
      expect(existsSync(inside('made/away')) || existsSync(inside('made/link'))).toBe(false);
      expect(readlinkSync(inside('out'))).toBe('../secret');
      expect(readFileSync(join(outside, 'fixed', 'text'), 'utf8')).toBe('as it was\n');
      expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret');
    },
    TIMEOUT_MS,
  );
});
