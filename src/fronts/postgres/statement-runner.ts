/**
 * Carries out one statement of a client: what kind it is decides what the session is asked to do. Answers that no member
 * gives are written here.
 */

import { invariant, pause, systemClock } from '../../base/index.ts';
import { HeldAnswer, nobody, transactionAborted } from '../../cluster/index.ts';
import type { BeginOptions, Session, Work } from '../../cluster/index.ts';
import type { AnswerSink, SessionLink } from '../../dialects/contract.ts';
import { PostgresSessionLink } from '../../dialects/postgres/index.ts';
import type { OwnStatement, PostgresRequest } from '../../dialects/postgres/index.ts';
import type { Statement } from '../../sql/index.ts';
import { backend, frontend, readErrorFields } from '../../wire/postgres/index.ts';
import { ClientTransaction } from './client-transaction.ts';
import { createIndexConcurrently } from './concurrent-index.ts';
import type { IndexHooks } from './concurrent-index.ts';
import {
  databaseNamed,
  discardInTransaction,
  needsTransaction,
  notInTransaction,
  ownSetting,
  refused,
  volatileView,
} from './front-errors.ts';
import { complete } from './own-answers.ts';
import { explains, extendedRequest, failingRequest, simpleRequest } from './requests.ts';
import { aroundResetAll, aroundSchemaStatement, givesWay } from './schema-work.ts';
import { SessionState } from './session-state.ts';
import type { StatementBook } from './statement-book.ts';
import { endsTransaction, workOf } from './statement-work.ts';
import { withoutConcurrently } from './without-concurrently.ts';
import { withoutPassword } from './without-password.ts';
import type { KnownBetter } from './statement-work.ts';

/**
 * Names mean to the replicas what they mean to the client, and code that is met (in the expression of an index) is run there for nobody
 * who could not run it here: what is not the role's own is passed over, as on the primary.
 */
export interface Maintenance {
  readonly searchPath: string;
  /** Quoted. */
  readonly role: string;
}

export interface RunnerHooks extends IndexHooks {
  /** The schema of the cluster is going to change. What this returns is called when it has not, or is known. */
  schemaChanging(): () => void;
  /** It has changed: `known` is to be called when the engine knows it. */
  schemaChanged(known: () => void): void;
  /** Before what may be judged by the schema, which is asked only if that matters. Undefined: it is known, or not to be waited for. */
  schemaKnown(depends: () => boolean): Promise<void> | undefined;
  /** Settings that code reads wherever it runs. */
  readonly watchedSettings: () => readonly string[];
  /** All members call their database the same. */
  readonly oneDatabaseName: () => boolean;
  /** Done on the primary; the others do it for themselves, each in its own time. */
  maintain(sql: Buffer, as: Maintenance): void;
  /** An index has been rebuilt, or perhaps not to the end. */
  reindexed(): void;
  /** Taken for a read before, and found out. */
  readonly knownBetter: KnownBetter;
}

/** No member is asked about them, who would say that the transaction has failed. */
const answeredHere: ReadonlySet<Statement['kind']> = new Set([
  'refused',
  'too-large',
  'begin',
  'discard',
  'create-matview',
  'ddl',
]);

/** A Parse of several statements, all of which the server can read. */
function saysSeveral(error: Buffer): boolean {
  const { code, routine } = readErrorFields(error);
  return code === '42601' && routine === 'exec_parse_message';
}

const savepointWords = {
  savepoint: 'SAVEPOINT',
  release: 'RELEASE SAVEPOINT',
  'rollback-to': 'ROLLBACK TO SAVEPOINT',
} as const;

/** Settings that are kept here and not on the members, whose own value serves Lockstep. */
const readOnlyDefault = 'default_transaction_read_only';

/** What gives way stands so long before others, then aside, and so often. */
const standsInTheWayMs = 200;
const standsAsideMs = 200;
const triesMax = 1500;
const lockNotAvailable = '55P03';

/** The schemas in which the client's names are found, without temporary ones. */
const pathQuery = `SELECT pg_catalog.array_to_string(ARRAY(SELECT pg_catalog.quote_ident(s) FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) AS found (s)), ', ')`;
const roleQuery = 'SELECT pg_catalog.quote_ident(current_user)';

