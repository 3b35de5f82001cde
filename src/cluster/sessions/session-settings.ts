/** The session's settings as statements, so that each of its connections can be given those that it lacks. */

import type { SessionLink } from '../../dialects/contract.ts';

/** More than this and the session has something better to do than to collect settings; the oldest stay in force anyway. */
const statementsMax = 1000;

export class SessionSettings {
  #base = 0;
  #statements: unknown[] = [];
  readonly #given = new WeakMap<SessionLink, number>();

  /** `at`: the connection that has it already. */
  add(statement: unknown, at: Iterable<SessionLink>): void {
    this.#statements.push(statement);
    this.#mark(at);
  }

  /** All of it has been undone, and the connections that are left know. */
  reset(): void {
    this.#base += this.#statements.length;
    this.#statements = [];
  }

  get full(): boolean {
    return this.#statements.length >= statementsMax;
  }

  /** The statements that this connection has not had; they count as given from here on. */
  missingOn(link: SessionLink): readonly unknown[] {
    const end = this.#base + this.#statements.length;
    const given = this.#given.get(link) ?? 0;
    if (given >= end) return none;
    this.#given.set(link, end);
    return this.#statements.slice(Math.max(0, given - this.#base));
  }

  #mark(at: Iterable<SessionLink>): void {
    for (const link of at) this.#given.set(link, this.#base + this.#statements.length);
  }
}

const none: readonly unknown[] = [];
