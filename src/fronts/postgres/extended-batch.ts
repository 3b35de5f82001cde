/**
 * Messages of the extended protocol up to their Sync or Flush. What needs a member goes there in one piece; what this node
 * answers itself stands between the pieces, in its place.
 */

import { transactionAborted } from '../../cluster/index.ts';
import type { Session } from '../../cluster/index.ts';
import type { PreparedStatement, RequestMessage } from '../../dialects/postgres/index.ts';
import { dependsOnSchema } from '../../sql/index.ts';
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
import {
  refused,
  severalStatements,
  statementExists,
  tooManyPortals,
  tooManyStatements,
} from './front-errors.ts';
import { explains, extendedRequest } from './requests.ts';
import { isLocal, isMadeByQuery } from './statement-book.ts';
import type { BookedStatement, StatementBook } from './statement-book.ts';
import type { StatementRunner } from './statement-runner.ts';
import { endsTransaction } from './statement-work.ts';
import { numbersInBind, ownNumbers, parameterTypesOf } from './type-numbers.ts';

export interface ExtendedBatchParts {
  readonly session: Session;
  readonly runner: StatementRunner;
  readonly book: StatementBook;
  readonly sink: ClientSink;
  readonly preparedStatementsMax: number;
  classify(text: Buffer): readonly Statement[];
  readonly mayBeLong: (text: Buffer) => boolean;
  readonly classifyInTurns: (text: Buffer) => readonly Statement[] | Promise<readonly Statement[]>;
  readonly schemaVersion: () => number;
  /** Undefined: the schema is known, or not to be waited for. */
  readonly schemaKnown: (depends: () => boolean) => Promise<void> | undefined;
}

/** Messages that wait for their Sync are run when there are this many bytes of them. */
const bytesMax = 1 << 20;
/** The same where they are one transaction in any case: who sends many rows hears of a wrong one before it has sent all. */
const pipelineBytesMax = 128 << 10;

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
  /** It speaks of types by the primary's numbers, or may be answered so. */
  atPrimary: boolean;
  numbers: number[];
}

export class ExtendedBatch {
  readonly #parts: ExtendedBatchParts;
  #messages: Message[] = [];
  #bytes = 0;
  #executes = 0;
  /** Portals whose rows are asked for in binary, and nobody has been told of which types. */
  readonly #undescribed = new Set<string>();
  /** What was made, before the batch, of texts in it that take more than a turn; by their messages. */
  readonly #long = new Map<Buffer, readonly Statement[]>();

  constructor(parts: ExtendedBatchParts) {
    this.#parts = parts;
  }

  get empty(): boolean {
    return this.#messages.length === 0;
  }

  get length(): number {
    return this.#messages.length;
  }

  /** True: it is time to run what there is. */
  add(type: number, frame: Buffer): boolean {
    this.#messages.push({ type, frame });
    this.#bytes += frame.length;
    if (type === Frontend.Execute) this.#executes += 1;
    return this.#bytes > (this.#executes > 1 ? pipelineBytesMax : bytesMax);
  }

