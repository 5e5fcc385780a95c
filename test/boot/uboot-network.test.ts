import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { InputLogEntry, Machine } from '../../vmm/contracts/machine.ts';
import { VirtioEntropy } from '../../vmm/devices/virtio/entropy.ts';
import { VirtioNetwork } from '../../vmm/devices/virtio/network.ts';
import { NetworkInlet } from '../../vmm/machine/channel-feed.ts';
import { createMachine } from '../../vmm/machine/index.ts';
import { answersOf, replay, runTo } from '../../vmm/machine/replay.ts';
import { UserNetwork } from '../../vmm/network/user-network.ts';
import { vmConfigSchema } from '../../vmm/protocol/messages.ts';
import { Script } from '../support/conversation.ts';
import { describeWithGuests, GUESTS } from '../support/debian-guests.ts';
import { FakeNetworkHost } from '../support/fake-network-host.ts';
import { random, SEED } from '../support/random.ts';

const config = vmConfigSchema.parse({
  kernel: GUESTS.ubootSupervisor,
  memory: 64 << 20,
  time: 'wall',
  trace: false,
});
const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);

function machineWith(
  ports: ConstructorParameters<typeof VirtioNetwork>[0],
  host: { answers: Uint8Array[]; random: (count: number) => Uint8Array },
  console: (text: string) => void,
): Machine {
  return createMachine({
    config,
    images: { kernel: { name: 'u-boot', data: new Uint8Array(readFileSync(config.kernel!)) } },
    ports: {
      console: (data) => console(Buffer.from(data).toString('latin1')),
      nowNs: () => 0,
      log: () => {},
    },
    virtio: [new VirtioNetwork(ports, { mac: MAC }), new VirtioEntropy(host)],
    answers: host.answers,
  });
}

/** A guest on a network of the test's; what it is given comes after slices of any length. */
function live(): { log: readonly InputLogEntry[]; machine: Machine; output: string } {
  const source = random(SEED);
  const hostOf = new FakeNetworkHost();
  let frames: Uint8Array[] = [];
  const network = new UserNetwork({ host: hostOf });
  const inlet = new NetworkInlet(0, {
    get isEmpty() {
      return frames.length === 0;
    },
    peek: () => frames[0],
    drop: () => void frames.shift(),
  });
  const script = new Script([
    { expect: 'Hit any key to stop autoboot', send: ' ' },
    { expect: '=> ', send: 'setenv autoload no\r' },
    { expect: '=> ', send: 'dhcp\r' },
    { expect: 'DHCP client bound to address 10.0.2.15' },
    { expect: '=> ', send: 'ping 10.0.2.2\r' },
    { expect: 'host 10.0.2.2 is alive' },
    { expect: '=> ' },
  ]);
  const ports = {
    send: (frame: Uint8Array) => {
      network.frameFromGuest(frame);
      return true;
    },
    receiveMore: () => inlet.resume(),
  };
  const randomBytes = (count: number): Uint8Array =>
    Uint8Array.from({ length: count }, () => source.below(256));
  const machine = machineWith(ports, { answers: [], random: randomBytes }, (text) => (script.output += text));
  for (let slice = 0; slice < 100_000 && !script.isDone; slice += 1) {
    const result = machine.run(1 + source.below(200_000));
    if (result.kind === 'idle') machine.advanceIdle(BigInt(1 + source.below(100_000)));
    hostOf.run();
    network.poll(Number(machine.steps));
    if (source.below(3) === 0) {
      for (let frame = network.takeFrameForGuest(); frame; frame = network.takeFrameForGuest())
        frames.push(frame);
    }
    if (inlet.pending) inlet.give(machine);
    for (let send = script.poll(); send !== undefined; send = script.poll()) {
      if (send !== '') machine.consoleInput(Buffer.from(send, 'latin1'));
    }
  }
  if (!script.isDone) throw new Error(`still waiting for ${script.waitingFor} in:\n${script.output}`);
  frames = [];
  return { log: machine.inputLog, machine, output: script.output };
}

const stateOf = (machine: Machine) => ({
  steps: machine.steps,
  instructions: machine.instructions,
  pc: machine.harts[0]!.getPc(),
  registers: Array.from({ length: 32 }, (_, index) => machine.harts[0]!.getX(index)),
  memory: Buffer.from(machine.readMemory(0, 0x8000_0000n, 64 << 20, 'physical')),
});

describeWithGuests("U-Boot's own virtio driver on a network", () => {
  test('gets its address, reaches the gateway, and does so again step for step by the log alone', () => {
    const first = live();
    const kinds = new Set(first.log.map((entry) => entry.kind));
    expect([...kinds].sort()).toEqual(expect.arrayContaining(['console', 'device']));
    let output = '';
    // Nobody is there this time: frames and answers come from the log.
    const nobody = (): never => {
      throw new Error('a replay asks nobody');
    };
    const second = machineWith(
      { send: () => true, receiveMore: () => {} },
      { answers: answersOf(first.log), random: nobody },
      (text) => (output += text),
    );
    replay(second, first.log);
    runTo(second, first.machine.steps);
    expect(second.inputLog, `SEED=${SEED}`).toEqual(first.log);
    expect(output, `SEED=${SEED}`).toBe(first.output);
    const [one, other] = [stateOf(first.machine), stateOf(second)];
    expect(one.memory.equals(other.memory), `SEED=${SEED}`).toBe(true);
    expect({ ...other, memory: 0 }, `SEED=${SEED}`).toEqual({ ...one, memory: 0 });
  }, 600_000);
});
