/**
 * An answer that is kept back while it may still have to be given by somebody else: until the request is over, or until
 * it grows too large to be kept. Of a commit's answer the end is always kept back: many a driver takes it for the
 * acknowledgement.
 */

import type { AnswerSink } from '../../dialects/contract.ts';

export class HeldAnswer implements AnswerSink {
  readonly #target: AnswerSink;
  readonly #limitBytes: number;
  readonly #keepsEnd: boolean;
  #kept: Buffer[] = [];
  #bytes = 0;
  #passedOn = false;
  #ending = false;

  /** `keepsEnd`: until `release`, however long the answer is. */
  constructor(target: AnswerSink, limitBytes: number, options: { keepsEnd: boolean } = { keepsEnd: false }) {
    this.#target = target;
    this.#limitBytes = limitBytes;
    this.#keepsEnd = options.keepsEnd;
  }

  get passedOn(): boolean {
    return this.#passedOn;
  }

  write(bytes: Buffer): boolean {
    if (this.#passedOn && !this.#ending) return this.#target.write(bytes);
    this.#kept.push(bytes);
    this.#bytes += bytes.length;
    return this.#bytes > this.#limitBytes && !this.#ending ? this.release() : true;
  }

  drained(): Promise<void> {
    return this.#target.drained();
  }

  inputWanted(): void {
    this.release();
    this.#target.inputWanted();
  }

  completing(): void {
    if (this.#keepsEnd) this.#ending = true;
    else if (this.#passedOn) this.#target.completing?.();
  }

  /** From here on everything goes straight through. */
  release(): boolean {
    this.#passedOn = true;
    this.#ending = false;
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
