import { SBI_EXTENSION, SBI_GUEST, type SbiRequest } from './sbi-calls.ts';

/** Error codes (SBI 3.0, table 1). */
export const SBI_ERROR = {
  SUCCESS: 0n,
  FAILED: -1n,
  NOT_SUPPORTED: -2n,
  INVALID_PARAM: -3n,
  DENIED: -4n,
  INVALID_ADDRESS: -5n,
  ALREADY_AVAILABLE: -6n,
  ALREADY_STARTED: -7n,
  ALREADY_STOPPED: -8n,
  NO_SHMEM: -9n,
  DENIED_LOCKED: -14n,
} as const;
export type SbiErrorName = keyof typeof SBI_ERROR;

/** One call and what must come of it. Without a value any will do: a1 of a failed call is unspecified. */
export interface SbiStep {
  readonly name: string;
  readonly request: SbiRequest;
  readonly error: SbiErrorName;
  readonly value?: bigint;
  /** What OpenSBI answers instead, and why that is no reason to do likewise. */
  readonly opensbi?: { readonly error: SbiErrorName; readonly value?: bigint; readonly why: string };
  /** OpenSBI takes it and is lost, or the guest is. */
  readonly harmsOpensbi?: true;
}

/** Calls that are made one after the other on one hart. */
export interface SbiSequence {
  readonly name: string;
  readonly chapter: number;
  readonly harts?: number;
  readonly memory?: ReadonlyMap<number, Uint8Array>;
  readonly typed?: string;
  readonly steps: readonly SbiStep[];
}

export type Outcome = SbiErrorName | bigint;
/** What OpenSBI does otherwise, and why. */
export type Other = readonly [outcome: Outcome, why: string];

export const harmful = (step: SbiStep): SbiStep => ({ ...step, harmsOpensbi: true });

const answer = (outcome: Outcome): { error: SbiErrorName; value?: bigint } =>
  typeof outcome === 'bigint' ? { error: 'SUCCESS', value: outcome } : { error: outcome };

/** A step's line: function, name, arguments, outcome (a value is a success), and what OpenSBI does otherwise. */
export const stepsOf =
  (extension: bigint) =>
  (fn: number, name: string, args: readonly bigint[], outcome: Outcome, opensbi?: Other): SbiStep => ({
    name: `FID #${fn}, ${name}`,
    request: { extension, fn, args },
    ...answer(outcome),
    ...(opensbi && { opensbi: { ...answer(opensbi[0]), why: opensbi[1] } }),
  });

const ALL_ONES = 0xffff_ffff_ffff_ffffn;
const { shared, idle } = SBI_GUEST;
const OUTSIDE = 0x3fff_0000_0000n;
const NO_RAM_BELOW = 0x1000_0000n;

const base = stepsOf(SBI_EXTENSION.Base);
const BASE: SbiSequence = {
  name: 'Base',
  chapter: 4,
  steps: [
    base(0, 'version 3.0', [], 0x0300_0000n, [0x0200_0000n, 'it is of version 2.0']),
    base(1, 'implementation', [], 0x4841_5254n, [1n, "the specification's number of OpenSBI"]),
    base(2, 'its version', [], 1n, [0x1_0006n, 'OpenSBI 1.6']),
    ...Object.entries(SBI_EXTENSION).map(([name, id]) =>
      base(
        3,
        `probe ${name}`,
        [id],
        1n,
        name === 'SUSP' || name === 'STA'
          ? [0n, 'the board has no device for it; STA is of hypervisors']
          : undefined,
      ),
    ),
    ...Array.from({ length: 9 }, (_, id) => base(3, `probe the legacy extension ${id}`, [BigInt(id)], 1n)),
    base(3, 'probe 9, which was never given out', [9n], 0n),
    base(3, 'probe all ones', [ALL_ONES], 0n),
    base(4, 'vendor', [], 0n),
    base(5, 'architecture', [], 'SUCCESS'),
    base(6, 'implementation of the hart', [], 'SUCCESS'),
    base(7, 'there is none', [], 'NOT_SUPPORTED'),
    base(-1, 'there is none', [], 'NOT_SUPPORTED'),
    { ...stepsOf(0x1234_5678n)(0, 'an extension that there is not', [], 'NOT_SUPPORTED') },
    { ...stepsOf(ALL_ONES)(0, 'an extension that there is not', [], 'NOT_SUPPORTED') },
  ],
};

const time = stepsOf(SBI_EXTENSION.TIME);
const TIME: SbiSequence = {
  name: 'TIME',
  chapter: 6,
  steps: [
    time(0, 'set_timer in the past', [0n], 0n),
    time(0, 'set_timer for never', [ALL_ONES], 0n),
    time(1, 'there is none', [], 'NOT_SUPPORTED'),
  ],
};

