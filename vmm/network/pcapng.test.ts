import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FakeNetworkHost } from '../../test/support/fake-network-host.ts';
import { findTool } from '../../test/support/find-tool.ts';
import { GuestSocket } from '../../test/support/guest-tcp.ts';
import { LossyWire, PatternSink, patternSource } from '../../test/support/lossy-wire.ts';
import { random, SEED } from '../../test/support/random.ts';
import { describeNeeding } from '../../test/support/tools.ts';
import { PcapngWriter } from './pcapng.ts';
import { UserNetwork } from './user-network.ts';

interface Captured {
  readonly bytes: Buffer;
  readonly frames: { readonly frame: Buffer; readonly direction: string; readonly nowNs: number }[];
}

/** A download of 20,000 bytes over one TCP connection, as the network's capture saw it. */
function capturedDownload(): Captured {
  const blocks: Uint8Array[] = [];
  const writer = new PcapngWriter((bytes) => blocks.push(bytes));
  const frames: Captured['frames'] = [];
  const host = new FakeNetworkHost();
  const network = new UserNetwork({
    host,
    capture: (frame, direction, nowNs) => {
      writer.frame(frame, direction, nowNs);
      frames.push({ frame: Buffer.from(frame), direction, nowNs });
    },
  });
  host.onConnect = (stream) => {
    stream.give(patternSource(20_000));
    return undefined;
  };
  const wire = new LossyWire(network, host, random(SEED));
  const sink = new PatternSink(20_000);
  const socket = new GuestSocket({ port: 80, ownPort: 1024, onData: sink.take, send: wire.send });
  wire.sockets.push(socket);
  socket.connect(wire.nowNs);
  wire.until(() => socket.done);
  return { bytes: Buffer.concat(blocks), frames };
}

test('every block tells its length twice, and every frame is there with its time and direction', () => {
  const { bytes, frames } = capturedDownload();
  const types: number[] = [];
  const found: Captured['frames'] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at + 4);
    expect(length % 4).toBe(0);
    expect(bytes.readUInt32LE(at + length - 4)).toBe(length);
    types.push(bytes.readUInt32LE(at));
    if (types.at(-1) === 6) {
      const frameBytes = bytes.readUInt32LE(at + 20);
      const options = at + 28 + ((frameBytes + 3) & ~3);
      expect([bytes.readUInt16LE(options), bytes.readUInt16LE(options + 2)]).toEqual([2, 4]);
      found.push({
        frame: bytes.subarray(at + 28, at + 28 + frameBytes),
        direction: bytes.readUInt32LE(options + 4) === 1 ? 'to-guest' : 'from-guest',
        nowNs: bytes.readUInt32LE(at + 12) * 2 ** 32 + bytes.readUInt32LE(at + 16),
      });
    }
    at += length;
  }
  expect(types.slice(0, 2)).toEqual([0x0a0d0d0a, 1]);
  expect(found).toEqual(frames);
});

describeNeeding(findTool('tshark') === undefined ? ['tshark'] : [], 'tshark', () => {
  test('reads the capture and finds nothing wrong in any frame', () => {
    const { bytes, frames } = capturedDownload();
    const folder = mkdtempSync(join(tmpdir(), 'hartscope-capture-'));
    try {
      const file = join(folder, 'net0.pcapng');
      writeFileSync(file, bytes);
      const tshark = (...more: string[]) => {
        const checks = ['ip', 'tcp', 'udp'].flatMap((name) => ['-o', `${name}.check_checksum:TRUE`]);
        const { stdout, stderr, status } = spawnSync('tshark', ['-n', '-r', file, ...checks, ...more], {
          encoding: 'utf8',
        });
        expect(status, stderr).toBe(0);
        return stdout.trimEnd();
      };
      const lines = tshark('-T', 'fields', '-e', 'frame.time_epoch', '-e', 'eth.addr').split('\n');
      expect(lines.length).toBe(frames.length);
      // Our time is the machine's own, from zero.
      const times = lines.map((line) => Math.round(Number(line.split('\t')[0]) * 1e3));
      expect(times).toEqual(frames.map(({ nowNs }) => nowNs / 1e6));
      expect(tshark('-Y', '_ws.malformed or ip.checksum.status == 0 or tcp.checksum.status == 0')).toBe('');
      expect(tshark('-Y', 'tcp.analysis.lost_segment or tcp.analysis.retransmission')).toBe('');
      const payload = tshark('-q', '-z', 'follow,tcp,raw,0').match(/^\t([0-9a-f]+)$/gm) ?? [];
      const data = Buffer.from(payload.map((line) => line.trim()).join(''), 'hex');
      expect(Buffer.compare(data, patternSource(20_000).read(0, 20_000))).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('names and times', () => {
  test('a time beyond 32 bits of nanoseconds is kept', () => {
    const blocks: Uint8Array[] = [];
    new PcapngWriter((bytes) => blocks.push(bytes)).frame(new Uint8Array(5), 'to-guest', 123_456_789_012);
    const view = new DataView(blocks[2]!.buffer);
    expect(view.getUint32(12, true) * 2 ** 32 + view.getUint32(16, true)).toBe(123_456_789_012);
  });
});
