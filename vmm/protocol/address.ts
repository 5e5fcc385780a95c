import { createHash } from 'node:crypto';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { VmError } from '../base/vm-error.ts';

/** Where a VMM listens: a Unix socket, or a TCP port that only this machine reaches. */
export type VmmAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** `sun_path` of Linux has 108 bytes, the terminating zero included (unix(7)). */
const UNIX_PATH_BYTES_MAX = 107;

/**
 * Reads `unix:PATH`, `127.0.0.1:PORT`, `localhost:PORT` or `[::1]:PORT`; port 0 lets the host choose one.
 *
 * @throws VmError `bad-config` for any other text: the protocol gives a peer the run of the user's files, so it is never
 *   offered to a network.
 */
export function parseAddress(text: string): VmmAddress {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    if (path === '')
      throw new VmError('bad-config', `the address '${text}' names no socket; write unix:PATH`);
    if (Buffer.byteLength(path) > UNIX_PATH_BYTES_MAX) {
      throw new VmError(
        'bad-config',
        `the socket path '${path}' is longer than ${UNIX_PATH_BYTES_MAX} bytes; choose a shorter one`,
      );
    }
    return { kind: 'unix', path };
  }
  const match = /^(127\.0\.0\.1|localhost|\[::1\]):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 0xffff) {
    throw new VmError(
      'bad-config',
      `'${text}' is no address of this machine; write unix:PATH, 127.0.0.1:PORT or [::1]:PORT`,
    );
  }
  return { kind: 'tcp', host: match[1] === '[::1]' ? '::1' : '127.0.0.1', port };
}

/** The text that `parseAddress` reads. */
export function formatAddress(address: VmmAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** The user's own folder for sockets and tokens of running VMMs; the VMM makes it with mode 0700. */
export function runtimeFolder(): string {
  const base = process.env['XDG_RUNTIME_DIR'] || tmpdir();
  return join(base, `hartscope-${process.getuid?.() ?? userInfo().username}`);
}

/** Where the VMM at `address` puts its token: a client of the same user that knows the address finds it there. */
export function tokenFileOf(address: VmmAddress): string {
  const name = createHash('sha256').update(formatAddress(address)).digest('hex').slice(0, 16);
  return join(runtimeFolder(), `${name}.token`);
}
