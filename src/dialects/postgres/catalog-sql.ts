/** Pieces of SQL that read the catalog. Written for a search path of `pg_catalog` alone. */

/** Names neither of the system nor of Lockstep. */
export const isUserSchema = (nspname: string): string =>
  `(${nspname} !~ '^pg_' AND ${nspname} NOT IN ('information_schema', 'lockstep'))`;

/** `c` is pg_class, `n` its pg_namespace. */
export const relationName = `format('%I.%I', n.nspname, c.relname)`;

export const relationKey = `CASE c.relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' WHEN 'f' THEN 'foreign table '
  WHEN 'S' THEN 'sequence ' WHEN 'c' THEN 'type ' ELSE 'table ' END || ${relationName}`;

export const userRelations = (kinds: string): string =>
  `pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND ${isUserSchema('n.nspname')}
   AND c.relkind IN (${Array.from(kinds, (kind) => `'${kind}'`).join(', ')}) AND c.relpersistence <> 't'`;

/** What an extension brings is known by the extension's version. */
export const notFromExtension = (catalog: string, oid: string): string =>
  `NOT EXISTS (SELECT FROM pg_depend brought WHERE brought.classid = '${catalog}'::regclass AND brought.objid = ${oid} AND brought.deptype = 'e')`;

/** `pg_database_owner` means the database's owner, and older versions name that role directly. */
export const roleName = (oid: string): string =>
  `CASE pg_get_userbyid(${oid}) WHEN 'pg_database_owner'
   THEN (SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = current_database())
   ELSE pg_get_userbyid(${oid})::text END`;

/**
 * Rights as text, whatever the order in which they were granted and by whom. MAINTAIN came with version 17 and is left
 * out, so that GRANT ALL means the same on every version.
 */
export const rightsText = (acl: string): string =>
  `coalesce((SELECT string_agg(grants, '; ' ORDER BY grants COLLATE "C") FROM (
     SELECT grantee || ': ' || string_agg(privilege, ', ' ORDER BY privilege COLLATE "C") AS grants FROM (
       SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(${roleName('a.grantee')}) END AS grantee,
         a.privilege_type || CASE WHEN a.is_grantable THEN ' (may grant it)' ELSE '' END AS privilege
       FROM aclexplode(${acl}) a WHERE a.privilege_type <> 'MAINTAIN') one GROUP BY grantee) each), 'none')`;

/** Options of a relation or column, but for what a server notes there for itself (15.20 and its siblings: pg_attver, by which it knows an old version of a column). */
export const options = (list: string): string =>
  `(SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM unnest(${list}) o WHERE NOT starts_with(o, 'pg_'))`;
