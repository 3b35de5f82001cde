/**
 * The packets before the login, which have no type byte: requests for encryption, cancel requests, and the start-up
 * message itself. They come from anyone who can reach the port, so sizes are judged before anything is kept.
 */

import { isUtf8 } from 'node:buffer';
import { GrowingBuffer } from './growing-buffer.ts';
import { CANCEL_KEY_BYTES_MAX, CANCEL_KEY_BYTES_MIN } from './message-types.ts';
import { badText, malformed, notPostgres, tooLong, unsupportedProtocol } from './wire-error.ts';

export type StartupPacket =
  | { readonly kind: 'ssl-request' }
  | { readonly kind: 'gssenc-request' }
  | CancelRequest
  | StartupMessage
  /** The client has thought better of it, and says goodbye with a message that belongs behind a login. */
  | { readonly kind: 'terminate' };

export interface CancelRequest {
  readonly kind: 'cancel';
  readonly pid: number;
  readonly key: Buffer;
}

export interface StartupMessage {
  readonly kind: 'startup';
  readonly major: number;
  readonly minor: number;
  /** As sent, names such as `_pq_.x` among them. A name given twice has its last value, as on the server. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** As on the server: nobody needs more to say who they are. */
export const STARTUP_BYTES_MAX = 10_000;

const STARTUP_BYTES_MIN = 8;
const CANCEL_CODE = 80877102;
const SSL_CODE = 80877103;
const GSSENC_CODE = 80877104;
const PROTOCOL_MAJOR = 3;
const NOTHING = Buffer.alloc(0);
/** Read as a size it would be far too large. */
const TERMINATE_BEGINS = Buffer.from('X\0\0\0');

export class StartupReader {
  /** The packet being collected; what came behind it is in `#rest`. */
  readonly #packet = new GrowingBuffer();
  #rest: Buffer = NOTHING;

