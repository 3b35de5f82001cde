/**
 * One client's conversation in protocol 3: its messages in order, one request at a time, exactly one ReadyForQuery for
 * each Sync and each simple query. What a statement needs is the runner's business; where it runs is the session's.
 */

import { isUtf8 } from 'node:buffer';
import type { Socket } from 'node:net';
import { LockstepError } from '../../base/index.ts';
import { nobody, transactionAborted } from '../../cluster/index.ts';
import type { Session, Work } from '../../cluster/index.ts';
import type { MemberError } from '../../dialects/contract.ts';
import { dependsOnSchema, trailBytesOf } from '../../sql/index.ts';
import type { Classifier, FunctionCatalog, SessionReading, Statement } from '../../sql/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import {
  Backend,
  backend,
  errorToFields,
  Frontend,
  frontend,
  HEADER_BYTES,
  MessageFramer,
  readParameterStatus,
  readQuery,
  TransactionStatus,
} from '../../wire/postgres/index.ts';
import { ByteQueue } from './byte-queue.ts';
import { ClientSink } from './client-sink.ts';
import { asksForRoute, explainRoute, routeSentences } from './explain-route.ts';
import { ExtendedBatch } from './extended-batch.ts';
import { asClientError, functionCall, unexpectedMessage } from './front-errors.ts';
import { keptTexts } from './kept-texts.ts';
import { isRefusedUnseen, largeExtended, largeQuery } from './large-messages.ts';
import { simpleRequest } from './requests.ts';
import { isLocal, StatementBook } from './statement-book.ts';
import { hasEffects, StatementRunner } from './statement-runner.ts';
import type { RunnerHooks } from './statement-runner.ts';
import { writeFatal } from './write-fatal.ts';

export interface ConversationOptions {
  readonly socket: Socket;
  /** Bytes that came behind the login. */
  readonly rest: Buffer;
  readonly classifier: Classifier;
  readonly catalog: FunctionCatalog;
  readonly hooks: RunnerHooks;
  readonly limits: { readonly maxMessageBytes: number; readonly preparedStatements: number };
  /** One sentence: which member is what. */
  readonly members: () => string;
  readonly logger: Logger;
}

/** A message up to this is examined whole; a larger one passes through in pieces. */
const wholeUpToBytes = 256 * 1024;

/** To a server, a length field above this means that it has lost its place in the stream: it ends the connection. */
const memberMessageBytesMax = 0x3fff_fffe;
/** The same for messages that carry a name at most. */
const memberShortMessageBytesMax = 10_000;
const shortTypes: ReadonlySet<number> = new Set([
  Frontend.Close,
  Frontend.CopyDone,
  Frontend.CopyFail,
  Frontend.Describe,
  Frontend.Execute,
  Frontend.Flush,
  Frontend.Sync,
  Frontend.Terminate,
]);

/** Messages that may be larger than is kept whole. */
const largeTypes: ReadonlySet<number> = new Set([
  Frontend.Bind,
  Frontend.FunctionCall,
  Frontend.Parse,
  Frontend.Query,
]);

/**
 * A client may wait for an error, or hold locks, behind messages without a Sync or Flush: a server has carried them out by then.
 * They are run when nothing more has come for so long.
 */
const pipelineIdleMs = 5;

/** Requests may be answered here without any waiting: after so many, others have their turn. */
const requestsInTurn = 32;

const ready = {
  none: backend.readyForQuery(TransactionStatus.Idle),
  open: backend.readyForQuery(TransactionStatus.Open),
  failed: backend.readyForQuery(TransactionStatus.Failed),
};

/** Everybody else has one before it resolves. */
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Our connections are read-only by default; to the client they are as the server would have them. */
const readOnlyDefault = 'default_transaction_read_only';

export class Conversation {
  readonly #socket: Socket;
  readonly #options: ConversationOptions;
  readonly #sink: ClientSink;
  readonly #framer: MessageFramer;
  readonly #book = new StatementBook();
  #session!: Session;
  #runner!: StatementRunner;
  #batch!: ExtendedBatch;
  /** After an error: everything up to the next Sync is passed over. */
  #skipping = false;
  #copying = false;
  /** A copy has swallowed the Sync behind its Execute, as it does on a server: what ends the copy is followed by another. */
  #syncSwallowed = false;
  /** The Sync that ended a copy which had failed is still to be answered. */
  #syncOwed = false;
  /** The connection on which this session listened is gone. */
  #deaf = false;
  #stream: ByteQueue | undefined;
  #idle: NodeJS.Timeout | undefined;
  #ended = false;
  /** The client has closed its side. What it has asked is still answered. */
  #inputOver = false;
  #inTurn = 0;
  #onEnd: (() => void) | undefined;
  /** What the client sends is to be text in UTF-8: so the server has said. */
  #utf8 = false;
  #reading: SessionReading = {};

