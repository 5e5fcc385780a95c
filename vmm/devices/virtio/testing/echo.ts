import type { AccessSize, Saved } from '../../../contracts/device.ts';
import type { ChainIdentity } from '../chain.ts';
import type { VirtioDevice, VirtioTransport } from '../device.ts';

/** A device type of the tests' own: answers each chain with the bytes it was given, at once or when told to. */
export class EchoDevice implements VirtioDevice {
  readonly id = 42;
  readonly name = 'echo';
  readonly features = 1n << 5n;
  readonly queues = 2;
  readonly configRegisters = [{ name: 'word', offset: 0, size: 4 }] as const;
  readonly configBytes = Uint8Array.of(1, 2, 3, 4, 5, 6, 7);
  /** Chains are kept, and given back by `finish`. */
  defer = false;
  readonly held: { readonly chain: ChainIdentity; readonly written: number }[] = [];
  readonly log: string[] = [];
  transport: VirtioTransport | undefined;

  plug(transport: VirtioTransport): void {
    this.transport = transport;
  }

  config(): Uint8Array {
    return this.configBytes;
  }

  writeConfig(offset: number, size: AccessSize, value: number): void {
    this.log.push(`config ${offset} ${size} ${value}`);
  }

  started(): void {
    this.log.push('started');
  }

  notified(index: number): void {
    this.log.push(`notified ${index}`);
    const queue = this.transport!.open(index);
    if (queue === undefined) return;
    for (let chain = queue.take(); chain !== undefined; chain = queue.take()) {
      const written = chain.writable.put(chain.readable.take(chain.readable.length));
      if (this.defer) this.held.push({ chain: chain.identity, written });
      else queue.use(chain, written);
    }
  }

  /** Gives held chains back, in the order of their indices, one by one or together. */
  finish(queue: number, indices: readonly number[], together = false): void {
    const opened = this.transport!.open(queue)!;
    const chosen = indices.map((index) => this.held[index]!);
    if (together) opened.useTogether(chosen);
    else for (const { chain, written } of chosen) opened.use(chain, written);
  }

  queueStopped(index: number): void {
    this.log.push(`stopped ${index}`);
  }

  reset(): void {
    this.held.length = 0;
    this.log.push('reset');
  }

  save(): Saved {
    return { version: 1 };
  }

  restore(): void {}
}
