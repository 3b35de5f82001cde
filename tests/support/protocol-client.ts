/** A client that speaks the protocol message by message: it sends what it is told and shows what came, in order. */

import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import {
  frontend,
  MessageFramer,
  readAuthentication,
  readBackendKeyData,
  readCommandTag,
  readDataRow,
  readErrorFields,
  readNotification,
  readParameterDescription,
  readParameterStatus,
  readRowDescription,
  ScramClient,
  sslRequest,
  startupMessage,
} from '../../src/wire/postgres/index.ts';
import type { ErrorFields } from '../../src/wire/postgres/index.ts';

export interface Heard {
  /** The letter of the message. */
  readonly type: string;
  readonly frame: Buffer;
}

export interface ProtocolClientOptions {
  readonly tls?: boolean;
  readonly settings?: Readonly<Record<string, string>>;
  /** How long nothing may be heard of what is waited for. */
  readonly deadlineMs?: number;
}

export class ProtocolClient {
  readonly socket: Socket;
  readonly parameters = new Map<string, string>();
  cancelKey: { pid: number; key: Buffer } = { pid: 0, key: Buffer.alloc(4) };
  /** Everything heard and not yet taken. */
  readonly heard: Heard[] = [];
  #framer = new MessageFramer({ maxMessageBytes: 0x7fffffff, wholeUpToBytes: 0x7fffffff });
  #wake: () => void = () => undefined;
  #closed = false;
  readonly #deadlineMs: number;

  private constructor(socket: Socket, { deadlineMs = 60_000 }: ProtocolClientOptions) {
    this.socket = socket;
    this.#deadlineMs = deadlineMs;
    const large = (): void => undefined;
    const sink = {
      message: (type: number, frame: Buffer) => {
        this.heard.push({ type: String.fromCharCode(type), frame });
      },
      largeStart: large,
      largeChunk: large,
      largeEnd: large,
    };
    socket.on('data', (chunk: Buffer) => {
      this.#framer.push(chunk, sink);
      this.#wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
  }

  /** Logged in, and the first ReadyForQuery heard. */
  static async connect(url: string, options: ProtocolClientOptions = {}): Promise<ProtocolClient> {
    const { hostname, port, username, password, pathname } = new URL(url);
    let socket = connect({ host: hostname, port: Number(port), noDelay: true });
    if (options.tls === true) socket = await encrypt(socket);
    const client = new ProtocolClient(socket, options);
    socket.write(
      startupMessage([
        ['user', decodeURIComponent(username)],
        ['database', pathname.slice(1)],
        ...Object.entries(options.settings ?? {}),
      ]),
    );
    const scram = new ScramClient({
      password: decodeURIComponent(password),
      mechanisms: ['SCRAM-SHA-256'],
      certificateHash: undefined,
    });
    for (;;) {
      const { type, frame } = await client.next();
      if (type === 'Z') return client;
      if (type === 'E') throw new Error(readErrorFields(frame).message);
      if (type === 'S') client.#noteParameter(frame);
      if (type === 'K') client.cancelKey = readBackendKeyData(frame);
      if (type !== 'R') continue;
      const request = readAuthentication(frame);
      if (request.kind === 'sasl') client.send(frontend.saslInitialResponse(scram.mechanism, scram.first()));
      if (request.kind === 'sasl-continue')
        client.send(frontend.saslResponse(await scram.respond(request.data)));
      if (request.kind === 'sasl-final') scram.finish(request.data);
    }
  }

  send(...messages: readonly Buffer[]): this {
    this.socket.write(Buffer.concat(messages));
    return this;
  }

  /** The next message, whatever it is. */
  async next(): Promise<Heard> {
    const until = Date.now() + this.#deadlineMs;
    for (;;) {
      const message = this.heard.shift();
      if (message !== undefined) return message;
      if (this.#closed) throw new Error('the connection was closed');
      await new Promise<void>((resolve, reject) => {
        const late = setTimeout(
          () => reject(new Error(`nothing was heard for ${this.#deadlineMs} ms`)),
          Math.max(1, until - Date.now()),
        );
        this.#wake = () => {
          clearTimeout(late);
          resolve();
        };
      });
    }
  }

  /** Up to and including the next message of that type. */
  async until(type: string): Promise<Heard[]> {
    const all: Heard[] = [];
    for (;;) {
      const message = await this.next();
      if (message.type === 'S') this.#noteParameter(message.frame);
      all.push(message);
      if (message.type === type) return all;
    }
  }

  /** As `until('Z')`, in words: see `describe`. */
  async answer(): Promise<string[]> {
    return (await this.until('Z')).map(describe);
  }

  async query(sql: string): Promise<string[]> {
    return await this.send(frontend.query(sql)).answer();
  }

  /** Everything that comes until nothing has come for a moment; for proving that there is no more. */
  async rest(): Promise<string[]> {
    // A round trip: what was still on its way has arrived when its answer has.
    this.send(frontend.query('SELECT 1 AS "the end"'));
    const all: string[] = [];
    for (;;) {
      const message = await this.next();
      if (message.type === 'T' && readRowDescription(message.frame)[0]?.name === 'the end') break;
      all.push(describe(message));
    }
    await this.until('Z');
    return all;
  }

  close(): void {
    this.socket.end(frontend.terminate);
  }

  destroy(): void {
    this.socket.destroy();
  }

  #noteParameter(frame: Buffer): void {
    const { name, value } = readParameterStatus(frame);
    this.parameters.set(name, value);
  }
}

/** A message in a word or two: its letter, and what it says. */
export function describe({ type, frame }: Heard): string {
  switch (type) {
    case 'C':
      return `C ${readCommandTag(frame)}`;
    case 'D':
      return `D ${readDataRow(frame)
        .map((value) => value?.toString() ?? 'NULL')
        .join(',')}`;
    case 'E':
      return `E ${readErrorFields(frame).code}`;
    case 'N':
      return `N ${readErrorFields(frame).code}`;
    case 'T':
      return `T ${readRowDescription(frame)
        .map(({ name }) => name)
        .join(',')}`;
    case 't':
      return `t ${readParameterDescription(frame).typeOids.join(',')}`;
    case 'Z':
      return `Z ${frame.toString('latin1', 5)}`;
    case 'S': {
      const { name, value } = readParameterStatus(frame);
      return `S ${name}=${value}`;
    }
    case 'A': {
      const { channel, payload } = readNotification(frame);
      return `A ${channel} ${payload}`;
    }
    default:
      return type;
  }
}

export function errorOf(messages: readonly Heard[]): ErrorFields {
  const error = messages.find(({ type }) => type === 'E');
  if (error === undefined) throw new Error(`no error among ${messages.map(describe).join(' ')}`);
  return readErrorFields(error.frame);
}

async function encrypt(plain: Socket): Promise<Socket> {
  plain.write(sslRequest());
  const answer = await new Promise<Buffer>((resolve) => plain.once('data', resolve));
  if (answer.toString() !== 'S') throw new Error('the node offers no TLS');
  const secure = connectTls({ socket: plain, rejectUnauthorized: false });
  await new Promise<void>((resolve, reject) => {
    secure.once('secureConnect', resolve);
    secure.once('error', reject);
  });
  return secure;
}
