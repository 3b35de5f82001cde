/** A connection for the engine's own work: pipelines of messages in, rows and tags out. One call at a time. */

import { deferred } from '../../base/index.ts';
import type { Deferred } from '../../base/index.ts';
import {
  Backend,
  Frontend,
  frontend,
  MessageFramer,
  readCommandTag,
  readDataRow,
  readErrorFields,
} from '../../wire/postgres/index.ts';
import { quoteLiteral } from '../../sql/index.ts';
import { MemberError } from '../contract.ts';
import { connect, sendCancel } from './connect.ts';
import type { Address, Connection, Login } from './connect.ts';
import { serverErrorText } from './server-error-text.ts';
import { blameOf } from './errors.ts';

/** What one pipeline brought: the tag of each command and the rows of all of them, in order. */
export interface PipelineResult {
  readonly tags: readonly string[];
  readonly rows: readonly (Buffer | null)[][];
}

/**
 * Takes what COPY … TO STDOUT brings: whole CopyData messages side by side, of which `messages` end here, or a piece of one
 * that is large. A promise makes the server wait.
 */
export type CopyTaker = (frames: Buffer, messages: number) => Promise<void> | undefined;

/** What COPY … FROM STDIN takes. */
export interface CopyInput {
  /** CopyData messages, cut anywhere. A promise: the server is slow, wait. Throws when the command has failed already. */
  write(frames: Buffer): Promise<void> | undefined;
  /** There is no more. Resolves when the command is done. */
  end(): Promise<PipelineResult>;
  /** Makes the command fail. Never rejects. */
  giveUp(reason: string): Promise<void>;
}

type RowTaker = (row: (Buffer | null)[]) => void;

interface Call {
  readonly done: Deferred<PipelineResult>;
  readonly tags: string[];
  readonly rows: (Buffer | null)[][];
  readonly onRow: RowTaker | undefined;
  readonly onCopy: CopyTaker | undefined;
  readonly inputWanted: (() => void) | undefined;
  /** Statements that are to come to their end, unless one fails. */
  statements: number;
  /** So often the server is to say that it is ready. */
  readies: number;
  error: MemberError | undefined;
}

type Takers = Partial<Pick<Call, 'onRow' | 'onCopy' | 'inputWanted'>>;

const messageBytesMax = 0x7fffffff;

/** Messages above this are collected from their pieces, or passed on in pieces where they belong to a COPY. */
const wholeUpToBytes = 1 << 20;

const nothing = Buffer.alloc(0);

const outOfTurn = 'it said what nobody had asked for';

