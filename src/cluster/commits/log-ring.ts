/**
 * Where in the ring of log segments new commit records go. The segment after the current one is emptied on every member
 * before the first record goes there, so that the log is bounded and never deleted row by row.
 */

import type { Clock } from '../../base/index.ts';

export interface LogRingOptions {
  readonly clock: Clock;
  readonly segments: number;
  /** Size and age of one segment. */
  readonly segmentBytes: number;
  readonly segmentMs: number;
  /** Empties a segment on every active member. Rejection postpones the move. */
  empty(slot: number): Promise<void>;
}

export class LogRing {
  readonly #options: LogRingOptions;
  #slot: number;
  #bytes = 0;
  #since: number;
  #moving = false;

  constructor(options: LogRingOptions, slot: number) {
    this.#options = options;
    this.#slot = slot;
    this.#since = options.clock.monotonicMs();
  }

  get slot(): number {
    return this.#slot;
  }

  note(bytes: number): void {
    this.#bytes += bytes + 100;
    const { clock, segmentBytes, segmentMs } = this.#options;
    if (this.#moving) return;
    if (this.#bytes < segmentBytes && clock.monotonicMs() - this.#since < segmentMs) return;
    void this.#move();
  }

  async #move(): Promise<void> {
    this.#moving = true;
    const next = (this.#slot + 1) % this.#options.segments;
    try {
      await this.#options.empty(next);
      this.#slot = next;
      this.#bytes = 0;
      this.#since = this.#options.clock.monotonicMs();
    } catch {
      // A member that cannot do this shows it elsewhere too; the next record tries again after another tenth.
      this.#bytes = Math.min(this.#bytes, this.#options.segmentBytes * 0.9);
      this.#since = this.#options.clock.monotonicMs() - this.#options.segmentMs * 0.9;
    } finally {
      this.#moving = false;
    }
  }
}
