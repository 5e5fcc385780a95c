import { EXIT_KINDS, type ExitContext, type ExitKind, type VmExit } from './exits.ts';

export type FieldType = 'integer' | 'string' | 'boolean';
/** Null: the field does not apply to this exit, as the ASID of a fence for all address spaces. */
export type FieldValue = bigint | string | boolean | null;
type FieldContext = Pick<ExitContext, 'hart' | 'pc' | 'step' | 'handlerNs'>;

/** A field that conditions, log texts and completion know. */
export interface ConditionField {
  readonly name: string;
  readonly type: FieldType;
  readonly description: string;
  /** Shown in decimal: a count or a number of something, rather than an address or bits. */
  readonly decimal: boolean;
  readonly get: (exit: VmExit, context: FieldContext) => FieldValue;
}

/** The fields of one kind of exit, its own first and then those that every exit has. */
export function fieldsOf(kind: ExitKind): ReadonlyMap<string, ConditionField> {
  return FIELDS.get(kind)!;
}

type Row<K extends ExitKind> = readonly [
  name: string,
  type: FieldType | 'count',
  description: string,
  get?: (exit: Extract<VmExit, { kind: K }>) => unknown,
];

/** A row without a getter takes the exit's property of that name. */
const OWN: { readonly [K in ExitKind]: readonly Row<K>[] } = {
  mmio: [
    ['device', 'string', 'name of the device, as the memory map has it'],
    ['register', 'string', 'name of the register'],
    ['offset', 'integer', 'offset in the device'],
    ['address', 'integer', 'guest-physical address'],
    ['size', 'count', 'bytes: 1, 2, 4 or 8'],
    ['write', 'boolean', 'true for a store'],
    ['value', 'integer', 'what is written, or in post what was read'],
  ],
  sbi: [
    ['ext', 'string', 'name of the extension, such as "DBCN"'],
    ['extId', 'integer', 'a7'],
    ['fn', 'count', 'a6: number of the function'],
    ['function', 'string', 'name of the function'],
    ...[0, 1, 2, 3, 4, 5].map(
      (index): Row<'sbi'> => [`a${index}`, 'integer', `argument ${index}`, (exit) => exit.args[index] ?? 0n],
    ),
    ['error', 'integer', 'post: the error returned in a0, 0 for success'],
    ['value', 'integer', 'post: the value returned in a1'],
  ],
  csr: [
    ['csr', 'string', 'name of the CSR'],
    ['number', 'integer', 'number of the CSR'],
    ['write', 'boolean', 'true when it is written'],
    ['old', 'integer', 'value before'],
    ['value', 'integer', 'value after'],
  ],
  trap: [
    ['cause', 'count', 'exception or interrupt code'],
    ['interrupt', 'boolean', 'true for an interrupt'],
    ['name', 'string', 'what the cause means'],
    ['tval', 'integer', 'mtval or stval'],
    ['from', 'string', 'privilege before: "U", "S" or "M"'],
    ['to', 'string', 'privilege after'],
  ],
  irq: [
    ['line', 'count', 'number of the source at the interrupt controller'],
    ['device', 'string', 'the device that drives it'],
    ['event', 'string', '"raised", "lowered", "claimed" or "completed"'],
  ],
  'page-fault': [
    ['address', 'integer', 'guest-physical address'],
    ['reason', 'string', '"outside-ram", "not-present" or "write-protected"'],
    ['write', 'boolean', 'true for a store'],
  ],
  'tlb-flush': [
    ['fence', 'string', '"sfence.vma", "sinval.vma", "satp" or "remote"'],
    ['address', 'integer', 'the address fenced; absent for all'],
    ['asid', 'count', 'the address space fenced; absent for all'],
  ],
  virtqueue: [
    ['device', 'string', 'name of the device'],
    ['queue', 'count', 'number of the queue'],
    ['event', 'string', '"kicked" or "used"'],
    ['descriptors', 'count', 'length of the chain'],
    ['bytes', 'count', 'bytes in the chain'],
  ],
  wfi: [['until', 'integer', 'step of the next deadline; absent when there is none']],
  nested: [
    ['cause', 'count', 'exception code'],
    ['htinst', 'integer', 'the trapped instruction'],
    ['htval', 'integer', 'guest-physical address, shifted right by 2'],
  ],
  system: [
    ['event', 'string', '"shutdown", "reboot", "suspend", "crash", "pass" or "fail"'],
    ['code', 'count', "the guest's own code"],
  ],
  debug: [
    ['event', 'string', '"breakpoint", "watchpoint", "step" or "semihosting"'],
    ['address', 'integer', 'the address concerned'],
  ],
};

const COMMON: readonly ConditionField[] = [
  {
    name: 'hart',
    type: 'integer',
    description: 'number of the hart',
    decimal: true,
    get: (_, context) => BigInt(context.hart),
  },
  {
    name: 'pc',
    type: 'integer',
    description: 'address of the instruction',
    decimal: false,
    get: (_, context) => context.pc,
  },
  {
    name: 'step',
    type: 'integer',
    description: 'machine steps since power-on',
    decimal: true,
    get: (_, context) => context.step,
  },
  {
    name: 'handlerNs',
    type: 'integer',
    description: "post: the handler's time in nanoseconds, a measurement",
    decimal: true,
    get: (_, context) => BigInt(Math.round(context.handlerNs)),
  },
];

const FIELDS: ReadonlyMap<ExitKind, ReadonlyMap<string, ConditionField>> = new Map(
  EXIT_KINDS.map((kind) => [
    kind,
    new Map(
      [...OWN[kind].map((row) => fieldOf(row as Row<ExitKind>)), ...COMMON].map((field) => [
        field.name,
        field,
      ]),
    ),
  ]),
);

function fieldOf([name, type, description, get]: Row<ExitKind>): ConditionField {
  const raw = get ?? ((exit: VmExit): unknown => (exit as unknown as Record<string, unknown>)[name]);
  return {
    name,
    type: type === 'count' ? 'integer' : type,
    description,
    decimal: type === 'count',
    get: (exit) => toValue(raw(exit)),
  };
}

function toValue(raw: unknown): FieldValue {
  if (typeof raw === 'number') return BigInt(raw);
  return typeof raw === 'bigint' || typeof raw === 'string' || typeof raw === 'boolean' ? raw : null;
}