const PASSES_OVER: Other = [0n, 'it passes over harts that there are not'];

/** Masks of harts where there are two. */
const MASKS: readonly (readonly [string, bigint, bigint, Outcome, Other?])[] = [
  ['to itself', 1n, 0n, 0n],
  ['by the base', 1n, 1n, 0n],
  ['to nobody', 0n, 0n, 0n],
  ['to all', 0n, ALL_ONES, 0n],
  ['to all, whatever the mask', 1n, ALL_ONES, 0n],
  ['to a hart that there is not', 0b100n, 0n, 'INVALID_PARAM', PASSES_OVER],
  ['to a hart that there is not, by the base', 1n, 2n, 'INVALID_PARAM', PASSES_OVER],
  ['to the last bit', 1n << 63n, 0n, 'INVALID_PARAM', PASSES_OVER],
  ['from a base beyond all', 1n, 1n << 40n, 'INVALID_PARAM', PASSES_OVER],
];

const ipi = stepsOf(SBI_EXTENSION.IPI);
const IPI: SbiSequence = {
  name: 'IPI',
  chapter: 7,
  harts: 2,
  steps: [
    ...MASKS.map(([name, mask, from, outcome, other]) => ipi(0, name, [mask, from], outcome, other)),
    ipi(1, 'there is none', [], 'NOT_SUPPORTED'),
  ],
};

const rfence = stepsOf(SBI_EXTENSION.RFENCE);
const RFENCE: SbiSequence = {
  name: 'RFENCE',
  chapter: 8,
  harts: 2,
  steps: [
    ...[0, 1, 2].flatMap((fn) =>
      MASKS.map(([name, mask, from, outcome, other]) =>
        rfence(fn, name, [mask, from, 0x4000n, 0x2000n, 5n], outcome, other),
      ),
    ),
    ...[1, 2].flatMap((fn) => [
      rfence(fn, 'everything, by zeros', [1n, 0n, 0n, 0n], 0n),
      rfence(fn, 'everything, by all ones', [1n, 0n, 0x1000n, ALL_ONES], 0n),
      rfence(fn, 'a range that wraps', [1n, 0n, ALL_ONES - 0xfffn, 0x3000n], 'INVALID_ADDRESS', [
        0n,
        'it fences whatever the range',
      ]),
    ]),
    ...[3, 4, 5, 6].map((fn) => rfence(fn, 'of a hypervisor, without H', [1n, 0n, 0n, 0n], 'NOT_SUPPORTED')),
    rfence(7, 'there is none', [], 'NOT_SUPPORTED'),
  ],
};

const NOT_FOR_TYPES: Other = ['NOT_SUPPORTED', 'the error that is for types that are implemented'];

const hsm = stepsOf(SBI_EXTENSION.HSM);
const HSM: SbiSequence = {
  name: 'HSM',
  chapter: 9,
  harts: 2,
  steps: [
    hsm(2, 'of itself: started', [0n], 0n),
    hsm(2, 'of the other: stopped', [1n], 1n),
    hsm(2, 'of a hart that there is not', [2n], 'INVALID_PARAM'),
    hsm(2, 'of a hart beyond 32 bits', [1n << 32n], 'INVALID_PARAM', [0n, 'it takes the low half']),
    hsm(0, 'a hart that there is not', [2n, idle], 'INVALID_PARAM'),
    hsm(0, 'itself', [0n, idle], 'ALREADY_AVAILABLE'),
    harmful(hsm(0, 'outside memory', [1n, OUTSIDE], 'INVALID_ADDRESS')),
    harmful(hsm(0, 'at a device', [1n, NO_RAM_BELOW], 'INVALID_ADDRESS')),
    harmful(hsm(0, 'at an odd address', [1n, idle + 1n], 'INVALID_ADDRESS')),
    hsm(0, 'the other', [1n, idle, 5n], 0n),
    hsm(0, 'the other once more', [1n, idle, 5n], 'ALREADY_AVAILABLE', [
      'INVALID_PARAM',
      'the other hart is on its way',
    ]),
    hsm(2, 'of the other: started', [1n], 0n, [2n, 'the other hart is on its way']),
    hsm(3, 'of a reserved type', [1n], 'INVALID_PARAM'),
    hsm(3, 'of the last reserved retentive type', [0x0fff_ffffn], 'INVALID_PARAM'),
    hsm(3, 'of a platform type that there is not', [0x1000_0000n], 'INVALID_PARAM', NOT_FOR_TYPES),
    hsm(3, 'of a reserved non-retentive type', [0x8000_0001n], 'INVALID_PARAM'),
    hsm(3, 'of the last platform type', [0xffff_ffffn], 'INVALID_PARAM', NOT_FOR_TYPES),
    harmful(hsm(3, 'non-retentive, to nowhere', [0x8000_0000n, OUTSIDE], 'INVALID_ADDRESS')),
    harmful(hsm(3, 'non-retentive, to an odd address', [0x8000_0000n, idle + 1n], 'INVALID_ADDRESS')),
    hsm(4, 'there is none', [], 'NOT_SUPPORTED'),
  ],
};

