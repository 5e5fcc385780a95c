import { randomBytes as bytesOfCrypto } from 'node:crypto';

/** Bytes that nobody can foretell. What a guest gets of them is logged as its input. */
export const randomBytes = (count: number): Uint8Array => new Uint8Array(bytesOfCrypto(count));
