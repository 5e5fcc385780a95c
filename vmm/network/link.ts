import type { Ipv4Address } from '../base/ipv4.ts';
import { arpRequest } from './arp.ts';
import { ETHERNET_BYTES, IP_BYTES, writeHeaders } from './ip.ts';
import { BROADCAST_MAC, GATEWAY, NAME_SERVER, ownMac } from './plan.ts';

/** Frames that wait for the guest, TCP's not among them: those are made when the guest takes them. More are lost. */
const QUEUE_MAX = 512;
const QUEUE_BYTES_MAX = 1 << 20;
/** A guest that tells of ever more addresses of its own forgets the eldest. */
const NEIGHBOURS_MAX = 64;

const gatewayMac = ownMac(GATEWAY);
const nameServerMac = ownMac(NAME_SERVER);

/** The wire's near end: frames towards the guest, and which card has which address. */
export class Link {
  readonly mtu: number;
  readonly #queue: Uint8Array[] = [];
  #queued = 0;
  readonly #neighbours = new Map<Ipv4Address, Uint8Array>();
  #identification = 0;
  readonly #ready: () => void;

  /** `ready` is called whenever a frame waits. */
  constructor(mtu: number, ready: () => void) {
    this.mtu = mtu;
    this.#ready = ready;
  }

  send(frame: Uint8Array): void {
    if (this.#queue.length >= QUEUE_MAX || this.#queued + frame.length > QUEUE_BYTES_MAX) return;
    this.#queue.push(frame);
    this.#queued += frame.length;
    this.#ready();
  }

  take(): Uint8Array | undefined {
    const frame = this.#queue.shift();
    if (frame !== undefined) this.#queued -= frame.length;
    return frame;
  }

  /** Remembers a guest's card; true when the address was not known. */
  learn(address: Ipv4Address, mac: Uint8Array): boolean {
    const known = this.#neighbours.get(address);
    if (known !== undefined) {
      if (known.some((byte, index) => byte !== mac[index])) known.set(mac);
      return false;
    }
    if (this.#neighbours.size >= NEIGHBOURS_MAX) {
      for (const eldest of this.#neighbours.keys()) {
        this.#neighbours.delete(eldest);
        break;
      }
    }
    this.#neighbours.set(address, mac.slice());
    return true;
  }

  knows(address: Ipv4Address): boolean {
    return this.#neighbours.has(address);
  }

  /** A frame whose payload of `length` bytes the caller still writes; the guest's card must be known, else all cards get it. */
  ipFrame(source: Ipv4Address, destination: Ipv4Address, protocol: number, length: number): Uint8Array {
    const frame = new Uint8Array(ETHERNET_BYTES + IP_BYTES + length);
    this.#headers(
      frame,
      { source, destination, protocol, identification: this.#nextIdentification() },
      length,
    );
    return frame;
  }

  /** Sends a payload, in fragments where it exceeds the MTU. A card that is not known is asked for instead. */
  sendIp(source: Ipv4Address, destination: Ipv4Address, protocol: number, payload: Uint8Array): void {
    if (!this.knows(destination)) {
      this.send(arpRequest(destination));
      return;
    }
    const identification = this.#nextIdentification();
    const most = payload.length <= this.mtu - IP_BYTES ? payload.length : (this.mtu - IP_BYTES) & ~7;
    let at = 0;
    do {
      const length = Math.min(most, payload.length - at);
      const frame = new Uint8Array(ETHERNET_BYTES + IP_BYTES + length);
      const moreFragments = at + length < payload.length;
      const header = { source, destination, protocol, identification, fragmentOffset: at, moreFragments };
      this.#headers(frame, header, length);
      frame.set(payload.subarray(at, at + length), ETHERNET_BYTES + IP_BYTES);
      this.send(frame);
      at += length;
    } while (at < payload.length);
  }

  reset(): void {
    this.#queue.length = 0;
    this.#queued = 0;
    this.#neighbours.clear();
  }

  #headers(frame: Uint8Array, header: Parameters<typeof writeHeaders>[3], length: number): void {
    const from = header.source === NAME_SERVER ? nameServerMac : gatewayMac;
    const to = this.#neighbours.get(header.destination) ?? BROADCAST_MAC;
    writeHeaders(frame, from, to, header, length);
  }

  #nextIdentification(): number {
    this.#identification = (this.#identification + 1) & 0xffff;
    return this.#identification;
  }
}
