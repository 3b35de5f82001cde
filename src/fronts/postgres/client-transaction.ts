/**
 * The transaction of a client as it sees it: one that it has begun, or one of ours around what has to succeed or fail
 * together. Settings made inside are in force for good, and a new schema is known, only when it commits.
 */

import type { BeginOptions, Session } from '../../cluster/index.ts';
import type { AnswerSink } from '../../dialects/contract.ts';
import type { OwnStatement } from '../../dialects/postgres/index.ts';
import type { Statement, TransactionOptions } from '../../sql/index.ts';
import { needsTransaction } from './front-errors.ts';
import { complete, warn } from './own-answers.ts';
import type { StatementBook } from './statement-book.ts';
import { beginOptions } from './transaction-words.ts';
import type { SessionDefaults } from './transaction-words.ts';

type Outcome = 'committed' | 'rolled-back' | 'refused';

export interface ClientTransactionParts {
  readonly session: Session;
  readonly book: StatementBook;
  readonly sink: AnswerSink;
  schemaChanging(): () => void;
  /** It has changed: `known` is to be called when the engine knows it. */
  schemaChanged(known: () => void): void;
}

export class ClientTransaction {
  readonly #parts: ClientTransactionParts;
  #defaults: SessionDefaults = { readOnly: false, serializable: false };
  /** The open transaction is one of ours: it ends with the client's Sync or simple query. */
  #implicit = false;
  /** How the client has begun its own. */
  #asked: TransactionOptions = {};
  #settings: OwnStatement[] = [];
  #schemaChanged = false;

  constructor(parts: ClientTransactionParts) {
    this.#parts = parts;
  }

  /** What the client has set for those to come. */
  get defaults(): SessionDefaults {
    return this.#defaults;
  }

  setDefaults(defaults: Partial<SessionDefaults>): void {
    this.#defaults = { ...this.#defaults, ...defaults };
  }

  /** How a statement outside of any is run. */
  get autocommit(): BeginOptions {
    return beginOptions({}, this.#defaults);
  }

  get implicit(): boolean {
    return this.#implicit;
  }

  /** Nothing of it has reached a member. */
  get implicitAndUnbegun(): boolean {
    return this.#implicit && !this.#parts.session.begun;
  }

  /** Several statements that succeed or fail together, until `endImplicit`. */
  beginImplicit(): void {
    const { session } = this.#parts;
    if (session.transaction !== 'none') return;
    session.begin(this.autocommit);
    this.#implicit = true;
  }

  /** False: it was refused, and the error is written. */
  async endImplicit(succeeded: boolean): Promise<boolean> {
    if (!this.#implicit) return true;
    this.#implicit = false;
    if (!succeeded) {
      await this.#rollBack();
      return false;
    }
    return (await this.#commit()) === 'committed';
  }

  begin(statement: Statement): void {
    const { session, sink } = this.#parts;
    if (session.transaction === 'none' || this.implicitAndUnbegun) {
      this.#asked = statement.transaction ?? {};
      const options = beginOptions(this.#asked, this.#defaults);
      if (this.#implicit) session.amendBegin(options);
      else session.begin(options);
    } else if (!this.#implicit) {
      warn(sink, '25001', 'there is already a transaction in progress');
    }
    this.#implicit = false;
    complete(sink, statement.tag);
  }

  /** SET TRANSACTION before anything has reached a member: it begins so. False: it has to be said to the member. */
  amend(options: TransactionOptions | undefined): boolean {
    const { session } = this.#parts;
    if (session.transaction !== 'open' || session.begun || this.#implicit) return false;
    if (options?.snapshot !== undefined) return false;
    this.#asked = { ...this.#asked, ...options };
    session.amendBegin(beginOptions(this.#asked, this.#defaults));
    return true;
  }

  /** By the client's word. False: refused, and the error is written. */
  async commit(statement: Statement): Promise<boolean> {
    const { session, sink } = this.#parts;
    this.#mustBeOpen('COMMIT', statement);
    if (session.transaction === 'none') {
      complete(sink, 'COMMIT');
      return true;
    }
    this.#implicit = false;
    const outcome = await this.#commit();
    if (outcome === 'refused') return false;
    if (statement.chain) session.begin(beginOptions(this.#asked, this.#defaults));
    complete(sink, outcome === 'committed' ? 'COMMIT' : 'ROLLBACK');
    return true;
  }

  /** By the client's word. */
  async rollBack(statement: Statement): Promise<void> {
    this.#mustBeOpen('ROLLBACK', statement);
    await this.abandon();
    if (statement.chain) this.#parts.session.begin(beginOptions(this.#asked, this.#defaults));
    complete(this.#parts.sink, 'ROLLBACK');
  }

  /** PREPARE TRANSACTION where nothing can be prepared says what ROLLBACK does. False: there is something. */
  async prepareNothing(): Promise<boolean> {
    const { session, sink } = this.#parts;
    const none = session.transaction === 'none';
    if (none || this.#implicit) warn(sink, '25P01', 'there is no transaction in progress');
    if (!none && session.transaction !== 'failed') return false;
    await this.abandon();
    complete(sink, 'ROLLBACK');
    return true;
  }

  /** Whatever is open is rolled back. */
  async abandon(): Promise<void> {
    this.#implicit = false;
    await this.#rollBack();
  }

  /** Made inside, it holds for the session's other connections only once this commits. */
  noteSetting(setting: OwnStatement): void {
    this.#settings.push(setting);
  }

  noteSchemaChange(): void {
    this.#schemaChanged = true;
  }

  #mustBeOpen(word: 'COMMIT' | 'ROLLBACK', { chain }: Statement): void {
    if (this.#parts.session.transaction !== 'none' && !this.#implicit) return;
    if (chain) throw needsTransaction(`${word} AND CHAIN`);
    warn(this.#parts.sink, '25P01', 'there is no transaction in progress');
  }

  async #commit(): Promise<Outcome> {
    const { session, sink, book } = this.#parts;
    let outcome: Outcome = 'refused';
    const known = this.#schemaChanged ? this.#parts.schemaChanging() : undefined;
    this.#schemaChanged = false;
    let mayHaveChanged = true;
    try {
      outcome = await session.commit(sink);
      mayHaveChanged = outcome === 'committed';
    } finally {
      if (known !== undefined && mayHaveChanged) this.#parts.schemaChanged(known);
      else known?.();
      if (outcome === 'committed')
        for (const setting of this.#settings) session.settings.add(setting, session.runningLinks());
      this.#settings = [];
      book.endTransaction();
    }
    return outcome;
  }

  async #rollBack(): Promise<void> {
    this.#settings = [];
    this.#schemaChanged = false;
    this.#parts.book.endTransaction();
    await this.#parts.session.rollback();
  }
}
