/** Which session a cancel request is for. The pid and the key are all that such a request has to show. */

import { createHmac, randomBytes } from 'node:crypto';
import { invariant } from '../../base/index.ts';

export interface CancelTarget {
  /** Stops the statement that runs now, if one does. Resolves when the members have been asked. */
  cancel(): Promise<void>;
}

export class CancelRegistry {
  /**
   * By a fingerprint of pid and key: nobody can find out by trying how much of a key was right. The pids alone may
   * repeat themselves, because they are the members' own.
   */
  readonly #targets = new Map<string, CancelTarget>();
  readonly #secret = randomBytes(32);

  get size(): number {
    return this.#targets.size;
  }

  /** Returns how to take the target out again. */
  register(pid: number, key: Buffer, target: CancelTarget): () => void {
    const fingerprint = this.#fingerprint(pid, key);
    invariant(!this.#targets.has(fingerprint), `two clients have the pid ${pid} and the same key`);
    this.#targets.set(fingerprint, target);
    return () => {
      if (this.#targets.get(fingerprint) === target) this.#targets.delete(fingerprint);
    };
  }

  /** Cancels for whoever has the pid, when the key is right. Says nothing about whether that was so. */
  async cancel(pid: number, key: Buffer): Promise<void> {
    await this.#targets.get(this.#fingerprint(pid, key))?.cancel();
  }

  #fingerprint(pid: number, key: Buffer): string {
    return createHmac('sha256', this.#secret).update(`${pid} `).update(key).digest('base64');
  }
}
