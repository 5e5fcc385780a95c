import { createHash, timingSafeEqual } from 'node:crypto';
import { chmodSync, existsSync, lstatSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { VmError } from '../base/vm-error.ts';
import { formatAddress, parseAddress, type VmmAddress } from '../protocol/address.ts';
import { type FrameSocket, SOCKET_OPTIONS, wrapWebSocket } from '../protocol/socket.ts';
import { explainErrno } from './images.ts';
import { makeRuntimeFolder, removeFile, type TokenFile, writeTokenFile } from './runtime-files.ts';

/** A VMM that listens. */
export interface Listening {
  readonly address: VmmAddress;
  readonly tokenFile: string;
  /** Ends all connections and removes socket and token. May be called more than once. */
  close(): void;
}

/** The default: a socket in the user's own folder. @throws VmError when there can be none. */
export const privateSocket = (pid: number): VmmAddress =>
  parseAddress(`unix:${join(makeRuntimeFolder(), `vmm-${pid}.sock`)}`);

/**
 * Listens for WebSockets that carry the token as `Authorization: Bearer …`, and hands each to `accept`.
 *
 * @throws VmError `io` when the address is in use or cannot be listened on.
 */
export async function listen(wanted: VmmAddress, accept: (socket: FrameSocket) => void): Promise<Listening> {
  const http = createServer((_request, response) => {
    response.writeHead(426, { 'content-type': 'text/plain', connection: 'close' });
    response.end('A Hartscope VMM: speak WebSocket.\n');
  });
  const address = await bind(http, wanted);
  const tokenFile = tokenFileFor(http, address);
  const expected = digest(`Bearer ${tokenFile.token}`);
  const sockets = new WebSocketServer({ ...SOCKET_OPTIONS, noServer: true });
  http.on('upgrade', (request, stream, head) => {
    // A comparison in constant time, over digests of equal length, tells nothing about where two tokens differ.
    if (!timingSafeEqual(digest(request.headers.authorization ?? ''), expected)) {
      refuse(stream);
      return;
    }
    sockets.handleUpgrade(request, stream, head, (socket) => accept(wrapWebSocket(socket)));
  });
  let closed = false;
  return {
    address,
    tokenFile: tokenFile.path,
    close: () => {
      if (closed) return;
      closed = true;
      http.close();
      http.closeAllConnections();
      for (const socket of sockets.clients) socket.terminate();
      if (address.kind === 'unix') removeFile(address.path);
      tokenFile.remove();
    },
  };
}

/** A VMM that nobody can get a token for does not listen. */
function tokenFileFor(http: Server, address: VmmAddress): TokenFile {
  try {
    return writeTokenFile(address);
  } catch (error) {
    http.close();
    throw error;
  }
}

async function bind(server: Server, wanted: VmmAddress): Promise<VmmAddress> {
  try {
    return await bindOnce(server, wanted);
  } catch (error) {
    const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    const text = formatAddress(wanted);
    if (inUse && wanted.kind === 'unix') requireSocket(wanted.path);
    if (inUse && wanted.kind === 'unix' && !(await answers(wanted.path))) {
      // The socket of a VMM that was killed: nobody listens there any more.
      removeFile(wanted.path);
      return bindOnce(server, wanted);
    }
    throw new VmError(
      'io',
      inUse
        ? `the address ${text} is in use; choose another with --listen, or end the program that listens there`
        : `cannot listen on ${text}: ${noFolderFor(wanted) ?? explainErrno(error)}`,
    );
  }
}

function bindOnce(server: Server, wanted: VmmAddress): Promise<VmmAddress> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const bound = () => {
      server.off('error', reject);
      const actual = server.address();
      if (wanted.kind === 'unix' || actual === null || typeof actual === 'string') resolve(wanted);
      else resolve({ ...wanted, port: actual.port });
    };
    if (wanted.kind === 'tcp') {
      server.listen({ host: wanted.host, port: wanted.port }, bound);
      return;
    }
    // The socket is made inside `listen`: under this mask there is no moment at which others can connect to it.
    const mask = process.umask(0o177);
    try {
      server.listen({ path: wanted.path }, () => {
        chmodSync(wanted.path, 0o600);
        bound();
      });
    } finally {
      process.umask(mask);
    }
  });
}

/** What is no socket is somebody's file, and stays. @throws VmError `io`. */
function requireSocket(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() ?? true) return;
  throw new VmError('io', `${path} is there already and is no socket; choose another path with --listen`);
}

/** The host tells of a missing folder as of one that may not be written. */
function noFolderFor(wanted: VmmAddress): string | undefined {
  if (wanted.kind !== 'unix') return undefined;
  const folder = dirname(wanted.path);
  return existsSync(folder) ? undefined : `there is no folder ${folder}`;
}

/** True when something accepts connections at a Unix socket. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
}

function refuse(stream: Duplex): void {
  stream.on('error', () => {});
  stream.end(
    'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
  );
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
