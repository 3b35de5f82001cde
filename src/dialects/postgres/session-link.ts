/**
 * One connection of a client's session to one member. Bytes pass through in slices of what was read; only message
 * heads are looked at, and of the messages only those that say how the request goes.
 *
 * What it guarantees: a request is over when its ReadyForQuery was seen, and only then can the next begin; a FATAL
 * error or a closed socket is a lost link, never an answer; statements that others put in front (settings, BEGIN,
 * missing prepared statements) leave no trace in the client's answer.
 */

import { deferred } from '../../base/index.ts';
import type { judgeNested, NestedReading } from '../../sql/index.ts';
import { backend, Frontend, frontend } from '../../wire/postgres/index.ts';
import type { ErrorFields } from '../../wire/postgres/index.ts';
import { MemberError } from '../contract.ts';
import type {
  Answer,
  AnswerSink,
  CommitOptions,
  RunOptions,
  SessionLink,
  SessionListener,
  SoFar,
  TransactionState,
  WriteSet,
} from '../contract.ts';
import type { Spool } from '../spool.ts';
import { AnswerReader } from './answer-reader.ts';
import { sendCancel } from './connect.ts';
import type { Address, Connection } from './connect.ts';
import { blameOf } from './errors.ts';
import type { ControlFunctions } from './control-functions.ts';
import { stackOf } from './control-nested.ts';
import {
  finishAndCommit,
  finishLarge,
  largeParts,
  newToken,
  readSoFar,
  recordJudged,
  recordSoFar,
} from './link-commit.ts';
import type { AdmittedStatement, CommitMessages, CommitPhase, Unjudged } from './link-commit.ts';
import { LinkReceiver } from './link-receiver.ts';
import type { Phase } from './link-receiver.ts';
import { LinkStatements } from './link-statements.ts';
import type { ControlCall, OwnStatement, PostgresRequest, PreparedStatement } from './request.ts';
import { shapeChanged } from './statement-shape.ts';
import { WriteSetCollector } from './write-set-collector.ts';

/** What goes around a client's request. */
type OwnRequest = PostgresRequest | ControlCall;

/** A name that no statement has. */
const missingStatement = frontend.bind({ statement: 'lockstep_missing', values: [] });

export interface SessionLinkSettings {
  readonly maxMessageBytes: number;
  /** Collects a write set that is too large for memory. */
  readonly spool: () => Spool;
  /** Something may be deferred to COMMIT; it then has to happen before the write set is taken. */
  readonly deferred: () => boolean;
  /** This server's number of a table → the primary's, 0 when unknown. */
  readonly tableOid: (oid: number) => number;
  /** How this member calls the functions of the control schema. */
  readonly functions: ControlFunctions;
  /** It may build an index from here on, in transactions of its own; or does so no more. */
  readonly builds: (link: PostgresSessionLink, begins: boolean) => void;
  /** By the schema as it is known. */
  readonly judgeNested: (stack: Buffer, reading: NestedReading) => ReturnType<typeof judgeNested>;
}

