import { expect, test } from 'vitest';
import { deviceSchema } from '../../protocol/messages.ts';
import { parseDevice } from './device-option.ts';

test.each([
  ['rng', { type: 'rng' }],
  ['balloon', { type: 'balloon', bytes: 0 }],
  ['balloon,size=1.5M', { type: 'balloon', bytes: 3 << 19 }],
  ['keyboard', { type: 'keyboard' }],
  ['tablet', { type: 'tablet' }],
  ['port,socket=/tmp/a,,b', { type: 'port', socket: '/tmp/a,b' }],
  ['port,name=org.example.0,socket=s', { type: 'port', socket: 's', name: 'org.example.0' }],
])('--device %s', (text, expected) => {
  expect(parseDevice(text)).toEqual(expected);
  expect(deviceSchema.parse(expected)).toEqual(expected);
});

test.each([
  ['', "there is no device '': rng, balloon, port, keyboard, tablet"],
  ['virtio-rng-device', "there is no device 'virtio-rng-device': rng,"],
  ['baloon', "there is no device 'baloon'; did you mean 'balloon'?"],
  ['rng,size=1', "--device rng does not take 'size=1'"],
  ['balloon,size', "--device balloon does not take 'size'"],
  ['balloon,size=much', "size takes a size such as 64M, not 'much'"],
  ['balloon,size=0.3', "size takes a size such as 64M, not '0.3'"],
  ['port', '--device port needs socket=PATH'],
  ['port,socket=', "--device port does not take 'socket='"],
])('--device %s is wrong', (text, message) => {
  expect(() => parseDevice(text)).toThrow(message);
});
