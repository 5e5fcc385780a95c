import type { RegisterDescription } from '../../contracts/device.ts';
import type { InputDescription } from './input-events.ts';
import { set16, set32 } from './little-endian.ts';

/** What `select` asks for (virtio 1.2, section 5.8.4). */
const SELECT = { name: 1, serial: 2, ids: 3, properties: 0x10, events: 0x11, axis: 0x12 } as const;

export const SELECT_OFFSET = 0;
export const SUBSELECT_OFFSET = 1;
const SIZE_OFFSET = 2;
const UNION_OFFSET = 8;
const UNION_SIZE = 128;

/** BUS_VIRTUAL, and the numbers that QEMU gives its own. */
const BUS_VIRTUAL = 0x06;
const VENDOR = 0x0627;
const DEVICE_VERSION = 1;

export const INPUT_REGISTERS: readonly RegisterDescription[] = [
  {
    name: 'select',
    offset: SELECT_OFFSET,
    size: 1,
    description: 'What is asked for',
    fields: [
      {
        name: 'WHAT',
        low: 0,
        high: 7,
        values: {
          0: 'nothing',
          1: 'name',
          2: 'serial number',
          3: 'IDs',
          16: 'properties',
          17: 'events',
          18: 'axis',
        },
      },
    ],
  },
  { name: 'subsel', offset: SUBSELECT_OFFSET, size: 1, description: 'Of which event type or axis' },
  { name: 'size', offset: SIZE_OFFSET, size: 1, access: 'read', description: 'Bytes of the answer' },
  { name: 'answer', offset: UNION_OFFSET, size: 1, count: UNION_SIZE, access: 'read' },
];

/** The configuration space for what is selected; a size of 0 where there is no answer (section 5.8.5.2). */
export function inputConfig(device: InputDescription, select: number, subselect: number): Uint8Array {
  const answer = answerTo(device, select, subselect).subarray(0, UNION_SIZE);
  const config = new Uint8Array(UNION_OFFSET + UNION_SIZE);
  config[SELECT_OFFSET] = select;
  config[SUBSELECT_OFFSET] = subselect;
  config[SIZE_OFFSET] = answer.length;
  config.set(answer, UNION_OFFSET);
  return config;
}

function answerTo(device: InputDescription, select: number, subselect: number): Uint8Array {
  if (select === SELECT.events) return bitmap(device.events.get(subselect) ?? []);
  if (select === SELECT.axis) return axis(device, subselect);
  // All others have one answer, under subselection 0.
  if (subselect !== 0) return NONE;
  switch (select) {
    case SELECT.name:
      return new TextEncoder().encode(device.name);
    case SELECT.serial:
      return new TextEncoder().encode(device.serial);
    case SELECT.ids:
      return words16(BUS_VIRTUAL, VENDOR, device.product, DEVICE_VERSION);
    default:
      return NONE;
  }
}

const NONE = new Uint8Array(0);

/** As many bytes as the highest code needs. */
function bitmap(codes: readonly number[]): Uint8Array {
  const bits = new Uint8Array(codes.length === 0 ? 0 : (Math.max(...codes) >> 3) + 1);
  for (const code of codes) bits[code >> 3]! |= 1 << (code & 7);
  return bits;
}

/** `struct virtio_input_absinfo`: minimum, maximum, and no fuzz, flat or resolution. */
function axis(device: InputDescription, code: number): Uint8Array {
  const info = device.axes.get(code);
  if (info === undefined) return NONE;
  const bytes = new Uint8Array(20);
  set32(bytes, 0, info.minimum);
  set32(bytes, 4, info.maximum);
  return bytes;
}

function words16(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(2 * values.length);
  for (const [index, value] of values.entries()) set16(bytes, 2 * index, value);
  return bytes;
}
