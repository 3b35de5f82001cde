/**
 * An answer that is kept back while it may still have to be given by somebody else: until the request is over, or until
 * it grows too large to be kept. Of a commit's answer the end is always kept back: many a driver takes it for the
 * acknowledgement.
 */

import type { AnswerSink } from '../../dialects/contract.ts';

export interface HeldAnswerOptions {
  /** The end is kept until `release`, however long the answer is. */
  readonly keepsEnd?: boolean;
  /**
   * Notices are no result, and given twice where the request is run again they do no harm. A function: they keep their place
   * until it calls back, and overtake what is kept from then on; it is called with the first, and returns how to call that off.
   * `overtake`: from the beginning. Without it they are part of the answer.
   */
  readonly notices?: 'overtake' | ((overtake: () => void) => () => void);
}

export class HeldAnswer implements AnswerSink {
  readonly #target: AnswerSink;
  readonly #limitBytes: number;
  readonly #options: HeldAnswerOptions;
  #kept: Buffer[] = [];
  #bytes = 0;
  #passedOn = false;
  #ending = false;
  /** Those among what is kept; few answers have any. */
  #notices: Set<Buffer> | undefined;
  #overtaking = false;
  #callOff: (() => void) | undefined;

  constructor(target: AnswerSink, limitBytes: number, options: HeldAnswerOptions = {}) {
    this.#target = target;
    this.#limitBytes = limitBytes;
    this.#options = options;
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

  notice(bytes: Buffer): boolean {
    const { notices } = this.#options;
    if (this.#overtaking || notices === 'overtake') return this.#tell(bytes);
    if (notices === undefined || (this.#passedOn && !this.#ending)) return this.write(bytes);
    (this.#notices ??= new Set()).add(bytes);
    this.#callOff ??= notices(() => this.#overtake());
    return this.write(bytes);
  }

  drained(): Promise<void> {
    return this.#target.drained();
  }

  inputWanted(): void {
    this.release();
    this.#target.inputWanted();
  }

  completing(): void {
    if (this.#options.keepsEnd === true) this.#ending = true;
    else if (this.#passedOn) this.#target.completing?.();
  }

  /** From here on everything goes straight through. */
  release(): boolean {
    this.#passedOn = true;
    this.#ending = false;
    const notices = this.#notices;
    this.#forgetNotices();
    const kept = this.#kept;
    this.#kept = [];
    const keeper = notices !== undefined && this.#target instanceof HeldAnswer ? this.#target : undefined;
    let ready = true;
    for (const bytes of kept) {
      const isKept = keeper !== undefined && notices?.has(bytes) === true;
      ready = isKept ? keeper.#keepNotice(bytes) : this.#target.write(bytes);
    }
    return ready;
  }

  /** What was kept is not given. */
  drop(): void {
    this.#forgetNotices();
    this.#kept = [];
    this.#bytes = 0;
  }

  /** What is told from now on comes behind the notices that are kept. */
  tellNotices(): void {
    const notices = this.#notices;
    if (notices === undefined) return;
    this.#kept = this.#kept.filter((bytes) => {
      if (!notices.has(bytes)) return true;
      this.#bytes -= bytes.length;
      this.#tell(bytes);
      return false;
    });
    this.#forgetNotices();
  }

  #keepNotice(bytes: Buffer): boolean {
    if (!this.#passedOn || this.#ending) (this.#notices ??= new Set()).add(bytes);
    return this.write(bytes);
  }

  #overtake(): void {
    this.#overtaking = true;
    this.tellNotices();
  }

  #forgetNotices(): void {
    this.#callOff?.();
    this.#callOff = undefined;
    this.#notices = undefined;
  }

  #tell(bytes: Buffer): boolean {
    return this.#target.notice?.(bytes) ?? this.#target.write(bytes);
  }
}

/** For what nobody is to see: a transaction that is run again. */
export const nobody: AnswerSink = {
  passedOn: false,
  write: () => true,
  drained: () => Promise.resolve(),
  inputWanted: () => undefined,
};
