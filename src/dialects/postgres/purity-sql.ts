/**
 * What the catalog says of the database's functions, views, tables and types, for `purity.ts` to judge. Each object is named
 * by a letter and its number: f a function, r a relation that is read, w one that is written, t a type, o an operator;
 * `b` stands for a built-in function, and `*` for what concerns every statement.
 */

import { isUserSchema } from './catalog-sql.ts';

/** Numbers from here on are not the system's own. */
const own = (oid: string): string => `${oid} >= 16384`;

/** Number, schema, name, volatility, language; the text where it is to be read; whether `row.name` may call it. */
export const functionsQuery = (version: number): string => `
  SELECT p.oid, n.nspname, p.proname, p.provolatile, l.lanname,
    CASE WHEN ${own('p.oid')} AND l.lanname IN ('sql', 'plpgsql') ${version >= 14 ? 'AND p.prosqlbody IS NULL' : ''} AND p.prokind <> 'a' THEN p.prosrc END,
    p.pronargs >= 1 AND p.pronargs - p.pronargdefaults <= 1 AND (SELECT t.typtype IN ('c', 'p', 'd') FROM pg_type t WHERE t.oid = p.proargtypes[0]),
    p.prokind
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
  WHERE n.nspname NOT IN ('pg_catalog', 'lockstep')`;

/** The letter, number, schema, name of whatever else has one. */
export const objectsQuery = `
  SELECT 'r', c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't' AND ${isUserSchema('n.nspname')}
  UNION ALL SELECT 't', t.oid, n.nspname, t.typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
   WHERE ${own('t.oid')} AND t.typelem = 0 AND ${isUserSchema('n.nspname')}
  UNION ALL SELECT 'o', o.oid, n.nspname, o.oprname FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
   WHERE ${own('o.oid')} AND o.oprleft < 16384 AND o.oprright < 16384`;

/** Expressions as the server keeps them, and whose they are. */
const trees = (version: number): string => `
  SELECT CASE r.ev_type WHEN '1' THEN 'r' ELSE 'w' END AS k, r.ev_class AS oid, concat(r.ev_qual::text, r.ev_action::text) AS tree
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE ${own('r.oid')} AND c.relkind <> 'm'
  UNION ALL SELECT 'r', polrelid, polqual::text FROM pg_policy
  UNION ALL SELECT 'w', polrelid, polwithcheck::text FROM pg_policy
  UNION ALL SELECT CASE a.attgenerated WHEN 'v' THEN 'r' ELSE 'w' END, d.adrelid, d.adbin::text
    FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
  UNION ALL SELECT CASE contypid WHEN 0 THEN 'w' ELSE 't' END, CASE contypid WHEN 0 THEN conrelid ELSE contypid END, conbin::text
    FROM pg_constraint WHERE contype = 'c' AND ${own('oid')}
  UNION ALL SELECT 't', oid, typdefaultbin::text FROM pg_type WHERE ${own('oid')} AND typdefaultbin IS NOT NULL
  UNION ALL SELECT 'w', indrelid, concat(indexprs::text, indpred::text) FROM pg_index WHERE ${own('indexrelid')} AND (indexprs IS NOT NULL OR indpred IS NOT NULL)
  UNION ALL SELECT 'w', partrelid, partexprs::text FROM pg_partitioned_table WHERE partexprs IS NOT NULL
  UNION ALL SELECT 'w', tgrelid, tgqual::text FROM pg_trigger WHERE tgqual IS NOT NULL
  UNION ALL SELECT 'f', oid, proargdefaults::text FROM pg_proc WHERE ${own('oid')} AND proargdefaults IS NOT NULL
  ${version >= 14 ? `UNION ALL SELECT 'f', oid, prosqlbody::text FROM pg_proc WHERE ${own('oid')} AND prosqlbody IS NOT NULL` : ''}`;

