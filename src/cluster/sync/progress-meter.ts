/** How far a piece of work is, how fast it goes, and how long it will take. */

import type { Clock } from '../../base/index.ts';
import { noProgress } from './sync-parts.ts';
import type { TableProgress } from '../../dialects/sync-contract.ts';
import type { SyncProgress } from './sync-parts.ts';

export interface MeasuredProgress extends Omit<SyncProgress, 'ofTable'> {
  readonly ofTable: (TableProgress & { readonly leftMs: number | undefined }) | undefined;
  readonly rowsPerSecond: number;
  readonly bytesPerSecond: number;
  /** Undefined while nothing can be said. */
  readonly leftMs: number | undefined;
}

/** Over so long the rate is taken. */
const windowMs = 5000;

/** Under way at a time, and a few that have just ended. */
const tablesMax = 8;

interface Sample {
  readonly atMs: number;
  readonly rows: number;
  readonly bytes: number;
  readonly lagCsn: number | undefined;
}

export class ProgressMeter {
  readonly #clock: Clock;
  #progress: SyncProgress = noProgress;
  #samples: Sample[] = [];
  /** Since when tables are under way: few at a time. */
  readonly #tablesSince = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  report(change: Partial<SyncProgress>): void {
    if (change.phase !== undefined && change.phase !== this.#progress.phase) {
      this.#samples = [];
      this.#tablesSince.clear();
    }
    this.#progress = { ...this.#progress, ...change };
    const { rowsDone: rows, bytesDone: bytes, lagCsn } = this.#progress;
    const atMs = this.#clock.monotonicMs();
    this.#noteTable(this.#progress.table, atMs);
    const last = this.#samples.at(-1);
    // Ten a second are enough to know the rate.
    if (last !== undefined && atMs - last.atMs < windowMs / 50) return;
    this.#samples.push({ atMs, rows, bytes, lagCsn });
    while (this.#samples.length > 1 && atMs - (this.#samples[0] as Sample).atMs > windowMs)
      this.#samples.shift();
  }

  get progress(): MeasuredProgress {
    const { rowsDone, rowsTotal, bytesDone, lagCsn } = this.#progress;
    const [first] = this.#samples;
    const ms = first === undefined ? 0 : this.#clock.monotonicMs() - first.atMs;
    const rate = (now: number, then: number): number => (ms === 0 ? 0 : ((now - then) / ms) * 1000);
    const rowsPerSecond = rate(rowsDone, first?.rows ?? 0);
    const bytesPerSecond = rate(bytesDone, first?.bytes ?? 0);
    // Commits that it lacks become fewer by as many as it gains on the load.
    const leftMs =
      lagCsn === undefined
        ? timeLeft(rowsTotal > 0 ? rowsTotal - rowsDone : undefined, rowsPerSecond)
        : timeLeft(lagCsn, rate(first?.lagCsn ?? lagCsn, lagCsn));
    return { ...this.#progress, rowsPerSecond, bytesPerSecond, leftMs, ofTable: this.#ofTable };
  }

  /** At the rate of its own since it was begun. */
  get #ofTable(): MeasuredProgress['ofTable'] {
    const { table, ofTable } = this.#progress;
    const sinceMs = table === undefined ? undefined : this.#tablesSince.get(table);
    if (ofTable === undefined || sinceMs === undefined) return undefined;
    const { rowsDone, rowsTotal } = ofTable;
    const ms = this.#clock.monotonicMs() - sinceMs;
    const leftMs = rowsDone > 0 && ms > 0 ? ((rowsTotal - rowsDone) / rowsDone) * ms : undefined;
    return { ...ofTable, leftMs };
  }

  #noteTable(table: string | undefined, atMs: number): void {
    if (table === undefined || this.#tablesSince.has(table)) return;
    const [oldest] = this.#tablesSince.keys();
    if (this.#tablesSince.size === tablesMax && oldest !== undefined) this.#tablesSince.delete(oldest);
    this.#tablesSince.set(table, atMs);
  }
}

function timeLeft(left: number | undefined, perSecond: number): number | undefined {
  return left === undefined || left < 0 || perSecond <= 0 ? undefined : (left / perSecond) * 1000;
}
