import { describe, expect, it } from 'vitest';
import { BareHarts, RAM_BASE } from '../../test/support/bare-hart.ts';

const CELL = RAM_BASE + 0x4000;
const OTHER = RAM_BASE + 0x6000;

/** Two harts; hart 0 has done its LR of CELL and stands at its SC, whose result goes to a2. */
function reserved(load = 'lr.d', store = 'sc.d', target = CELL): BareHarts {
  const machine = new BareHarts({ harts: 2 });
  machine.write64(CELL, 5n);
  const { at } = machine.start(`
    li t0, ${CELL}
    li t1, ${target}
    li a1, 77
    ${load} a0, (t0)
  at:
    ${store} a2, a1, (t1)
    ${store} a3, a1, (t1)
  `);
  machine.runTo(at);
  return machine;
}

/** Hart 1 executes instructions with t0 = CELL. */
function other(machine: BareHarts, program: string): void {
  machine.place(program, OTHER);
  const hart = machine.group.harts[1]!;
  hart.reset({ pc: BigInt(OTHER), privilege: 3, a0: 0n, a1: 0n });
  hart.setX(5, BigInt(CELL));
  hart.run(program.split('\n').length);
}

const stored = (machine: BareHarts): readonly [failed: bigint, again: bigint, memory: bigint] => {
  machine.hart.run(2);
  return [machine.hart.getX(12), machine.hart.getX(13), machine.read64(CELL)];
};

// Unprivileged, "Zalrsc" Extension for Load-Reserved/Store-Conditional Instructions.
describe('a reservation', () => {
  it('is good for one SC, whatever the size of the bytes within it', () => {
    expect(stored(reserved())).toEqual([0n, 1n, 77n]);
    expect(stored(reserved('lr.d', 'sc.w'))).toEqual([0n, 1n, 77n]);
    expect(stored(reserved('lr.w', 'sc.w'))).toEqual([0n, 1n, 77n]);
  });

  it('is gone after an SC to another address', () => {
    const machine = reserved('lr.d', 'sc.d', CELL + 8);
    expect(stored(machine)).toEqual([1n, 1n, 5n]);
    expect(machine.read64(CELL + 8)).toBe(0n);
  });

  it("does not survive another hart's stores, though they put the old value back", () => {
    const machine = reserved();
    other(machine, 'addi a0, zero, 9\nsd a0, 0(t0)\naddi a0, zero, 5\nsd a0, 0(t0)');
    expect(machine.read64(CELL)).toBe(5n);
    expect(stored(machine)).toEqual([1n, 1n, 5n]);
  });

  it("does not survive another hart's AMO and SC", () => {
    const machine = reserved();
    other(machine, 'amoadd.d a0, t0, (t0)\nsub a0, zero, t0\namoadd.d a0, a0, (t0)');
    expect(stored(machine)).toEqual([1n, 1n, 5n]);
    const second = reserved();
    other(second, 'lr.d a0, (t0)\nsc.d a1, a0, (t0)');
    expect(second.group.harts[1]!.getX(11)).toBe(0n);
    expect(stored(second)).toEqual([1n, 1n, 5n]);
  });

  it('does not survive a device that writes there, but one that writes elsewhere', () => {
    for (const [address, failed] of [
      [CELL, 1n],
      [CELL + 7, 1n],
      [CELL - 1, 0n],
      [CELL + 8, 0n],
    ] as const) {
      const machine = reserved();
      machine.group.codeChanged(address, 1);
      expect(stored(machine)[0], `a byte at 0x${address.toString(16)}`).toBe(failed);
    }
  });

  it('lasts however the run is cut, and while other harts only wait', () => {
    const machine = reserved();
    for (let pause = 0; pause < 3; pause++) machine.hart.run(0);
    machine.group.harts[1]!.skipSteps(100);
    expect(stored(machine)).toEqual([0n, 1n, 77n]);
  });
});
