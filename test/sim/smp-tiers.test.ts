import { describe, expect, test } from 'vitest';
import type { Machine } from '../../vmm/contracts/machine.ts';
import type { TranslatorOption } from '../../vmm/hart/index.ts';
import { programMachine } from '../support/program-machine.ts';
import { random, SEED } from '../support/random.ts';
import { machineState } from './machine-state.ts';
import { PAGED_SUPERVISOR } from './paged-supervisor.ts';
import {
  ACLINT_INTERRUPTS,
  counting,
  HARTS,
  LOCKS,
  REPLACED_CODE,
  RFENCE,
  remap,
  SBI_INTERRUPTS,
  sbi,
} from './smp-programs.ts';
import { TIERS } from './tiers.ts';

const BUILTIN = { firmware: 'builtin', harts: 2 } as const;

const GUESTS: readonly (readonly [
  name: string,
  program: string,
  config: Parameters<typeof programMachine>[1],
])[] = [
  ['a lock by amoswap', counting(LOCKS.amoswap), { harts: HARTS }],
  ['a lock by lr and sc', counting(LOCKS['lr and sc']), { harts: HARTS }],
  ['interrupts by the ACLINT', ACLINT_INTERRUPTS, { harts: 3 }],
  ['interrupts by the SBI', SBI_INTERRUPTS, BUILTIN],
  ['a page that moves, with a remote fence', remap(sbi(RFENCE, 1)), BUILTIN],
  ['a page that moves, without a fence', remap(''), BUILTIN],
  ['code that another hart replaces', REPLACED_CODE, BUILTIN],
  ['system calls and page faults', PAGED_SUPERVISOR, { firmware: 'builtin' }],
];

/** Steps after which machines are compared; guests that end do so before. */
const STEPS = 200_000;
const HOT_AFTER = 4;

function run(
  [, program, config]: (typeof GUESTS)[number],
  slice: () => number,
  translator?: TranslatorOption,
): Machine {
  const { machine } = programMachine(program, config, translator);
  while (machine.steps < BigInt(STEPS)) {
    const left = STEPS - Number(machine.steps);
    if (machine.run(Math.min(left, slice())).kind === 'end') break;
  }
  return machine;
}

/** What there is to compare. */
const outcome = (machine: Machine) => ({
  state: machineState(machine),
  exits: machine.exitStats(),
  end: machine.end,
});

describe(`guests in every tier (SEED=${SEED})`, () => {
  test.each(GUESTS)('%s: the same, however cut', (...guest) => {
    const reference = run(guest, () => STEPS);
    const expected = outcome(reference);
    const translators = [undefined, ...Object.values(TIERS)];
    for (const [tier, translator] of translators.entries()) {
      const source = random(SEED + tier);
      const cuts = [() => STEPS, () => 1 + source.below(20_000), () => 1 + source.below(300)];
      for (const [cut, slice] of cuts.entries()) {
        const machine = run(guest, slice, translator?.(HOT_AFTER));
        expect(outcome(machine), `tier ${tier}, cut ${cut}`).toEqual(expected);
        if (tier === 1) expect(machine.tiers.translator).toBeGreaterThan(reference.tiers.interpreter / 20);
      }
    }
  });
});
