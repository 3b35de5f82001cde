/**
 * A conversation in protocol 3 about tables of text that no member has: simple and extended, one statement at a time. What the
 * statements mean is told by whoever is asked for their answers.
 */

import type { Socket } from 'node:net';
import { LockstepError } from '../../base/index.ts';
import {
  backend,
  errorToFields,
  Frontend,
  MessageFramer,
  readBindNames,
  readClose,
  readDescribe,
  readExecute,
  readParse,
  readQuery,
  TransactionStatus,
} from '../../wire/postgres/index.ts';
import { asClientError, unexpectedMessage } from './front-errors.ts';
import { writeFatal } from './write-fatal.ts';

export interface TableStatement {
  /** Undefined: it answers no table. */
  readonly columns: readonly string[] | undefined;
  readonly run: () => Promise<{
    readonly rows: readonly (readonly (string | null)[])[];
    readonly tag: string;
    readonly notice?: string;
  }>;
}

export interface TableConversationOptions {
  readonly socket: Socket;
  /** Bytes that came behind the login. */
  readonly rest: Buffer;
  readonly parameters: Readonly<Record<string, string>>;
  readonly cancelKey: { readonly pid: number; readonly key: Buffer };
  /** The statements in the text of a simple query. */
  readonly split: (text: string) => readonly string[];
  /** Throws what is wrong with one. */
  readonly prepare: (text: string) => TableStatement;
}

const MESSAGE_BYTES_MAX = 64 * 1024;
/** Statements and portals of one client, each. */
const NAMES_MAX = 100;
/** Of unread input, while a statement runs. */
const HELD_BYTES_MAX = 256 * 1024;
const TEXT_OID = 25;
const READY = backend.readyForQuery(TransactionStatus.Idle);

