/** What belongs to the database itself, and to the schema that every database begins with: read on the source, made so on the target. */

import { quoteIdent, quoteLiteral } from '../../../../sql/index.ts';
import type { InternalConnection } from '../../internal-connection.ts';
import { setClause } from './roles.ts';

interface Right {
  /** Null: everybody. */
  readonly grantee: string | null;
  readonly privilege: string;
  readonly grantable: boolean;
}

interface Owned {
  readonly owner: string;
  readonly comment: string | null;
  readonly rights: readonly Right[] | null;
}

export interface DatabaseProperties {
  readonly database: Owned;
  /** Null: the source has no schema `public`. */
  readonly publicSchema: Owned | null;
  readonly settings: readonly { readonly role: string | null; readonly settings: readonly string[] }[] | null;
}

const rights = (acl: string): string =>
  `(SELECT json_agg(json_build_object('grantee', CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END, 'privilege', a.privilege_type, 'grantable', a.is_grantable)) FROM aclexplode(${acl}) a)`;

const propertiesSql = `
  SELECT json_build_object(
    'database', json_build_object('owner', pg_get_userbyid(d.datdba), 'comment', shobj_description(d.oid, 'pg_database'),
      'rights', ${rights(`coalesce(d.datacl, acldefault('d', d.datdba))`)}),
    'publicSchema', (SELECT json_build_object('owner', pg_get_userbyid(n.nspowner), 'comment', obj_description(n.oid, 'pg_namespace'),
      'rights', ${rights(`coalesce(n.nspacl, acldefault('n', n.nspowner))`)}) FROM pg_namespace n WHERE n.nspname = 'public'),
    'settings', (SELECT json_agg(json_build_object('role', CASE WHEN s.setrole <> 0 THEN pg_get_userbyid(s.setrole) END, 'settings', s.setconfig))
                   FROM pg_db_role_setting s WHERE s.setdatabase = d.oid))
  FROM pg_database d WHERE d.datname = current_database()`;

export async function readProperties(connection: InternalConnection): Promise<DatabaseProperties> {
  return JSON.parse((await connection.rows(propertiesSql))[0]?.[0] ?? '{}') as DatabaseProperties;
}

/** The statements that make what is there like what is wanted. `database`: the target's own name for it. */
export function alterProperties(
  wanted: DatabaseProperties,
  there: DatabaseProperties,
  database: string,
): readonly string[] {
  const name = `DATABASE ${quoteIdent(database)}`;
  const whose = (role: string | null): string =>
    role === null ? `ALTER ${name}` : `ALTER ROLE ${quoteIdent(role)} IN ${name}`;
  return [
    ...alterOwned(name, wanted.database, there.database),
    ...(wanted.publicSchema === null
      ? ['DROP SCHEMA IF EXISTS public']
      : [
          'CREATE SCHEMA IF NOT EXISTS public',
          ...alterOwned('SCHEMA public', wanted.publicSchema, there.publicSchema),
        ]),
    ...(there.settings ?? []).map(({ role }) => `${whose(role)} RESET ALL`),
    ...(wanted.settings ?? []).flatMap(({ role, settings }) =>
      settings.map((setting) => `${whose(role)} ${setClause(setting)}`),
    ),
  ];
}

function alterOwned(what: string, wanted: Owned, there: Owned | null): readonly string[] {
  const grantees = new Set(
    [...(there?.rights ?? []), ...(wanted.rights ?? [])].map(({ grantee }) => grantee),
  );
  return [
    `ALTER ${what} OWNER TO ${quoteIdent(wanted.owner)}`,
    `COMMENT ON ${what} IS ${wanted.comment === null ? 'NULL' : quoteLiteral(wanted.comment)}`,
    ...[...grantees, wanted.owner].map((grantee) => `REVOKE ALL ON ${what} FROM ${roleOf(grantee)}`),
    ...(wanted.rights ?? []).map(
      ({ grantee, privilege, grantable }) =>
        `GRANT ${privilege} ON ${what} TO ${roleOf(grantee)}${grantable ? ' WITH GRANT OPTION' : ''}`,
    ),
  ];
}

function roleOf(grantee: string | null): string {
  return grantee === null ? 'PUBLIC' : quoteIdent(grantee);
}
