/**
 * Inactive members come back by themselves: each is asked now and then whether it answers, and who does is brought level. What
 * keeps failing is tried more and more seldom; who fails again and again after it came back is in quarantine; who was taken out by
 * an operator is left alone.
 */

import { BackOff, messageOf, pause } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import { refusesConnections } from '../cluster-errors.ts';
import { Attempt } from './attempt.ts';
import type { SyncWatch } from './attempt.ts';
import { statusOf } from './care.ts';
import type { Care, SyncStatus } from './care.ts';
import type { Strategy } from './choose-strategy.ts';
import { Flaps } from './flaps.ts';
import { SyncFailure } from './sync-parts.ts';
import type { Phase, SyncParts } from './sync-parts.ts';
import { isActiveAlready, refusal } from './sync-refusal.ts';
import { Synchroniser } from './synchroniser.ts';
import type { Remedy, SyncOutcome, SyncRequest } from './synchroniser.ts';

const stopMs = 2000;
/** The longest time between two tries of a member that refuses connections: that costs neither side anything. */
const refusedConnectMs = 2500;
/** The longest time until members are compared again that refuse one record after the other. */
const refusedRecordsMs = 30_000;
/** Replay, diff, full. */
const strategiesMax = 3;

export class Reactivation {
  readonly #parts: SyncParts;
  readonly #synchroniser: Synchroniser;
  readonly #cares = new Map<string, Care>();
  readonly #flaps = new Map<string, Flaps>();
  /** When members were taken out for a record that nobody can apply. */
  readonly #excused = new Map<string, readonly number[]>();
  #cancelTick: (() => void) | undefined;

  constructor(parts: SyncParts) {
    this.#parts = parts;
    this.#synchroniser = new Synchroniser(parts);
  }

