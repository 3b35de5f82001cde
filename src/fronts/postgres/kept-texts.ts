/** Texts above the usual size that are kept in memory until they have been carried out, of all clients together. */

/** What is longer streams by, or is refused. */
const textBytesMax = 4 << 20;
const allBytesMax = 64 << 20;

class KeptTexts {
  #bytes = 0;

  /** What gives the room back. Undefined: there is none. */
  take(bytes: number): (() => void) | undefined {
    if (bytes > textBytesMax || this.#bytes + bytes > allBytesMax) return undefined;
    this.#bytes += bytes;
    return () => void (this.#bytes -= bytes);
  }
}

export const keptTexts = new KeptTexts();
