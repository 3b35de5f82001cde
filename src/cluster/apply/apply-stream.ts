/**
 * One replica's way through the one order: takes records in CSN order, applies as many as are waiting in one
 * transaction, and knows how far the replica is. A broken connection is opened again and the replica itself says where
 * it stands. A replica that stays away or is late is reported and the stream stands still, its records kept, until the
 * engine either ends it or tells it to go on.
 */

import { messageOf, pause, withDeadline } from '../../base/index.ts';
import type { Clock } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import type { ApplyLink, CommitRecord, Member, TrialAnswer, WriteSet } from '../../dialects/contract.ts';
import { allowanceFor } from './allowance.ts';
import { isOfContent } from './refusal.ts';
import { ReplicaTrial } from './replica-trial.ts';
import { whileAtWork } from './while-at-work.ts';

export interface ApplyStreamOptions {
  readonly clock: Clock;
  readonly term: number;
  readonly startCsn: number;
  readonly batchMax: number;
  readonly batchBytesMax: number;
  /** Time from the moment a record is due to the moment it is applied; and what clients bear of a member that is seen to be at work. */
  times(): { readonly commitMs: number; readonly outageMs: number };
  /** Commits under way on the primary are worth a moment's wait: one transaction for many costs the replica little more. */
  gather?(): Promise<void> | undefined;
  onApplied(): void;
  /** `csn`: of the record that was refused for what it holds. */
  onFailed(error: MemberError, csn?: number): void;
}

interface Due {
  record: CommitRecord;
  sinceMs: number;
  /** Behind the record come places that need nothing. */
  upTo: number;
}

/** Connections that break one after the other, without the replica having done anything in between. */
const brokenMax = 2;
/** So often a replica may stand still because its connections break, and be found alive, without having done anything in between. */
const barrenMax = 3;
/** A connection that nobody waits for yet has its time; but a member may have died without a word. */
const openMs = 15_000;
/** Between two tries of what the replica could not do just then. */
const retryPauseMs = 20;
/** What is tried here locks as it does on the primary, and a record's rows may need more than they needed there. */
const inTheWayMs = 100;

export class ApplyStream {
  readonly member: Member;
  readonly #options: ApplyStreamOptions;
  #queue: Due[] = [];
  /** The first of the batch under way. */
  #applying: Due | undefined;
  /** The last one that is not yet applied. */
  #tail: Due | undefined;
  #link: ApplyLink | undefined;
  /** Counts the tries, so that one that was given up does nothing more when its turn comes after all. */
  #attempt = 0;
  /** Until it is opened, what is pushed waits. */
  #running = true;
  #stalled = false;
  #ended = false;
  /** So many records are applied one by one: together they were refused, and one of them is why. */
  #singly = 0;
  #refusedCsn: number | undefined;
  #appliedCsn: number;
  #visibleCsn: number;
  #confirmedCsn = 0;
  #waitingBytes = 0;
  /** Stood still there so often, with connections that break, and since when. */
  #barren = { csn: -1, times: 0, sinceMs: 0 };
  #idle: (() => void)[] = [];
  #followers: { readonly csn: number; readonly resolve: () => void }[] = [];
  readonly #trial: ReplicaTrial;
  #endWatch: () => void = () => undefined;
  /** Since when the batch under way is. */
  #applyingSinceMs = 0;

  constructor(member: Member, options: ApplyStreamOptions) {
    this.member = member;
    this.#options = options;
    this.#trial = new ReplicaTrial(member, options);
    this.#appliedCsn = options.startCsn;
    this.#visibleCsn = options.startCsn;
  }

  /** Everything up to here is applied and confirmed. */
  get appliedCsn(): number {
    return this.#appliedCsn;
  }

  /** Nothing above this can be visible on the replica. */
  get visibleCsn(): number {
    return this.#visibleCsn;
  }