  start(): void {
    const { clock } = this.#parts.world;
    this.#cancelTick = clock.after(this.#parts.settings.probe.intervalMs, () => {
      this.#tick();
      this.start();
    });
  }

  /** What is under way gets a moment to end. */
  async stop(): Promise<void> {
    this.#cancelTick?.();
    this.#cancelTick = undefined;
    const ended = Promise.all([...this.#cares.keys()].map((id) => this.cancel(id, 'the node stops')));
    await Promise.race([ended, pause(this.#parts.world.clock, stopMs)]);
  }

  /**
   * On an operator's word, now, also for a member that was held; resolves when it is active or, for a dry run, when it is known
   * what would change. What is under way for the member is ended first.
   */
  async run(id: string, request: SyncRequest, watch: SyncWatch = {}): Promise<SyncOutcome> {
    await this.cancel(id, 'an operator asked for another attempt');
    if (this.#parts.membership.entry(id)?.state === 'active') throw isActiveAlready(id);
    const care = this.#care(id);
    try {
      for (let tries = 1; ; tries++) {
        const before = care.remedy;
        try {
          return await this.#attempt(care, request, true, watch);
        } catch (error) {
          // What replaying was not enough for is compared at once, and then copied: he has asked for the whole way.
          const nothingElse = !goesFurther(before, care.remedy) || request.strategy !== undefined;
          if (nothingElse || tries === strategiesMax || watch.signal?.aborted === true) throw error;
        }
      }
    } catch (error) {
      throw refusal(id, error);
    } finally {
      if (this.#parts.membership.entry(id)?.state !== 'inactive') this.#cares.delete(id);
    }
  }

  /** Work that reads as much as a synchronisation waits until none is comparing or copying, and the other way round. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.#synchroniser.inTurn(work);
  }

  /** Somebody waits for his turn. */
  get turnWanted(): boolean {
    return this.#synchroniser.turnWanted;
  }

  /**
   * They were taken out for a record that nobody can apply: they are compared at once, and it counts for nothing. Only who refuses
   * one after the other waits a little longer each time.
   */
  excuse(ids: readonly string[], csn: number): void {
    const { settings, world } = this.#parts;
    const { automatic, quarantineFailures, quarantineMs, retryMs } = settings.sync;
    const now = world.clock.monotonicMs();
    for (const id of ids) {
      this.#flapsOf(id).excuse();
      const recent = [...(this.#excused.get(id) ?? []).filter((at) => now - at < quarantineMs), now];
      this.#excused.set(id, recent);
      if (!automatic || this.#parts.membership.entry(id)?.state !== 'inactive') continue;
      const care = this.#care(id);
      care.remedy = { least: 'diff', reason: `no replica can apply CSN ${csn}` };
      const tooMany = recent.length - quarantineFailures;
      care.dueMs =
        tooMany <= 0 ? now : now + Math.min(refusedRecordsMs, retryMs * 2 ** Math.min(tooMany, 30));
    }
    if (automatic && this.#cancelTick !== undefined) this.#tick();
  }

  /** For good. Whoever bears its name next is another database, and has failed at nothing yet. */
  async left(id: string): Promise<void> {
    this.#cares.delete(id);
    this.#flaps.delete(id);
    this.#excused.delete(id);
    await this.#parts.compared(id);
  }

  /** Ends what is under way for a member. False: there was nothing. */
  async cancel(id: string, reason = 'an operator ended it'): Promise<boolean> {
    const running = this.#cares.get(id)?.running;
    if (running === undefined) return false;
    await running.cancel(reason);
    return true;
  }

  /** Undefined: nothing is done or planned. */
  statusOf(id: string): SyncStatus | undefined {
    const care = this.#cares.get(id);
    if (care === undefined) return undefined;
    const quarantined = this.#flaps.get(id)?.quarantined === true;
    return statusOf(care, quarantined, this.#parts.world.clock.monotonicMs());
  }

  #tick(): void {
    const { membership, settings, world } = this.#parts;
    const now = world.clock.monotonicMs();
    for (const { id, state } of membership.members) {
      if (state === 'active') {
        this.#flapsOf(id).well(now);
        this.#cares.delete(id);
      } else if (state === 'held' || !settings.sync.automatic) {
        if (this.#cares.get(id)?.running === undefined) this.#cares.delete(id);
      } else {
        const care = this.#care(id);
        if (care.running === undefined && now >= care.dueMs) void this.#attemptByItself(care);
      }
    }
  }

  #care(id: string): Care {
    const known = this.#cares.get(id);
    if (known !== undefined) return known;
    const { settings, world } = this.#parts;
    const { random, clock } = world;
    const { retryMs, retryMaxMs } = settings.sync;
    const retry = new BackOff({ firstMs: retryMs, maxMs: retryMaxMs, random });
    const { intervalMs, backOffMaxMs } = settings.probe;
    const probing = new BackOff({ firstMs: intervalMs, maxMs: backOffMaxMs, random });
    const now = clock.monotonicMs();
    const care: Care = {
      id,
      probing,
      retry,
      attempts: 0,
      remedy: undefined,
      lastReason: undefined,
      running: undefined,
      dueMs: now + retry.nextMs(),
    };
    this.#cares.set(id, care);
    const flaps = this.#flapsOf(id);
    if (flaps.out(now)) {
      const reason = `it has failed ${settings.sync.quarantineFailures} times within ${settings.sync.quarantineMs / 60_000} minutes`;
      world.raise({ type: 'member-quarantined', member: id, reason });
    }
    if (flaps.quarantined) care.dueMs = now + this.#seldomMs();
    return care;
  }

  #flapsOf(id: string): Flaps {
    const { quarantineFailures: failuresMax, quarantineMs: withinMs } = this.#parts.settings.sync;
    const flaps = this.#flaps.get(id) ?? new Flaps({ failuresMax, withinMs });
    this.#flaps.set(id, flaps);
    return flaps;
  }

  /** The longest time between two attempts, spread so that nobody marches in step. */
  #seldomMs(): number {
    const { settings, world } = this.#parts;
    return settings.sync.retryMaxMs * (0.5 + 0.5 * world.random());
  }

  async #attemptByItself(care: Care): Promise<void> {
    try {
      await this.#attempt(care, {}, false, {});
    } catch {
      // It was said, and it is tried again.
    }
  }

  async #attempt(
    care: Care,
    request: SyncRequest,
    byOperator: boolean,
    watch: SyncWatch,
  ): Promise<SyncOutcome> {
    const attempt = new Attempt({
      parts: this.#parts,
      synchroniser: this.#synchroniser,
      id: care.id,
      request,
      remedy: care.remedy,
      byOperator,
      watch,
      failed: (failed, error) => this.#failed(care, failed, error),
      ended: () => {
        care.running = undefined;
      },
    });
    care.running = attempt;
    care.attempts += 1;
    return await attempt.run();
  }

  #failed(care: Care, { chosen, request, progress }: Attempt, error: unknown): void {
    const { settings, world, stopped } = this.#parts;
    const kind = error instanceof SyncFailure ? error.kind : 'failed';
    const reason = messageOf(error);
    const news = reason !== care.lastReason;
    care.lastReason = reason;
    if (kind !== 'unreachable') care.probing.reset();
    const before = care.remedy;
    if (kind === 'log-gone') care.remedy = { least: 'diff', reason };
    if (kind === 'differs') care.remedy = { least: afterwards(chosen?.strategy, progress.phase), reason };
    let waitMs: number;
    if (this.#flaps.get(care.id)?.quarantined || kind === 'refused') waitMs = this.#seldomMs();
    else if (kind === 'unreachable' && chosen === undefined)
      waitMs = Math.min(care.probing.nextMs(), refusesToConnect(error) ? refusedConnectMs : Infinity);
    else if (goesFurther(before, care.remedy)) waitMs = 0;
    else if (kind === 'source') waitMs = settings.sync.retryMs;
    else waitMs = care.retry.nextMs();
    care.dueMs = world.clock.monotonicMs() + waitMs;
    // A member that is simply away is known to be away.
    if (stopped.aborted || request.dryRun || (kind === 'unreachable' && chosen === undefined)) return;
    if (kind === 'refused' && !news) return;
    const { strategy, source } = chosen ?? { strategy: undefined, source: undefined };
    world.raise({
      type: 'sync-failed',
      member: care.id,
      strategy,
      source,
      reason,
      retryMs: Math.round(waitMs),
    });
  }
}

/** What comes after a strategy that has failed by what it met. Whoever was made level, and then refused a record, is compared again. */
function afterwards(strategy: Strategy | undefined, phase: Phase): Remedy['least'] {
  return strategy === 'diff' && phase !== 'catch-up' && phase !== 'join' ? 'full' : 'diff';
}

/** Another strategy than the one before is next, and one that was not tried. */
function goesFurther(before: Remedy | undefined, now: Remedy | undefined): boolean {
  return now !== undefined && (before === undefined || (before.least === 'diff' && now.least === 'full'));
}

function refusesToConnect(error: unknown): boolean {
  const cause = error instanceof SyncFailure ? error.cause : undefined;
  return cause instanceof MemberError && refusesConnections(cause);
}
