/** How often an address may be wrong. A right token is let in all the same, so that nobody is locked out by somebody else. */
import { Lru } from '../../base/index.ts';
import type { Clock } from '../../base/index.ts';

const WRONG_MAX = 10;
const WINDOW_MS = 60_000;
const ADDRESSES_MAX = 1000;

export class WrongTokens {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #byAddress = new Lru<string, { count: number; readonly untilMs: number }>(ADDRESSES_MAX);

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  /** Another wrong one. Returns after how many seconds the address is listened to again; 0: it is now. */
  note(address: string): number {
    const nowMs = this.#clock.monotonicMs();
    let entry = this.#byAddress.get(address);
    if (entry === undefined || nowMs >= entry.untilMs) {
      entry = { count: 0, untilMs: nowMs + WINDOW_MS };
      this.#byAddress.set(address, entry);
    }
    entry.count += 1;
    return entry.count > WRONG_MAX ? Math.ceil((entry.untilMs - nowMs) / 1000) : 0;
  }
}
