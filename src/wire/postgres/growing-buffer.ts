const FIRST_BYTES = 4096;
const NOTHING = Buffer.alloc(0);

/**
 * Collects the pieces of one thing whose whole size is known but not yet believed: the memory taken follows the bytes
 * that have arrived (at most twice as much), not the size announced, and no byte is copied more than twice on average.
 */
export class GrowingBuffer {
  #bytes: Buffer = NOTHING;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The bytes collected so far. Valid until the next `fill`. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Takes from `source`, beginning at `from`, until `target` bytes are held; says how many it took. */
  fill(source: Buffer, from: number, target: number): number {
    const taken = Math.min(source.length - from, target - this.#length);
    if (taken <= 0) return 0;
    const needed = this.#length + taken;
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(
        Math.min(target, Math.max(needed, 2 * this.#bytes.length, FIRST_BYTES)),
      );
      this.#bytes.copy(grown, 0, 0, this.#length);
      this.#bytes = grown;
    }
    source.copy(this.#bytes, this.#length, from, from + taken);
    this.#length = needed;
    return taken;
  }

  /** Hands the collected bytes over and begins anew: what was handed over is never written to again. */
  take(): Buffer {
    const taken = this.view();
    this.#bytes = NOTHING;
    this.#length = 0;
    return taken;
  }
}
