/**
 * One client's conversation with the cluster: which member runs what, how a transaction is committed, and what happens
 * when a member is lost in between. It knows the effect of a request, never its meaning.
 */

import { invariant, pause } from '../../base/index.ts';
import type { LockstepError } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import type { Answer, AnswerSink, Member, SessionIdentity, SessionLink } from '../../dialects/contract.ts';
import type { Cluster } from '../cluster.ts';
import type { MemberUser, Unanswered, Verdict } from '../world.ts';
import { HeldAnswer, nobody } from './held-answer.ts';
import type { HeldAnswerOptions } from './held-answer.ts';
import { noteTrouble, RequestRunner } from './request-runner.ts';
import {
  answerCutShort,
  cannotReplay,
  noMember,
  numbersLost,
  outage,
  sessionEnded,
  sessionStateLost,
  statementCancelled,
} from './session-errors.ts';
import { SessionLinks } from './session-links.ts';
import { SessionSettings } from './session-settings.ts';
import { Transaction } from './transaction.ts';
import { TransactionRunner } from './transaction-runner.ts';
import type { BeginOptions, Placed, SessionHooks, SessionLimits, Work } from './work.ts';
import { WriteCommit } from './write-commit.ts';

/** Members that one read may lose, one after the other. */
const readFailuresMax = 5;

/** So many are compared when the primary has moved; a session that knows more has to ask again. */
const numbersMax = 1000;

/** A read that turns out not to be its member's to give hardly takes longer, and then somebody else gives its notices. */
const noticeHoldMs = 100;

/** Until what a session waits for is looked at again. */
const waitMs = 10;

/** Whichever member it is. */
export const thePrimary = '';

const untilCommitted: HeldAnswerOptions = { keepsEnd: true, notices: 'overtake' };
const nobodyYet: ReadonlySet<string> = new Set();

export class Session implements MemberUser {
  readonly settings = new SessionSettings();
  readonly #cluster: Cluster;
  readonly #limits: SessionLimits;
  readonly #hooks: SessionHooks;
  readonly #links: SessionLinks;
  readonly #runner: RequestRunner;
  readonly #transactions: TransactionRunner;
  readonly #commit: WriteCommit;
  readonly #unregister: () => void;
  #transaction: Transaction | undefined;
  /** 'wanted': the client has taken its request back before any member had it. */
  #cancelling: 'not-possible' | 'possible' | 'wanted' = 'not-possible';
  #pinned: string | undefined;
  /** The same, as the server said when it was asked last. */
  #held: string | undefined;
  /** What it was told, or has said itself, that only means the same on the primary that gave it. */
  readonly #numbers = new Set<number>();
  /** A transaction that only reads is likely to meet some again. */
  #numbersMet = false;
  readonly #noticesKept: HeldAnswerOptions;
  /** Kept back until its transaction is committed. */
  #answering: HeldAnswer | undefined;
  /** Its end came while a commit was carried through: the client is told after its answer. */
  #orphaned: LockstepError | undefined;

