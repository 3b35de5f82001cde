/** A moment between two commits: nothing is under way, and what the members show is the same place in the order. */

import { LockstepError, pause } from '../../base/index.ts';
import type { Clock } from '../../base/index.ts';
import type { Gate } from '../gate.ts';
import type { CommitOrder } from './commit-order.ts';

export class CommitBoundary {
  readonly #clock: Clock;
  /** In front of the order. */
  readonly #gate: Gate;
  readonly #order: CommitOrder;

  constructor(options: { readonly clock: Clock; readonly gate: Gate; readonly order: CommitOrder }) {
    this.#clock = options.clock;
    this.#gate = options.gate;
    this.#order = options.order;
  }

  /**
   * Runs `work` with the CSN of that moment, while commits wait (`heldMs`: for how long already). They go on when it has settled, or after `ms`: then `late` is
   * called, and this rejects. `applied`: everywhere, not only on the primary.
   */
  async hold<T>(
    options: { readonly ms: number; readonly applied: boolean; late?(result: T): void },
    work: (csn: number, heldMs: () => number) => Promise<T>,
  ): Promise<T> {
    const since = this.#clock.monotonicMs();
    const until = since + options.ms;
    let over = false;
    const left = (): number => until - this.#clock.monotonicMs();
    this.#gate.close();
    try {
      while (options.applied ? this.#order.waiting > 0 : this.#order.undecided) {
        if (left() <= 0) throw late(options.ms);
        await pause(this.#clock, 1);
      }
      const working = work(this.#order.dispatched, () => this.#clock.monotonicMs() - since);
      working.then(
        (result) => {
          if (over) options.late?.(result);
        },
        () => undefined,
      );
      const tooLate = pause(this.#clock, Math.max(0, left())).then((): never => {
        throw late(options.ms);
      });
      tooLate.catch(() => undefined);
      return await Promise.race([working, tooLate]);
    } finally {
      over = true;
      this.#gate.reopen();
    }
  }
}

function late(ms: number): LockstepError {
  return new LockstepError({
    code: 'cluster.busy',
    message: `commits could not be held for what had to be done between two of them: ${ms} ms were not enough`,
    retryable: true,
    hint: 'It is tried again later.',
  });
}
