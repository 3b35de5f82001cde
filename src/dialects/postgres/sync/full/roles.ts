/** Roles belong to the server, not to the database: those that the schema names and the target lacks are made like the source's. */

import { LockstepError } from '../../../../base/index.ts';
import { quoteIdent, quoteLiteral } from '../../../../sql/index.ts';
import { MemberError } from '../../../contract.ts';
import { isUserSchema } from '../../catalog-sql.ts';
import type { InternalConnection } from '../../internal-connection.ts';

interface Role {
  readonly name: string;
  readonly attributes: string;
  readonly login: boolean;
  readonly settings: readonly string[] | null;
  readonly memberOf: readonly { readonly role: string; readonly admin: boolean }[] | null;
}

const attribute = (column: string, word: string): string =>
  `CASE WHEN r.${column} THEN '${word}' ELSE 'NO${word}' END`;

/** Owners, whoever holds rights or has settings here, and the roles that these are members of. */
const neededRoles = `
  WITH RECURSIVE d AS (SELECT oid, datdba FROM pg_database WHERE datname = current_database()),
  named (oid) AS (
    SELECT refobjid FROM pg_shdepend, d WHERE refclassid = 'pg_authid'::regclass
       AND (dbid = d.oid OR (dbid = 0 AND classid = 'pg_database'::regclass AND objid = d.oid))
    UNION SELECT datdba FROM d
    UNION SELECT setrole FROM pg_db_role_setting, d WHERE setdatabase = d.oid
    UNION SELECT nspowner FROM pg_namespace WHERE ${isUserSchema('nspname')}
    UNION SELECT relowner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${isUserSchema('nspname')}
    UNION SELECT proowner FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE ${isUserSchema('nspname')}
    UNION SELECT typowner FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE ${isUserSchema('nspname')}),
  needed (oid) AS (SELECT oid FROM named UNION SELECT m.roleid FROM pg_auth_members m JOIN needed ON needed.oid = m.member)
  SELECT json_build_object('name', r.rolname, 'login', r.rolcanlogin, 'settings', s.setconfig, 'attributes', concat_ws(' ',
      ${attribute('rolcanlogin', 'LOGIN')}, ${attribute('rolsuper', 'SUPERUSER')}, ${attribute('rolinherit', 'INHERIT')},
      ${attribute('rolcreaterole', 'CREATEROLE')}, ${attribute('rolcreatedb', 'CREATEDB')}, ${attribute('rolreplication', 'REPLICATION')},
      ${attribute('rolbypassrls', 'BYPASSRLS')}, 'CONNECTION LIMIT ' || r.rolconnlimit, 'VALID UNTIL ' || quote_literal(r.rolvaliduntil)),
    'memberOf', (SELECT json_agg(json_build_object('role', g.rolname, 'admin', m.admin_option)) FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid))
  FROM needed JOIN pg_roles r USING (oid) LEFT JOIN pg_db_role_setting s ON s.setrole = r.oid AND s.setdatabase = 0
  WHERE r.rolname !~ '^pg_'`;

async function readRoles(source: InternalConnection): Promise<readonly Role[]> {
  return (await source.rows(neededRoles)).map(([role]) => JSON.parse(role ?? '{}') as Role);
}

/** Roles that are there stay as they are. */
export async function makeRoles(options: {
  readonly source: InternalConnection;
  readonly target: InternalConnection;
  readonly targetId: string;
  readonly term: number;
}): Promise<void> {
  const { source, target, targetId, term } = options;
  const roles = await readRoles(source);
  const there = new Set((await target.rows('SELECT rolname FROM pg_roles')).map(([name]) => name));
  const missing = roles.filter(({ name }) => !there.has(name));
  if (missing.length === 0) return;
  const passwords = await readPasswords(source);
  const statements = missing.map(({ name, attributes }) => `CREATE ROLE ${quoteIdent(name)} ${attributes}`);
  const refuse = (why: string): LockstepError =>
    new LockstepError({
      code: 'sync.missing-roles',
      message: `roles are missing on the server of member ${targetId} and cannot be made like the source's: ${why}`,
      hint: `Make them there, with their passwords: ${statements.join('; ')}`,
    });
  if (passwords === undefined && missing.some(({ login }) => login))
    throw refuse('their passwords can be read by superusers only');
  const made = new Set([...there, ...missing.map(({ name }) => name)]);
  const script = [
    'BEGIN',
    ...missing.map(({ name, attributes }) => {
      const password = passwords?.get(name);
      const secret = password === undefined ? '' : ` PASSWORD ${quoteLiteral(password)}`;
      return `CREATE ROLE ${quoteIdent(name)} ${attributes}${secret}`;
    }),
    ...missing.flatMap(({ name, memberOf }) =>
      (memberOf ?? [])
        .filter(({ role }) => made.has(role))
        .map(
          ({ role, admin }) =>
            `GRANT ${quoteIdent(role)} TO ${quoteIdent(name)}${admin ? ' WITH ADMIN OPTION' : ''}`,
        ),
    ),
    ...missing.flatMap(({ name, settings }) =>
      (settings ?? []).map((setting) => `ALTER ROLE ${quoteIdent(name)} ${setClause(setting)}`),
    ),
    `SELECT lockstep.fence(${term})`,
    'COMMIT',
  ];
  try {
    await target.query(script.join('; '));
  } catch (error) {
    if (target.lost === undefined) await target.query('ROLLBACK');
    if (error instanceof MemberError && error.sqlState === '42501') throw refuse(error.message);
    throw error;
  }
}

/** Settings that are lists are kept as the server quoted them. */
const lists = new Set([
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'temp_tablespaces',
]);

/** From `name=value`, as the catalog has it. */
export function setClause(setting: string): string {
  const at = setting.indexOf('=');
  const name = setting.slice(0, at);
  const value = setting.slice(at + 1);
  const quoted = name.split('.').map(quoteIdent).join('.');
  return `SET ${quoted} TO ${lists.has(name) && value !== '' ? value : quoteLiteral(value)}`;
}

/** Undefined: they may not be read. */
async function readPasswords(source: InternalConnection): Promise<ReadonlyMap<string, string> | undefined> {
  const [[may] = []] = await source.rows(`SELECT has_table_privilege('pg_authid', 'SELECT')`);
  if (may !== 't') return undefined;
  const rows = await source.rows('SELECT rolname, rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL');
  return new Map(rows.map(([name, password]) => [name ?? '', password ?? '']));
}
