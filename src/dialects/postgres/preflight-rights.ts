/** What the role that Lockstep logs in with may do. A superuser passes them all by nature. */

import { MemberError } from '../contract.ts';
import { quoteIdent } from '../../sql/index.ts';
import { isUserSchema, relationName, userRelations } from './catalog-sql.ts';
import { grants } from './least-rights.ts';
import { marksQuery, mayBeMarked } from './marks.ts';
import { register } from './register.ts';
import type { Check, CheckContext, Verdict } from './preflight-check.ts';
import { fail, ok, some, warn } from './preflight-check.ts';

const insufficientPrivilege = '42501';

export const rightsChecks: readonly Check[] = [
  {
    name: 'superuser',
    look: ({ role, superuser }) =>
      Promise.resolve(
        superuser
          ? ok(`role ${role}`)
          : warn(
              `role ${role} is none: schema statements inside functions are refused, and those made around Lockstep found by a verification only; definitions that cannot be repeated are refused (docs/guide/security.md)`,
            ),
      ),
  },
  { name: 'rows as they were', look: rowsAsTheyWere },
  { name: 'rights on the database', look: databaseRights },
  {
    name: 'rights on schemas',
    look: async ({ ask, role }) => {
      const rows = await ask(
        `SELECT quote_ident(n.nspname) FROM pg_namespace n WHERE ${isUserSchema('n.nspname')} AND NOT has_schema_privilege(n.oid, 'USAGE') ORDER BY 1`,
      );
      const names = rows.map(([name]) => name ?? '');
      return names.length === 0
        ? ok('all usable')
        : fail(`none on ${some(names)}`, `GRANT USAGE ON SCHEMA ${names.join(', ')} TO ${quoteIdent(role)};`);
    },
  },
  {
    name: 'rights on tables',
    // Of materialized views only the reading is ours: refreshing them is the statement of their owner.
    look: (context) =>
      relationRights(context, 'TABLE', 'rpm', [
        'SELECT',
        'INSERT',
        'UPDATE',
        'DELETE',
        'TRUNCATE',
        'TRIGGER',
      ]),
  },
  {
    name: 'rights on sequences',
    look: (context) => relationRights(context, 'SEQUENCE', 'S', ['SELECT', 'USAGE', 'UPDATE']),
  },
  { name: 'ownership of tables', look: ownership },
  {
    name: 'ownership of the database',
    look: async ({ ask, role, database }) => {
      const [[owner, own] = []] = await ask(
        `SELECT pg_get_userbyid(datdba), pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database()`,
      );
      return own === 't'
        ? ok('owner, or a member of the owner')
        : warn(
            `it belongs to ${owner}: nothing can be copied here as a whole (strategy full)`,
            grants.database(database, role),
          );
    },
  },
  {
    name: 'place for changes',
    look: async (context) => {
      if (context.superuser) return ok('may be set');
      const [[mayRead] = []] = await context.ask(`SELECT pg_has_role('pg_read_all_settings', 'USAGE')`);
      try {
        await context.ask(`SELECT set_config('${register}', '+', true)`);
        if (mayRead === 't') return ok('may be set');
      } catch (error) {
        if (!(error instanceof MemberError) || error.sqlState !== insufficientPrivilege) throw error;
      }
      return fail(
        `role ${context.role} may not use the setting ${register}, where the changes of an open transaction are kept out of clients' reach`,
        [
          grants.setting(register, context.role, context.version),
          ...(context.version >= 150_000 ? [grants.readSettings(context.role)] : []),
        ].join('\n'),
      );
    },
  },
  {
    name: 'session_replication_role',
    look: async (context) => {
      try {
        await context.ask(`SET LOCAL session_replication_role = 'replica'`);
        return ok('may be set');
      } catch (error) {
        if (!(error instanceof MemberError) || error.sqlState !== insufficientPrivilege) throw error;
        return fail(
          `role ${context.role} may not set it, so user triggers would fire twice`,
          grants.setting('session_replication_role', context.role, context.version),
        );
      }
    },
  },
  {
    name: 'row security',
    look: async ({ ask, role }) => {
      const rows = await ask(
        `SELECT ${relationName} FROM ${userRelations('rp')} WHERE row_security_active(c.oid) ORDER BY 1`,
      );
      return rows.length === 0
        ? ok('hides no row from Lockstep')
        : fail(
            `policies hide rows of ${some(rows.flat())} from role ${role}`,
            `ALTER ROLE ${quoteIdent(role)} BYPASSRLS;`,
          );
    },
  },
];

