import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** A web server on loopback that gives one file to everybody, and answers an upload with its SHA-256. */
export class HttpFiles {
  readonly #server: Server;
  /** Bytes a second of each download and upload, as the server saw it. */
  readonly rates: { readonly what: 'download' | 'upload'; readonly bytesASecond: number }[] = [];

  private constructor(file: Uint8Array) {
    this.#server = createServer((request, response) => {
      const start = performance.now();
      const done = (what: 'download' | 'upload', bytes: number): void => {
        this.rates.push({ what, bytesASecond: Math.round((bytes * 1000) / (performance.now() - start)) });
      };
      if (request.method !== 'POST') {
        response.setHeader('content-length', file.length);
        response.end(file);
        response.on('close', () => done('download', file.length));
        return;
      }
      const hash = createHash('sha256');
      let bytes = 0;
      request.on('data', (data: Buffer) => {
        hash.update(data);
        bytes += data.length;
      });
      request.on('end', () => {
        done('upload', bytes);
        response.end(`got ${hash.digest('hex')}\n`);
      });
    });
  }

  static async serve(file: Uint8Array): Promise<HttpFiles> {
    const files = new HttpFiles(file);
    await new Promise<void>((resolve) => files.#server.listen(0, '127.0.0.1', resolve));
    return files;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