  drop(): void {
    this.#messages = [];
    this.#bytes = 0;
    this.#executes = 0;
    if (this.#long.size > 0) this.#long.clear();
  }

  /** False: something failed, and the rest up to the next Sync is to be passed over. */
  async run(end: 'sync' | 'flush'): Promise<boolean> {
    const batch = this.#messages;
    this.drop();
    const long = batch.filter((message) => this.#longText(message) !== undefined);
    if (long.length > 0) await this.#judgeLong(long);
    const known = this.#parts.schemaKnown(() => this.#dependsOnSchema(batch));
    if (known !== undefined) {
      await known;
      if (long.length > 0) await this.#judgeLong(long);
    }
    if (isTransaction(batch, end)) this.#parts.runner.beginImplicit();
    let segment: Segment = newSegment();
    const close = async (): Promise<boolean> => {
      const done = segment;
      segment = newSegment();
      return await this.#runSegment(done);
    };
    for (const { type, frame } of batch) {
      let statement: BookedStatement | 'closed' | undefined;
      try {
        statement = this.#localStatementOf(type, frame);
        if (typeof statement === 'object') this.#refuseAborted(type, statement);
      } catch (error) {
        // What came before it is answered before it.
        if (!(await close())) return false;
        if (!(error instanceof Unparsable)) throw error;
        await this.#parts.runner.refuseUnparsable(error.statement, error.text);
        return false;
      }
      if (statement === undefined) {
        const makesTable = this.#makesTable(type, frame);
        // What goes around it goes around nothing else.
        if (makesTable && segment.executed.length > 0 && !(await close())) return false;
        this.#addToSegment(segment, type, frame);
        if (makesTable && !(await close())) return false;
        continue;
      }
      if (!(await close())) return false;
      if (!(await this.#answerLocally(type, frame, statement))) return false;
    }
    return await close();
  }

  /** Of a statement that comes with it, or is used by it after the schema has changed. */
  #longText({ type, frame }: Message): Buffer | undefined {
    if (type !== Frontend.Parse && type !== Frontend.Bind) return undefined;
    const text = type === Frontend.Parse ? readParse(frame).query : this.#stale(frame)?.text;
    return text !== undefined && this.#parts.mayBeLong(text) ? text : undefined;
  }

  #stale(bind: Buffer): BookedStatement | undefined {
    const booked = this.#parts.book.statement(readBindNames(bind).statement);
    const { schemaVersion } = booked ?? {};
    return schemaVersion === undefined || schemaVersion === this.#parts.schemaVersion() ? undefined : booked;
  }

  async #judgeLong(messages: readonly Message[]): Promise<void> {
    for (const message of messages) {
      const text = this.#longText(message);
      if (text === undefined) continue;
      const version = this.#parts.schemaVersion();
      const judged = await this.#parts.classifyInTurns(text);
      const [first] = judged;
      if (message.type === Frontend.Parse) this.#long.set(message.frame, judged);
      const booked = message.type === Frontend.Bind ? this.#stale(message.frame) : undefined;
      if (booked !== undefined && first !== undefined) {
        booked.statement = first;
        booked.schemaVersion = version;
      }
    }
  }

  /** What a Parse brings. */
  #brought(frame: Buffer, query: Buffer): readonly Statement[] {
    return this.#long.get(frame) ?? this.#parts.classify(query);
  }

