/** The prepared statements of one connection: the client's, ours, and those that are to go. */

import { frontend } from '../../wire/postgres/index.ts';
import type { PostgresRequest, PreparedStatement } from './request.ts';
import { parseAgain } from './statement-shape.ts';

export class LinkStatements {
  readonly #prepared = new Map<string, PreparedStatement>();
  /** Names that the client has closed and this member still holds. */
  readonly #stale: string[] = [];
  /** Parse messages sent and not yet confirmed, in order. */
  #parses: { readonly statement: PreparedStatement; readonly injected: boolean }[] = [];
  /** CloseCompletes of our own to come before the client's. */
  #ownCloses = 0;

  /** The client's own Parse is on its way. */
  parse(statement: PreparedStatement, out: Buffer[]): void {
    this.#makeRoom(statement, out);
    this.#prepared.set(statement.name, statement);
    this.#parses.push({ statement, injected: false });
  }

  /** Prepares the statement if this member does not have it. */
  need(statement: PreparedStatement, out: Buffer[]): void {
    if (this.#prepared.get(statement.name) === statement) return;
    this.#makeRoom(statement, out);
    // One too large to be kept is prepared where it was first sent, and nowhere else: the server says that it is missing.
    const parse = parseAgain(statement);
    if (parse === undefined) return;
    this.#prepared.set(statement.name, statement);
    this.#parses.push({ statement, injected: true });
    out.push(parse);
  }

  /** A simple query takes the unnamed statement away. */
  unnamedGone(): void {
    this.#prepared.delete('');
  }

  /** What the client has had described and this member does not know yet. A nameless one is used at once. */
  unchecked(messages: PostgresRequest['messages']): ReadonlySet<PreparedStatement> | undefined {
    let statements: Set<PreparedStatement> | undefined;
    for (const message of messages) {
      if (message.kind !== 'uses' || message.statement.name === '' || message.statement.shape === undefined)
        continue;
      const { statement } = message;
      if (this.#prepared.get(statement.name) !== statement) (statements ??= new Set()).add(statement);
    }
    return statements;
  }

  /** Takes away what the client has closed. */
  closeStale(out: Buffer[]): void {
    if (this.#stale.length === 0) return;
    for (const stale of this.#stale.splice(0)) this.#close(stale, out);
  }

  /** ParseComplete has come. True: the client knows nothing of it. */
  parsed(): boolean {
    const parse = this.#parses.shift();
    if (parse !== undefined) parse.statement.confirmed = true;
    return parse?.injected === true;
  }

  /** CloseComplete has come. True: the client knows nothing of it. */
  closed(): boolean {
    if (this.#ownCloses === 0) return false;
    this.#ownCloses -= 1;
    return true;
  }

  /** The client closed it: its name may come back with another meaning. */
  forget(name: string): void {
    if (this.#prepared.delete(name) && name !== '') this.#stale.push(name);
  }

  /** All are gone here. */
  forgetAll(): void {
    this.#prepared.clear();
    this.#stale.length = 0;
  }

  /** After an error the server skipped the rest: what was to be prepared there is not. */
  forgetUnconfirmed(): void {
    for (const { statement } of this.#parses.splice(0)) {
      if (this.#prepared.get(statement.name) === statement) this.#prepared.delete(statement.name);
    }
    this.#ownCloses = 0;
  }

  #makeRoom({ name }: PreparedStatement, out: Buffer[]): void {
    if (name !== '' && this.#prepared.has(name)) this.#close(name, out);
  }

  #close(name: string, out: Buffer[]): void {
    this.#ownCloses += 1;
    out.push(frontend.close('statement', name));
  }
}