const srst = stepsOf(SBI_EXTENSION.SRST);
const SRST: SbiSequence = {
  name: 'SRST',
  chapter: 10,
  steps: [
    srst(0, 'a reserved type', [3n, 0n], 'INVALID_PARAM'),
    srst(0, 'the last reserved type', [0xefff_ffffn, 0n], 'INVALID_PARAM'),
    srst(0, 'a vendor type that there is not', [0xf000_0000n, 0n], 'INVALID_PARAM'),
    srst(0, 'a reserved reason', [0n, 2n], 'INVALID_PARAM'),
    srst(0, 'the last reserved reason', [0n, 0xdfff_ffffn], 'INVALID_PARAM'),
    srst(0, 'an implementation reason that there is not', [0n, 0xe000_0000n], 'INVALID_PARAM'),
    srst(0, 'a vendor reason that there is not', [0n, 0xf000_0000n], 'INVALID_PARAM'),
    srst(1, 'there is none', [], 'NOT_SUPPORTED'),
  ],
};

const SET_UP = 'it clears the FIFO when it sets up the UART';

const dbcn = stepsOf(SBI_EXTENSION.DBCN);
const DBCN: SbiSequence = {
  name: 'DBCN',
  chapter: 12,
  memory: new Map([[0, Buffer.from('console')]]),
  typed: 'abc',
  steps: [
    dbcn(0, 'write', [7n, shared, 0n], 7n),
    dbcn(0, 'nothing', [0n, shared, 0n], 0n),
    harmful(dbcn(0, 'from outside memory', [1n, OUTSIDE, 0n], 'INVALID_PARAM')),
    dbcn(0, 'beyond 64 bits', [1n, shared, 1n], 'INVALID_PARAM', ['FAILED', 'an error of its own']),
    dbcn(1, 'two of what was typed', [2n, shared + 64n, 0n], 2n, [1n, SET_UP]),
    dbcn(1, 'the rest of it', [8n, shared + 66n, 0n], 1n, [0n, SET_UP]),
    dbcn(1, 'nothing', [8n, shared + 72n, 0n], 0n),
    dbcn(1, 'beyond 64 bits', [1n, shared, 1n], 'INVALID_PARAM', ['FAILED', 'an error of its own']),
    harmful(dbcn(1, 'all of memory and more', [ALL_ONES, shared, 0n], 'INVALID_PARAM')),
    dbcn(2, 'a byte', [0x141n], 0n),
    dbcn(3, 'there is none', [], 'NOT_SUPPORTED'),
  ],
};

const susp = stepsOf(SBI_EXTENSION.SUSP);
const SUSP: SbiSequence = {
  name: 'SUSP',
  chapter: 13,
  harts: 2,
  steps: [
    susp(0, 'a reserved type', [1n, idle], 'INVALID_PARAM'),
    susp(0, 'the last reserved type', [0x7fff_ffffn, idle], 'INVALID_PARAM'),
    susp(0, 'a platform type that there is not', [0x8000_0000n, idle], 'INVALID_PARAM'),
    susp(0, 'resuming outside memory', [0n, OUTSIDE], 'INVALID_ADDRESS'),
    susp(0, 'resuming at an odd address', [0n, idle + 1n], 'INVALID_ADDRESS'),
    susp(1, 'there is none', [], 'NOT_SUPPORTED'),
    hsm(0, 'starts the other hart', [1n, idle], 0n),
    susp(0, 'while another hart runs', [0n, idle], 'DENIED'),
  ].map(
    (step): SbiStep =>
      step.request.extension === SBI_EXTENSION.HSM
        ? step
        : { ...step, opensbi: { error: 'NOT_SUPPORTED', why: 'the board has no device for it' } },
  ),
};

const sta = stepsOf(SBI_EXTENSION.STA);
const STA: SbiSequence = {
  name: 'STA',
  chapter: 16,
  memory: new Map([[0, new Uint8Array(128).fill(0xaa)]]),
  steps: [
    sta(0, 'a flag', [shared, 0n, 1n], 'INVALID_PARAM'),
    sta(0, 'not aligned', [shared + 32n, 0n, 0n], 'INVALID_PARAM'),
    sta(0, 'half of what disables', [ALL_ONES, 0n, 0n], 'INVALID_PARAM'),
    sta(0, 'disabling with a flag', [ALL_ONES, ALL_ONES, 1n], 'INVALID_PARAM'),
    sta(0, 'outside memory', [OUTSIDE, 0n, 0n], 'INVALID_ADDRESS'),
    sta(0, 'beyond 64 bits', [shared, 1n, 0n], 'INVALID_ADDRESS'),
    sta(0, 'a device', [NO_RAM_BELOW, 0n, 0n], 'INVALID_ADDRESS'),
    sta(0, 'memory', [shared, 0n, 0n], 0n),
    sta(0, 'none any more', [ALL_ONES, ALL_ONES, 0n], 0n),
    sta(1, 'there is none', [], 'NOT_SUPPORTED'),
  ].map((step): SbiStep => ({ ...step, opensbi: { error: 'NOT_SUPPORTED', why: 'STA is of hypervisors' } })),
};

