/**
 * What the catalog says of the database's functions, views, tables and types, for `purity.ts` to judge. Each object is named
 * by a letter and its number: f a function, r a relation that is read, w one that is written, t a type, o an operator;
 * `*` is what concerns every statement.
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

/** Where the catalog keeps expressions: which rows, what each is called there, and the letter and number of whose it is. */
interface Place {
  readonly from: string;
  readonly oid: string;
  readonly where?: string;
  /** Whose rows are read as well when it is looked through. */
  readonly join?: string;
  readonly letter: string;
  readonly owner: string;
  readonly tree: string;
}

const places = (version: number): readonly Place[] => [
  {
    from: 'pg_rewrite x JOIN pg_class c ON c.oid = x.ev_class',
    oid: 'x.oid',
    where: `${own('x.oid')} AND c.relkind <> 'm'`,
    letter: `CASE x.ev_type WHEN '1' THEN 'r' ELSE 'w' END`,
    owner: 'x.ev_class',
    tree: 'concat(x.ev_qual::text, x.ev_action::text)',
  },
  { from: 'pg_policy x', oid: 'x.oid', letter: `'r'`, owner: 'x.polrelid', tree: 'x.polqual::text' },
  { from: 'pg_policy x', oid: 'x.oid', letter: `'w'`, owner: 'x.polrelid', tree: 'x.polwithcheck::text' },
  {
    from: 'pg_attrdef x',
    oid: 'x.oid',
    join: 'JOIN pg_attribute a ON a.attrelid = x.adrelid AND a.attnum = x.adnum',
    letter: `CASE a.attgenerated WHEN 'v' THEN 'r' ELSE 'w' END`,
    owner: 'x.adrelid',
    tree: 'x.adbin::text',
  },
  {
    from: 'pg_constraint x',
    oid: 'x.oid',
    where: `x.contype = 'c' AND ${own('x.oid')}`,
    letter: `CASE x.contypid WHEN 0 THEN 'w' ELSE 't' END`,
    owner: 'CASE x.contypid WHEN 0 THEN x.conrelid ELSE x.contypid END',
    tree: 'x.conbin::text',
  },
  {
    from: 'pg_type x',
    oid: 'x.oid',
    where: `${own('x.oid')} AND x.typdefaultbin IS NOT NULL`,
    letter: `'t'`,
    owner: 'x.oid',
    tree: 'x.typdefaultbin::text',
  },
  {
    from: 'pg_index x',
    oid: 'x.indexrelid',
    where: `${own('x.indexrelid')} AND (x.indexprs IS NOT NULL OR x.indpred IS NOT NULL)`,
    letter: `'w'`,
    owner: 'x.indrelid',
    tree: 'concat(x.indexprs::text, x.indpred::text)',
  },
  {
    from: 'pg_partitioned_table x',
    oid: 'x.partrelid',
    where: 'x.partexprs IS NOT NULL',
    letter: `'w'`,
    owner: 'x.partrelid',
    tree: 'x.partexprs::text',
  },
  {
    from: 'pg_trigger x',
    oid: 'x.oid',
    where: 'x.tgqual IS NOT NULL',
    letter: `'w'`,
    owner: 'x.tgrelid',
    tree: 'x.tgqual::text',
  },
  {
    from: 'pg_proc x',
    oid: 'x.oid',
    where: `${own('x.oid')} AND x.proargdefaults IS NOT NULL`,
    letter: `'f'`,
    owner: 'x.oid',
    tree: 'x.proargdefaults::text',
  },
  ...(version >= 14
    ? [
        {
          from: 'pg_proc x',
          oid: 'x.oid',
          where: `${own('x.oid')} AND x.prosqlbody IS NOT NULL`,
          letter: `'f'`,
          owner: 'x.oid',
          tree: 'x.prosqlbody::text',
        },
      ]
    : []),
];

/** Of each place its number, and the numbers of its rows with that of the transaction that has written them: `1.2 3.4`. */
export const expressionListQuery = (version: number): string =>
  places(version)
    .map(
      ({ from, oid, where = 'true' }, place) =>
        `SELECT ${place}, string_agg(concat(${oid}, '.', x.xmin), ' ') FROM ${from} WHERE ${where}`,
    )
    .join(' UNION ALL ');

/** The expressions of some rows: the place, the row's number and its transaction's, whose it is, the text. */
export const expressionsQuery = (version: number, wanted: ReadonlyMap<number, readonly string[]>): string => {
  const all = places(version);
  return [...wanted]
    .map(([place, rows]) => {
      const { from, oid, where = 'true', join = '', letter, owner, tree } = all[place]!;
      return `SELECT ${place}, ${oid}, x.xmin::text, concat(${letter}, ${owner}), ${tree} FROM ${from} ${join}
        WHERE ${where} AND ${oid} = ANY('{${rows.join(',')}}'::oid[])`;
    })
    .join(' UNION ALL ');
};

/** Number, volatility and name. None of them changes. */
export const builtinsQuery = 'SELECT oid, provolatile, proname FROM pg_proc WHERE oid < 16384';

/** Links that the catalog has as such: the first is what uses the second. `p` is any operator of the user's. */
export const linksQuery = (version: number): string => `
  WITH columns AS (SELECT attrelid, atttypid FROM pg_attribute WHERE ${own('atttypid')} AND attnum > 0 AND NOT attisdropped),
  links AS (
  SELECT 'r' AS k, attrelid AS oid, 't' AS k2, atttypid AS oid2 FROM columns WHERE ${own('attrelid')}
  UNION ALL SELECT 't', t.oid, 't', a.atttypid FROM columns a JOIN pg_type t ON t.typrelid = a.attrelid
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
  UNION ALL SELECT 'p', oid, 'f', oprcode::oid FROM pg_operator WHERE ${own('oid')}
  UNION ALL SELECT 'o', oid, 'f', oprcode::oid FROM pg_operator WHERE ${own('oid')} AND oprleft < 16384 AND oprright < 16384
  UNION ALL SELECT 't', t, 'f', oprcode::oid FROM pg_operator, unnest(ARRAY[oprleft, oprright]) AS t WHERE ${own('oid')} AND ${own('t')} AND ${own('oprcode')}
  UNION ALL SELECT 't', t, 'f', castfunc FROM pg_cast, unnest(ARRAY[castsource, casttarget]) AS t WHERE ${own('oid')} AND ${own('castfunc')} AND ${own('t')}
  UNION ALL SELECT '*', 0, 'f', castfunc FROM pg_cast WHERE ${own('oid')} AND ${own('castfunc')} AND castsource < 16384 AND casttarget < 16384
  UNION ALL SELECT 't', t, 'f', amproc::oid FROM pg_amproc, unnest(ARRAY[amproclefttype, amprocrighttype]) AS t WHERE ${own('t')} AND ${own('amproc')})
  SELECT DISTINCT k || oid, k2 || oid2 FROM links`;
