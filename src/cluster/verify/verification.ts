/**
 * Proves that active members hold the same, as of one place in the order, while clients go on: commits are held only while
 * the snapshots are taken. A member that differs from what is right is taken out, and comes back by comparing. See
 * ../sync/DESIGN.md, "Verification".
 */

import { LockstepError, messageOf, pause } from '../../base/index.ts';
import type { Comparison, DataSync, MemberDifference } from '../../dialects/sync-contract.ts';
import type { CommitBoundary } from '../commits/commit-boundary.ts';
import type { Note } from '../../coordination/index.ts';
import type { Membership } from '../membership/membership.ts';
import type { Roster } from '../roster.ts';
import { Pace } from '../sync/pace.ts';
import { ProgressMeter } from '../sync/progress-meter.ts';
import type { MeasuredProgress } from '../sync/progress-meter.ts';
import type { ClusterSettings, World } from '../world.ts';
import { Findings } from './findings.ts';
import type { Outcome, VerifiedTable } from './findings.ts';
import { sentences } from './judge.ts';
import { noteOf, readNote, summary } from './last-verification.ts';
import type { LastVerification, TableVerdict } from './last-verification.ts';
import { isPassing, look } from './look.ts';
import { Schedule } from './schedule.ts';
import { findUnwatched, watchAgain } from './watch-again.ts';

export interface VerificationParts {
  readonly settings: ClusterSettings;
  readonly world: World;
  readonly membership: Membership;
  readonly roster: Roster;
  readonly boundary: CommitBoundary;
  readonly stopped: AbortSignal;
  /** Undefined: this dialect cannot compare. */
  readonly data: DataSync | undefined;
  /** The last one, over restarts. */
  readonly note: Note | undefined;
  primaryId(): string;
  /** One comparing or copying at a time. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
  /** Somebody waits for his turn. */
  turnWanted(): boolean;
  /** They differ, each for its reason: resolves when they are recorded inactive. */
  takeOut(wrong: ReadonlyMap<string, string>): Promise<void>;
}

export interface VerificationRequest {
  /** As an operator names them. Undefined: all. */
  readonly tables?: readonly string[];
  /** Read from each member; 0: no limit. Default: as configured. */
  readonly maxBytesPerSecond?: number;
  /** Find out, and do nothing about it. */
  readonly dryRun?: boolean;
  /** Rows of these tables looked different: it is kept as the last one only if they are. */
  readonly suspicion?: boolean;
}

export interface VerificationWatch {
  readonly signal?: AbortSignal;
  progress?(progress: MeasuredProgress): void;
}

export interface Verified {
  readonly outcome: Outcome;
  /** Why something could not be checked. */
  readonly reason: string | undefined;
  /** The place of the last look. */
  readonly csn: number | undefined;
  /** Those that were compared. */
  readonly members: readonly string[];
  readonly tables: readonly VerifiedTable[];
  /** Of those that are not right, from what is. */
  readonly differences: ReadonlyMap<string, MemberDifference>;
  /** By member, what was found and needs no repair: tables are watched again, rows that differed are equal now. */
  readonly settled: ReadonlyMap<string, readonly string[]>;
  /** The longest time that commits waited. */
  readonly heldMs: number;
}

/** Looks in a row that found nothing out. */
const fruitlessMax = 16;
const retryPauseMs = 500;
/** The first tries hold commits for no longer than this; after so many in vain for twice as long, up to what is configured. */
const holdFirstMs = 25;
const triesEach = 4;
/** Snapshots older than this are left: they keep the servers from clearing up. */
const lookMs = 600_000;
/** A difference is looked at again soon. */
const suspectLookMs = 30_000;
/** A scheduled verification that could not be made is made again soon. */
const putOffMs = 600_000;
/** Differences of one member that are told one by one. */
const toldMax = 100;

export class Verification {
  readonly #parts: VerificationParts;
  readonly #tables = new Map<string, TableVerdict>();
  #last: LastVerification | undefined;
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
      const verified = await this.#verify(request, watch);
      if (request.dryRun === true) return verified;
      // What must not be lost comes first: whoever differs is recorded so before anything else is done about it.
      await this.#takeOut(verified);
      const end = { at: clock.wallTime().toISOString(), tookMs: Math.round(clock.monotonicMs() - since) };
      this.#tell(verified);
      if (request.tables === undefined && verified.outcome !== 'unchecked') this.#wasFull(end.at);
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

