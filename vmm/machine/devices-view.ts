import type { AccessSize, Device, FieldDescription, RegisterDescription } from '../contracts/device.ts';
import type { DeviceInfo, DeviceRegisterValue } from '../protocol/messages.ts';
import type { Placed } from './board.ts';

/** Elements shown of an array of registers; a PLIC's 97 priorities fit, longer ones are read as memory. */
const ELEMENTS_MAX = 128;

/** The devices as views show them, sorted by address; values by `peek` when asked for. */
export function describeDevices(placed: readonly Placed[], values: boolean): DeviceInfo[] {
  return [...placed]
    .sort((a, b) => Number(a.region.base - b.region.base))
    .map(({ region, device }) => ({
      name: region.name,
      compatible: region.compatible,
      base: region.base,
      size: region.size,
      irqs: region.irqs,
      registers: device.registers.flatMap((register) => describeRegister(device, register, values)),
    }));
}

function describeRegister(
  device: Device,
  register: RegisterDescription,
  values: boolean,
): DeviceRegisterValue[] {
  const { count, size } = register;
  const stride = register.stride ?? size;
  return Array.from({ length: Math.min(count ?? 1, ELEMENTS_MAX) }, (_, index) => {
    const offset = register.offset + index * stride;
    // What can only be written has no contents to show.
    const value = values && register.access !== 'write' ? peekRegister(device, offset, size) : null;
    return {
      name: count === undefined ? register.name : `${register.name}[${index}]`,
      offset,
      size,
      description: register.description ?? null,
      value,
      fields: (register.fields ?? []).map((field) => describeField(field, value)),
    };
  });
}

function peekRegister(device: Device, offset: number, size: RegisterDescription['size']): bigint {
  const peek = (at: number, bytes: AccessSize): bigint => BigInt(device.peek(at, bytes) >>> 0);
  return size === 8 ? peek(offset, 4) | (peek(offset + 4, 4) << 32n) : peek(offset, size);
}

function describeField(
  field: FieldDescription,
  register: bigint | null,
): DeviceRegisterValue['fields'][number] {
  const { name, low, high } = field;
  const value = register === null ? null : (register >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
  const meaning = value === null ? undefined : field.values?.[Number(value)];
  return { name, low, high, value, text: meaning ?? field.description ?? null };
}
