/** How many connections there may be, and how many cancel requests from one place. */

import { Lru } from '../../base/index.ts';
import type { Clock } from '../../base/index.ts';

/** An honest login takes milliseconds. After so many, a connection gives way when others find no place. */
const PATIENCE_MS = 1_000;

/**
 * Places for connections that have not logged in yet. When all are taken, the one that came first gives its place to
 * the newcomer, once it has had time enough to log in: so whoever holds connections open without logging in keeps
 * nobody out. While all are still young, it is the newcomer that is turned away.
 */
export class LoginPlaces {
  readonly #max: number;
  readonly #clock: Clock;
  /** In order of arrival. */
  readonly #taken = new Set<{ readonly sinceMs: number; readonly evict: () => void }>();

  constructor(max: number, clock: Clock) {
    this.#max = max;
    this.#clock = clock;
  }

  get taken(): number {
    return this.#taken.size;
  }

  /** Returns how to leave; undefined when there is no place. `evict` is called at most once, and not after leaving. */
  enter(evict: () => void): (() => void) | undefined {
    const nowMs = this.#clock.monotonicMs();
    if (this.#taken.size >= this.#max) {
      const [first] = this.#taken;
      if (first === undefined || nowMs - first.sinceMs < PATIENCE_MS) return undefined;
      this.#taken.delete(first);
      first.evict();
    }
    const place = { sinceMs: nowMs, evict };
    this.#taken.add(place);
    return () => void this.#taken.delete(place);
  }
}

/** Requests that one address may send at once, when all its clients give up together. */
const CANCELS_AT_ONCE = 200;
/** And for good: at this rate, a key of 32 bits is found after years. */
const CANCELS_PER_SECOND = 20;
const ADDRESSES_MAX = 1024;

export class CancelRate {
  readonly #clock: Clock;
  readonly #allowances = new Lru<string, { left: number; atMs: number }>(ADDRESSES_MAX);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether one more request from `address` is to be looked at. */
  allows(address: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    const { left, atMs } = this.#allowances.get(address) ?? { left: CANCELS_AT_ONCE, atMs: nowMs };
    const grown = Math.min(CANCELS_AT_ONCE, left + ((nowMs - atMs) / 1000) * CANCELS_PER_SECOND);
    const allowed = grown >= 1;
    this.#allowances.set(address, { left: allowed ? grown - 1 : grown, atMs: nowMs });
    return allowed;
  }
}
