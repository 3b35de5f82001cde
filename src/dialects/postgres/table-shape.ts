/** What applying rows needs to know of a table, and the statements that apply them. */

import { quoteIdent, quoteLiteral } from '../../sql/index.ts';
import { markedTable, mayBeMarked } from './marks.ts';
import type { MarkedTable } from './marks.ts';

export interface TableShape {
  /** Those that are given values. Stored generated columns are among them where definitions are set aside. */
  readonly columns: readonly string[];
  /** Columns that an UPDATE may set: all of them but GENERATED ALWAYS AS IDENTITY. */
  readonly settable: readonly string[];
  /** All columns, `undefined` for those that are computed when they are read and so are in no image. Undefined: there are none. */
  readonly virtual: readonly (string | undefined)[] | undefined;
  readonly all: readonly { readonly name: string }[];
  /** There are columns that are computed, and so given by nobody. */
  readonly generated: boolean;
  /** Undefined: rows are told apart by their whole image. */
  readonly key: readonly KeyColumn[] | undefined;
  /** Undefined: whatever its definitions compute is the same everywhere. */
  readonly marked: MarkedTable | undefined;
}

interface KeyColumn {
  readonly name: string;
  /** The equality of the index, with its schema: the type may come from an extension. */
  readonly equals: string;
}

type Row = readonly (string | null)[];

/** An expression for the number of the relation of this name. */
export function relationNamed(schema: string, table: string): string {
  return `(SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ${quoteLiteral(schema)} AND c.relname = ${quoteLiteral(table)})`;
}

/** What `readShape` reads, of the relation of this number. `ask` gives the first row of an answer. Undefined: there is none. */
export async function askShape(
  relation: string,
  ask: (sql: string) => Promise<Row | undefined>,
): Promise<Row | undefined> {
  const row = await ask(shapeQuery(relation));
  if (row === undefined) return undefined;
  const [columns = null, key = null, perhaps] = row;
  const marked = perhaps === 't' ? ((await ask(`SELECT ${markedTable(relation)}`))?.[0] ?? null) : null;
  return [columns, key, marked];
}

/** One row: columns as JSON, key as JSON or NULL, whether there may be marks. The primary key, else the narrowest unique index over NOT NULL columns. */
function shapeQuery(relation: string): string {
  return `
SELECT (SELECT json_agg(json_build_object('name', attname, 'generated', attgenerated, 'identity', attidentity) ORDER BY attnum)
          FROM pg_attribute WHERE attrelid = r.oid AND attnum > 0 AND NOT attisdropped),
  (SELECT json_agg(json_build_object('name', a.attname, 'schema', o.nspname, 'operator', o.oprname) ORDER BY k.place)
     FROM (SELECT i.indexrelid, i.indkey, i.indclass FROM pg_index i JOIN pg_class b ON b.oid = i.indexrelid
            WHERE i.indrelid = r.oid AND b.relam = 403 AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
              AND NOT EXISTS (SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY x(att, place) JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = x.att
                               WHERE x.place <= i.indnkeyatts AND NOT a.attnotnull)
            ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid LIMIT 1) i
     CROSS JOIN LATERAL unnest(i.indkey::int2[], i.indclass::oid[]) WITH ORDINALITY AS k(att, opclass, place)
     JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = k.att
     JOIN pg_opclass c ON c.oid = k.opclass
     CROSS JOIN LATERAL (SELECT n.nspname, p.oprname FROM pg_amop m JOIN pg_operator p ON p.oid = m.amopopr JOIN pg_namespace n ON n.oid = p.oprnamespace
        WHERE m.amopfamily = c.opcfamily AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype AND m.amopstrategy = 3) o
     WHERE k.opclass IS NOT NULL),
  ${mayBeMarked('r.oid')}
FROM (SELECT ${relation} AS oid) r WHERE r.oid IS NOT NULL`;
}

export function readShape(row: Row): TableShape {
  const columns = JSON.parse(row[0] ?? '[]') as { name: string; generated: string; identity: string }[];
  const key = JSON.parse(row[1] ?? 'null') as { name: string; schema: string; operator: string }[] | null;
  const marked = (JSON.parse(row[2] ?? 'null') ?? undefined) as MarkedTable | undefined;
  const given = columns.filter(
    ({ generated }) => generated === '' || (generated === 's' && marked !== undefined),
  );
  return {
    all: columns,
    virtual: columns.some((column) => column.generated === 'v')
      ? columns.map((column) => (column.generated === 'v' ? undefined : column.name))
      : undefined,
    generated: given.length < columns.length,
    columns: given.map((column) => column.name),
    marked,
    settable: given.filter((column) => column.identity !== 'a').map((column) => column.name),
    key: key?.map((column) => ({
      name: column.name,
      equals: `OPERATOR(${quoteIdent(column.schema)}.${column.operator})`,
    })),
  };
}

/** Whatever the search path is: rows of tables with marks are written under that of their writer. */
const unnested = 'pg_catalog.unnest($1::pg_catalog.text[])';

