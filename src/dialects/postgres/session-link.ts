/**
 * One connection of a client's session to one member. Bytes pass through in slices of what was read; only message
 * heads are looked at, and of the messages only those that say how the request goes.
 *
 * What it guarantees: a request is over when its ReadyForQuery was seen, and only then can the next begin; a FATAL
 * error or a closed socket is a lost link, never an answer; statements that others put in front (settings, BEGIN,
 * missing prepared statements) leave no trace in the client's answer.
 */

import { isUtf8 } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { deferred, messageOf } from '../../base/index.ts';
import type { Deferred } from '../../base/index.ts';
import {
  Backend,
  backend,
  Frontend,
  frontend,
  HEADER_BYTES,
  MessageFramer,
  readCommandTag,
  readDataRow,
  readErrorFields,
  readParameterDescription,
  readRowCount,
  tableOidOffsets,
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
import { sendCancel } from './connect.ts';
import type { Address, Connection } from './connect.ts';
import { blameOf, hintFor } from './errors.ts';
import type { OwnStatement, PostgresRequest, PreparedStatement } from './request.ts';
import { Descriptions, firstUserOid, parseAgain, shapeChanged, shapeOf } from './statement-shape.ts';
import { WriteSetCollector } from './write-set-collector.ts';
import { MemoryWriteSet } from './write-set.ts';

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
  | {
      readonly kind: 'answer';
      readonly sink: AnswerSink;
      readonly mayBeUnsuitable: RunOptions['mayBeUnsuitable'];
    }
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
  | {
      readonly kind: 'commit';
      readonly options: CommitOptions;
      /** Where the write set goes when it was asked for in parts. */
      readonly collector: WriteSetCollector | undefined;
      readonly final: boolean;
      lastTag: string;
    };

export class PostgresSessionLink implements SessionLink {
  readonly memberId: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly #address: Address;
  readonly #connection: Connection;
  readonly #settings: SessionLinkSettings;
  readonly #listener: SessionListener;
  readonly #framer: MessageFramer;
  readonly #sink: FrameSink;
  readonly #prepared = new Map<string, PreparedStatement>();
  readonly #own = new Set<string>();
  /** Names that the client has closed and this member still holds. */
  readonly #stale: string[] = [];
  #phases: Phase[] = [];
  /** Parse messages sent and not yet confirmed, in order. */
  #parses: { readonly statement: PreparedStatement | string; readonly injected: boolean }[] = [];
  readonly #descriptions = new Descriptions();
  #textBefore: Buffer | undefined;
  /** What the client is told instead of the error under way, which only follows from it. */
  #errorInstead: ErrorFields | undefined;
  /** CloseCompletes of our own to come before the client's. */
  #ownCloses = 0;
  #done: Deferred<Answer> | undefined;
  #committed: Deferred<'committed' | 'refused'> | undefined;
  #transaction: TransactionState = 'none';
  #lost: MemberError | undefined;
  #canceling: Promise<void> | undefined;
  #extended = false;

  // The answer under way.
  #failed = false;
  #sqlState: string | undefined;
  #digest = 0;
  #rows = 0;
  #unsuitable: Answer['unsuitable'];
  /** Neighbouring slices of one chunk, joined lazily. */
  #pending: { chunk: Buffer; start: number; end: number } | undefined;
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
      run: (type, frames, count) => this.#rowsArrived(type, frames, count),
      largeStart: (type, _total, head) => this.#largeStart(type, head),
      largeChunk: (chunk) => {
        if (this.#largePass) this.#forward(chunk);
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
    this.#textBefore = textBefore;
    // How the request before ended says nothing of what is sent ahead of this one.
    this.#failed = false;
    const out: Buffer[] = [];
    this.#closeStale(out);
    for (const own of options.settings as readonly OwnStatement[]) this.#prelude(own.sql, out);
    this.#errorInstead = undefined;
    this.#descriptions.clear();
    const unchecked = this.#unchecked(messages);
    const changed = unchecked.size === 0 ? undefined : await this.#check(unchecked, out);
    if (options.begin !== undefined) {
      this.#prelude((options.begin as OwnStatement).sql, out);
    }
    for (const message of messages) {
      if (protocol === 'simple') this.#prepared.delete('');
      if (message.kind === 'plain') {
        if (message.frame[0] === Frontend.Describe) this.#descriptions.asked(undefined);
        out.push(message.frame);
      } else if (message.kind === 'uses') {
        const { statement, frame } = message;
        if (protocol === 'simple') this.#needAhead(statement, out);
        else if (statement !== changed) this.#need(statement, out);
        if (frame[0] === Frontend.Describe) this.#descriptions.asked(statement);
        // One that nobody has ever prepared: the server passes over the rest, and its transaction has failed.
        out.push(statement === changed ? missingStatement : frame);
      } else {
        const { statement } = message;
        if (statement.name !== '' && this.#prepared.has(statement.name)) this.#closeOwn(statement.name, out);
        this.#prepared.set(statement.name, statement);
        this.#parses.push({ statement, injected: false });
        out.push(message.frame);
      }
    }
    if (protocol === 'extended' && rest === undefined) out.push(frontend.sync);
    this.#begin({ kind: 'answer', sink, mayBeUnsuitable: options.mayBeUnsuitable });
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
    const out: Buffer[] = [];
    if (this.#settings.deferred()) {
      this.#ownParse('lockstep_constraints', 'SET CONSTRAINTS ALL IMMEDIATE', out);
      out.push(frontend.bind({ statement: 'lockstep_constraints', values: [] }), frontend.execute());
    }
    const finish = `lockstep_finish_${options.slot}`;
    this.#ownParse(finish, `SELECT lockstep.finish_${options.slot}($1, $2)`, out);
    this.#ownParse('lockstep_commit', 'COMMIT', out);
    // The write set leaves the server before the commit happens: Flush stands between the two.
    out.push(
      frontend.bind({
        statement: finish,
        values: [String(options.csn), String(options.term)],
        resultFormats: [1],
      }),
      frontend.execute(),
      frontend.flush,
      frontend.bind({ statement: 'lockstep_commit', values: [] }),
      frontend.execute(),
      frontend.sync,
    );
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
    this.#prepared.delete('');
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
    if (!this.#prepared.delete(name) || name === '' || this.#lost !== undefined) return;
    this.#stale.push(name);
  }

  /** All prepared statements are gone here, ours among them. */
  forgetAll(): void {
    this.#prepared.clear();
    this.#own.clear();
    this.#stale.length = 0;
  }

  close(why = 'closed by Lockstep'): void {
    if (this.#lost === undefined && this.#phases.length === 0)
      this.#connection.socket.end(frontend.terminate);
    this.#lose(why);
  }

  #prelude(sql: string | Buffer, out: Buffer[]): void {
    out.push(frontend.query(sql));
    // A simple query takes the unnamed statement away.
    this.#prepared.delete('');
    this.#phases.push({ kind: 'prelude', error: undefined });
  }

  #begin(phase: Phase): void {
    this.#phases.push(phase);
    this.#failed = false;
    this.#sqlState = undefined;
    this.#digest = 0;
    this.#rows = 0;
    this.#unsuitable = undefined;
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

  #need(statement: PreparedStatement, out: Buffer[]): void {
    if (this.#prepared.get(statement.name) === statement) return;
    if (statement.name !== '' && this.#prepared.has(statement.name)) this.#closeOwn(statement.name, out);
    // One too large to be kept is prepared where it was first sent, and nowhere else: the server says that it is missing.
    const parse = parseAgain(statement);
    if (parse === undefined) return;
    this.#prepared.set(statement.name, statement);
    this.#parses.push({ statement, injected: true });
    out.push(parse);
  }

  /** What the client has had described and this member does not know yet. A nameless one is used at once. */
  #unchecked(messages: PostgresRequest['messages']): ReadonlySet<PreparedStatement> {
    const statements = new Set<PreparedStatement>();
    for (const message of messages) {
      if (message.kind !== 'uses' || message.statement.name === '' || message.statement.shape === undefined)
        continue;
      const { statement } = message;
      if (this.#prepared.get(statement.name) !== statement) statements.add(statement);
    }
    return statements;
  }

  /**
   * Prepares them ahead of everything else, and sees whether they still are what the client was told. Resolves to the
   * first that is not. What is sent before is taken from `out`.
   */
  async #check(
    statements: Iterable<PreparedStatement>,
    out: Buffer[],
  ): Promise<PreparedStatement | undefined> {
    for (const statement of statements) {
      this.#need(statement, out);
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
      this.#errorInstead = await done.promise;
      if (this.#errorInstead === shapeChanged) this.forget(statement.name);
      if (this.#errorInstead !== undefined)
        return this.#errorInstead === shapeChanged ? statement : undefined;
    }
    return undefined;
  }

  /** Before a simple query, which has no place for it. A failure is the query's to tell. */
  #needAhead(statement: PreparedStatement, out: Buffer[]): void {
    const ahead: Buffer[] = [];
    this.#need(statement, ahead);
    if (ahead.length > 0) this.#ahead(ahead, out);
  }

  #closeStale(out: Buffer[]): void {
    if (this.#stale.length === 0) return;
    const ahead: Buffer[] = [];
    for (const stale of this.#stale.splice(0)) this.#closeOwn(stale, ahead);
    this.#ahead(ahead, out);
  }

  #ahead(messages: readonly Buffer[], out: Buffer[]): void {
    out.push(...messages, frontend.sync);
    const done = deferred<string | undefined>();
    done.promise.catch(() => undefined);
    this.#phases.push({ kind: 'own', done, value: undefined });
  }

  #closeOwn(name: string, out: Buffer[]): void {
    this.#ownCloses += 1;
    out.push(frontend.close('statement', name));
  }

  #ownParse(name: string, sql: string, out: Buffer[]): void {
    if (this.#own.has(name)) return;
    this.#own.add(name);
    this.#parses.push({ statement: name, injected: true });
    out.push(frontend.parse({ name, query: sql }));
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
    this.#flush();
  }

  /** Sends what was joined. Called at the end of each chunk and before anything that must not overtake it. */
  #flush(): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    const phase = this.#phases[0];
    if (phase?.kind !== 'answer') return;
    const { chunk, start, end } = pending;
    const slice = start === 0 && end === chunk.length ? chunk : Buffer.from(chunk.buffer, start, end - start);
    if (!phase.sink.write(slice)) this.#pauseUntil(phase.sink.drained());
  }

  #pauseUntil(fetched: Promise<void>): void {
    const { socket } = this.#connection;
    socket.pause();
    void fetched.then(() => socket.resume());
  }

  #forward(frame: Buffer): void {
    const start = frame.byteOffset;
    const end = start + frame.length;
    const pending = this.#pending;
    if (pending !== undefined && pending.chunk.buffer === frame.buffer && pending.end === start) {
      pending.end = end;
      return;
    }
    this.#flush();
    this.#pending = { chunk: frame, start, end };
  }

  #rowsArrived(type: number, frames: Buffer, _count: number): void {
    const phase = this.#phases[0];
    if (phase === undefined) return;
    if (phase.kind === 'answer') {
      if (this.#unsuitable !== undefined) return;
      if (phase.mayBeUnsuitable === 'no') this.#digest = crc32(frames, this.#digest);
      this.#forward(frames);
    } else if (phase.kind === 'commit' && type === Backend.DataRow) {
      this.#writeSetArrived(phase, frames);
    } else if (phase.kind === 'own') {
      phase.value ??= readDataRow(frames)[0]?.toString();
    }
  }

  #writeSetArrived(phase: Phase & { kind: 'commit' }, frames: Buffer): void {
    for (let at = 0; at < frames.length; ) {
      const end = at + 1 + frames.readInt32BE(at + 1);
      const [payload] = readDataRow(frames.subarray(at, end));
      at = end;
      if (phase.collector !== undefined) {
        if (payload) phase.collector.add(payload);
      } else {
        // Copied: the slice would keep the whole chunk alive that was read from the socket.
        phase.options.onWriteSet(payload ? new MemoryWriteSet([Buffer.from(payload)]) : null);
      }
    }
  }

  #largeStart(type: number, head: Buffer): void {
    const phase = this.#phases[0];
    this.#largePass = phase?.kind === 'answer' && this.#unsuitable === undefined;
    if (type === Backend.ErrorResponse) this.#failed = true;
    if (this.#largePass) this.#forward(head);
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
    if (type === Backend.ParseComplete) {
      const parse = this.#parses.shift();
      if (typeof parse?.statement === 'object') parse.statement.confirmed = true;
      if (parse?.injected === true) return;
    }
    if (type === Backend.CloseComplete && this.#ownCloses > 0) {
      this.#ownCloses -= 1;
      return;
    }
    if (phase === undefined) return;
    if (phase.kind === 'prelude' || phase.kind === 'own') return;
    if (phase.kind === 'check') {
      if (type === Backend.ParameterDescription) phase.parameters = Buffer.from(frame);
      if (type === Backend.RowDescription) phase.columns = Buffer.from(frame);
      return;
    }
    if (phase.kind === 'commit') {
      if (type === Backend.CommandComplete) phase.lastTag = readCommandTag(frame);
      return;
    }
    this.#answerMessage(type, frame, phase);
  }

  #answerMessage(type: number, frame: Buffer, phase: Phase & { kind: 'answer' }): void {
    if (this.#unsuitable !== undefined) return;
    switch (type) {
      case Backend.CommandComplete: {
        if (phase.mayBeUnsuitable === 'no') this.#digest = crc32(frame, this.#digest);
        this.#rows += readRowCount(frame);
        if (phase.sink.passedOn && phase.sink.completing !== undefined) {
          this.#flush();
          phase.sink.completing();
        }
        break;
      }
      case Backend.NoData:
        this.#descriptions.columns(undefined);
        break;
      case Backend.RowDescription:
        this.#descriptions.columns(frame);
        if (phase.mayBeUnsuitable === 'any' && !phase.sink.passedOn && !this.#translate(frame)) return;
        break;
      case Backend.ParameterDescription:
        this.#descriptions.parameters(frame);
        if (
          phase.mayBeUnsuitable === 'any' &&
          !phase.sink.passedOn &&
          readParameterDescription(frame).typeOids.some((oid) => oid >= firstUserOid)
        ) {
          this.#giveUp('member-specific');
          return;
        }
        break;
      case Backend.CopyInResponse:
        this.#forward(frame);
        this.#flush();
        phase.sink.inputWanted();
        return;
      default:
    }
    this.#forward(frame);
  }

  /** Gives the columns the primary's table numbers. False: a type known by this member's number only. */
  #translate(frame: Buffer): boolean {
    for (const offset of tableOidOffsets(frame)) {
      if (frame.readUInt32BE(offset + 6) >= firstUserOid) {
        this.#giveUp('member-specific');
        return false;
      }
      const tableOid = frame.readUInt32BE(offset);
      if (tableOid >= firstUserOid) frame.writeUInt32BE(this.#settings.tableOid(tableOid), offset);
    }
    return true;
  }

  #giveUp(why: Answer['unsuitable']): void {
    this.#pending = undefined;
    this.#unsuitable = why;
  }

  #error(heard: Buffer, phase: Phase | undefined): void {
    const instead = phase?.kind === 'answer' ? this.#errorInstead : undefined;
    const frame = instead === undefined ? heard : backend.errorResponse(instead);
    const fields = readErrorFields(frame);
    if (fields.severityCode === 'FATAL' || fields.severityCode === 'PANIC') {
      this.#lose(fields.message, fields);
      return;
    }
    this.#failed = true;
    this.#sqlState = fields.code;
    if (phase === undefined) return;
    if (phase.kind === 'prelude' || phase.kind === 'check') {
      phase.error = fields;
      return;
    }
    if (phase.kind === 'own') return;
    if (phase.kind === 'commit') {
      if (blameOf(fields.code) === 'fenced') this.#lose(fields.message, fields);
      else phase.options.sink.write(frame);
      return;
    }
    if (this.#unsuitable !== undefined) return;
    if (phase.mayBeUnsuitable !== 'no' && !phase.sink.passedOn && fields.code === '25006') {
      this.#giveUp('writes');
      return;
    }
    this.#digest = crc32(fields.code, this.#digest);
    const hint = fields.hint === undefined ? hintFor(fields.code) : undefined;
    const position = this.#positionIn(fields);
    const changed = { ...(hint !== undefined && { hint }), ...(position !== undefined && { position }) };
    this.#forward(
      Object.keys(changed).length === 0 ? frame : backend.errorResponse({ ...fields, ...changed }),
    );
  }

  /** In the client's whole text, where the member was given a part of it. */
  #positionIn({ position }: ErrorFields): string | undefined {
    if (position === undefined || this.#textBefore === undefined) return undefined;
    return String(Number(position) + charactersIn(this.#textBefore));
  }

  #ready(status: number): void {
    this.#flush();
    this.#transaction =
      status === TransactionStatus.Idle ? 'none' : status === TransactionStatus.Open ? 'open' : 'failed';
    const phase = this.#phases.shift();
    if (phase === undefined) return;
    if (this.#failed && phase.kind !== 'prelude') this.#forgetUnconfirmed();
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
      done?.resolve({
        failed: this.#failed,
        sqlState: this.#sqlState,
        digest: this.#digest,
        rows: this.#rows,
        unsuitable: this.#unsuitable,
      });
      return;
    }
    // COMMIT of a transaction that had failed without our knowing answers ROLLBACK.
    if (phase.final && phase.lastTag !== 'COMMIT') this.#failed = true;
    const committed = this.#committed;
    this.#committed = undefined;
    committed?.resolve(this.#failed ? 'refused' : 'committed');
  }

  /** After an error the server skipped the rest: what was to be prepared there is not. */
  #forgetUnconfirmed(): void {
    for (const { statement } of this.#parses.splice(0)) {
      if (typeof statement === 'string') this.#own.delete(statement);
      else if (this.#prepared.get(statement.name) === statement) this.#prepared.delete(statement.name);
    }
    this.#ownCloses = 0;
  }

  /** First the write set, in parts; then, when all of it is safely in hand, COMMIT. */
  async #commitLarge(options: CommitOptions): Promise<void> {
    const collector = this.#newCollector();
    const out: Buffer[] = [];
    if (this.#settings.deferred()) {
      this.#parses.push({ statement: '', injected: true });
      out.push(
        frontend.parse({ query: 'SET CONSTRAINTS ALL IMMEDIATE' }),
        frontend.bind({ values: [] }),
        frontend.execute(),
      );
    }
    out.push(
      frontend.parse({ query: 'SELECT lockstep.finish_large($1, $2, $3)' }),
      frontend.bind({
        values: [String(options.csn), String(options.term), String(options.slot)],
        resultFormats: [1],
      }),
      frontend.execute(),
      frontend.sync,
    );
    this.#parses.push({ statement: '', injected: true });
    this.#prepared.delete('');
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
    this.#pending = undefined;
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

/** As the server counts them, where each byte is one or the text is UTF-8. */
function charactersIn(text: Buffer): number {
  return isUtf8(text) ? Array.from(text.toString()).length : text.length;
}
