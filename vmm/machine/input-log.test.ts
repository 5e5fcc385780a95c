import { expect, test } from 'vitest';
import type { MachineInput } from '../contracts/machine.ts';
import { InputLog } from './input-log.ts';

const at = { step: 1n, position: 1n };
const typed = (bytes: number): MachineInput => ({ kind: 'console', data: new Uint8Array(bytes) });

test('keeps everything below its bound', () => {
  const log = new InputLog(1000);
  for (let index = 0; index < 9; index += 1) log.add({ ...at, ...typed(5) });
  expect(log.entries).toHaveLength(9);
  expect(log.complete).toBe(true);
});

test.each<[string, MachineInput]>([
  ['typed bytes', typed(900)],
  ['a frame', { kind: 'device', device: 0, input: { kind: 'frame', data: new Uint8Array(900) } }],
  ['an answer', { kind: 'answer', device: 0, data: new Uint8Array(900) }],
])('a log that grows beyond it by %s is given up, and stays so', (_, input) => {
  const log = new InputLog(1000);
  log.add({ ...at, kind: 'reset' });
  log.add({ ...at, ...input });
  expect(log.complete).toBe(false);
  expect(log.entries).toEqual([]);
  log.add({ ...at, kind: 'reset' });
  expect(log.entries).toEqual([]);
});