/** Statements over row images in text. */
export interface TableStatements {
  readonly insert: string;
  /** Takes rows as CSV lines made from their images. Undefined where images hold more than can be given. */
  readonly copy: string | undefined;
  /** From images to images. Undefined without a key: then a change is a delete and an insert. */
  readonly update: string | undefined;
  readonly remove: string;
  /** The same, but a row is changed only while it is as its old image says. */
  readonly exact: { readonly update: string | undefined; readonly remove: string };
}

export interface StatementOptions {
  /** Where the images come from, as an item of FROM with one column; those of `update` are always two parameters. */
  readonly images?: string;
  /** A partition of the table: images are of its rows, which each server finds a place for by itself. Quoted. */
  readonly partition?: string;
}

/** `name`: quoted. */
export function tableStatements(
  name: string,
  shape: TableShape,
  { images = unnested, partition }: StatementOptions = {},
): TableStatements {
  const rowType = partition ?? name;
  const from = partition === undefined ? `ONLY ${name}` : name;
  const list = (columns: readonly string[], make: (column: string) => string): string =>
    columns.map(make).join(', ');
  const of = (row: string) => (column: string) => `${row}.${quoteIdent(column)}`;
  const insert =
    shape.columns.length === 0
      ? `INSERT INTO ${name} SELECT FROM ${images} AS x(n)`
      : `INSERT INTO ${name} (${list(shape.columns, quoteIdent)}) OVERRIDING SYSTEM VALUE
SELECT ${list(shape.columns, of('(u.n)'))} FROM (SELECT x.n::${rowType} AS n FROM ${images} AS x(n) OFFSET 0) u`;
  const copy =
    shape.generated || shape.marked !== undefined || partition !== undefined || shape.columns.length === 0
      ? undefined
      : `COPY ${name} (${list(shape.columns, quoteIdent)}) FROM STDIN (FORMAT csv)`;
  // By name where partitions may have their columns in another order, or some are in no image.
  const named =
    shape.virtual ?? (partition === undefined ? undefined : shape.all.map((column) => column.name));
  const rowOf = (row: string): string =>
    `ROW(${named?.map((column) => (column === undefined ? 'NULL' : of(row)(column))).join(', ')})`;
  if (shape.key === undefined) {
    // No cast from the row to text: it could be one that a user has made.
    const image = `pg_catalog.concat(${named === undefined ? 'lockstep_row.*' : rowOf('lockstep_row')})`;
    const wanted = partition === undefined ? 'x.o' : `pg_catalog.concat(${rowOf(`(x.o::${rowType})`)}) AS o`;
    const remove = `WITH want AS (SELECT w.o, pg_catalog.row_number() OVER (PARTITION BY w.o) AS nth FROM (SELECT ${wanted} FROM ${images} AS x(o)) w),
have AS (SELECT lockstep_row.tableoid AS part, lockstep_row.ctid AS place, ${image} AS o, pg_catalog.row_number() OVER (PARTITION BY ${image}) AS nth
           FROM ${from} AS lockstep_row WHERE ${image} OPERATOR(pg_catalog.=) ANY (SELECT want.o FROM want))
DELETE FROM ${from} AS t USING have JOIN want ON have.o OPERATOR(pg_catalog.=) want.o AND have.nth OPERATOR(pg_catalog.=) want.nth
 WHERE t.ctid OPERATOR(pg_catalog.=) have.place${partition === undefined ? '' : ' AND t.tableoid OPERATOR(pg_catalog.=) have.part'}`;
    return { insert, copy, update: undefined, remove, exact: { update: undefined, remove } };
  }
  const match = shape.key
    .map(({ name: column, equals }) => `${of('t')(column)} ${equals} ${of('(u.o)')(column)}`)
    .join(' AND ');
  // By their bytes, for any type. What is stored otherwise than it is read back is taken for changed, never the reverse.
  const same =
    named === undefined
      ? '(t.*) OPERATOR(pg_catalog.*=) u.o'
      : `ROW(${list(shape.columns, of('t'))}) OPERATOR(pg_catalog.*=) ROW(${list(shape.columns, of('(u.o)'))})`;
  // A number that is always generated can be set only by inserting the row.
  const fixed = shape.columns
    .filter((column) => !shape.settable.includes(column))
    .map((column) => ` AND ${of('t')(column)} OPERATOR(pg_catalog.=) ${of('(u.n)')(column)}`)
    .join('');
  const update =
    shape.settable.length === 0
      ? undefined
      : `UPDATE ${from} AS t SET ${list(shape.settable, (column) => `${quoteIdent(column)} = ${of('(u.n)')(column)}`)}
FROM (SELECT x.o::${rowType} AS o, x.n::${rowType} AS n FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) AS x(o, n) OFFSET 0) u WHERE ${match}${fixed}`;
  const remove = `DELETE FROM ${from} AS t USING (SELECT x.o::${rowType} AS o FROM ${images} AS x(o) OFFSET 0) u WHERE ${match}`;
  return {
    insert,
    copy,
    update,
    remove,
    exact: { update: update && `${update} AND ${same}`, remove: `${remove} AND ${same}` },
  };
}