const fwft = stepsOf(SBI_EXTENSION.FWFT);
const DELEGATION = 0n;
const PTE_UPDATING = 4n;
const FWFT: SbiSequence = {
  name: 'FWFT',
  chapter: 18,
  steps: [
    fwft(1, 'whether misaligned accesses are delegated', [DELEGATION], 1n, [
      0n,
      'it emulates them until told',
    ]),
    fwft(0, 'they are not', [DELEGATION, 0n, 0n], 0n),
    fwft(1, 'they are not', [DELEGATION], 0n),
    fwft(0, 'they are', [DELEGATION, 1n, 0n], 0n),
    fwft(1, 'they are', [DELEGATION], 1n),
    fwft(0, 'a value that it does not have', [DELEGATION, 2n, 0n], 'INVALID_PARAM'),
    fwft(0, 'a flag that there is not', [DELEGATION, 1n, 2n], 'INVALID_PARAM'),
    fwft(1, 'whether hardware updates page tables', [PTE_UPDATING], 1n),
    fwft(0, 'it does not, for good', [PTE_UPDATING, 0n, 1n], 0n),
    fwft(0, 'locked', [PTE_UPDATING, 1n, 0n], 'DENIED_LOCKED', ['DENIED', 'the error is of 3.0']),
    fwft(1, 'as it was locked', [PTE_UPDATING], 0n),
    fwft(0, 'the other is not locked', [DELEGATION, 0n, 0n], 0n),
    ...[1n, 2n, 3n, 5n].flatMap((feature) => [
      fwft(1, `feature ${feature}, which the harts lack`, [feature], 'NOT_SUPPORTED'),
      fwft(0, `feature ${feature}, which the harts lack`, [feature, 0n, 0n], 'NOT_SUPPORTED'),
    ]),
    ...[6n, 0x3fff_ffffn, 0x4000_0000n, 0x8000_0000n, 0xffff_ffffn].flatMap((feature) => [
      fwft(1, `reserved feature ${feature}`, [feature], 'DENIED'),
      fwft(0, `reserved feature ${feature}`, [feature, 0n, 0n], 'DENIED'),
    ]),
    fwft(2, 'there is none', [], 'NOT_SUPPORTED'),
  ],
};

/** Calls numbered by a7 alone, whatever stands in a6; one result in a0, and a1 stays as it was. */
const legacy = (id: bigint, name: string, args: readonly bigint[], outcome: Outcome): SbiStep => ({
  ...stepsOf(id)(77, name, args, outcome),
  name: `EID #${id}, ${name}`,
});
const KEPT = 0x1234n;
const LEGACY: SbiSequence = {
  name: 'the legacy extensions',
  chapter: 5,
  harts: 2,
  // A mask of harts: the first.
  memory: new Map([[0, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0)]]),
  steps: [
    legacy(0n, 'sets a timer', [ALL_ONES, KEPT], KEPT),
    legacy(1n, 'writes a character', [0x41n, KEPT], KEPT),
    { ...legacy(2n, 'reads none', [0n, KEPT], 'FAILED'), value: KEPT },
    legacy(4n, 'interrupts a hart', [shared, KEPT], KEPT),
    legacy(4n, 'interrupts all', [0n, KEPT], KEPT),
    legacy(3n, 'takes it back', [0n, KEPT], KEPT),
    legacy(5n, 'fences instructions', [shared, KEPT], KEPT),
    legacy(6n, 'fences translations', [shared, KEPT, 0x1000n], KEPT),
    legacy(6n, 'fences all translations', [0n, 0n, ALL_ONES], 0n),
    legacy(7n, 'fences those of an address space', [shared, KEPT, 0x1000n, 3n], KEPT),
    harmful(legacy(4n, 'cannot read the mask', [OUTSIDE, KEPT], 'FAILED')),
    legacy(9n, 'is none', [], 'NOT_SUPPORTED'),
  ],
};

export const SBI_SEQUENCES: readonly SbiSequence[] = [
  LEGACY,
  BASE,
  TIME,
  IPI,
  RFENCE,
  HSM,
  SRST,
  DBCN,
  SUSP,
  STA,
  FWFT,
];
