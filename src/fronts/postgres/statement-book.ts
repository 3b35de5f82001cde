/** The prepared statements and portals of one client, and which of them exist in this node only. */

import type { PreparedStatement } from '../../dialects/postgres/index.ts';
import type { Statement } from '../../sql/index.ts';

/** A statement as Parse brought it. */
export interface BookedStatement extends PreparedStatement {
  /** As the schema was when it was asked for last. */
  statement: Statement;
  /** By that version of the schema; of one too large to be kept, for good. */
  schemaVersion?: number;
  /** Its text; of one too large to be kept, its beginning. */
  readonly text: Buffer;
  /** Never sent to a member as a prepared statement: transaction control, settings, schema statements. */
  readonly local: boolean;
  /** The types of parameters that its Parse has named; none where it came in pieces. */
  readonly parameterTypes: readonly number[];
}

const answersRows: ReadonlySet<Statement['kind']> = new Set([
  'read',
  'primary-read',
  'write',
  'copy-in',
  'declare-cursor',
  'empty',
]);

/** CREATE TABLE AS, SELECT INTO, and EXPLAIN of them: a query that values may come to. */
export function isMadeByQuery({ kind, tag, createdTable }: Statement): boolean {
  return (
    kind === 'create-table-as' ||
    (kind === 'temp-ddl' && createdTable !== undefined && tag !== 'CREATE TABLE')
  );
}

/** Statements without rows are carried out by this node. By the extended protocol, too, unless values may come to them. */
export function isLocal(statement: Statement): boolean {
  return !answersRows.has(statement.kind);
}

export class StatementBook {
  readonly #statements = new Map<string, BookedStatement>();
  readonly #portals = new Map<string, BookedStatement | undefined>();

  get size(): number {
    return this.#statements.size;
  }

  get portals(): number {
    return this.#portals.size;
  }

  statement(name: string): BookedStatement | undefined {
    return this.#statements.get(name);
  }

  addStatement(statement: BookedStatement): void {
    this.#statements.set(statement.name, statement);
  }

  removeStatement(name: string): void {
    this.#statements.delete(name);
  }

  /** The portal of a statement that is not in the book is one of SQL's PREPARE. */
  addPortal(name: string, statement: BookedStatement | undefined): void {
    this.#portals.set(name, statement);
  }

  portal(name: string): BookedStatement | undefined {
    return this.#portals.get(name);
  }

  removePortal(name: string): void {
    this.#portals.delete(name);
  }

  /** Portals end with their transaction. */
  endTransaction(): void {
    if (this.#portals.size > 0) this.#portals.clear();
  }

  clear(): void {
    this.#statements.clear();
    this.#portals.clear();
  }
}
