import type * as z from 'zod';
import { VmError } from '../base/vm-error.ts';
import { type Method, type ParsedParams, requestSchemas } from '../protocol/messages.ts';

/** A request whose parameters fit their schema. */
export type ParsedRequest = {
  readonly [M in Method]: { readonly id: number; readonly method: M; readonly params: ParsedParams<M> };
}[Method];

/** Answers frames and messages in which no request id can be found. */
export const UNKNOWN_ID = -1;

/** Larger frames are taken for the methods that carry memory only: checking a megabyte of nonsense element by element costs hundreds. */
const ORDINARY_FRAME_BYTES_MAX = 1 << 20;
const BULK_METHODS: ReadonlySet<string> = new Set<Method>(['vm.writeMemory', 'vm.consoleWrite']);

/** The request's id, or `UNKNOWN_ID`: an error that is answered with it still reaches the right caller. */
export function requestId(message: unknown): number {
  return isObject(message) && Number.isSafeInteger(message['id']) ? (message['id'] as number) : UNKNOWN_ID;
}

/**
 * Checks a decoded message against the protocol.
 *
 * @throws VmError `bad-request` in one line that names the method and the field.
 */
export function parseRequest(message: unknown, frameBytes: number): ParsedRequest {
  if (!isObject(message)) throw new VmError('bad-request', 'a request is a map of id, method and params');
  const { id, method, params } = message;
  if (requestId(message) === UNKNOWN_ID || (id as number) < 0) {
    throw new VmError('bad-request', 'id: expected a whole number from 0');
  }
  if (typeof method !== 'string') throw new VmError('bad-request', 'method: expected a string');
  if (!Object.hasOwn(requestSchemas, method)) {
    throw new VmError('bad-request', `there is no method '${method.slice(0, 64)}'`);
  }
  if (frameBytes > ORDINARY_FRAME_BYTES_MAX && !BULK_METHODS.has(method)) {
    throw new VmError(
      'bad-request',
      `${method}: a frame of ${frameBytes} bytes is too large for this method`,
    );
  }
  const result = requestSchemas[method as Method].safeParse(params ?? {});
  if (!result.success) throw new VmError('bad-request', `${method}: ${describeIssues(result.error.issues)}`);
  return { id, method, params: result.data } as ParsedRequest;
}

/** The first thing that is wrong with a value, in one line: `config.harts: expected number, received string`. */
export function describeIssues(issues: readonly z.core.$ZodIssue[]): string {
  const [first] = issues;
  if (first === undefined) return 'does not fit the protocol';
  const path = first.path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
    .join('');
  const where = path === '' ? '' : `${path.replace(/^\./, '')}: `;
  const message = first.message.replace(/^(Invalid input|Too big|Too small): /, '').split('\n')[0]!;
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : '';
  return `${where}${message.slice(0, 200)}${more}`;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