  async #verify(request: VerificationRequest, watch: VerificationWatch): Promise<Verified> {
    const { stopped } = this.#parts;
    const ended = new AbortController();
    const end = (): void => ended.abort(cancelled());
    watch.signal?.addEventListener('abort', end, { once: true });
    stopped.addEventListener('abort', end, { once: true });
    if (watch.signal?.aborted === true || stopped.aborted) end();
    try {
      return await this.#lookAgainAndAgain(request, watch, ended.signal);
    } finally {
      watch.signal?.removeEventListener('abort', end);
      stopped.removeEventListener('abort', end);
    }
  }

  async #lookAgainAndAgain(
    request: VerificationRequest,
    watch: VerificationWatch,
    signal: AbortSignal,
  ): Promise<Verified> {
    const { membership, settings, world } = this.#parts;
    const { clock } = world;
    const { data } = this.#parts;
    const findings = new Findings();
    const meter = new ProgressMeter(clock);
    let csn: number | undefined;
    let heldMs = 0;
    let compared: readonly string[] = membership.active;
    const ended = (reason: string | undefined): Verified =>
      this.#ended({ findings, compared, csn, heldMs, reason });
    if (data === undefined) return ended('members of this product cannot be compared');
    for (let fruitless = 0; ; ) {
      const { damaged } = findings;
      const ids = this.#ids().filter((id) => !damaged.includes(id));
      const [alone] = ids;
      // Who is damaged has been compared, too: it is known that it differs.
      if (ids.length < 2)
        return ended(damaged.length > 0 ? undefined : `only ${alone ?? 'no member'} is active`);
      const before = findings.progress;
      let failure: string;
      try {
        const looked = await this.#inTurn(signal, async () => {
          const limit = (): number => request.maxBytesPerSecond ?? settings.verification.maxBytesPerSecond;
          const pace = new Pace(clock, () => limit() * ids.length);
          const sinceMs = clock.monotonicMs();
          const report = (change: Parameters<ProgressMeter['report']>[0]): void => {
            meter.report(change);
            watch.progress?.(meter.progress);
          };
          report({ phase: 'snapshot' });
          return await look({ ...this.#parts, data }, findings, {
            ids,
            tables: request.tables,
            holdMs: Math.min(settings.sync.holdMs, holdFirstMs * 2 ** Math.floor(fruitless / triesEach)),
            control: {
              signal,
              progress: report,
              pieceBytesMax: pace.pieceBytesMax,
              pace: (bytes) => pace.take(bytes, signal),
            },
            enough: () => {
              const age = clock.monotonicMs() - sinceMs;
              return age > (findings.suspicious ? suspectLookMs : lookMs) || this.#parts.turnWanted();
            },
          });
        });
        csn = looked.csn;
        heldMs = Math.max(heldMs, looked.heldMs);
        compared = ids;
        if (looked.unwatched.size > 0)
          await this.#watchAgain(data, findings, looked.unwatched, request.dryRun === true);
        if (findings.complete) return ended(undefined);
        failure = findings.failure ?? 'members looked different, and not in the same way twice';
      } catch (error) {
        signal.throwIfAborted();
        if (isMistaken(error) && csn === undefined) throw error;
        failure = messageOf(error);
        if (!isPassing(error)) return ended(failure);
      }
      fruitless = findings.progress > before ? 0 : fruitless + 1;
      if (fruitless === fruitlessMax) return ended(failure);
      await pause(clock, retryPauseMs, signal);
      signal.throwIfAborted();
    }
  }

  /** Per member, tables that nobody watches; they are watched again, unless it is only asked for. */
  async restoreCapture(dryRun: boolean): Promise<ReadonlyMap<string, readonly string[]>> {
    const { data } = this.#parts;
    if (data === undefined) return new Map();
    const unwatched = await findUnwatched(this.#parts, data);
    if (!dryRun) for (const [id, found] of unwatched) await watchAgain(this.#parts, data, { id, found });
    return new Map([...unwatched].map(([id, found]) => [id, found.map(({ what }) => what)]));
  }

  /** The primary comes first. */
  #ids(): readonly string[] {
    const primaryId = this.#parts.primaryId();
    const { active } = this.#parts.membership;
    return active.includes(primaryId) ? [primaryId, ...active.filter((id) => id !== primaryId)] : active;
  }

  /** Given up while it waits for its turn, it waits no longer. */
  async #inTurn<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const turn = this.#parts.inTurn(() => {
      signal.throwIfAborted();
      return work();
    });
    let end: () => void = () => undefined;
    const givenUp = new Promise<never>((_, reject) => {
      end = () => reject(signal.reason instanceof Error ? signal.reason : cancelled());
      signal.addEventListener('abort', end, { once: true });
    });
    try {
      return await Promise.race([turn, givenUp]);
    } finally {
      signal.removeEventListener('abort', end);
      turn.catch(() => undefined);
    }
  }

  async #watchAgain(
    data: DataSync,
    findings: Findings,
    unwatched: Comparison['unwatched'],
    dryRun: boolean,
  ): Promise<void> {
    for (const [id, found] of unwatched) {
      if (dryRun) {
        findings.unwatched(id, found, 'it would be watched again');
        continue;
      }
      try {
        await watchAgain(this.#parts, data, { id, found });
        findings.watched(id, found);
      } catch (error) {
        findings.unwatched(id, found, `it could not be watched again: ${messageOf(error)}`);
      }
    }
  }

  #ended(known: {
    findings: Findings;
    compared: readonly string[];
    csn: number | undefined;
    heldMs: number;
    reason: string | undefined;
  }): Verified {
    const { findings, compared, csn, heldMs } = known;
    const { differences, settled, tables } = findings;
    const reason = known.reason ?? findings.failure;
    const members = [...new Set([...compared, ...differences.keys()])];
    const found = differences.size > 0 || settled.size > 0;
    const outcome = found ? 'differs' : reason === undefined ? 'equal' : 'unchecked';
    return { outcome, reason, csn, members, tables, differences, settled, heldMs };
  }

  /** For whoever asks later. That it could not be kept over restarts is no reason to find nothing out. */
  async #remember(last: LastVerification): Promise<void> {
    this.#last = last;
    for (const { table, csn, outcome } of last.tables) this.#tables.set(table, { at: last.at, csn, outcome });
    try {
      await this.#parts.note?.save(noteOf(last, this.#tables, this.#fullMs));
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

  /** Whoever is wrong, as long as somebody stays: where everybody is wrong in something, that is the primary. */
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

/** What is asked for is wrong; members have nothing to do with it. */
function isMistaken(error: unknown): boolean {
  return error instanceof LockstepError && error.code === 'sync.no-such-table';
}

function underWay(): LockstepError {
  return new LockstepError({
    code: 'cluster.busy',
    message: 'a verification is under way',
    retryable: true,
    hint: 'lockstep jobs shows it, unless it is by the schedule. Try again when it has ended.',
  });
}

function cancelled(): LockstepError {
  return new LockstepError({ code: 'cluster.cancelled', message: 'the verification was ended' });
}
