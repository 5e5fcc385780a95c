import { beforeEach, expect, test } from 'vitest';
import { GoldfishRtc } from './goldfish-rtc.ts';

const [TIME_LOW, TIME_HIGH, ALARM_LOW, ALARM_HIGH, IRQ_ENABLED, CLEAR_ALARM, ALARM_STATUS, CLEAR_INTERRUPT] =
  [0x00, 0x04, 0x08, 0x0c, 0x10, 0x14, 0x18, 0x1c];
/** 2023-11-14, a time with both words set. */
const START = 1_700_000_000_000_000_000n;

let now: bigint;
let irq: boolean[];
let rtc: GoldfishRtc;

beforeEach(() => {
  now = START;
  irq = [];
  rtc = new GoldfishRtc({
    irq: { set: (level) => irq.push(level) },
    nowNs: () => now,
    alarmChanged: () => {},
  });
});

const readTime = (): bigint => BigInt(rtc.read(TIME_LOW, 4)) | (BigInt(rtc.read(TIME_HIGH, 4)) << 32n);
function setAlarm(time: bigint): void {
  rtc.write(ALARM_HIGH, 4, Number(time >> 32n));
  rtc.write(ALARM_LOW, 4, Number(time & 0xffff_ffffn));
}

test('the low word latches the high one', () => {
  expect(readTime()).toBe(START);
  now = (START | 0xffff_ffffn) - 0n;
  rtc.read(TIME_LOW, 4);
  now += 1n;
  expect(BigInt(rtc.read(TIME_HIGH, 4))).toBe(START >> 32n);
  expect(readTime()).toBe(now);
  rtc.peek(TIME_LOW, 4);
  expect(rtc.peek(TIME_HIGH, 4)).toBe(Number(now >> 32n));
});

test('the time can be set and goes on from there', () => {
  rtc.write(TIME_HIGH, 4, 0);
  rtc.write(TIME_LOW, 4, 1000);
  now += 5n;
  expect(readTime()).toBe(1005n);
  rtc.reset();
  expect(readTime()).toBe(1005n);
});

test('the alarm rings when its time comes, once', () => {
  rtc.write(IRQ_ENABLED, 4, 1);
  setAlarm(START + 500n);
  expect(rtc.read(ALARM_STATUS, 4)).toBe(1);
  expect(rtc.alarmNs).toBe(START + 500n);
  now += 499n;
  rtc.tick();
  expect(irq).toEqual([]);
  now += 1n;
  rtc.tick();
  expect(irq).toEqual([true]);
  expect(rtc.alarmNs).toBeNull();
  rtc.write(CLEAR_INTERRUPT, 4, 1);
  expect(irq).toEqual([true, false]);
  rtc.tick();
  expect(irq).toEqual([true, false]);
});

test('an alarm in the past rings at once; one cleared never', () => {
  setAlarm(START - 1n);
  expect(irq).toEqual([]);
  rtc.write(IRQ_ENABLED, 4, 1);
  expect(irq).toEqual([true]);
  rtc.write(CLEAR_INTERRUPT, 4, 1);
  setAlarm(START + 10n);
  rtc.write(CLEAR_ALARM, 4, 1);
  now += 100n;
  rtc.tick();
  expect(irq).toEqual([true, false]);
});

test('the alarm is by the clock as software set it', () => {
  rtc.write(TIME_HIGH, 4, 0);
  rtc.write(TIME_LOW, 4, 0);
  setAlarm(100n);
  expect(rtc.alarmNs).toBe(START + 100n);
});

test('saved state restores', () => {
  rtc.write(IRQ_ENABLED, 4, 1);
  setAlarm(START - 1n);
  setAlarm(START + 77n);
  const saved = structuredClone(rtc.save());
  rtc.reset();
  expect(irq).toEqual([true, false]);
  rtc.restore(saved);
  expect(rtc.save()).toEqual(saved);
  expect(irq).toEqual([true, false, true]);
});
