/**
 * Reads what the schema is after changes of it, one reading at a time and beside the clients' work: when the changes have come to
 * a pause, or at once when a statement has to be judged by it. Until a reading that began after a change has succeeded, nothing is
 * proven.
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

/** A schema of no more objects is quickly read: a statement that is judged by it waits for that. */
const smallMax = 1000;
const waitMs = 1000;
/** Changes of the schema seldom come alone, and the more there is to read, the longer a pause has to be. */
const quietMs = 100;
const quietMsMax = 1000;
const firstPauseMs = 200;
const lastPauseMs = 10_000;

export class SchemaReader {
  readonly #parts: { cluster: Cluster; built: BuiltMembers; clock: Clock; logger: Logger };
  readonly #stopped = new AbortController();
  #asked: Asked[] = [];
  /** Those that wait until it is known, or has been tried. */
  #waiting: (() => void)[] = [];
  #working = false;
  #reading = false;
  /** The last reading did not succeed, and is made again later. */
  #failing = false;
  #endQuiet: () => void = () => undefined;
  /** Somebody needs it now, and not only in the next pause. */
  #urgent = false;
  /** How long the last reading took. */
  #tookMs = 0;

  constructor(parts: { cluster: Cluster; built: BuiltMembers; clock: Clock; logger: Logger }) {
    this.#parts = parts;
  }

  /** `known` is what was told that it is going to change. */
  changed(known: () => void): void {
    this.#asked.push({ known, tried: () => undefined });
    this.#beginWhenQuiet();
  }

  /** Before a statement that depends on the schema. Undefined: it is known. Resolves when it is, or takes too long to wait for. */
  known(depends: () => boolean): Promise<void> | undefined {
    const { built, clock } = this.#parts;
    if ((this.#asked.length === 0 && !this.#reading) || !depends()) return undefined;
    this.#urgent = this.#asked.length > 0;
    this.#begin();
    if (this.#failing || built.catalog.size > smallMax) return undefined;
    return new Promise((resolve) => {
      const cancel = clock.after(waitMs, resolve);
      this.#waiting.push(() => {
        cancel();
        resolve();
      });
    });
  }

  /** Resolves when it has been tried. */
  read(): Promise<void> {
    return new Promise((resolve) => {
      this.#asked.push({ known: this.#parts.built.catalog.changing(), tried: resolve });
      this.#urgent = true;
      this.#begin();
    });
  }

  stop(): void {
    this.#endQuiet();
    this.#stopped.abort();
    this.#release();
  }

  /** While another change is under way, what is read now proves nothing: it would have to be read again. */
  #beginWhenQuiet(): void {
    const { built, clock } = this.#parts;
    this.#endQuiet();
    const pauseMs = Math.min(Math.max(quietMs, this.#tookMs), quietMsMax);
    this.#endQuiet = clock.after(pauseMs, () => {
      if (built.catalog.underWay > this.#asked.length) this.#beginWhenQuiet();
      else this.#begin();
    });
  }

  #begin(): void {
    this.#endQuiet();
    if (!this.#working) void this.#work();
  }

  async #work(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#stopped;
    this.#working = true;
    let pauseMs = firstPauseMs;
    for (let again = true; again && !signal.aborted; ) {
      const asked = this.#asked;
      this.#asked = [];
      this.#urgent = false;
      this.#reading = true;
      const begunMs = clock.monotonicMs();
      const unread = await this.#readOnce();
      this.#tookMs = clock.monotonicMs() - begunMs;
      this.#reading = false;
      for (const one of asked) {
        if (!unread.primary) one.known();
        one.tried();
      }
      this.#failing = unread.primary || unread.replicas;
      if (this.#asked.length === 0 || this.#failing) this.#release();
      if (unread.primary) this.#asked.unshift(...asked);
      again = this.#failing || this.#urgent || this.#waiting.length > 0;
      if (!this.#failing) continue;
      await pause(clock, pauseMs, signal);
      pauseMs = Math.min(2 * pauseMs, lastPauseMs);
    }
    this.#working = false;
    if (!signal.aborted) {
      if (this.#asked.length > 0) this.#beginWhenQuiet();
      return;
    }
    for (const one of this.#asked) one.tried();
    this.#release();
  }

  #release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
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
