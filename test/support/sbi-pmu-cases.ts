import { SBI_EXTENSION, SBI_GUEST } from './sbi-calls.ts';
import { harmful, type Other, type Outcome, type SbiSequence, stepsOf } from './sbi-cases.ts';

const ALL_ONES = 0xffff_ffff_ffff_ffffn;
const { shared } = SBI_GUEST;
const OUTSIDE = 0x3fff_0000_0000n;

/** The counters of a hart: `cycle`, `time`, `instret`, 29 programmable ones, 16 of the firmware. */
const COUNTERS = 48n;
const FIRST_FIRMWARE = 32n;
const PROGRAMMABLE = 0xffff_fff8n;
const FIRMWARE = 0xffff_0000_0000n;

const EVENT = {
  cycles: 1n,
  instructions: 2n,
  branches: 5n,
  cacheMisses: 0x1_0001n,
  raw: 0x2_0000n,
  rawWide: 0x3_0000n,
  firmware: 0xf_0000n,
} as const;
/** Of this machine's own events: exceptions taken. */
const EXCEPTIONS = 0x100n;

const CONFIGURE = { skipMatch: 1n, clearValue: 2n, autoStart: 4n } as const;
const START = { setInitialValue: 1n, fromSnapshot: 2n } as const;
const STOP = { reset: 1n, takeSnapshot: 2n } as const;

const pmu = stepsOf(SBI_EXTENSION.PMU);
const ANY_FREE = 'it takes the highest that is free, of two the last that matches';

/** counter_info of a hardware counter: its CSR, 64 bits wide. */
const hardware = (counter: bigint): bigint => (63n << 12n) | (0xc00n + counter);
const FIRMWARE_INFO = (1n << 63n) | (63n << 12n);

const configure = (name: string, args: readonly bigint[], outcome: Outcome, other?: Other) =>
  pmu(2, name, args, outcome, other);

