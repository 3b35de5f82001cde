/** How many connections there may be, and how many cancel requests and wrong passwords from one place. */

import { Lru } from '../../base/index.ts';
import type { Clock } from '../../base/index.ts';

/** An honest login takes milliseconds. After so many, a connection gives way when others find no place. */
const PATIENCE_MS = 1_000;

/**
 * Places for connections that have not logged in yet. When all are taken, the one that came first gives its place to
 * the newcomer, once it has had time enough to log in: so whoever holds connections open without logging in keeps
 * nobody out. While all are still young, it is the newcomer that is turned away, unless another address has more of them than
 * the newcomer's would have: then that one gives way.
 */
export class LoginPlaces {
  readonly #max: number;
  readonly #clock: Clock;
  /** In order of arrival. */
  readonly #taken = new Set<Place>();
  readonly #ofNetwork = new Map<string, Set<Place>>();

  constructor(max: number, clock: Clock) {
    this.#max = max;
    this.#clock = clock;
  }

  get taken(): number {
    return this.#taken.size;
  }

  /** Returns how to leave; undefined when there is no place. `evict` is called at most once, and not after leaving. */
  enter(evict: () => void, address = ''): (() => void) | undefined {
    const nowMs = this.#clock.monotonicMs();
    const network = networkOf(address);
    if (this.#taken.size >= this.#max) {
      const [first] = this.#taken;
      const patient = first !== undefined && nowMs - first.sinceMs >= PATIENCE_MS;
      const giving = patient ? first : this.#firstOfFullest(network);
      if (giving === undefined) return undefined;
      this.#leave(giving);
      giving.evict();
    }
    const place: Place = { network, sinceMs: nowMs, evict };
    this.#taken.add(place);
    this.#ofNetwork.set(network, (this.#ofNetwork.get(network) ?? new Set()).add(place));
    return () => this.#leave(place);
  }

  /** Undefined: none has more than `network` would have with one more. */
  #firstOfFullest(network: string): Place | undefined {
    let fullest = this.#ofNetwork.get(network) ?? new Set<Place>();
    const own = fullest.size;
    for (const places of this.#ofNetwork.values()) if (places.size > fullest.size) fullest = places;
    const [first] = fullest;
    return fullest.size > own + 1 ? first : undefined;
  }

  #leave(place: Place): void {
    this.#taken.delete(place);
    const neighbours = this.#ofNetwork.get(place.network);
    neighbours?.delete(place);
    if (neighbours?.size === 0) this.#ofNetwork.delete(place.network);
  }
}

interface Place {
  readonly network: string;
  readonly sinceMs: number;
  readonly evict: () => void;
}

/** Who has one IPv6 address has 2^64 of them. */
export function networkOf(address: string): string {
  if (!address.includes(':') || /^::ffff:\d/i.test(address)) return address.replace(/^::ffff:/i, '');
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const behind = tail === '' ? 0 : tail.split(':').length;
    while (groups.length + behind < 8) groups.push('0');
  }
  return `${groups.slice(0, 4).join(':')}::/64`;
}

/** So many wrong passwords cost nothing: people mistype. */
const MISTAKES = 3;
/** After so many from one address, whoever they were for, it is told. */
const ATTEMPTS_TOLD = 10;
const FORGOTTEN_MS = 60_000;
const DELAY_MS = { first: 100, longest: 2_000 } as const;
const GUESSES_MAX = 4096;

interface Guesses {
  count: number;
  lastMs: number;
}

/**
 * How long somebody waits before his password is looked at: longer with each wrong one that came for this user from this
 * address lately. Nobody is shut out, so nobody can shut another out; but a right password is no faster found out than a wrong one.
 */
export class PasswordGuesses {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #ofUser = new Lru<string, Guesses>(GUESSES_MAX);
  readonly #ofAddress = new Lru<string, Guesses>(ADDRESSES_MAX);

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  delayMs(user: string, address: string): number {
    const network = networkOf(address);
    const wrong = this.#recent(this.#ofUser, key(user, network))?.count ?? 0;
    // A guesser may go through many users.
    const others = (this.#recent(this.#ofAddress, network)?.count ?? 0) / ATTEMPTS_TOLD;
    const steps = Math.max(wrong, others) - MISTAKES;
    return steps < 0 ? 0 : Math.min(DELAY_MS.longest, DELAY_MS.first * 2 ** Math.min(steps, 10));
  }

  /** A wrong one. True: it is time to tell of this address, once until it has been quiet for a while. */
  note(user: string, address: string): boolean {
    const network = networkOf(address);
    this.#count(this.#ofUser, key(user, network));
    return this.#count(this.#ofAddress, network) === ATTEMPTS_TOLD;
  }

  /** The right one. */
  forget(user: string, address: string): void {
    this.#ofUser.set(key(user, networkOf(address)), { count: 0, lastMs: 0 });
  }

  #count(guesses: Lru<string, Guesses>, of: string): number {
    const count = (this.#recent(guesses, of)?.count ?? 0) + 1;
    guesses.set(of, { count, lastMs: this.#clock.monotonicMs() });
    return count;
  }

  #recent(guesses: Lru<string, Guesses>, of: string): Guesses | undefined {
    const found = guesses.get(of);
    return found !== undefined && this.#clock.monotonicMs() - found.lastMs < FORGOTTEN_MS ? found : undefined;
  }
}

function key(user: string, network: string): string {
  return `${network} ${user}`;
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
