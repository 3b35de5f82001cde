/**
 * One client's conversation with the cluster: which member runs what, how a transaction is committed, and what happens
 * when a member is lost in between. It knows the effect of a request, never its meaning.
 */

import { invariant, LockstepError, withDeadline } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import type { Answer, AnswerSink, Member, SessionIdentity, SessionLink } from '../../dialects/contract.ts';
import type { Cluster } from '../cluster.ts';
import type { MemberUser, Unanswered, Verdict } from '../world.ts';
import { HeldAnswer, nobody } from './held-answer.ts';
import {
  answerCutShort,
  answerUnsure,
  cannotReplay,
  noMember,
  outage,
  outcomeUnknown,
  sessionEnded,
  sessionStateLost,
  statementCancelled,
  transactionAborted,
} from './session-errors.ts';
import { SessionSettings } from './session-settings.ts';

export type Effect = 'read' | 'primary-read' | 'write';

/** A request with all that the engine needs to know of it. */
export interface Work {
  readonly request: unknown;
  readonly effect: Effect;
  /** Requests of our own around it, in the same transaction; their answers nobody sees unless they fail. */
  readonly before?: readonly unknown[];
  readonly after?: readonly unknown[];
  /** The client sends data while it runs, so it cannot be run twice. */
  readonly takesInput?: boolean;
  /** It cannot be told how much it changes. */
  readonly unknownSize?: boolean;
  /** It belongs to the primary, even at the beginning of a transaction that only reads. */
  readonly atPrimary?: boolean;
  /** It may end other sessions, or this one. */
  readonly endsSessions?: boolean;
  /** Runs as it is, in no transaction of ours: VACUUM. */
  readonly bare?: boolean;
  readonly bytes: number;
  /** A member could not give the answer although it was taken for a read: remember that. */
  readonly onUnsuitable?: (as: Effect) => void;
}

export interface BeginOptions {
  readonly begin: unknown;
  readonly readOnly: boolean;
  /** COMMIT itself may be refused (SERIALIZABLE). */
  readonly mayBeRefused: boolean;
}

export interface SessionLimits {
  readonly heldAnswerBytes: number;
  readonly replayBytes: number;
  readonly replayStatements: number;
  readonly replayMs: number;
  /** While no member answers, a client waits no longer than this. */
  readonly outageMs: number;
  readonly largeBytes: number;
  readonly largeRows: number;
}

export interface SessionHooks {
  /** How a transaction for one statement begins. */
  readonly autocommit: () => BeginOptions;
  /** A message from the primary outside of any answer. A promise: nothing more should come before it resolves. */
  unasked(message: Buffer): Promise<void> | undefined;
  /** The connection to the primary broke while nothing ran on it. */
  primaryLost(): void;
  /** The session cannot go on. */
  ended(error: LockstepError | MemberError): void;
}

interface Transaction {
  readonly options: BeginOptions;
  link: SessionLink | undefined;
  readonly log: { readonly work: Work; readonly digest: number }[];
  bytes: number;
  rows: number;
  wrote: boolean;
  unknownSize: boolean;
  /** Why it cannot be run again. */
  unrepeatable: string | undefined;
  /** Lost for good: the client has been told, and has not yet ended it. */
  failed: boolean;
}

/** What is large may take the replicas so much longer before anything is wrong. */
const largeTimesLonger = 60;

/** Members that one read may lose, one after the other. */
const readFailuresMax = 5;

export class Session implements MemberUser {
  readonly settings = new SessionSettings();
  readonly #cluster: Cluster;
  readonly #identity: SessionIdentity;
  readonly #limits: SessionLimits;
  readonly #hooks: SessionHooks;
  readonly #links = new Map<string, SessionLink>();
  readonly #unregister: () => void;
  #transaction: Transaction | undefined;
  #running: SessionLink | undefined;
  #unanswered: Unanswered | undefined;
  /** 'wanted': the client has taken its request back before any member had it. */
  #cancelling: 'not-possible' | 'possible' | 'wanted' = 'not-possible';
  #last: SessionLink | undefined;
  #committing = false;
  #seenCsn = 0;
  #pinned: string | undefined;
  /** Its end came while a commit was carried through: the client is told after its answer. */
  #orphaned: LockstepError | undefined;
  #closed = false;

