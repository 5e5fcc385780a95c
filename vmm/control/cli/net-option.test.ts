import { expect, test } from 'vitest';
import { netSchema } from '../../protocol/messages.ts';
import { parseNet } from './net-option.ts';

test.each([
  ['user', { forwards: [] }],
  ['user,pcap=a,,b.pcapng', { forwards: [], capture: 'a,b.pcapng' }],
  ['user,hostfwd=tcp::8080-:80', { forwards: [{ protocol: 'tcp', hostPort: 8080, guestPort: 80 }] }],
  [
    'user,hostfwd=udp:0.0.0.0:0-10.0.2.16:53,hostfwd=tcp:127.0.0.1:2222-:22',
    {
      forwards: [
        { protocol: 'udp', hostAddress: '0.0.0.0', hostPort: 0, guestAddress: '10.0.2.16', guestPort: 53 },
        { protocol: 'tcp', hostAddress: '127.0.0.1', hostPort: 2222, guestPort: 22 },
      ],
    },
  ],
])('--net %s', (text, expected) => {
  expect(parseNet(text)).toEqual(expected);
  // What the command line lets through is what the protocol does.
  expect(netSchema.parse(expected)).toEqual(expected);
});

test.each([
  ['', "--net has one kind: --net=user, not ''"],
  ['tap', "--net has one kind: --net=user, not 'tap'"],
  ['user,', "--net does not take ''"],
  ['user,pcap=', "--net does not take 'pcap='"],
  ['user,restrict=on', "--net does not take 'restrict=on'"],
  ['user,hostfwd', "--net does not take 'hostfwd'"],
  ['user,hostfwd=8080:80', "hostfwd takes tcp:[ADDR]:PORT-[ADDR]:PORT, or udp: likewise, not '8080:80'"],
  ['user,hostfwd=tcp::65536-:80', 'hostfwd takes'],
  ['user,hostfwd=tcp::1-:0', 'hostfwd takes'],
  ['user,hostfwd=tcp:localhost:1-:2', 'hostfwd takes'],
  ['user,hostfwd=tcp:256.0.0.1:1-:2', 'hostfwd takes'],
])('--net %s is wrong', (text, message) => {
  expect(() => parseNet(text)).toThrow(message);
});
