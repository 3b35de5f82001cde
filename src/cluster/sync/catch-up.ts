/**
 * Gives a member what it lacks, from the primary's commit log: page after page in CSN order, the next one read while this one is
 * applied. Nothing is queued, however far the member is behind.
 */

import { messageOf, withDeadline } from '../../base/index.ts';
import type {
  ApplyLink,
  CommitRecord,
  LoggedPlace,
  LogPage,
  LogReader,
  Member,
} from '../../dialects/contract.ts';
import { MemberError } from '../../dialects/contract.ts';
import { allowanceFor } from '../apply/allowance.ts';
import { isOfContent } from '../apply/refusal.ts';
import { whileAtWork } from '../apply/while-at-work.ts';
import { isActive, SyncFailure } from './sync-parts.ts';
import type { SyncParts } from './sync-parts.ts';

export interface CatchUpOptions {
  readonly member: Member;
  /** It has everything up to here. */
  readonly afterCsn: number;
  readonly signal: AbortSignal;
  /** Called with every page applied. */
  onPage(page: { readonly records: number; readonly bytes: number; readonly lagCsn: number }): void;
}

const pageBytes = 4 << 20;
/** No client waits for it, and how long the primary was at a record its log does not say. */
const atWorkMsMax = 24 * 3_600_000;

export class CatchUp {
  readonly #parts: SyncParts;
  readonly #options: CatchUpOptions;
  #link: ApplyLink | undefined;
  #reader: { readonly source: Member; readonly reader: LogReader } | undefined;
  #atCsn: number;
  /** The highest CSN that the member had recorded when the link was opened: an earlier one may have done more than we heard of. */
  #recordedCsn = 0;
  /** Counts the links, so that one that was given up does nothing more. */
  #attempt = 0;

  constructor(parts: SyncParts, options: CatchUpOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#atCsn = options.afterCsn;
  }

  /** The member has everything up to here. */
  get atCsn(): number {
    return this.#atCsn;
  }

  /** What it lacks in the midst of what it has: each was made beside the later ones, so that their order does not matter. */
  async fill(gaps: readonly LoggedPlace[]): Promise<void> {
    for (const { csn, term, slot, dead } of gaps) {
      this.#options.signal.throwIfAborted();
      const source = await this.#source();
      const writeSet = dead
        ? null
        : await this.#asked(source, source.log.read(csn), (late) => late?.release());
      if (writeSet === null && !dead) throw logGone(csn);
      await this.#apply([{ csn, term, slot, writeSet }], 'gaps');
    }
  }

  /** Until it is not more than `nearCsns` behind. */
  async comeNear(nearCsns: number): Promise<void> {
    await this.#follow(() => this.#parts.order.dispatched, nearCsns);
  }

  /** Somebody else has brought it further. */
  continueAt(csn: number): void {
    this.#atCsn = Math.max(this.#atCsn, csn);
  }

  async reach(csn: number): Promise<void> {
    await this.#follow(() => csn, 0);
  }

  close(): void {
    this.#closeLink();
    this.#reader?.reader.close();
    this.#reader = undefined;
  }

