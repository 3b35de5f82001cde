import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { readErrorFields } from '../../../src/wire/postgres/index.ts';
import type { ErrorFields } from '../../../src/wire/postgres/index.ts';
import { waitFor } from '../../support/index.ts';
import { messagesOf } from './listening.ts';

/** A connection that sends what it is told and keeps what it hears. */
export class RawClient {
  readonly socket: Socket;
  #heard: Buffer = Buffer.alloc(0);
  readonly #closed: Promise<unknown>;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => {
      this.#heard = Buffer.concat([this.#heard, chunk]);
    });
    socket.on('error', () => {});
    this.#closed = new Promise((resolve) => socket.once('close', resolve));
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect(port, '127.0.0.1');
    const client = new RawClient(socket);
    await once(socket, 'connect');
    return client;
  }

  get heard(): Buffer {
    return this.#heard;
  }

  send(bytes: Buffer | string): this {
    this.socket.write(bytes);
    return this;
  }

  /** Everything that the server sent until it closed the connection. */
  async untilClosed(): Promise<Buffer> {
    await this.#closed;
    return this.#heard;
  }

  async atLeast(bytes: number): Promise<Buffer> {
    await waitFor(() => this.#heard.length >= bytes, { what: `${bytes} bytes` });
    return this.#heard;
  }

  /** Waits until a message of this type has come whole, and returns it. */
  async message(type: string): Promise<Buffer> {
    const find = () => messagesOf(this.#heard).find((message) => message.type === type)?.frame;
    await waitFor(find, { what: `a message of type ${type}` });
    return find() as Buffer;
  }

  /** The error that the server ended the connection with: its last word. */
  async fatal(): Promise<ErrorFields> {
    const last = messagesOf(await this.untilClosed()).at(-1);
    if (last?.type !== 'E') throw new Error(`the last message is of type ${last?.type}`);
    return readErrorFields(last.frame);
  }
}
