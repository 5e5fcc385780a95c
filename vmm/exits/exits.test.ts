import { describe, expect, test } from 'vitest';
import { EXIT_KINDS, type ExitKind, type ExitRecord, type VmExit } from '../protocol/exits.ts';
import { type ExitBreakpointInput, exitBreakpointSchema } from '../protocol/messages.ts';
import { Exits, TRACED_BY_DEFAULT } from './exits.ts';
import { Names } from './record-codec.ts';
import { TraceRing } from './trace-ring.ts';

const mmio = (value: number, more: Partial<Extract<VmExit, { kind: 'mmio' }>> = {}): VmExit => ({
  kind: 'mmio',
  device: 'uart0',
  register: 'THR',
  offset: 0,
  address: 0x1000_0000n,
  size: 1,
  write: true,
  value: BigInt(value),
  ...more,
});

const SAMPLES: { readonly [K in ExitKind]: readonly Extract<VmExit, { kind: K }>[] } = {
  mmio: [
    mmio(0xff) as Extract<VmExit, { kind: 'mmio' }>,
    mmio(0, { offset: 0xffff_fffc, size: 8, write: false, value: 0xffff_ffff_ffff_ffffn }) as never,
  ],
  sbi: [
    {
      kind: 'sbi',
      ext: 'TIME',
      extId: 0x5449_4d45n,
      fn: 0xffff_ffff,
      function: 'set_timer',
      args: [1n, 2n, 3n, 4n, 5n, 0xffff_ffff_ffff_ffffn],
      error: 0xffff_ffff_ffff_fffen,
      value: 9n,
    },
  ],
  csr: [{ kind: 'csr', csr: 'satp', number: 0x180, write: true, old: 1n, value: 0x8000_0000_0000_0001n }],
  trap: [
    { kind: 'trap', cause: 13, interrupt: false, name: 'load page fault', tval: 0x4000n, from: 'U', to: 'S' },
    {
      kind: 'trap',
      cause: 7,
      interrupt: true,
      name: 'machine timer interrupt',
      tval: 0n,
      from: 'S',
      to: 'M',
    },
  ],
  irq: [{ kind: 'irq', line: 10, device: 'uart0', event: 'claimed' }],
  'page-fault': [{ kind: 'page-fault', address: 0x4_0000_0000n, reason: 'outside-ram', write: true }],
  'tlb-flush': [
    { kind: 'tlb-flush', fence: 'remote', address: 0n, asid: 0 },
    { kind: 'tlb-flush', fence: 'sfence.vma', address: null, asid: null },
  ],
  virtqueue: [
    { kind: 'virtqueue', device: 'virtio0', queue: 1, event: 'used', descriptors: 3, bytes: 2 ** 33 },
  ],
  wfi: [
    { kind: 'wfi', until: 12n },
    { kind: 'wfi', until: null },
  ],
  nested: [{ kind: 'nested', cause: 21, htinst: 1n, htval: 2n }],
  system: [{ kind: 'system', event: 'fail', code: 65535 }],
  debug: [{ kind: 'debug', event: 'semihosting', address: 0xffff_ffff_8000_0000n }],
};

interface Fixture {
  readonly exits: Exits;
  readonly logged: { text: string; record: ExitRecord }[];
  readonly stopped: number[];
  /** The place the harts are at. */
  at: { pc: bigint; step: bigint };
}

function makeExits(traceRecords?: number): Fixture {
  const fixture: Fixture = {
    logged: [],
    stopped: [],
    at: { pc: 0x8000_0000n, step: 1n },
    exits: new Exits({
      harts: 2,
      where: () => fixture.at,
      log: (text, record) => fixture.logged.push({ text, record }),
      stopped: (hart) => fixture.stopped.push(hart),
      ...(traceRecords === undefined ? {} : { traceRecords }),
    }),
  };
  return fixture;
}

const breakpoint = (input: ExitBreakpointInput) => exitBreakpointSchema.parse(input);

