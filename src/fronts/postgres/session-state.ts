/**
 * What code out of sight has done to the session is asked from the server, once, when its transaction is over: settings that
 * it changed go to the session's other connections; what only one connection can have keeps the session there.
 */

import type { Session } from '../../cluster/index.ts';
import { carryStatement, probeQuestion } from '../../dialects/postgres/index.ts';
import type { SessionDefaults } from './transaction-words.ts';
import type {
  OwnStatement,
  PostgresSessionLink,
  SessionState as State,
} from '../../dialects/postgres/index.ts';

/** Of the settings that are carried there is one statement, always the last one. */
const key = 'carried';

/** By the server's own word, not by the client's. */
export interface StateOf {
  readonly session: Session;
  /** The settings that code reads wherever it runs. */
  watched(): readonly string[];
  /** By the client's own word. */
  listens(): boolean;
  /** How transactions begin from here on. */
  transactionsBegin(how: Partial<SessionDefaults>): void;
}

export class SessionState {
  readonly #session: Session;
  readonly #of: StateOf;
  #unsure = false;
  /** Code out of sight has run: it may have set what nobody has read so far. */
  #hasRun = false;
  /** The settings that were watched when the server was last asked. */
  #asked: readonly string[] = [];
  /** Any setting may have changed, or nothing is known yet. */
  #all = true;
  /** As the server said. */
  #known = new Map<string, string>();
  #carried = new Set<string>();
  #settingsVersion = 0;

  constructor(of: StateOf) {
    this.#session = of.session;
    this.#of = of;
  }

  /** Something runs that may change what cannot be seen. */
  unseen(how: { readonly anySetting?: boolean } = {}): void {
    this.#unsure = true;
    this.#hasRun = true;
    if (how.anySetting) this.#all = true;
  }

  /**
   * Before a statement. A function or policy may have come that reads a setting which nobody had read, and this session may have
   * set it long ago. Undefined: nothing has to be asked, or not before the transaction is over, which stays on the primary.
   */
  followSchema(): Promise<void> | undefined {
    const watched = this.#of.watched();
    // It is going to be asked anyway.
    if (this.#unsure || !this.#hasRun || watched === this.#asked) return undefined;
    const asked = new Set(this.#asked);
    this.#asked = watched;
    if (watched.every((name) => asked.has(name))) return undefined;
    this.#unsure = true;
    if (this.#session.transaction === 'none') return this.settle();
    this.#session.holds('settings that code has begun to read');
    return undefined;
  }

  /** Before the client may send what relies on it. Undefined: there is nothing to ask. */
  settle(): Promise<void> | undefined {
    const session = this.#session;
    if (!this.#unsure || session.transaction !== 'none') return undefined;
    this.#unsure = false;
    return session.pinnedForGood ? undefined : this.#ask();
  }

  async #ask(): Promise<void> {
    const session = this.#session;
    this.#asked = this.#of.watched();
    const question = probeQuestion([...this.#asked, ...this.#carried], this.#all);
    // Lost before it has said what there is, the session would not know what it has lost.
    session.holds('what its functions have done');
    if (question === undefined) return session.pin('more settings than can be watched');
    const answer = await session.ask((link) => (link as PostgresSessionLink).firstValue(question.sql));
    const state = answer === undefined ? undefined : question.read(answer);
    if (state === undefined) {
      session.holds('a state that its server does not tell');
      this.#all = true;
      return;
    }
    const { readOnly } = state;
    if (readOnly !== undefined) {
      // Ours begin READ ONLY unless they say otherwise, whatever is in force for the client's.
      await session.ask((link) =>
        (link as PostgresSessionLink).firstValue('RESET default_transaction_read_only'),
      );
      this.#of.transactionsBegin({ readOnly });
    }
    this.#follow(state);
    session.holds(
      state.held ??
        (state.listens && !this.#of.listens() ? 'channels that a function listens on' : undefined),
    );
  }

  /** Nothing is left of it. */
  reset(): void {
    this.#unsure = false;
    this.#hasRun = false;
    this.#all = true;
    this.#known = new Map();
    this.#carried = new Set();
  }

  #follow({ values, set }: State): void {
    const { settings } = this.#session;
    let changed = false;
    for (const [name, value] of values) {
      const known = this.#known.get(name);
      const news =
        known === undefined ? !this.#all || set.has(name) || isUnlisted(name, value) : known !== value;
      if (!news) continue;
      changed = true;
      if (name === 'default_transaction_isolation')
        this.#of.transactionsBegin({ serializable: value === serializable });
      this.#carried.add(name);
    }
    this.#known = new Map([...this.#known, ...values]);
    this.#all = false;
    const said = settings.version !== this.#settingsVersion;
    if (this.#carried.size === 0 || !(changed || said)) return;
    const carried = new Map<string, string>();
    for (const name of this.#carried) {
      const value = values.get(name);
      if (value !== undefined) carried.set(name, value);
    }
    const statement: OwnStatement = { sql: carryStatement(carried) };
    settings.add(statement, this.#session.runningLinks(), key);
    this.#settingsVersion = settings.version;
  }
}

/** What the server does not list among what was set, though it was: names of the users' own, and the role. */
function isUnlisted(name: string, value: string): boolean {
  return name.includes('.') || (name === 'role' && value !== noRole);
}

const serializable = Buffer.from('serializable').toString('hex');
const noRole = Buffer.from('none').toString('hex');
