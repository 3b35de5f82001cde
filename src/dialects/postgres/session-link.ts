/**
 * One connection of a client's session to one member. Bytes pass through in slices of what was read; only message
 * heads are looked at, and of the messages only those that say how the request goes.
 *
 * What it guarantees: a request is over when its ReadyForQuery was seen, and only then can the next begin; a FATAL
 * error or a closed socket is a lost link, never an answer; statements that others put in front (settings, BEGIN,
 * missing prepared statements) leave no trace in the client's answer.
 */

import { deferred, messageOf } from '../../base/index.ts';
import type { Deferred } from '../../base/index.ts';
import {
  Backend,
  Frontend,
  frontend,
  HEADER_BYTES,
  MessageFramer,
  readCommandTag,
  readDataRow,
  readErrorFields,
  TransactionStatus,
} from '../../wire/postgres/index.ts';
import type { ErrorFields, FrameSink } from '../../wire/postgres/index.ts';
import { MemberError } from '../contract.ts';
import type {
  Answer,
  AnswerSink,
  CommitOptions,
  RunOptions,
  SessionLink,
  SessionListener,
  TransactionState,
} from '../contract.ts';
import type { Spool } from '../spool.ts';
import { AnswerReader } from './answer-reader.ts';
import { sendCancel } from './connect.ts';
import type { Address, Connection } from './connect.ts';
import { blameOf } from './errors.ts';
import { finishAndCommit, finishLarge, takeWriteSet } from './link-commit.ts';
import type { CommitPhase } from './link-commit.ts';
import { LinkStatements } from './link-statements.ts';
import type { OwnStatement, PostgresRequest, PreparedStatement } from './request.ts';
import { shapeChanged, shapeOf } from './statement-shape.ts';
import { WriteSetCollector } from './write-set-collector.ts';

/** A name that no statement has. */
const missingStatement = frontend.bind({ statement: 'lockstep_missing', values: [] });

/** Messages above this are passed on in pieces. */
const wholeUpToBytes = 256 * 1024;

export interface SessionLinkSettings {
  readonly maxMessageBytes: number;
  /** Collects a write set that is too large for memory. */
  readonly spool: () => Spool;
  /** Something may be deferred to COMMIT; it then has to happen before the write set is taken. */
  readonly deferred: () => boolean;
  /** This server's number of a table → the primary's, 0 when unknown. */
  readonly tableOid: (oid: number) => number;
}

/** One ReadyForQuery that is owed, and what to do with the messages before it. */
type Phase =
  | { readonly kind: 'prelude'; error: ErrorFields | undefined }
  | { readonly kind: 'answer'; readonly reader: AnswerReader }
  /** A statement prepared again, to see whether it still is what the client was told. */
  | {
      readonly kind: 'check';
      readonly statement: PreparedStatement;
      readonly done: Deferred<ErrorFields | undefined>;
      parameters: Buffer | undefined;
      columns: Buffer | undefined;
      error: ErrorFields | undefined;
    }
  | { readonly kind: 'own'; readonly done: Deferred<string | undefined>; value: string | undefined }
  | CommitPhase;

export class PostgresSessionLink implements SessionLink {
  readonly memberId: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly #address: Address;
  readonly #connection: Connection;
  readonly #settings: SessionLinkSettings;
  readonly #listener: SessionListener;
  readonly #framer: MessageFramer;
  readonly #sink: FrameSink;
  readonly #statements = new LinkStatements();
  readonly #slow = (fetched: Promise<void>): void => this.#pauseUntil(fetched);
  #phases: Phase[] = [];
  #done: Deferred<Answer> | undefined;
  #committed: Deferred<'committed' | 'refused'> | undefined;
  #transaction: TransactionState = 'none';
  #lost: MemberError | undefined;
  #canceling: Promise<void> | undefined;
  #extended = false;
  /** Of the request under way. */
  #failed = false;
  #sqlState: string | undefined;
  /** The message that comes in pieces is the client's. */
  #largePass = false;
  /** A write set too large to be held, on its way into the spool. */
  #collector: WriteSetCollector | undefined;