  constructor(cluster: Cluster, identity: SessionIdentity, limits: SessionLimits, hooks: SessionHooks) {
    this.#cluster = cluster;
    this.#limits = limits;
    this.#hooks = hooks;
    this.#links = new SessionLinks(cluster, {
      identity,
      outageMs: limits.outageMs,
      unasked: (message) => {
        this.#answering?.tellNotices();
        return hooks.unasked(message);
      },
      lost: (link, error) => this.#linkLost(link, error),
      primaryMoved: (fromId, to) => this.#primaryMoved(fromId, to),
    });
    this.#runner = new RequestRunner(cluster, this.settings);
    this.#commit = new WriteCommit(cluster, limits, this.#runner, (error) => hooks.ended(error));
    this.#transactions = new TransactionRunner({
      cluster,
      limits,
      links: this.#links,
      runner: this.#runner,
      pinned: () => this.pinned !== undefined || this.#numbersMet,
      numbersMet: () => (this.#numbersMet = true),
      throwIfCancelled: () => this.#throwIfCancelled(),
    });
    const { clock } = cluster.world;
    this.#noticesKept = { notices: (overtake) => clock.after(noticeHoldMs, overtake) };
    this.#unregister = cluster.register(this);
  }

  /** Connects to the primary: what a client may ask for is known from there. */
  async open(): Promise<SessionLink> {
    return await this.#links.primary();
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
    return this.#runner.unanswered;
  }

  get pinned(): string | undefined {
    return this.#pinned ?? this.#held;
  }

  /** The session depends on state that only its connection to the primary has. */
  pin(what: string): void {
    this.#pinned ??= what;
  }

  /** Whether, and what of this kind the server says that there is. Undefined: nothing (any more). */
  holds(what: string | undefined): void {
    this.#held = what;
  }

  /** For good, until it is taken back: nothing that a server says about it makes a difference. */
  get pinnedForGood(): boolean {
    return this.#pinned !== undefined;
  }

  unpin(): void {
    this.#pinned = undefined;
    this.#held = undefined;
  }

  /**
   * A question of the front's own, between transactions, to the connection that the last request ran on. Undefined: that is
   * lost, and with it whatever the session held there.
   */
  async ask<T>(question: (link: SessionLink) => Promise<T>): Promise<T | undefined> {
    const link = this.#runner.last;
    if (link === undefined) return undefined;
    try {
      return await this.#runner.ask(link, question);
    } catch (error) {
      if (!(error instanceof MemberError)) throw error;
      this.#stateLost();
      return undefined;
    }
  }

  /** The links as they are; for what concerns each connection, like forgetting a prepared statement. */
  links(): Iterable<SessionLink> {
    return this.#links.all();
  }

  /** The link of the last request; none before the first. */
  runningLinks(): Iterable<SessionLink> {
    const { last } = this.#runner;
    return last === undefined ? [] : [last];
  }

  /** Connections besides the primary's are closed: they know things that have been taken back. */
  forgetOthers(): void {
    const { id } = this.#cluster.primary;
    for (const { memberId } of this.#links.all()) if (memberId !== id) this.#links.drop(memberId);
  }

  /** The link that takes the client's data. */
  get inputLink(): SessionLink | undefined {
    return this.#runner.running;
  }

  begin(options: BeginOptions): void {
    invariant(this.#transaction === undefined, 'a transaction is open already');
    this.#transaction = new Transaction(options);
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
    transaction.options = options;
  }

  /** Runs one request. Errors of the statement go to the sink; a rejection means that there is no answer from a member. */
  async run(work: Work, sink: AnswerSink): Promise<Answer> {
    if (this.#orphaned !== undefined) throw this.#endOrphaned(this.#orphaned);
    if (work.endsSessions) this.#cluster.expectEndings();
    this.#cancelling = 'possible';
    try {
      if (work.numbers !== undefined) this.#note(work.numbers);
      const answer = await this.#runNow(work, sink);
      if (answer.numbers !== undefined) this.#note(answer.numbers);
      return answer;
    } finally {
      this.#cancelling = 'not-possible';
      if (work.endsSessions) this.#cluster.expectEndings();
    }
  }

  #runNow(work: Work, sink: AnswerSink): Promise<Answer> {
    const transaction = this.#transaction;
    if (transaction !== undefined) return this.#transactions.run(transaction, work, sink);
    if (work.bare) return this.#runBare(work, sink);
    if (work.effect === 'write') return this.#autocommit(work, sink);
    return this.#read(work, sink);
  }

  /** Ends the open transaction. 'rolled-back': it had failed before. 'refused': its error is in the sink. */
  async commit(sink: AnswerSink): Promise<'committed' | 'rolled-back' | 'refused'> {
    const transaction = this.#transaction;
    if (transaction === undefined) return 'committed';
    try {
      for (;;) {
        const outcome = await this.#end(transaction, sink);
        if (outcome !== 'dead') return outcome;
        await this.#transactions.repeat(transaction, 'its commit did not reach the other members');
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
      await this.#runner.rollBack(transaction.link);
      return 'rolled-back';
    }
    if (transaction.link === undefined) return 'committed';
    if (transaction.options.readOnly) {
      await this.#runner.ask(transaction.link, (link) => link.endReadOnly()).catch(() => undefined);
      return 'committed';
    }
    return await this.#commit.run(transaction, transaction.link, sink);
  }

  async rollback(): Promise<void> {
    const transaction = this.#transaction;
    this.#transaction = undefined;
    await this.#runner.rollBack(transaction?.link);
  }

  /** Stops what runs now. Never a commit: once that has begun it is carried through. */
  async cancel(): Promise<void> {
    if (this.#commit.underWay) return;
    if (this.#runner.running !== undefined) await this.#runner.running.cancel();
    else if (this.#cancelling === 'possible') this.#cancelling = 'wanted';
  }

  close(): void {
    this.#unregister();
    this.#runner.close();
    this.#links.close();
  }

  outage(): void {
    if (!this.#commit.underWay) this.#hooks.ended(outage(this.#limits.outageMs));
  }

  abandon(memberId: string): void {
    if (!this.#links.drop(memberId) || memberId !== this.#cluster.primary.id) return;
    this.#stateLost();
    this.#hooks.primaryLost();
  }

  #note(numbers: Iterable<number>): void {
    for (const number of numbers) {
      this.#numbersMet = true;
      if (this.#numbers.size < numbersMax) this.#numbers.add(number);
    }
  }

  #primaryMoved(fromId: string, to: Member): void {
    if (this.#numbers.size === 0) return;
    if (this.#numbers.size < numbersMax && to.sameNumbers(this.#numbers, fromId)) return;
    const error = numbersLost();
    this.#endWith(error);
    throw error;
  }

  /** What pinned the session to the primary is gone. */
  #stateLost(): void {
    const { pinned } = this;
    if (pinned !== undefined) this.#endWith(sessionStateLost(pinned));
  }

  #endWith(error: LockstepError): void {
    // A commit under way is carried through, so its client must not be told that it was rolled back.
    if (this.#commit.underWay) this.#orphaned = error;
    else this.#hooks.ended(error);
  }

  #endOrphaned(error: LockstepError): LockstepError {
    this.#hooks.ended(error);
    return error;
  }

  async #read(work: Work, sink: AnswerSink): Promise<Answer> {
    let tried = nobodyYet;
    const primaryOnly = work.effect === 'primary-read' || this.pinned !== undefined;
    for (let failures = 0; ; failures++) {
      const reader = primaryOnly ? undefined : this.#runner.chooseReader(tried);
      const member = reader === undefined ? undefined : this.#cluster.member(reader.id);
      const held = new HeldAnswer(sink, this.#limits.heldAnswerBytes, this.#noticesKept);
      let link: SessionLink | undefined;
      try {
        const atPrimary = member === undefined || member.id === this.#cluster.primary.id;
        link = atPrimary ? this.#links.primaryNow() : this.#links.now(member);
        link ??= atPrimary ? await this.#links.primary() : await this.#links.to(member);
        this.#throwIfCancelled();
        const mayBeUnsuitable = atPrimary ? 'writes' : 'any';
        const answer = await this.#runner.run(link, work.request, held, {
          begin: undefined,
          mayBeUnsuitable,
        });
        if (answer.unsuitable !== undefined) {
          held.drop();
          const effect = answer.unsuitable === 'writes' ? 'write' : 'primary-read';
          work.onUnsuitable?.(effect);
          return effect === 'write'
            ? await this.#autocommit({ ...work, effect }, sink)
            : await this.#read({ ...work, effect }, sink);
        }
        const unsure = this.#runner.unsure(link);
        if (unsure !== undefined) await unsure;
        held.release();
        return answer;
      } catch (error) {
        held.drop();
        if (!(error instanceof MemberError) || this.#links.closed) throw error;
        if (held.passedOn) throw answerCutShort(error);
        // A read that breaks whatever answers it is not tried until nobody is left.
        if ((link === undefined && member === undefined) || failures >= readFailuresMax)
          throw noMember(error);
        tried = new Set([...tried, error.memberId]);
        if (error.blame === 'gone')
          await noteTrouble(this.#cluster, error, link?.memberId === this.#cluster.primary.id);
      }
    }
  }

  /** As it is, on the primary: statements that no transaction may contain. */
  async #runBare(work: Work, sink: AnswerSink): Promise<Answer> {
    const link = await this.#links.primary();
    try {
      return await this.#runner.run(link, work.request, sink, { begin: undefined, mayBeUnsuitable: 'no' });
    } catch (error) {
      throw error instanceof MemberError ? answerCutShort(error) : error;
    }
  }

  get primaryId(): string {
    return this.#cluster.primary.id;
  }

  /** Those that take part. */
  get replicaIds(): readonly string[] {
    const { primary, membership } = this.#cluster;
    return membership.active.filter((id) => id !== primary.id);
  }

  /** Waits as long as it takes, unless the client cancels or goes. */
  async until(ready: () => boolean): Promise<void> {
    this.#cancelling = 'possible';
    try {
      while (!ready()) {
        this.#throwIfCancelled();
        if (this.#links.closed) throw noMember(undefined);
        await pause(this.#cluster.world.clock, waitMs);
      }
    } finally {
      this.#cancelling = 'not-possible';
    }
  }

  /** Until they have all that the primary may show now. */
  async untilReplicasFollow(): Promise<void> {
    const cluster = this.#cluster;
    const { primary, membership } = cluster;
    const csn = cluster.visibleCsn(primary.id);
    const follows = (id: string): boolean => (cluster.streamOf(id)?.appliedCsn ?? csn) >= csn;
    await this.until(() => cluster.primary.id !== primary.id || membership.active.every(follows));
  }

  /**
   * As it is, on one member, outside of any transaction and of the one order: what becomes of it there, who asks for it answers for. `before` is said
   * first, and `after` whether or not it fails. `where`: a member's id, or `thePrimary` for whoever that is. A connection to another is closed behind it:
   * what it has become by `before` is for this alone. Undefined: the member takes no part any more.
   */
  async runAt(where: string, work: Work, sink: AnswerSink): Promise<Placed | undefined> {
    invariant(this.#transaction === undefined, 'a transaction is open');
    const member = where === thePrimary ? undefined : this.#cluster.member(where);
    if (where !== thePrimary && member === undefined) return undefined;
    this.#cancelling = 'possible';
    try {
      // Not whoever is the primary by then, where another one is meant: it is asked what is on this one.
      const link = member === undefined ? await this.#links.primary() : await this.#links.to(member);
      this.#throwIfCancelled();
      const { memberId } = link;
      for (const own of work.before ?? []) {
        const answer = await this.#runner.runOwn(link, own, sink);
        if (answer.failed) return { memberId, answer };
      }
      const options = { begin: undefined, mayBeUnsuitable: 'no' } as const;
      const answer = await this.#runner.run(link, work.request, sink, options);
      for (const own of work.after ?? []) {
        const { failed } = await this.#runner.runOwn(link, own, nobody);
        if (failed) this.#links.drop(memberId);
      }
      return { memberId, answer };
    } catch (error) {
      if (!(error instanceof MemberError) || this.#links.closed) throw error;
      if (error.blame === 'gone') await this.#cluster.trouble(error.memberId, error);
      const isOut = this.#cluster.membership.entry(error.memberId)?.state !== 'active';
      if (isOut && member !== undefined) return undefined;
      throw answerCutShort(error);
    } finally {
      this.#cancelling = 'not-possible';
      if (member !== undefined) this.#links.drop(member.id);
    }
  }

  /** A transaction of one request: answered only when it is on every active member. */
  async #autocommit(work: Work, sink: AnswerSink): Promise<Answer> {
    for (;;) {
      const held = new HeldAnswer(sink, this.#limits.heldAnswerBytes, untilCommitted);
      this.#answering = held;
      this.begin(this.#hooks.autocommit());
      const transaction = this.#transaction as Transaction;
      try {
        const answer = await this.#transactions.run(transaction, work, held);
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
        this.#answering = undefined;
        this.#transaction = undefined;
      }
    }
  }

  /** A request that no member has yet is not begun any more. */
  #throwIfCancelled(): void {
    if (this.#cancelling === 'wanted') throw statementCancelled();
  }

  #linkLost(link: SessionLink, error: MemberError): void {
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
    } else if (error.sqlState === '57P05' && link !== this.#runner.last) {
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
    if (this.#links.closed) return;
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
