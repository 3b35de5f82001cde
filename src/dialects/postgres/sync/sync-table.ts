/** The tables whose rows are compared and copied: each relation that holds rows of its own, known by name. */

import { relationName, userRelations } from '../catalog-sql.ts';
import type { InternalConnection } from '../internal-connection.ts';
import { throughRoot } from '../marks.ts';

export interface SyncTable {
  /** Quoted, with its schema. */
  readonly name: string;
  readonly kind: 'table' | 'materialized view';
  /** What to select from, to have its own rows and no others. */
  readonly from: string;
  /** A table with its partitions: which of them holds a row is each member's own matter. */
  readonly through: boolean;
  /** For an operator's words: its name as it is written, and those of the partitioned tables above it. */
  readonly knownAs: readonly string[];
  /** Quoted, in order; those that are computed from others are left out: what is written. */
  readonly columns: readonly string[];
  /** Quoted, in order, with those that are computed and stored: what is read and compared. */
  readonly stored: readonly string[];
  /** Its values are the same in binary on every member of one version: nothing in them is a number of this member's catalog. */
  readonly binary: boolean;
  /** Pages of the table itself. */
  readonly pages: number;
  /** With what is stored beside it. */
  readonly bytes: number;
  readonly rowsEstimate: number;
}

/**
 * Built-in types that can be sent in binary, domains over them, and enums, which are sent by label. Not those that name objects
 * (regclass …), which are sent by number, and not XML, which is parsed again.
 */
const isBinary = `coalesce((SELECT bool_and(b.typsend <> 0 AND b.typreceive <> 0 AND (b.typtype = 'e' OR (b.oid < 16384 AND b.typtype <> 'c'
    AND b.oid <> 142 AND NOT EXISTS (SELECT FROM pg_type e WHERE e.oid = b.typelem AND (e.typsend = 0 OR e.oid = 142)) AND b.typname !~ '^_?reg')))
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''), false)`;

/** Without a row yet counted, a page is taken to hold this many. */
const rowsPerPage = 40;
export const pageBytes = 8192;

interface Found {
  readonly name: string;
  readonly knownAs: readonly string[];
  readonly columns: readonly string[] | null;
  readonly stored: readonly string[] | null;
  readonly kind: string;
  readonly binary: boolean;
  readonly through: boolean;
  readonly pages: number | null;
  readonly bytes: number | null;
  readonly rows: number;
}

const kinds = { tables: 'rp', 'materialized views': 'm', both: 'rpm' } as const;

const columnNames = (which: string): string =>
  `(SELECT json_agg(quote_ident(attname) ORDER BY attnum) FROM pg_attribute
     WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated IN (${which}))`;

/** The relations that hold its rows. */
const holders = 'SELECT c.oid UNION SELECT relid FROM pg_partition_tree(c.oid)';

/** Neither a table that has its rows in partitions, nor one whose rows are looked at through the table above it. */
const isWhole = `CASE WHEN c.relkind = 'p' THEN NOT c.relispartition AND EXISTS (SELECT FROM pg_partition_tree(c.oid) below WHERE ${throughRoot('below.relid')} = c.oid)
  ELSE NOT c.relispartition OR ${throughRoot('c.oid')} IS NULL END`;

/** By name. Partitions each by itself; those that hold no rows of their own are not among them. */
export async function readTables(
  connection: InternalConnection,
  kind: keyof typeof kinds = 'tables',
): Promise<ReadonlyMap<string, SyncTable>> {
  const rows = await connection.rows(`
    SELECT json_build_object('name', ${relationName},
      'knownAs', (SELECT json_agg(concat(an.nspname, '.', a.relname)) FROM pg_class a JOIN pg_namespace an ON an.oid = a.relnamespace
                   WHERE a.oid = c.oid OR (c.relispartition AND a.oid IN (SELECT relid FROM pg_partition_ancestors(c.oid)))),
      'columns', ${columnNames(`''`)}, 'stored', ${columnNames(`'', 's'`)}, 'kind', c.relkind,
      'binary', ${isBinary}, 'through', c.relkind = 'p', 'pages', (SELECT max(pg_relation_size(oid)) / current_setting('block_size')::int FROM (${holders}) s),
      'bytes', (SELECT sum(pg_table_size(oid)) FROM (${holders}) s), 'rows', (SELECT sum(reltuples) FROM pg_class WHERE oid IN (${holders})))
    FROM ${userRelations(kinds[kind])} WHERE c.relispopulated AND ${isWhole} ORDER BY ${relationName} COLLATE "C"`);
  return new Map(
    rows.map(([text]) => {
      const found = JSON.parse(text ?? '{}') as Found;
      const pages = found.pages ?? 0;
      const table: SyncTable = {
        name: found.name,
        kind: found.kind === 'm' ? 'materialized view' : 'table',
        through: found.through,
        from: found.kind === 'm' || found.through ? found.name : `ONLY ${found.name}`,
        knownAs: found.knownAs,
        columns: found.columns ?? [],
        stored: found.stored ?? [],
        binary: found.binary,
        pages,
        bytes: found.bytes ?? 0,
        rowsEstimate: found.rows > 0 ? found.rows : pages * rowsPerPage,
      };
      return [table.name, table];
    }),
  );
}

/** Whether an operator's word means this table: quoted or not, with or without its schema, or a table that it is a part of. */
export function isMeant(table: SyncTable, word: string): boolean {
  return (
    word === table.name ||
    table.knownAs.some((known) => known === word || known.slice(known.indexOf('.') + 1) === word)
  );
}

/**
 * The text of a row, from the columns by name: members may hold them in another order. Made by output functions alone: a cast of a
 * table's row, or of a column, may be its owner's own function, and this runs with the cluster's rights.
 */
export function rowText({ stored }: Pick<SyncTable, 'stored'>, alias: string): string {
  return `concat(ROW(${stored.map((column) => `${alias}.${column}`).join(', ')})) COLLATE "C"`;
}

/** To follow the table's name in COPY. A table without columns is copied without naming any. */
export function copyColumns({ columns }: SyncTable): string {
  return columns.length === 0 ? '' : `(${columns.join(', ')})`;
}

/** What COPY … TO takes. Of a materialized view only a query's rows. */
export function copySource(table: SyncTable): string {
  return table.kind === 'table'
    ? `${table.name} ${copyColumns(table)}`
    : `(SELECT ${table.columns.join(', ')} FROM ${table.from})`;
}

/** The same columns of the rows at these places. */
export function rowsAt(table: SyncTable, places: readonly string[]): string {
  return `SELECT ${table.columns.join(', ')} FROM ${table.from} WHERE ctid = ANY ('{"${places.join('","')}"}'::tid[])`;
}

/** COPY of rows that are kept as the database has them, in its own encoding. `what`: a table, or a query in brackets. */
export function keepingCopy(connection: InternalConnection, what: string): string {
  return `COPY ${what} TO STDOUT (ENCODING '${connection.parameters.get('server_encoding')}')`;
}
