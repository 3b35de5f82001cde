/**
 * The smallest PostgreSQL client that can set up a server and look at it: one statement at a time, every value as text.
 * It shares no code with the project's own wire room on purpose: what checks from outside must not inherit its faults.
 */

import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { LockstepError } from '../../base/index.ts';
import { ScramClient } from './scram.ts';

export type TextRow = readonly (string | null)[];

export interface PlainClientOptions {
  readonly port: number;
  readonly host?: string;
  readonly user: string;
  readonly database: string;
  readonly password?: string | undefined;
  /** For the connection and for each statement; afterwards the connection is closed. */
  readonly deadlineMs?: number;
}

interface Message {
  readonly type: string;
  readonly body: Buffer;
}

export class PlainClient {
  readonly #socket: Socket;
  readonly #deadlineMs: number;
  readonly #waiting: Message[] = [];
  #bytes = Buffer.alloc(0);
  #wake: () => void = () => {};
  #ended: Error | undefined;
  #tag = '';

  private constructor(socket: Socket, deadlineMs: number) {
    this.#socket = socket;
    this.#deadlineMs = deadlineMs;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end(new Error('the server closed the connection')));
  }

  static async connect(options: PlainClientOptions): Promise<PlainClient> {
    const { host = '127.0.0.1', port } = options;
    const client = new PlainClient(connect({ host, port }), options.deadlineMs ?? 30_000);
    try {
      await client.#withDeadline(() => client.#startUp(options));
    } catch (error) {
      client.#socket.destroy();
      throw error;
    }
    return client;
  }

  /** What the server called the last statement that it completed, e.g. `COMMIT`. */
  get tag(): string {
    return this.#tag;
  }

  /** Nothing can be sent any more. */
  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** The rows of the last statement in `sql` that has any. With `parameters`, exactly one statement, its values given as $1, $2, … */
  async query(sql: string, parameters?: TextRow): Promise<readonly TextRow[]> {
    return this.#withDeadline(() => {
      if (parameters === undefined) this.#send('Q', text(sql));
      else this.#sendExtended(sql, parameters);
      return this.#readResult();
    });
  }

  /** `sql` is COPY … FROM STDIN; `data` is what it reads. */
  async copyIn(sql: string, data: string): Promise<void> {
    await this.#withDeadline(() => {
      this.#send('Q', text(sql));
      return this.#readResult(data);
    });
  }

  close(): void {
    if (this.#ended === undefined) this.#send('X', Buffer.alloc(0));
    this.#socket.destroySoon();
  }

  async #startUp(options: PlainClientOptions): Promise<void> {
    const words = ['user', options.user, 'database', options.database, 'client_encoding', 'UTF8', ''];
    const body = Buffer.concat([uint32(196_608), ...words.map(text)]);
    this.#socket.write(Buffer.concat([uint32(body.length + 4), body]));
    const scram = new ScramClient(options.password ?? '');
    for (;;) {
      const message = await this.#next();
      if (message.type === 'E') throw sqlError(message.body);
      if (message.type === 'Z') return;
      if (message.type === 'R') this.#authenticate(scram, message.body);
    }
  }

  #authenticate(scram: ScramClient, body: Buffer): void {
    const kind = body.readUInt32BE(0);
    const rest = body.toString('utf8', 4);
    if (kind === 10) {
      const first = Buffer.from(scram.first());
      this.#send('p', Buffer.concat([text('SCRAM-SHA-256'), uint32(first.length), first]));
    } else if (kind === 11) {
      this.#send('p', Buffer.from(scram.final(rest)));
    } else if (kind !== 0 && !(kind === 12 && scram.accepts(rest))) {
      throw new LockstepError({
        code: 'testing.authentication',
        message: `authentication request ${kind} failed`,
      });
    }
  }

  #sendExtended(sql: string, parameters: TextRow): void {
    const values = parameters.flatMap((value) => {
      if (value === null) return [uint32(0xffff_ffff)];
      const bytes = Buffer.from(value);
      return [uint32(bytes.length), bytes];
    });
    this.#send('P', Buffer.concat([text(''), text(sql), uint16(0)]));
    const heading = [text(''), text(''), uint16(0), uint16(parameters.length)];
    this.#send('B', Buffer.concat([...heading, ...values, uint16(0)]));
    this.#send('E', Buffer.concat([text(''), uint32(0)]));
    this.#send('S', Buffer.alloc(0));
  }

  async #readResult(copyData = ''): Promise<readonly TextRow[]> {
    let rows: TextRow[] = [];
    let failure: LockstepError | undefined;
    for (;;) {
      const message = await this.#next();
      if (message.type === 'Z') break;
      if (message.type === 'E') failure = sqlError(message.body);
      if (message.type === 'T') rows = [];
      if (message.type === 'C') this.#tag = message.body.toString('utf8', 0, message.body.length - 1);
      if (message.type === 'D') rows.push(textRow(message.body));
      if (message.type === 'G') {
        this.#send('d', Buffer.from(copyData));
        this.#send('c', Buffer.alloc(0));
      }
    }
    if (failure) throw failure;
    return rows;
  }

  async #withDeadline<T>(work: () => Promise<T>): Promise<T> {
    const late = setTimeout(
      () =>
        this.#socket.destroy(
          new LockstepError({
            code: 'testing.deadline',
            message: `no answer within ${this.#deadlineMs} ms`,
            outcome: 'unknown',
          }),
        ),
      this.#deadlineMs,
    );
    try {
      return await work();
    } finally {
      clearTimeout(late);
    }
  }

  async #next(): Promise<Message> {
    for (;;) {
      const message = this.#waiting.shift();
      if (message) return message;
      if (this.#ended) throw this.#ended;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #send(type: string, body: Buffer): void {
    this.#socket.write(Buffer.concat([Buffer.from(type), uint32(body.length + 4), body]));
  }

  #read(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    let at = 0;
    while (this.#bytes.length >= at + 5) {
      const end = at + 1 + this.#bytes.readUInt32BE(at + 1);
      if (this.#bytes.length < end) break;
      const type = String.fromCharCode(this.#bytes.readUInt8(at));
      this.#waiting.push({ type, body: this.#bytes.subarray(at + 5, end) });
      at = end;
    }
    this.#bytes = this.#bytes.subarray(at);
    this.#wake();
  }

  #end(cause: Error): void {
    this.#ended ??= new LockstepError({
      code: 'testing.connection-lost',
      message: `the connection is lost: ${cause.message}`,
      outcome: 'unknown',
      cause,
    });
    this.#wake();
  }
}

function textRow(body: Buffer): TextRow {
  const row: (string | null)[] = [];
  let at = 2;
  for (let left = body.readUInt16BE(0); left > 0; left -= 1) {
    const length = body.readInt32BE(at);
    at += 4;
    row.push(length < 0 ? null : body.toString('utf8', at, at + length));
    at += Math.max(length, 0);
  }
  return row;
}

function sqlError(body: Buffer): LockstepError {
  const fields = new Map(
    body
      .toString('utf8')
      .split('\0')
      .map((field) => [field.slice(0, 1), field.slice(1)]),
  );
  return new LockstepError({
    code: 'testing.sql',
    message: fields.get('M') ?? 'an error without a message',
    sqlState: fields.get('C') ?? 'XX000',
  });
}

function text(value: string): Buffer {
  return Buffer.from(`${value}\0`);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
