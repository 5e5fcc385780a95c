import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { runHeadless } from '../../vmm/control/headless-run.ts';
import { VirtioNetwork } from '../../vmm/devices/virtio/network.ts';
import { nowNs } from '../../vmm/host/clock.ts';
import { NetworkSockets } from '../../vmm/host/network-sockets.ts';
import { ChannelFeed, NetworkInlet } from '../../vmm/machine/channel-feed.ts';
import { createMachine } from '../../vmm/machine/index.ts';
import { UserNetwork } from '../../vmm/network/user-network.ts';
import { type VmConfigInput, vmConfigSchema } from '../../vmm/protocol/messages.ts';
import { threadedTranslator } from '../../vmm/translator.ts';
import { type Exchange, Script } from './conversation.ts';
import { random } from './random.ts';

/** Frames that wait for the guest; the network makes more when these are taken. */
const QUEUE_MAX = 64;

/**
 * Runs a machine to its end in this thread, with a network of the host's own sockets behind a wire that loses `lost` of 1,000 frames
 * either way, by a seed. Returns its console's output and how many frames were lost.
 */
export async function converseOverLossyWire(
  given: VmConfigInput,
  exchanges: readonly Exchange[],
  { lost, seed, maxInstructions }: { lost: number; seed: number; maxInstructions: number },
): Promise<{ readonly output: string; readonly framesLost: number }> {
  const config = vmConfigSchema.parse({ time: 'wall', trace: false, ...given });
  const source = random(seed);
  const script = new Script(exchanges);
  const queue: Uint8Array[] = [];
  let framesLost = 0;
  const loses = (): boolean => {
    const is = source.below(1000) < lost;
    if (is) framesLost += 1;
    return is;
  };
  const network = new UserNetwork({ host: new NetworkSockets() });
  const pump = (): void => {
    network.poll(nowNs());
    while (queue.length < QUEUE_MAX) {
      const frame = network.takeFrameForGuest();
      if (frame === undefined) return;
      if (!loses()) queue.push(frame);
    }
  };
  const inlet = new NetworkInlet(0, {
    get isEmpty() {
      pump();
      return queue.length === 0;
    },
    peek: () => queue[0],
    drop: () => void queue.shift(),
  });
  const send = (frame: Uint8Array): boolean => {
    if (!loses()) network.frameFromGuest(frame);
    return true;
  };
  const card = new VirtioNetwork(
    { send, receiveMore: () => inlet.resume() },
    { mac: Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56) },
  );
  const file = (path: string) => ({ name: path, data: new Uint8Array(readFileSync(path)) });
  const machine = createMachine({
    config,
    images: { kernel: file(config.kernel!), initrd: file(config.initrd!).data },
    ports: {
      console: (data) => (script.output += Buffer.from(data).toString('latin1')),
      nowNs,
      log: () => {},
    },
    virtio: [card],
    inputLogBytesMax: 1 << 20,
    translator: threadedTranslator(() => {}),
  });
  const feed = new ChannelFeed([inlet]);
  const ports = {
    takeInput: () => Buffer.from(script.poll() ?? '', 'latin1'),
    interrupted: false,
    inputEnded: false,
    inputOrInterrupt: async (timeoutMs: number | null) => {
      if (!feed.pending) await delay(Math.min(timeoutMs ?? 1, 1));
    },
    turn: () => new Promise<void>((resolve) => setImmediate(resolve)),
    stuck: () => {},
    warn: () => {},
    feed: {
      get pending() {
        return feed.pending;
      },
      give: feed.give.bind(feed),
      flush: () => {},
      restored: () => feed.restored(),
      takeWarning: () => undefined,
    },
    nowNs,
  };
  try {
    const { end } = await runHeadless(machine, ports, maxInstructions);
    if (end.kind !== 'guest' || !script.isDone) {
      throw new Error(`ended by ${end.kind}, waiting for ${script.waitingFor} in:\n${script.output}`);
    }
  } finally {
    network.close();
  }
  return { output: script.output, framesLost };
}
