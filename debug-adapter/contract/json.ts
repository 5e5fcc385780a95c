/**
 * How values of the VMM protocol look in DAP, which is JSON: 64-bit quantities become `0x…` strings (JSON has no
 * integers beyond 2^53) and bytes become base64.
 */
export type Json<T> = T extends bigint
  ? string
  : T extends Uint8Array
    ? string
    : T extends readonly (infer E)[]
      ? readonly Json<E>[]
      : T extends object
        ? { readonly [K in keyof T]: Json<T[K]> }
        : T;

/** Replaces every bigint by its `0x…` string and every `Uint8Array` by base64, at any depth; the rest is kept. */
export function toJson<T>(value: T): Json<T> {
  return convert(value) as Json<T>;
}

function convert(value: unknown): unknown {
  if (typeof value === 'bigint')
    return value < 0n ? '-0x' + (-value).toString(16) : '0x' + value.toString(16);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(convert);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, convert(member)]));
}
