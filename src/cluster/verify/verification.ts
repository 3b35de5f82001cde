/**
 * Proves that active members hold the same, as of one place in the order, while clients go on: commits are held only while
 * the snapshots are taken. A member that differs from what is right is taken out, and comes back by comparing. See
 * ../sync/DESIGN.md, "Verification".
 */

import { LockstepError, messageOf, pause } from '../../base/index.ts';
import type { Note } from '../../coordination/index.ts';
import { contestAfter, contestOf, contestWithout, isSameContest } from './contest.ts';
import type { Contest } from './contest.ts';
import { sentences } from './judge.ts';
import { noteOf, readNote, summary } from './last-verification.ts';
import type { LastVerification, TableVerdict } from './last-verification.ts';
import { Schedule } from './schedule.ts';
import { cancelled, VerificationRun } from './verification-run.ts';
import type {
  VerificationRequest,
  VerificationRunParts,
  VerificationWatch,
  Verified,
} from './verification-run.ts';
import { findUnwatched, watchAgain } from './watch-again.ts';

/** Until a verification that is under way is asked for again. */
const retryPauseMs = 500;
/** A scheduled verification that could not be made is made again soon. */
const putOffMs = 600_000;
/** Differences of one member that are told one by one. */
const toldMax = 100;

export interface VerificationParts extends VerificationRunParts {
  /** The last one, over restarts. */
  readonly note: Note | undefined;
  /** They differ, each for its reason: resolves when they are recorded inactive. */
  takeOut(wrong: ReadonlyMap<string, string>): Promise<void>;
}

export class Verification {
  readonly #parts: VerificationParts;
  readonly #looks: VerificationRun;
  readonly #tables = new Map<string, TableVerdict>();
  #last: LastVerification | undefined;
  #contest: Contest | undefined;
  #running = false;
  /** Because something looked suspicious: nobody has asked for it, and nobody is told that it is in his way. */
  #suspecting = false;
  readonly #schedule: Schedule;
  /** When everything was verified last, by the clock on the wall; or when the node began. */
  #fullMs: number;
  #scheduled: AbortController | undefined;
  #over: Promise<unknown> = Promise.resolve();