export const PMU: SbiSequence = {
  name: 'PMU',
  chapter: 11,
  steps: [
    pmu(0, 'counters', [], COUNTERS),
    pmu(1, 'cycle', [0n], hardware(0n)),
    pmu(1, 'time', [1n], hardware(1n), ['INVALID_PARAM', 'it leaves time out']),
    pmu(1, 'instret', [2n], hardware(2n)),
    pmu(1, 'the last of the hart', [31n], hardware(31n)),
    pmu(1, 'the first of the firmware', [FIRST_FIRMWARE], FIRMWARE_INFO),
    pmu(1, 'the last', [COUNTERS - 1n], FIRMWARE_INFO),
    pmu(1, 'one too many', [COUNTERS], 'INVALID_PARAM'),

    configure('cycles', [0n, PROGRAMMABLE, 0n, EVENT.cycles, 0n], 3n, [31n, ANY_FREE]),
    configure('instructions', [0n, PROGRAMMABLE, 0n, EVENT.instructions, 0n], 4n, [30n, ANY_FREE]),
    configure('a raw event', [0n, PROGRAMMABLE, 0n, EVENT.raw, EXCEPTIONS], 5n, [29n, ANY_FREE]),
    configure('a raw event of 56 bits', [5n, ALL_ONES >> 40n, 0n, EVENT.rawWide, EXCEPTIONS], 6n, [
      28n,
      ANY_FREE,
    ]),
    configure('the only one', [8n, 1n, 0n, EVENT.cycles, 0n], 8n),
    configure('it is taken', [8n, 1n, 0n, EVENT.cycles, 0n], 'NOT_SUPPORTED', [
      0n,
      'it falls back to the fixed counter, which is not in the set',
    ]),
    configure('without a search', [8n, 1n, CONFIGURE.skipMatch, EVENT.cycles, 0n], 8n),
    configure(
      'without a search, the first of the set',
      [8n, 0b11n, CONFIGURE.skipMatch, EVENT.cycles, 0n],
      8n,
    ),
    configure('without a search, the fixed one', [0n, 1n, CONFIGURE.skipMatch, EVENT.cycles, 0n], 0n),
    configure('an event that none counts', [0n, PROGRAMMABLE, 0n, EVENT.branches, 0n], 'NOT_SUPPORTED'),
    configure(
      'a cache event that none counts',
      [0n, PROGRAMMABLE, 0n, EVENT.cacheMisses, 0n],
      'NOT_SUPPORTED',
    ),
    configure('a raw event that none counts', [0n, PROGRAMMABLE, 0n, EVENT.raw, 0x7777n], 'NOT_SUPPORTED'),
    configure(
      'a raw event beyond 48 bits',
      [0n, PROGRAMMABLE, 0n, EVENT.raw, EXCEPTIONS | (1n << 48n)],
      'NOT_SUPPORTED',
    ),
    configure('no event', [0n, PROGRAMMABLE, 0n, 0n, 0n], 'NOT_SUPPORTED'),
    configure('a reserved type', [0n, PROGRAMMABLE, 0n, 0x4_0000n, 0n], 'NOT_SUPPORTED', [
      'INVALID_PARAM',
      'an error that the function does not name for it',
    ]),
    configure('a counter that there is not', [0n, 1n << COUNTERS, 0n, EVENT.cycles, 0n], 'INVALID_PARAM'),
    configure('a base beyond all', [ALL_ONES, 1n, 0n, EVENT.cycles, 0n], 'INVALID_PARAM'),
    configure('a flag that there is not', [9n, 1n, 0x100n, EVENT.cycles, 0n], 'INVALID_PARAM', [
      9n,
      'it ignores what it does not know',
    ]),
    configure('the fixed one cannot count', [2n, 1n, 0n, EVENT.cycles, 0n], 'NOT_SUPPORTED', [
      0n,
      'it falls back to the fixed counter, which is not in the set',
    ]),
    configure('time counts nothing', [1n, 1n, 0n, EVENT.cycles, 0n], 'NOT_SUPPORTED', [
      0n,
      'it falls back to the fixed counter, which is not in the set',
    ]),

    pmu(3, 'with a value', [8n, 1n, START.setInitialValue, 100n], 'SUCCESS'),
    pmu(3, 'again', [8n, 1n, 0n, 0n], 'ALREADY_STARTED'),
    pmu(3, 'cycle, which always counts', [0n, 1n, 0n, 0n], 'ALREADY_STARTED'),
    pmu(3, 'one that there is not', [COUNTERS, 1n, 0n, 0n], 'INVALID_PARAM'),
    pmu(3, 'a flag that there is not', [4n, 1n, 4n, 0n], 'INVALID_PARAM'),
    pmu(3, 'a value and a snapshot', [4n, 1n, 3n, 0n], 'INVALID_PARAM', [
      'NO_SHMEM',
      'it knows no snapshots',
    ]),
    pmu(3, 'from a snapshot, without memory', [4n, 1n, START.fromSnapshot, 0n], 'NO_SHMEM'),
    pmu(4, 'stop', [8n, 1n, 0n], 'SUCCESS'),
    pmu(4, 'again', [8n, 1n, 0n], 'ALREADY_STOPPED'),
    pmu(4, 'one that there is not', [COUNTERS - 1n, 0b10n, 0n], 'INVALID_PARAM'),
    pmu(4, 'a flag that there is not', [8n, 1n, 4n], 'INVALID_PARAM', [
      'ALREADY_STOPPED',
      'it ignores what it does not know',
    ]),
    pmu(4, 'with a snapshot, without memory', [8n, 1n, STOP.takeSnapshot], 'NO_SHMEM'),
    pmu(4, 'reset, though stopped', [8n, 1n, STOP.reset], 'ALREADY_STOPPED'),
    configure(
      'is free again, and counts at once',
      [8n, 1n, CONFIGURE.clearValue | CONFIGURE.autoStart, EVENT.cycles, 0n],
      8n,
    ),
    pmu(4, 'it counted', [8n, 1n, STOP.reset], 'SUCCESS'),

    ...[0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n, 10n, 11n, 12n, 13n].map((code, index) =>
      configure(`firmware event ${code}`, [0n, FIRMWARE, 0n, EVENT.firmware | code, 0n], 32n + BigInt(index)),
    ),
    ...[14n, 21n, 22n, 255n, 256n, 0xfffen, 0xffffn].map((code) =>
      configure(
        `firmware event ${code}, which there is not`,
        [0n, FIRMWARE, 0n, EVENT.firmware | code, 0n],
        'NOT_SUPPORTED',
        [
          code === 14n ? 46n : code === 21n ? 47n : 'INVALID_PARAM',
          code <= 21n
            ? 'it counts fences for guests of a hypervisor'
            : 'an error that the function does not name for it',
        ],
      ),
    ),
    configure(
      'a firmware event on a counter of the hart',
      [0n, PROGRAMMABLE, 0n, EVENT.firmware, 0n],
      'NOT_SUPPORTED',
    ),
    configure(
      'cycles on a counter of the firmware',
      [FIRST_FIRMWARE, 1n << 15n, 0n, EVENT.cycles, 0n],
      'NOT_SUPPORTED',
    ),
    pmu(5, 'stands', [37n], 0n),
    pmu(3, 'timers set', [37n, 1n, 0n, 0n], 'SUCCESS'),
    stepsOf(SBI_EXTENSION.TIME)(0, 'sets a timer', [ALL_ONES], 0n),
    stepsOf(SBI_EXTENSION.TIME)(0, 'sets a timer', [ALL_ONES], 0n),
    stepsOf(0n)(0, 'the legacy extension sets a timer', [ALL_ONES], 'SUCCESS'),
    pmu(5, 'three of them', [37n], 3n),
    pmu(6, 'nothing above 64 bits', [37n], 0n),
    pmu(3, 'again', [37n, 1n, 0n, 0n], 'ALREADY_STARTED', ['SUCCESS', 'it starts what is started']),
    pmu(4, 'stop', [37n, 1n, 0n], 'SUCCESS'),
    stepsOf(SBI_EXTENSION.TIME)(0, 'sets a timer', [ALL_ONES], 0n),
    pmu(5, 'still three', [37n], 3n),
    pmu(3, 'with a value', [37n, 1n, START.setInitialValue, ALL_ONES], 'SUCCESS'),
    stepsOf(SBI_EXTENSION.TIME)(0, 'sets a timer', [ALL_ONES], 0n),
    pmu(5, 'wraps', [37n], 0n),
    pmu(5, 'a counter of the hart', [3n], 'INVALID_PARAM'),
    pmu(5, 'a counter that there is not', [COUNTERS], 'INVALID_PARAM'),
    pmu(6, 'a counter of the hart', [3n], 'INVALID_PARAM', [0n, 'zero, whatever the counter']),
    pmu(6, 'a counter that there is not', [COUNTERS], 'INVALID_PARAM', [0n, 'zero, whatever the counter']),
    pmu(9, 'there is none', [], 'NOT_SUPPORTED'),
  ],
};

