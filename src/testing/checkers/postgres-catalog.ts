/**
 * Everything that defines a PostgreSQL database, as rows of (kind, name, definition) that are equal on equal databases.
 * Objects of the system, temporary objects and what Lockstep keeps for itself are left out.
 */

const userSchema = (column: string): string =>
  `${column}::regnamespace::text !~ '^(pg_|information_schema$|lockstep$)'`;

const relation = `c.relnamespace::regnamespace::text || '.' || quote_ident(c.relname)`;

/** The full name of any object, whatever the search path. */
const identity = (catalog: string, oid: string): string =>
  `(pg_identify_object('${catalog}'::regclass, ${oid}, 0)).identity`;

const sorted = (acl: string): string => `array(select a::text from unnest(${acl}) a order by 1)`;

/** Rights that are the built-in ones are the same whether they are written out or not: a dump does not write them out. */
const rights = (owner: string, acl: string, kind: string): string =>
  `coalesce(nullif(${sorted(`coalesce(${acl}, acldefault(${kind}, ${owner}))`)}, ${sorted(`acldefault(${kind}, ${owner})`)})::text, '-')`;

const owned = (owner: string, acl: string, kind: string): string =>
  `' owner ' || pg_get_userbyid(${owner}) || ' acl ' || ${rights(owner, acl, kind)}`;

const definitions: Readonly<Record<string, string>> = {
  schema: `
    select quote_ident(n.nspname), ${owned('n.nspowner', 'n.nspacl', `'n'`)}
    from pg_namespace n where ${userSchema('n.oid')}`,

  extension: `select extname, extversion from pg_extension`,

  relation: `
    select ${relation}, concat_ws(' ', c.relkind, c.relpersistence, c.relreplident, c.relrowsecurity,
      c.relforcerowsecurity, c.reloptions::text, pg_get_expr(c.relpartbound, c.oid), pg_get_partkeydef(c.oid),
      (select string_agg(i.inhparent::regclass::text, ',' order by i.inhseqno) from pg_inherits i where i.inhrelid = c.oid),
      obj_description(c.oid, 'pg_class')) || ${owned('c.relowner', 'c.relacl', `case c.relkind when 'S' then 's'::"char" else 'r' end`)}
    from pg_class c where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and ${userSchema('c.relnamespace')}`,

  column: `
    select ${relation} || '.' || quote_ident(a.attname), concat_ws(' ',
      row_number() over (partition by c.oid order by a.attnum), format_type(a.atttypid, a.atttypmod),
      case when a.attnotnull then 'not null' end, nullif(a.attidentity::text, ''), nullif(a.attgenerated::text, ''),
      pg_get_expr(d.adbin, d.adrelid), nullif(a.attcollation, 0)::regcollation::text, nullif(a.attacl::text, '{}'),
      col_description(c.oid, a.attnum))
    from pg_class c join pg_attribute a on a.attrelid = c.oid left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'c') and a.attnum > 0 and not a.attisdropped
      and ${userSchema('c.relnamespace')}`,

  // Version 18 lists "not null" among the constraints, older ones do not; the columns say it on both.
  constraint: `
    select ${identity('pg_constraint', 'oid')},
      pg_get_constraintdef(oid) || case when convalidated then '' else ' (not validated)' end
    from pg_constraint where contype not in ('n', 't') and ${userSchema('connamespace')}`,

  index: `
    select ${identity('pg_class', 'i.indexrelid')}, concat_ws(' ', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisreplident,
      i.indisclustered)
    from pg_index i join pg_class c on c.oid = i.indrelid where ${userSchema('c.relnamespace')}`,

  view: `
    select ${relation}, pg_get_viewdef(c.oid) from pg_class c
    where c.relkind in ('v', 'm') and ${userSchema('c.relnamespace')}`,

  rule: `
    select ${relation} || '.' || quote_ident(r.rulename), concat_ws(' ', pg_get_ruledef(r.oid), r.ev_enabled)
    from pg_rewrite r join pg_class c on c.oid = r.ev_class
    where r.rulename <> '_RETURN' and ${userSchema('c.relnamespace')}`,

  trigger: `
    select ${relation} || '.' || quote_ident(t.tgname), concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled)
    from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_proc p on p.oid = t.tgfoid
    where not t.tgisinternal and ${userSchema('c.relnamespace')} and ${userSchema('p.pronamespace')}`,

  'event trigger': `
    select quote_ident(e.evtname), concat_ws(' ', e.evtevent, e.evtfoid::regproc, e.evttags::text, e.evtenabled)
    from pg_event_trigger e join pg_proc p on p.oid = e.evtfoid where ${userSchema('p.pronamespace')}`,

  function: `
    select ${identity('pg_proc', 'p.oid')}, case when p.prokind = 'a' then 'aggregate' else pg_get_functiondef(p.oid) end
      || ${owned('p.proowner', 'p.proacl', `'f'`)}
    from pg_proc p where ${userSchema('p.pronamespace')}`,

  aggregate: `
    select ${identity('pg_proc', 'p.oid')}, concat_ws(' ', a.aggtransfn, a.aggfinalfn, a.aggtranstype::regtype, a.agginitval)
    from pg_aggregate a join pg_proc p on p.oid = a.aggfnoid where ${userSchema('p.pronamespace')}`,

  // One that is only named by another has no function, cannot be used, and is in no dump.
  operator: `
    select ${identity('pg_operator', 'o.oid')}, o.oprcode::regproc::text from pg_operator o where o.oprcode <> 0 and ${userSchema('o.oprnamespace')}`,

  type: `
    select ${identity('pg_type', 't.oid')}, concat_ws(' ', t.typtype, t.typnotnull, t.typdefault,
      case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod) end,
      (select string_agg(e.enumlabel, ',' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid),
      (select rngsubtype::regtype::text from pg_range where rngtypid = t.oid)) || ${owned('t.typowner', 't.typacl', `'T'`)}
    from pg_type t left join pg_class c on c.oid = t.typrelid
    where ${userSchema('t.typnamespace')} and t.typcategory <> 'A' and (c.oid is null or c.relkind = 'c')`,

  policy: `
    select quote_ident(schemaname) || '.' || quote_ident(tablename) || '.' || quote_ident(policyname),
      concat_ws(' ', permissive, roles::text, cmd, qual, with_check)
    from pg_policies`,

  statistics: `
    select s.stxnamespace::regnamespace::text || '.' || quote_ident(s.stxname), pg_get_statisticsobjdef(s.oid)
    from pg_statistic_ext s where ${userSchema('s.stxnamespace')}`,

  'sequence definition': `
    select ${identity('pg_class', 's.seqrelid')}, concat_ws(' ', format_type(s.seqtypid, null), s.seqstart, s.seqincrement,
      s.seqmin, s.seqmax, s.seqcache, s.seqcycle,
      (select d.refobjid::regclass::text || '.' || d.refobjsubid from pg_depend d
       where d.classid = 'pg_class'::regclass and d.objid = s.seqrelid and d.deptype in ('a', 'i')
         and d.refclassid = 'pg_class'::regclass))
    from pg_sequence s join pg_class c on c.oid = s.seqrelid where ${userSchema('c.relnamespace')}`,
};

