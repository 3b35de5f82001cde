/** The session's settings as statements, so that each of its connections can be given those that it lacks. */

import type { SessionLink } from '../../dialects/contract.ts';

/** More than this and the session has something better to do than to collect settings; the oldest stay in force anyway. */
const statementsMax = 1000;

interface Entry {
  readonly at: number;
  readonly statement: unknown;
  readonly key: string | undefined;
}

export class SessionSettings {
  #end = 0;
  #entries: Entry[] = [];
  readonly #given = new WeakMap<SessionLink, number>();

  /** Grows with each statement. */
  get version(): number {
    return this.#end;
  }

  /** `at`: the connection that has it already. With a key it takes the place of what had the same: it says all of that and more. */
  add(statement: unknown, at: Iterable<SessionLink>, key?: string): void {
    if (key !== undefined) this.#entries = this.#entries.filter((entry) => entry.key !== key);
    this.#end += 1;
    this.#entries.push({ at: this.#end, statement, key });
    for (const link of at) this.#given.set(link, this.#end);
  }

  /** All of it has been undone, and the connections that are left know. */
  reset(): void {
    this.#entries = [];
  }

  get full(): boolean {
    return this.#entries.length >= statementsMax;
  }

  /** The statements that this connection has not had; they count as given from here on. */
  missingOn(link: SessionLink): readonly unknown[] {
    const given = this.#given.get(link) ?? 0;
    if (given >= this.#end) return none;
    this.#given.set(link, this.#end);
    return this.#entries.filter((entry) => entry.at > given).map((entry) => entry.statement);
  }
}

const none: readonly unknown[] = [];