  constructor(
    memberId: string,
    address: Address,
    connection: Connection,
    settings: SessionLinkSettings,
    listener: SessionListener,
  ) {
    this.memberId = memberId;
    this.parameters = connection.parameters;
    this.#address = address;
    this.#connection = connection;
    this.#settings = settings;
    this.#listener = listener;
    this.#framer = new MessageFramer({
      maxMessageBytes: settings.maxMessageBytes,
      wholeUpToBytes,
      runTypes: [Backend.DataRow, Backend.CopyData],
    });
    this.#sink = {
      message: (type, frame) => this.#message(type, frame),
      run: (type, frames) => this.#rowsArrived(type, frames),
      largeStart: (type, _total, head) => this.#largeStart(type, head),
      largeChunk: (chunk) => {
        if (this.#largePass) this.#reader?.forward(chunk);
        this.#collector?.add(chunk);
      },
      largeEnd: () => this.#largeEnds(),
    };
    const { socket } = connection;
    socket.on('data', (chunk: Buffer) => this.#data(chunk));
    socket.on('error', (error) => this.#lose(error.message));
    socket.on('close', () => this.#lose('the connection was closed'));
    socket.resume();
  }

  get transaction(): TransactionState {
    return this.#transaction;
  }

  get lost(): MemberError | undefined {
    return this.#lost;
  }

  get pid(): number {
    return this.#connection.pid;
  }

  async run(request: unknown, sink: AnswerSink, options: RunOptions): Promise<Answer> {
    if (this.#canceling !== undefined) await this.#canceling;
    if (this.#lost !== undefined) throw this.#lost;
    const { messages, protocol, rest, textBefore } = request as PostgresRequest;
    const { mayBeUnsuitable } = options;
    const reader = new AnswerReader(sink, mayBeUnsuitable, textBefore, this.#settings.tableOid, this.#slow);
    // How the request before ended says nothing of what is sent ahead of this one.
    this.#failed = false;
    const out: Buffer[] = [];
    this.#closeStale(out);
    for (const own of options.settings as readonly OwnStatement[]) this.#prelude(own.sql, out);
    const unchecked = this.#statements.unchecked(messages);
    const changed = unchecked.size === 0 ? undefined : await this.#check(unchecked, out, reader);
    if (options.begin !== undefined) this.#prelude((options.begin as OwnStatement).sql, out);
    for (const message of messages) {
      if (protocol === 'simple') this.#statements.unnamedGone();
      if (message.kind === 'plain') {
        if (message.frame[0] === Frontend.Describe) reader.descriptions.asked(undefined);
        out.push(message.frame);
      } else if (message.kind === 'uses') {
        const { statement, frame } = message;
        if (protocol === 'simple') this.#needAhead(statement, out);
        else if (statement !== changed) this.#statements.need(statement, out);
        if (frame[0] === Frontend.Describe) reader.descriptions.asked(statement);
        // One that nobody has ever prepared: the server passes over the rest, and its transaction has failed.
        out.push(statement === changed ? missingStatement : frame);
      } else {
        this.#statements.parse(message.statement, out);
        out.push(message.frame);
      }
    }
    if (protocol === 'extended' && rest === undefined) out.push(frontend.sync);
    this.#begin({ kind: 'answer', reader });
    this.#extended = protocol === 'extended';
    const done = (this.#done = deferred<Answer>());
    this.#write(out);
    if (rest !== undefined) {
      // Lost while the client still sends, it has nobody yet who waits for it.
      done.promise.catch(() => undefined);
      await this.#stream(rest, protocol === 'extended');
    }
    return await done.promise;
  }

  async commit(options: CommitOptions): Promise<'committed' | 'refused'> {
    if (this.#canceling !== undefined) await this.#canceling;
    if (this.#lost !== undefined) throw this.#lost;
    const committed = (this.#committed = deferred<'committed' | 'refused'>());
    if (options.large) {
      // Lost while the write set is being kept, it has nobody yet who waits for it.
      committed.promise.catch(() => undefined);
      await this.#commitLarge(options);
      return committed.promise;
    }
    const out = finishAndCommit(options, this.#statements, this.#settings.deferred());
    this.#begin({ kind: 'commit', options, collector: undefined, final: true, lastTag: '' });
    this.#write(out);
    return committed.promise;
  }

  async rollback(): Promise<void> {
    if (this.#transaction !== 'none') await this.#ownStatement('ROLLBACK');
  }

  async endReadOnly(): Promise<void> {
    await this.#ownStatement('COMMIT');
  }

  async pendingBytes(): Promise<number> {
    return Number(await this.#ownStatement('SELECT lockstep.pending_bytes()'));
  }

  /** A statement of our own between requests; its first value. */
  async #ownStatement(sql: string): Promise<string | undefined> {
    if (this.#canceling !== undefined) await this.#canceling;
    if (this.#lost !== undefined) throw this.#lost;
    const done = deferred<string | undefined>();
    this.#begin({ kind: 'own', done, value: undefined });
    this.#statements.unnamedGone();
    this.#write([frontend.query(sql)]);
    return done.promise;
  }

  /** More of what the client sends while the member takes data in. Returns false when the member is slow. */
  input(bytes: Buffer): boolean {
    return this.#lost === undefined && this.#connection.socket.write(bytes);
  }

  inputDrained(): Promise<void> {
    return new Promise((resolve) => {
      const { socket } = this.#connection;
      const done = (): void => {
        socket.off('drain', done);
        socket.off('close', done);
        resolve();
      };
      socket.once('drain', done);
      socket.once('close', done);
      if (socket.destroyed) done();
    });
  }

  /**
   * CopyDone or CopyFail: with the extended protocol the Sync that went ahead was swallowed by the copy. Sync: that ends
   * nothing, unless the copy has failed already. Returns whether the data end here.
   */
  inputEnds(frame: Buffer): boolean {
    const sync = frame[0] === Frontend.Sync;
    if (sync && !(this.#failed && this.#extended)) return false;
    if (this.#lost === undefined)
      this.#connection.socket.write(this.#extended && !sync ? Buffer.concat([frame, frontend.sync]) : frame);
    return true;
  }

  cancel(): Promise<void> {
    if (this.#done === undefined || this.#lost !== undefined) return Promise.resolve();
    // Until the request was delivered nothing new starts here, so that it cannot hit what comes next.
    this.#canceling ??= sendCancel(this.#address, this.#connection).finally(
      () => (this.#canceling = undefined),
    );
    return this.#canceling;
  }

  /** The client closed a statement: its name may come back with another meaning. */
  forget(name: string): void {
    if (this.#lost === undefined) this.#statements.forget(name);
  }

  /** All prepared statements are gone here, ours among them. */
  forgetAll(): void {
    this.#statements.forgetAll();
  }

  close(why = 'closed by Lockstep'): void {
    if (this.#lost === undefined && this.#phases.length === 0)
      this.#connection.socket.end(frontend.terminate);
    this.#lose(why);
  }

  #prelude(sql: string | Buffer, out: Buffer[]): void {
    out.push(frontend.query(sql));
    this.#statements.unnamedGone();
    this.#phases.push({ kind: 'prelude', error: undefined });
  }

  #begin(phase: Phase): void {
    this.#phases.push(phase);
    this.#failed = false;
    this.#sqlState = undefined;
  }

  /** Of the answer that comes now. */
  get #reader(): AnswerReader | undefined {
    const phase = this.#phases[0];
    return phase?.kind === 'answer' ? phase.reader : undefined;
  }

  #write(out: readonly Buffer[]): void {
    const { socket } = this.#connection;
    const [only] = out;
    socket.write(out.length === 1 && only !== undefined ? only : Buffer.concat(out));
  }

  async #stream(rest: AsyncIterable<Buffer>, extended: boolean): Promise<void> {
    for await (const chunk of rest) {
      if (this.#lost !== undefined) continue;
      if (!this.#connection.socket.write(chunk)) await this.inputDrained();
    }
    if (extended && this.#lost === undefined) this.#connection.socket.write(frontend.sync);
  }

  /**
   * Prepares them ahead of everything else, and sees whether they still are what the client was told. Resolves to the
   * first that is not. What is sent before is taken from `out`.
   */
  async #check(
    statements: Iterable<PreparedStatement>,
    out: Buffer[],
    reader: AnswerReader,
  ): Promise<PreparedStatement | undefined> {
    for (const statement of statements) {
      this.#statements.need(statement, out);
      const done = deferred<ErrorFields | undefined>();
      this.#phases.push({
        kind: 'check',
        statement,
        done,
        parameters: undefined,
        columns: undefined,
        error: undefined,
      });
      this.#write([...out.splice(0), frontend.describe('statement', statement.name), frontend.sync]);
      const error = await done.promise;
      reader.errorInstead = error;
      if (error === shapeChanged) this.forget(statement.name);
      if (error !== undefined) return error === shapeChanged ? statement : undefined;
    }
    return undefined;
  }

  /** Before a simple query, which has no place for it. A failure is the query's to tell. */
  #needAhead(statement: PreparedStatement, out: Buffer[]): void {
    const ahead: Buffer[] = [];
    this.#statements.need(statement, ahead);
    if (ahead.length > 0) this.#ahead(ahead, out);
  }

  #closeStale(out: Buffer[]): void {
    const ahead: Buffer[] = [];
    this.#statements.closeStale(ahead);
    if (ahead.length > 0) this.#ahead(ahead, out);
  }

  #ahead(messages: readonly Buffer[], out: Buffer[]): void {
    out.push(...messages, frontend.sync);
    const done = deferred<string | undefined>();
    done.promise.catch(() => undefined);
    this.#phases.push({ kind: 'own', done, value: undefined });
  }

  #data(chunk: Buffer): void {
    this.#deliver(() => this.#framer.push(chunk, this.#sink));
  }

  #deliver(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#lose(error instanceof Error ? error.message : String(error));
      return;
    }
    this.#reader?.flush();
  }

  #pauseUntil(fetched: Promise<void>): void {
    const { socket } = this.#connection;
    socket.pause();
    void fetched.then(() => socket.resume());
  }

  #rowsArrived(type: number, frames: Buffer): void {
    const phase = this.#phases[0];
    if (phase === undefined) return;
    if (phase.kind === 'answer') phase.reader.rows(frames);
    else if (phase.kind === 'commit' && type === Backend.DataRow) takeWriteSet(phase, frames);
    else if (phase.kind === 'own') phase.value ??= readDataRow(frames)[0]?.toString();
  }

  #largeStart(type: number, head: Buffer): void {
    const phase = this.#phases[0];
    this.#largePass = phase?.kind === 'answer' && !phase.reader.givenUp;
    if (type === Backend.ErrorResponse) this.#failed = true;
    if (this.#largePass) this.#reader?.forward(head);
    if (phase?.kind !== 'commit' || type !== Backend.DataRow) return;
    this.#collector = phase.collector ?? this.#newCollector();
    // One column, and it is not NULL: the head of the row, then the count and the length.
    this.#collector.add(head.subarray(HEADER_BYTES + 6));
  }

  #largeEnds(): void {
    const collector = this.#collector;
    const phase = this.#phases[0];
    this.#collector = undefined;
    if (collector === undefined || phase?.kind !== 'commit' || phase.collector !== undefined) return;
    // The commit is on its way behind it, and is not looked at before the write set is safely in hand.
    this.#framer.halt();
    collector.finish().then(
      (writeSet) => {
        phase.options.onWriteSet(writeSet);
        this.#deliver(() => this.#framer.resume(this.#sink));
      },
      // The member has it in its log.
      (error: unknown) => this.#lose(`a write set could not be kept: ${messageOf(error)}`),
    );
  }

  #newCollector(): WriteSetCollector {
    const { socket } = this.#connection;
    return new WriteSetCollector(this.#settings.spool(), {
      pause: () => void socket.pause(),
      resume: () => void socket.resume(),
    });
  }

  #message(type: number, frame: Buffer): void {
    const phase = this.#phases[0];
    if (type === Backend.ReadyForQuery) {
      this.#ready(frame[5] as number);
      return;
    }
    if (
      type === Backend.ParameterStatus ||
      type === Backend.NotificationResponse ||
      (type === Backend.NoticeResponse && phase?.kind !== 'answer')
    ) {
      if (type === Backend.NoticeResponse && phase !== undefined) return;
      const fetched = this.#listener.unasked(this.memberId, frame);
      // The fate of a commit is not kept from those who wait for it.
      if (fetched !== undefined && phase?.kind !== 'commit') this.#pauseUntil(fetched);
      return;
    }
    if (type === Backend.ErrorResponse) {
      this.#error(frame, phase);
      return;
    }
    if (type === Backend.ParseComplete && this.#statements.parsed()) return;
    if (type === Backend.CloseComplete && this.#statements.closed()) return;
    if (phase?.kind === 'answer') phase.reader.message(type, frame);
    else if (phase?.kind === 'check') {
      if (type === Backend.ParameterDescription) phase.parameters = Buffer.from(frame);
      if (type === Backend.RowDescription) phase.columns = Buffer.from(frame);
    } else if (phase?.kind === 'commit' && type === Backend.CommandComplete)
      phase.lastTag = readCommandTag(frame);
  }

  #error(frame: Buffer, phase: Phase | undefined): void {
    const fields =
      (phase?.kind === 'answer' ? phase.reader.errorInstead : undefined) ?? readErrorFields(frame);
    if (fields.severityCode === 'FATAL' || fields.severityCode === 'PANIC') {
      this.#lose(fields.message, fields);
      return;
    }
    this.#failed = true;
    this.#sqlState = fields.code;
    if (phase === undefined) return;
    if (phase.kind === 'answer') phase.reader.error(frame, fields);
    else if (phase.kind === 'prelude' || phase.kind === 'check') phase.error = fields;
    else if (phase.kind === 'commit') {
      if (blameOf(fields.code) === 'fenced') this.#lose(fields.message, fields);
      else phase.options.sink.write(frame);
    }
  }

  #ready(status: number): void {
    this.#reader?.flush();
    this.#transaction =
      status === TransactionStatus.Idle ? 'none' : status === TransactionStatus.Open ? 'open' : 'failed';
    const phase = this.#phases.shift();
    if (phase === undefined) return;
    if (this.#failed && phase.kind !== 'prelude') this.#statements.forgetUnconfirmed();
    if (phase.kind === 'prelude') {
      // A setting that this member refuses: what follows would run under the wrong settings.
      if (phase.error !== undefined)
        this.#lose(`it could not be prepared for this session: ${phase.error.message}`, phase.error);
      return;
    }
    if (phase.kind === 'check') {
      this.#failed = false;
      const { statement, parameters, columns } = phase;
      const shape = parameters === undefined ? undefined : shapeOf(parameters, columns);
      const changed = shape !== undefined && shape.columns !== statement.shape?.columns;
      // Outside of a transaction it leaves no trace, and comes again.
      phase.done.resolve(changed ? shapeChanged : this.#transaction === 'failed' ? phase.error : undefined);
      return;
    }
    if (phase.kind === 'own') {
      this.#failed = false;
      phase.done.resolve(phase.value);
      return;
    }
    if (phase.kind === 'answer') {
      const done = this.#done;
      this.#done = undefined;
      done?.resolve(phase.reader.result(this.#failed, this.#sqlState));
      return;
    }
    // COMMIT of a transaction that had failed without our knowing answers ROLLBACK.
    if (phase.final && phase.lastTag !== 'COMMIT') this.#failed = true;
    const committed = this.#committed;
    this.#committed = undefined;
    committed?.resolve(this.#failed ? 'refused' : 'committed');
  }

  /** First the write set, in parts; then, when all of it is safely in hand, COMMIT. */
  async #commitLarge(options: CommitOptions): Promise<void> {
    const collector = this.#newCollector();
    const out = finishLarge(options, this.#statements, this.#settings.deferred());
    const finished = deferred<'committed' | 'refused'>();
    const committed = this.#committed;
    this.#committed = finished;
    this.#begin({ kind: 'commit', options, collector, final: false, lastTag: '' });
    this.#write(out);
    let outcome: 'committed' | 'refused';
    try {
      outcome = await finished.promise;
    } catch (error) {
      collector.discard();
      throw error;
    }
    this.#committed = committed;
    if (outcome === 'refused') {
      collector.discard();
      committed?.resolve('refused');
      return;
    }
    options.onWriteSet(await collector.finish());
    if (this.#lost !== undefined) throw this.#lost;
    this.#begin({ kind: 'commit', options, collector: undefined, final: true, lastTag: '' });
    this.#write([frontend.query('COMMIT')]);
  }

  #lose(why: string, fields?: ErrorFields): void {
    if (this.#lost !== undefined) return;
    const fatal = fields?.severityCode === 'FATAL' || fields?.severityCode === 'PANIC';
    const blame = fields === undefined ? 'gone' : blameOf(fields.code);
    const lost = new MemberError(
      this.memberId,
      fatal && blame === 'client' ? 'gone' : blame,
      `member ${this.memberId}: ${why}`,
      fields?.code,
    );
    this.#lost = lost;
    this.#connection.socket.destroy();
    const phases = this.#phases;
    this.#phases = [];
    for (const phase of phases) if (phase.kind === 'own' || phase.kind === 'check') phase.done.reject(lost);
    const done = this.#done;
    const committed = this.#committed;
    this.#done = undefined;
    this.#committed = undefined;
    done?.reject(lost);
    committed?.reject(lost);
    this.#listener.lost(lost);
  }
}
