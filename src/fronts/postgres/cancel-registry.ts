/** Which session a cancel request is for. The pid and the key are all that such a request has to show. */

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { invariant } from '../../base/index.ts';

export interface CancelTarget {
  /** Stops the statement that runs now, if one does. Resolves when the members have been asked. */
  cancel(): Promise<void>;
}

interface Entry {
  readonly fingerprint: Buffer;
  readonly target: CancelTarget;
}

export class CancelRegistry {
  readonly #entries = new Map<number, Entry>();
  /** Keys are kept and compared as fingerprints: all of one length, whatever the length of what a stranger sends. */
  readonly #secret = randomBytes(32);
  readonly #nobody = randomBytes(32);

  get size(): number {
    return this.#entries.size;
  }

  /** Returns how to take the target out again. */
  register(pid: number, key: Buffer, target: CancelTarget): () => void {
    invariant(!this.#entries.has(pid), `two clients have the pid ${pid}`);
    const entry: Entry = { fingerprint: this.#fingerprint(key), target };
    this.#entries.set(pid, entry);
    return () => {
      if (this.#entries.get(pid) === entry) this.#entries.delete(pid);
    };
  }

  /** Cancels for whoever has the pid, when the key is right. Says nothing about whether that was so. */
  async cancel(pid: number, key: Buffer): Promise<void> {
    const entry = this.#entries.get(pid);
    const right = timingSafeEqual(this.#fingerprint(key), entry?.fingerprint ?? this.#nobody);
    if (right && entry !== undefined) await entry.target.cancel();
  }

  #fingerprint(key: Buffer): Buffer {
    return createHmac('sha256', this.#secret).update(key).digest();
  }
}
