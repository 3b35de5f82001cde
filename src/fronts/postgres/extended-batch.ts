/**
 * Messages of the extended protocol up to their Sync or Flush. What needs a member goes there in one piece; what this node
 * answers itself stands between the pieces, in its place.
 */

import type { Session } from '../../cluster/index.ts';
import type { PreparedStatement, RequestMessage } from '../../dialects/postgres/index.ts';
import type { Statement } from '../../sql/index.ts';
import {
  backend,
  Frontend,
  readBindNames,
  readClose,
  readDescribe,
  readExecute,
  readParse,
} from '../../wire/postgres/index.ts';
import type { ClientSink } from './client-sink.ts';
import { refused, severalStatements, statementExists, tooManyStatements } from './front-errors.ts';
import { extendedRequest } from './requests.ts';
import { isLocal } from './statement-book.ts';
import type { BookedStatement, StatementBook } from './statement-book.ts';
import type { StatementRunner } from './statement-runner.ts';
import { endsTransaction } from './statement-work.ts';

export interface ExtendedBatchParts {
  readonly session: Session;
  readonly runner: StatementRunner;
  readonly book: StatementBook;
  readonly sink: ClientSink;
  readonly preparedStatementsMax: number;
  classify(text: Buffer): readonly Statement[];
  readonly schemaVersion: () => number;
}

/** Messages that wait for their Sync are run when there are this many bytes of them. */
const bytesMax = 1 << 20;

interface Message {
  readonly type: number;
  readonly frame: Buffer;
}

/** Messages for one member, up to the point where this node has something to say itself. */
interface Segment {
  readonly messages: RequestMessage[];
  readonly executed: Statement[];
  readonly bound: Statement[];
  readonly parsed: BookedStatement[];
  text: Buffer;
}

export class ExtendedBatch {
  readonly #parts: ExtendedBatchParts;
  #messages: Message[] = [];
  #bytes = 0;

  constructor(parts: ExtendedBatchParts) {
    this.#parts = parts;
  }

  get empty(): boolean {
    return this.#messages.length === 0;
  }

  /** True: it is time to run what there is. */
  add(type: number, frame: Buffer): boolean {
    this.#messages.push({ type, frame });
    this.#bytes += frame.length;
    return this.#bytes > bytesMax;
  }

  drop(): void {
    this.#messages = [];
    this.#bytes = 0;
  }