export class PostgresSessionLink implements SessionLink {
  readonly memberId: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly #address: Address;
  readonly #connection: Connection;
  readonly #settings: SessionLinkSettings;
  readonly #listener: SessionListener;
  readonly #receiver: LinkReceiver;
  readonly #statements = new LinkStatements();
  readonly #slow = (fetched: Promise<void>): void => this.#receiver.pauseUntil(fetched);
  #lost: MemberError | undefined;
  #canceling: Promise<void> | undefined;
  #extended = false;
  #streaming = false;
  /** What this connection collects changes in was emptied by the client's code. */
  #emptied = false;

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
    this.#receiver = new LinkReceiver({
      connection,
      maxMessageBytes: settings.maxMessageBytes,
      statements: this.#statements,
      newCollector: () => this.#newCollector(),
      unasked: (frame) => listener.unasked(memberId, frame),
      emptied: () => (this.#emptied = true),
      lose: (why, fields) => this.#lose(why, fields),
    });
    const { socket } = connection;
    socket.on('data', (chunk: Buffer) => this.#receiver.receive(chunk));
    socket.on('error', (error) => this.#lose(error.message));
    socket.on('close', () => this.#lose('the connection was closed'));
    socket.resume();
  }

  get transaction(): TransactionState {
    return this.#receiver.transaction;
  }

  get lost(): MemberError | undefined {
    return this.#lost;
  }

  get pid(): number {
    return this.#connection.pid;
  }

  /** It is the client's turn, who may take his time: the member has not got all that it was told to expect. */
  get awaitsInput(): boolean {
    return this.#streaming || this.#receiver.wantsData;
  }

  /** Makes it a session of the node's: its changes are collected from here on. To be called before anything else. */
  async open(): Promise<void> {
    if (this.#lost !== undefined) throw this.#lost;
    const out: Buffer[] = [];
    const opened = this.#expectOpen(out);
    this.#write(out);
    await opened;
  }

  async run(request: unknown, sink: AnswerSink, options: RunOptions): Promise<Answer> {
    if (this.#canceling !== undefined) await this.#canceling;
    if (this.#lost !== undefined) throw this.#lost;
    const asked = request as PostgresRequest | ControlCall;
    const out: Buffer[] = [];
    this.#receiver.clear();
    if (this.#emptied && this.transaction === 'none') {
      this.#emptied = false;
      this.#expectOpen(out).catch(() => undefined);
    }
    this.#closeStale(out);
    for (const own of options.settings as readonly OwnStatement[]) this.#setting(own, out);
    if (asked.protocol === 'call') {
      if (asked.name === 'begin_building') this.#settings.builds(this, true);
      const answer = await this.#call(asked, sink, options, out);
      if (asked.name === 'end_building' && !answer.failed) this.#settings.builds(this, false);
      return answer;
    }
    const { mayBeUnsuitable } = options;
    const { textBefore } = asked;
    const reader = new AnswerReader(sink, mayBeUnsuitable, textBefore, this.#settings.tableOid, this.#slow);
    if (asked.explains) reader.explains = true;
    const { ahead, behind } = options;
    if (ahead !== undefined) this.#sendAhead(ahead as readonly OwnRequest[], reader, options.begin, out);
    const begin = ahead === undefined ? options.begin : undefined;
    const unchecked = this.#statements.unchecked(asked.messages);
    const changed = unchecked === undefined ? undefined : await this.#check(unchecked, out, reader);
    return await this.#send(asked, reader, { begin, changed, behind: behind as readonly ControlCall[] }, out);
  }

  #sendAhead(ahead: readonly OwnRequest[], reader: AnswerReader, begin: unknown, out: Buffer[]): void {
    if (begin !== undefined) this.#prelude((begin as OwnStatement).sql, out);
    this.#receiver.clear();
    for (const own of ahead) {
      if (own.protocol === 'call') out.push(this.#settings.functions.call(own.name, own.values));
      else {
        this.#statements.unnamedGone();
        out.push(...own.messages.map(({ frame }) => frame));
      }
      this.#receiver.expect({ kind: 'ahead', reader });
    }
  }

  #call(call: ControlCall, sink: AnswerSink, options: RunOptions, out: Buffer[]): Promise<Answer> {
    const reader = new AnswerReader(sink, 'no', undefined, this.#settings.tableOid, this.#slow);
    if (options.begin !== undefined) this.#prelude((options.begin as OwnStatement).sql, out);
    out.push(this.#settings.functions.call(call.name, call.values));
    this.#extended = false;
    const done = deferred<Answer>();
    this.#begin({ kind: 'answer', reader, done, quiet: true, statements: 1, behind: 0, given: false });
    this.#write(out);
    return done.promise;
  }

  #send(
    { messages, protocol, rest }: PostgresRequest,
    reader: AnswerReader,
    {
      begin,
      changed,
      behind = [],
    }: {
      readonly begin: unknown;
      readonly changed: PreparedStatement | undefined;
      readonly behind: readonly ControlCall[] | undefined;
    },
    out: Buffer[],
  ): Promise<Answer> {
    let statements = protocol === 'simple' ? 1 : 0;
    if (begin !== undefined) this.#prelude((begin as OwnStatement).sql, out);
    for (const message of messages) {
      if (protocol === 'simple') this.#statements.unnamedGone();
      if (message.kind === 'plain') {
        if (message.frame[0] === Frontend.Describe) reader.descriptions.asked(undefined);
        else if (message.frame[0] === Frontend.Execute) statements += 1;
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
    this.#extended = protocol === 'extended';
    const done = deferred<Answer>();
    for (const call of behind) out.push(this.#settings.functions.call(call.name, call.values));
    const ofClient = { quiet: false, given: false } as const;
    this.#begin({ kind: 'answer', reader, done, statements, behind: behind.length, ...ofClient });
    this.#write(out);
    if (rest === undefined) return done.promise;
    // Lost while the client still sends, it has nobody yet who waits for it.
    done.promise.catch(() => undefined);
    return this.#stream(rest, protocol === 'extended').then(() => done.promise);
  }

  async commit(options: CommitOptions): Promise<'committed' | 'refused'> {
    if (this.#canceling !== undefined) await this.#canceling;
    if (this.#lost !== undefined) throw this.#lost;
    if (options.large) return await this.#commitLarge(options);
    const { functions } = this.#settings;
    const token = newToken();
    const messages = finishAndCommit(options, functions, { deferred: this.#settings.deferred(), token });
    return await this.#commitStep({ options, collector: undefined, token }, messages).outcome;
  }

  async rollback(): Promise<void> {
    if (this.transaction !== 'none') await this.#ownStatement('ROLLBACK');
  }

  async endReadOnly(): Promise<void> {
    await this.#ownStatement('COMMIT');
  }

  async pendingBytes(): Promise<number> {
    return Number(await this.#ownStatement('SELECT lockstep.pending_bytes()'));
  }

  async writeSetSoFar(bytesMax: number, sink: AnswerSink): Promise<SoFar | 'refused'> {
    if (this.#canceling !== undefined) await this.#canceling;
    if (this.#lost !== undefined) throw this.#lost;
    const { functions, judgeNested } = this.#settings;
    const soFar = await this.#soFar(recordSoFar(functions, bytesMax), sink);
    if (soFar === 'refused' || !('unjudged' in soFar)) return soFar;
    const admitted: AdmittedStatement[] = [];
    for (const { seq, standardStrings, stack } of soFar.unjudged) {
      const judgement = judgeNested(stack, { after: stackOf.after, standardStrings });
      if ('refusal' in judgement) {
        const { message, hint, sqlState: code } = judgement.refusal;
        sink.write(
          backend.errorResponse({
            severity: 'ERROR',
            severityCode: 'ERROR',
            code,
            message,
            ...(hint && { hint }),
          }),
        );
        return 'refused';
      }
      admitted.push({ seq, length: judgement.length });
    }
    const judged = await this.#soFar(recordJudged(functions, bytesMax, admitted), sink);
    if (judged === 'refused' || !('unjudged' in judged)) return judged;
    throw this.#lose('it wants judged again what is judged');
  }

  async #soFar(messages: CommitMessages, sink: AnswerSink): Promise<SoFar | Unjudged | 'refused'> {
    const answer = await this.#called(messages, sink);
    return answer === 'refused' ? 'refused' : await readSoFar(answer);
  }

  /** Calls before the transaction ends; what the last of them answers. */
  async #called(messages: CommitMessages, sink: AnswerSink): Promise<WriteSet | null | 'refused'> {
    let found: WriteSet | null = null;
    const options: CommitOptions = {
      csn: 0,
      term: 0,
      slot: 0,
      large: false,
      onWriteSet: (writeSet) => (found = writeSet),
      onLatePart: () => undefined,
      sink,
    };
    const { outcome } = this.#commitStep({ options, collector: undefined, token: newToken() }, messages);
    return (await outcome) === 'refused' ? 'refused' : found;
  }

  /** A question of the front's own between requests. Undefined: it is refused. */
  firstValue(sql: string): Promise<string | undefined> {
    return this.#ownStatement(sql);
  }

  /** A statement of our own between requests; its first value. */
  async #ownStatement(sql: string): Promise<string | undefined> {
    if (this.#canceling !== undefined) await this.#canceling;
    if (this.#lost !== undefined) throw this.#lost;
    const done = deferred<string | undefined>();
    this.#begin({ kind: 'own', done, statements: 1, value: undefined });
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
    if (sync && !(this.#receiver.failed && this.#extended)) return false;
    this.#receiver.dataEnd();
    if (this.#lost === undefined)
      this.#connection.socket.write(this.#extended && !sync ? Buffer.concat([frame, frontend.sync]) : frame);
    return true;
  }

  cancel(): Promise<void> {
    if (!this.#receiver.answering || this.#lost !== undefined) return Promise.resolve();
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

  /** A statement of the client's has emptied what changes are collected in: before the next request it is opened again. */
  registerEmptied(): void {
    this.#emptied = true;
  }

  close(why = 'closed by Lockstep'): void {
    if (this.#lost === undefined && this.#receiver.idle) this.#connection.socket.end(frontend.terminate);
    this.#lose(why);
  }

  #setting({ sql, emptiesRegister }: OwnStatement, out: Buffer[]): void {
    this.#prelude(sql, out);
    if (emptiesRegister) this.#expectOpen(out).catch(() => undefined);
  }

  #expectOpen(out: Buffer[]): Promise<void> {
    out.push(this.#settings.functions.call('open_session', []));
    const done = deferred();
    this.#receiver.expect({ kind: 'open', done, error: undefined });
    return done.promise;
  }

  #prelude(sql: string | Buffer, out: Buffer[]): void {
    out.push(frontend.query(sql));
    this.#statements.unnamedGone();
    this.#receiver.expect({ kind: 'prelude', error: undefined });
  }

  /** Throws where the link was lost meanwhile, for example by what came right behind the answer before: nobody would end the phase. */
  #begin(phase: Phase): void {
    if (this.#lost !== undefined) throw this.#lost;
    this.#receiver.expect(phase);
    this.#receiver.clear();
  }

  #write(out: readonly Buffer[]): void {
    const { socket } = this.#connection;
    const [only] = out;
    socket.write(out.length === 1 && only !== undefined ? only : Buffer.concat(out));
  }

  async #stream(rest: AsyncIterable<Buffer>, extended: boolean): Promise<void> {
    this.#streaming = true;
    try {
      for await (const chunk of rest) {
        if (this.#lost !== undefined) continue;
        if (!this.#connection.socket.write(chunk)) await this.inputDrained();
      }
    } finally {
      this.#streaming = false;
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
      this.#receiver.expect({
        kind: 'check',
        statement,
        done,
        parameters: undefined,
        columns: undefined,
        error: undefined,
      });
      this.#write([...out.splice(0), frontend.describe('statement', statement.name), frontend.sync]);
      const error = await done.promise;
      reader.errorInstead ??= error;
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
    this.#receiver.expect({ kind: 'own', done, statements: 0, value: undefined });
  }

  #newCollector(): WriteSetCollector {
    const { socket } = this.#connection;
    return new WriteSetCollector(this.#settings.spool(), {
      pause: () => void socket.pause(),
      resume: () => void socket.resume(),
    });
  }

  /** First the write set, in parts; then, when all of it is safely in hand, COMMIT. */
  async #commitLarge(options: CommitOptions): Promise<'committed' | 'refused'> {
    const { functions } = this.#settings;
    const token = newToken();
    const finish = finishLarge(options, functions, { deferred: this.#settings.deferred(), token });
    const { phase, outcome } = this.#commitStep({ options, collector: undefined, token }, finish);
    if ((await outcome) === 'refused') return 'refused';
    const collector = this.#newCollector();
    try {
      for (let from = 1; from <= phase.partCount; ) {
        const parts = largeParts(options, functions, { from, to: phase.partCount });
        if ((await this.#commitStep({ options, collector, token }, parts).outcome) === 'refused') {
          collector.discard();
          return 'refused';
        }
        from = parts.upTo + 1;
      }
    } catch (error) {
      collector.discard();
      throw error;
    }
    options.onWriteSet(await collector.finish());
    if (this.#lost !== undefined) throw this.#lost;
    const commit: CommitMessages = { stages: ['commit'], messages: [frontend.query('COMMIT')] };
    return await this.#commitStep({ options, collector: undefined, token }, commit).outcome;
  }

  #commitStep(
    step: Pick<CommitPhase, 'options' | 'collector' | 'token'>,
    { stages, messages }: CommitMessages,
  ): { readonly phase: CommitPhase; readonly outcome: Promise<'committed' | 'refused'> } {
    const done = deferred<'committed' | 'refused'>();
    const phase: CommitPhase = {
      kind: 'commit',
      ...step,
      stages,
      done,
      answered: false,
      told: false,
      partCount: 0,
    };
    this.#begin(phase);
    this.#statements.unnamedGone();
    this.#write(messages);
    return { phase, outcome: done.promise };
  }

  /** What it is lost with. */
  #lose(why: string, fields?: ErrorFields): MemberError {
    if (this.#lost !== undefined) return this.#lost;
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
    this.#receiver.fail(lost);
    this.#listener.lost(lost);
    return lost;
  }
}
