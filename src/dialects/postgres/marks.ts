/**
 * What a table's definitions compute may come out otherwise on another member, or later: by functions of users, by the clock, by
 * who is at work, by settings that change how a value is written, by numbers that each server has given itself. The server
 * keeps every expression as a tree in its catalog, and what it uses is read from there: nothing of it can be hidden.
 */

import { quoteLiteral } from '../../sql/index.ts';
import type { InternalConnection } from './internal-connection.ts';

/**
 *   check, generated, domain   not to be evaluated where a row is stored as it was: set aside meanwhile
 *   cast                       stands between the text of a row and the row: set aside too
 *   key                        of a partitioned table above: the row lies in the partition where it was
 *   index                      has to be evaluated, with the rights of the table's owner and no others
 */
export type MarkKind = 'check' | 'generated' | 'domain' | 'cast' | 'key' | 'index';

export interface Mark {
  readonly kind: MarkKind;
  readonly name: string;
  readonly why: string;
}

/** What a replica has to know of a table with marks. Numbers are the replica's own. */
export interface MarkedTable {
  readonly oid: string;
  readonly owner: string;
  /** This connection may set definitions aside. */
  readonly able: boolean;
  /** The table, and the partitions that are written through it. */
  readonly relations: readonly string[];
  /** Domains whose CHECKs its rows pass through. */
  readonly domains: readonly string[];
  readonly marks: readonly Mark[];
  /** Its rows are written through this table: each server finds their partition by numbers of its own. */
  readonly through: { readonly schema: string; readonly table: string } | null;
}

/** Built-in types whose text depends on settings, or that name objects. */
const unsteadyTypes =
  '{17,24,142,600,601,602,603,604,628,700,701,718,790,1082,1083,1114,1184,1186,1266,2202,2203,2204,2205,2206,2249,3734,3769,4089,4096,4191}';

/** In a tree: what is called, and the types that are met. */
export const called = `':(?:funcid|opfuncid|hashfuncid|aggfnoid|winfnoid) (\\d+)'`;
const met = `':(?:vartype|consttype|resulttype|funcresulttype|opresulttype|paramtype|typeId|array_typeid|row_typeid) (\\d+)'`;

/** The body of a recursive query `held (oid)`: types, and those that are inside of them. */
const held = (types: string): string => `${types}
  UNION SELECT i.oid FROM held JOIN pg_type t ON t.oid = held.oid CROSS JOIN LATERAL (
    SELECT t.typbasetype AS oid WHERE t.typtype = 'd'
    UNION ALL SELECT t.typelem WHERE t.typcategory = 'A'
    UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL SELECT g.rngsubtype FROM pg_range g WHERE t.typtype = 'r' AND g.rngtypid = t.oid
    UNION ALL SELECT g.rngtypid FROM pg_range g WHERE t.typtype = 'm' AND (to_jsonb(g)->>'rngmultitypid')::oid = t.oid) i WHERE i.oid <> 0`;

const columnTypes = (relation: string): string =>
  `SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = ${relation} AND a.attnum > 0 AND NOT a.attisdropped`;

/**
 * Query of kind, name and reason of each mark. `relation`: an expression for the table's number, which may name a row called `c`.
 * `ofUsers`: which functions, of pg_proc `p`, are not the server's own.
 */
export const marksQuery = (relation: string, ofUsers = 'p.oid >= 16384'): string => `
WITH RECURSIVE own (oid) AS (SELECT ${relation} UNION SELECT relid FROM pg_partition_tree(${relation})),
held (oid) AS (${held(columnTypes(relation))}),
trees (kind, name, tree) AS (
  SELECT 'check', k.conname::text, k.conbin::text FROM pg_constraint k WHERE k.contype = 'c' AND k.conrelid IN (SELECT oid FROM own)
  UNION ALL SELECT 'generated', a.attname, d.adbin::text FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attgenerated = 's' AND a.attrelid IN (SELECT oid FROM own)
  UNION ALL SELECT 'domain', k.conname, k.conbin::text FROM pg_constraint k WHERE k.contype = 'c' AND k.contypid IN (SELECT oid FROM held WHERE oid >= 16384)
  UNION ALL SELECT 'key', split.relname, p.partexprs::text FROM pg_partitioned_table p JOIN pg_class split ON split.oid = p.partrelid
    WHERE p.partexprs IS NOT NULL AND p.partrelid IN (SELECT relid FROM pg_partition_ancestors(${relation}) UNION SELECT oid FROM own)
  UNION ALL SELECT 'index', made.relname, concat(i.indexprs::text, i.indpred::text) FROM pg_index i JOIN pg_class made ON made.oid = i.indexrelid
    WHERE (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) AND i.indrelid IN (SELECT oid FROM own)),
met AS (SELECT t.kind, t.name, t.tree, y.typtype, coalesce(nullif(y.typelem, 0), y.oid) AS element
  FROM trees t, regexp_matches(t.tree, ${met}, 'g') m JOIN pg_type y ON y.oid = m[1]::oid)
SELECT t.kind, t.name, 'function ' || p.proname AS why FROM trees t, regexp_matches(t.tree, ${called}, 'g') m JOIN pg_proc p ON p.oid = m[1]::oid
 WHERE ${ofUsers} OR p.provolatile <> 'i' OR p.proname ~ '^hash_?(enum|record|range|multirange|array)'
UNION SELECT kind, name, 'what the session or the clock says' FROM trees WHERE tree ~ '\\{SQLVALUEFUNCTION'
UNION SELECT kind, name, 'a text that settings change' FROM met
 WHERE (element >= 16384 OR typtype IN ('r', 'm') OR element = ANY ('${unsteadyTypes}'::oid[]))
   AND tree ~ '\\{(COERCEVIAIO|XMLEXPR|ARRAYCOERCEEXPR|JSONEXPR|JSONCONSTRUCTOREXPR)'
UNION SELECT kind, name, 'a domain' FROM trees WHERE kind IN ('index', 'key') AND tree ~ '\\{COERCETODOMAIN'
UNION SELECT 'index', t.typname, 'function ' || p.proname FROM held JOIN pg_range g ON g.rngtypid = held.oid JOIN pg_type t ON t.oid = held.oid
  JOIN pg_proc p ON p.oid = g.rngcanonical JOIN pg_language l ON l.oid = p.prolang WHERE l.lanname NOT IN ('internal', 'c')
UNION SELECT 'cast', t.typname, 'a cast from text' FROM pg_type t JOIN pg_cast k ON k.casttarget = t.oid AND k.castsource = 'text'::regtype WHERE t.typrelid IN (SELECT oid FROM own)`;

