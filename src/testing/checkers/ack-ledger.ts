/**
 * What the clients of a test were told about each operation, to be held against what the members have in the end.
 * Every operation has a key that it alone writes.
 */

import type { Outcome } from '../../base/index.ts';

export interface LedgerVerdict {
  /** Acknowledged, and not there: lost. */
  readonly missing: readonly string[];
  /** There, although the client was told that it did not happen, or nobody ever tried it. */
  readonly invented: readonly string[];
  /** There more often than once. */
  readonly repeated: readonly string[];
}

/** What a client knows of an operation: `running` is what it knows of one that it has had no answer to. */
type Fate = 'running' | 'acknowledged' | 'failed' | 'unknown';

const fateOf: Readonly<Record<Outcome, Fate>> = { done: 'acknowledged', none: 'failed', unknown: 'unknown' };

export class AckLedger {
  readonly #fates = new Map<string, Fate>();

  /** Before the operation is sent; an operation may be tried again under its key when it failed. */
  begin(key: string): void {
    const known = this.#fates.get(key);
    if (known !== undefined && known !== 'failed') throw new Error(`operation ${key} is ${known} already`);
    this.#fates.set(key, 'running');
  }

  acknowledged(key: string): void {
    this.#settle(key, 'acknowledged');
  }

  failed(key: string): void {
    this.#settle(key, 'failed');
  }

  unknown(key: string): void {
    this.#settle(key, 'unknown');
  }

  /** Runs an operation and records how it ended; `outcomeOf` reads an error. Errors are returned, not thrown. */
  async record(
    key: string,
    operation: () => Promise<unknown>,
    outcomeOf: (error: unknown) => Outcome,
  ): Promise<unknown> {
    this.begin(key);
    try {
      await operation();
    } catch (error) {
      this.#settle(key, fateOf[outcomeOf(error)]);
      return error;
    }
    this.acknowledged(key);
    return undefined;
  }

  count(fate: Fate): number {
    return [...this.#fates.values()].filter((one) => one === fate).length;
  }

  /** `found`: the keys that one member has, as often as it has them. */
  verify(found: Iterable<string>): LedgerVerdict {
    const times = new Map<string, number>();
    for (const key of found) times.set(key, (times.get(key) ?? 0) + 1);
    const acknowledged = [...this.#fates].filter(([, fate]) => fate === 'acknowledged');
    return {
      missing: acknowledged.map(([key]) => key).filter((key) => !times.has(key)),
      invented: [...times.keys()].filter((key) => (this.#fates.get(key) ?? 'failed') === 'failed'),
      repeated: [...times].filter(([, count]) => count > 1).map(([key]) => key),
    };
  }

  #settle(key: string, fate: Fate): void {
    const known = this.#fates.get(key);
    if (known !== 'running')
      throw new Error(`operation ${key} is ${known ?? 'not begun'}, and cannot become ${fate}`);
    this.#fates.set(key, fate);
  }
}