  async #follow(goal: () => number, nearCsns: number): Promise<void> {
    let ahead: Promise<LogPage> | undefined;
    try {
      while (goal() - this.#atCsn > nearCsns) {
        const page = await (ahead ?? this.#read(this.#atCsn, goal()));
        ahead = undefined;
        if (goal() - page.upToCsn > nearCsns) ahead = this.#read(page.upToCsn, goal());
        ahead?.catch(() => undefined);
        const bytes = bytesOf(page.records);
        await this.#apply(page.records, 'end');
        this.#atCsn = page.upToCsn;
        const lagCsn = Math.max(0, this.#parts.order.dispatched - this.#atCsn);
        this.#options.onPage({ records: page.records.length, bytes, lagCsn });
        this.#options.signal.throwIfAborted();
      }
    } finally {
      ahead?.then(({ records }) => release(records)).catch(() => undefined);
    }
  }

  async #read(afterCsn: number, goalCsn: number): Promise<LogPage> {
    const source = await this.#source();
    // What is dispatched while a member is the primary is in its log; whatever comes later may not be.
    const upToCsn = Math.min(goalCsn, this.#parts.order.dispatched);
    if (this.#reader?.source !== source) {
      this.#reader?.reader.close();
      const opened = await this.#asked(source, source.log.openReader(), (late) => late.close());
      this.#reader = { source, reader: opened };
    }
    const { reader } = this.#reader;
    const asked = reader.read({ afterCsn, upToCsn, bytesMax: pageBytes });
    const page = await this.#asked(source, asked, (late) => release(late.records));
    if (page.baseCsn <= afterCsn && isActive(this.#parts.membership, source)) return page;
    release(page.records);
    throw page.baseCsn > afterCsn ? logGone(page.baseCsn) : sourceLost(source);
  }

  /** The primary; while it changes, the next one. */
  async #source(): Promise<Member> {
    const { gate, membership, roster } = this.#parts;
    await gate.passed();
    const source = roster.member(this.#parts.primaryId());
    if (!isActive(membership, source)) throw sourceLost(source);
    return source;
  }

  /** A source that does not answer is somebody else's to judge. What it answers after all, `late` lets go of. */
  async #asked<T>(source: Member, question: Promise<T>, late: (answer: T) => void): Promise<T> {
    const { clock } = this.#parts.world;
    try {
      return await withDeadline(clock, this.#parts.settings.commitMs * 2, question, () => sourceLost(source));
    } catch (error) {
      question.then(late, () => undefined);
      this.#reader?.reader.close();
      this.#reader = undefined;
      throw error instanceof MemberError ? new SyncFailure('source', error.message) : error;
    }
  }

  async #apply(records: readonly CommitRecord[], where: 'gaps' | 'end'): Promise<void> {
    const { settings, world } = this.#parts;
    const { id } = this.#options.member;
    try {
      if (records.length === 0) return;
      const { clock } = world;
      const sinceMs = clock.monotonicMs();
      const { deadlineMs } = allowanceFor({ bytes: bytesOf(records), primaryMs: 0 }, settings);
      await whileAtWork(this.#applyDue(records, where), {
        clock,
        untilMs: sinceMs + deadlineMs,
        everyMs: settings.commitMs,
        utmostMs: sinceMs + deadlineMs + atWorkMsMax,
        isAtWork: () => (this.#options.signal.aborted ? undefined : this.#link?.atWork()),
        late: () => {
          const ms = Math.round(clock.monotonicMs() - sinceMs);
          return new MemberError(
            id,
            'gone',
            `member ${id} has not applied CSN ${records[0]?.csn} within ${ms} ms`,
          );
        },
      });
    } catch (error) {
      this.#closeLink();
      throw failureOf(error);
    } finally {
      release(records);
    }
  }

  async #applyDue(records: readonly CommitRecord[], where: 'gaps' | 'end'): Promise<void> {
    const link = this.#link ?? (await this.#openLink());
    const due = where === 'gaps' ? records : records.filter(({ csn }) => csn > this.#recordedCsn);
    if (due.length > 0) await link.apply(due);
  }

  async #openLink(): Promise<ApplyLink> {
    const { member } = this.#options;
    const attempt = this.#attempt;
    const link = await member.openApply(this.#parts.membership.term);
    try {
      this.#recordedCsn = await link.lastCsn();
      // Given up meanwhile, it must not go on when the connection comes after all.
      if (attempt !== this.#attempt) throw new MemberError(member.id, 'gone', 'the connection came too late');
    } catch (error) {
      link.close();
      throw error;
    }
    this.#link = link;
    return link;
  }

  #closeLink(): void {
    this.#attempt += 1;
    this.#link?.close();
    this.#link = undefined;
  }
}

/** What a member cannot do may mean that its rows are not what its log says. */
export function failureOf(error: unknown): unknown {
  if (isOfContent(error)) return new SyncFailure('differs', messageOf(error));
  if (!(error instanceof MemberError)) return error;
  const { blame, message } = error;
  return new SyncFailure(blame === 'gone' ? 'unreachable' : 'failed', message);
}

function bytesOf(records: readonly CommitRecord[]): number {
  return records.reduce((sum, { writeSet }) => sum + (writeSet?.bytes ?? 0), 0);
}

function release(records: readonly CommitRecord[]): void {
  for (const { writeSet } of records) writeSet?.release();
}

function logGone(csn: number): SyncFailure {
  return new SyncFailure('log-gone', `the cluster's log begins at CSN ${csn} by now`);
}

function sourceLost(source: Member): SyncFailure {
  return new SyncFailure(
    'source',
    `member ${source.id}, whose log was read, is not the primary any more or does not answer`,
  );
}
