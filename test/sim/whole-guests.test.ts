import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Machine } from '../../vmm/contracts/machine.ts';
import type { TranslatorOption } from '../../vmm/hart/index.ts';
import type { VmConfigInput } from '../../vmm/protocol/messages.ts';
import { type Exchange, machineFromFiles } from '../support/conversation.ts';
import { describeWithGuests, GUESTS } from '../support/debian-guests.ts';
import { machineState } from './machine-state.ts';
import { TIERS } from './tiers.ts';

/** Jumps to an address before it is translated. */
const HOT_AFTER = 40;

interface Guest {
  readonly name: string;
  readonly config: VmConfigInput;
  /** What is typed when the guest has printed something new that ends so. Machines are compared each time, and at the end. */
  readonly conversation: readonly Exchange[];
}

const SAMPLE = fileURLToPath(new URL('../../samples/01-first-kernel/kernel.elf', import.meta.url));

const SAMPLES: readonly Guest[] = [
  {
    name: 'the first kernel',
    config: { kernel: SAMPLE, append: 'echo', time: 'free' },
    conversation: [{ expect: 'type a line: ', send: 'typed\r' }, { expect: 'powering off' }],
  },
];

/** Stops the countdown, asks for the board, restarts and comes to the countdown again. */
const SESSION: readonly Exchange[] = [
  { expect: 'Hit any key to stop autoboot', send: ' ' },
  { expect: '=> ', send: 'bdinfo\r' },
  { expect: 'devicetree  = board', send: 'reset\r' },
  { expect: 'Hit any key to stop autoboot', send: ' ' },
  { expect: '=> ' },
];

const FIRMWARE: readonly Guest[] = [
  {
    name: 'OpenSBI and U-Boot',
    config: { firmware: GUESTS.fwJump, kernel: GUESTS.ubootSupervisor, memory: 64 << 20, time: 'free' },
    conversation: SESSION,
  },
  {
    name: 'OpenSBI and U-Boot on four harts',
    config: {
      firmware: GUESTS.fwDynamic,
      kernel: GUESTS.ubootSupervisorRaw,
      memory: 64 << 20,
      time: 'free',
      harts: 4,
    },
    conversation: SESSION.slice(0, 2),
  },
];

/** The guest's output is looked at, and typed to, after so many steps each. */
const SLICE_STEPS = 1_000_000;
const SLICES_MAX = 1000;
/** Four harts boot once a tier; on a busy machine that takes minutes. */
const TIMEOUT_MS = 600_000;

interface Outcome {
  readonly output: string;
  /** The machine when it had printed what was expected. */
  readonly states: readonly unknown[];
  readonly exits: unknown;
  readonly tiers: Machine['tiers'];
}

function run({ config, conversation }: Guest, translator: TranslatorOption | undefined): Outcome {
  let output = '';
  const machine = machineFromFiles(config, (text) => (output += text), translator);
  const states: unknown[] = [];
  let from = 0;
  for (const { expect: text, send } of conversation) {
    for (let slices = 0; !output.includes(text, from); slices++) {
      expect(slices, `waiting for ${text} in ${output}`).toBeLessThan(SLICES_MAX);
      machine.run(SLICE_STEPS);
    }
    from = output.indexOf(text, from) + text.length;
    states.push(machineState(machine));
    if (send !== undefined) machine.consoleInput(Buffer.from(send, 'latin1'));
  }
  return { output, states, exits: machine.exitStats(), tiers: machine.tiers };
}

/** At least this share of the steps must be translated code's: of a short guest a small one. */
function compare(guests: readonly Guest[], share: number): void {
  test.each(guests)(
    '$name: every tier does the same',
    (guest) => {
      const { tiers: interpreted, ...expected } = run(guest, undefined);
      expect(interpreted.translator).toBe(0);
      for (const [name, translator] of Object.entries(TIERS)) {
        const { tiers, ...outcome } = run(guest, translator(HOT_AFTER));
        expect(outcome, name).toEqual(expected);
        expect(tiers.interpreter + tiers.translator, name).toBe(interpreted.interpreter);
        expect(tiers.translator, name).toBeGreaterThan(share * interpreted.interpreter);
      }
    },
    TIMEOUT_MS,
  );
}

describe('samples', () => compare(SAMPLES, 0.02));

describeWithGuests('firmware from Debian', () => compare(FIRMWARE, 0.25));
