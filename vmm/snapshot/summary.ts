import type { SnapshotFiles } from '../contracts/snapshot.ts';
import type { SnapshotHeader } from './header.ts';
import { readMemoryContents } from './memory.ts';
import { openChain, type SnapshotChain } from './snapshots.ts';

/** What a snapshot holds, for people. */
export interface SnapshotSummary {
  readonly header: SnapshotHeader;
  readonly identity: string;
  readonly bytes: number;
  /** The files that it builds on, newest first. */
  readonly parents: readonly string[];
  /** Bytes of RAM that the guest has in use. */
  readonly presentBytes: number;
  /** By name, in order: how many there are, their bytes in the file and unpacked. */
  readonly sections: readonly {
    readonly name: string;
    readonly version: number;
    readonly count: number;
    readonly stored: number;
    readonly length: number;
  }[];
}

/** Reads and checks a whole snapshot, and those it builds on. Throws `VmError('bad-file')`. */
export function summarize(files: SnapshotFiles, path: string): SnapshotSummary {
  const chain = openChain(files, path);
  try {
    return summaryOf(chain);
  } finally {
    chain.close();
  }
}

function summaryOf({ links }: SnapshotChain): SnapshotSummary {
  const { container, header, name } = links[0]!;
  for (const link of links) link.container.verify();
  const sections = new Map<string, { version: number; count: number; stored: number; length: number }>();
  for (const { name: section, version, stored, length } of container.sections) {
    const sum = sections.get(section) ?? { version, count: 0, stored: 0, length: 0 };
    sections.set(section, {
      version,
      count: sum.count + 1,
      stored: sum.stored + stored,
      length: sum.length + length,
    });
  }
  const { present } = readMemoryContents(container, name);
  const pages = present.reduce((sum, value, index) => (index % 2 === 0 ? sum : sum + value), 0);
  return {
    header,
    identity: container.identity,
    bytes: container.bytes,
    parents: links.slice(1).map((link) => link.name),
    presentBytes: pages * 4096,
    sections: [...sections].map(([section, sums]) => ({ name: section, ...sums })),
  };
}
