/** What clients asked, how long it took, and whether anybody was left waiting. Counted in the path of every request: a few additions each. */

import { Histogram } from '../telemetry/index.ts';

/**
 * `read`: a statement that reads. `write`: one that writes, inside of a transaction. `commit`: the end of a transaction that
 * wrote, or a statement that writes and is a transaction of its own.
 */
export type RequestKind = 'read' | 'write' | 'commit';

export class Traffic {
  /** Milliseconds, by what was asked. */
  readonly latency: Readonly<Record<RequestKind, Histogram>> = {
    read: new Histogram(),
    write: new Histogram(),
    commit: new Histogram(),
  };
  #waiting = 0;
  /** Since when requests have waited without one of them being answered. */
  #quietSinceMs = 0;
  #longestPauseMs = 0;

  /** Requests that have not been answered yet. */
  get waiting(): number {
    return this.#waiting;
  }

  begins(nowMs: number): void {
    if (this.#waiting++ === 0) this.#quietSinceMs = nowMs;
  }

  ends(kind: RequestKind, sinceMs: number, nowMs: number): void {
    this.latency[kind].add(nowMs - sinceMs);
    this.#waiting -= 1;
    this.#notePause(nowMs);
    this.#quietSinceMs = nowMs;
  }

  /** The longest time since this was last asked in which requests waited and none was answered. */
  takeLongestPause(nowMs: number): number {
    if (this.#waiting > 0) this.#notePause(nowMs);
    const longest = this.#longestPauseMs;
    this.#longestPauseMs = 0;
    return longest;
  }

  #notePause(nowMs: number): void {
    const pauseMs = nowMs - this.#quietSinceMs;
    if (pauseMs > this.#longestPauseMs) this.#longestPauseMs = pauseMs;
  }
}
