/**
 * A map that forgets what was not asked for lately, bounded in entries and in bytes of keys. Two generations instead
 * of a list in order of use: a hit in the young one, the usual case, moves nothing.
 */
export class ClassificationCache<V> {
  #young = new Map<string, V>();
  #old = new Map<string, V>();
  #youngBytes = 0;
  readonly #generationEntriesMax: number;
  readonly #generationBytesMax: number;

  constructor(limits: { readonly entriesMax: number; readonly keyBytesMax: number }) {
    this.#generationEntriesMax = Math.ceil(limits.entriesMax / 2);
    this.#generationBytesMax = Math.ceil(limits.keyBytesMax / 2);
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(key: string): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) {
      this.#old.delete(key);
      this.set(key, old);
    }
    return old;
  }

  /** A key of more than a generation's bytes is not kept. */
  set(key: string, value: V): void {
    if (key.length > this.#generationBytesMax) return;
    if (
      this.#young.size >= this.#generationEntriesMax ||
      this.#youngBytes + key.length > this.#generationBytesMax
    ) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    this.#youngBytes += key.length;
    this.#young.set(key, value);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
    this.#youngBytes = 0;
  }
}
