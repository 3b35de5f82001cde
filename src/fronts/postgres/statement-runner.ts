/**
 * Carries out one statement of a client: what kind it is decides what the session is asked to do. Answers that no member
 * gives are written here.
 */

import { invariant } from '../../base/index.ts';
import { nobody } from '../../cluster/index.ts';
import type { Session, Work } from '../../cluster/index.ts';
import type { AnswerSink } from '../../dialects/contract.ts';
import { PostgresSessionLink } from '../../dialects/postgres/index.ts';
import type { OwnStatement, PostgresRequest } from '../../dialects/postgres/index.ts';
import type { Statement } from '../../sql/index.ts';
import { backend, frontend } from '../../wire/postgres/index.ts';
import {
  databaseNamed,
  discardInTransaction,
  needsTransaction,
  ownSetting,
  refused,
  volatileView,
} from './front-errors.ts';
import { failingRequest, simpleRequest } from './requests.ts';
import {
  afterSettingSequences,
  afterUnseenCode,
  aroundResetAll,
  aroundSchemaStatement,
} from './schema-work.ts';
import type { Around } from './schema-work.ts';
import type { StatementBook } from './statement-book.ts';
import { beginOptions } from './transaction-words.ts';

export interface RunnerHooks {
  /** The schema of the cluster has changed. Resolves when the engine knows the new one. */
  schemaChanged(): Promise<void>;
  /** All members call their database the same. */
  readonly oneDatabaseName: () => boolean;
  /** Done on the primary; the others do it for themselves, each in its own time. */
  maintain(sql: Buffer): void;
  /** Taken for a read before, and found out. */
  readonly knownBetter: KnownBetter;
}

/** Statements that looked like reads and were not, by their text. */
export interface KnownBetter {
  get(text: Buffer): Work['effect'] | undefined;
  note(text: Buffer, effect: Work['effect']): void;
}

/** Settings that are kept here and not on the members, whose own value serves Lockstep. */
const readOnlyDefault = 'default_transaction_read_only';

export class StatementRunner {
  readonly #session: Session;
  readonly #book: StatementBook;
  readonly #sink: AnswerSink;
  readonly #hooks: RunnerHooks;
  /** The open transaction is one of ours: it ends with the client's Sync or simple query. */
  #implicit = false;
  #readOnly = false;
  #serializable = false;
  #listens = false;
  /** Settings made inside the open transaction, in force for good only when it commits. */
  #settingsInTransaction: OwnStatement[] = [];
  #schemaChanged = false;
  #textBefore: Buffer | undefined;

  constructor(session: Session, book: StatementBook, sink: AnswerSink, hooks: RunnerHooks) {
    this.#session = session;
    this.#book = book;
    this.#sink = sink;
    this.#hooks = hooks;
  }

  get listens(): boolean {
    return this.#listens;
  }

  get implicit(): boolean {
    return this.#implicit;
  }