  constructor(options: ConversationOptions) {
    this.#options = options;
    this.#socket = options.socket;
    this.#sink = new ClientSink(options.socket, () => this.#startCopyIn());
    this.#framer = new MessageFramer({
      maxMessageBytes: Math.min(options.limits.maxMessageBytes, memberMessageBytesMax),
      wholeUpToBytes,
      runTypes: [Frontend.CopyData],
    });
  }

  /** Messages of the primary outside of any answer. A promise: more only when the client has fetched some. */
  unasked(message: Buffer): Promise<void> | undefined {
    if (message[0] === Backend.ParameterStatus) {
      const { name, value } = readParameterStatus(message);
      if (name === readOnlyDefault) return undefined;
      this.#noteParameter(name, value);
    }
    return this.#ended || this.#sink.write(message) ? undefined : this.#sink.drained();
  }

  /** The session has no connection to a primary any more, perhaps in the middle of something. */
  primaryLost(): void {
    if (!this.#runner.listens || this.#ended) return;
    if (this.#framer.halted) this.#deaf = true;
    else this.#listenAgain();
  }

  /** Whoever listens is not going to say anything, so the connection comes back by itself, and LISTEN with it. */
  #listenAgain(): void {
    this.#deaf = false;
    if (this.#session.transaction !== 'none') return;
    const nothing: Work = { request: simpleRequest(frontend.query('')), effect: 'primary-read', bytes: 0 };
    this.#take(async () => {
      await this.#session.run(nothing, nobody).catch((error: unknown) => this.end(asClientError(error)));
    });
  }

  /** Ends the conversation with a last word. */
  end(error: LockstepError | MemberError): void {
    if (this.#ended) return;
    this.#finish();
    this.#sink.flush();
    writeFatal(this.#socket, asClientError(error));
  }

  /** Resolves when the client has gone. The session is open, and its parameters are those of the primary. */
  serve(
    session: Session,
    parameters: ReadonlyMap<string, string>,
    cancelKey: { pid: number; key: Buffer },
  ): Promise<void> {
    this.#session = session;
    this.#runner = new StatementRunner(session, this.#book, this.#sink, this.#options.hooks, (text) =>
      this.#classify(text),
    );
    this.#batch = new ExtendedBatch({
      session,
      runner: this.#runner,
      book: this.#book,
      sink: this.#sink,
      preparedStatementsMax: this.#options.limits.preparedStatements,
      classify: (text) => this.#classify(text),
      mayBeLong: (text) => this.#options.classifier.mayBeLong(text),
      classifyInTurns: (text) => this.#classifyInTurns(text),
      schemaVersion: () => this.#options.catalog.version,
      schemaKnown: (depends) => this.#options.hooks.schemaKnown(depends),
    });
    for (const [name, value] of parameters) {
      this.#noteParameter(name, value);
      this.#sink.write(backend.parameterStatus(name, name === readOnlyDefault ? 'off' : value));
    }
    this.#sink.write(backend.backendKeyData(cancelKey.pid, cancelKey.key));
    this.#sink.write(ready.none);
    const done = new Promise<void>((resolve) => (this.#onEnd = resolve));
    const socket = this.#socket;
    socket.on('close', () => this.#finish());
    socket.on('end', () => this.#inputEnds());
    socket.on('data', (chunk: Buffer) => this.#data(chunk));
    if (this.#options.rest.length > 0) this.#data(this.#options.rest);
    if (socket.readableEnded) this.#inputEnds();
    else socket.resume();
    return done;
  }

  autocommit(): StatementRunner['autocommit'] {
    return this.#runner.autocommit;
  }

  /** Something runs, or a transaction is open. */
  get busy(): boolean {
    return this.#framer.halted || this.#copying || this.#session.transaction !== 'none';
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#idle);
    this.#socket.removeAllListeners('data');
    this.#stream?.end();
    this.#session.close();
    this.#onEnd?.();
  }

  /** The client wants nothing more. It need not close its side for us to close ours. */
  #terminate(): void {
    if (this.#ended) return;
    this.#finish();
    this.#sink.flush();
    this.#socket.destroySoon();
  }

  #noteParameter(name: string, value: string): void {
    if (name === 'standard_conforming_strings')
      this.#reading = { ...this.#reading, standardConformingStrings: value === 'on' };
    if (name === 'client_encoding') {
      this.#utf8 = value === 'UTF8';
      const trailBytes = trailBytesOf(value);
      const { trailBytes: _, ...others } = this.#reading;
      this.#reading = trailBytes === undefined ? others : { ...others, trailBytes };
    }
  }

  #data(chunk: Buffer): void {
    this.#deliver(() => this.#framer.push(chunk, this.#framerSink));
    // Most clients send nothing while they wait for an answer, and reading is stopped only for one that does.
    if (this.#framer.heldBytes > 0 && this.#framer.halted && !this.#ended) this.#socket.pause();
    if (this.#batchWaits) this.#watchPipeline();
  }

  /** Messages wait for their Sync, and nothing else runs. */
  get #batchWaits(): boolean {
    return (
      !this.#batch.empty &&
      !this.#framer.halted &&
      !this.#copying &&
      this.#stream === undefined &&
      !this.#ended
    );
  }

  #watchPipeline(): void {
    if (this.#idle !== undefined) {
      this.#idle.refresh();
      return;
    }
    this.#idle = setTimeout(() => {
      this.#idle = undefined;
      const { length } = this.#batch;
      // What has come while the process was busy is read first.
      setImmediate(() => {
        if (!this.#batchWaits) return;
        if (this.#batch.length === length) this.#take(() => this.#runBatch('flush'));
        else this.#watchPipeline();
      });
    }, pipelineIdleMs);
  }

  #readOn(): void {
    this.#deliver(() => this.#framer.resume(this.#framerSink));
    if (this.#batchWaits) this.#watchPipeline();
    if (this.#ended || this.#framer.halted) return;
    if (this.#inputOver) this.#terminate();
    else this.#socket.resume();
  }

  #inputEnds(): void {
    this.#inputOver = true;
    // What waits for more from the client waits for ever.
    if (this.#copying || this.#stream !== undefined || !this.#framer.halted) this.#terminate();
  }

  #deliver(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.end(asClientError(error));
    }
  }

  readonly #framerSink = {
    message: (type: number, frame: Buffer) => this.#message(type, frame),
    run: (_type: number, frames: Buffer) => this.#copyData(frames),
    largeStart: (type: number, totalBytes: number, head: Buffer) => this.#largeStart(type, totalBytes, head),
    largeChunk: (chunk: Buffer) => this.#largeChunk(chunk),
    largeEnd: () => this.#largeEnd(),
  };

  /** Nothing more is read until `work` is done, and it is not begun before the client has fetched what it was told. */
  #take(work: () => Promise<void>): void {
    this.#framer.halt();
    const begun = this.#socket.writableNeedDrain
      ? this.#sink.drained().then(() => (this.#ended ? undefined : work()))
      : work();
    begun
      .catch((error: unknown) => this.#failed(error))
      .then(
        () => this.#resume(),
        (error: unknown) => this.end(asClientError(error)),
      );
  }

  #resume(): void {
    if (this.#ended || this.#stream !== undefined) return;
    this.#copying = false;
    if (++this.#inTurn >= requestsInTurn) {
      this.#inTurn = 0;
      setImmediate(() => this.#resume());
      return;
    }
    if (this.#syncOwed) {
      this.#syncOwed = false;
      this.#take(() => this.#sync());
      return;
    }
    if (this.#deaf) {
      this.#listenAgain();
      if (this.#framer.halted) return;
    }
    this.#readOn();
  }

  #message(type: number, frame: Buffer): void {
    if (this.#ended) return;
    if (frame.length > memberShortMessageBytesMax && shortTypes.has(type)) throw tooLong(type, frame.length);
    if (this.#copying) {
      this.#whileCopying(type, frame);
      return;
    }
    switch (type) {
      case Frontend.Query:
        if (!this.#skipping) {
          // One that is no message ends the connection here and now.
          const text = readQuery(frame);
          this.#take(() => this.#simpleWhenKnown(text, frame));
        }
        return;
      case Frontend.Sync:
        this.#take(() => this.#sync());
        return;
      case Frontend.Flush:
        if (!this.#skipping) this.#take(() => this.#runBatch('flush'));
        return;
      case Frontend.Parse:
      case Frontend.Bind:
      case Frontend.Describe:
      case Frontend.Execute:
      case Frontend.Close:
        if (this.#skipping) return;
        if (type === Frontend.Parse && this.#addWhenKnown(frame)) return;
        if (this.#batch.add(type, frame)) this.#take(() => this.#runBatch('flush'));
        return;
      case Frontend.Terminate:
        this.#terminate();
        return;
      case Frontend.FunctionCall:
        if (!this.#skipping) this.#take(() => this.#refuseCall());
        return;
      case Frontend.CopyDone:
      case Frontend.CopyFail:
        // Left over from a copy that has failed; the protocol has them ignored.
        return;
      default:
        throw unexpectedMessage(String.fromCharCode(type));
    }
  }

  #simpleWhenKnown(text: Buffer, frame: Buffer): Promise<void> {
    return asksForRoute(Frontend.Query, frame) ? this.#tellRoute(frame) : this.#simple(text, frame);
  }

  async #tellRoute(frame: Buffer): Promise<void> {
    await this.#options.hooks.schemaKnown(() => true);
    const asked = explainRoute(Frontend.Query, frame, this.#route);
    await this.#simple(readQuery(asked), asked);
  }

  /** The Parse of a question where a statement would go. False: it is none. */
  #addWhenKnown(frame: Buffer): boolean {
    if (!asksForRoute(Frontend.Parse, frame)) return false;
    const kept = Buffer.from(frame);
    this.#take(async () => {
      await this.#options.hooks.schemaKnown(() => true);
      this.#batch.add(Frontend.Parse, explainRoute(Frontend.Parse, kept, this.#route));
    });
    return true;
  }

  /** A call by the fast path is answered as a simple query is: what comes behind it is not passed over. */
  async #refuseCall(): Promise<void> {
    if (!this.#batch.empty) await this.#runBatch('flush');
    if (this.#skipping) return;
    await this.#failed(this.#session.transaction === 'failed' ? transactionAborted() : functionCall());
    await this.#runner.endImplicit(false);
    this.#skipping = false;
    this.#readyForQuery();
  }

  // ——— data for COPY FROM STDIN

  #startCopyIn(): void {
    this.#copying = true;
    this.#syncSwallowed = true;
    this.#readOn();
  }

  #copyData(frames: Buffer): void {
    const link = this.#copying ? this.#session.inputLink : undefined;
    if (link === undefined || link.input(frames)) return;
    this.#framer.halt();
    void link.inputDrained().then(() => {
      if (!this.#copying || this.#ended) return;
      this.#readOn();
    });
  }

  #whileCopying(type: number, frame: Buffer): void {
    switch (type) {
      case Frontend.CopyDone:
      case Frontend.CopyFail:
        this.#framer.halt();
        this.#session.inputLink?.inputEnds(frame);
        return;
      case Frontend.Sync:
        if (this.#session.inputLink?.inputEnds(frame) !== true) return;
        this.#syncOwed = true;
        this.#framer.halt();
        return;
      case Frontend.Flush:
        return;
      case Frontend.Terminate:
        this.#terminate();
        return;
      default:
        this.#framer.halt();
        this.#session.inputLink?.inputEnds(
          frontend.copyFail(`unexpected message type 0x${type.toString(16)} during COPY from stdin`),
        );
    }
  }

  // ——— messages too large to be held

  #largeStart(type: number, totalBytes: number, head: Buffer): void {
    if (type === Frontend.CopyData) {
      this.#copyData(frontend.copyData(head.subarray(HEADER_BYTES)));
      return;
    }
    if (this.#skipping) return;
    if (!largeTypes.has(type) || this.#copying) throw tooLong(type, totalBytes);
    const stream = new ByteQueue(() => {
      if (this.#stream !== stream || this.#ended) return;
      this.#readOn();
    });
    this.#stream = stream;
    const kept = Buffer.from(head);
    const run = this.#large(type, kept, totalBytes, stream);
    run
      .catch(async (error: unknown) => {
        await this.#failed(error);
        if (type !== Frontend.Query) return;
        this.#skipping = false;
        this.#readyForQuery();
      })
      .then(
        async () => {
          // What nobody took is still to be read past.
          for await (const _ of stream);
          this.#stream = undefined;
          this.#resume();
        },
        (error: unknown) => this.end(asClientError(error)),
      );
  }

  /** Each piece of a copy's data is a message of its own: the copy may fail before the rest of the client's has come. */
  #largeChunk(chunk: Buffer): void {
    if (this.#copying) this.#copyData(frontend.copyData(chunk));
    else if (this.#stream?.push(Buffer.from(chunk)) === false) this.#framer.halt();
  }

  #largeEnd(): void {
    if (this.#copying || this.#stream === undefined) return;
    this.#framer.halt();
    this.#stream.end();
  }

  #large(type: number, head: Buffer, totalBytes: number, rest: ByteQueue): Promise<void> {
    if (type === Frontend.FunctionCall) return this.#refuseCall();
    if (type === Frontend.Query) return this.#largeQuery(head, totalBytes, rest);
    if (type === Frontend.Parse && isRefusedUnseen(head, totalBytes))
      return this.#largeParse(head, totalBytes, rest);
    return this.#largeExtended(type, head, totalBytes, rest);
  }

  /** A text that may be a script is examined statement by statement, and for that it has to be there in full. */
  async #largeQuery(head: Buffer, totalBytes: number, rest: ByteQueue): Promise<void> {
    const release = keptTexts.take(totalBytes);
    if (release !== undefined) {
      try {
        const frame = await this.#whole(head, totalBytes, rest);
        if (frame !== undefined) await this.#simple(readQuery(frame), frame);
      } finally {
        release();
      }
      return;
    }
    if ((await this.#batchBefore()) === false) return;
    this.#runner.unseen();
    await this.#session.run(this.#runner.noting(largeQuery(head, totalBytes, rest)), this.#sink);
    await this.#runner.settle();
    this.#readyForQuery();
  }

  /** A schema statement is carried as it is said, so all of it has to be known. */
  async #largeParse(head: Buffer, totalBytes: number, rest: ByteQueue): Promise<void> {
    const release = keptTexts.take(totalBytes);
    if (release === undefined) return await this.#largeExtended(Frontend.Parse, head, totalBytes, rest);
    try {
      const frame = await this.#whole(head, totalBytes, rest);
      if (frame === undefined) return;
      this.#batch.add(Frontend.Parse, frame);
      await this.#runBatch('flush');
    } finally {
      release();
    }
  }

  /** Undefined: the client has gone in the middle of it. */
  async #whole(head: Buffer, totalBytes: number, rest: ByteQueue): Promise<Buffer | undefined> {
    const pieces = [head];
    for await (const piece of rest) pieces.push(piece);
    const frame = Buffer.concat(pieces);
    if (frame.length < totalBytes) return undefined;
    this.#stream = undefined;
    return frame;
  }

  async #largeExtended(type: number, head: Buffer, totalBytes: number, rest: ByteQueue): Promise<void> {
    this.#runner.beginImplicit();
    this.#runner.unseen();
    await this.#runBatch('flush');
    if (this.#skipping) return;
    const work = this.#runner.noting(largeExtended(type, head, totalBytes, rest, this.#book));
    const answer = await this.#session.run(work, this.#sink);
    if (answer.failed) this.#skipping = true;
  }

  // ——— simple queries

  async #simple(text: Buffer, frame: Buffer): Promise<void> {
    try {
      // Every await costs each statement, and most statements have nothing to wait for.
      const before = this.#batchBefore();
      if (before !== undefined && !(await before)) return;
      const followed = this.#runner.followSchema();
      if (followed !== undefined) await followed;
      const isText = !this.#utf8 || isUtf8(text);
      const judged = isText ? this.#judge(text) : [];
      const statements = judged instanceof Promise ? await judged : judged;
      const [only] = statements;
      if (!isText) await this.#notText(text, frame);
      else if (statements.length === 1 && only !== undefined) await this.#simpleOne(only, text, frame);
      else if (statements.every((statement) => statement.kind === 'read'))
        await this.#session.run(this.#runner.workOf(statements, text, simpleRequest(frame)), this.#sink);
      else await this.#simpleSeveral(statements, text);
    } catch (error) {
      await this.#failed(error);
    }
    this.#skipping = false;
    const settled = this.#runner.settle();
    if (settled !== undefined) await settled;
    this.#readyForQuery();
  }

  #simpleOne(statement: Statement, text: Buffer, frame: Buffer): Promise<unknown> {
    if (isLocal(statement) || statement.kind === 'empty') return this.#runner.run(statement, text);
    const work = this.#runner.workOf([statement], text, this.#runner.requestFor(statement, frame));
    const answered = this.#session.run(work, this.#sink);
    return hasEffects(statement)
      ? answered.then((answer) => !answer.failed && this.#runner.noteEffects(statement))
      : answered;
  }

  /** The server looks at all of the message before anything of it runs, and refuses it in its own words. */
  async #notText(text: Buffer, frame: Buffer): Promise<void> {
    const effect = this.#session.transaction === 'none' ? 'primary-read' : 'write';
    this.#runner.unseen();
    await this.#session.run({ request: simpleRequest(frame), effect, bytes: text.length }, this.#sink);
  }

  /** A simple query comes after what was sent before it, and takes the unnamed statement away. False: that has failed. Undefined: nothing was. */
  #batchBefore(): Promise<boolean> | undefined {
    if (!this.#batch.empty) return this.#runBefore();
    this.#book.removeStatement('');
    return undefined;
  }

  async #runBefore(): Promise<boolean> {
    await this.#runBatch('flush');
    if (this.#skipping) return false;
    this.#book.removeStatement('');
    return true;
  }

  /** Statements in one string are one transaction, unless they say otherwise. */
  async #simpleSeveral(statements: readonly Statement[], text: Buffer): Promise<void> {
    let succeeded = false;
    this.#sink.hold();
    try {
      for (const statement of statements) {
        this.#runner.beginImplicit();
        const { start, end } = statement;
        if (!(await this.#runner.run(statement, text.subarray(start, end), text.subarray(0, start)))) return;
      }
      succeeded = true;
    } finally {
      await this.#runner.endImplicit(succeeded).finally(() => this.#sink.release());
    }
  }

  // ——— the extended protocol

  async #sync(): Promise<void> {
    this.#syncSwallowed = false;
    try {
      if (!this.#skipping) await this.#runBatch('sync');
    } catch (error) {
      await this.#failed(error);
    }
    if (this.#syncSwallowed) return;
    try {
      await this.#runner.endImplicit(!this.#skipping);
    } catch (error) {
      this.#sendError(asClientError(error));
    }
    this.#batch.drop();
    this.#skipping = false;
    if (this.#session.transaction === 'none') this.#book.endTransaction();
    await this.#runner.settle();
    this.#readyForQuery();
  }

  async #runBatch(end: 'sync' | 'flush'): Promise<void> {
    await this.#runner.followSchema();
    if (!(await this.#batch.run(end))) this.#skipping = true;
  }

  // ———

  readonly #route = (text: Buffer): readonly string[] =>
    routeSentences(text, {
      session: this.#session,
      knownBetter: this.#options.hooks.knownBetter,
      classify: (statement) => this.#classify(statement),
      members: this.#options.members,
    });

  /** By the schema as it is, if that makes a difference. */
  #judge(text: Buffer): readonly Statement[] | Promise<readonly Statement[]> {
    const statements = this.#classifyInTurns(text);
    if (statements instanceof Promise) return this.#judgeWhenKnown(text, statements);
    const known = this.#schemaFor(statements);
    return known === undefined ? statements : known.then(() => this.#classifyInTurns(text));
  }

  async #judgeWhenKnown(text: Buffer, first: Promise<readonly Statement[]>): Promise<readonly Statement[]> {
    const statements = await first;
    const known = this.#schemaFor(statements);
    if (known === undefined) return statements;
    await known;
    return await this.#classifyInTurns(text);
  }

  #schemaFor(statements: readonly Statement[]): Promise<void> | undefined {
    return this.#options.hooks.schemaKnown(() => statements.some(dependsOnSchema));
  }

  #classifyInTurns(text: Buffer): readonly Statement[] | Promise<readonly Statement[]> {
    const { classifier, catalog } = this.#options;
    return classifier.classifyInTurns(text, catalog, this.#reading, nextTurn);
  }

  #classify(text: Buffer): readonly Statement[] {
    return this.#options.classifier.classify(text, this.#options.catalog, this.#reading);
  }

  async #failed(error: unknown): Promise<void> {
    const told = asClientError(error);
    if (told.code === 'front.internal')
      this.#options.logger.error({ error }, 'a statement failed inside the node');
    this.#sendError(told);
    this.#skipping = true;
    await this.#runner.failTransaction();
  }

  #sendError(error: LockstepError): void {
    if (!this.#ended) this.#sink.write(backend.errorResponse(errorToFields(error)));
  }

  #readyForQuery(): void {
    if (!this.#ended) this.#sink.write(ready[this.#session.transaction]);
  }
}

function tooLong(type: number, bytes: number): LockstepError {
  return unexpectedMessage(`one of type ${String.fromCharCode(type)} with ${bytes} bytes`);
}