/** Links that the catalog has as such. The first is what uses the second. */
const links = (version: number): string => `
  SELECT 'r' AS k, attrelid AS oid, 't' AS k2, atttypid AS oid2 FROM pg_attribute WHERE ${own('attrelid')} AND ${own('atttypid')} AND attnum > 0 AND NOT attisdropped
  UNION ALL SELECT 't', t.oid, 't', a.atttypid FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid WHERE t.typrelid <> 0 AND ${own('a.atttypid')} AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL SELECT 't', oid, 't', typbasetype FROM pg_type WHERE ${own('typbasetype')}
  UNION ALL SELECT 't', oid, 't', typelem FROM pg_type WHERE ${own('typelem')}
  UNION ALL SELECT 't', rngtypid, 't', rngsubtype FROM pg_range WHERE ${own('rngsubtype')}
  ${version >= 14 ? `UNION ALL SELECT 't', rngmultitypid, 't', rngtypid FROM pg_range WHERE ${own('rngtypid')}` : ''}
  UNION ALL SELECT 't', rngtypid, 'f', rngsubdiff::oid FROM pg_range WHERE ${own('rngtypid')} AND rngsubdiff <> 0
  UNION ALL SELECT 'w', inhparent, 'w', inhrelid FROM pg_inherits
  UNION ALL SELECT 'w', confrelid, 'w', conrelid FROM pg_constraint WHERE contype = 'f' AND (confupdtype IN ('c', 'n', 'd') OR confdeltype IN ('c', 'n', 'd'))
  UNION ALL SELECT 'w', tgrelid, 'f', tgfoid FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT 'f', p.oid, 't', t FROM pg_proc p, unnest(p.proargtypes::oid[] || p.proallargtypes || p.prorettype) AS t WHERE ${own('p.oid')} AND ${own('t')}
  UNION ALL SELECT 'f', aggfnoid::oid, 'f', f FROM pg_aggregate, unnest(ARRAY[aggtransfn, aggfinalfn, aggcombinefn, aggserialfn, aggdeserialfn, aggmtransfn, aggminvtransfn, aggmfinalfn]::oid[]) AS f
    WHERE ${own('aggfnoid')} AND f <> 0
  UNION ALL SELECT 'o', oid, 'f', oprcode::oid FROM pg_operator WHERE ${own('oid')} AND oprleft < 16384 AND oprright < 16384
  UNION ALL SELECT 't', t, 'f', oprcode::oid FROM pg_operator, unnest(ARRAY[oprleft, oprright]) AS t WHERE ${own('oid')} AND ${own('t')} AND ${own('oprcode')}
  UNION ALL SELECT 't', t, 'f', castfunc FROM pg_cast, unnest(ARRAY[castsource, casttarget]) AS t WHERE ${own('oid')} AND ${own('castfunc')} AND ${own('t')}
  UNION ALL SELECT '*', 0, 'f', castfunc FROM pg_cast WHERE ${own('oid')} AND ${own('castfunc')} AND castsource < 16384 AND casttarget < 16384
  UNION ALL SELECT 't', t, 'f', amproc::oid FROM pg_amproc, unnest(ARRAY[amproclefttype, amprocrighttype]) AS t WHERE ${own('t')} AND ${own('amproc')}`;

/**
 * The names of settings in calls of current_setting() with a constant are taken out first: what is left of these calls reads any
 * setting. Rows: what uses, what it uses; `b` with volatility and name; `s` with the bytes of a setting's name; `c` with what a
 * stored command does; `l` with what belongs to one member.
 */
const settingCall = String.raw`:funcid (?:2077|3294) ([^{}]*:args \(\{CONST [^{}]*:constvalue \d+ \[ ?)([-0-9 ]*)\]`;

export const referencesQuery = (version: number): string => `
  WITH raw AS (${trees(version)}),
  named AS (SELECT k, oid, tree, m[2] AS bytes FROM raw, regexp_matches(tree, '${settingCall}', 'g') AS m WHERE tree LIKE '%:funcid 2077 %' OR tree LIKE '%:funcid 3294 %'),
  trees AS (SELECT k, oid, CASE WHEN tree LIKE '%:funcid 2077 %' OR tree LIKE '%:funcid 3294 %' THEN regexp_replace(tree, '${settingCall}', ':named \\1\\2]', 'g') ELSE tree END AS tree, tree LIKE '%:commandType %' AND tree ~ ':commandType [2-9]' AS changes
    FROM raw),
  found AS (SELECT DISTINCT t.k, t.oid, m[1] AS what, m[2]::oid AS ref, t.changes FROM trees t,
    regexp_matches(t.tree, ':(funcid|opfuncid|hashfuncid|aggfnoid|winfnoid|relid|resulttype|eqop|sortop) (\\d+)', 'g') AS m WHERE m[2] <> '0'),
  refs AS (
    SELECT k, oid, 'f' AS k2, ref AS oid2 FROM found WHERE what NOT IN ('relid', 'resulttype', 'eqop', 'sortop')
    UNION ALL SELECT k, oid, 'r', ref FROM found WHERE what = 'relid'
    -- A simple view is written as its table is.
    UNION ALL SELECT 'w', oid, 'w', ref FROM found WHERE what = 'relid' AND k = 'r'
    UNION ALL SELECT k, oid, 'w', ref FROM found WHERE what = 'relid' AND k <> 'r' AND changes
    UNION ALL SELECT k, oid, 't', ref FROM found WHERE what = 'resulttype' AND ${own('ref')}
    UNION ALL SELECT f.k, f.oid, 'f', o.oprcode::oid FROM found f JOIN pg_operator o ON o.oid = f.ref WHERE f.what IN ('eqop', 'sortop') AND ${own('o.oid')}
    UNION ALL SELECT * FROM (${links(version)}) AS l)
  SELECT DISTINCT k || r.oid, CASE WHEN k2 = 'f' AND oid2 < 16384 THEN concat('b', p.provolatile, p.proname) WHEN k2 IN ('r', 'w') AND oid2 < 16384 THEN 'l' ELSE k2 || oid2 END
    FROM refs r LEFT JOIN pg_proc p ON k2 = 'f' AND oid2 < 16384 AND p.oid = oid2
  UNION ALL SELECT DISTINCT k || oid, 's' || bytes FROM named
  UNION ALL SELECT DISTINCT k || oid, 'c' || m[1] FROM trees, regexp_matches(tree, ':commandType ([2-9])', 'g') AS m WHERE changes
  UNION ALL SELECT DISTINCT k || oid, 'l' FROM trees WHERE tree LIKE '%:varattno -%' AND tree ~ ':varattno -[1-9]'`;