  /** Something in it is judged by the schema. */
  #dependsOnSchema(batch: readonly Message[]): boolean {
    return batch.some(({ type, frame }) => {
      if (type === Frontend.Parse) {
        const { query } = readParse(frame);
        return this.#brought(frame, query).some(dependsOnSchema);
      }
      if (type !== Frontend.Bind) return false;
      const booked = this.#parts.book.statement(readBindNames(frame).statement);
      return booked !== undefined && dependsOnSchema(booked.statement);
    });
  }

  /** It makes one that the other members are to have. */
  #makesTable(type: number, frame: Buffer): boolean {
    if (type !== Frontend.Execute) return false;
    return this.#parts.book.portal(readExecute(frame).portal)?.statement.kind === 'create-table-as';
  }

  /** The statement that this node carries out itself, if the message is about one; 'closed' for a Close of any statement. */
  #localStatementOf(type: number, frame: Buffer): BookedStatement | 'closed' | undefined {
    switch (type) {
      case Frontend.Parse: {
        const statement = this.#parse(frame);
        return statement.local ? statement : undefined;
      }
      case Frontend.Bind: {
        const limit = this.#parts.preparedStatementsMax;
        if (this.#parts.book.portals >= limit) throw tooManyPortals(limit);
        return localOnly(this.#parts.book.statement(readBindNames(frame).statement));
      }
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

  /** A member says it of what is sent there. */
  #refuseAborted(type: number, { statement }: BookedStatement): void {
    if (this.#parts.session.transaction !== 'failed' || leavesFailed.has(statement.kind)) return;
    if (endsTransaction(statement) || type === Frontend.Describe || type === Frontend.Close) return;
    throw transactionAborted();
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
    const statements = this.#brought(frame, query);
    const [statement] = statements;
    if (statements.length !== 1 || statement === undefined) throw severalStatements();
    if (statement.kind === 'unparsable') throw new Unparsable(statement, query);
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
      local: isLocal(statement) && !isMadeByQuery(statement),
      parameterTypes: parameterTypesOf(kept),
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
        noteNumbers(segment, statement);
        segment.parsed.push(statement);
        if (segment.text.length === 0) segment.text = statement.text;
        return;
      }
      case Frontend.Bind: {
        const names = readBindNames(frame);
        const { portal, statement: name } = names;
        const statement = this.#parts.book.statement(name);
        this.#parts.book.addPortal(portal, statement);
        this.#undescribed.delete(portal);
        if (statement !== undefined) {
          segment.bound.push(this.#current(statement));
          noteNumbers(segment, statement);
          const { values, results } = numbersInBind(frame, names, statement.parameterTypes, statement);
          if (values) segment.atPrimary = true;
          if (results) this.#undescribed.add(portal);
        }
        segment.messages.push(use(frame, statement));
        return;
      }
      case Frontend.Describe: {
        const { kind, name } = readDescribe(frame);
        if (kind === 'portal') this.#undescribed.delete(name);
        segment.messages.push(
          kind === 'statement' ? use(frame, this.#parts.book.statement(name)) : { kind: 'plain', frame },
        );
        return;
      }
      case Frontend.Execute: {
        const { portal } = readExecute(frame);
        const booked = this.#parts.book.portal(portal);
        if (this.#undescribed.has(portal)) segment.atPrimary = true;
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
    const { messages, executed, bound, parsed, text, atPrimary, numbers } = segment;
    if (messages.length === 0) return true;
    const prepared = parsed.map(({ statement }) => statement);
    // Planning, too, runs functions that call themselves immutable.
    const statements = executed.length > 0 ? executed : [...prepared, ...bound];
    const plain = extendedRequest(messages);
    const request = executed.some(explains) ? { ...plain, explains: true } : plain;
    let work = this.#parts.runner.workOf(statements, text, request);
    // Without Execute nothing happens yet, so nothing has to be committed.
    if (executed.length === 0 && work.effect === 'write' && this.#parts.session.transaction === 'none')
      work = { ...work, effect: 'primary-read', after: [] };
    else if (executed.length === 0) work = { ...work, after: [], unknownSize: false, takesInput: false };
    const [only] = executed;
    if (only?.kind === 'create-table-as') work = this.#parts.runner.aroundSchemaWork(only, work);
    if (atPrimary)
      work = { ...work, atPrimary, numbers, effect: work.effect === 'read' ? 'primary-read' : work.effect };
    // What a driver asks the catalog for, it uses elsewhere.
    else if (work.effect === 'primary-read') work = { ...work, prefersPrimary: true };
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
        return await this.#parts.runner.run(this.#current(booked), booked.text);
      default:
        this.#parts.book.removePortal(readClose(frame).name);
        this.#parts.sink.write(backend.closeComplete);
        return true;
    }
  }
}

/** Only the server says what is wrong with it. */
class Unparsable extends Error {
  readonly statement: Statement;
  readonly text: Buffer;

  constructor(statement: Statement, text: Buffer) {
    super('our parser rejects it');
    this.statement = statement;
    this.text = text;
  }
}

/** Several statements before one Sync, or portals that must outlive a Flush, are one transaction. */
function isTransaction(batch: readonly Message[], end: 'sync' | 'flush'): boolean {
  if (end === 'flush') return batch.some(({ type }) => type === Frontend.Bind || type === Frontend.Execute);
  const first = batch.findIndex(({ type }) => type === Frontend.Execute);
  // What follows may fail here or on its own way to a member, and takes back what was executed before.
  return first >= 0 && batch.slice(first + 1).some(({ type, frame }) => !closesPortal(type, frame));
}

function closesPortal(type: number, frame: Buffer): boolean {
  return type === Frontend.Close && readClose(frame).kind === 'portal';
}

/** What is carried out in a transaction that has failed. */
const leavesFailed: ReadonlySet<Statement['kind']> = new Set(['commit', 'rollback', 'rollback-to']);

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
  return {
    messages: [],
    executed: [],
    bound: [],
    parsed: [],
    text: Buffer.alloc(0),
    atPrimary: false,
    numbers: [],
  };
}

function noteNumbers(segment: Segment, { parameterTypes }: BookedStatement): void {
  const numbers = ownNumbers(parameterTypes);
  if (numbers.length === 0) return;
  segment.atPrimary = true;
  segment.numbers.push(...numbers);
}

function use(frame: Buffer, statement: PreparedStatement | undefined): RequestMessage {
  return statement === undefined ? { kind: 'plain', frame } : { kind: 'uses', frame, statement };
}

function localOnly(statement: BookedStatement | undefined): BookedStatement | undefined {
  return statement?.local === true ? statement : undefined;
}
