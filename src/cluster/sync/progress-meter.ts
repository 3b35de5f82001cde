/** How far a piece of work is, how fast it goes, and how long it will take. */

import type { Clock } from '../../base/index.ts';
import { noProgress } from './sync-parts.ts';
import type { SyncProgress } from './sync-parts.ts';

export interface MeasuredProgress extends SyncProgress {
  readonly rowsPerSecond: number;
  readonly bytesPerSecond: number;
  /** Undefined while nothing can be said. */
  readonly leftMs: number | undefined;
}

/** Over so long the rate is taken. */
const windowMs = 5000;

interface Sample {
  readonly atMs: number;
  readonly rows: number;
  readonly bytes: number;
}

export class ProgressMeter {
  readonly #clock: Clock;
  #progress: SyncProgress = noProgress;
  #samples: Sample[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  report(change: Partial<SyncProgress>): void {
    if (change.phase !== undefined && change.phase !== this.#progress.phase) this.#samples = [];
    this.#progress = { ...this.#progress, ...change };
    const { rowsDone: rows, bytesDone: bytes } = this.#progress;
    const atMs = this.#clock.monotonicMs();
    const last = this.#samples.at(-1);
    // Ten a second are enough to know the rate.
    if (last !== undefined && atMs - last.atMs < windowMs / 50) return;
    this.#samples.push({ atMs, rows, bytes });
    while (this.#samples.length > 1 && atMs - (this.#samples[0] as Sample).atMs > windowMs)
      this.#samples.shift();
  }

  get progress(): MeasuredProgress {
    const { rowsDone, rowsTotal, bytesDone } = this.#progress;
    const [first] = this.#samples;
    const ms = first === undefined ? 0 : this.#clock.monotonicMs() - first.atMs;
    const rate = (now: number, then: number): number => (ms === 0 ? 0 : ((now - then) / ms) * 1000);
    const rowsPerSecond = rate(rowsDone, first?.rows ?? 0);
    const bytesPerSecond = rate(bytesDone, first?.bytes ?? 0);
    const rowsLeft = rowsTotal - rowsDone;
    const leftMs =
      rowsTotal > 0 && rowsLeft >= 0 && rowsPerSecond > 0 ? (rowsLeft / rowsPerSecond) * 1000 : undefined;
    return { ...this.#progress, rowsPerSecond, bytesPerSecond, leftMs };
  }
}