  constructor(cluster: Cluster, identity: SessionIdentity, limits: SessionLimits, hooks: SessionHooks) {
    this.#cluster = cluster;
    this.#identity = identity;
    this.#limits = limits;
    this.#hooks = hooks;
    this.#unregister = cluster.register(this);
  }

  /** Connects to the primary: what a client may ask for is known from there. */
  async open(): Promise<SessionLink> {
    return await this.#primaryLink();
  }

  get transaction(): 'none' | 'open' | 'failed' {
    const transaction = this.#transaction;
    if (transaction === undefined) return 'none';
    return transaction.failed || transaction.link?.transaction === 'failed' ? 'failed' : 'open';
  }

  get inTransaction(): boolean {
    return this.#transaction?.link !== undefined;
  }

  get unanswered(): Unanswered | undefined {
    return this.#unanswered;
  }

  get pinned(): string | undefined {
    return this.#pinned;
  }

  /** The session depends on state that only its connection to the primary has. */
  pin(what: string): void {
    this.#pinned ??= what;
  }

  unpin(): void {
    this.#pinned = undefined;
  }

  /** The links as they are; for what concerns each connection, like forgetting a prepared statement. */
  links(): Iterable<SessionLink> {
    return this.#links.values();
  }

  /** The link of the last request; none before the first. */
  runningLinks(): Iterable<SessionLink> {
    return this.#last === undefined ? [] : [this.#last];
  }

  /** Connections besides the primary's are closed: they know things that have been taken back. */
  forgetOthers(): void {
    for (const [id, link] of this.#links) {
      if (id === this.#cluster.primary.id) continue;
      this.#links.delete(id);
      link.close();
    }
  }

  /** The link that takes the client's data. */
  get inputLink(): SessionLink | undefined {
    return this.#running;
  }

  begin(options: BeginOptions): void {
    invariant(this.#transaction === undefined, 'a transaction is open already');
    this.#transaction = {
      options,
      link: undefined,
      log: [],
      bytes: 0,
      rows: 0,
      wrote: false,
      unknownSize: false,
      unrepeatable: undefined,
      failed: false,
    };
  }

  get begun(): boolean {
    return this.#transaction?.link !== undefined;
  }

  /** Before its first statement an open transaction can still be told how to begin. */
  amendBegin(options: BeginOptions): void {
    const transaction = this.#transaction;
    invariant(
      transaction !== undefined && transaction.link === undefined,
      'only what has not begun can be amended',
    );
    this.#transaction = { ...transaction, options };
  }

  /** Runs one request. Errors of the statement go to the sink; a rejection means that there is no answer from a member. */
  async run(work: Work, sink: AnswerSink): Promise<Answer> {
    if (this.#orphaned !== undefined) throw this.#endOrphaned(this.#orphaned);
    if (work.endsSessions) this.#cluster.expectEndings();
    this.#cancelling = 'possible';
    try {
      return await this.#runNow(work, sink);
    } finally {
      this.#cancelling = 'not-possible';
      if (work.endsSessions) this.#cluster.expectEndings();
    }
  }

  async #runNow(work: Work, sink: AnswerSink): Promise<Answer> {
    const transaction = this.#transaction;
    if (transaction !== undefined) return await this.#runInTransaction(transaction, work, sink);
    if (work.bare) return await this.#runBare(work, sink);
    if (work.effect === 'write') return await this.#autocommit(work, sink);
    return await this.#read(work, sink);
  }

  /** Ends the open transaction. 'rolled-back': it had failed before. 'refused': its error is in the sink. */
  async commit(sink: AnswerSink): Promise<'committed' | 'rolled-back' | 'refused'> {
    const transaction = this.#transaction;
    if (transaction === undefined) return 'committed';
    try {
      for (;;) {
        const outcome = await this.#end(transaction, sink);
        if (outcome !== 'dead') return outcome;
        await this.#repeat(transaction, 'its commit did not reach the other members');
      }
    } finally {
      this.#transaction = undefined;
    }
  }

  /** 'dead': nothing of it took effect, and it may be run again. */
  async #end(
    transaction: Transaction,
    sink: AnswerSink,
  ): Promise<'committed' | 'rolled-back' | 'refused' | 'dead'> {
    if (this.transaction === 'failed') {
      await transaction.link?.rollback().catch(() => undefined);
      return 'rolled-back';
    }
    if (transaction.link === undefined) return 'committed';
    if (transaction.options.readOnly) {
      await transaction.link.endReadOnly().catch(() => undefined);
      return 'committed';
    }
    return await this.#commitWrites(transaction, transaction.link, sink);
  }

