import { beforeEach, describe, expect, test } from 'vitest';
import type { Saved } from '../../contracts/device.ts';
import { set32 } from './little-endian.ts';
import { type NinePServer, VirtioNineP } from './nine-p.ts';
import { MANNERS, TestDriver } from './testing/driver.ts';

/** Answers with the request's own bytes, as often as its type says. */
class TestServer implements NinePServer {
  readonly requests: Uint8Array[] = [];
  handle(request: Uint8Array): Uint8Array {
    this.requests.push(request);
    const times = request[4]!;
    return Uint8Array.from(Array.from({ length: times }, () => [...request]).flat());
  }
  reset(): void {
    this.requests.length = 0;
  }
  save(): Saved {
    return { version: 1, seen: this.requests.length };
  }
  restore(saved: Saved): void {
    this.requests.length = 0;
    for (let count = 0; count < Number(saved['seen']); count += 1) this.requests.push(new Uint8Array(0));
  }
}

let server: TestServer;
beforeEach(() => {
  server = new TestServer();
});

function message(type: number, ...rest: number[]): Uint8Array {
  const bytes = Uint8Array.of(0, 0, 0, 0, type, 1, 0, ...rest);
  set32(bytes, 0, bytes.length);
  return bytes;
}

describe('9P transport (virtio_9p.h)', () => {
  test.each(MANNERS)('a request is answered: $title', ({ manner }) => {
    const driver = new TestDriver(new VirtioNineP({ tag: 'host', server }), manner).start(1n);
    const request = message(1, 8, 9);
    const { data, written } = driver.request(
      0,
      request.subarray(0, 5),
      request.subarray(5),
      { room: 4 },
      { room: 60 },
    );
    expect(written).toBe(9);
    expect(data.subarray(0, 9)).toEqual(request);
    expect(server.requests).toEqual([request]);
  });

  test('the buffers may be longer than the message says', () => {
    const driver = new TestDriver(new VirtioNineP({ tag: 'host', server })).start();
    driver.request(0, message(1, 7), Uint8Array.of(1, 2, 3), { room: 64 });
    expect(server.requests).toEqual([message(1, 7)]);
  });

  test('the configuration space holds the mount tag', () => {
    const driver = new TestDriver(new VirtioNineP({ tag: 'host', server }));
    expect([...driver.config(0, 7)]).toEqual([4, 0, ...new TextEncoder().encode('host'), 0]);
    expect(driver.has(1n)).toBe(true);
  });

  test.each([
    ['shorter than a header', Uint8Array.of(7, 0, 0, 0, 1, 0)],
    ['that says it is longer than its buffers', Uint8Array.of(99, 0, 0, 0, 1, 0, 0)],
    ['that says it is shorter than a header', Uint8Array.of(6, 0, 0, 0, 1, 0, 0)],
    ['that says it has 4 GiB', Uint8Array.of(255, 255, 255, 255, 1, 0, 0)],
  ])('a request %s needs a reset', (_, request) => {
    const driver = new TestDriver(new VirtioNineP({ tag: 'host', server })).start();
    driver.send(0, request, { room: 64 });
    expect(driver.needsReset).toBe(true);
    expect(server.requests).toEqual([]);
  });

  test('so does an answer that finds no room', () => {
    const driver = new TestDriver(new VirtioNineP({ tag: 'host', server })).start();
    driver.send(0, message(2), { room: 13 });
    expect(driver.needsReset).toBe(true);
  });

  test('the server is reset, saved and restored with the device', () => {
    const driver = new TestDriver(new VirtioNineP({ tag: 'host', server })).start();
    driver.request(0, message(1), { room: 64 });
    const saved = structuredClone(driver.slot.save());
    driver.slot.reset();
    expect(server.requests).toHaveLength(0);
    driver.slot.restore(saved);
    expect(server.requests).toHaveLength(1);
  });
});
