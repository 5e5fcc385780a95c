import type { Ipv4Address } from '../base/ipv4.ts';
import type { NetworkHost, ResolvedName } from '../contracts/network.ts';
import { GATEWAY } from './plan.ts';
import { get16, put16, put32 } from './wire.ts';

export const DNS_PORT = 53;

const HEADER_BYTES = 12;
const QUESTION_BYTES_MAX = 255 + 4;
/** What a client takes over UDP without saying more (RFC 1035, section 4.2.1). */
const MESSAGE_BYTES_MAX = 512;
/** The host does not tell how long a name holds; short, so that a change there is soon seen here. */
const TIME_TO_LIVE_SECONDS = 30;
/** Questions that the host works on. Clients ask again for those that are dropped. */
const PENDING_MAX = 128;

const TYPE_A = 1;
const TYPE_AAAA = 28;
const CLASS_INTERNET = 1;
const RCODE = { ok: 0, serverFailure: 2, noSuchName: 3 } as const;

interface Question {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Where the question section ends. */
  readonly end: number;
}

/**
 * The name server that DHCP names. Addresses are looked up as the host's own programs do, hosts file included; what else is asked
 * goes to the host's name server as it stands.
 */
export class DnsForwarder {
  readonly #host: NetworkHost;
  #pending = 0;

  constructor(host: NetworkHost) {
    this.#host = host;
  }

  answer(message: Uint8Array, reply: (message: Uint8Array) => void): void {
    const isQuery = message.length >= HEADER_BYTES && (message[2]! & 0x80) === 0;
    if (!isQuery || this.#pending >= PENDING_MAX) return;
    const query = message.slice();
    const question = parseQuestion(query);
    if (question !== undefined && question.class === CLASS_INTERNET && question.type === TYPE_AAAA) {
      // No IPv6 gets through: an address would only make clients wait for its failure.
      reply(answerOf(query, question.end, RCODE.ok, []));
    } else if (question !== undefined && question.class === CLASS_INTERNET && question.type === TYPE_A) {
      this.#pending++;
      this.#host.resolve(question.name, (found) => {
        this.#pending--;
        reply(resolved(query, question.end, found));
      });
    } else {
      this.#pending++;
      this.#host.askNameServer(query, (answer) => {
        this.#pending--;
        const end = question?.end ?? HEADER_BYTES;
        const usable = answer !== undefined && answer.length >= HEADER_BYTES;
        reply(usable ? withId(answer, get16(query, 0)) : answerOf(query, end, RCODE.serverFailure, []));
      });
    }
  }
}

function resolved(query: Uint8Array, end: number, found: ResolvedName): Uint8Array {
  switch (found.kind) {
    case 'addresses':
      return answerOf(query, end, RCODE.ok, found.addresses);
    case 'no-such-name':
      return answerOf(query, end, RCODE.noSuchName, []);
    case 'failed':
      return answerOf(query, end, RCODE.serverFailure, []);
  }
}

/** RFC 1035, section 4: the question again, and a resource record for each address that fits. */
function answerOf(
  query: Uint8Array,
  questionEnd: number,
  rcode: number,
  addresses: readonly Ipv4Address[],
): Uint8Array {
  const recordBytes = 16;
  const fitting = addresses.slice(0, Math.floor((MESSAGE_BYTES_MAX - questionEnd) / recordBytes));
  const message = new Uint8Array(questionEnd + fitting.length * recordBytes);
  message.set(query.subarray(0, questionEnd));
  // A response, recursion desired as asked, recursion available.
  message[2] = 0x80 | (query[2]! & 0x79);
  message[3] = 0x80 | rcode;
  put16(message, 4, questionEnd > HEADER_BYTES ? 1 : 0);
  put16(message, 6, fitting.length);
  put32(message, 8, 0);
  fitting.forEach((address, index) => {
    const at = questionEnd + index * recordBytes;
    put16(message, at, 0xc000 | HEADER_BYTES); // The name of the question (section 4.1.4).
    put16(message, at + 2, TYPE_A);
    put16(message, at + 4, CLASS_INTERNET);
    put32(message, at + 6, TIME_TO_LIVE_SECONDS);
    put16(message, at + 10, 4);
    // What the host calls itself is its loopback, and that is the gateway from here.
    put32(message, at + 12, address >>> 24 === 127 ? GATEWAY : address);
  });
  return message;
}

function withId(answer: Uint8Array, id: number): Uint8Array {
  const message = answer.slice();
  put16(message, 0, id);
  return message;
}

/** The only question of a standard query, where its name is one that a host can be asked for. */
function parseQuestion(message: Uint8Array): Question | undefined {
  if ((message[2]! & 0x78) !== 0 || get16(message, 4) !== 1) return undefined;
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > 63) return undefined;
    if (length === 0) break;
    const label = String.fromCharCode(...message.subarray(at + 1, at + 1 + length));
    if (label.length !== length || !/^[\w-]+$/.test(label)) return undefined;
    labels.push(label);
    at += 1 + length;
  }
  const end = at + 5;
  if (labels.length === 0 || end > message.length || end - HEADER_BYTES > QUESTION_BYTES_MAX)
    return undefined;
  return { name: labels.join('.'), type: get16(message, at + 1), class: get16(message, at + 3), end };
}