  /** Takes the next bytes and returns the first packet that is whole, if there is one. */
  push(chunk: Buffer): StartupPacket | undefined {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const packet = this.next();
    // Copied, so that whoever reads from the socket may use the chunk again.
    if (this.#rest.length > 0) this.#rest = Buffer.from(this.#rest);
    return packet;
  }

  /** The next packet among the bytes already here: a client may send its start-up message behind a request. */
  next(): StartupPacket | undefined {
    if (!this.#fill(4)) return undefined;
    if (this.#packet.view().equals(TERMINATE_BEGINS)) return { kind: 'terminate' };
    const size = this.#checkedSize();
    return this.#fill(size) ? readPacket(this.#packet.take()) : undefined;
  }

  /**
   * The bytes behind the packets returned so far; the reader forgets them. After an encryption request was granted
   * there must be none: they were sent before the encryption and could be anyone's.
   */
  takeRest(): Buffer {
    const rest = this.#packet.length === 0 ? this.#rest : Buffer.concat([this.#packet.take(), this.#rest]);
    this.#rest = NOTHING;
    return rest;
  }

  #fill(target: number): boolean {
    this.#rest = this.#rest.subarray(this.#packet.fill(this.#rest, 0, target));
    return this.#packet.length >= target;
  }

  #checkedSize(): number {
    const start = this.#packet.view();
    const size = start.readInt32BE(0);
    if (size >= STARTUP_BYTES_MIN && size <= STARTUP_BYTES_MAX) return size;
    if (start[0] === 0x16 && start[1] === 0x03) {
      throw notPostgres(
        'received a TLS handshake without the request for it',
        'connect with sslnegotiation=postgres: TLS begins after an SSLRequest',
      );
    }
    if (/^(GET |POST|PUT |HEAD|OPTI|PATC|DELE|CONN|TRAC|PRI )/.test(start.toString('latin1', 0, 4))) {
      throw notPostgres('received an HTTP request; this port speaks the PostgreSQL protocol');
    }
    throw notPostgres(
      `invalid length of startup packet: ${size} bytes; from ${STARTUP_BYTES_MIN} to ${STARTUP_BYTES_MAX} are allowed`,
    );
  }
}

function readPacket(packet: Buffer): StartupPacket {
  const code = packet.readUInt32BE(4);
  switch (code) {
    case SSL_CODE:
    case GSSENC_CODE:
      if (packet.length !== 8) throw malformed('encryption request', `${packet.length} bytes instead of 8`);
      return { kind: code === SSL_CODE ? 'ssl-request' : 'gssenc-request' };
    case CANCEL_CODE:
      return readCancel(packet);
    default:
      return readStartup(packet, code >>> 16, code & 0xffff);
  }
}

function readCancel(packet: Buffer): CancelRequest {
  const keyBytes = packet.length - 12;
  if (keyBytes < CANCEL_KEY_BYTES_MIN || keyBytes > CANCEL_KEY_BYTES_MAX) {
    throw malformed('CancelRequest', `a key of ${keyBytes} bytes`);
  }
  return { kind: 'cancel', pid: packet.readUInt32BE(8), key: packet.subarray(12) };
}

function readStartup(packet: Buffer, major: number, minor: number): StartupMessage {
  if (major !== PROTOCOL_MAJOR) throw unsupportedProtocol(major, minor);
  if (packet.length < 9 || packet[packet.length - 1] !== 0) {
    throw malformed('startup', 'the terminator is not the last byte');
  }
  if (!isUtf8(packet.subarray(8))) throw malformed('startup', 'a parameter is not valid UTF-8');
  // What is left is `name\0value\0` again and again, then one NUL, which stands where the next name would.
  const texts = packet.toString('utf8', 8, packet.length - 1).split('\0');
  const afterLast = texts.pop();
  if (afterLast !== '') throw malformed('startup', 'a parameter is not terminated');
  if (texts.length % 2 !== 0) throw malformed('startup', 'a parameter has a name but no value');
  const parameters = new Map<string, string>();
  for (let i = 0; i < texts.length; i += 2) {
    const name = texts[i] as string;
    if (name === '') throw malformed('startup', 'bytes follow the terminator');
    parameters.set(name, texts[i + 1] as string);
  }
  return { kind: 'startup', major, minor, parameters };
}

/** Built for a client: the first packet of a connection that is to log in. */
export function startupMessage(
  parameters: Iterable<readonly [name: string, value: string]>,
  options: { readonly minor?: number } = {},
): Buffer {
  let body = '';
  for (const [name, value] of parameters) {
    if (name === '') throw badText('a startup parameter without a name');
    if (name.includes('\0') || value.includes('\0')) throw badText(`startup parameter ${name} holds a NUL`);
    body += `${name}\0${value}\0`;
  }
  const size = 8 + Buffer.byteLength(body) + 1;
  if (size > STARTUP_BYTES_MAX)
    throw tooLong(`startup parameters of ${size} bytes; ${STARTUP_BYTES_MAX} are allowed`);
  const packet = codePacket(size, PROTOCOL_MAJOR * 0x10000 + (options.minor ?? 0));
  packet.write(body, 8);
  packet[size - 1] = 0;
  return packet;
}

export function sslRequest(): Buffer {
  return codePacket(8, SSL_CODE);
}

export function cancelRequest(pid: number, key: Buffer): Buffer {
  if (key.length < CANCEL_KEY_BYTES_MIN || key.length > CANCEL_KEY_BYTES_MAX) {
    throw tooLong(`a cancel key of ${key.length} bytes`);
  }
  const packet = codePacket(12 + key.length, CANCEL_CODE);
  packet.writeUInt32BE(pid >>> 0, 8);
  key.copy(packet, 12);
  return packet;
}

function codePacket(size: number, code: number): Buffer {
  const packet = Buffer.allocUnsafe(size);
  packet.writeInt32BE(size, 0);
  packet.writeUInt32BE(code, 4);
  return packet;
}
