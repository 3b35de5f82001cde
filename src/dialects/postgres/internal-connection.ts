/** A connection for the engine's own work: pipelines of messages in, rows and tags out. One call at a time. */

import {
  Backend,
  frontend,
  MessageFramer,
  readCommandTag,
  readDataRow,
  readErrorFields,
} from '../../wire/postgres/index.ts';
import { MemberError } from '../contract.ts';
import { connect } from './connect.ts';
import type { Address, Connection, Login } from './connect.ts';
import { sqlStates } from './control-schema.ts';
import { blameOf } from './errors.ts';

/** What one pipeline brought: the tag of each command and the rows of all of them, in order. */
export interface PipelineResult {
  readonly tags: readonly string[];
  readonly rows: readonly (Buffer | null)[][];
}

interface Call {
  readonly tags: string[];
  readonly rows: (Buffer | null)[][];
  readonly onRow: ((row: (Buffer | null)[]) => void) | undefined;
  error: MemberError | undefined;
  resolve(result: PipelineResult): void;
  reject(error: MemberError): void;
}

const messageBytesMax = 0x7fffffff;
const ownStates = new Set<string>(Object.values(sqlStates));

export class InternalConnection {
  readonly pid: number;
  readonly parameters: ReadonlyMap<string, string>;
  readonly #memberId: string;
  readonly #connection: Connection;
  readonly #framer = new MessageFramer({ maxMessageBytes: messageBytesMax, wholeUpToBytes: messageBytesMax });
  #call: Call | undefined;
  #lost: MemberError | undefined;

  private constructor(memberId: string, connection: Connection) {
    this.#memberId = memberId;
    this.#connection = connection;
    this.pid = connection.pid;
    this.parameters = connection.parameters;
    const { socket } = connection;
    const unexpected = (): void => this.#lose('the server sent what cannot be read');
    const sink = {
      message: (type: number, frame: Buffer) => this.#message(type, frame),
      largeStart: unexpected,
      largeChunk: unexpected,
      largeEnd: unexpected,
    };
    socket.on('data', (chunk: Buffer) => {
      try {
        this.#framer.push(chunk, sink);
      } catch {
        unexpected();
      }
    });
    socket.on('error', (error) => this.#lose(error.message));
    socket.on('close', () => this.#lose('the connection was closed'));
    socket.resume();
  }

  static async open(address: Address, login: Login): Promise<InternalConnection> {
    return new InternalConnection(address.memberId, await connect(address, login));
  }

  get lost(): MemberError | undefined {
    return this.#lost;
  }

  /** One statement or several, as text. */
  query(sql: string | Buffer, onRow?: (row: (Buffer | null)[]) => void): Promise<PipelineResult> {
    return this.#start(frontend.query(sql), onRow);
  }

  /** Rows as text. */
  async rows(sql: string): Promise<(string | null)[][]> {
    const { rows } = await this.query(sql);
    return rows.map((row) => row.map((value) => value?.toString('utf8') ?? null));
  }

  /** Messages of the extended protocol, up to and including Sync. */
  pipeline(messages: readonly Buffer[], onRow?: (row: (Buffer | null)[]) => void): Promise<PipelineResult> {
    return this.#start(Buffer.concat(messages), onRow);
  }

  /** The caller gave up waiting: whatever runs is lost with the connection. */
  close(): void {
    this.#lose('closed by Lockstep');
  }

  #start(bytes: Buffer, onRow: ((row: (Buffer | null)[]) => void) | undefined): Promise<PipelineResult> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    if (this.#call !== undefined)
      return Promise.reject(new MemberError(this.#memberId, 'gone', 'two calls at a time'));
    return new Promise((resolve, reject) => {
      this.#call = { tags: [], rows: [], onRow, error: undefined, resolve, reject };
      this.#connection.socket.write(bytes);
    });
  }

  #message(type: number, frame: Buffer): void {
    const call = this.#call;
    switch (type) {
      case Backend.DataRow:
        if (call?.onRow) call.onRow(readDataRow(frame));
        else call?.rows.push(readDataRow(frame));
        return;
      case Backend.CommandComplete:
        call?.tags.push(readCommandTag(frame));
        return;
      case Backend.ErrorResponse: {
        const fields = readErrorFields(frame);
        // Our own functions say all there is to say.
        const own = ownStates.has(fields.code);
        const where = own || fields.where === undefined ? '' : ` (${fields.where.split('\n')[0]})`;
        const error = new MemberError(
          this.#memberId,
          blameOf(fields.code),
          `member ${this.#memberId}: ${fields.message}${fields.detail === undefined ? '' : `: ${fields.detail}`}${where}`,
          fields.code,
        );
        if (call !== undefined) call.error ??= error;
        if (fields.severityCode === 'FATAL' || fields.severityCode === 'PANIC')
          this.#lose(fields.message, error);
        return;
      }
      case Backend.ReadyForQuery:
        this.#call = undefined;
        if (call === undefined) return;
        if (call.error) call.reject(call.error);
        else call.resolve({ tags: call.tags, rows: call.rows });
        return;
      default:
    }
  }

  #lose(why: string, error?: MemberError): void {
    if (this.#lost !== undefined) return;
    this.#lost = error ?? new MemberError(this.#memberId, 'gone', `member ${this.#memberId}: ${why}`);
    this.#connection.socket.destroy();
    const call = this.#call;
    this.#call = undefined;
    call?.reject(this.#lost);
  }
}
