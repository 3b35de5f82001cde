/** The pieces of a message too large to be held, from the client's socket to a member's, at the pace of the slower. */

import { deferred } from '../../base/index.ts';
import type { Deferred } from '../../base/index.ts';

const roomBytes = 1 << 20;

export class ByteQueue implements AsyncIterable<Buffer> {
  readonly #onRoom: () => void;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #ended = false;
  #waiting: Deferred | undefined;

  /** `onRoom` is called when the queue has been full and is not any more. */
  constructor(onRoom: () => void) {
    this.#onRoom = onRoom;
  }

  /** False: there is no room for more until `onRoom`. */
  push(chunk: Buffer): boolean {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.#wake();
    return this.#bytes < roomBytes;
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        const full = this.#bytes >= roomBytes;
        this.#bytes -= chunk.length;
        yield chunk;
        if (full && this.#bytes < roomBytes) this.#onRoom();
      } else if (this.#ended) {
        return;
      } else {
        this.#waiting = deferred();
        await this.#waiting.promise;
      }
    }
  }

  #wake(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}
