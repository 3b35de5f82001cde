/** Closed while the primary changes: who wants to start waits, nobody is refused. */

import { deferred } from '../base/index.ts';
import type { Deferred } from '../base/index.ts';

export class Gate {
  #closed: Deferred | undefined;

  get open(): boolean {
    return this.#closed === undefined;
  }

  close(): void {
    this.#closed ??= deferred();
  }

  reopen(): void {
    this.#closed?.resolve();
    this.#closed = undefined;
  }

  /** Resolves once it is open; at once when it is. */
  async passed(): Promise<void> {
    while (this.#closed !== undefined) await this.#closed.promise;
  }
}
