import { describe, expect, test } from 'vitest';
import { MemorySnapshots } from '../../test/support/memory-snapshots.ts';
import { type ProgramMachine, programMachine } from '../../test/support/program-machine.ts';
import { random, SEED } from '../../test/support/random.ts';
import { VmError } from '../base/vm-error.ts';
import { ContainerWriter, MAY_SKIP } from './container.ts';
import { openChain, Snapshots, summarize } from './index.ts';

const PROGRAM = `
    li t0, 0x80010000
  loop:
    addi t1, t1, 1
    sd t1, 0(t0)
    addi t0, t0, 8
    jal zero, loop
`;

function guest(steps: number): ProgramMachine {
  const made = programMachine(PROGRAM);
  made.machine.run(steps);
  return made;
}

const snapshotsOf = ({ machine, images }: ProgramMachine, files: MemorySnapshots): Snapshots =>
  new Snapshots({ machine, images, disks: [] }, files, 'test');

/** A snapshot, and one that builds on it. */
function twoSnapshots(): MemorySnapshots {
  const files = new MemorySnapshots();
  const made = guest(5_000);
  const snapshots = snapshotsOf(made, files);
  snapshots.save('whole', { incremental: false });
  made.machine.run(5_000);
  snapshots.save('part', { incremental: true });
  return files;
}

function problemOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(VmError);
    return (error as VmError).message;
  }
  return '';
}

describe(`damaged snapshots (SEED=${SEED})`, () => {
  const files = twoSnapshots();
  const whole = files.files.get('/whole')!;

  test('every byte counts', () => {
    const source = random(SEED);
    for (let at = 0; at < whole.length; at++) {
      const altered = whole.slice();
      altered[at]! ^= 1 + source.below(255);
      files.put('altered', altered);
      expect(
        problemOf(() => summarize(files, 'altered')),
        `byte ${at}`,
      ).toContain('/altered');
    }
  });

  test('every end but the right one is too early or too late', () => {
    for (let length = 0; length < whole.length; length++) {
      files.put('short', whole.slice(0, length));
      const problem = problemOf(() => summarize(files, 'short'));
      expect(problem, `${length} bytes`).toMatch(
        /short is (no snapshot of a machine|damaged: it was cut off)/,
      );
    }
    files.put('long', Buffer.concat([whole, Uint8Array.of(0)]));
    expect(problemOf(() => summarize(files, 'long'))).toContain('more behind its end');
  });

  test('parts in another order, or left out, are no snapshot', () => {
    const { links, close } = openChain(files, 'whole');
    const starts = links[0]!.container.sections.map(({ name, offset }) => offset - 25 - name.length);
    close();
    const [second, third] = [starts[1]!, starts[2]!];
    files.put('less', Buffer.concat([whole.slice(0, second), whole.slice(third)]));
    expect(problemOf(() => summarize(files, 'less'))).toContain('its parts do not belong together');
  });

  test('a machine stays as it is when a file is refused', () => {
    const source = random(SEED);
    const made = guest(1_000);
    const before = made.machine.save();
    const ram = made.machine.memory.ram.slice();
    const snapshots = snapshotsOf(made, files);
    for (let round = 0; round < 60; round++) {
      const name = source.pick(['whole', 'part']);
      const bytes = files.files.get(`/${name}`)!;
      const altered = bytes.slice(0, source.below(4) === 0 ? source.below(bytes.length) : bytes.length);
      if (altered.length === bytes.length) altered[source.below(bytes.length)]! ^= 1 + source.below(255);
      files.put('altered', altered);
      expect(problemOf(() => snapshots.restore('altered'))).not.toBe('');
      expect(made.machine.save()).toEqual(before);
      expect(Buffer.compare(made.machine.memory.ram, ram)).toBe(0);
    }
  });

  test('a parent that is gone, or another one, is told by name', () => {
    const mine = twoSnapshots();
    mine.files.delete('/whole');
    expect(problemOf(() => summarize(mine, 'part'))).toMatch(/part builds on another: cannot open .*\/whole/);
    snapshotsOf(guest(7), mine).save('whole', { incremental: false });
    expect(problemOf(() => summarize(mine, 'part'))).toMatch(/part builds on \/whole, which is another one/);
  });

  test('a file that is none, or of a format to come', () => {
    files.put('text', new TextEncoder().encode('just some text, longer than a header'));
    expect(problemOf(() => summarize(files, 'text'))).toBe('/text is no snapshot of a machine');
    expect(problemOf(() => summarize(files, 'nothing'))).toContain('no such file');
    const made = guest(10);
    const withSection = (flags: number): void => {
      const output = files.create('/newer');
      const writer = new ContainerWriter(output);
      const { links, close } = openChain(files, 'whole');
      const { container } = links[0]!;
      for (const section of container.sections) {
        writer.section(section.name, section.version, container.payload(section));
      }
      close();
      writer.section('dreams', 7, Uint8Array.of(1, 2, 3), { flags });
      writer.end();
      output.commit();
    };
    withSection(0);
    expect(problemOf(() => snapshotsOf(made, files).restore('newer'))).toMatch(
      /section 'dreams'.*does not know/,
    );
    withSection(MAY_SKIP);
    snapshotsOf(made, files).restore('newer');
    expect(made.machine.steps).toBe(5_000n);
  });
});

describe('snapshots of other machines', () => {
  const files = twoSnapshots();
  const refused = (config: Parameters<typeof programMachine>[1], program = PROGRAM): string =>
    problemOf(() => snapshotsOf(programMachine(program, config), files).restore('whole'));

  test('are refused, and why', () => {
    expect(refused({ harts: 2 })).toMatch(/does not fit this machine: its 'harts' was 1 and is 2 now/);
    expect(refused({ memory: 2 << 20 })).toMatch(/its 'memory' was 1048576 and is 2097152 now/);
    expect(refused({ isa: 'rv64gc' })).toMatch(/its 'isa' was not given and is "rv64gc" now/);
    expect(refused({}, 'addi t0, zero, 1')).toMatch(/the kernel 'program' is not the file/);
  });

  test('but how time passes and what is traced may differ', () => {
    expect(refused({ time: 'wall', trace: false })).toBe('');
  });
});