describe('trace ring', () => {
  test.each(EXIT_KINDS)('%s survives encoding', (kind) => {
    const ring = new TraceRing(new Names(), 4);
    for (const exit of SAMPLES[kind]) {
      const context = {
        hart: 15,
        pc: 0xffff_ffff_ffff_fff0n,
        step: 2n ** 60n,
        stage: 'post',
        handlerNs: 812,
      } as const;
      const sequence = ring.append(exit, context);
      expect(ring.get(sequence)).toEqual({ sequence, ...context, exit });
    }
  });

  test('a record holds nothing of the one it overwrites', () => {
    const ring = new TraceRing(new Names(), 1);
    const context = { hart: 0, pc: 0n, step: 0n, stage: 'pre', handlerNs: 0 } as const;
    for (const before of EXIT_KINDS) {
      for (const after of EXIT_KINDS) {
        ring.append(SAMPLES[before][0]!, { ...context, hart: 3, stage: 'post', handlerNs: 99 });
        const sequence = ring.append(SAMPLES[after].at(-1)!, context);
        expect(ring.get(sequence)).toEqual({ sequence, ...context, exit: SAMPLES[after].at(-1) });
      }
    }
  });

  test('the newest overwrite the oldest, and readers learn how many they missed', () => {
    const { exits } = makeExits(8);
    exits.setTraced(['mmio']);
    expect(exits.trace(0, 10, {})).toEqual({ records: [], dropped: 0, next: 0 });
    for (let value = 1; value <= 20; value += 1) exits.report(0, 'post', mmio(value), 0);
    expect(exits.traced).toBe(20);
    const { records, dropped, next } = exits.trace(0, 100, {});
    expect(records.map(({ sequence }) => sequence)).toEqual([13, 14, 15, 16, 17, 18, 19, 20]);
    expect(dropped).toBe(12);
    expect(next).toBe(20);
    expect(exits.trace(15, 2, {})).toMatchObject({
      records: [{ sequence: 16 }, { sequence: 17 }],
      dropped: 0,
      next: 17,
    });
    expect(exits.trace(20, 5, {})).toEqual({ records: [], dropped: 0, next: 20 });
  });

  test('filters by kind and condition', () => {
    const { exits } = makeExits();
    exits.setTraced(['mmio', 'irq']);
    for (let value = 0; value < 6; value += 1) {
      exits.report(0, 'post', mmio(value), 0);
      exits.report(0, 'post', SAMPLES.irq[0]!, 0);
    }
    expect(exits.trace(0, 100, { kinds: ['irq'] }).records).toHaveLength(6);
    const { records, next } = exits.trace(0, 2, { condition: 'value >= 3' });
    expect(records.map(({ exit }) => exit.kind === 'mmio' && exit.value)).toEqual([3n, 4n]);
    expect(exits.trace(next, 100, { condition: 'value >= 3' }).records).toHaveLength(1);
    expect(exits.trace(0, 100, { condition: 'device == "uart0"' }).records).toHaveLength(12);
    expect(() => exits.trace(0, 100, { kinds: ['irq'], condition: 'value == 1' })).toThrow(
      /no field 'value'/,
    );
  });
});

describe('counting and watching', () => {
  test('counts by hart and kind', () => {
    const { exits } = makeExits();
    exits.count(0, 'mmio');
    exits.count(1, 'mmio');
    exits.count(1, 'mmio');
    exits.count(1, 'wfi');
    expect(exits.stats().counts).toEqual([
      { kind: 'mmio', hart: 0, count: 1 },
      { kind: 'mmio', hart: 1, count: 2 },
      { kind: 'wfi', hart: 1, count: 1 },
    ]);
  });

  test('nothing is watched until something is armed', () => {
    const { exits } = makeExits();
    const watched = () =>
      EXIT_KINDS.flatMap((kind) =>
        (['pre', 'post'] as const)
          .filter((stage) => exits.watches(kind, stage))
          .map((stage) => `${kind} ${stage}`),
      );
    expect(watched()).toEqual([]);
    exits.setTraced(TRACED_BY_DEFAULT);
    expect(watched()).toEqual(['mmio post', 'sbi post', 'trap post', 'irq post', 'system post']);
    exits.setBreakpoints([breakpoint({ kind: 'csr' }), breakpoint({ kind: 'wfi', stage: 'post' })]);
    expect(watched()).toContain('csr pre');
    expect(watched()).toContain('wfi post');
    exits.setBreakpoints([]);
    exits.setTraced([]);
    exits.listenToTraps(() => {});
    expect(watched()).toEqual(['trap post']);
    exits.listenToTraps(null);
    expect(watched()).toEqual([]);
  });

  test('finer statistics of what was watched', () => {
    const { exits } = makeExits();
    exits.setTraced(['mmio', 'sbi']);
    exits.report(0, 'post', mmio(1), 100);
    exits.report(0, 'post', mmio(2), 150);
    exits.report(0, 'post', mmio(2, { write: false, register: 'RBR' }), 5);
    exits.report(0, 'post', SAMPLES.sbi[0]!, 7);
    expect(exits.stats().detail).toEqual([
      { kind: 'mmio', key: 'uart0 THR write', count: 2, handlerNs: 250 },
      { kind: 'mmio', key: 'uart0 RBR read', count: 1, handlerNs: 5 },
      { kind: 'sbi', key: 'TIME set_timer', count: 1, handlerNs: 7 },
    ]);
  });
});

