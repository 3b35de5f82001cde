/** What is known of a member that is not active, and what a status shows of it. */

import type { BackOff } from '../../base/index.ts';
import type { Attempt } from './attempt.ts';
import type { Strategy } from './choose-strategy.ts';
import type { MeasuredProgress } from './progress-meter.ts';
import type { Remedy } from './synchroniser.ts';

/** What is done, or planned, to bring a member level. */
export interface SyncStatus {
  readonly state: 'running' | 'waiting';
  /** Counts from 1 since it was last active. */
  readonly attempt: number;
  /** Undefined until it is chosen, and between attempts. */
  readonly strategy: Strategy | undefined;
  /** Why this strategy; between attempts why the last one ended. */
  readonly reason: string | undefined;
  readonly source: string | undefined;
  readonly dryRun: boolean;
  /** ISO 8601. */
  readonly startedAt: string | undefined;
  /** Undefined while an attempt is under way, and when none is planned. */
  readonly nextRetryMs: number | undefined;
  readonly quarantined: boolean;
  readonly progress: MeasuredProgress | undefined;
}

/** What is known of a member since it was last active. */
export interface Care {
  readonly id: string;
  readonly probing: BackOff;
  readonly retry: BackOff;
  dueMs: number;
  attempts: number;
  /** What has been tried is not enough. */
  remedy: Remedy | undefined;
  lastReason: string | undefined;
  running: Attempt | undefined;
}

/** `nowMs`: on the clock of `dueMs`. */
export function statusOf(care: Care, quarantined: boolean, nowMs: number): SyncStatus {
  const { attempts: attempt, running, lastReason, dueMs } = care;
  if (running === undefined) {
    return {
      state: 'waiting',
      attempt,
      strategy: undefined,
      reason: lastReason,
      source: undefined,
      dryRun: false,
      startedAt: undefined,
      nextRetryMs: Math.max(0, dueMs - nowMs),
      quarantined,
      progress: undefined,
    };
  }
  const { chosen, startedAt, request, progress } = running;
  return {
    state: 'running',
    attempt,
    strategy: chosen?.strategy,
    reason: chosen?.reason,
    source: chosen?.source,
    dryRun: request.dryRun === true,
    startedAt,
    nextRetryMs: undefined,
    quarantined,
    progress,
  };
}
