/**
 * One replica's way through the one order: takes records in CSN order, applies as many as are waiting in one
 * transaction, and knows how far the replica is. A broken connection is opened again once per failure and the replica
 * itself says where it stands. A replica that stays away or is late is reported and the stream stands still, its records
 * kept, until the engine either ends it or tells it to go on.
 */

import { messageOf, withDeadline } from '../../base/index.ts';
import type { Clock } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import type { ApplyLink, CommitRecord, Member } from '../../dialects/contract.ts';

export interface ApplyStreamOptions {
  readonly clock: Clock;
  readonly term: number;
  readonly startCsn: number;
  readonly batchMax: number;
  readonly batchBytesMax: number;
  /** Time from the moment a record is due to the moment it is applied. */
  readonly deadlineMs: number;
  onApplied(): void;
  onFailed(error: MemberError): void;
}

interface Due {
  readonly record: CommitRecord;
  readonly sinceMs: number;
}

export class ApplyStream {
  readonly member: Member;
  readonly #options: ApplyStreamOptions;
  #queue: Due[] = [];
  #link: ApplyLink | undefined;
  #running = false;
  #stalled = false;
  #ended = false;
  #appliedCsn: number;
  #visibleCsn: number;
  #idle: (() => void)[] = [];

  constructor(member: Member, options: ApplyStreamOptions) {
    this.member = member;
    this.#options = options;
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

  get waiting(): number {
    return this.#queue.length;
  }

  get ended(): boolean {
    return this.#ended;
  }

  async open(): Promise<void> {
    this.#link = await this.member.openApply(this.#options.term);
  }

  push(record: CommitRecord): void {
    if (this.#ended) return;
    this.#queue.push({ record, sinceMs: this.#options.clock.monotonicMs() });
    if (!this.#running && !this.#stalled) void this.#run();
  }

  /** After a failure that was not this member's: what is waiting is tried again. */
  goOn(): void {
    if (!this.#stalled || this.#ended) return;
    this.#stalled = false;
    void this.#run();
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
    this.#link?.close();
    this.#release();
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#queue.length > 0 && !this.#ended) {
      const batch = this.#nextBatch();
      try {
        await this.#apply(batch);
      } catch (error) {
        this.#running = false;
        this.#stall(batch, error);
        return;
      }
    }
    this.#running = false;
    this.#release();
  }

  #nextBatch(): Due[] {
    const { batchMax, batchBytesMax } = this.#options;
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && count < batchMax) {
      bytes += this.#queue[count]?.record.writeSet?.bytes ?? 0;
      if (count > 0 && bytes > batchBytesMax) break;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  async #apply(batch: readonly Due[]): Promise<void> {
    let due = batch;
    for (let attempt = 0; due.length > 0 && !this.#ended; attempt++) {
      const last = due[due.length - 1] as Due;
      this.#visibleCsn = last.record.csn;
      try {
        const link = this.#link ?? (await this.#reopen());
        due = due.filter(({ record }) => record.csn > this.#appliedCsn);
        if (due.length > 0) {
          const records = due.map(({ record }) => record);
          await this.#inTime(link.apply(records), due, records);
        }
        this.#appliedCsn = Math.max(this.#appliedCsn, last.record.csn);
        if (!this.#ended) this.#options.onApplied();
        return;
      } catch (error) {
        this.#link?.close();
        this.#link = undefined;
        const again = error instanceof MemberError && (error.blame === 'gone' || error.blame === 'retry');
        if (!again || attempt >= 2 || this.#ended) throw error;
      }
    }
  }

  /** A new connection; what the lost one did is asked, never guessed. */
  async #reopen(): Promise<ApplyLink> {
    const link = await this.member.openApply(this.#options.term);
    this.#appliedCsn = Math.max(this.#appliedCsn, await link.lastCsn());
    this.#link = link;
    return link;
  }

  #inTime(work: Promise<void>, due: readonly Due[], records: readonly CommitRecord[]): Promise<void> {
    const { clock, deadlineMs } = this.#options;
    // Large work takes its time: a second for each 4 MB on top.
    const bytes = records.reduce((sum, record) => sum + (record.writeSet?.bytes ?? 0), 0);
    const allowed = deadlineMs + (bytes / (4 << 20)) * 1000;
    const since = due[0]?.sinceMs ?? clock.monotonicMs();
    const left = Math.max(1, since + allowed - clock.monotonicMs());
    const csn = records[0]?.csn ?? 0;
    return withDeadline(clock, left, work, () => {
      const why = `member ${this.member.id} has not applied CSN ${csn} within ${Math.round(allowed)} ms`;
      return new MemberError(this.member.id, 'unfit', why);
    });
  }

  #stall(batch: readonly Due[], error: unknown): void {
    if (this.#ended) return;
    this.#stalled = true;
    this.#queue.unshift(...batch);
    const failure =
      error instanceof MemberError ? error : new MemberError(this.member.id, 'unfit', messageOf(error));
    this.#options.onFailed(failure);
  }

  #release(): void {
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }
}