describe('breakpoints on exits', () => {
  test('condition, hit count and place decide', () => {
    const fixture = makeExits();
    const { exits } = fixture;
    exits.setBreakpoints([
      breakpoint({ kind: 'mmio', stage: 'post', condition: 'value == 2' }),
      breakpoint({ kind: 'mmio', stage: 'post', condition: 'write', hitCount: 3 }),
    ]);
    expect(exits.report(0, 'post', mmio(1), 0)).toBe('continue');
    expect(exits.takeStop()).toBeNull();
    expect(exits.report(1, 'post', mmio(2), 40)).toBe('stop');
    expect(fixture.stopped).toEqual([1]);
    expect(exits.stopPending).toBe(true);
    expect(exits.takeStop()).toMatchObject({
      breakpoint: 0,
      record: { hart: 1, stage: 'post', pc: 0x8000_0000n, handlerNs: 40, exit: { value: 2n } },
    });
    expect(exits.stopPending).toBe(false);
    // The third write hits, and every one after it.
    expect(exits.report(0, 'post', mmio(5), 0)).toBe('stop');
    expect(exits.takeStop()).toMatchObject({ breakpoint: 1 });
    expect(exits.report(0, 'post', mmio(5), 0)).toBe('stop');
  });

  test('an exit stopped in pre passes when its instruction is executed again', () => {
    const fixture = makeExits();
    const { exits } = fixture;
    exits.setBreakpoints([breakpoint({ kind: 'mmio' }), breakpoint({ kind: 'csr' })]);
    expect(exits.report(0, 'pre', mmio(1), 0)).toBe('stop');
    exits.takeStop();
    expect(exits.report(0, 'pre', mmio(1), 0)).toBe('continue');
    // Another hart, another kind, and the next step are not the same exit.
    expect(exits.report(1, 'pre', mmio(1), 0)).toBe('stop');
    expect(exits.report(0, 'pre', SAMPLES.csr[0]!, 0)).toBe('stop');
    fixture.at = { pc: 0x8000_0000n, step: 2n };
    expect(exits.report(0, 'pre', mmio(1), 0)).toBe('stop');
  });

  test('a log action tells and goes on', () => {
    const { exits, logged } = makeExits();
    exits.setTraced(['mmio']);
    exits.setBreakpoints([
      breakpoint({ kind: 'mmio', stage: 'post', action: 'log', log: '{device} got {value}' }),
      breakpoint({ kind: 'trap', action: 'log' }),
    ]);
    expect(exits.report(0, 'post', mmio(65), 0)).toBe('continue');
    expect(exits.report(0, 'pre', SAMPLES.trap[0]!, 0)).toBe('continue');
    expect(logged.map(({ text }) => text)).toEqual(['uart0 got 0x41', 'trap on hart 0 at 0x80000000']);
    expect(logged[0]!.record).toEqual(exits.trace(0, 1, {}).records[0]);
  });

  test('a wrong condition is refused and leaves the others armed', () => {
    const { exits } = makeExits();
    exits.setBreakpoints([breakpoint({ kind: 'mmio' })]);
    const wrong = breakpoint({ kind: 'mmio', condition: 'valeu == 1' });
    expect(() => exits.check(wrong)).toThrow(/no field 'valeu'/);
    expect(() => exits.setBreakpoints([wrong])).toThrow(/no field 'valeu'/);
    expect(exits.report(0, 'pre', mmio(1), 0)).toBe('stop');
  });

  test('a trap listener hears traps of all harts', () => {
    const { exits } = makeExits();
    const heard: [number, boolean][] = [];
    exits.listenToTraps((hart, interrupt) => heard.push([hart, interrupt]));
    exits.report(1, 'post', SAMPLES.trap[1]!, 0);
    exits.report(0, 'post', SAMPLES.trap[0]!, 0);
    expect(heard).toEqual([
      [1, true],
      [0, false],
    ]);
    expect(exits.traced).toBe(0);
  });
});
