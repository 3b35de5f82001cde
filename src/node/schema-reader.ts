/**
 * Reads what the schema is after each change of it, one reading at a time and beside the clients' work. Until a reading that
 * began after a change has succeeded, nothing is proven.
 */

import { messageOf, pause } from '../base/index.ts';
import type { Clock } from '../base/index.ts';
import type { Cluster } from '../cluster/index.ts';
import type { Logger } from '../telemetry/index.ts';
import type { BuiltMembers } from './build-members.ts';

interface Asked {
  known(): void;
  tried(): void;
}

/** A schema of no more objects is read at once: whoever has changed it waits for that, so that what comes next finds it known. */
const smallMax = 1000;
const waitMs = 1000;
const firstPauseMs = 200;
const lastPauseMs = 10_000;

export class SchemaReader {
  readonly #parts: { cluster: Cluster; built: BuiltMembers; clock: Clock; logger: Logger };
  readonly #stopped = new AbortController();
  #asked: Asked[] = [];
  #working = false;

  constructor(parts: { cluster: Cluster; built: BuiltMembers; clock: Clock; logger: Logger }) {
    this.#parts = parts;
  }

  /** `known` is what was told that it is going to change. Resolves when who has changed it need not wait any longer. */
  async changed(known: () => void): Promise<void> {
    const { built, clock } = this.#parts;
    const tried = this.#ask(known);
    if (built.catalog.size <= smallMax)
      await Promise.race([tried, pause(clock, waitMs, this.#stopped.signal)]);
  }

  /** Resolves when it has been tried. */
  read(): Promise<void> {
    return this.#ask(this.#parts.built.catalog.changing());
  }

  stop(): void {
    this.#stopped.abort();
  }

  #ask(known: () => void): Promise<void> {
    return new Promise((resolve) => {
      this.#asked.push({ known, tried: resolve });
      if (!this.#working) void this.#work();
    });
  }

  async #work(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#stopped;
    this.#working = true;
    let pauseMs = firstPauseMs;
    for (let again = false; (again || this.#asked.length > 0) && !signal.aborted; ) {
      const asked = this.#asked;
      this.#asked = [];
      const unread = await this.#readOnce();
      for (const one of asked) {
        if (!unread.primary) one.known();
        one.tried();
      }
      again = unread.primary || unread.replicas;
      if (unread.primary) this.#asked.unshift(...asked);
      if (!again) continue;
      await pause(clock, pauseMs, signal);
      pauseMs = Math.min(2 * pauseMs, lastPauseMs);
    }
    this.#working = false;
    for (const one of this.#asked) one.tried();
  }

  /** What statements mean depends on the schema; what columns belong to, on each member's own numbers. */
  async #readOnce(): Promise<{ primary: boolean; replicas: boolean }> {
    const { cluster, built, logger } = this.#parts;
    const { membership, primary } = cluster;
    const unread = { primary: !membership.active.includes(primary.id), replicas: false };
    await Promise.all(
      membership.active.map((id) =>
        built.load(id, id === primary.id ? 'primary' : undefined).catch((error: unknown) => {
          unread[id === primary.id ? 'primary' : 'replicas'] = true;
          built.catalog.forgetTables(id);
          logger.warn({ member: id, error: messageOf(error) }, 'the schema could not be read');
        }),
      ),
    );
    return unread;
  }
}