  constructor(parts: VerificationParts) {
    this.#parts = parts;
    this.#looks = new VerificationRun(parts);
    const { clock } = parts.world;
    this.#fullMs = clock.wallTime().getTime();
    this.#schedule = new Schedule({
      clock,
      settings: () => parts.settings.verification,
      run: () => {
        this.#over = this.#runScheduled();
      },
    });
  }

  /** Also one of an earlier node on the same state. */
  get last(): LastVerification | undefined {
    return this.#last;
  }

  /** Undefined: the primary differs from nobody, or whoever differs is known to be wrong. */
  get contest(): Contest | undefined {
    return this.#contest;
  }

  /** It does not hold what the primary holds, and nobody has said who is right. */
  isContested(id: string): boolean {
    return this.#contest?.members.includes(id) === true;
  }

  /** It was compared with the primary, and made equal, or has left. */
  async settled(id: string): Promise<void> {
    if (this.#contest?.members.includes(id) === true)
      await this.#nowContested(contestWithout(this.#contest, id));
  }

  /** Another member has become the primary. */
  async primaryMoved(to: string): Promise<void> {
    const { membership } = this.#parts;
    if (this.#contest === undefined || this.#contest.primary === to) return;
    const all = membership.members.map(({ id }) => id);
    await this.#nowContested(contestOf(this.#contest, { to, all }));
  }

  /** By table, what was found when it was last looked at. */
  get tables(): ReadonlyMap<string, TableVerdict> {
    return this.#tables;
  }

  /** Until the next one by the schedule; undefined when there is none. */
  get dueInMs(): number | undefined {
    return this.#schedule.dueInMs;
  }

  /** By the schedule from now on. */
  async start(): Promise<void> {
    const note = readNote(await this.#parts.note?.load().catch(() => undefined));
    this.#last = note?.last;
    this.#contest = note?.contest;
    await this.primaryMoved(this.#parts.primaryId());
    for (const { table, ...verdict } of note?.tables ?? []) this.#tables.set(table, verdict);
    this.#fullMs = note?.fullMs ?? this.#fullMs;
    this.reschedule();
  }

  /** The schedule is another one, from now on. */
  reschedule(): void {
    if (this.#parts.data !== undefined) this.#schedule.next(this.#fullMs);
  }

  async stop(): Promise<void> {
    this.#schedule.stop();
    this.#scheduled?.abort();
    await this.#over;
  }

  /** Resolves with what was found, also when nothing could be. Rejects only when what is asked for makes no sense. */
  async run(request: VerificationRequest = {}, watch: VerificationWatch = {}): Promise<Verified> {
    const { clock, raise } = this.#parts.world;
    while (this.#suspecting && request.suspicion !== true) {
      if (watch.signal?.aborted === true) throw cancelled();
      await pause(clock, retryPauseMs, watch.signal);
    }
    if (this.#running) throw underWay();
    this.#running = true;
    this.#suspecting = request.suspicion === true;
    const since = clock.monotonicMs();
    try {
      const verified = await this.#looks.run(request, watch);
      if (request.dryRun === true) return verified;
      // What must not be lost comes first: whoever differs is recorded so before anything else is done about it.
      await this.#takeOut(verified);
      const end = { at: clock.wallTime().toISOString(), tookMs: Math.round(clock.monotonicMs() - since) };
      this.#tell(verified);
      const whole = request.tables === undefined;
      const now = { at: end.at, primary: this.#parts.primaryId(), whole };
      await this.#nowContested(contestAfter(this.#contest, verified, now), request.suspicion !== true);
      if (whole && verified.outcome !== 'unchecked') this.#wasFull(end.at);
      if (request.suspicion !== true || verified.outcome === 'differs')
        await this.#remember(summary(verified, end));
      const { outcome, reason, csn, members, tables, heldMs } = verified;
      raise({
        type: 'verification-ended',
        outcome,
        reason,
        csn,
        members,
        tables: tables.length,
        rows: tables.reduce((sum, { rows }) => sum + rows, 0),
        heldMs: Math.round(heldMs),
        tookMs: end.tookMs,
      });
      return verified;
    } finally {
      this.#running = false;
      this.#suspecting = false;
    }
  }

  /** Something says that members may differ: everything is verified as soon as nothing else is. */
  async suspect(): Promise<void> {
    const { stopped, world } = this.#parts;
    while (!stopped.aborted) {
      try {
        return void (await this.run({ suspicion: true }));
      } catch {
        // An operator's is under way, or the schedule's: it may have begun before.
        await pause(world.clock, retryPauseMs, stopped);
      }
    }
  }

  #wasFull(at: string): void {
    this.#fullMs = Date.parse(at);
    if (this.#schedule.dueInMs !== undefined) this.reschedule();
  }

  async #runScheduled(): Promise<void> {
    const { settings, stopped, world } = this.#parts;
    this.#scheduled = new AbortController();
    let isMade = true;
    try {
      const { outcome } = await this.run({}, { signal: this.#scheduled.signal });
      isMade = outcome !== 'unchecked';
    } catch (error) {
      // An operator's is under way.
      isMade = false;
      if (!(error instanceof LockstepError))
        world.raise({ type: 'internal-error', where: 'verification', error: messageOf(error) });
    }
    if (stopped.aborted) return;
    const { everyMs } = settings.verification;
    const again = world.clock.wallTime().getTime() + Math.min(putOffMs, everyMs) - everyMs;
    this.#schedule.next(isMade ? this.#fullMs : again);
  }

  /** Per member, tables that nobody watches; they are watched again, unless it is only asked for. */
  async restoreCapture(dryRun: boolean): Promise<ReadonlyMap<string, readonly string[]>> {
    const { data } = this.#parts;
    if (data === undefined) return new Map();
    const unwatched = await findUnwatched(this.#parts, data);
    if (!dryRun) for (const [id, found] of unwatched) await watchAgain(this.#parts, data, { id, found });
    return new Map([...unwatched].map(([id, found]) => [id, found.map(({ what }) => what)]));
  }

  /** For whoever asks later. That it could not be kept over restarts is no reason to find nothing out. */
  async #remember(last: LastVerification): Promise<void> {
    this.#last = last;
    for (const { table, csn, outcome } of last.tables) this.#tables.set(table, { at: last.at, csn, outcome });
    await this.#save(last);
  }

  async #nowContested(contest: Contest | undefined, anew = false): Promise<void> {
    const before = this.#contest;
    // Where there is one it is told again for who asked.
    if (isSameContest(before, contest) && !(anew && contest !== undefined)) return;
    this.#contest = contest;
    const { raise } = this.#parts.world;
    if (contest !== undefined) raise({ type: 'primary-differs', ...told(contest) });
    else if (before !== undefined) raise({ type: 'primary-agrees', primary: this.#parts.primaryId() });
    if (this.#last !== undefined) await this.#save(this.#last);
  }

  async #save(last: LastVerification): Promise<void> {
    const kept = { fullMs: this.#fullMs, contest: this.#contest };
    try {
      await this.#parts.note?.save(noteOf(last, this.#tables, kept));
    } catch (error) {
      const { raise } = this.#parts.world;
      raise({ type: 'internal-error', where: 'the record of the verification', error: messageOf(error) });
    }
  }

  #tell({ differences, settled }: Verified): void {
    for (const member of new Set([...differences.keys(), ...settled.keys()])) {
      const difference = differences.get(member);
      const all = [
        ...(settled.get(member) ?? []),
        ...(difference === undefined ? [] : sentences(difference)),
      ];
      const rest = all.length > toldMax ? [`and ${all.length - toldMax} more`] : [];
      for (const sentence of [...all.slice(0, toldMax), ...rest])
        this.#parts.world.raise({ type: 'member-differs', member, difference: sentence });
    }
  }

  /** Whoever is wrong, as long as somebody stays: where everybody's data cannot be read, that is the primary. */
  async #takeOut({ members, differences }: Verified): Promise<void> {
    const { membership, world } = this.#parts;
    const primaryId = this.#parts.primaryId();
    const nobodyIsRight = members.every((id) => differences.has(id));
    const wrong = new Map<string, string>();
    for (const [id, difference] of differences) {
      if (membership.entry(id) === undefined || (nobodyIsRight && id === primaryId)) continue;
      const [what = ''] = sentences(difference);
      wrong.set(id, `it differs from the others: ${what}`);
    }
    if (wrong.size === 0) return;
    try {
      await this.#parts.takeOut(wrong);
    } catch (error) {
      for (const id of wrong.keys()) {
        const reason = `it differs, and could not be taken out: ${messageOf(error)}`;
        world.raise({ type: 'member-unfit', member: id, reason });
      }
    }
  }
}

function told({ primary, members, findings }: Contest) {
  return { primary, members, differences: findings.map(({ member, text }) => `${member}: ${text}`) };
}

function underWay(): LockstepError {
  return new LockstepError({
    code: 'cluster.busy',
    message: 'a verification is under way',
    retryable: true,
    hint: 'lockstep jobs shows it, unless it is by the schedule. Try again when it has ended.',
  });
}