const WITHOUT: Other = ['NO_SHMEM', 'it knows no snapshots'];

/** Snapshot memory: a mask of overflows, then 64 values. */
const values = new Uint8Array(4096);
new DataView(values.buffer).setBigUint64(8, 1000n, true);
new DataView(values.buffer).setBigUint64(16, 2000n, true);

export const PMU_SNAPSHOT: SbiSequence = {
  name: 'PMU, snapshots',
  chapter: 11,
  memory: new Map([[0, values]]),
  steps: [
    pmu(7, 'a flag', [shared, 0n, 1n], 'INVALID_PARAM'),
    pmu(7, 'not aligned', [shared + 2048n, 0n, 0n], 'INVALID_PARAM'),
    pmu(7, 'outside memory', [OUTSIDE, 0n, 0n], 'INVALID_ADDRESS'),
    pmu(7, 'beyond 64 bits', [shared, 1n, 0n], 'INVALID_ADDRESS'),
    pmu(7, 'memory', [shared, 0n, 0n], 0n),
    configure('timers set', [0n, 1n << FIRST_FIRMWARE, 0n, EVENT.firmware | 5n, 0n], 32n),
    configure('fences of instructions', [0n, 2n << FIRST_FIRMWARE, 0n, EVENT.firmware | 8n, 0n], 33n),
    pmu(3, 'from the snapshot', [FIRST_FIRMWARE, 3n, START.fromSnapshot, 77n], 'SUCCESS', WITHOUT),
    pmu(5, 'its first value', [32n], 1000n, [0n, 'it knows no snapshots']),
    pmu(5, 'its second value', [33n], 2000n, [0n, 'it knows no snapshots']),
    stepsOf(SBI_EXTENSION.TIME)(0, 'sets a timer', [ALL_ONES], 0n),
    pmu(4, 'to the snapshot', [FIRST_FIRMWARE, 3n, STOP.takeSnapshot], 'SUCCESS', WITHOUT),
    pmu(4, 'to the snapshot, from another base', [33n, 1n, STOP.takeSnapshot], 'ALREADY_STOPPED', WITHOUT),
    pmu(7, 'none any more', [ALL_ONES, ALL_ONES, 0n], 0n),
    pmu(4, 'to no snapshot', [FIRST_FIRMWARE, 3n, STOP.takeSnapshot], 'NO_SHMEM'),
  ].map((step) =>
    step.request.fn === 7 && step.request.extension === SBI_EXTENSION.PMU
      ? { ...step, opensbi: { error: 'NOT_SUPPORTED' as const, why: 'it knows no snapshots' } }
      : step,
  ),
};

