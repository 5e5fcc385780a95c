import { AT, FORM, TAG } from './dwarf/constants.ts';
import type { Entry } from './dwarf/entry.ts';
import { type ExpressionContext, evaluateLocation } from './dwarf/expression.ts';
import { locationAt } from './dwarf/location-lists.ts';
import type { Unit } from './dwarf/unit.ts';
import type { Frame, HartView, SourceLocation, ValueLocation, Variable } from './model.ts';
import { frameRegister } from './registers.ts';
import type { Type } from './type-model.ts';
import type { Types } from './types.ts';

/** What a variable needs of the file it is in. */
export interface VariableSupport {
  readonly types: Types;
  declaration(entry: Entry): SourceLocation | undefined;
  /** For variables that are only declared here: where their definition is, by name. */
  addressOf(name: string): bigint | undefined;
}

/** A parameter, local, static or global variable. `subprogram` is the function it belongs to, whose frame base counts. */
export function makeVariable(
  support: VariableSupport,
  entry: Entry,
  subprogram: Entry | undefined,
): Variable | undefined {
  const name = entry.name;
  if (name === undefined || name === '') return undefined;
  return {
    name,
    kind: kindOf(entry, subprogram),
    get type(): Type {
      return support.types.typeOf(entry);
    },
    get declaration() {
      return support.declaration(entry);
    },
    locate: (frame, hart) => locate(support, entry, subprogram, name, frame, hart),
  };
}

function kindOf(entry: Entry, subprogram: Entry | undefined): Variable['kind'] {
  if (entry.tag === TAG.formalParameter) return 'parameter';
  if (entry.owner(AT.external)?.flag(AT.external)) return 'global';
  const fixed = entry.block(AT.location)?.[0] === OP_ADDR;
  return subprogram === undefined || fixed ? 'static' : 'local';
}

const OP_ADDR = 0x03;

async function locate(
  support: VariableSupport,
  entry: Entry,
  subprogram: Entry | undefined,
  name: string,
  frame: Frame | undefined,
  hart: HartView,
): Promise<ValueLocation> {
  try {
    const constant = constantValue(entry, support.types);
    if (constant !== undefined) return { kind: 'bytes', bytes: constant };
    const expression = expressionFor(entry, frame);
    if (expression === undefined) {
      const address = entry.has(AT.location) ? undefined : externAddress(support, entry, name);
      return address === undefined
        ? { kind: 'unavailable', reason: 'optimized out' }
        : { kind: 'memory', address };
    }
    return await evaluateLocation(expression, contextFor(entry.unit, subprogram, frame, hart));
  } catch (error) {
    entry.unit.sections.report(error);
    return { kind: 'unavailable', reason: 'its debug information is damaged' };
  }
}

/** `extern int ticks;` in a function or unit: the definition is elsewhere, under the same name. */
function externAddress(support: VariableSupport, entry: Entry, name: string): bigint | undefined {
  return entry.owner(AT.declaration)?.flag(AT.declaration) ? support.addressOf(name) : undefined;
}

function constantValue(entry: Entry, types: Types): Uint8Array | undefined {
  const raw = entry.owner(AT.constValue)?.raw(AT.constValue);
  if (raw === undefined) return undefined;
  if (raw.value instanceof Uint8Array) return raw.value;
  if (typeof raw.value === 'string') return new TextEncoder().encode(`${raw.value}\0`);
  const bytes = new Uint8Array(Math.max(8, types.typeOf(entry).size > 8 ? 16 : 8));
  new DataView(bytes.buffer).setBigInt64(0, BigInt.asIntN(64, BigInt(raw.value)), true);
  return bytes;
}

/** The location expression that holds at the frame's pc. */
function expressionFor(entry: Entry, frame: Frame | undefined): Uint8Array | undefined {
  const location = entry.owner(AT.location)?.raw(AT.location);
  return expressionOf(entry.unit, location, frame);
}

function expressionOf(
  unit: Unit,
  location: ReturnType<Entry['raw']>,
  frame: Frame | undefined,
): Uint8Array | undefined {
  if (location === undefined) return undefined;
  if (location.value instanceof Uint8Array) return location.value;
  if (typeof location.value !== 'number' || frame === undefined) return undefined;
  return locationAt(unit, location.value, location.form === FORM.loclistx, frame.lookupPc);
}

function contextFor(
  unit: Unit,
  subprogram: Entry | undefined,
  frame: Frame | undefined,
  hart: HartView,
): ExpressionContext {
  const context: ExpressionContext = {
    bias: unit.sections.bias,
    addressSize: unit.addressSize,
    what: 'a location expression',
    register: async (number) => (frame === undefined ? undefined : frameRegister(frame.registers, number)),
    readMemory: (address, length) => hart.readMemory(address, length),
    cfa: () => frame?.cfa,
    address: (index) => unit.addressAt(index),
  };
  return { ...context, frameBase: () => frameBase(unit, subprogram, frame, context) };
}

/** `DW_AT_frame_base` of the function (DWARF 5, section 3.3.5): a register stands for its contents here. */
async function frameBase(
  unit: Unit,
  subprogram: Entry | undefined,
  frame: Frame | undefined,
  context: ExpressionContext,
): Promise<bigint | undefined> {
  const expression = expressionOf(unit, subprogram?.owner(AT.frameBase)?.raw(AT.frameBase), frame);
  if (expression === undefined) return undefined;
  const location = await evaluateLocation(expression, context);
  if (location.kind === 'memory') return location.address;
  if (location.kind === 'register') return await context.register(location.register);
  return undefined;
}