/** Of other statements that were prepared in SQL it is not remembered what they are. */
const preparedMax = 1000;
const preparedBytesMax = 8192;

/** When it has succeeded, the session depends on its connection. */
export function hasEffects({ kind, sessionLock }: Statement): boolean {
  return kind === 'temp-ddl' || kind === 'declare-cursor' || sessionLock === true;
}

export class StatementRunner {
  readonly #session: Session;
  readonly #book: StatementBook;
  readonly #sink: AnswerSink;
  readonly #hooks: RunnerHooks;
  readonly #transaction: ClientTransaction;
  readonly #state: SessionState;
  readonly #classify: (text: Buffer) => readonly Statement[];
  /** The text of PREPARE, by name. */
  readonly #prepared = new Map<string, Buffer>();
  #listens = false;
  #textBefore: Buffer | undefined;
  /** Code has changed the schema outside of a transaction: to be told when that is over. */
  #schemaKnown: (() => void) | undefined;

  constructor(
    session: Session,
    book: StatementBook,
    sink: AnswerSink,
    hooks: RunnerHooks,
    classify: (text: Buffer) => readonly Statement[],
  ) {
    this.#session = session;
    this.#book = book;
    this.#sink = sink;
    this.#hooks = hooks;
    this.#classify = classify;
    this.#state = new SessionState({
      session,
      watched: hooks.watchedSettings,
      listens: () => this.#listens,
      transactionsBegin: ({ readOnly, ...how }) => {
        this.#transaction.setDefaults(how);
        if (readOnly !== undefined) this.#defaultReadOnly(readOnly);
      },
    });
    this.#transaction = new ClientTransaction({
      session,
      book,
      sink,
      schemaChanging: () => hooks.schemaChanging(),
      schemaChanged: (known) => hooks.schemaChanged(known),
    });
  }

  get listens(): boolean {
    return this.#listens;
  }

  get autocommit(): BeginOptions {
    return this.#transaction.autocommit;
  }

  /** Several statements that succeed or fail together, until `endImplicit`. */
  beginImplicit(): void {
    this.#transaction.beginImplicit();
  }

  /** False: it was refused, and the error is written. */
  endImplicit(succeeded: boolean): Promise<boolean> {
    return this.#transaction.endImplicit(succeeded);
  }

  /** One statement that came as text, behind others perhaps. Resolves to false when it failed and its error is written. Throws what no member said. */
  async run(statement: Statement, sent: Buffer, textBefore?: Buffer): Promise<boolean> {
    this.#textBefore = textBefore;
    const text = statement.concurrently ? withoutConcurrently(sent) : sent;
    const session = this.#session;
    if (session.transaction === 'failed' && answeredHere.has(statement.kind) && !endsTransaction(statement))
      throw transactionAborted();
    switch (statement.kind) {
      case 'empty':
        this.#sink.write(backend.emptyQueryResponse);
        return true;
      case 'unparsable':
        await this.refuseUnparsable(statement, text);
        return false;
      case 'refused':
      case 'too-large':
        invariant(statement.refusal, 'what is refused has a reason');
        if (endsTransaction(statement)) {
          if (await this.#transaction.prepareNothing()) return true;
          await this.#transaction.abandon();
        }
        throw refused(statement.refusal);
      case 'begin':
        this.#transaction.begin(statement);
        return true;
      case 'commit':
        return await this.#transaction.commit(statement);
      case 'rollback':
        await this.#transaction.rollBack(statement);
        return true;
      case 'set-transaction':
        if (this.#transaction.amend(statement.transaction)) {
          complete(this.#sink, statement.tag === 'SET TRANSACTION' ? 'SET' : statement.tag);
          return true;
        }
        return await this.#onPrimary(text, { atPrimary: statement.transaction?.snapshot === true });
      case 'set':
        return await this.#set(statement, text);
      case 'discard':
        return await this.#discard(statement, text);
      case 'prepare':
        return await this.#prepare(statement, text);
      case 'deallocate':
        return await this.#deallocate(statement, text);
      case 'listen':
      case 'unlisten':
        this.#listens = statement.kind === 'listen' || (this.#listens && statement.all !== true);
        return await this.#setting({ sql: text });
      case 'savepoint':
      case 'release':
      case 'rollback-to':
        // To a member the transaction of a string of statements looks like one that the client has begun.
        if (this.#transaction.implicit) throw needsTransaction(savepointWords[statement.kind]);
        return await this.#onPrimary(text);
      case 'set-constraints':
        return await this.#onPrimary(text);
      case 'control':
        if (session.transaction === 'failed') return await this.#onPrimary(text);
        complete(this.#sink, statement.tag);
        return true;
      case 'maintenance':
        if (statement.inTransactionOk === false && textBefore !== undefined && this.#transaction.implicit)
          throw notInTransaction(statement.tag);
        return await this.#maintain(statement, text);
      case 'create-matview':
        if (statement.volatile || statement.orderDependent)
          throw volatileView(statement.createdTable?.name ?? '');
        return await this.#schema(statement, text);
      case 'ddl':
        if (statement.namesDatabase && !this.#hooks.oneDatabaseName()) throw databaseNamed(statement.tag);
        if (statement.index !== undefined && !this.#inside) return await this.#createIndex(statement, sent);
        return await this.#schema(statement, statement.setsPassword ? await withoutPassword(text) : text);
      case 'create-table-as':
      case 'refresh-matview':
        return await this.#schema(statement, text);
      default: {
        const answer = await session.run(
          this.workOf([statement], text, this.requestFor(statement, frontend.query(text), textBefore)),
          this.#sink,
        );
        if (!answer.failed) this.noteEffects(statement);
        return !answer.failed;
      }
    }
  }

  /**
   * What our parser rejects, the server is asked to parse and nothing more, so that its own words are heard. What it accepts has
   * still not been understood here, and might do anything. Throws then; otherwise the error is written.
   */
  async refuseUnparsable({ refusal }: Statement, text: Buffer): Promise<void> {
    invariant(refusal, 'what is refused has a reason');
    const answered: Buffer[] = [];
    const kept: AnswerSink = {
      passedOn: false,
      write: (bytes) => answered.push(Buffer.from(bytes)) > 0,
      drained: () => Promise.resolve(),
      inputWanted: () => undefined,
      notice: (bytes) => this.#sink.write(bytes),
    };
    const request = extendedRequest([
      { kind: 'plain', frame: frontend.parse({ query: text }) },
      { kind: 'plain', frame: frontend.close('statement', '') },
    ]);
    const effect = this.#session.transaction === 'none' ? 'primary-read' : 'write';
    const { failed } = await this.#session.run({ request, effect, bytes: text.length }, kept);
    for (const link of this.#session.runningLinks()) link.forget('');
    if (!failed || saysSeveral(Buffer.concat(answered))) throw refused(refusal);
    for (const bytes of answered) this.#sink.write(bytes);
  }

  /** A simple query. EXECUTE may name a statement that the client prepared by the protocol, on whichever member. */
  requestFor(statement: Statement, frame: Buffer, textBefore?: Buffer): PostgresRequest {
    if (explains(statement)) return { ...simpleRequest(frame, textBefore), explains: true };
    const named = statement.tag === 'EXECUTE' ? this.#book.statement(statement.name ?? '') : undefined;
    return named === undefined || named.local
      ? simpleRequest(frame, textBefore)
      : { protocol: 'simple', messages: [{ kind: 'uses', frame, statement: named }] };
  }

  /**
   * Between the last statement and the client's next: the session follows what code out of sight has made of it. Undefined:
   * there is nothing to ask.
   */
  settle(): Promise<void> | undefined {
    const known = this.#schemaKnown;
    this.#schemaKnown = undefined;
    if (known !== undefined) this.#hooks.schemaChanged(known);
    return this.#state.settle();
  }

  /** Before a statement: what the session has may mean more to the schema by now. */
  followSchema(): Promise<void> | undefined {
    return this.#state.followSchema();
  }

  /** Something that cannot be read runs. */
  unseen(): void {
    this.#state.unseen({ anySetting: true });
  }

  /** Throws where one of them is not possible now. */
  workOf(statements: readonly Statement[], text: Buffer, request: Work['request']): Work {
    for (const statement of statements) this.#expect(statement);
    const inTransaction = this.#session.transaction !== 'none';
    return workOf(statements, text, request, {
      inTransaction,
      readOnlyByDefault: this.#transaction.defaults.readOnly,
      knownBetter: this.#hooks.knownBetter,
      onSchemaChanged: inTransaction ? this.#changedInside : this.#changedAlone,
    });
  }

  /** The same, and a change of the schema by code that it runs is followed. */
  noting(work: Work): Work {
    const alone = this.#session.transaction === 'none';
    return { ...work, onSchemaChanged: alone ? this.#changedAlone : this.#changedInside };
  }

  readonly #changedAlone = (): void => void (this.#schemaKnown ??= this.#hooks.schemaChanging());
  readonly #changedInside = (): void => this.#transaction.noteSchemaChange();

  /** Where `hasEffects`, once it has succeeded. */
  noteEffects(statement: Statement): void {
    const session = this.#session;
    if (statement.kind === 'temp-ddl') {
      session.pin('temporary objects');
    } else if (statement.sessionLock) {
      session.pin('an advisory lock');
    } else if (statement.kind === 'declare-cursor' && statement.hold) {
      session.pin('a cursor WITH HOLD');
    }
  }

  /** Also when it fails: an advisory lock outlives an error. */
  #expect(statement: Statement): void {
    if (statement.unseen || (statement.tag === 'EXECUTE' && this.#executesUnseen(statement.name ?? '')))
      this.#state.unseen({ anySetting: statement.setsConfig === true });
    // It may take away what keeps the session on the primary.
    else if (statement.tag === 'CLOSE') this.#state.unseen();
  }

  #executesUnseen(name: string): boolean {
    const booked = this.#book.statement(name);
    const text = booked?.text ?? this.#prepared.get(name);
    return text === undefined || this.#classify(text).some((statement) => statement.unseen);
  }

  async #prepare(statement: Statement, text: Buffer): Promise<boolean> {
    if (!(await this.#setting({ sql: text }))) return false;
    const known = text.length <= preparedBytesMax && this.#prepared.size < preparedMax;
    if (known) this.#prepared.set(statement.name ?? '', Buffer.from(text));
    else this.#prepared.delete(statement.name ?? '');
    return true;
  }

  /** An error that was found here: an open transaction fails on the member as it would have failed there. */
  async failTransaction(): Promise<void> {
    if (this.#session.transaction !== 'open') return;
    await this.#session
      .run({ request: failingRequest, effect: 'write', bytes: 20 }, nobody)
      .catch(() => undefined);
  }

  // ——— settings and other session state

  async #set(statement: Statement, text: Buffer): Promise<boolean> {
    const { name = '', value, transaction } = statement;
    if (name.startsWith('lockstep.')) throw ownSetting(name);
    if (name === readOnlyDefault && statement.local !== true) {
      this.#defaultReadOnly(statement.reset !== true && /^(on|true|yes|1|t|y)$/i.test(value ?? 'on'));
      complete(this.#sink, statement.tag);
      return true;
    }
    const done = statement.local
      ? await this.#onPrimary(text)
      : statement.resetAll
        ? await this.#resetAll(text)
        : await this.#setting({ sql: text });
    if (!done) return false;
    if (transaction !== undefined) {
      if (transaction.readOnly !== undefined) this.#defaultReadOnly(transaction.readOnly);
      if (transaction.isolation !== undefined)
        this.#transaction.setDefaults({ serializable: transaction.isolation === 'serializable' });
      // The statement may have made the connection itself writable by default.
      if (transaction.readOnly !== undefined)
        await this.#session.run(
          {
            request: simpleRequest(frontend.query('RESET default_transaction_read_only')),
            effect: 'primary-read',
            bytes: 0,
          },
          nobody,
        );
    }
    if (name === 'default_transaction_isolation')
      this.#transaction.setDefaults({
        serializable: statement.reset !== true && value?.toLowerCase() === 'serializable',
      });
    if (statement.resetAll) {
      this.#defaultReadOnly(false);
      this.#transaction.setDefaults({ serializable: false });
    }
    return true;
  }

  #defaultReadOnly(readOnly: boolean): void {
    if (readOnly === this.#transaction.defaults.readOnly) return;
    this.#transaction.setDefaults({ readOnly });
    this.#sink.write(backend.parameterStatus(readOnlyDefault, readOnly ? 'on' : 'off'));
  }

  /** A statement that every connection of the session must have seen: on the primary now, elsewhere when it is used. */
  async #setting({ sql, ...more }: OwnStatement & { readonly sql: Buffer }): Promise<boolean> {
    const around = more.emptiesRegister && this.#session.transaction !== 'none' ? aroundResetAll : {};
    if (!(await this.#onPrimary(sql, around))) return false;
    this.#noteSetting({ sql: Buffer.from(sql), ...more });
    return true;
  }

  async #resetAll(text: Buffer): Promise<boolean> {
    const outside = this.#session.transaction === 'none';
    if (!(await this.#setting({ sql: text, emptiesRegister: true }))) return false;
    if (outside) this.#registersEmptied(this.#session.runningLinks());
    return true;
  }

  #registersEmptied(links: Iterable<SessionLink>): void {
    for (const link of links) (link as PostgresSessionLink).registerEmptied();
  }

  #noteSetting(setting: OwnStatement): void {
    const session = this.#session;
    if (session.transaction !== 'none') this.#transaction.noteSetting(setting);
    else if (session.settings.full) session.pin('more settings than can be repeated');
    else session.settings.add(setting, session.runningLinks());
  }

  /** An open transaction stays on its member, unless it begins with this and it is said that its place is the primary. */
  async #onPrimary(text: Buffer, more: Pick<Work, 'atPrimary' | 'before' | 'after'> = {}): Promise<boolean> {
    const effect = this.#session.transaction === 'none' ? 'primary-read' : 'write';
    const answer = await this.#session.run(
      {
        request: simpleRequest(frontend.query(text), this.#textBefore),
        effect,
        ...more,
        bytes: text.length,
      },
      this.#sink,
    );
    return !answer.failed;
  }

  async #discard(statement: Statement, text: Buffer): Promise<boolean> {
    const session = this.#session;
    if (statement.discards === 'plans' || statement.discards === 'sequences')
      return await this.#onPrimary(text);
    // Among the temporary tables may be the one in which the changes of the open transaction are collected.
    if (statement.discards === 'temp' && !(await this.endImplicit(true))) return false;
    if (session.transaction !== 'none') throw discardInTransaction();
    if (!(await this.#onPrimary(text))) return false;
    if (statement.discards === 'all') {
      session.forgetOthers();
      session.settings.reset();
      session.unpin();
      this.#state.reset();
      this.#prepared.clear();
      this.#book.clear();
      this.#listens = false;
      this.#transaction.setDefaults({ readOnly: false, serializable: false });
      for (const link of session.links()) (link as PostgresSessionLink).forgetAll();
      this.#registersEmptied(session.links());
    }
    return true;
  }

  async #deallocate(statement: Statement, text: Buffer): Promise<boolean> {
    const session = this.#session;
    const { name = '' } = statement;
    // One that the client prepared by the protocol may be on some members, on all, or on none yet.
    if (this.#book.statement(name) !== undefined && session.transaction !== 'failed') {
      this.#book.removeStatement(name);
      for (const link of session.links()) link.forget(name);
      complete(this.#sink, statement.tag);
      return true;
    }
    if (!(await this.#setting({ sql: text }))) return false;
    this.#prepared.delete(name);
    if (statement.all) {
      this.#prepared.clear();
      this.#book.clear();
      session.forgetOthers();
      for (const link of session.links()) (link as PostgresSessionLink).forgetAll();
    }
    return true;
  }

  // ——— schema and maintenance

  async #schema(statement: Statement, text: Buffer): Promise<boolean> {
    const patient = givesWay(statement) && this.#session.transaction === 'none';
    const around = aroundSchemaStatement(statement, text, patient);
    if (!patient) return (await this.#schemaOnce(text, around)) === 'done';
    const setTimeout = simpleRequest(frontend.query(`SET LOCAL lock_timeout = ${standsInTheWayMs}`));
    const before = [setTimeout, ...around.before];
    for (let tries = 1; ; tries++) {
      const outcome = await this.#schemaOnce(text, { ...around, before }, { givesWay: tries < triesMax });
      if (outcome !== 'locked') return outcome === 'done';
      await pause(systemClock, standsAsideMs);
    }
  }

  /** Nothing has begun that a statement could be part of, or may be ended before it. */
  get #inside(): boolean {
    const transaction = this.#transaction;
    if (this.#textBefore !== undefined && transaction.implicit) return true;
    return this.#session.transaction !== 'none' && !transaction.implicitAndUnbegun;
  }

  async #createIndex(statement: Statement, sent: Buffer): Promise<boolean> {
    await this.endImplicit(true);
    const commit = async (
      text: Buffer,
      before: NonNullable<Work['before']>,
      answer: Buffer,
    ): Promise<boolean> => {
      const after = aroundSchemaStatement(statement, text, true).after;
      return (await this.#schemaOnce(text, { before, after }, { answer })) === 'done';
    };
    const session = this.#session;
    // Who only reads is told so by the server.
    if (!this.#transaction.defaults.readOnly) {
      const parts = { session, hooks: this.#hooks, sink: this.#sink, commit };
      const built = await createIndexConcurrently(statement, sent, parts).finally(() => this.#state.unseen());
      if (built !== 'ordinary') return built;
    }
    const { concurrently: _, ...plain } = statement;
    return await this.#schema(plain, withoutConcurrently(sent));
  }

  /** The same of a statement by the extended protocol, which ends with its Sync. */
  aroundSchemaWork(statement: Statement, work: Work): Work {
    this.beginImplicit();
    this.#transaction.noteSchemaChange();
    this.#state.unseen();
    const around = aroundSchemaStatement(statement, Buffer.alloc(0));
    return { ...work, ...around, effect: 'write', unknownSize: true, changesSchema: true };
  }

  /** `locked`: where it gives way, somebody was in its way, and its client has heard nothing. */
  async #schemaOnce(
    text: Buffer,
    { before, after }: Pick<Work, 'before' | 'after'>,
    { givesWay: gives = false, answer: instead }: { givesWay?: boolean; answer?: Buffer } = {},
  ): Promise<'done' | 'failed' | 'locked'> {
    const own = this.#session.transaction === 'none';
    if (own) this.beginImplicit();
    this.#transaction.noteSchemaChange();
    // Defaults that are computed and triggers of events run code.
    this.#state.unseen();
    // That it is done is said when it is done everywhere.
    const held = own
      ? new HeldAnswer(this.#sink, Infinity, { keepsEnd: true, notices: 'overtake' })
      : undefined;
    try {
      const answer = await this.#session.run(
        {
          request: simpleRequest(frontend.query(text), this.#textBefore),
          effect: 'write',
          ...(before && { before }),
          ...(after && { after }),
          unknownSize: true,
          changesSchema: true,
          bytes: text.length,
        },
        held ?? this.#sink,
      );
      if (held === undefined) return answer.failed ? 'failed' : 'done';
      const committed = await this.endImplicit(!answer.failed);
      if (gives && answer.sqlState === lockNotAvailable) {
        held.drop();
        return 'locked';
      }
      if (committed && !answer.failed && instead !== undefined) {
        held.drop();
        this.#sink.write(instead);
      } else if (committed || answer.failed) held.release();
      else held.drop();
      return committed && !answer.failed ? 'done' : 'failed';
    } catch (error) {
      held?.drop();
      if (own) await this.endImplicit(false);
      throw error;
    }
  }

  async #maintain({ tag }: Statement, text: Buffer): Promise<boolean> {
    const inside = this.#session.transaction !== 'none' && !this.#transaction.implicitAndUnbegun;
    const request = simpleRequest(frontend.query(text), this.#textBefore);
    if (inside) {
      const answer = await this.#session.run({ request, effect: 'write', bytes: text.length }, this.#sink);
      return !answer.failed;
    }
    await this.endImplicit(true);
    try {
      const answer = await this.#session.run(
        { request, effect: 'write', bare: true, bytes: text.length },
        this.#sink,
      );
      if (answer.failed) return false;
      const ask = (sql: string): Promise<string | undefined> =>
        this.#session.ask((link) => (link as PostgresSessionLink).firstValue(sql));
      const searchPath = await ask(pathQuery);
      const role = await ask(roleQuery);
      if (searchPath !== undefined && role !== undefined)
        this.#hooks.maintain(Buffer.from(text), { searchPath, role });
      return true;
    } finally {
      if (tag === 'REINDEX') this.#hooks.reindexed();
    }
  }
}
