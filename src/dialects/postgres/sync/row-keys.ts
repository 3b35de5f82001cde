/**
 * Primary keys by which rows can be looked up without running anybody's code with the cluster's rights: their columns are of built-in
 * types, or domains over them, whose input, output and comparison are the server's own. Not so a domain's check, a cast to it, or an
 * operator that is only found by its name.
 */

import { quoteLiteral } from '../../../sql/index.ts';

export interface RowKey {
  /** Quoted. */
  readonly columns: readonly string[];
  /** Those below domains. */
  readonly types: readonly string[];
}

/** As JSON, null where there is none. `table`: the number of a relation. */
export const rowKeySql = (table: string): string => `
  (SELECT CASE WHEN bool_and(base.oid < 16384 AND base.typtype IN ('b', 'r', 'm')) THEN json_build_object(
      'columns', json_agg(quote_ident(a.attname) ORDER BY k.place),
      'types', json_agg(format_type(base.oid, CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END) ORDER BY k.place)) END
     FROM pg_index i CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
     JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum JOIN pg_type t ON t.oid = a.atttypid
     CROSS JOIN LATERAL (
       WITH RECURSIVE under (oid) AS (SELECT t.oid UNION SELECT d.typbasetype FROM under u JOIN pg_type d ON d.oid = u.oid AND d.typtype = 'd')
       SELECT b.oid, b.typtype FROM under u JOIN pg_type b ON b.oid = u.oid AND b.typtype <> 'd') base
    WHERE i.indrelid = ${table} AND i.indisprimary AND i.indisvalid AND k.place <= i.indnkeyatts)`;

/** A value of any type as text, and null only for null: neither a cast, nor what a composite says of its fields. */
export const valueText = (value: string): string =>
  `CASE WHEN num_nulls(${value}) = 0 THEN concat(${value}) END`;

/** Whether a row has one of these keys, in a form that finds it by the index. */
export function hasKey(key: RowKey, keys: readonly (readonly (string | null)[])[], alias: string): string {
  const one = (values: readonly (string | null)[]): string =>
    key.columns
      .map(
        (column, at) =>
          `${alias}.${column} OPERATOR(pg_catalog.=) ${quoteLiteral(values[at] ?? '')}::${key.types[at]}`,
      )
      .join(' AND ');
  return `(${keys.map((values) => `(${one(values)})`).join(' OR ')})`;
}