/** Written in C they are the same wherever their library is. */
const notInC = `(p.oid >= 16384 AND p.prolang <> (SELECT oid FROM pg_language WHERE lanname = 'c'))`;

/** What the expressions of an index call that may come out otherwise elsewhere; undefined: nothing. */
export async function codeOfIndex(
  connection: InternalConnection,
  index: string,
): Promise<string | undefined> {
  const name = quoteLiteral(index);
  const table = `(SELECT made.indrelid FROM pg_catalog.pg_index made JOIN pg_catalog.pg_class called ON called.oid = made.indexrelid WHERE called.relname = ${name})`;
  const [row] = await connection.rows(
    `SET search_path = pg_catalog, pg_temp; SELECT m.why FROM (${marksQuery(table, notInC)}) m WHERE m.kind = 'index' AND m.name = ${name} LIMIT 1`,
  );
  return row?.[0] ?? undefined;
}

/**
 * The root of a partition's tree, where a level of it goes by the hash of what holds numbers that each server gives itself: labels
 * of enums, members of composite types, names of objects. NULL for any other table.
 */
export const throughRoot = (relation: string): string => `(
SELECT pg_partition_root(${relation}) WHERE EXISTS (
  WITH RECURSIVE held (oid) AS (${held(`SELECT a.atttypid FROM pg_partition_ancestors(${relation}) above JOIN pg_partitioned_table p ON p.partrelid = above.relid AND p.partstrat = 'h'
    JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum > 0 AND NOT a.attisdropped AND (p.partexprs IS NOT NULL OR a.attnum = ANY (p.partattrs::int2[]))`)})
  SELECT FROM held JOIN pg_type t ON t.oid = held.oid WHERE t.typtype IN ('e', 'c') OR (t.oid < 16384 AND t.typname ~ '^reg')))`;

/** False: it has nothing that could be marked. To find the marks takes a server much longer than this. */
export const mayBeMarked = (relation: string): string => `(
SELECT one.relispartition OR one.relkind = 'p'
    OR EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = one.oid AND k.contype IN ('c', 'x'))
    OR EXISTS (SELECT FROM pg_index i WHERE i.indrelid = one.oid AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL))
    OR EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = one.oid AND a.attnum > 0 AND NOT a.attisdropped
        AND (a.attgenerated = 's' OR (a.atttypid >= 16384 AND t.typtype <> 'e')))
    OR EXISTS (SELECT FROM pg_cast k WHERE k.casttarget = one.reltype)
  FROM pg_class one WHERE one.oid = ${relation})`;

/** One JSON value: MarkedTable, or NULL where there is nothing to it. */
export const markedTable = (relation: string): string => `(
SELECT json_build_object('oid', x.oid, 'owner', x.owner, 'able', current_setting('is_superuser') = 'on', 'relations', x.relations,
    'domains', coalesce(x.domains, '[]'), 'marks', coalesce(x.marks, '[]'), 'through', x.through)
  FROM (SELECT c.oid::text AS oid, c.relowner::text AS owner,
    (SELECT json_agg(o.oid::text) FROM (SELECT c.oid UNION SELECT relid FROM pg_partition_tree(c.oid)) o) AS relations,
    (WITH RECURSIVE held (oid) AS (${held(columnTypes('c.oid'))})
      SELECT json_agg(t.oid::text) FROM held JOIN pg_type t ON t.oid = held.oid AND t.typtype = 'd') AS domains,
    (SELECT json_agg(json_build_object('kind', m.kind, 'name', m.name, 'why', m.why)) FROM (${marksQuery('c.oid')}) m) AS marks,
    (SELECT json_build_object('schema', n.nspname, 'table', r.relname) FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
      WHERE c.relispartition AND r.oid = ${throughRoot('c.oid')}) AS through
    FROM pg_class c WHERE c.oid = ${relation}) x WHERE x.marks IS NOT NULL OR x.through IS NOT NULL)`;
