/**
 * Proves that active members hold the same, as of one place in the order, while clients go on: commits are held only while
 * the snapshots are opened. A member that differs from what is right is taken out, and comes back by comparing.
 */

import { LockstepError, messageOf, pause } from '../../base/index.ts';
import type { DataSync, MemberDifference, MemberSnapshot } from '../../dialects/sync-contract.ts';
import type { CommitBoundary } from '../commits/commit-boundary.ts';
import type { Membership } from '../membership/membership.ts';
import type { Roster } from '../roster.ts';
import { Pace } from '../sync/pace.ts';
import { ProgressMeter } from '../sync/progress-meter.ts';
import type { MeasuredProgress } from '../sync/progress-meter.ts';
import type { ClusterSettings, World } from '../world.ts';
import { rightGroup, sentences } from './judge.ts';

export interface VerificationParts {
  readonly settings: ClusterSettings;
  readonly world: World;
  readonly membership: Membership;
  readonly roster: Roster;
  readonly boundary: CommitBoundary;
  readonly stopped: AbortSignal;
  /** Undefined: this dialect cannot compare. */
  readonly data: DataSync | undefined;
  primaryId(): string;
  /** One comparing or copying at a time. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
  /** It differs: resolves when it is recorded inactive. */
  takeOut(id: string, reason: string): Promise<void>;
}

export interface VerificationRequest {
  /** As an operator names them. Undefined: all. */
  readonly tables?: readonly string[];
  /** Read from each member; 0: no limit. Default: as configured. */
  readonly maxBytesPerSecond?: number;
}

export interface VerificationWatch {
  readonly signal?: AbortSignal;
  progress?(progress: MeasuredProgress): void;
}

export interface Verified {
  readonly outcome: 'equal' | 'differs' | 'unchecked';
  /** Why something could not be checked. */
  readonly reason: string | undefined;
  readonly csn: number | undefined;
  /** Those that were compared. */
  readonly members: readonly string[];
  readonly tables: readonly { readonly table: string; readonly rows: number }[];
  /** Of those that are not right, from what is. */
  readonly differences: ReadonlyMap<string, MemberDifference>;
  /** How long commits waited. */
  readonly heldMs: number;
}

/** What was found out about one table when it was last looked at. */
export interface TableVerdict {
  readonly at: string;
  readonly csn: number;
  readonly equal: boolean;
}

/** Commits that could not be held, schema statements that came in between: another try may do. */
const triesMax = 5;
const retryPauseMs = 1000;
/** A scheduled verification that could not be made is made again soon. */
const putOffMs = 600_000;
/** Differences of one member that are told one by one. */
const toldMax = 100;

export class Verification {
  readonly #parts: VerificationParts;
  readonly #tables = new Map<string, TableVerdict>();
  #last: { readonly at: string; readonly verified: Verified } | undefined;
  #running = false;
  #cancelSchedule: (() => void) | undefined;
  #dueMs: number | undefined;
  #scheduled: AbortController | undefined;
  #over: Promise<unknown> = Promise.resolve();

  constructor(parts: VerificationParts) {
    this.#parts = parts;
  }

  /** The last one, and when it ended. */
  get last(): { readonly at: string; readonly verified: Verified } | undefined {
    return this.#last;
  }

  /** By table, what was found when it was last looked at. */
  get tables(): ReadonlyMap<string, TableVerdict> {
    return this.#tables;
  }

