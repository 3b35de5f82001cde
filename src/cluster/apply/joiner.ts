/**
 * A replica's stream on its way to count.
 *
 *   beside ──▶ counted ──▶ recording ──▶ active
 *
 * beside     it takes what is dispatched, and nobody waits for it
 * counted    every acknowledgement waits for it too
 * recording  a crash may find it recorded active from here on, so that it is not let go of, whatever happens to it
 * active     what happens to it is what happens to any replica
 *
 * In the first two it is simply dropped when it fails.
 */

import type { MemberError } from '../../dialects/contract.ts';
import type { ApplyStream } from './apply-stream.ts';

export interface JoinerHooks {
  count(): void;
  /** Nobody waits for it any more. */
  drop(): void;
  /** An active member's stream has failed. */
  failed(error: MemberError): void;
}

export class Joiner {
  readonly stream: ApplyStream;
  readonly #hooks: JoinerHooks;
  #state: 'beside' | 'counted' | 'recording' | 'active' = 'beside';
  #failure: MemberError | undefined;

  constructor(stream: (onFailed: (error: MemberError) => void) => ApplyStream, hooks: JoinerHooks) {
    this.stream = stream((error) => this.fail(error));
    this.#hooks = hooks;
  }

  get failure(): MemberError | undefined {
    return this.#failure;
  }

  fail(error: MemberError): void {
    if (this.#state === 'active') {
      this.#hooks.failed(error);
      return;
    }
    this.#failure ??= error;
    if (this.#state !== 'recording') this.#hooks.drop();
  }

  count(): void {
    this.#state = 'counted';
    this.#hooks.count();
  }

  recording(): void {
    this.#state = 'recording';
  }

  activated(): void {
    this.#state = 'active';
    if (this.#failure !== undefined) this.#hooks.failed(this.#failure);
  }

  /** It is given up, and was not recorded. */
  drop(): void {
    this.#hooks.drop();
  }
}
