/**
 * The connections of one piece of work. Given up, or failed elsewhere, whatever runs on them is stopped on the servers too;
 * ended, they are closed.
 */

import type { InternalConnection } from '../internal-connection.ts';
import type { PostgresMember } from '../postgres-member.ts';

export class Crew {
  readonly #connections = new Set<InternalConnection>();
  readonly #stop = new AbortController();

  /** Ends when the work is given up or cannot go on. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  async open(
    member: PostgresMember,
    settings: Readonly<Record<string, string>>,
  ): Promise<InternalConnection> {
    const connection = await member.openInternal(settings);
    this.#connections.add(connection);
    // Stopped while it was being opened.
    if (this.signal.aborted) connection.close();
    return connection;
  }

  /** Stops the work: it ends with this error. */
  stop(error: unknown): void {
    if (this.signal.aborted) return;
    this.#stop.abort(error);
    for (const connection of this.#connections) void cancelAndClose(connection);
  }

  /** Runs `work`, and ends with the reason when it is given up by `signal`. */
  static async run<T>(signal: AbortSignal, work: (crew: Crew) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const crew = new Crew();
    const giveUp = (): void => crew.stop(signal.reason);
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      return await work(crew);
    } catch (error) {
      // What fails because it was stopped says nothing of its own. What failed first stops the others.
      if (!crew.signal.aborted) crew.stop(error);
      throw crew.signal.reason;
    } finally {
      signal.removeEventListener('abort', giveUp);
      for (const connection of crew.#connections) connection.close();
    }
  }
}

async function cancelAndClose(connection: InternalConnection): Promise<void> {
  await connection.cancel();
  connection.close();
}