  /** False: something failed, and the rest up to the next Sync is to be passed over. */
  async run(end: 'sync' | 'flush'): Promise<boolean> {
    const batch = this.#messages;
    this.drop();
    if (isTransaction(batch, end)) this.#parts.runner.beginImplicit();
    let segment: Segment = newSegment();
    const close = async (): Promise<boolean> => {
      const done = segment;
      segment = newSegment();
      return await this.#runSegment(done);
    };
    for (const { type, frame } of batch) {
      const statement = this.#localStatementOf(type, frame);
      if (statement === undefined) {
        this.#addToSegment(segment, type, frame);
        continue;
      }
      if (!(await close())) return false;
      if (!(await this.#answerLocally(type, frame, statement))) return false;
    }
    return await close();
  }

  /** The statement that this node carries out itself, if the message is about one; 'closed' for a Close of any statement. */
  #localStatementOf(type: number, frame: Buffer): BookedStatement | 'closed' | undefined {
    switch (type) {
      case Frontend.Parse: {
        const statement = this.#parse(frame);
        return statement.local ? statement : undefined;
      }
      case Frontend.Bind:
        return localOnly(this.#parts.book.statement(readBindNames(frame).statement));
      case Frontend.Execute:
        return localOnly(this.#parts.book.portal(readExecute(frame).portal));
      case Frontend.Describe: {
        const { kind, name } = readDescribe(frame);
        return localOnly(
          kind === 'statement' ? this.#parts.book.statement(name) : this.#parts.book.portal(name),
        );
      }
      default: {
        const { kind, name } = readClose(frame);
        return kind === 'statement' ? 'closed' : localOnly(this.#parts.book.portal(name));
      }
    }
  }

  #parse(frame: Buffer): BookedStatement {
    const { name, query } = readParse(frame);
    if (name !== '') {
      if (this.#parts.book.statement(name) !== undefined) throw statementExists(name);
      const limit = this.#parts.preparedStatementsMax;
      if (this.#parts.book.size >= limit) throw tooManyStatements(limit);
    } else {
      // Even when this one fails.
      this.#parts.book.removeStatement('');
    }
    const statements = this.#parts.classify(query);
    const [statement] = statements;
    if (statements.length !== 1 || statement === undefined) throw severalStatements();
    if (statement.refusal !== undefined && !endsTransaction(statement)) throw refused(statement.refusal);
    // Copied: they outlive the chunk that they came in.
    const kept = Buffer.from(frame);
    const booked: BookedStatement = {
      name,
      parse: kept,
      confirmed: false,
      statement,
      schemaVersion: this.#parts.schemaVersion(),
      text: readParse(kept).query,
      local: isLocal(statement),
    };
    this.#parts.book.addStatement(booked);
    return booked;
  }

  /** What a statement is depends on the schema as it is now, not as it was when it was prepared. */
  #current(booked: BookedStatement): Statement {
    const version = this.#parts.schemaVersion();
    if (booked.schemaVersion !== undefined && booked.schemaVersion !== version) {
      booked.statement = this.#parts.classify(booked.text)[0] ?? booked.statement;
      booked.schemaVersion = version;
    }
    return booked.statement;
  }

  #addToSegment(segment: Segment, type: number, frame: Buffer): void {
    switch (type) {
      case Frontend.Parse: {
        const statement = this.#parts.book.statement(readParse(frame).name) as BookedStatement;
        segment.messages.push({ kind: 'parse', frame, statement });
        segment.parsed.push(statement);
        if (segment.text.length === 0) segment.text = statement.text;
        return;
      }
      case Frontend.Bind: {
        const { portal, statement: name } = readBindNames(frame);
        const statement = this.#parts.book.statement(name);
        this.#parts.book.addPortal(portal, statement);
        if (statement !== undefined) segment.bound.push(this.#current(statement));
        segment.messages.push(use(frame, statement));
        return;
      }
      case Frontend.Describe: {
        const { kind, name } = readDescribe(frame);
        segment.messages.push(
          kind === 'statement' ? use(frame, this.#parts.book.statement(name)) : { kind: 'plain', frame },
        );
        return;
      }
      case Frontend.Execute: {
        const booked = this.#parts.book.portal(readExecute(frame).portal);
        segment.executed.push(booked === undefined ? unknownStatement : this.#current(booked));
        if (booked !== undefined) segment.text = booked.text;
        segment.messages.push({ kind: 'plain', frame });
        return;
      }
      default:
        this.#parts.book.removePortal(readClose(frame).name);
        segment.messages.push({ kind: 'plain', frame });
    }
  }

  /** False: it failed, and the rest of the batch is passed over. */
  async #runSegment(segment: Segment): Promise<boolean> {
    const { messages, executed, bound, parsed, text } = segment;
    if (messages.length === 0) return true;
    const prepared = parsed.map(({ statement }) => statement);
    // Planning, too, runs functions that call themselves immutable.
    const statements = executed.length > 0 ? executed : [...prepared, ...bound];
    let work = this.#parts.runner.workOf(statements, text, extendedRequest(messages));
    // Without Execute nothing happens yet, so nothing has to be committed.
    if (executed.length === 0 && work.effect === 'write' && this.#parts.session.transaction === 'none')
      work = { ...work, effect: 'primary-read', after: [] };
    else if (executed.length === 0) work = { ...work, after: [], unknownSize: false, takesInput: false };
    const answer = await this.#parts.session.run(
      { ...work, bytes: messages.reduce((sum, message) => sum + message.frame.length, 0) },
      this.#parts.sink,
    );
    if (!answer.failed) {
      for (const statement of executed) this.#parts.runner.noteEffects(statement);
      return true;
    }
    for (const statement of parsed)
      if (!statement.confirmed) this.#parts.book.removeStatement(statement.name);
    return false;
  }

  async #answerLocally(type: number, frame: Buffer, booked: BookedStatement | 'closed'): Promise<boolean> {
    if (booked === 'closed') {
      const { name } = readClose(frame);
      this.#parts.book.removeStatement(name);
      for (const link of this.#parts.session.links()) link.forget(name);
      this.#parts.sink.write(backend.closeComplete);
      return true;
    }
    switch (type) {
      case Frontend.Parse:
        this.#parts.sink.write(backend.parseComplete);
        return true;
      case Frontend.Bind:
        this.#parts.book.addPortal(readBindNames(frame).portal, booked);
        this.#parts.sink.write(backend.bindComplete);
        return true;
      case Frontend.Describe:
        if (readDescribe(frame).kind === 'statement') this.#parts.sink.write(noParameters);
        this.#parts.sink.write(backend.noData);
        return true;
      case Frontend.Execute:
        return await this.#parts.runner.run(booked.statement, booked.text);
      default:
        this.#parts.book.removePortal(readClose(frame).name);
        this.#parts.sink.write(backend.closeComplete);
        return true;
    }
  }
}

/** Several statements before one Sync, or portals that must outlive a Flush, are one transaction. */
function isTransaction(batch: readonly Message[], end: 'sync' | 'flush'): boolean {
  if (end === 'flush') return batch.some(({ type }) => type === Frontend.Bind || type === Frontend.Execute);
  return batch.filter(({ type }) => type === Frontend.Execute).length > 1;
}

const noParameters = backend.parameterDescription([]);

/** A portal of SQL's PREPARE or of nothing at all: the server knows. */
const unknownStatement: Statement = {
  kind: 'write',
  tag: '',
  start: 0,
  end: 0,
  runsCode: true,
  unseen: true,
};

function newSegment(): Segment {
  return { messages: [], executed: [], bound: [], parsed: [], text: Buffer.alloc(0) };
}

function use(frame: Buffer, statement: PreparedStatement | undefined): RequestMessage {
  return statement === undefined ? { kind: 'plain', frame } : { kind: 'uses', frame, statement };
}

function localOnly(statement: BookedStatement | undefined): BookedStatement | undefined {
  return statement?.local === true ? statement : undefined;
}
