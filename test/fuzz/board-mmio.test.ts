import { describe, expect, test } from 'vitest';
import { MEMORY_MAP, RAM_BASE, type Region } from '../../vmm/machine/memory-map.ts';
import { at, type ProbeOperation, probeHere, TRAPPED } from '../support/device-probe.ts';
import { type Random, random, SEED } from '../support/random.ts';

const OPERATIONS = 2000;
const RUNS = [0, 1, 2, 3];
const RAM_BYTES = 128 << 20;
/** The guest's own: code, and the table of what it read. */
const OWN_BYTES = 1 << 20;
const SIZES = [1, 2, 4, 8] as const;
const LOAD_ACCESS_FAULT = 5n;

const regions: readonly Region[] = Object.values(MEMORY_MAP)
  .flat()
  // What ends the run, and the clock that the guest waits by.
  .filter((region) => region !== MEMORY_MAP.test && region !== MEMORY_MAP.clint);

/** An access to a device, or to where nothing is: the test device is left out. */
function operation(numbers: Random): ProbeOperation {
  const size = numbers.pick(SIZES);
  const region = numbers.pick(regions);
  const inside = numbers.pick([
    numbers.below(region.size),
    numbers.below(Math.min(0x100, region.size)),
    region.size - 8,
  ]);
  const address = numbers.below(12) === 0 ? numbers.pick(NOWHERE) : Number(region.base) + inside;
  const aligned = at(address - (address % size));
  if (numbers.below(2) === 0) return aligned.read(0, size);
  return aligned.write(
    0,
    BigInt.asIntN(64, numbers.pick([numbers.next(), 0n, -1n, 0x20n, 0xe8n, 0xd0n])),
    size,
  );
}

/** Gaps between regions, and the far ends of the address space below RAM. */
const NOWHERE = [0, 0x800, 0x1_0000, 0x10_2000, 0x600_0000, 0x1100_0000, 0x2400_0000];

describe(`a guest that touches everything (seed ${SEED})`, () => {
  test.each(RUNS)('run %d: it lives on, and memory is what it was', (run) => {
    const numbers = random(SEED + run);
    const operations = Array.from({ length: OPERATIONS }, () => operation(numbers));
    const { values, machine } = probeHere(operations);
    // Where nothing answers a load faults, and nothing else ever traps.
    const trapped = values.filter((value) => (value & ~0xffn) === TRAPPED);
    expect(new Set(trapped)).toEqual(new Set([TRAPPED | LOAD_ACCESS_FAULT]));
    const base = BigInt(RAM_BASE);
    const rest = machine.readMemory(0, base + BigInt(OWN_BYTES), RAM_BYTES - OWN_BYTES, 'physical');
    const tree = machine.deviceTree;
    const from = Number(tree.address - base) - OWN_BYTES;
    expect(Buffer.from(rest.subarray(from, from + tree.data.length)).equals(Buffer.from(tree.data))).toBe(
      true,
    );
    rest.fill(0, from, from + tree.data.length);
    expect(Buffer.from(rest.buffer, rest.byteOffset, rest.length).equals(Buffer.alloc(rest.length))).toBe(
      true,
    );
    // It runs again from the start, and the views still read it.
    expect(machine.devices(true).length).toBeGreaterThan(10);
    machine.reset();
    expect(machine.run(1000).kind).toBe('budget');
  });

  test('does the same twice', () => {
    const numbers = random(SEED ^ 0x5a5a);
    const operations = Array.from({ length: OPERATIONS }, () => operation(numbers));
    const [first, second] = [probeHere(operations), probeHere(operations)];
    expect(first.values).toEqual(second.values);
    expect(first.output).toBe(second.output);
    expect(first.machine.steps).toBe(second.machine.steps);
  });
});