  /** The highest record that the replica has said to have. */
  get confirmedCsn(): number {
    return this.#confirmedCsn;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** What the records that wait occupy, in bytes; those that are just being applied are not among them. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** How long ago the oldest record that is not yet applied was pushed. */
  get behindMs(): number {
    const oldest = this.#applying ?? this.#queue[0];
    return oldest === undefined ? 0 : this.#options.clock.monotonicMs() - oldest.sinceMs;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The record that it stands still at, because the member refuses what it holds. */
  get refusedCsn(): number | undefined {
    return this.#stalled && !this.#ended ? this.#refusedCsn : undefined;
  }

  /** What was pushed before, or is meanwhile, has all its time from here on. Where it fails, the first record tries again. */
  async open(): Promise<void> {
    try {
      // One that comes later is taken all the same, if none is there by then.
      await withDeadline(this.#options.clock, openMs, this.#connect(), () => {
        const why = `member ${this.member.id} has not said within ${openMs} ms how far it is`;
        return new MemberError(this.member.id, 'gone', why);
      });
    } finally {
      this.#renewTime();
      void this.#run();
    }
  }

  push(record: CommitRecord): void {
    if (this.#ended) return;
    if (this.#trial.csn !== undefined && record.csn > this.#trial.csn) this.#trial.drop();
    const due = { record, sinceMs: this.#options.clock.monotonicMs(), upTo: record.csn };
    this.#queue.push(due);
    this.#waitingBytes += bytesOf(due);
    this.#tail = due;
    if (!this.#running && !this.#stalled) void this.#run();
  }

  /** A place in the order that needs nothing to be done here. */
  pass(csn: number): void {
    if (this.#trial.csn !== undefined && csn >= this.#trial.csn) this.#trial.drop();
    if (this.#tail !== undefined) this.#tail.upTo = csn;
    else this.#reached(csn);
  }

  /** Carries out what is going to be a record, when all up to `afterCsn` is applied, and keeps it open. */
  async tryOut(
    writeSet: WriteSet,
    bounds: { readonly afterCsn: number; readonly catchUpMs: number; readonly allowedMs: number },
  ): Promise<TrialAnswer> {
    const { clock } = this.#options;
    try {
      await withDeadline(clock, bounds.catchUpMs, this.#caughtUp(bounds.afterCsn), () => this.#behind());
      if (this.#ended || this.#stalled) throw this.#behind();
    } catch (error) {
      return { kind: 'undecided', error: error instanceof MemberError ? error : this.#behind() };
    }
    const answer = await this.#trial.hold(writeSet, bounds.allowedMs);
    if (answer.kind === 'held') this.#watchTrial();
    return answer;
  }

  /** What is held waits for the records before it: where one of them waits for what is held, that is let go of. */
  #watchTrial(): void {
    const { clock } = this.#options;
    this.#endWatch();
    this.#endWatch = clock.after(inTheWayMs, () => {
      if (!this.#trial.held) return;
      const applying = this.#applying?.record.csn;
      const stands = applying !== undefined && clock.monotonicMs() - this.#applyingSinceMs >= inTheWayMs;
      if (stands && applying !== this.#trial.csn) this.#trial.drop();
      else this.#watchTrial();
    });
  }

  placeTrial(csn: number): void {
    this.#trial.place(csn);
  }

  dropTrial(): void {
    this.#trial.drop();
  }

  #caughtUp(csn: number): Promise<void> {
    if (this.#appliedCsn >= csn) return Promise.resolve();
    return new Promise((resolve) => this.#followers.push({ csn, resolve }));
  }

  #behind(): MemberError {
    const { id } = this.member;
    return new MemberError(id, 'retry', `member ${id} is behind`);
  }

  /** After a failure that was not this member's: what is waiting is tried again, with all its time. */
  goOn(): void {
    if (!this.#stalled || this.#ended) return;
    this.#stalled = false;
    this.#refusedCsn = undefined;
    this.#renewTime();
    void this.#run();
  }

  /** From this CSN on, which it has not applied, everything is dead. It stands still, and goes on with that. */
  revoke(csn: number): void {
    this.#trial.drop();
    for (const due of this.#queue) {
      if (due.record.csn < csn) continue;
      this.#waitingBytes -= bytesOf(due);
      due.record = { ...due.record, writeSet: null };
    }
    this.goOn();
  }

  #renewTime(): void {
    const now = this.#options.clock.monotonicMs();
    for (const due of this.#queue) due.sinceMs = now;
  }

  /** Resolves when nothing is waiting any more, or the stream has ended. */
  drained(): Promise<void> {
    if ((!this.#running && !this.#stalled) || this.#ended) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#queue = [];
    this.#waitingBytes = 0;
    this.#link?.close();
    this.#endWatch();
    this.#trial.end();
    this.#release();
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#queue.length > 0 && !this.#ended) {
      await this.#options.gather?.();
      // It may have ended meanwhile.
      if (this.#queue.length === 0) continue;
      const batch = this.#nextBatch();
      this.#applying = batch[0];
      this.#applyingSinceMs = this.#options.clock.monotonicMs();
      try {
        await this.#apply(batch);
        this.#applying = undefined;
      } catch (error) {
        this.#applying = undefined;
        this.#running = false;
        this.#stall(batch, error);
        return;
      }
    }
    this.#running = false;
    this.#release();
  }

  #nextBatch(): Due[] {
    const { batchBytesMax } = this.#options;
    const batchMax = this.#singly > 0 ? 1 : this.#options.batchMax;
    this.#singly = Math.max(0, this.#singly - 1);
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && count < batchMax) {
      const due = this.#queue[count] as Due;
      const next = bytesOf(due);
      const tried = due.record.csn === this.#trial.csn;
      if (count > 0 && (tried || bytes + next > batchBytesMax)) break;
      bytes += next;
      count += 1;
      if (tried) break;
    }
    this.#waitingBytes -= bytes;
    return this.#queue.splice(0, count);
  }

  async #apply(batch: readonly Due[]): Promise<void> {
    const { clock } = this.#options;
    const last = batch[batch.length - 1] as Due;
    const sinceMs = this.#applyingSinceMs;
    this.#visibleCsn = last.record.csn;
    for (let broken = 0; !this.#ended; ) {
      try {
        await this.#inTime(this.#applyOnce(batch, ++this.#attempt), batch);
        if (this.#tail === last) this.#tail = undefined;
        // What waits behind long work is not late for that.
        if (clock.monotonicMs() - sinceMs > this.#options.times().commitMs) this.#renewTime();
        if (!this.#ended) this.#reached(last.upTo);
        return;
      } catch (error) {
        this.#link?.close();
        this.#link = undefined;
        this.#trial.drop();
        // Given up in the middle of connecting, it must not go on when the connection comes after all.
        this.#attempt += 1;
        if (!(error instanceof MemberError) || this.#ended) throw error;
        // What the replica could not do just now (a deadlock, all its connections taken) it may do as long as there is time.
        if (error.blame === 'retry') await pause(clock, retryPauseMs);
        else if (error.blame !== 'gone' || ++broken > brokenMax) throw error;
      }
    }
  }

  async #applyOnce(batch: readonly Due[], attempt: number): Promise<void> {
    if (await this.#commitsTried(batch)) return;
    const link = this.#link ?? (await this.#connect());
    if (attempt !== this.#attempt || this.#ended) return;
    const due = batch.map(({ record }) => record).filter(({ csn }) => csn > this.#appliedCsn);
    if (due.length > 0) await link.apply(due);
    this.#confirmedCsn = Math.max(this.#confirmedCsn, batch.at(-1)?.record.csn ?? 0);
  }

  /** What was held for this place is committed, with its record, instead of being applied. */
  async #commitsTried([due, ...rest]: readonly Due[]): Promise<boolean> {
    if (due === undefined || rest.length > 0 || due.record.csn !== this.#trial.csn) return false;
    if (due.record.writeSet === null) {
      this.#trial.drop();
      return false;
    }
    await this.#trial.commit(due.record);
    this.#link?.schemaChanged();
    this.#confirmedCsn = Math.max(this.#confirmedCsn, due.record.csn);
    return true;
  }

  /** A connection; how far the replica has come is asked, never guessed: an earlier one may have done more than we heard of. */
  async #connect(): Promise<ApplyLink> {
    const link = await this.member.openApply(this.#options.term);
    try {
      const lastCsn = await link.lastCsn();
      if (lastCsn < this.#confirmedCsn) throw this.#wentBack(lastCsn);
      this.#confirmedCsn = lastCsn;
      this.#appliedCsn = Math.max(this.#appliedCsn, lastCsn);
    } catch (error) {
      link.close();
      throw error;
    }
    if (this.#ended || this.#link !== undefined) link.close();
    else this.#link = link;
    return link;
  }

  /** Put back to an older state, or what it had committed was not safe on its disk. */
  #wentBack(lastCsn: number): MemberError {
    const { id } = this.member;
    const why = `member ${id} has lost commits that it had confirmed: its log ends at CSN ${lastCsn}, it was at ${this.#confirmedCsn}`;
    return new MemberError(id, 'unfit', why);
  }

  #reached(csn: number): void {
    this.#appliedCsn = Math.max(this.#appliedCsn, csn);
    this.#visibleCsn = Math.max(this.#visibleCsn, csn);
    if (this.#followers.length > 0) {
      const here = this.#followers.filter((one) => one.csn <= this.#appliedCsn);
      this.#followers = this.#followers.filter((one) => one.csn > this.#appliedCsn);
      for (const { resolve } of here) resolve();
    }
    this.#options.onApplied();
  }

  async #inTime(work: Promise<void>, batch: readonly Due[]): Promise<void> {
    const { clock } = this.#options;
    const times = this.#options.times();
    const [first] = batch as readonly [Due];
    const bytes = batch.reduce((sum, due) => sum + bytesOf(due), 0);
    const primaryMs = batch.reduce((sum, { record }) => sum + (record.primaryMs ?? 0), 0);
    const { deadlineMs, utmostMs } = allowanceFor({ bytes, primaryMs }, times);
    await whileAtWork(work, {
      clock,
      untilMs: first.sinceMs + deadlineMs,
      everyMs: times.commitMs,
      utmostMs: first.sinceMs + utmostMs,
      isAtWork: () => this.#link?.atWork(),
      late: () => {
        const ms = Math.round(Math.max(deadlineMs, clock.monotonicMs() - first.sinceMs));
        const why = `member ${this.member.id} has not applied CSN ${first.record.csn} within ${ms} ms`;
        return new MemberError(this.member.id, 'unfit', why);
      },
    });
  }

  #stall(batch: readonly Due[], error: unknown): void {
    if (this.#ended) return;
    this.#queue.unshift(...batch);
    for (const due of batch) this.#waitingBytes += bytesOf(due);
    const ofContent = isOfContent(error);
    if (ofContent && batch.length > 1) {
      this.#singly = batch.length;
      void this.#run();
      return;
    }
    this.#stalled = true;
    this.#refusedCsn = ofContent ? batch[0]?.record.csn : undefined;
    const failure =
      error instanceof MemberError ? error : new MemberError(this.member.id, 'unfit', messageOf(error));
    this.#options.onFailed(failure.blame === 'gone' ? this.#lasting(failure) : failure, this.#refusedCsn);
  }

  /** Who answers every probe and breaks every connection that is to apply would be waited for without an end. */
  #lasting(failure: MemberError): MemberError {
    const now = this.#options.clock.monotonicMs();
    const csn = this.#confirmedCsn;
    if (this.#barren.csn !== csn) this.#barren = { csn, times: 0, sinceMs: now };
    this.#barren.times += 1;
    const ms = now - this.#barren.sinceMs;
    if (this.#barren.times <= barrenMax || ms < this.#options.times().commitMs) return failure;
    const why = `${failure.message}; nothing behind CSN ${csn} was applied for ${Math.round(ms)} ms, although it answers`;
    return new MemberError(this.member.id, 'unfit', why);
  }

  #release(): void {
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }
}

function bytesOf({ record }: Due): number {
  return record.writeSet?.bytes ?? 0;
}
