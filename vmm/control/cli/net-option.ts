import { parseIpv4 } from '../../base/ipv4.ts';
import type { ForwardConfig, NetConfig } from '../../protocol/messages.ts';
import { usageError } from './arguments.ts';
import { RUN } from './commands.ts';
import { splitAtCommas, splitOnce } from './option-keys.ts';

/**
 * Reads `user[,hostfwd=tcp|udp:[ADDR]:PORT-[ADDR]:PORT]…[,pcap=FILE]`, where `,,` stands for a comma.
 *
 * @throws VmError `bad-config`.
 */
export function parseNet(text: string): NetConfig {
  const [kind, ...keys] = splitAtCommas(text);
  if (kind !== 'user') throw usageError(RUN, `--net has one kind: --net=user, not '${kind}'`);
  const forwards: ForwardConfig[] = [];
  let capture: string | undefined;
  for (const key of keys) {
    const [name, value] = splitOnce(key);
    if (name === 'hostfwd' && value !== undefined) forwards.push(parseForward(value));
    else if (name === 'pcap' && value !== undefined && value !== '') capture = value;
    else throw usageError(RUN, `--net does not take '${key}'`);
  }
  return { forwards, ...(capture !== undefined && { capture }) };
}

function parseForward(text: string): ForwardConfig {
  const match = /^(tcp|udp):([^:]*):(\d+)-([^:]*):(\d+)$/.exec(text);
  const wrong = (): Error =>
    usageError(RUN, `--net: hostfwd takes tcp:[ADDR]:PORT-[ADDR]:PORT, or udp: likewise, not '${text}'`);
  if (match === null) throw wrong();
  const [, protocol, hostAddress, hostPort, guestAddress, guestPort] = match;
  const addresses = [hostAddress!, guestAddress!].filter((address) => address !== '');
  const inRange = Number(hostPort) <= 0xffff && Number(guestPort) >= 1 && Number(guestPort) <= 0xffff;
  if (!inRange || addresses.some((address) => parseIpv4(address) === undefined)) throw wrong();
  return {
    protocol: protocol === 'udp' ? 'udp' : 'tcp',
    hostPort: Number(hostPort),
    guestPort: Number(guestPort),
    ...(hostAddress !== '' && { hostAddress }),
    ...(guestAddress !== '' && { guestAddress }),
  };
}
