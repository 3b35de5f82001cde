/** One attempt to bring a member level: it can be ended, and says how far it is. */

import { SyncFailure } from './sync-parts.ts';
import type { Phase, SyncParts, SyncProgress } from './sync-parts.ts';
import type { Strategy } from './choose-strategy.ts';
import { ProgressMeter } from './progress-meter.ts';
import type { MeasuredProgress } from './progress-meter.ts';
import type { Remedy, SyncOutcome, SyncRequest, Synchroniser } from './synchroniser.ts';

export interface SyncWatch {
  readonly signal?: AbortSignal;
  progress?(progress: MeasuredProgress): void;
}

export interface AttemptOptions {
  readonly parts: SyncParts;
  readonly synchroniser: Synchroniser;
  readonly id: string;
  readonly request: SyncRequest;
  /** What has been tried is not enough. */
  readonly remedy: Remedy | undefined;
  readonly byOperator: boolean;
  readonly watch: SyncWatch;
  /** Both are called before whoever waits for its end goes on. */
  failed(attempt: Attempt, error: unknown): void;
  ended(): void;
}

/** Between two reports of how far an attempt is. */
const reportMs = 5000;

export class Attempt {
  readonly request: SyncRequest;
  readonly startedAt: string;
  readonly #options: AttemptOptions;
  readonly #abort = new AbortController();
  readonly #meter: ProgressMeter;
  readonly #phases = new Set<Phase>();
  readonly #sinceMs: number;
  #reportedMs: number;
  #chosen:
    | { readonly strategy: Strategy; readonly reason: string; readonly source: string | undefined }
    | undefined;
  #over: Promise<unknown> = Promise.resolve();

  constructor(options: AttemptOptions) {
    const { clock } = options.parts.world;
    this.#options = options;
    this.request = options.request;
    this.startedAt = clock.wallTime().toISOString();
    this.#meter = new ProgressMeter(clock);
    this.#sinceMs = clock.monotonicMs();
    this.#reportedMs = this.#sinceMs;
  }

  /** Undefined: not yet. */
  get chosen() {
    return this.#chosen;
  }

  get progress(): MeasuredProgress {
    return this.#meter.progress;
  }

  async run(): Promise<SyncOutcome> {
    const { signal } = this.#options.watch;
    const forward = (): void => this.#abort.abort(new SyncFailure('cancelled', 'an operator ended it'));
    signal?.addEventListener('abort', forward, { once: true });
    const work = this.#work();
    this.#over = work.catch(() => undefined);
    try {
      return await work;
    } finally {
      signal?.removeEventListener('abort', forward);
    }
  }

  /** Resolves when it is over. */
  async cancel(reason: string): Promise<void> {
    this.#abort.abort(new SyncFailure('cancelled', reason));
    await this.#over;
  }

  async #work(): Promise<SyncOutcome> {
    try {
      return await this.#synchronise();
    } catch (error) {
      this.#options.failed(this, error);
      throw error;
    } finally {
      this.#options.ended();
    }
  }

  async #synchronise(): Promise<SyncOutcome> {
    const { parts, synchroniser, id, request, remedy, byOperator } = this.#options;
    const { world, roster } = parts;
    const outcome = await synchroniser.attempt({
      member: roster.member(id),
      request,
      remedy,
      byOperator,
      signal: this.#abort.signal,
      chosen: (strategy, reason, source) => {
        this.#chosen = { strategy, reason, source };
        if (request.dryRun !== true)
          world.raise({ type: 'sync-started', member: id, strategy, source, reason });
      },
      progress: (change) => this.#report(change),
    });
    if (!outcome.dryRun) this.#tellEnd(outcome);
    return outcome;
  }

  #report(change: Partial<SyncProgress>): void {
    const { parts, id, watch } = this.#options;
    const { clock, raise } = parts.world;
    this.#meter.report(change);
    watch.progress?.(this.progress);
    if (this.request.dryRun === true) return;
    const { phase } = this.progress;
    // A phase that was there before is no news: tables are compared and repaired in turn.
    if (this.#phases.has(phase) && clock.monotonicMs() - this.#reportedMs < reportMs) return;
    this.#phases.add(phase);
    this.#reportedMs = clock.monotonicMs();
    raise({ type: 'sync-progress', member: id, ...shown(this.progress) });
  }

  #tellEnd({ strategy, source, keptFile, rows, bytes, tables }: SyncOutcome): void {
    const { parts, id } = this.#options;
    const { clock, raise } = parts.world;
    for (const { table, missing, extra } of tables) {
      if (missing + extra === 0) continue;
      if (strategy === 'full' && extra === 0)
        raise({ type: 'sync-copied', member: id, table, rows: missing });
      else raise({ type: 'sync-changed', member: id, table, missing, extra, keptFile });
    }
    const tookMs = Math.round(clock.monotonicMs() - this.#sinceMs);
    raise({ type: 'sync-ended', member: id, strategy, source, rows, bytes, tookMs });
  }
}

function shown({ rowsPerSecond, bytesPerSecond, leftMs, ofTable, ...rest }: MeasuredProgress) {
  return {
    ...rest,
    rowsPerSecond: Math.round(rowsPerSecond),
    bytesPerSecond: Math.round(bytesPerSecond),
    leftMs: leftMs === undefined ? undefined : Math.round(leftMs),
    tableRowsDone: ofTable?.rowsDone,
    tableRowsTotal: ofTable?.rowsTotal,
    tableBytesDone: ofTable?.bytesDone,
    tableLeftMs: ofTable?.leftMs === undefined ? undefined : Math.round(ofTable.leftMs),
  };
}