export class InternalConnection {
  readonly pid: number;
  readonly parameters: ReadonlyMap<string, string>;
  readonly #address: Address;
  readonly #connection: Connection;
  readonly #framer = new MessageFramer({
    maxMessageBytes: messageBytesMax,
    wholeUpToBytes,
    runTypes: [Backend.CopyData],
  });
  #call: Call | undefined;
  #lost: MemberError | undefined;
  /** The pieces so far of a large message that is no CopyData. */
  #large: Buffer[] = [];
  #largeType = 0;
  /** Promises of takers that the server has to wait for. */
  #waits = 0;
  #drained: Deferred | undefined;
  #heardBytes = 0;
  /** All that a COPY … FROM STDIN is given has been sent. */
  #inputOver = true;

  private constructor(address: Address, connection: Connection) {
    this.#address = address;
    this.#connection = connection;
    this.pid = connection.pid;
    this.parameters = connection.parameters;
    const { socket } = connection;
    const sink = {
      message: (type: number, frame: Buffer) => this.#message(type, frame),
      run: (_: number, frames: Buffer, count: number) => this.#copied(frames, count),
      largeStart: (type: number, _: number, head: Buffer) => {
        this.#largeType = type;
        this.#largePiece(head);
      },
      largeChunk: (chunk: Buffer) => this.#largePiece(chunk),
      largeEnd: () => this.#largeEnd(),
    };
    socket.on('data', (chunk: Buffer) => {
      this.#heardBytes += chunk.length;
      try {
        this.#framer.push(chunk, sink);
      } catch {
        this.#lose('the server sent what cannot be read');
      }
    });
    socket.on('drain', () => this.#drained?.resolve());
    socket.on('error', (error) => this.#lose(error.message));
    socket.on('close', () => this.#lose('the connection was closed'));
    socket.resume();
  }

  /**
   * The search path is set when the session has begun: what it begins with the server keeps as what RESET goes back to, and
   * scripts of extensions take that for the database's own, and extend it.
   */
  static async open(address: Address, login: Login): Promise<InternalConnection> {
    const settings = new Map(login.settings);
    const path = settings.get('search_path');
    settings.delete('search_path');
    const connection = new InternalConnection(address, await connect(address, { ...login, settings }));
    if (path !== undefined)
      await connection.query(`SELECT pg_catalog.set_config('search_path', ${quoteLiteral(path)}, false)`);
    return connection;
  }

  get lost(): MemberError | undefined {
    return this.#lost;
  }

  /** In all. It does not grow while the server has nothing to say, or cannot be heard. */
  get heardBytes(): number {
    return this.#heardBytes;
  }

  /** Whether it is the server's turn, and with what: `more` to come from here, or nothing. */
  get serversTurn(): 'to-answer' | 'to-take-more' | undefined {
    if (this.#call === undefined || this.#waits > 0) return undefined;
    return this.#inputOver ? 'to-answer' : 'to-take-more';
  }

  /** One statement or several, as text. */
  query(sql: string | Buffer, onRow?: RowTaker): Promise<PipelineResult> {
    return this.#start([frontend.query(sql)], { onRow }).done.promise;
  }

  /** Rows as text. */
  async rows(sql: string): Promise<(string | null)[][]> {
    const { rows } = await this.query(sql);
    return rows.map((row) => row.map((value) => value?.toString('utf8') ?? null));
  }

  /** Messages of the extended protocol, up to and including Sync, and simple queries. The first error of any is that of all. */
  pipeline(messages: readonly Buffer[], onRow?: RowTaker): Promise<PipelineResult> {
    return this.#start(messages, { onRow }).done.promise;
  }

  copyOut(sql: string, onCopy: CopyTaker): Promise<PipelineResult> {
    return this.#start([frontend.query(sql)], { onCopy }).done.promise;
  }

  /** Resolves when the server wants the data. */
  async copyIn(sql: string): Promise<CopyInput> {
    const wanted = deferred();
    const call = this.#start([frontend.query(sql)], { inputWanted: () => wanted.resolve() });
    // It may fail while nobody waits for it: whoever writes or ends the data is told.
    call.done.promise.catch(() => undefined);
    await Promise.race([wanted.promise, call.done.promise]);
    this.#inputOver = false;
    const { socket } = this.#connection;
    return {
      write: (frames) => {
        if (this.#call !== call) throw call.error ?? this.#lost ?? this.#gone('it took no more data');
        if (socket.write(frames)) return undefined;
        this.#drained ??= deferred();
        return this.#drained.promise.finally(() => (this.#drained = undefined));
      },
      end: () => {
        this.#inputOver = true;
        if (this.#call === call) socket.write(frontend.copyDone);
        return call.done.promise;
      },
      giveUp: async (reason) => {
        this.#inputOver = true;
        if (this.#call === call) socket.write(frontend.copyFail(reason));
        await call.done.promise.catch(() => undefined);
      },
    };
  }

  /** Asks the server to stop what runs. Resolves when it has been told. */
  cancel(): Promise<void> {
    return this.#lost === undefined ? sendCancel(this.#address, this.#connection) : Promise.resolve();
  }

  /** The caller gave up waiting: whatever runs is lost with the connection. */
  close(why = 'closed by Lockstep'): void {
    this.#lose(why);
  }

  #start(messages: readonly Buffer[], takers: Takers): Call {
    let statements = 0;
    let readies = 0;
    for (const message of messages) {
      const type = message[0];
      if (type === Frontend.Query || type === Frontend.Execute) statements += 1;
      if (type === Frontend.Query || type === Frontend.Sync) readies += 1;
    }
    const call: Call = {
      done: deferred(),
      tags: [],
      rows: [],
      onRow: takers.onRow,
      onCopy: takers.onCopy,
      inputWanted: takers.inputWanted,
      statements,
      readies,
      error: undefined,
    };
    if (this.#lost !== undefined) call.done.reject(this.#lost);
    else if (this.#call !== undefined) call.done.reject(this.#gone('two calls at a time'));
    else {
      this.#call = call;
      this.#connection.socket.write(Buffer.concat(messages));
    }
    return call;
  }

  #message(type: number, frame: Buffer): void {
    const call = this.#call;
    switch (type) {
      case Backend.DataRow:
        if (call === undefined) this.#lose(outOfTurn);
        else if (call.onRow) call.onRow(readDataRow(frame));
        else call.rows.push(readDataRow(frame));
        return;
      case Backend.CommandComplete:
        if (call === undefined) {
          this.#lose(outOfTurn);
          return;
        }
        call.tags.push(readCommandTag(frame));
        call.statements -= 1;
        return;
      case Backend.EmptyQueryResponse:
      case Backend.PortalSuspended:
        if (call !== undefined) call.statements -= 1;
        return;
      case Backend.CopyInResponse:
        call?.inputWanted?.();
        return;
      case Backend.ErrorResponse: {
        const fields = readErrorFields(frame);
        const { memberId, showsValues: values = false } = this.#address;
        const said = serverErrorText(fields, { values });
        const error = new MemberError(
          memberId,
          blameOf(fields.code),
          `member ${memberId}: ${said}`,
          fields.code,
        );
        if (call !== undefined) call.error ??= error;
        if (fields.severityCode === 'FATAL' || fields.severityCode === 'PANIC')
          this.#lose(fields.message, error);
        return;
      }
      case Backend.ReadyForQuery:
        if (call !== undefined && --call.readies > 0) return;
        // A server that is out of step would answer the next call for this one.
        if (call === undefined || (call.error === undefined && call.statements > 0)) {
          this.#lose(outOfTurn);
          return;
        }
        this.#call = undefined;
        if (call.error) call.done.reject(call.error);
        else call.done.resolve({ tags: call.tags, rows: call.rows });
        return;
      default:
    }
  }

  #copied(frames: Buffer, messages: number): void {
    const taken = this.#call?.onCopy?.(frames, messages);
    if (taken === undefined) return;
    const { socket } = this.#connection;
    this.#waits += 1;
    socket.pause();
    // Whoever cannot take it ends the command himself.
    void taken
      .catch(() => undefined)
      .finally(() => {
        this.#waits -= 1;
        if (this.#waits === 0) socket.resume();
      });
  }

  #largePiece(piece: Buffer): void {
    if (this.#largeType === Backend.CopyData) this.#copied(piece, 0);
    else this.#large.push(piece);
  }

  #largeEnd(): void {
    if (this.#largeType === Backend.CopyData) {
      this.#copied(nothing, 1);
      return;
    }
    const frame = Buffer.concat(this.#large);
    this.#large = [];
    this.#message(this.#largeType, frame);
  }

  #gone(why: string): MemberError {
    const { memberId } = this.#address;
    return new MemberError(memberId, 'gone', `member ${memberId}: ${why}`);
  }

  #lose(why: string, error?: MemberError): void {
    if (this.#lost !== undefined) return;
    this.#lost = error ?? this.#gone(why);
    this.#connection.socket.destroy();
    const call = this.#call;
    this.#call = undefined;
    call?.done.reject(this.#lost);
    // Whoever waits to write more finds out when it tries.
    this.#drained?.resolve();
  }
}
