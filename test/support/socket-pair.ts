import type { FrameListener, FrameSocket } from '../../vmm/protocol/socket.ts';

/** Two ends of a connection in memory; frames and the end arrive in order, in later turns of the event loop. */
export function socketPair(): { readonly client: FrameSocket; readonly server: FrameSocket } {
  const client = new PairedSocket();
  const server = new PairedSocket();
  client.peer = server;
  server.peer = client;
  return { client, server };
}

class PairedSocket implements FrameSocket {
  peer: PairedSocket | undefined;
  readonly congested = false;
  #listener: FrameListener | undefined;
  #early: (() => void)[] = [];
  #open = true;

  send(frame: Uint8Array): void {
    const copy = frame.slice();
    if (this.#open) setImmediate(() => this.peer!.deliver((listener) => listener.frame(copy)));
  }

  close(reason = ''): void {
    if (!this.#open) return;
    this.#open = false;
    setImmediate(() => {
      this.peer!.closedByPeer(reason);
      this.deliver((listener) => listener.closed(''));
    });
  }

  listen(listener: FrameListener): void {
    this.#listener = listener;
    for (const event of this.#early.splice(0)) event();
  }

  closedByPeer(reason: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.deliver((listener) => listener.closed(reason));
  }

  deliver(event: (listener: FrameListener) => void): void {
    if (this.#listener !== undefined) event(this.#listener);
    else this.#early.push(() => event(this.#listener!));
  }
}