/** Entries of event_get_info: index, output, data. */
const entry = (index: bigint, data = 0n): Uint8Array => {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Number(index), true);
  view.setUint32(4, 0xdead_beef, true);
  view.setBigUint64(8, data, true);
  return bytes;
};
/** What is asked for, and whether it is counted. */
export const EVENTS_ASKED: readonly (readonly [entry: Uint8Array, counted: 0 | 1])[] = [
  [entry(EVENT.cycles), 1],
  [entry(EVENT.instructions), 1],
  [entry(EVENT.branches), 0],
  [entry(EVENT.cacheMisses), 0],
  [entry(EVENT.raw, EXCEPTIONS), 1],
  [entry(EVENT.raw, 0x7777n), 0],
  [entry(EVENT.rawWide, EXCEPTIONS), 1],
  [entry(EVENT.firmware | 5n), 1],
  [entry(EVENT.firmware | 300n), 0],
];
const COUNT = BigInt(EVENTS_ASKED.length);
const BAD_ENTRY = 1024;

export const PMU_EVENTS: SbiSequence = {
  name: 'PMU, events',
  chapter: 11,
  memory: new Map([
    ...EVENTS_ASKED.map(([bytes], index): [number, Uint8Array] => [16 * index, bytes]),
    [BAD_ENTRY, entry(1n << 20n)],
  ]),
  steps: [
    pmu(8, 'a flag', [shared, 0n, COUNT, 1n], 'INVALID_PARAM'),
    pmu(8, 'not aligned', [shared + 8n, 0n, COUNT, 0n], 'INVALID_PARAM'),
    pmu(8, 'no entry', [shared, 0n, 0n, 0n], 'INVALID_PARAM'),
    pmu(8, 'an index of more than 20 bits', [shared + BigInt(BAD_ENTRY), 0n, 1n, 0n], 'INVALID_PARAM', [
      0n,
      'it says that it counts no such event',
    ]),
    harmful(pmu(8, 'outside memory', [OUTSIDE, 0n, COUNT, 0n], 'INVALID_ADDRESS')),
    pmu(8, 'beyond 64 bits', [shared, 1n, COUNT, 0n], 'INVALID_ADDRESS'),
    harmful(pmu(8, 'more than memory holds', [shared, 0n, 1n << 60n, 0n], 'INVALID_ADDRESS')),
    pmu(8, 'all', [shared, 0n, COUNT, 0n], 0n),
  ],
};
