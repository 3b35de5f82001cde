/** Closed for a moment of order, a change of primary or of members: who wants to pass waits, nobody is refused. */

import { deferred, invariant } from '../base/index.ts';
import type { Deferred } from '../base/index.ts';

export class Gate {
  #closers = 0;
  #closed: Deferred | undefined;

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
    while (this.#closed !== undefined) await this.#closed.promise;
  }
}
