/** How much may be read in a second. */

import { pause } from '../../base/index.ts';
import type { Clock } from '../../base/index.ts';

const pieceSeconds = 0.25;
const pieceBytesMin = 32 * 1024;

export class Pace {
  readonly #clock: Clock;
  readonly #limit: () => number;
  #bytes = 0;
  /** When all that was read so far would have been read at this rate. */
  #dueMs: number;

  /** `limit`: bytes in a second, 0 for as many as there are. Asked for each piece, because an operator may change it on the way. */
  constructor(clock: Clock, limit: () => number) {
    this.#clock = clock;
    this.#limit = limit;
    this.#dueMs = clock.monotonicMs();
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Of one piece: a fraction of what may be read in a second. */
  get pieceBytesMax(): number {
    const bytes = this.#limit() * pieceSeconds;
    return bytes === 0 ? Number.POSITIVE_INFINITY : Math.max(bytes, pieceBytesMin);
  }

  /** Resolves when the next piece may begin. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    this.#bytes += bytes;
    const bytesPerSecond = this.#limit();
    if (bytesPerSecond === 0) return;
    const now = this.#clock.monotonicMs();
    // What was not used in time is not made up for: that would be a burst.
    this.#dueMs = Math.max(this.#dueMs, now) + (bytes / bytesPerSecond) * 1000;
    if (this.#dueMs > now) await pause(this.#clock, this.#dueMs - now, signal);
  }
}