export class TableConversation {
  readonly #options: TableConversationOptions;
  readonly #socket: Socket;
  readonly #framer = new MessageFramer({
    maxMessageBytes: MESSAGE_BYTES_MAX,
    wholeUpToBytes: MESSAGE_BYTES_MAX,
  });
  /** Null: a statement without words. */
  readonly #statements = new Map<string, TableStatement | null>();
  readonly #portals = new Map<string, TableStatement | null>();
  /** After an error: up to the next Sync everything is passed over. */
  #skipping = false;
  #running = false;
  #ended = false;

  constructor(options: TableConversationOptions) {
    this.#options = options;
    this.#socket = options.socket;
  }

  /** Something runs. */
  get busy(): boolean {
    return this.#running;
  }

  /** Resolves when the client has gone. */
  serve(): Promise<void> {
    const { parameters, cancelKey, rest } = this.#options;
    const socket = this.#socket;
    for (const [name, value] of Object.entries(parameters))
      socket.write(backend.parameterStatus(name, value));
    socket.write(backend.backendKeyData(cancelKey.pid, cancelKey.key));
    socket.write(READY);
    const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.on('data', (chunk: Buffer) => this.#data(chunk));
    socket.on('end', () => socket.destroySoon());
    if (rest.length > 0) this.#data(rest);
    socket.resume();
    return gone;
  }

  /** Ends it with a last word. */
  end(error: LockstepError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.removeAllListeners('data');
    writeFatal(this.#socket, error);
  }

  #data(chunk: Buffer): void {
    if (this.#ended) return;
    try {
      this.#framer.push(chunk, this.#sink);
    } catch (error) {
      this.end(asClientError(error));
    }
    if (this.#framer.heldBytes > HELD_BYTES_MAX) this.#socket.pause();
  }

  readonly #sink = {
    message: (type: number, frame: Buffer) => this.#message(type, frame),
    largeStart: () => undefined,
    largeChunk: () => undefined,
    largeEnd: () => undefined,
  };

  #message(type: number, frame: Buffer): void {
    if (this.#ended) return;
    if (type === Frontend.Terminate) {
      this.#ended = true;
      this.#socket.destroySoon();
      return;
    }
    if (type === Frontend.Sync) {
      this.#skipping = false;
      this.#socket.write(READY);
      return;
    }
    if (this.#skipping) return;
    this.#framer.halt();
    this.#running = true;
    this.#answer(type, frame)
      .catch((error: unknown) => this.#failed(type, error))
      .finally(() => this.#goOn());
  }

  #goOn(): void {
    this.#running = false;
    if (this.#ended) return;
    try {
      this.#framer.resume(this.#sink);
      if (!this.#framer.halted) this.#socket.resume();
    } catch (error) {
      this.end(asClientError(error));
    }
  }

  #failed(type: number, error: unknown): void {
    this.#socket.write(backend.errorResponse(errorToFields(asClientError(error))));
    if (type === Frontend.Query) this.#socket.write(READY);
    else this.#skipping = true;
  }

  async #answer(type: number, frame: Buffer): Promise<void> {
    const socket = this.#socket;
    switch (type) {
      case Frontend.Query:
        return await this.#simple(readQuery(frame).toString());
      case Frontend.Parse: {
        const { name, query } = readParse(frame);
        keep(this.#statements, name, this.#prepareOne(query.toString()));
        socket.write(backend.parseComplete);
        return;
      }
      case Frontend.Bind: {
        const { portal, statement } = readBindNames(frame);
        keep(this.#portals, portal, found(this.#statements, statement, 'statement', '26000'));
        socket.write(backend.bindComplete);
        return;
      }
      case Frontend.Describe: {
        const { kind, name } = readDescribe(frame);
        const isPortal = kind === 'portal';
        const statement = isPortal
          ? found(this.#portals, name, 'portal', '34000')
          : found(this.#statements, name, 'statement', '26000');
        if (!isPortal) socket.write(backend.parameterDescription([]));
        socket.write(statement?.columns === undefined ? backend.noData : described(statement.columns));
        return;
      }
      case Frontend.Execute: {
        const { portal } = readExecute(frame);
        return await this.#run(found(this.#portals, portal, 'portal', '34000'), { describe: false });
      }
      case Frontend.Close: {
        const { kind, name } = readClose(frame);
        (kind === 'portal' ? this.#portals : this.#statements).delete(name);
        socket.write(backend.closeComplete);
        return;
      }
      case Frontend.Flush:
        return;
      default:
        throw unexpectedMessage(`message type 0x${type.toString(16)}`);
    }
  }

  async #simple(text: string): Promise<void> {
    const statements = this.#options.split(text);
    if (statements.length === 0) this.#socket.write(backend.emptyQueryResponse);
    for (const statement of statements) await this.#run(this.#options.prepare(statement), { describe: true });
    this.#socket.write(READY);
  }

  #prepareOne(text: string): TableStatement | null {
    const [first, ...more] = this.#options.split(text);
    if (first === undefined) return null;
    if (more.length === 0) return this.#options.prepare(first);
    throw new LockstepError({
      code: 'front.several-statements',
      message: 'cannot insert multiple commands into a prepared statement',
      sqlState: '42601',
    });
  }

  async #run(statement: TableStatement | null, { describe }: { readonly describe: boolean }): Promise<void> {
    const socket = this.#socket;
    if (statement === null) {
      socket.write(backend.emptyQueryResponse);
      return;
    }
    const { rows, tag, notice } = await statement.run();
    if (notice !== undefined) {
      const severity = 'NOTICE';
      const fields = { severity, severityCode: severity, code: '00000', message: notice } as const;
      socket.write(backend.noticeResponse(fields));
    }
    if (statement.columns !== undefined && describe) socket.write(described(statement.columns));
    for (const row of rows) socket.write(backend.dataRow(row));
    socket.write(backend.commandComplete(tag));
  }
}

function described(columns: readonly string[]): Buffer {
  return backend.rowDescription(columns.map((name) => ({ name, typeOid: TEXT_OID })));
}

function keep<T>(names: Map<string, T>, name: string, value: T): void {
  names.delete(name);
  if (names.size >= NAMES_MAX) {
    throw new LockstepError({
      code: 'front.too-many-names',
      message: `at most ${NAMES_MAX} statements and portals are kept here`,
      sqlState: '54000',
      hint: 'Close those that are not needed any more.',
    });
  }
  names.set(name, value);
}

function found<T>(names: ReadonlyMap<string, T>, name: string, what: string, sqlState: string): T {
  const value = names.get(name);
  if (value !== undefined) return value;
  throw new LockstepError({
    code: 'front.unknown-name',
    message: `${what} "${name}" does not exist`,
    sqlState,
  });
}
