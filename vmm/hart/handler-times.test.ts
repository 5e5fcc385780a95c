import { describe, expect, it } from 'vitest';
import { BareHarts } from '../../test/support/bare-hart.ts';

/** A hart whose host clock shows `now`, and how often it was asked. */
function timed(program: string, watched: readonly string[], stops: readonly string[] = []) {
  const clock = { now: 1_000, asked: 0 };
  const machine = new BareHarts({
    nowNs: () => {
      clock.asked++;
      clock.now += 30;
      return clock.now;
    },
  });
  for (const stage of watched) machine.watched.add(stage);
  for (const stage of stops) machine.stops.add(stage);
  machine.start(program);
  return { machine, clock };
}

const WRITES_SATP = 'csrrw zero, satp, zero';

describe('handler times', () => {
  it('are the host time between the stages of an exit', () => {
    const { machine } = timed(`${WRITES_SATP}\n ecall\n`, ['csr:post', 'trap:pre', 'trap:post']);
    machine.hart.run(2);
    expect(machine.reports.map(({ stage, exit }) => `${exit.kind}:${stage}`)).toEqual([
      'csr:post',
      'trap:pre',
      'trap:post',
    ]);
    expect(machine.handlerTimes).toEqual([30, 0, 30]);
  });

  it('do not ask the clock for exits that nobody watches', () => {
    const { machine, clock } = timed(`${WRITES_SATP}\n ecall`, ['trap:pre']);
    machine.hart.run(2);
    expect(clock.asked).toBe(0);
  });

  it('leave out how long a debugger held the instruction between its exits', () => {
    // The write of satp is an exit of kind csr that holds one of kind tlb-flush, at which the run stops.
    const { machine, clock } = timed(WRITES_SATP, ['csr:post', 'tlb-flush:pre'], ['tlb-flush:pre']);
    expect(machine.hart.run(1)).toBe('exit-stop');
    clock.now += 1_000_000_000;
    machine.hart.run(1, true);
    expect(machine.reports.map(({ stage, exit }) => `${exit.kind}:${stage}`)).toEqual([
      'tlb-flush:pre',
      'csr:post',
    ]);
    expect(machine.handlerTimes).toEqual([0, 30]);
  });

  it('are 0 without a clock', () => {
    const machine = new BareHarts();
    machine.watched.add('trap:post');
    machine.start('ecall');
    machine.hart.run(1);
    expect(machine.handlerTimes).toEqual([0]);
  });
});
