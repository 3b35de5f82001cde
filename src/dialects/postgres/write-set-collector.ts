/** Takes in a large write set while it arrives, in parts, and no faster than the spool can keep it. */

import type { WriteSet } from '../contract.ts';
import type { Spool } from '../spool.ts';

/** Parts are about this large, whatever the pieces were in which they came. */
const partBytes = 1 << 20;

/** With so much not yet kept, no more is read. */
const waitingBytesMax = 4 << 20;

export interface Flow {
  pause(): void;
  resume(): void;
}

export class WriteSetCollector {
  readonly #spool: Spool;
  readonly #flow: Flow;
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  #waitingBytes = 0;
  #paused = false;
  #kept: Promise<void> = Promise.resolve();
  #failure: unknown;
  #empty = true;

  constructor(spool: Spool, flow: Flow) {
    this.#spool = spool;
    this.#flow = flow;
  }

  /** The bytes are copied: they are a slice of what was read from a socket. */
  add(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#empty = false;
    this.#pieces.push(Buffer.from(bytes));
    this.#pieceBytes += bytes.length;
    if (this.#pieceBytes >= partBytes) this.#keepPart();
  }

  /** The whole write set; null when nothing came. Rejects when it could not be kept. */
  async finish(): Promise<WriteSet | null> {
    if (this.#pieceBytes > 0) this.#keepPart();
    await this.#kept;
    const writeSet = await this.#spool.finish();
    if (this.#failure === undefined && !this.#empty) return writeSet;
    writeSet.release();
    if (this.#failure !== undefined) throw this.#failure;
    return null;
  }

  /** It is not wanted any more. */
  discard(): void {
    this.finish().then(
      (writeSet) => writeSet?.release(),
      () => undefined,
    );
  }

  #keepPart(): void {
    const [first] = this.#pieces;
    const part = this.#pieces.length === 1 && first !== undefined ? first : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#pieceBytes = 0;
    this.#waitingBytes += part.length;
    if (this.#waitingBytes > waitingBytesMax && !this.#paused) {
      this.#paused = true;
      this.#flow.pause();
    }
    this.#kept = this.#kept
      .then(() => (this.#failure === undefined ? this.#spool.add(part) : undefined))
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .then(() => {
        this.#waitingBytes -= part.length;
        if (!this.#paused || this.#waitingBytes > waitingBytesMax / 2) return;
        this.#paused = false;
        this.#flow.resume();
      });
  }
}