  autocommit = (): ReturnType<typeof beginOptions> =>
    beginOptions({}, { readOnly: this.#readOnly, serializable: this.#serializable });

  /** Several statements that succeed or fail together, until `endImplicit`. */
  beginImplicit(): void {
    if (this.#session.transaction !== 'none') return;
    this.#session.begin(this.autocommit());
    this.#implicit = true;
  }

  /** False: it was refused, and the error is written. */
  async endImplicit(succeeded: boolean): Promise<boolean> {
    if (!this.#implicit) return true;
    this.#implicit = false;
    if (!succeeded) {
      await this.#rolledBack();
      return false;
    }
    return (await this.#commit()) === 'committed';
  }

  /** One statement that came as text, behind others perhaps. Resolves to false when it failed and its error is written. Throws what no member said. */
  async run(statement: Statement, text: Buffer, textBefore?: Buffer): Promise<boolean> {
    this.#textBefore = textBefore;
    const session = this.#session;
    switch (statement.kind) {
      case 'empty':
        this.#sink.write(backend.emptyQueryResponse);
        return true;
      case 'refused':
      case 'unparsable':
      case 'too-large':
        invariant(statement.refusal, 'what is refused has a reason');
        if (endsTransaction(statement)) {
          this.#implicit = false;
          await this.#rolledBack();
        }
        throw refused(statement.refusal);
      case 'begin':
        this.#begin(statement);
        return true;
      case 'commit':
        return await this.#commitByClient(statement);
      case 'rollback':
        await this.#rollbackByClient(statement);
        return true;
      case 'set-transaction':
        if (
          session.transaction === 'open' &&
          !session.begun &&
          !this.#implicit &&
          statement.transaction?.snapshot === undefined
        ) {
          this.#asked = { ...this.#asked, ...statement.transaction };
          session.amendBegin(beginOptions(this.#asked, this.#defaults));
          this.#complete(statement.tag === 'SET TRANSACTION' ? 'SET' : statement.tag);
          return true;
        }
        return await this.#onPrimary(text, { atPrimary: statement.transaction?.snapshot === true });
      case 'set':
        return await this.#set(statement, text);
      case 'discard':
        return await this.#discard(statement, text);
      case 'prepare':
        return await this.#setting(text);
      case 'deallocate':
        return await this.#deallocate(statement, text);
      case 'listen':
      case 'unlisten':
        this.#listens = statement.kind === 'listen' || (this.#listens && statement.all !== true);
        return await this.#setting(text);
      case 'savepoint':
      case 'release':
      case 'rollback-to':
      case 'set-constraints':
        return await this.#onPrimary(text);
      case 'control':
        if (session.transaction === 'failed') return await this.#onPrimary(text);
        this.#complete(statement.tag);
        return true;
      case 'maintenance':
        return await this.#maintain(text);
      case 'create-matview':
        if (statement.volatile || statement.orderDependent)
          throw volatileView(statement.createdTable?.name ?? '');
        return await this.#schema(statement, text);
      case 'ddl':
        if (statement.namesDatabase && !this.#hooks.oneDatabaseName()) throw databaseNamed(statement.tag);
        return await this.#schema(statement, text);
      case 'create-table-as':
      case 'refresh-matview':
        return await this.#schema(statement, text);
      default: {
        const answer = await session.run(
          this.workOf([statement], text, this.requestFor(statement, frontend.query(text), textBefore)),
          this.#sink,
        );
        if (!answer.failed) this.noteEffects(statement, text, true);
        return !answer.failed;
      }
    }
  }

  /** A simple query. EXECUTE may name a statement that the client prepared by the protocol, on whichever member. */
  requestFor(statement: Statement, frame: Buffer, textBefore?: Buffer): Work['request'] {
    const named = statement.tag === 'EXECUTE' ? this.#book.statement(statement.name ?? '') : undefined;
    return named === undefined || named.local
      ? simpleRequest(frame, textBefore)
      : { protocol: 'simple', messages: [{ kind: 'uses', frame, statement: named }] };
  }

  /** What the session must know of statements that a member answers. Throws where one is not possible now. */
  workOf(statements: readonly Statement[], text: Buffer, request: Work['request']): Work {
    let effect: Work['effect'] = 'read';
    let runsCode = false;
    let setsSequences = false;
    let takesInput = false;
    let endsSessions = false;
    let atPrimary = false;
    for (const statement of statements) {
      if (this.#session.transaction === 'none' && statements.length === 1)
        refuseOutsideTransaction(statement);
      effect = heavier(effect, statement.kind);
      if (statement.runsCode) runsCode = true;
      if (statement.setsConfig) refuseOwnSettings(text, request);
      if (statement.restartIdentity || statement.setsSequences) setsSequences = true;
      if (statement.copy === 'in') takesInput = true;
      if (statement.endsSessions) endsSessions = true;
      if (statement.exportsSnapshot) atPrimary = true;
    }
    if (effect === 'primary-read' && asksForReadOnly(text)) return this.#tellReadOnly(request, text);
    const better = effect === 'write' ? undefined : this.#hooks.knownBetter.get(text);
    // Something out of sight writes: a function in a view, say.
    if (better === 'write') runsCode = true;
    return {
      request,
      effect: better ?? effect,
      takesInput,
      endsSessions,
      atPrimary,
      unknownSize: runsCode,
      bytes: text.length,
      ...(setsSequences ? { after: afterSettingSequences } : runsCode ? { after: afterUnseenCode } : {}),
      onUnsuitable: (as) => this.#hooks.knownBetter.note(text, as),
    };
  }

  /** Our connections are read-only by default: asked about it, they answer inside a transaction as the client would begin it. */
  #tellReadOnly(request: Work['request'], text: Buffer): Work {
    const set = `SET LOCAL ${readOnlyDefault} = ${this.#readOnly ? 'on' : 'off'}`;
    return {
      request,
      effect: 'write',
      before: [simpleRequest(frontend.query(set))],
      bytes: text.length,
    };
  }

  /** `repeatable`: the text alone does the same again. */
  noteEffects(statement: Statement, text: Buffer, repeatable: boolean): void {
    const session = this.#session;
    if (statement.kind === 'temp-ddl') {
      session.pin('temporary objects');
    } else if (statement.sessionLock) {
      session.pin('an advisory lock');
    } else if (statement.kind === 'declare-cursor' && statement.hold) {
      session.pin('a cursor WITH HOLD');
    } else if (statement.setsConfig) {
      if (repeatable && statement.kind === 'primary-read') this.#noteSetting({ sql: Buffer.from(text) });
      else session.pin('settings made by a function');
    }
  }

  /** An error that was found here: an open transaction fails on the member as it would have failed there. */
  async failTransaction(): Promise<void> {
    if (this.#session.transaction !== 'open') return;
    await this.#session
      .run({ request: failingRequest, effect: 'write', bytes: 20 }, nobody)
      .catch(() => undefined);
  }

  // ——— transactions

  #asked: NonNullable<Statement['transaction']> = {};

  get #defaults(): { readOnly: boolean; serializable: boolean } {
    return { readOnly: this.#readOnly, serializable: this.#serializable };
  }

  #begin(statement: Statement): void {
    const session = this.#session;
    if (session.transaction === 'none' || (this.#implicit && !session.begun)) {
      this.#asked = statement.transaction ?? {};
      const options = beginOptions(this.#asked, this.#defaults);
      if (this.#implicit) session.amendBegin(options);
      else session.begin(options);
    } else if (!this.#implicit) {
      this.#warn('25001', 'there is already a transaction in progress');
    }
    this.#implicit = false;
    this.#complete(statement.tag);
  }

  async #commitByClient(statement: Statement): Promise<boolean> {
    const session = this.#session;
    const own = session.transaction === 'none' || this.#implicit;
    if (own && statement.chain) throw needsTransaction('COMMIT AND CHAIN');
    if (own) this.#warn('25P01', 'there is no transaction in progress');
    if (session.transaction === 'none') {
      this.#complete('COMMIT');
      return true;
    }
    this.#implicit = false;
    const outcome = await this.#commit();
    if (outcome === 'refused') return false;
    if (statement.chain) session.begin(beginOptions(this.#asked, this.#defaults));
    this.#complete(outcome === 'committed' ? 'COMMIT' : 'ROLLBACK');
    return true;
  }

  async #commit(): Promise<'committed' | 'rolled-back' | 'refused'> {
    const session = this.#session;
    let outcome: 'committed' | 'rolled-back' | 'refused' = 'refused';
    try {
      if (this.#schemaChanged && !(await this.#settleDeferred())) await session.rollback();
      else outcome = await session.commit(this.#sink);
    } finally {
      if (outcome === 'committed') {
        for (const setting of this.#settingsInTransaction)
          session.settings.add(setting, session.runningLinks());
      }
      this.#settingsInTransaction = [];
      this.#book.endTransaction();
    }
    if (this.#schemaChanged) {
      this.#schemaChanged = false;
      if (outcome === 'committed') await this.#hooks.schemaChanged();
    }
    return outcome;
  }

  /** What this transaction itself has made deferrable nobody knows of yet: it happens now, before the write set is taken. */
  async #settleDeferred(): Promise<boolean> {
    if (this.#session.transaction !== 'open' || !this.#session.begun) return true;
    const answered: Buffer[] = [];
    const sink: AnswerSink = {
      passedOn: false,
      write: (bytes) => answered.push(Buffer.from(bytes)) > 0,
      drained: () => Promise.resolve(),
      inputWanted: () => undefined,
    };
    const request = simpleRequest(frontend.query('SET CONSTRAINTS ALL IMMEDIATE'));
    const { failed } = await this.#session.run({ request, effect: 'write', bytes: 0 }, sink);
    if (failed) for (const bytes of answered) this.#sink.write(bytes);
    return !failed;
  }

  async #rollbackByClient(statement: Statement): Promise<void> {
    const own = this.#session.transaction === 'none' || this.#implicit;
    if (own && statement.chain) throw needsTransaction('ROLLBACK AND CHAIN');
    if (own) this.#warn('25P01', 'there is no transaction in progress');
    this.#implicit = false;
    await this.#rolledBack();
    if (statement.chain) this.#session.begin(beginOptions(this.#asked, this.#defaults));
    this.#complete('ROLLBACK');
  }

  async #rolledBack(): Promise<void> {
    this.#settingsInTransaction = [];
    this.#schemaChanged = false;
    this.#book.endTransaction();
    await this.#session.rollback();
  }

  // ——— settings and other session state

  async #set(statement: Statement, text: Buffer): Promise<boolean> {
    const { name = '', value, transaction } = statement;
    if (name.startsWith('lockstep.')) throw ownSetting(name);
    if (name === readOnlyDefault && statement.local !== true) {
      this.#defaultReadOnly(statement.reset !== true && /^(on|true|yes|1|t|y)$/i.test(value ?? 'on'));
      this.#complete(statement.tag);
      return true;
    }
    const around = statement.resetAll && this.#session.begun ? aroundResetAll : {};
    const done = statement.local ? await this.#onPrimary(text) : await this.#setting(text, around);
    if (!done) return false;
    if (transaction !== undefined) {
      this.#defaultReadOnly(transaction.readOnly ?? this.#readOnly);
      if (transaction.isolation !== undefined) this.#serializable = transaction.isolation === 'serializable';
      // The statement may have made the connection itself writable by default.
      if (transaction.readOnly !== undefined)
        await this.#session.run(
          {
            request: simpleRequest(frontend.query('SET default_transaction_read_only = on')),
            effect: 'primary-read',
            bytes: 0,
          },
          nobody,
        );
    }
    if (name === 'default_transaction_isolation')
      this.#serializable = statement.reset !== true && value?.toLowerCase() === 'serializable';
    if (statement.resetAll) {
      this.#defaultReadOnly(false);
      this.#serializable = false;
    }
    return true;
  }

  #defaultReadOnly(readOnly: boolean): void {
    if (readOnly === this.#readOnly) return;
    this.#readOnly = readOnly;
    this.#sink.write(backend.parameterStatus(readOnlyDefault, readOnly ? 'on' : 'off'));
  }

  /** A statement that every connection of the session must have seen: on the primary now, elsewhere when it is used. */
  async #setting(text: Buffer, around: Partial<Around> = {}): Promise<boolean> {
    if (!(await this.#onPrimary(text, around))) return false;
    this.#noteSetting({ sql: Buffer.from(text) });
    return true;
  }

  #noteSetting(setting: OwnStatement): void {
    const session = this.#session;
    if (session.transaction !== 'none') this.#settingsInTransaction.push(setting);
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
    if (statement.discards === 'temp' && this.#implicit && !(await this.endImplicit(true))) return false;
    if (session.transaction !== 'none') throw discardInTransaction();
    if (!(await this.#onPrimary(text))) return false;
    if (statement.discards === 'all') {
      session.forgetOthers();
      session.settings.reset();
      session.unpin();
      this.#book.clear();
      this.#listens = false;
      this.#readOnly = false;
      this.#serializable = false;
    }
    if (statement.discards === 'all')
      for (const link of session.links()) (link as PostgresSessionLink).forgetAll();
    return true;
  }

  async #deallocate(statement: Statement, text: Buffer): Promise<boolean> {
    const session = this.#session;
    const { name = '' } = statement;
    // One that the client prepared by the protocol may be on some members, on all, or on none yet.
    if (this.#book.statement(name) !== undefined && session.transaction !== 'failed') {
      this.#book.removeStatement(name);
      for (const link of session.links()) link.forget(name);
      this.#complete(statement.tag);
      return true;
    }
    if (!(await this.#setting(text))) return false;
    if (statement.all) {
      this.#book.clear();
      session.forgetOthers();
      for (const link of session.links()) (link as PostgresSessionLink).forgetAll();
    }
    return true;
  }

  // ——— schema and maintenance

  async #schema(statement: Statement, text: Buffer): Promise<boolean> {
    const { before, after } = aroundSchemaStatement(statement, text);
    const own = this.#session.transaction === 'none';
    if (own) this.beginImplicit();
    this.#schemaChanged = true;
    try {
      const answer = await this.#session.run(
        {
          request: simpleRequest(frontend.query(text), this.#textBefore),
          effect: 'write',
          before,
          after,
          unknownSize: true,
          bytes: text.length,
        },
        this.#sink,
      );
      if (!own) return !answer.failed;
      return (await this.endImplicit(!answer.failed)) && !answer.failed;
    } catch (error) {
      if (own) await this.endImplicit(false);
      throw error;
    }
  }

  async #maintain(text: Buffer): Promise<boolean> {
    const inside = this.#session.transaction !== 'none' && !(this.#implicit && !this.#session.begun);
    const request = simpleRequest(frontend.query(text), this.#textBefore);
    if (inside) {
      const answer = await this.#session.run({ request, effect: 'write', bytes: text.length }, this.#sink);
      return !answer.failed;
    }
    if (this.#implicit) await this.endImplicit(true);
    const answer = await this.#session.run(
      { request, effect: 'write', bare: true, bytes: text.length },
      this.#sink,
    );
    if (!answer.failed) this.#hooks.maintain(Buffer.from(text));
    return !answer.failed;
  }

  #complete(tag: string): void {
    this.#sink.write(backend.commandComplete(tag));
  }

  #warn(code: string, message: string): void {
    this.#sink.write(backend.noticeResponse({ severity: 'WARNING', severityCode: 'WARNING', code, message }));
  }
}

/** On a server too, a PREPARE TRANSACTION that fails leaves no transaction behind; drivers rely on it. */
export function endsTransaction(statement: Statement): boolean {
  return statement.kind === 'refused' && statement.tag === 'PREPARE TRANSACTION';
}

/** What would be over as soon as it is done is refused, as the server does it: here it would run in a transaction of ours. */
function refuseOutsideTransaction(statement: Statement): void {
  if (statement.kind === 'declare-cursor' && statement.hold !== true)
    throw needsTransaction('DECLARE CURSOR');
  if (statement.tag === 'LOCK') throw needsTransaction('LOCK TABLE');
}

function asksForReadOnly(text: Buffer): boolean {
  return text.length < 1024 && /transaction_read_only/i.test(text.toString('latin1'));
}

function heavier(effect: Work['effect'], kind: Statement['kind']): Work['effect'] {
  if (kind === 'read' || kind === 'empty' || effect === 'write') return effect;
  return kind === 'primary-read' ? 'primary-read' : 'write';
}

/** set_config() with a name of ours, in the text or among the parameters. */
function refuseOwnSettings(text: Buffer, request: Work['request']): void {
  const { messages } = request as PostgresRequest;
  for (const bytes of [text, ...messages.map((message) => message.frame)]) {
    const found = /lockstep\.\w+|session_replication_role/i.exec(bytes.toString('latin1'));
    if (found !== null) throw ownSetting(found[0]);
  }
}