/** What must not be evaluated where a row is stored is set aside in the catalog. */
async function rowsAsTheyWere({ ask, role, superuser }: CheckContext): Promise<Verdict> {
  if (superuser) return ok('definitions can be set aside');
  const rows = await ask(
    `SELECT ${relationName}, (SELECT format('its %s %s depends on %s', m.kind, m.name, m.why) FROM (${marksQuery('c.oid')}) m LIMIT 1) FROM ${userRelations('rp')} WHERE ${mayBeMarked('c.oid')} ORDER BY 1`,
  );
  const marked = rows.filter(([, why]) => why !== null);
  return marked.length === 0
    ? ok('no definition has to be set aside')
    : fail(
        `rows of these tables cannot be stored on replicas as they are: ${some(marked.map(([table, why]) => `${table} (${why})`))}`,
        grants.superuser(role),
      );
}

async function databaseRights({ ask, role, database }: CheckContext): Promise<Verdict> {
  const [[create, temporary, plpgsql] = []] = await ask(`
    SELECT has_database_privilege(current_database(), 'CREATE') OR pg_has_role((SELECT nspowner FROM pg_namespace WHERE nspname = 'lockstep'), 'USAGE') IS TRUE,
      has_database_privilege(current_database(), 'TEMPORARY'), EXISTS (SELECT FROM pg_language WHERE lanname = 'plpgsql')`);
  const missing = [...(create === 't' ? [] : ['CREATE']), ...(temporary === 't' ? [] : ['TEMPORARY'])];
  if (missing.length > 0) {
    return fail(`${missing.join(' and ')} missing`, grants.onDatabase(missing, database, role));
  }
  return plpgsql === 't'
    ? ok('may create schema and temporary tables')
    : fail('the language plpgsql is missing', 'CREATE EXTENSION plpgsql;');
}

async function relationRights(
  context: CheckContext,
  kind: 'TABLE' | 'SEQUENCE',
  relkinds: string,
  privileges: readonly string[],
): Promise<Verdict> {
  // One row for each set of missing privileges, so that one GRANT serves a thousand tables.
  const rows = await context.ask(`
    SELECT missing, string_agg(name, ', ' ORDER BY name), count(*) FROM (
      SELECT ${relationName} AS name, string_agg(p.privilege, ', ' ORDER BY p.place) AS missing
      FROM ${userRelations(relkinds)}, unnest('{${privileges.join(',')}}'::text[]) WITH ORDINALITY p (privilege, place)
      WHERE (c.relkind <> 'm' OR p.privilege = 'SELECT')
        AND NOT CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, p.privilege) ELSE has_table_privilege(c.oid, p.privilege) END
      GROUP BY 1) r GROUP BY missing ORDER BY missing`);
  if (rows.length === 0) return ok(privileges.join(', '));
  return fail(
    rows.map(([missing, names]) => `no ${missing} on ${some((names ?? '').split(', '))}`).join('; '),
    rows
      .map(([missing, names]) => `GRANT ${missing} ON ${kind} ${names} TO ${quoteIdent(context.role)};`)
      .join('\n'),
  );
}

/** The TRIGGER right makes the capture triggers; replacing them when a table changes shape takes its owner. */
async function ownership({ ask, role }: CheckContext): Promise<Verdict> {
  const rows = await ask(
    `SELECT quote_ident(pg_get_userbyid(c.relowner)), count(*) FROM ${userRelations('rp')} WHERE NOT pg_has_role(c.relowner, 'USAGE') GROUP BY 1 ORDER BY 1`,
  );
  if (rows.length === 0) return ok('owner of all, or a member of the owner');
  return warn(
    `not the owner of ${rows.map(([owner, count]) => `${count} tables of ${owner}`).join(', ')}: changes of their shape cannot be followed`,
    rows.map(([owner]) => `GRANT ${owner} TO ${quoteIdent(role)};`).join('\n'),
  );
}