  async rollback(): Promise<void> {
    const transaction = this.#transaction;
    this.#transaction = undefined;
    // A lost link has rolled back by itself.
    await transaction?.link?.rollback().catch(() => undefined);
  }

  /** Stops what runs now. Never a commit: once that has begun it is carried through. */
  async cancel(): Promise<void> {
    if (this.#committing) return;
    if (this.#running !== undefined) await this.#running.cancel();
    else if (this.#cancelling === 'possible') this.#cancelling = 'wanted';
  }

  close(): void {
    this.#closed = true;
    this.#unregister();
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  outage(): void {
    if (!this.#committing) this.#hooks.ended(outage(this.#limits.outageMs));
  }

  abandon(memberId: string): void {
    const link = this.#links.get(memberId);
    if (link === undefined) return;
    this.#links.delete(memberId);
    link.close();
    if (memberId !== this.#cluster.primary.id) return;
    this.#stateLost();
    this.#hooks.primaryLost();
  }

  /** What pinned the session to the primary is gone. */
  #stateLost(): void {
    if (this.#pinned === undefined) return;
    this.#endWith(sessionStateLost(this.#pinned));
  }

  #endWith(error: LockstepError): void {
    // A commit under way is carried through, so its client must not be told that it was rolled back.
    if (this.#committing) this.#orphaned = error;
    else this.#hooks.ended(error);
  }

  #endOrphaned(error: LockstepError): LockstepError {
    this.#hooks.ended(error);
    return error;
  }

  async #read(work: Work, sink: AnswerSink): Promise<Answer> {
    const tried = new Set<string>();
    const primaryOnly = work.effect === 'primary-read' || this.#pinned !== undefined;
    for (let failures = 0; ; failures++) {
      const reader = primaryOnly ? undefined : this.#cluster.chooseReader(this.#seenCsn, tried);
      const member = reader === undefined ? undefined : this.#cluster.member(reader.id);
      const held = new HeldAnswer(sink, this.#limits.heldAnswerBytes);
      let link: SessionLink | undefined;
      try {
        const atPrimary = member === undefined || member.id === this.#cluster.primary.id;
        link = atPrimary ? this.#primaryNow() : this.#linkNow(member);
        link ??= atPrimary ? await this.#primaryLink() : await this.#link(member);
        this.#throwIfCancelled();
        const answer = await this.#runOn(link, work.request, held, undefined, atPrimary ? 'writes' : 'any');
        if (answer.unsuitable !== undefined) {
          held.drop();
          const effect = answer.unsuitable === 'writes' ? 'write' : 'primary-read';
          work.onUnsuitable?.(effect);
          return effect === 'write'
            ? await this.#autocommit({ ...work, effect }, sink)
            : await this.#read({ ...work, effect }, sink);
        }
        const unsure = this.#unsure(link);
        if (unsure !== undefined) await unsure;
        held.release();
        return answer;
      } catch (error) {
        if (!(error instanceof MemberError) || this.#closed) throw error;
        if (held.passedOn) throw answerCutShort(error);
        // A read that breaks whatever answers it is not tried until nobody is left.
        if ((link === undefined && member === undefined) || failures >= readFailuresMax)
          throw noMember(error);
        tried.add(error.memberId);
        if (error.blame === 'gone')
          await this.#noteTrouble(error, link?.memberId === this.#cluster.primary.id);
      }
    }
  }

  /** A read need not wait for the verdict on a replica, but has nowhere else to go without a primary. */
  async #noteTrouble(error: MemberError, primary: boolean): Promise<void> {
    if (primary) await this.#cluster.trouble(error.memberId, error);
    else this.#cluster.report(error.memberId, error);
  }

  /** As it is, on the primary: statements that no transaction may contain. */
  async #runBare(work: Work, sink: AnswerSink): Promise<Answer> {
    const link = await this.#primaryLink();
    try {
      return await this.#runOn(link, work.request, sink, undefined, 'no');
    } catch (error) {
      throw error instanceof MemberError ? answerCutShort(error) : error;
    }
  }

  /** A transaction of one request: answered only when it is on every active member. */
  async #autocommit(work: Work, sink: AnswerSink): Promise<Answer> {
    for (;;) {
      const held = new HeldAnswer(sink, this.#limits.heldAnswerBytes, { keepsEnd: true });
      this.begin(this.#hooks.autocommit());
      const transaction = this.#transaction as Transaction;
      try {
        const answer = await this.#runInTransaction(transaction, work, held);
        if (answer.failed) {
          await this.rollback();
          held.release();
          return answer;
        }
        const outcome = await this.#end(transaction, new AfterHeld(held, sink));
        if (outcome === 'committed') held.release();
        if (outcome !== 'dead') return outcome === 'committed' ? answer : { ...answer, failed: true };
        // Nobody has seen the answer, so the statement runs again as if for the first time, whatever it answers now.
        if (held.passedOn) throw cannotReplay('some of its answer had been given');
        if (transaction.unrepeatable !== undefined) throw cannotReplay(transaction.unrepeatable);
      } finally {
        this.#transaction = undefined;
      }
    }
  }

  async #runInTransaction(transaction: Transaction, work: Work, sink: AnswerSink): Promise<Answer> {
    if (transaction.failed) throw transactionAborted();
    for (;;) {
      const held = new HeldAnswer(sink, this.#limits.heldAnswerBytes);
      try {
        const answer = await this.#step(transaction, work, held);
        transaction.wrote ||= work.effect === 'write';
        // Who writes holds locks that others may wait for, and comes after what it saw: lost with it, or run again.
        const unsure =
          transaction.wrote || transaction.link === undefined ? undefined : this.#unsure(transaction.link);
        await unsure?.catch((error: unknown) => {
          transaction.failed = error instanceof LockstepError;
          throw error;
        });
        held.release();
        this.#record(transaction, work, answer);
        return answer;
      } catch (error) {
        if (!(error instanceof MemberError)) throw error;
        if (error.blame !== 'gone') {
          transaction.failed = true;
          throw noMember(error);
        }
        if (held.passedOn || work.takesInput) {
          transaction.failed = true;
          throw answerCutShort(error);
        }
        await this.#repeat(transaction, error.message, error);
      }
    }
  }

  /**
   * For a moment, what the primary shows may still be lost with it. Rejects when that has happened, and the answer is
   * void; undefined when there is nothing to wait for.
   */
  #unsure(link: SessionLink): Promise<void> | undefined {
    const { order, primary, settings, world } = this.#cluster;
    const sure = link.memberId === primary.id ? order.sure() : undefined;
    if (sure === undefined) return undefined;
    const { commitMs } = settings;
    return withDeadline(world.clock, commitMs, sure, () => answerUnsure(commitMs)).then((kept) => {
      if (kept) return;
      const why = `member ${link.memberId} was lost with what it had shown`;
      throw new MemberError(link.memberId, 'gone', why);
    });
  }

  /** One request of a transaction, with what belongs around it. Begins the transaction if it has not begun. */
  async #step(transaction: Transaction, work: Work, sink: AnswerSink): Promise<Answer> {
    const first = transaction.link === undefined;
    const link = transaction.link ?? (await this.#placeOf(transaction, work));
    if (first) this.#throwIfCancelled();
    transaction.link = link;
    let begin = first ? transaction.options.begin : undefined;
    for (const own of work.before ?? []) {
      const answer = await this.#runOwn(link, own, sink, begin);
      begin = undefined;
      if (answer.failed) return answer;
    }
    const answer = await this.#runOn(link, work.request, sink, begin, 'no');
    if (answer.failed) return answer;
    for (const own of work.after ?? []) {
      const after = await this.#runOwn(link, own, sink, undefined);
      if (after.failed) return after;
    }
    return answer;
  }

  /** A request of our own: only its error is the client's to see. */
  async #runOwn(link: SessionLink, request: unknown, sink: AnswerSink, begin: unknown): Promise<Answer> {
    const answerOnly = new HeldAnswer(sink, Infinity);
    const answer = await this.#runOn(link, request, answerOnly, begin, 'no');
    if (answer.failed) answerOnly.release();
    return answer;
  }

  async #placeOf(transaction: Transaction, work: Work): Promise<SessionLink> {
    if (!transaction.options.readOnly || this.#pinned !== undefined || work.atPrimary === true)
      return this.#primaryNow() ?? (await this.#primaryLink());
    const tried = new Set<string>();
    for (
      let reader = this.#cluster.chooseReader(this.#seenCsn, tried);
      reader !== undefined;
      reader = this.#cluster.chooseReader(this.#seenCsn, tried)
    ) {
      const member = this.#cluster.member(reader.id);
      if (member === undefined || member.id === this.#cluster.primary.id) break;
      try {
        return await this.#link(member);
      } catch (error) {
        if (!(error instanceof MemberError)) throw error;
        tried.add(member.id);
        if (error.blame === 'gone') await this.#noteTrouble(error, false);
      }
    }
    return await this.#primaryLink();
  }

  #record(transaction: Transaction, work: Work, answer: Answer): void {
    const { replayBytes, replayStatements } = this.#limits;
    transaction.rows += answer.rows;
    transaction.bytes += work.bytes;
    transaction.unknownSize ||= work.unknownSize === true;
    if (work.takesInput) transaction.unrepeatable = 'it took in data that is not kept';
    else if (transaction.bytes > replayBytes || transaction.log.length >= replayStatements)
      transaction.unrepeatable = 'it is too long to be run again';
    if (transaction.unrepeatable === undefined) transaction.log.push({ work, digest: answer.digest });
    else transaction.log.length = 0;
  }

  /** The transaction again, from its beginning, on the member that is the primary now. Equal answers, or 40001. */
  async #repeat(transaction: Transaction, why: string, error?: MemberError): Promise<void> {
    const { clock } = this.#cluster.world;
    const until = clock.monotonicMs() + this.#limits.replayMs;
    let cause = error;
    for (;;) {
      if (cause !== undefined) {
        const leftMs = Math.max(1, until - clock.monotonicMs());
        await withDeadline(clock, leftMs, this.#noteTrouble(cause, !transaction.options.readOnly), () => {
          transaction.failed = true;
          return cannotReplay(`no other could take it over in time (${why})`);
        });
      }
      if (this.#closed) throw cannotReplay('the client is gone');
      transaction.link = undefined;
      if (transaction.unrepeatable !== undefined) return this.#giveUp(transaction, transaction.unrepeatable);
      if (clock.monotonicMs() > until)
        return this.#giveUp(transaction, `it could not be run again in time (${why})`);
      try {
        for (const { work, digest } of transaction.log) {
          const answer = await this.#step(transaction, work, nobody);
          if (answer.digest !== digest) {
            this.#cluster.world.raise({
              type: 'session-replayed',
              session: 0,
              statements: transaction.log.length,
              answers: 'different',
            });
            await (transaction.link as SessionLink | undefined)?.rollback().catch(() => undefined);
            return this.#giveUp(transaction, 'its statements give other answers now');
          }
        }
        if (transaction.log.length > 0)
          this.#cluster.world.raise({
            type: 'session-replayed',
            session: 0,
            statements: transaction.log.length,
            answers: 'equal',
          });
        return;
      } catch (failure) {
        if (!(failure instanceof MemberError)) throw failure;
        if (failure.blame !== 'gone') return this.#giveUp(transaction, failure.message);
        cause = failure;
      }
    }
  }

  #giveUp(transaction: Transaction, why: string): never {
    transaction.failed = true;
    throw cannotReplay(why);
  }

  async #commitWrites(
    transaction: Transaction,
    link: SessionLink,
    sink: AnswerSink,
  ): Promise<'committed' | 'refused' | 'dead'> {
    const { commitGate } = this.#cluster;
    let bytes = transaction.bytes;
    try {
      if (!commitGate.open) await commitGate.passed();
      if (link.lost !== undefined) throw link.lost;
      if (transaction.unknownSize) bytes = Math.max(bytes, await link.pendingBytes());
    } catch (error) {
      if (!(error instanceof MemberError)) throw error;
      await this.#noteTrouble(error, true);
      return 'dead';
    }
    // No place is taken while the gate is closed.
    if (!commitGate.open) return await this.#commitWrites(transaction, link, sink);
    const large = bytes > this.#limits.largeBytes || transaction.rows > this.#limits.largeRows;
    return await this.#inTime(this.#carryThrough(transaction, link, large, sink), large);
  }

  async #carryThrough(
    transaction: Transaction,
    link: SessionLink,
    large: boolean,
    sink: AnswerSink,
  ): Promise<'committed' | 'refused' | 'dead'> {
    const { order } = this.#cluster;
    this.#committing = true;
    // The place is taken now, while every lock is held: whoever waited for this one gets a higher number.
    const ticket = order.open({ mayBeRefused: transaction.options.mayBeRefused });
    this.#unanswered = { link, sinceMs: this.#cluster.world.clock.monotonicMs() };
    try {
      const outcome = await link.commit({
        csn: ticket.csn,
        term: ticket.term,
        slot: ticket.slot,
        large,
        onWriteSet: (writeSet) => order.received(ticket, writeSet),
        sink,
      });
      this.#unanswered = undefined;
      if (outcome === 'refused') {
        order.dead(ticket, { tombstone: false });
        await link.rollback().catch(() => undefined);
        return 'refused';
      }
      order.committed(ticket);
      const fate = await ticket.outcome;
      if (fate === 'committed') this.#seenCsn = Math.max(this.#seenCsn, ticket.csn);
      return fate;
    } catch (error) {
      if (!(error instanceof MemberError)) {
        order.dead(ticket, { tombstone: false });
        link.close();
        throw error;
      }
      const fate = await this.#cluster.settleCommit(ticket, link, error);
      if (fate === 'committed') this.#seenCsn = Math.max(this.#seenCsn, ticket.csn);
      return fate;
    } finally {
      this.#committing = false;
      this.#unanswered = undefined;
    }
  }

  /** A commit is carried through however long that takes; its client does not wait for ever. */
  #inTime<T>(fate: Promise<T>, large: boolean): Promise<T> {
    const waitMs = this.#limits.outageMs * (large ? largeTimesLonger : 1);
    return withDeadline(this.#cluster.world.clock, waitMs, fate, () => {
      const error = outcomeUnknown(waitMs);
      this.#hooks.ended(error);
      return error;
    });
  }

  async #runOn(
    link: SessionLink,
    request: unknown,
    sink: AnswerSink,
    begin: unknown,
    mayBeUnsuitable: 'no' | 'writes' | 'any',
  ): Promise<Answer> {
    const load = this.#cluster.load(link.memberId);
    const { clock } = this.#cluster.world;
    const since = clock.monotonicMs();
    load.started();
    this.#running = link;
    this.#unanswered = { link, sinceMs: since };
    this.#last = link;
    try {
      const answer = await link.run(request, sink, {
        settings: this.settings.missingOn(link),
        begin,
        mayBeUnsuitable,
      });
      // Also inside a transaction, and whether or not that commits: what was shown must not be taken back by the next read.
      this.#seenCsn = Math.max(this.#seenCsn, this.#cluster.visibleCsn(link.memberId));
      return answer;
    } finally {
      this.#running = undefined;
      this.#unanswered = undefined;
      load.ended(clock.monotonicMs() - since);
    }
  }

  /** A request that no member has yet is not begun any more. */
  #throwIfCancelled(): void {
    if (this.#cancelling === 'wanted') throw statementCancelled();
  }

  /** The connection that is there already, if it may be used at once. */
  #primaryNow(): SessionLink | undefined {
    return this.#cluster.gate.open ? this.#linkNow(this.#cluster.primary) : undefined;
  }

  #linkNow(member: Member): SessionLink | undefined {
    const known = this.#links.get(member.id);
    return known?.lost === undefined ? known : undefined;
  }

  #primaryLink(): Promise<SessionLink> {
    const { outageMs } = this.#limits;
    return withDeadline(this.#cluster.world.clock, outageMs, this.#findPrimary(), () => outage(outageMs));
  }

  async #findPrimary(): Promise<SessionLink> {
    for (let attempt = 0; ; attempt++) {
      await this.#cluster.gate.passed();
      const { primary } = this.#cluster;
      try {
        const link = await this.#link(primary);
        if (primary.id === this.#cluster.primary.id && this.#cluster.gate.open) return link;
      } catch (error) {
        if (!(error instanceof MemberError)) throw error;
        if (error.blame !== 'gone') throw noMember(error);
        const verdict = await this.#cluster.trouble(primary.id, error);
        if (verdict === 'alive' && attempt >= 3) throw noMember(error);
      }
    }
  }

  async #link(member: Member): Promise<SessionLink> {
    const known = this.#linkNow(member);
    if (known !== undefined) return known;
    const link = await member.openSession(this.#identity, {
      unasked: (id, message) => (id === this.#cluster.primary.id ? this.#hooks.unasked(message) : undefined),
      lost: (error) => this.#linkLost(link, error),
    });
    if (this.#closed) {
      link.close();
      throw new MemberError(member.id, 'client', 'the session was closed');
    }
    // Taken out while the connection was made: nobody has told this link to go, and what it shows may be old.
    if (this.#cluster.membership.entry(member.id)?.state !== 'active') {
      link.close();
      throw new MemberError(member.id, 'gone', `member ${member.id} is not active any more`);
    }
    this.#links.set(member.id, link);
    return link;
  }

  #linkLost(link: SessionLink, error: MemberError): void {
    const current = this.#links.get(link.memberId) === link;
    if (current) this.#links.delete(link.memberId);
    if (this.#closed || !current) return;
    const atPrimary = link.memberId === this.#cluster.primary.id;
    const goOn = (): void => {
      if (!atPrimary) return;
      this.#stateLost();
      this.#hooks.primaryLost();
    };
    const end = sessionEnded(error.sqlState);
    if (end === undefined) goOn();
    else if (error.sqlState === '57P01') {
      // Unless a client has asked for it, somebody tends the server around Lockstep; and one that shuts down says the same.
      if (atPrimary && this.#cluster.endingsExpected) void this.#endIfAlive(error, end, goOn);
      else goOn();
    } else if (error.sqlState === '57P05' && link !== this.#last) {
      // Idle there, while the session was at work elsewhere.
      goOn();
    } else this.#endWith(end);
  }

  async #endIfAlive(error: MemberError, end: LockstepError, otherwise: () => void): Promise<void> {
    let verdict: Verdict;
    try {
      verdict = await this.#cluster.trouble(error.memberId, error);
    } catch {
      // The node stops, and says so itself.
      return;
    }
    if (this.#closed) return;
    if (verdict === 'alive') this.#endWith(end);
    else otherwise();
  }
}

/** The error of a commit comes instead of the answer that was kept for its success. */
class AfterHeld implements AnswerSink {
  readonly #held: HeldAnswer;
  readonly #sink: AnswerSink;

  constructor(held: HeldAnswer, sink: AnswerSink) {
    this.#held = held;
    this.#sink = sink;
  }

  get passedOn(): boolean {
    return this.#held.passedOn;
  }

  write(bytes: Buffer): boolean {
    this.#held.drop();
    return this.#sink.write(bytes);
  }

  drained(): Promise<void> {
    return this.#sink.drained();
  }

  inputWanted(): void {}
}
