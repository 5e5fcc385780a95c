import { expect, test } from 'vitest';
import { driveSchema } from '../../protocol/messages.ts';
import { parseDrive } from './drive-option.ts';

test.each([
  ['disk.img', { file: 'disk.img', readonly: false, overlay: false }],
  ['a b.qcow2,format=qcow2', { file: 'a b.qcow2', format: 'qcow2', readonly: false, overlay: false }],
  ['d,readonly', { file: 'd', readonly: true, overlay: false }],
  ['d,overlay,format=raw', { file: 'd', format: 'raw', readonly: false, overlay: true }],
  ['d,if=pflash', { file: 'd', readonly: false, overlay: false, if: 'pflash' }],
  ['d,if=virtio', { file: 'd', readonly: false, overlay: false, if: 'virtio' }],
  ['d,overlay,snapshot=a,,b=c', { file: 'd', readonly: false, overlay: true, snapshot: 'a,b=c' }],
  ['a,,b=c,,', { file: 'a,b=c,', readonly: false, overlay: false }],
])('--drive %s', (text, expected) => {
  expect(parseDrive(text)).toEqual(expected);
  expect(driveSchema.parse(expected)).toEqual(expected);
});

test.each([
  ['', '--drive needs a file'],
  [',readonly', '--drive needs a file'],
  ['d,', "--drive does not take ''"],
  ['d,format=vmdk', "--drive does not take 'format=vmdk'"],
  ['d,format', "--drive does not take 'format'"],
  ['d,readonly=on', "--drive does not take 'readonly=on'"],
  ['d,if=ide', "--drive does not take 'if=ide'"],
  ['d,snapshot=', "--drive does not take 'snapshot='"],
  ['d,readonly,overlay', 'leave out readonly or overlay'],
])('--drive %s is wrong', (text, message) => {
  expect(() => parseDrive(text)).toThrow(message);
});
