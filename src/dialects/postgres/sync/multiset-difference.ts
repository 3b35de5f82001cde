/** Which rows one side has that the other lacks, each as often as it is there: by their hashes, in memory of fixed size. */

/** Rows of one side, by place in the order in which they came. */
export interface RowHashes {
  readonly count: number;
  /** Upper and lower half of each row's hash. */
  readonly high: Uint32Array;
  readonly low: Uint32Array;
}

/** Places of the rows that only `first`, and that only `second` has. */
export function multisetDifference(
  first: RowHashes,
  second: RowHashes,
): { readonly onlyFirst: readonly number[]; readonly onlySecond: readonly number[] } {
  const surplus = new HashCounts(first.count);
  for (let i = 0; i < first.count; i++) surplus.add(first.high[i] ?? 0, first.low[i] ?? 0);
  const onlySecond: number[] = [];
  for (let i = 0; i < second.count; i++) {
    if (!surplus.take(second.high[i] ?? 0, second.low[i] ?? 0)) onlySecond.push(i);
  }
  const onlyFirst: number[] = [];
  for (let i = 0; i < first.count; i++) {
    if (surplus.take(first.high[i] ?? 0, first.low[i] ?? 0)) onlyFirst.push(i);
  }
  return { onlyFirst, onlySecond };
}

/** Hash → how often. A Map would need a BigInt or a string for each row. */
class HashCounts {
  readonly #mask: number;
  readonly #high: Uint32Array;
  readonly #low: Uint32Array;
  readonly #counts: Uint32Array;
  readonly #used: Uint8Array;

  constructor(entries: number) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(entries, 8) * 1.5));
    this.#mask = size - 1;
    this.#high = new Uint32Array(size);
    this.#low = new Uint32Array(size);
    this.#counts = new Uint32Array(size);
    this.#used = new Uint8Array(size);
  }

  add(high: number, low: number): void {
    const at = this.#find(high, low);
    this.#used[at] = 1;
    this.#high[at] = high;
    this.#low[at] = low;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }

  /** False: there is none left. */
  take(high: number, low: number): boolean {
    const at = this.#find(high, low);
    const count = this.#counts[at] ?? 0;
    if (count > 0) this.#counts[at] = count - 1;
    return count > 0;
  }

  /** The upper half leads: the rows of one bucket have the end of the lower half in common. */
  #find(high: number, low: number): number {
    let at = high & this.#mask;
    while (this.#used[at] === 1 && (this.#high[at] !== high || this.#low[at] !== low))
      at = (at + 1) & this.#mask;
    return at;
  }
}
