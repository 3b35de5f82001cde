/** Waiting times between attempts: doubling from `firstMs` to `maxMs`, spread by chance so that nobody marches in step. */
export class BackOff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  readonly #random: () => number;
  #attempt = 0;

  constructor(options: { firstMs: number; maxMs: number; random: () => number }) {
    this.#firstMs = options.firstMs;
    this.#maxMs = options.maxMs;
    this.#random = options.random;
  }

  /** The next wait in milliseconds, between half of the step and the whole of it. */
  nextMs(): number {
    const step = Math.min(this.#maxMs, this.#firstMs * 2 ** Math.min(this.#attempt, 30));
    this.#attempt += 1;
    return step / 2 + (step / 2) * this.#random();
  }

  reset(): void {
    this.#attempt = 0;
  }
}
