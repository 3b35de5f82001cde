/**
 * What the dialect must know of the schema besides what the members look after themselves: which functions may write, and what
 * else hides behind names; whether anything is deferred to COMMIT; and each member's own numbers for tables and types.
 */

import type { FunctionCatalog, Hidden, HiddenIn } from '../../sql/index.ts';
import type { InternalConnection } from './internal-connection.ts';
import { Expressions } from './expressions.ts';
import { readPurity } from './purity.ts';
import type { LookedThrough, Purity } from './purity.ts';

type Volatility = ReturnType<FunctionCatalog['volatility']>;

const names: readonly Volatility[] = ['unknown', 'immutable', 'stable', 'volatile'];
const letters = { function: 'f', field: '.', relation: 'r', target: 'w', type: 't', operator: 'o' } as const;
const unsure: Hidden = {
  session: 'a schema that changes just now',
  writes: undefined,
  local: undefined,
};

export class PostgresCatalog implements FunctionCatalog {
  version = 0;
  #deferred = false;
  #purity: Purity = { hidden: new Map(), volatility: new Map(), settings: [], everything: undefined };
  readonly #lookedThrough: LookedThrough = { bodies: new Map(), expressions: new Expressions() };
  /** Changes of the schema that may be in force and have not been read. */
  #changing = 0;
  /** Of each member: its number of a table → the table's name. */
  readonly #namesByMember = new Map<string, ReadonlyMap<number, string>>();
  readonly #typesByMember = new Map<string, ReadonlyMap<number, string>>();
  readonly #numbersByMember = new Map<string, ReadonlyMap<string, number>>();

  get settings(): readonly string[] {
    return this.#purity.settings;
  }

  get everywhere(): Hidden | undefined {
    return this.#changing > 0 ? unsure : this.#purity.everything;
  }

  /** A constraint or trigger may run at COMMIT: it has to run before the write set is taken. */
  get hasDeferred(): boolean {
    return this.#changing > 0 || this.#deferred;
  }

  /** How many objects there are whose reading takes time. */
  get size(): number {
    const tables = [...this.#namesByMember.values()].map((known) => known.size);
    return Math.max(...tables, this.#purity.volatility.size);
  }

  volatility(schema: string | undefined, name: string): Volatility {
    if (this.#changing > 0) return 'unknown';
    return names[this.#purity.volatility.get(keyOf(schema, name)) ?? 0] ?? 'unknown';
  }

  hidden(what: HiddenIn, schema: string | undefined, name: string): Hidden | undefined {
    return this.#purity.hidden.get(letters[what] + keyOf(schema, name));
  }

  /** How many changes have begun that are not both over and read. */
  get underWay(): number {
    return this.#changing;
  }

  /** Until what this returns is called, nothing is proven: what is read may be older than what members do. */
  changing(): () => void {
    this.#changing += 1;
    this.version += 1;
    return () => {
      this.#changing -= 1;
      this.version += 1;
    };
  }

  /** From the primary, at the start and after each schema statement. `source` names it. */
  async loadFunctions(connection: InternalConnection, source = ''): Promise<void> {
    const purity = await readPurity(connection, this.#lookedThrough, source);
    const [deferred] = await connection.rows(
      `SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgdeferrable) OR EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE condeferrable)`,
    );
    this.#deferred = deferred?.[0] === 't';
    this.#purity = purity;
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

  /** They could not be read: nobody knows what is what there. */
  forgetTables(memberId: string): void {
    for (const known of [this.#namesByMember, this.#numbersByMember, this.#typesByMember])
      known.delete(memberId);
  }

  /** False also where it cannot be told. */
  sameTypes(numbers: ReadonlySet<number>, one: string, other: string): boolean {
    if (this.#changing > 0) return false;
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
    if (from === to) return oid;
    if (this.#changing > 0) return 0;
    const name = this.#namesByMember.get(from)?.get(oid);
    return name === undefined ? 0 : (this.#numbersByMember.get(to)?.get(name) ?? 0);
  }
}

function keyOf(schema: string | undefined, name: string): string {
  return schema === undefined ? name : `${schema}\0${name}`;
}