  /** Until the next one by the schedule; undefined when there is none. */
  get dueInMs(): number | undefined {
    if (this.#dueMs === undefined) return undefined;
    return Math.max(0, this.#dueMs - this.#parts.world.clock.monotonicMs());
  }

  /** By the schedule from now on. */
  start(): void {
    const { everyMs } = this.#parts.settings.verification;
    if (everyMs > 0 && this.#parts.data !== undefined) this.#schedule(everyMs);
  }

  /** The schedule is another one, from now on. */
  reschedule(): void {
    this.#cancelSchedule?.();
    this.#dueMs = undefined;
    this.start();
  }

  async stop(): Promise<void> {
    this.#cancelSchedule?.();
    this.#dueMs = undefined;
    this.#scheduled?.abort();
    await this.#over;
  }

  /** Resolves with what was found, also when nothing could be. Rejects only when what is asked for makes no sense. */
  async run(request: VerificationRequest = {}, watch: VerificationWatch = {}): Promise<Verified> {
    const { clock, raise } = this.#parts.world;
    if (this.#running) throw underWay();
    this.#running = true;
    const since = clock.monotonicMs();
    try {
      const verified = await this.#tryAgain(request, watch);
      const at = clock.wallTime().toISOString();
      this.#last = { at, verified };
      this.#note(verified, at);
      this.#tell(verified);
      await this.#takeOut(verified);
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
        tookMs: Math.round(clock.monotonicMs() - since),
      });
      return verified;
    } finally {
      this.#running = false;
    }
  }

  #schedule(ms: number): void {
    const { clock } = this.#parts.world;
    this.#cancelSchedule?.();
    this.#dueMs = clock.monotonicMs() + ms;
    this.#cancelSchedule = clock.after(ms, () => {
      this.#over = this.#runScheduled();
    });
  }

  async #runScheduled(): Promise<void> {
    const { settings, stopped, world } = this.#parts;
    this.#scheduled = new AbortController();
    let againMs = Infinity;
    try {
      const { outcome } = await this.run({}, { signal: this.#scheduled.signal });
      if (outcome === 'unchecked') againMs = putOffMs;
    } catch (error) {
      // An operator's is under way.
      againMs = putOffMs;
      if (!(error instanceof LockstepError))
        world.raise({ type: 'internal-error', where: 'verification', error: messageOf(error) });
    }
    // It may have been changed meanwhile.
    const { everyMs } = settings.verification;
    this.#dueMs = undefined;
    if (!stopped.aborted && everyMs > 0) this.#schedule(Math.min(everyMs, againMs));
  }

  async #tryAgain(request: VerificationRequest, watch: VerificationWatch): Promise<Verified> {
    const { stopped, world } = this.#parts;
    const ended = new AbortController();
    const end = (): void => ended.abort(cancelled());
    watch.signal?.addEventListener('abort', end, { once: true });
    stopped.addEventListener('abort', end, { once: true });
    if (watch.signal?.aborted === true || stopped.aborted) end();
    try {
      for (let tries = 1; ; tries++) {
        try {
          return await this.#parts.inTurn(() => this.#compare(request, watch, ended.signal));
        } catch (error) {
          ended.signal.throwIfAborted();
          if (isMistaken(error)) throw error;
          if (!(error instanceof LockstepError && error.retryable) || tries === triesMax)
            return unchecked(messageOf(error), this.#parts.membership.active);
        }
        await pause(world.clock, retryPauseMs, ended.signal);
      }
    } finally {
      watch.signal?.removeEventListener('abort', end);
      stopped.removeEventListener('abort', end);
    }
  }

  async #compare(
    request: VerificationRequest,
    watch: VerificationWatch,
    signal: AbortSignal,
  ): Promise<Verified> {
    const { data, membership, settings, world } = this.#parts;
    signal.throwIfAborted();
    const primaryId = this.#parts.primaryId();
    // The first one is what others are held against.
    const ids = [primaryId, ...membership.active.filter((id) => id !== primaryId)];
    if (data === undefined) return unchecked('members of this product cannot be compared', ids);
    if (ids.length < 2) return unchecked(`only ${primaryId} is active`, ids);
    const meter = new ProgressMeter(world.clock);
    const progress = (change: Parameters<ProgressMeter['report']>[0]): void => {
      meter.report(change);
      watch.progress?.(meter.progress);
    };
    progress({ phase: 'snapshot' });
    const { snapshots, csn, heldMs } = await this.#openSnapshots(data, ids);
    try {
      const { maxBytesPerSecond = settings.verification.maxBytesPerSecond } = request;
      const pace = new Pace(world.clock, maxBytesPerSecond * ids.length);
      const { pieceBytesMax } = pace;
      const control = { signal, progress, pieceBytesMax, pace: (bytes: number) => pace.take(bytes, signal) };
      const compare = (some: readonly MemberSnapshot[]) => data.compare(some, control, request.tables);
      const first = await compare(snapshots);
      const base = { reason: undefined, csn, members: ids, tables: first.tables, heldMs };
      if (first.differences.size === 0) return { ...base, outcome: 'equal', differences: new Map() };

      // Who agrees with whom: whoever differs from the first one is held against the first of themselves, and so on.
      const groups: string[][] = [];
      let differing = first.differences;
      for (let rest: readonly MemberSnapshot[] = snapshots; ; ) {
        const [reference] = rest;
        if (reference === undefined) break;
        const equal = rest.filter((one) => one === reference || !differing.has(one.memberId));
        groups.push(equal.map(({ memberId }) => memberId));
        rest = rest.filter((one) => !equal.includes(one));
        if (rest.length > 1) differing = (await compare(rest)).differences;
      }
      const right = rightGroup(groups, primaryId);
      const reference = right.includes(primaryId) ? primaryId : right[0];
      const wrong = snapshots.filter(({ memberId }) => !right.includes(memberId));
      const against = snapshots.filter(({ memberId }) => memberId === reference);
      const { differences } = reference === primaryId ? first : await compare([...against, ...wrong]);
      return { ...base, outcome: 'differs', differences };
    } finally {
      for (const snapshot of snapshots) snapshot.close();
    }
  }

  async #openSnapshots(
    data: DataSync,
    ids: readonly string[],
  ): Promise<{ snapshots: readonly MemberSnapshot[]; csn: number; heldMs: number }> {
    const { boundary, roster, settings, world } = this.#parts;
    const { clock } = world;
    const since = clock.monotonicMs();
    const close = (snapshots: readonly MemberSnapshot[]): void => {
      for (const snapshot of snapshots) snapshot.close();
    };
    return await boundary.hold(
      { ms: settings.sync.holdMs, applied: true, late: ({ snapshots }) => close(snapshots) },
      async (csn) => {
        const opened = await Promise.allSettled(ids.map((id) => data.openSnapshot(roster.member(id))));
        const snapshots = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
        const failed = opened.find((one) => one.status === 'rejected');
        if (failed === undefined) return { snapshots, csn, heldMs: clock.monotonicMs() - since };
        close(snapshots);
        throw failed.reason;
      },
    );
  }

  /** By table, for whoever asks later. */
  #note({ outcome, csn, tables, differences }: Verified, at: string): void {
    if (outcome === 'unchecked' || csn === undefined) return;
    const odd = new Set([...differences.values()].flatMap((one) => one.tables.map(({ table }) => table)));
    for (const { table } of tables) this.#tables.set(table, { at, csn, equal: !odd.has(table) });
  }

  #tell({ differences }: Verified): void {
    for (const [member, difference] of differences) {
      const all = sentences(difference);
      const rest = all.length > toldMax ? [`and ${all.length - toldMax} more`] : [];
      for (const sentence of [...all.slice(0, toldMax), ...rest])
        this.#parts.world.raise({ type: 'member-differs', member, difference: sentence });
    }
  }

  /** Whoever is wrong, as long as somebody stays who is not. */
  async #takeOut({ members, differences }: Verified): Promise<void> {
    const { membership, world } = this.#parts;
    if (members.every((id) => differences.has(id))) return;
    for (const [id, difference] of differences) {
      if (membership.entry(id)?.state !== 'active') continue;
      const [what = ''] = sentences(difference);
      try {
        await this.#parts.takeOut(id, `it differs from the others: ${what}`);
      } catch (error) {
        const reason = `it differs, and could not be taken out: ${messageOf(error)}`;
        world.raise({ type: 'member-unfit', member: id, reason });
      }
    }
  }
}

function unchecked(reason: string, members: readonly string[]): Verified {
  const nothing = { csn: undefined, tables: [], differences: new Map<string, MemberDifference>(), heldMs: 0 };
  return { ...nothing, outcome: 'unchecked', reason, members };
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
