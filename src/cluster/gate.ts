/** Closed for a moment of order, a change of primary or of members: who wants to pass waits, nobody is refused. */

import { deferred, invariant } from '../base/index.ts';
import type { Deferred } from '../base/index.ts';

export class Gate {
  readonly #nowMs: () => number;
  #closers = 0;
  /** Since when those wait that wait now: each counts from when it came. */
  readonly #waiting = new Set<number>();
  #longestMs = 0;
  #closed: Deferred | undefined;

  /** With a clock it knows how long it has somebody wait. */
  constructor(nowMs: () => number = () => 0) {
    this.#nowMs = nowMs;
  }

  get open(): boolean {
    return this.#closers === 0;
  }

  /** Stays closed until everybody who closed it has opened it again. */
  close(): void {
    this.#closers += 1;
    this.#closed ??= deferred();
  }

  reopen(): void {
    invariant(this.#closers > 0, 'a gate is opened by those who closed it');
    this.#closers -= 1;
    if (this.#closers > 0) return;
    this.#closed?.resolve();
    this.#closed = undefined;
  }

  /** Resolves once it is open; at once when it is. */
  async passed(): Promise<void> {
    if (this.#closed === undefined) return;
    // Two who come at one moment are told apart.
    const since = this.#nowMs() + this.#waiting.size * 1e-6;
    this.#waiting.add(since);
    try {
      while (this.#closed !== undefined) await this.#closed.promise;
    } finally {
      this.#waiting.delete(since);
      this.#longestMs = Math.max(this.#longestMs, this.#nowMs() - since);
    }
  }

  /** The longest time that somebody has waited, or waits still, since this was last asked. */
  takeLongestWait(): number {
    const now = this.#nowMs();
    const longest = Math.max(this.#longestMs, ...[...this.#waiting].map((since) => now - since));
    this.#longestMs = 0;
    return Math.max(0, longest);
  }
}
