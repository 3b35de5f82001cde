/** One verification: looks at all members, again and again, until everything is known or nothing more is found out. */

import { LockstepError, messageOf, pause } from '../../base/index.ts';
import type { Comparison, DataSync, MemberDifference } from '../../dialects/sync-contract.ts';
import type { CommitBoundary } from '../commits/commit-boundary.ts';
import type { Membership } from '../membership/membership.ts';
import type { Roster } from '../roster.ts';
import { Pace } from '../sync/pace.ts';
import { ProgressMeter } from '../sync/progress-meter.ts';
import type { MeasuredProgress } from '../sync/progress-meter.ts';
import type { ClusterSettings, World } from '../world.ts';
import { Findings } from './findings.ts';
import type { Outcome, VerifiedTable } from './findings.ts';
import { isPassing, look } from './look.ts';
import { watchAgain } from './watch-again.ts';

export interface VerificationRunParts {
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
  /** Somebody waits for his turn. */
  turnWanted(): boolean;
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
  /** Of those that are wrong, from what is right. */
  readonly differences: ReadonlyMap<string, MemberDifference>;
  /** Of those that differ from the primary where no other member agrees with it: who is right is not known. */
  readonly contested: ReadonlyMap<string, MemberDifference>;
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
export class VerificationRun {
  readonly #parts: VerificationRunParts;

  constructor(parts: VerificationRunParts) {
    this.#parts = parts;
  }

  /** Resolves with what was found, also when nothing could be. Rejects when what is asked for makes no sense, or it is ended. */
  async run(request: VerificationRequest, watch: VerificationWatch): Promise<Verified> {
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
          const pace = new Pace(clock, limit);
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
    const { settled, tables } = findings;
    const { wrong: differences, contested } = findings.differences;
    const reason = known.reason ?? findings.failure;
    const members = [...new Set([...compared, ...differences.keys(), ...contested.keys()])];
    const found = differences.size > 0 || contested.size > 0 || settled.size > 0;
    const outcome = found ? 'differs' : reason === undefined ? 'equal' : 'unchecked';
    return { outcome, reason, csn, members, tables, differences, contested, settled, heldMs };
  }
}

/** What is asked for is wrong; members have nothing to do with it. */
function isMistaken(error: unknown): boolean {
  return error instanceof LockstepError && error.code === 'sync.no-such-table';
}

export function cancelled(): LockstepError {
  return new LockstepError({ code: 'cluster.cancelled', message: 'the verification was ended' });
}