/** Of these the server keeps no text: it words them anew each time, and each major version in its own way. */
const wordedByServer: readonly string[] = ['view', 'rule'];

/** One statement that returns every definition that members can be compared by. */
export const definitionsSql = ({ sameMajorVersion }: { readonly sameMajorVersion: boolean }): string =>
  Object.entries(definitions)
    .filter(([kind]) => sameMajorVersion || !wordedByServer.includes(kind))
    .map(([kind, sql]) => `select '${kind}', found.* from (${sql}) as found (name, definition)`)
    .join('\nunion all\n');

/**
 * What holds rows of its own: tables (of a partitioned one its partitions) and materialized views; `only` keeps the rows
 * of inheriting tables out. Returns the expression to select from.
 */
export const storesSql = `
  select case c.relkind when 'r' then 'only ' else '' end || ${relation}
  from pg_class c
  where (c.relkind = 'r' or c.relkind = 'm' and c.relispopulated) and ${userSchema('c.relnamespace')}`;

export const sequencesSql = `
  select ${relation} from pg_class c where c.relkind = 'S' and ${userSchema('c.relnamespace')}`;

/** What decides how a value reads as text; the connections of the checker must agree on it. */
export const textSettingsSql = `
  select name, setting from pg_settings
  where name in ('DateStyle', 'IntervalStyle', 'TimeZone', 'bytea_output', 'client_encoding', 'extra_float_digits',
    'lc_monetary', 'quote_all_identifiers', 'search_path', 'xmlbinary')
  order by name`;
