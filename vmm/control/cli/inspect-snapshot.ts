import { columns } from './arguments.ts';

/** What `inspect` shows of a snapshot; `summarize` of `vmm/snapshot` has it. */
export interface SnapshotSummary {
  readonly header: {
    readonly program: string;
    readonly config: Readonly<Record<string, unknown>>;
    readonly steps: bigint;
    readonly instructions: bigint;
    readonly images: readonly { readonly option: string; readonly file: string }[];
    readonly disks: readonly { readonly name: string; readonly session: boolean }[];
  };
  readonly bytes: number;
  readonly parents: readonly string[];
  readonly presentBytes: number;
  readonly sections: readonly {
    readonly name: string;
    readonly version: number;
    readonly count: number;
    readonly stored: number;
    readonly length: number;
  }[];
}

const MAGIC = 'HARTSNAP';

export const startsAsSnapshot = (data: Uint8Array): boolean =>
  new TextDecoder('latin1').decode(data.subarray(0, MAGIC.length)) === MAGIC;

/** Lines for people. */
export function describeSnapshot({
  header,
  bytes,
  parents,
  presentBytes,
  sections,
}: SnapshotSummary): string[] {
  const { config, images, disks } = header;
  const memory = Number(config['memory']);
  return [
    `snapshot of a machine, ${bytes} bytes, written by Hartscope ${header.program}`,
    ...columns([
      ['steps', String(header.steps)],
      ['instructions', String(header.instructions)],
      ['harts', String(config['harts'])],
      ['memory', `${mebibytes(memory)}, of which ${mebibytes(presentBytes)} are in use`],
      ...images.map(({ option, file }) => [option, file] as const),
      ...disks.map(
        ({ name, session }, index) => [`drive${index}`, session ? `${name} (overlay)` : name] as const,
      ),
      ...parents.map((parent, index) => [index === 0 ? 'builds on' : '', parent] as const),
    ]),
    '',
    `  ${'section'.padEnd(24)}${'version'.padStart(8)}${'parts'.padStart(8)}${'in file'.padStart(12)}${'unpacked'.padStart(12)}`,
    ...sections.map(
      ({ name, version, count, stored, length }) =>
        `  ${name.padEnd(24)}${String(version).padStart(8)}${String(count).padStart(8)}${String(stored).padStart(12)}${String(length).padStart(12)}`,
    ),
  ];
}

const mebibytes = (bytes: number): string => `${Number((bytes / 2 ** 20).toFixed(1))} MiB`;
