/**
 * A connection before its user is known. Bytes are pulled: between two steps of the login the socket is paused, so a
 * stranger can make the node hold little more than one read from the network.
 */

import type { Socket } from 'node:net';
import { HEADER_BYTES, StartupReader } from '../../wire/postgres/index.ts';
import type { StartupPacket } from '../../wire/postgres/index.ts';
import type { Encryption } from './encryption.ts';
import { protocolViolation } from './login-errors.ts';

/** The largest message of a login, header included. A SCRAM message has at most half of that. */
const LOGIN_MESSAGE_BYTES_MAX = 8 * 1024;
/** No client sends this much ahead before it knows that it is welcome. */
const AHEAD_BYTES_MAX = 16 * 1024;
const NOTHING = Buffer.alloc(0);

/** The client left in the middle of its login: nobody is there to be told anything. */
export class ClientGone extends Error {}

export class LoginChannel {
  readonly #startup = new StartupReader();
  readonly #signal: AbortSignal;
  #socket: Socket;
  #encryption: Encryption | undefined;
  /** What followed the start-up packets and has not been read. */
  #ahead: Buffer = NOTHING;

  /** Whatever is waited for ends with the reason of `signal` when that is aborted. */
  constructor(socket: Socket, signal: AbortSignal) {
    this.#socket = socket;
    this.#signal = signal;
  }

  /** The encrypted one, once there is one. */
  get socket(): Socket {
    return this.#socket;
  }

  get encrypted(): boolean {
    return this.#encryption !== undefined;
  }

  /** What a login over this connection can be bound to. */
  get certificateHash(): Buffer | undefined {
    return this.#encryption?.certificateHash;
  }

  write(bytes: string | Buffer): void {
    this.#socket.write(bytes);
  }

  async startupPacket(): Promise<Exclude<StartupPacket, { kind: 'terminate' }>> {
    let packet = this.#startup.next();
    while (packet === undefined) packet = this.#startup.push(await this.#chunk());
    if (packet.kind === 'terminate') throw new ClientGone();
    // The start-up message is the last packet of its kind; what follows is made of messages.
    if (packet.kind === 'startup') this.#keep(this.#startup.takeRest());
    return packet;
  }

  /** Grants the client's request for encryption and waits until the handshake is over. */
  async encrypt(encryption: Encryption): Promise<void> {
    // Bytes that came in the clear could be anyone's. Read after the handshake, they would pass for the client's.
    if (this.#startup.takeRest().length > 0 || this.#socket.readableLength > 0) {
      throw protocolViolation(
        'received unencrypted data after SSL request',
        'either the client is faulty or someone in between has added the data',
      );
    }
    this.#socket.write('S');
    const encrypted = encryption.wrap(this.#socket);
    encrypted.on('error', () => {});
    this.#socket = encrypted;
    try {
      await this.#wait((done) => {
        encrypted.once('secure', done);
        return () => encrypted.off('secure', done);
      });
    } catch {
      // In the middle of a handshake there is no way to say why.
      encrypted.destroy();
      throw new ClientGone();
    }
    encrypted.pause();
    this.#encryption = encryption;
  }

  /** The next message of the login, whose type must be `type`. */
  async message(type: number): Promise<Buffer> {
    while (this.#ahead.length < HEADER_BYTES) this.#keep(Buffer.concat([this.#ahead, await this.#chunk()]));
    if (this.#ahead[0] !== type) {
      throw protocolViolation(
        `a message of type 0x${this.#ahead.toString('hex', 0, 1)} has no place in a login`,
      );
    }
    const total = this.#ahead.readInt32BE(1) + 1;
    if (total < HEADER_BYTES || total > LOGIN_MESSAGE_BYTES_MAX) {
      throw protocolViolation(
        `a message of ${total} bytes has no place in a login; ${LOGIN_MESSAGE_BYTES_MAX} are allowed`,
      );
    }
    while (this.#ahead.length < total) this.#keep(Buffer.concat([this.#ahead, await this.#chunk()]));
    const message = this.#ahead.subarray(0, total);
    this.#ahead = this.#ahead.subarray(total);
    return message;
  }

  /** Hands over the bytes that nobody has read. The channel is not used any more. */
  takeRest(): Buffer {
    const rest = this.#ahead;
    this.#ahead = NOTHING;
    return rest;
  }

  #keep(bytes: Buffer): void {
    if (bytes.length > AHEAD_BYTES_MAX) {
      throw protocolViolation(`the client sent ${bytes.length} bytes before it was logged in`);
    }
    this.#ahead = bytes;
  }

  #chunk(): Promise<Buffer> {
    const socket = this.#socket;
    return this.#wait((done) => {
      const take = (chunk: Buffer) => {
        socket.pause();
        done(chunk);
      };
      socket.once('data', take);
      socket.resume();
      return () => {
        socket.off('data', take);
        socket.pause();
      };
    });
  }

  /** `begin` starts waiting and returns how to stop. */
  #wait<T>(begin: (done: (value: T) => void) => () => void): Promise<T> {
    const socket = this.#socket;
    const signal = this.#signal;
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        stop();
        socket.off('end', gone).off('close', gone);
        signal.removeEventListener('abort', aborted);
        act();
      };
      const gone = () => settle(() => reject(new ClientGone()));
      const aborted = () => settle(() => reject(signal.reason as Error));
      const stop = begin((value) => settle(() => resolve(value)));
      socket.once('end', gone).once('close', gone);
      signal.addEventListener('abort', aborted);
      if (signal.aborted) aborted();
      else if (socket.destroyed || socket.readableEnded) gone();
    });
  }
}
