import { VmError } from '../../vmm/base/vm-error.ts';
import type { Debuggee } from '../debuggee.ts';
import type { FrameRef } from '../nodes.ts';
import { underlying } from '../symbols/index.ts';
import { evaluate } from '../values/index.ts';
import { contextOf } from './assign.ts';

/** The bits of an integer or pointer expression as an address. @throws VmError `bad-request` when it is something else. */
export async function evaluateAddress(
  debuggee: Debuggee,
  ref: FrameRef,
  expression: string,
): Promise<bigint> {
  const text = expression.trim();
  // Needs no machine and no stack, so it works while the guest runs.
  if (/^(0x[0-9a-f]{1,16}|\d{1,20})$/i.test(text)) return BigInt.asUintN(64, BigInt(text));
  const { value } = await evaluate(text, await contextOf(debuggee, ref));
  const type = underlying(value.type);
  // A function or array named without & stands for its address, as in C.
  if ((type.kind === 'function' || type.kind === 'array') && value.lvalue?.kind === 'memory') {
    return value.lvalue.address;
  }
  if (value.bytes === undefined || !['base', 'pointer', 'enum', 'function'].includes(type.kind)) {
    throw new VmError(
      'bad-request',
      `"${text}" is no address: ${value.unavailable ?? `its type is ${value.type.name}`}.`,
    );
  }
  const bits = value.bytes.reduceRight((number, byte) => (number << 8n) | BigInt(byte), 0n);
  const isNegative = type.kind === 'base' && type.encoding === 'signed' && (value.bytes.at(-1) ?? 0) >= 0x80;
  return BigInt.asUintN(64, isNegative ? bits - (1n << BigInt(value.bytes.length * 8)) : bits);
}
