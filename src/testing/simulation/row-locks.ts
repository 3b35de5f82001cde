/** Exclusive locks by name, first come first served. A circle of waiters is refused at once, as a database would after a second. */

import { deferred } from '../../base/index.ts';
import type { Deferred } from '../../base/index.ts';

export class Deadlock extends Error {}

interface Lock<O> {
  owner: O;
  readonly waiters: { readonly owner: O; readonly turn: Deferred }[];
}

export class RowLocks<O extends object> {
  readonly #locks = new Map<string, Lock<O>>();
  readonly #waitingFor = new Map<O, string>();

  /** Resolves when `owner` has the lock. Rejects with Deadlock, or with the reason given when the owner is released. */
  acquire(key: string, owner: O): Promise<void> {
    const lock = this.#locks.get(key);
    if (lock === undefined) {
      this.#locks.set(key, { owner, waiters: [] });
      return Promise.resolve();
    }
    if (lock.owner === owner) return Promise.resolve();
    for (let holder: O | undefined = lock.owner; holder !== undefined; ) {
      if (holder === owner) return Promise.reject(new Deadlock('deadlock detected'));
      const wanted = this.#waitingFor.get(holder);
      holder = wanted === undefined ? undefined : this.#locks.get(wanted)?.owner;
    }
    const turn = deferred();
    lock.waiters.push({ owner, turn });
    this.#waitingFor.set(owner, key);
    return turn.promise;
  }

  /** The owner has ended: its locks go to whoever waited longest, and its own wait ends with `reason`. */
  release(owner: O, reason: Error): void {
    const wanted = this.#waitingFor.get(owner);
    if (wanted !== undefined) {
      const waiters = this.#locks.get(wanted)?.waiters ?? [];
      const place = waiters.findIndex((waiter) => waiter.owner === owner);
      for (const waiter of waiters.splice(place, 1)) waiter.turn.reject(reason);
      this.#waitingFor.delete(owner);
    }
    for (const [key, lock] of this.#locks) {
      if (lock.owner !== owner) continue;
      const next = lock.waiters.shift();
      if (next === undefined) {
        this.#locks.delete(key);
        continue;
      }
      lock.owner = next.owner;
      this.#waitingFor.delete(next.owner);
      next.turn.resolve();
    }
  }
}
