/**
 * Definitions that may come out otherwise on another member, or later, by what they call: the clock, the role, settings, other tables.
 * Rows are stored as they were all the same (see marks.ts); whoever makes such a definition should know. What a function of a user
 * calls is read from its body, word by word: enough to warn by, and nothing is decided by it.
 */

import { isUserSchema } from './catalog-sql.ts';
import { called } from './marks.ts';
import { sqlStates } from './sql-states.ts';

export interface Unrepeatable {
  /** As a person would say it: `check positive of shop.item`. */
  readonly definition: string;
  readonly why: string;
}

export function readUnrepeatable(rows: readonly (readonly (string | null)[])[]): readonly Unrepeatable[] {
  return rows.map(([definition, why]) => ({ definition: definition ?? '', why: why ?? '' }));
}

/** Conditions on `x`, a row of a catalog with the column `place`, the number of its table or domain. */
interface Which {
  readonly tables: string;
  readonly domains: string;
}

export const all: Which = { tables: 'true', domains: 'true' };

/** Of one table, with the domains that its rows pass through. `relations` and `domains`: numbers. */
export const ofTable = (relations: readonly string[], domains: readonly string[]): Which => {
  const these = `x.place = ANY ('{${[...relations, ...domains].join(',')}}'::oid[])`;
  return { tables: these, domains: these };
};

const recent = 'age(x.xmin) <= age(pg_current_xact_id()::xid)';
/** By the transaction under way, of relations that it has locked as who makes or alters something: `touched`. */
const madeNow: Which = {
  tables: `x.place = ANY (p_touched) AND ${recent}`,
  domains: `x.place > 0 AND ${recent}`,
};

const comments = String.raw`'--[^\n]*|/\*.*?\*/|''[^'']*'''`;
const words = String.raw`'([[:alpha:]_][[:alnum:]_]*)\s*\('`;
const keywords = String.raw`'\m(current_(?:user|role|date|time|timestamp|schema|catalog)|localtime(?:stamp)?|session_user)\M'`;
const relationWords = String.raw`'\m(?:from|join|into|update)\s+(?:only\s+)?(?:"?[[:alnum:]_$]+"?\s*\.\s*)?"?([[:alnum:]_$]+)"?(?!\s*\()'`;

/** In characters: names, and how many there are, are the client's choice. */
const reasonMax = 500;

