/**
 * What a member sends on a session's connection: message after message, each for the phase that comes next. A phase is over
 * when its ReadyForQuery was seen.
 */

import { messageOf } from '../../base/index.ts';
import type { Deferred } from '../../base/index.ts';
import {
  Backend,
  HEADER_BYTES,
  MessageFramer,
  readCommandTag,
  readDataRow,
  readErrorFields,
  TransactionStatus,
} from '../../wire/postgres/index.ts';
import type { ErrorFields, FrameSink } from '../../wire/postgres/index.ts';
import type { MemberError, Answer, TransactionState } from '../contract.ts';
import type { AnswerReader } from './answer-reader.ts';
import type { Connection } from './connect.ts';
import { blameOf } from './errors.ts';
import { isLatePart, takeResult } from './link-commit.ts';
import type { CommitPhase } from './link-commit.ts';
import type { LinkStatements } from './link-statements.ts';
import type { PreparedStatement } from './request.ts';
import { sqlStates } from './sql-states.ts';
import { shapeChanged, shapeOf } from './statement-shape.ts';
import type { WriteSetCollector } from './write-set-collector.ts';

/** One ReadyForQuery that is owed, and what to do with the messages before it. */
export type Phase =
  /** Its answer nobody sees; it must not fail. */
  | { readonly kind: 'prelude'; error: ErrorFields | undefined }
  /** A request of our own in front of the client's: of its answer only the error is seen, instead of the one that follows from it. */
  | { readonly kind: 'ahead'; readonly reader: AnswerReader }
  /** The first call on the connection. */
  | { readonly kind: 'open'; readonly done: Deferred; error: ErrorFields | undefined }
  | {
      readonly kind: 'answer';
      readonly reader: AnswerReader;
      readonly done: Deferred<Answer>;
      /** Of a call of our own: what the server remarks while it runs is for nobody's eyes. */
      quiet: boolean;
      /** So many statements at least are carried out, unless one fails. */
      statements: number;
      /** So many calls of our own are still to come behind it. */
      behind: number;
      /** The answer has been given; what comes belongs to a call behind it. */
      given: boolean;
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
  /** A statement of our own: its first value. */
  | {
      readonly kind: 'own';
      readonly done: Deferred<string | undefined>;
      readonly statements: number;
      value: string | undefined;
    }
  | CommitPhase;

export interface LinkReceiverParts {
  readonly connection: Connection;
  readonly maxMessageBytes: number;
  readonly statements: LinkStatements;
  newCollector(): WriteSetCollector;
  /** A message outside of any answer. A promise: nothing more should come before it resolves. */
  unasked(frame: Buffer): Promise<void> | undefined;
  /** A statement was refused because what its connection collects changes in is gone. */
  emptied(): void;
  /** The link is of no use any more. */
  lose(why: string, fields?: ErrorFields): void;
}

/** Messages above this are passed on in pieces. */
const wholeUpToBytes = 256 * 1024;

/** A statement has come to its end, or to a pause. */
const completions: ReadonlySet<number> = new Set([
  Backend.CommandComplete,
  Backend.EmptyQueryResponse,
  Backend.PortalSuspended,
  Backend.FunctionCallResponse,
]);

/** Whoever says so: it only makes the node look. */
function saysSchemaChanged(frame: Buffer): boolean {
  return readErrorFields(frame).code === sqlStates.schemaChanged;
}

const outOfTurn = 'it said what nobody had asked for';

export class LinkReceiver {
  readonly #parts: LinkReceiverParts;
  readonly #framer: MessageFramer;
  readonly #sink: FrameSink;
  #phases: Phase[] = [];
  #transaction: TransactionState = 'none';
  /** Of the request under way. */
  #failed = false;
  #sqlState: string | undefined;
  /** Of the phase that comes now: how many statements were carried out. */
  #completed = 0;
  /** The message that comes in pieces is the client's. */
  #largePass = false;
  /** The pieces so far of an error that is not part of an answer: of a COMMIT, say. */
  #largeError: Buffer[] | undefined;
  /** A write set too large to be held, on its way into the spool. */
  #collector: WriteSetCollector | undefined;
  #wantsData = false;
  /** Code of the statement under way has changed the schema. */
  #schemaChanged = false;
  /** By our own functions, in this transaction. */
  readonly #told = new Set<string>();

  constructor(parts: LinkReceiverParts) {
    this.#parts = parts;
    this.#framer = new MessageFramer({
      maxMessageBytes: parts.maxMessageBytes,
      wholeUpToBytes,
      runTypes: [Backend.DataRow, Backend.CopyData],
    });
    this.#sink = {
      message: (type, frame) => this.#message(type, frame),
      run: (type, frames) => this.#rowsArrived(type, frames),
      largeStart: (type, _total, head) => this.#largeStart(type, head),
      largeChunk: (chunk) => {
        if (this.#largePass) this.#reader?.forward(chunk);
        this.#largeError?.push(Buffer.from(chunk));
        this.#collector?.add(chunk);
      },
      largeEnd: () => this.#largeEnds(),
    };
  }

  get transaction(): TransactionState {
    return this.#transaction;
  }

  /** The request under way has met an error. */
  get failed(): boolean {
    return this.#failed;
  }

  /** The member waits for data that the client has not ended yet. */
  get wantsData(): boolean {
    return this.#wantsData;
  }

  dataEnd(): void {
    this.#wantsData = false;
  }

  /** Nothing is owed. */
  get idle(): boolean {
    return this.#phases.length === 0;
  }

  /** A request of the client's is under way. */
  get answering(): boolean {
    return this.#phases.some(({ kind }) => kind === 'answer');
  }

  /** How the request before ended says nothing of what is sent next. */
  clear(): void {
    this.#failed = false;
    this.#sqlState = undefined;
  }

  /** Sent behind what is expected already. */
  expect(phase: Phase): void {
    this.#phases.push(phase);
  }

  receive(chunk: Buffer): void {
    this.#deliver(() => this.#framer.push(chunk, this.#sink));
  }

  /** Nothing more will come. */
  fail(error: MemberError): void {
    for (const phase of this.#phases.splice(0))
      if (phase.kind !== 'prelude' && phase.kind !== 'ahead') phase.done.reject(error);
  }

  /** Reads nothing more until then. */
  pauseUntil(fetched: Promise<void>): void {
    const { socket } = this.#parts.connection;
    socket.pause();
    void fetched.then(() => socket.resume());
  }

  /** Of the answer that comes now. */
  get #reader(): AnswerReader | undefined {
    const phase = this.#phases[0];
    return phase?.kind === 'answer' ? phase.reader : undefined;
  }

  #deliver(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#parts.lose(error instanceof Error ? error.message : String(error));
      return;
    }
    this.#reader?.flush();
  }

  #rowsArrived(type: number, frames: Buffer): void {
    const phase = this.#phases[0];
    if (phase === undefined) return this.#parts.lose(outOfTurn);
    if (phase.kind === 'answer' && phase.given) this.#parts.lose(outOfTurn);
    else if (phase.kind === 'answer') phase.reader.rows(frames);
    else if (phase.kind === 'own' && type === Backend.DataRow)
      phase.value ??= readDataRow(frames)[0]?.toString();
  }

  #largeStart(type: number, head: Buffer): void {
    const phase = this.#phases[0];
    if (phase === undefined) return this.#parts.lose(outOfTurn);
    this.#largePass = phase.kind === 'answer' && !phase.given && !phase.reader.givenUp;
    if (type === Backend.ErrorResponse) {
      this.#failed = true;
      this.#wantsData = false;
    }
    if (type === Backend.ErrorResponse && phase.kind !== 'answer') this.#largeError = [Buffer.from(head)];
    if (this.#largePass) this.#reader?.forward(head);
    if (phase.kind !== 'commit' || type !== Backend.FunctionCallResponse) return;
    this.#collector = phase.collector ?? this.#parts.newCollector();
    // It is not NULL: the head of the message, then the length.
    this.#collector.add(head.subarray(HEADER_BYTES + 4));
  }

  #largeEnds(): void {
    const collector = this.#collector;
    const pieces = this.#largeError;
    const phase = this.#phases[0];
    this.#collector = undefined;
    this.#largeError = undefined;
    if (pieces !== undefined) this.#error(Buffer.concat(pieces), phase);
    if (collector === undefined || phase?.kind !== 'commit') return;
    phase.answered = true;
    if (phase.collector !== undefined) return;
    // The commit is on its way behind it, and is not looked at before the write set is safely in hand.
    this.#framer.halt();
    collector.finish().then(
      (writeSet) => {
        phase.options.onWriteSet(writeSet);
        this.#deliver(() => this.#framer.resume(this.#sink));
      },
      // The member has it in its log.
      (error: unknown) => this.#parts.lose(`a write set could not be kept: ${messageOf(error)}`),
    );
  }

  #message(type: number, frame: Buffer): void {
    const phase = this.#phases[0];
    if (type === Backend.ReadyForQuery) {
      this.#ready(frame[5] as number);
      return;
    }
    if (type === Backend.NoticeResponse && this.#isOurs(frame, phase)) return;
    if (
      type === Backend.ParameterStatus ||
      type === Backend.NotificationResponse ||
      (type === Backend.NoticeResponse && phase?.kind !== 'answer')
    ) {
      const fetched = this.#parts.unasked(frame);
      // The fate of a commit is not kept from those who wait for it.
      if (fetched !== undefined && phase?.kind !== 'commit') this.pauseUntil(fetched);
      return;
    }
    if (type === Backend.ErrorResponse) {
      this.#error(frame, phase);
      return;
    }
    if (phase === undefined) return this.#parts.lose(outOfTurn);
    if (completions.has(type)) this.#completed += 1;
    if (type === Backend.ParseComplete && this.#parts.statements.parsed()) return;
    if (type === Backend.CloseComplete && this.#parts.statements.closed()) return;
    if (phase.kind === 'answer') {
      if (type === Backend.CopyInResponse) {
        if (!phase.reader.mayTakeInput) return this.#parts.lose(outOfTurn);
        this.#wantsData = true;
      }
      if (phase.given && type !== Backend.FunctionCallResponse && type !== Backend.NoticeResponse)
        return this.#parts.lose(outOfTurn);
      if (type !== Backend.FunctionCallResponse) phase.reader.message(type, frame);
    } else if (phase.kind === 'check') {
      if (type === Backend.ParameterDescription) phase.parameters = Buffer.from(frame);
      if (type === Backend.RowDescription) phase.columns = Buffer.from(frame);
    } else if (phase.kind === 'commit') this.#commitMessage(phase, type, frame);
  }

  #commitMessage(phase: CommitPhase, type: number, frame: Buffer): void {
    if (type === Backend.FunctionCallResponse) takeResult(phase, frame);
    if (type !== Backend.CommandComplete) return;
    phase.answered = true;
    // COMMIT of a transaction that had failed without our knowing answers ROLLBACK.
    if (phase.stages[0] === 'commit' && readCommandTag(frame) !== 'COMMIT') this.#failed = true;
  }

  /** Remarks on what we do ourselves are not the client's to see; those of its own code that COMMIT runs are. */
  #isOurs(frame: Buffer, phase: Phase | undefined): boolean {
    if (phase === undefined) return false;
    if ((phase.kind === 'answer' || phase.kind === 'commit') && saysSchemaChanged(frame)) {
      this.#schemaChanged = true;
      return true;
    }
    if (phase.kind === 'answer') return phase.quiet && !this.#isNews(frame);
    if (phase.kind === 'ahead') return !this.#isNews(frame);
    if (phase.kind !== 'commit') return true;
    const [stage] = phase.stages;
    if (stage !== 'commit') return stage !== 'constraints';
    const late = isLatePart(phase, readErrorFields(frame));
    if (late) phase.options.onLatePart();
    return late;
  }

  /** What our own functions tell the client, once in a transaction. No code of clients runs in a call of ours. */
  #isNews(frame: Buffer): boolean {
    const { code, message } = readErrorFields(frame);
    if (code !== sqlStates.unrepeatable || this.#told.has(message)) return false;
    this.#told.add(message);
    return true;
  }

  #error(frame: Buffer, phase: Phase | undefined): void {
    const fields =
      (phase?.kind === 'answer' ? phase.reader.errorInstead : undefined) ?? readErrorFields(frame);
    if (fields.severityCode === 'FATAL' || fields.severityCode === 'PANIC') {
      this.#parts.lose(fields.message, fields);
      return;
    }
    // What comes behind an error only says that the transaction has failed.
    if (phase?.kind === 'answer' && phase.given && this.#failed) return;
    this.#failed = true;
    this.#wantsData = false;
    this.#sqlState = fields.code;
    if (phase === undefined) return;
    if (phase.kind === 'answer' || phase.kind === 'ahead') {
      if (fields.code === sqlStates.aroundLockstep || fields.code === sqlStates.recordLost)
        this.#parts.emptied();
      if (phase.kind === 'ahead') phase.reader.errorInstead ??= fields;
      else phase.reader.error(frame, fields);
    } else if (phase.kind === 'prelude' || phase.kind === 'check' || phase.kind === 'open')
      phase.error = fields;
    else if (phase.kind === 'commit') {
      // Elsewhere the client's own code may say so.
      const calls = phase.stages[0] !== 'constraints' && phase.stages[0] !== 'commit';
      if (calls && blameOf(fields.code) === 'fenced') this.#parts.lose(fields.message, fields);
      // What comes behind it only says that the transaction has failed.
      else if (!phase.told) phase.options.sink.write(frame);
      phase.told = true;
    }
  }

  /** What a phase is for has been said, or that it failed. A member that is out of step would answer the next for this one. */
  #isDue(phase: Phase): boolean {
    if (this.#failed) return true;
    switch (phase.kind) {
      case 'prelude':
        return this.#completed > 0;
      case 'check':
        return phase.parameters !== undefined;
      case 'commit':
        return phase.answered;
      case 'open':
      case 'ahead':
        return this.#completed > 0;
      default:
        return this.#completed >= phase.statements;
    }
  }

  #ready(status: number): void {
    const phase = this.#phases[0];
    if (phase === undefined || !this.#isDue(phase)) return this.#parts.lose(outOfTurn);
    this.#reader?.flush();
    this.#transaction =
      status === TransactionStatus.Idle ? 'none' : status === TransactionStatus.Open ? 'open' : 'failed';
    this.#completed = 0;
    if (this.#transaction === 'none') this.#told.clear();
    if (phase.kind === 'commit' && phase.stages.length > 1) {
      phase.stages.shift();
      phase.answered = false;
      return;
    }
    if (phase.kind === 'answer' && phase.behind > 0) {
      phase.behind -= 1;
      phase.given = true;
      phase.quiet = true;
      phase.statements = 1;
      return;
    }
    this.#phases.shift();
    if (phase.kind === 'ahead') return;
    if (this.#failed && phase.kind !== 'prelude') this.#parts.statements.forgetUnconfirmed();
    if (phase.kind === 'prelude') {
      // A setting that this member refuses: what follows would run under the wrong settings.
      if (phase.error !== undefined)
        this.#parts.lose(`it could not be prepared for this session: ${phase.error.message}`, phase.error);
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
    if (phase.kind === 'open') {
      if (phase.error === undefined) phase.done.resolve();
      else {
        this.#phases.unshift(phase);
        this.#parts.lose(`it does not take this session: ${phase.error.message}`, phase.error);
      }
      return;
    }
    if (phase.kind === 'own') {
      this.#failed = false;
      phase.done.resolve(phase.value);
      return;
    }
    if (phase.kind === 'answer') {
      const answer = phase.reader.result(this.#failed, this.#sqlState);
      phase.done.resolve(this.#schemaChanged ? { ...answer, changesSchema: true } : answer);
      this.#schemaChanged = false;
      return;
    }
    phase.done.resolve(this.#failed ? 'refused' : 'committed');
  }
}
