/**
 * What the dialect must know of the schema besides what the members look after themselves: which functions may write,
 * whether anything is deferred to COMMIT, and each member's own numbers for tables and types.
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
  readonly #typesByMember = new Map<string, ReadonlyMap<number, string>>();
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

  /** Tables, and types but for those of tables' rows. */
  async loadTables(memberId: string, connection: InternalConnection): Promise<void> {
    const rows = await connection.rows(
      `SELECT 'table', c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'lockstep' AND c.relpersistence <> 't'
       UNION ALL
       SELECT 'type', t.oid, n.nspname, t.typname FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
       LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem LEFT JOIN pg_catalog.pg_class c ON c.oid = coalesce(nullif(t.typrelid, 0), e.typrelid)
       WHERE t.oid >= 16384 AND coalesce(c.relkind, 'c') = 'c' AND n.nspname <> 'lockstep' AND n.nspname NOT LIKE 'pg\\_temp\\_%'`,
    );
    const of = (kind: string): (readonly [number, string])[] =>
      rows
        .filter(([found]) => found === kind)
        .map(([, oid, schema, name]) => [Number(oid), `${schema}\0${name}`]);
    const tables = of('table');
    this.#namesByMember.set(memberId, new Map(tables));
    this.#numbersByMember.set(memberId, new Map(tables.map(([oid, name]) => [name, oid])));
    this.#typesByMember.set(memberId, new Map(of('type')));
  }

  /** False also where it cannot be told. */
  sameTypes(numbers: ReadonlySet<number>, one: string, other: string): boolean {
    const ones = this.#typesByMember.get(one);
    const others = this.#typesByMember.get(other);
    for (const number of numbers) {
      const name = ones?.get(number);
      if (name === undefined || others?.get(number) !== name) return false;
    }
    return true;
  }

  /** 0, which the protocol has for "unknown", when it cannot be told. */
  tableNumber(oid: number, from: string, to: string): number {
    const name = this.#namesByMember.get(from)?.get(oid);
    return name === undefined ? 0 : (this.#numbersByMember.get(to)?.get(name) ?? 0);
  }
}