/** One row for each definition: see `readUnrepeatable`. */
export const unrepeatableQuery = ({ tables, domains }: Which): string => `
WITH RECURSIVE trees (what, tree) AS MATERIALIZED (
  SELECT format('check %I of %s', x.conname, x.place::regclass), x.tree FROM (SELECT k.xmin, k.conname, k.conrelid AS place, k.conbin::text AS tree FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE k.contype = 'c' AND k.coninhcount = 0 AND c.relpersistence <> 't' AND ${isUserSchema('n.nspname')}) x WHERE ${tables}
  UNION ALL SELECT format('check %I of domain %s', x.conname, x.place::regtype), x.tree FROM (SELECT k.xmin, k.conname, k.contypid AS place, k.conbin::text AS tree FROM pg_constraint k
    JOIN pg_namespace n ON n.oid = k.connamespace WHERE k.contype = 'c' AND k.contypid <> 0 AND ${isUserSchema('n.nspname')}) x WHERE ${domains}
  UNION ALL SELECT format('generated column %I of %s', x.attname, x.place::regclass), x.tree FROM (SELECT d.xmin, a.attname, d.adrelid AS place, d.adbin::text AS tree FROM pg_attrdef d
    JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum JOIN pg_class c ON c.oid = d.adrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE a.attgenerated <> '' AND a.attinhcount = 0 AND c.relpersistence <> 't' AND ${isUserSchema('n.nspname')}) x WHERE ${tables}
  UNION ALL SELECT format('partition key of %s', x.place::regclass), x.tree FROM (SELECT p.xmin, p.partrelid AS place, p.partexprs::text AS tree FROM pg_partitioned_table p
    JOIN pg_class c ON c.oid = p.partrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE p.partexprs IS NOT NULL AND ${isUserSchema('n.nspname')}) x WHERE ${tables}
  UNION ALL SELECT format('index %s of %s', x.indexrelid::regclass, x.place::regclass), x.tree FROM (SELECT i.xmin, i.indexrelid, i.indrelid AS place, concat(i.indexprs::text, i.indpred::text) AS tree FROM pg_index i
    JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) AND c.relpersistence <> 't'
      AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid) AND ${isUserSchema('n.nspname')}) x WHERE ${tables}),
calls AS MATERIALIZED (SELECT DISTINCT t.what, p.oid, p.provolatile, p.prolang FROM trees t, regexp_matches(t.tree, ${called}, 'g') m JOIN pg_proc p ON p.oid = m[1]::oid),
code (root, oid) AS (
  SELECT oid, oid FROM calls WHERE oid >= 16384 AND provolatile = 'i'
  UNION SELECT code.root, callee.oid FROM code JOIN pg_proc p ON p.oid = code.oid JOIN pg_language l ON l.oid = p.prolang AND l.lanname IN ('sql', 'plpgsql')
    CROSS JOIN LATERAL regexp_matches(regexp_replace(p.prosrc, ${comments}, ' ', 'g'), ${words}, 'g') m
    JOIN pg_proc callee ON callee.proname = lower(m[1]) AND callee.oid >= 16384),
bodies AS MATERIALIZED (SELECT code.root, regexp_replace(p.prosrc, ${comments}, ' ', 'g') AS body, to_jsonb(p)->>'prosqlbody' AS tree
  FROM code JOIN pg_proc p ON p.oid = code.oid JOIN pg_language l ON l.oid = p.prolang AND l.lanname IN ('sql', 'plpgsql')),
unsteady AS (SELECT proname FROM pg_proc WHERE oid < 16384 GROUP BY proname HAVING bool_and(provolatile <> 'i')),
does (root, why) AS (
  SELECT b.root, format('calls %s()', u.proname) FROM bodies b, regexp_matches(b.body, ${words}, 'g') m JOIN unsteady u ON u.proname = lower(m[1])
  UNION SELECT b.root, 'uses ' || lower(m[1]) FROM bodies b, regexp_matches(b.body, ${keywords}, 'gi') m
  UNION SELECT b.root, 'reads ' || c.oid::regclass FROM bodies b, regexp_matches(b.body, ${relationWords}, 'gi') m JOIN pg_class c ON c.relname = lower(m[1])
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND ${isUserSchema('n.nspname')}
  UNION SELECT b.root, 'reads ' || c.oid::regclass FROM bodies b, regexp_matches(b.tree, ':relid (\\d+)', 'g') m JOIN pg_class c ON c.oid = m[1]::oid
  UNION SELECT b.root, format('calls %s()', p.proname) FROM bodies b, regexp_matches(b.tree, ${called}, 'g') m JOIN pg_proc p ON p.oid = m[1]::oid WHERE p.provolatile <> 'i')
SELECT what, left(string_agg(why, ', ' ORDER BY why), ${reasonMax}) AS why FROM (
SELECT what, format('function %s, which is %s', oid::regproc, CASE provolatile WHEN 's' THEN 'stable' ELSE 'volatile' END) AS why FROM calls WHERE provolatile <> 'i'
UNION SELECT what, format('function %s, which %s', oid::regproc, why) FROM calls JOIN does ON does.root = calls.oid
UNION SELECT what, CASE WHEN m[1]::int < 9 THEN 'the clock' WHEN m[1]::int < 13 THEN 'the role at work' ELSE 'the search path or database' END
  FROM trees, regexp_matches(tree, '\\{SQLVALUEFUNCTION :op (\\d+)', 'g') m) reasons
GROUP BY what ORDER BY what`;

/** Whether the transaction under way has made anything that could be among them: it seldom has. */
const mayBeMadeNow = `
  EXISTS (SELECT FROM (SELECT conrelid AS place, xmin FROM pg_constraint WHERE contype = 'c') x WHERE ${madeNow.tables})
  OR EXISTS (SELECT FROM (SELECT contypid AS place, xmin FROM pg_constraint WHERE contype = 'c') x WHERE ${madeNow.domains})
  OR EXISTS (SELECT FROM (SELECT d.adrelid AS place, d.xmin FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum AND a.attgenerated <> '') x WHERE ${madeNow.tables})
  OR EXISTS (SELECT FROM (SELECT indrelid AS place, xmin FROM pg_index WHERE indexprs IS NOT NULL OR indpred IS NOT NULL) x WHERE ${madeNow.tables})
  OR EXISTS (SELECT FROM (SELECT partrelid AS place, xmin FROM pg_partitioned_table WHERE partexprs IS NOT NULL) x WHERE ${madeNow.tables})`;

/** A part of the control schema: tells the session of what its transaction has made. */
export const warnings = `
CREATE FUNCTION lockstep.warn_unrepeatable(p_touched oid[]) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
DECLARE r record;
BEGIN
  IF NOT (${mayBeMadeNow}) THEN RETURN; END IF;
  FOR r IN ${unrepeatableQuery(madeNow)} LOOP
    RAISE WARNING '% depends on %', r.what, r.why USING ERRCODE = '${sqlStates.unrepeatable}',
      HINT = 'Other members store its rows as they were, and do not compute it again; but reads by an index, later writes and a restored dump may find something else. Let it depend on the row alone.';
  END LOOP;
END $f$;
`;
