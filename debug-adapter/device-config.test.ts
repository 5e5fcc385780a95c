import { expect, test } from 'vitest';
import { vmConfigSchema } from '../vmm/protocol/messages.ts';
import { type LaunchInput, parseLaunch } from './contract/launch.ts';
import { deviceConfig } from './device-config.ts';

const paths = {
  existing: (_key: string, path: string): string => `/project/${path}`,
  absolute: (path: string): string => `/project/${path}`,
};
const configOf = (given: object) =>
  deviceConfig(parseLaunch({ kernel: 'k', ...given }) as LaunchInput, paths);

test.each<[string, object, object]>([
  [
    'a drive is an overlay unless told otherwise',
    { drives: [{ file: 'a' }] },
    { drives: [{ file: '/project/a', readonly: false, overlay: true }] },
  ],
  [
    'a drive that is read-only has none',
    { drives: [{ file: 'a', readonly: true, format: 'raw' }] },
    { drives: [{ file: '/project/a', readonly: true, overlay: false, format: 'raw' }] },
  ],
  [
    'a drive may be written when it is asked for',
    { drives: [{ file: 'a', overlay: false, snapshot: 's' }] },
    { drives: [{ file: '/project/a', readonly: false, overlay: false, snapshot: 's' }] },
  ],
  ['a network', { net: 'user' }, { net: {} }],
  [
    'a network with forwards and a capture',
    { net: { forwards: [{ hostPort: 8080, guestPort: 80 }], capture: 'c' } },
    { net: { forwards: [{ hostPort: 8080, guestPort: 80 }], capture: '/project/c' } },
  ],
  [
    'other devices',
    {
      devices: [{ type: 'rng' }, { type: 'balloon', size: '16M' }, { type: 'port', socket: 's', name: 'n' }],
    },
    {
      devices: [
        { type: 'rng' },
        { type: 'balloon', bytes: 16 << 20 },
        { type: 'port', socket: '/project/s', name: 'n' },
      ],
    },
  ],
  [
    'a folder is read-only unless told otherwise',
    { shares: [{ folder: 'a' }, { folder: 'b', readonly: false, tag: 't' }] },
    {
      shares: [
        { folder: '/project/a', readonly: true },
        { folder: '/project/b', readonly: false, tag: 't' },
      ],
    },
  ],
  ['current registers', { virtio: 'modern' }, { virtio: 'modern' }],
])('%s', (_, given, expected) => {
  const config = configOf(given);
  expect(JSON.parse(JSON.stringify(config))).toEqual(expected);
  expect(() => vmConfigSchema.parse(config)).not.toThrow();
});

test.each<[object, string]>([
  [{ drives: [{ file: 'a', readonly: true, overlay: true }] }, '"drives[0]" is readonly and an overlay'],
  [{ devices: [{ type: 'rng', size: 1 }] }, '"devices[0]" is of type "rng", which takes no "size".'],
  [{ devices: [{ type: 'port' }] }, '"devices[0]" lacks "socket"'],
  [{ devices: [{ type: 'balloon', size: 'big' }] }, '"devices[0].size" is "big": it must be a size'],
  [
    { net: { forward: [] } },
    'Unknown key "forward" in "net" of the launch configuration: did you mean "forwards"?',
  ],
  [
    { drives: [{ fiel: 'a' }] },
    'Unknown key "fiel" in "drives[0]" of the launch configuration: did you mean "file"?',
  ],
])('%j is refused', (given, message) => {
  expect(() => configOf(given)).toThrow(message);
});
