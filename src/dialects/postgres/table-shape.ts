/** What applying rows needs to know of a table, and the statements that apply them. */

import { quoteIdent, quoteLiteral } from '../../sql/index.ts';

export interface TableShape {
  readonly columns: readonly string[];
  /** Columns that an UPDATE may set: neither generated nor GENERATED ALWAYS AS IDENTITY. */
  readonly settable: readonly string[];
  /** All columns, `undefined` for those that are computed when they are read and so are in no image. Undefined: there are none. */
  readonly virtual: readonly (string | undefined)[] | undefined;
  /** There are columns that are computed, and so given by nobody. */
  readonly generated: boolean;
  /** Undefined: rows are told apart by their whole image. */
  readonly key: readonly KeyColumn[] | undefined;
}

interface KeyColumn {
  readonly name: string;
  /** The equality of the index, with its schema: the type may come from an extension. */
  readonly equals: string;
}

/** One row: columns as JSON, key as JSON or NULL. The primary key, else the narrowest unique index over NOT NULL columns. */
export function shapeQuery(schema: string, table: string): string {
  const relation = `(SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ${quoteLiteral(schema)} AND c.relname = ${quoteLiteral(table)})`;
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
     WHERE k.opclass IS NOT NULL)
FROM (SELECT ${relation} AS oid) r WHERE r.oid IS NOT NULL`;
}

export function readShape(row: readonly (string | null)[]): TableShape {
  const columns = JSON.parse(row[0] ?? '[]') as { name: string; generated: string; identity: string }[];
  const key = JSON.parse(row[1] ?? 'null') as { name: string; schema: string; operator: string }[] | null;
  const real = columns.filter((column) => column.generated === '');
  return {
    virtual: columns.some((column) => column.generated === 'v')
      ? columns.map((column) => (column.generated === 'v' ? undefined : column.name))
      : undefined,
    generated: real.length < columns.length,
    columns: real.map((column) => column.name),
    settable: real.filter((column) => column.identity !== 'a').map((column) => column.name),
    key: key?.map((column) => ({
      name: column.name,
      equals: `OPERATOR(${quoteIdent(column.schema)}.${column.operator})`,
    })),
  };
}

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

/** `images`: where the images come from, as an item of FROM with one column; those of `update` are always two parameters. */
export function tableStatements(
  schema: string,
  table: string,
  shape: TableShape,
  images = 'unnest($1::text[])',
): TableStatements {
  const name = `${quoteIdent(schema)}.${quoteIdent(table)}`;
  const list = (columns: readonly string[], make: (column: string) => string): string =>
    columns.map(make).join(', ');
  const of = (row: string) => (column: string) => `${row}.${quoteIdent(column)}`;
  const insert =
    shape.columns.length === 0
      ? `INSERT INTO ${name} SELECT FROM ${images} AS x(n)`
      : `INSERT INTO ${name} (${list(shape.columns, quoteIdent)}) OVERRIDING SYSTEM VALUE
SELECT ${list(shape.columns, of('(u.n)'))} FROM (SELECT x.n::${name} AS n FROM ${images} AS x(n) OFFSET 0) u`;
  const copy =
    shape.generated || shape.columns.length === 0
      ? undefined
      : `COPY ${name} (${list(shape.columns, quoteIdent)}) FROM STDIN (FORMAT csv)`;
  if (shape.key === undefined) {
    const image =
      shape.virtual === undefined
        ? '(lockstep_row.*)::text'
        : `ROW(${shape.virtual.map((column) => (column === undefined ? 'NULL' : of('lockstep_row')(column))).join(', ')})::${name}::text`;
    const remove = `WITH want AS (SELECT x.o, row_number() OVER (PARTITION BY x.o) AS nth FROM ${images} AS x(o)),
have AS (SELECT lockstep_row.ctid AS place, ${image} AS o, row_number() OVER (PARTITION BY ${image}) AS nth
           FROM ONLY ${name} AS lockstep_row WHERE ${image} IN (SELECT want.o FROM want))
DELETE FROM ONLY ${name} AS t USING have JOIN want USING (o, nth) WHERE t.ctid = have.place`;
    return { insert, copy, update: undefined, remove, exact: { update: undefined, remove } };
  }
  const match = shape.key
    .map(({ name: column, equals }) => `${of('t')(column)} ${equals} ${of('(u.o)')(column)}`)
    .join(' AND ');
  // By their bytes, for any type. What is stored otherwise than it is read back is taken for changed, never the reverse.
  const same =
    shape.virtual === undefined
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
      : `UPDATE ONLY ${name} AS t SET ${list(shape.settable, (column) => `${quoteIdent(column)} = ${of('(u.n)')(column)}`)}
FROM (SELECT x.o::${name} AS o, x.n::${name} AS n FROM unnest($1::text[], $2::text[]) AS x(o, n) OFFSET 0) u WHERE ${match}${fixed}`;
  const remove = `DELETE FROM ONLY ${name} AS t USING (SELECT x.o::${name} AS o FROM ${images} AS x(o) OFFSET 0) u WHERE ${match}`;
  return {
    insert,
    copy,
    update,
    remove,
    exact: { update: update && `${update} AND ${same}`, remove: `${remove} AND ${same}` },
  };
}
