/**
 * What the dialect must know of the schema besides what the members look after themselves: which functions may write,
 * whether anything is deferred to COMMIT, and each member's own number for each table.
 */

import type { FunctionCatalog } from '../../sql/index.ts';
import type { InternalConnection } from './internal-connection.ts';

type Volatility = ReturnType<FunctionCatalog['volatility']>;

const rank: Readonly<Record<string, number>> = { i: 1, s: 2, v: 3 };
const names: readonly Volatility[] = ['unknown', 'immutable', 'stable', 'volatile'];

export class PostgresCatalog implements FunctionCatalog {
  version = 0;
  /** A constraint or trigger may run at COMMIT: it has to run before the write set is taken. */
  hasDeferred = false;
  #functions = new Map<string, number>();
  /** Of each member: its number of a table → the table's name. */
  readonly #namesByMember = new Map<string, ReadonlyMap<number, string>>();
  readonly #numbersByMember = new Map<string, ReadonlyMap<string, number>>();

  volatility(schema: string | undefined, name: string): Volatility {
    return names[this.#functions.get(schema === undefined ? name : `${schema}\0${name}`) ?? 0] ?? 'unknown';
  }

  /** From the primary, at the start and after each schema statement. */
  async loadFunctions(connection: InternalConnection): Promise<void> {
    const functions = new Map<string, number>();
    const rows = await connection.rows(
      `SELECT n.nspname, p.proname, p.provolatile FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
       WHERE n.nspname NOT IN ('pg_catalog', 'lockstep')`,
    );
    for (const [schema, name, volatility] of rows) {
      const value = rank[volatility ?? ''] ?? 0;
      for (const key of [name ?? '', `${schema}\0${name}`])
        functions.set(key, Math.max(functions.get(key) ?? 0, value));
    }
    const [deferred] = await connection.rows(
      `SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgdeferrable) OR EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE condeferrable)`,
    );
    this.hasDeferred = deferred?.[0] === 't';
    this.#functions = functions;
    this.version += 1;
  }

  async loadTables(memberId: string, connection: InternalConnection): Promise<void> {
    const rows = await connection.rows(
      `SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'lockstep' AND c.relpersistence <> 't'`,
    );
    const entries = rows.map(([oid, schema, name]) => [Number(oid), `${schema}\0${name}`] as const);
    this.#namesByMember.set(memberId, new Map(entries));
    this.#numbersByMember.set(memberId, new Map(entries.map(([oid, name]) => [name, oid])));
  }

  /** 0, which the protocol has for "unknown", when it cannot be told. */
  tableNumber(oid: number, from: string, to: string): number {
    const name = this.#namesByMember.get(from)?.get(oid);
    return name === undefined ? 0 : (this.#numbersByMember.get(to)?.get(name) ?? 0);
  }
}
