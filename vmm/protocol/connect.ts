import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { VmError } from '../base/vm-error.ts';
import { formatAddress, parseAddress, tokenFileOf, type VmmAddress } from './address.ts';
import { type FrameSocket, SOCKET_OPTIONS, wrapWebSocket } from './socket.ts';

/** A running VMM. Without `token` and `tokenFile` the token is read from where a VMM of this user puts it. */
export interface VmmTarget {
  /** `unix:PATH` or `127.0.0.1:PORT`, as the VMM printed it. */
  readonly address: string;
  readonly token?: string | undefined;
  readonly tokenFile?: string | undefined;
}

/** A VMM on this machine accepts at once or is not there; this ends the wait for something that is not a VMM. */
const HANDSHAKE_MS_MAX = 10_000;

/** Opens the WebSocket to a VMM; see `VmmClient.connect` for its errors. */
export async function connectSocket(target: VmmTarget): Promise<FrameSocket> {
  const address = parseAddress(target.address);
  const token = target.token ?? (await readToken(address, target.tokenFile));
  const authority = address.kind === 'tcp' ? formatAddress(address) : 'localhost';
  const socket = new WebSocket(`ws://${authority}/`, {
    ...SOCKET_OPTIONS,
    // One message a turn: who awaits a response goes on before the event that follows it is told.
    allowSynchronousEvents: false,
    handshakeTimeout: HANDSHAKE_MS_MAX,
    headers: { authorization: `Bearer ${token}` },
    createConnection: () =>
      address.kind === 'unix' ? connect(address.path) : connect(address.port, address.host),
  });
  return new Promise((resolve, reject) => {
    let opened = false;
    socket.once('open', () => {
      opened = true;
      resolve(wrapWebSocket(socket));
    });
    socket.once('unexpected-response', (request, response) => {
      request.destroy();
      reject(refusal(target.address, response.statusCode));
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (!opened) reject(unreachableVmm(target.address, error));
    });
  });
}

async function readToken(address: VmmAddress, tokenFile: string | undefined): Promise<string> {
  const path = tokenFile ?? tokenFileOf(address);
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch {
    throw new VmError(
      'unauthorized',
      `no token for the VMM at ${formatAddress(address)}: cannot read ${path}; does the VMM run, and as the same user?`,
    );
  }
}

function refusal(address: string, status: number | undefined): VmError {
  if (status === 401) {
    return new VmError(
      'unauthorized',
      `the VMM at ${address} refused the token; read it again from the token file that the VMM named when it started`,
    );
  }
  return new VmError(
    'io',
    `what listens at ${address} is no Hartscope VMM (it answered with HTTP status ${status})`,
  );
}

function unreachableVmm(address: string, error: NodeJS.ErrnoException): VmError {
  const missing = error.code === 'ECONNREFUSED' || error.code === 'ENOENT';
  return new VmError(
    'io',
    missing
      ? `no VMM listens at ${address}; start one with 'hartscope serve'`
      : `cannot connect to the VMM at ${address}: ${error.message}`,
  );
}
