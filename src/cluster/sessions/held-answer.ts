/**
 * An answer that is kept back while it may still have to be given by somebody else: until the request is over, or until
 * it grows too large to be kept.
 */

import type { AnswerSink } from '../../dialects/contract.ts';

export class HeldAnswer implements AnswerSink {
  readonly #target: AnswerSink;
  readonly #limitBytes: number;
  #kept: Buffer[] = [];
  #bytes = 0;
  #passedOn = false;

  constructor(target: AnswerSink, limitBytes: number) {
    this.#target = target;
    this.#limitBytes = limitBytes;
  }

  get passedOn(): boolean {
    return this.#passedOn;
  }

  write(bytes: Buffer): boolean {
    if (this.#passedOn) return this.#target.write(bytes);
    this.#kept.push(bytes);
    this.#bytes += bytes.length;
    return this.#bytes > this.#limitBytes ? this.release() : true;
  }

  drained(): Promise<void> {
    return this.#target.drained();
  }

  inputWanted(): void {
    this.release();
    this.#target.inputWanted();
  }

  /** From here on everything goes straight through. */
  release(): boolean {
    this.#passedOn = true;
    const kept = this.#kept;
    this.#kept = [];
    let ready = true;
    for (const bytes of kept) ready = this.#target.write(bytes);
    return ready;
  }

  /** What was kept is not given. */
  drop(): void {
    this.#kept = [];
    this.#bytes = 0;
  }
}

/** For what nobody is to see: a transaction that is run again. */
export const nobody: AnswerSink = {
  passedOn: false,
  write: () => true,
  drained: () => Promise.resolve(),
  inputWanted: () => undefined,
};
