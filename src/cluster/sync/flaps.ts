/** Members that fail again as soon as they are back: after a few times they are tried only now and then. */

export class Flaps {
  readonly #failuresMax: number;
  readonly #withinMs: number;
  #failures: readonly number[] = [];
  #activeSinceMs: number | undefined;
  #quarantined = false;

  constructor(options: { readonly failuresMax: number; readonly withinMs: number }) {
    this.#failuresMax = options.failuresMax;
    this.#withinMs = options.withinMs;
  }

  get quarantined(): boolean {
    return this.#quarantined;
  }

  /** Seen active: for long enough, and what was is forgotten. */
  well(nowMs: number): void {
    this.#activeSinceMs ??= nowMs;
    if (nowMs - this.#activeSinceMs < this.#withinMs) return;
    this.#quarantined = false;
    this.#failures = [];
  }

  /** It goes out now, and that does not count. */
  excuse(): void {
    this.#activeSinceMs = undefined;
  }

  /** Seen inactive. True when it is in quarantine from now on. */
  out(nowMs: number): boolean {
    // It has not been active since it was seen last.
    if (this.#activeSinceMs === undefined) return false;
    this.#activeSinceMs = undefined;
    this.#failures = [...this.#failures, nowMs].filter((at) => nowMs - at <= this.#withinMs);
    if (this.#quarantined || this.#failures.length < this.#failuresMax) return false;
    this.#quarantined = true;
    return true;
  }
}
