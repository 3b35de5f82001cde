/** The server itself: its version, whether it takes writes, keeps them, and has room for our connections. */

import { quoteIdent } from '../../sql/index.ts';
import type { Check, CheckContext } from './preflight-check.ts';
import { fail, ok, warn } from './preflight-check.ts';
import { settingCure } from './preflight-cure.ts';

const versions = { first: 13, last: 18 };

/** Less would not let a node serve a few dozen clients beside its own connections. */
const freeConnectionsMin = 50;

interface Wanted {
  readonly name: string;
  readonly values: readonly string[];
  readonly otherwise: string;
}

/** With other values a crash can take back what the server has confirmed (G1). */
const durable: readonly Wanted[] = [
  { name: 'fsync', values: ['on'], otherwise: 'a crash of the machine can destroy the database' },
  { name: 'full_page_writes', values: ['on'], otherwise: 'a crash of the machine can leave torn pages' },
  {
    name: 'synchronous_commit',
    values: ['on', 'local', 'remote_write', 'remote_apply'],
    otherwise: 'a crash can take back commits that were confirmed',
  },
];

/** With other values rows or statements would not mean the same here as elsewhere, or not be captured. */
const required: readonly Wanted[] = [
  {
    name: 'standard_conforming_strings',
    values: ['on'],
    otherwise: 'string constants would be read differently',
  },
  { name: 'array_nulls', values: ['on'], otherwise: 'NULL inside of arrays would be read as text' },
  { name: 'xmloption', values: ['content'], otherwise: 'XML fragments could not be applied' },
  { name: 'session_replication_role', values: ['origin'], otherwise: 'changes would not be captured' },
  {
    name: 'event_triggers',
    values: ['on'],
    otherwise: 'schema statements around Lockstep would not be stopped',
  },
];

export const serverChecks: readonly Check[] = [
  {
    name: 'server version',
    look: async ({ ask, version }) => {
      const [[text] = []] = await ask(`SELECT current_setting('server_version')`);
      const major = Math.floor(version / 10_000);
      return major >= versions.first && major <= versions.last
        ? ok(`PostgreSQL ${text}`)
        : fail(`PostgreSQL ${text}`, `use a server of version ${versions.first} to ${versions.last}`);
    },
  },
  {
    name: 'takes writes',
    look: async (context) => {
      const [[standby] = []] = await context.ask('SELECT pg_is_in_recovery()');
      if (standby === 't') {
        return fail(
          'a standby of another server',
          'SELECT pg_promote();\n-- or give the address of the server it follows',
        );
      }
      const readOnly = await unwanted(context, [
        { name: 'default_transaction_read_only', values: ['off'], otherwise: 'read-only' },
      ]);
      return readOnly === undefined ? ok('yes') : fail(readOnly.found, readOnly.cure);
    },
  },
  {
    name: 'durable settings',
    look: async (context) => {
      const bad = await unwanted(context, durable);
      return bad === undefined ? ok(durable.map(({ name }) => name).join(', ')) : warn(bad.found, bad.cure);
    },
  },
  {
    name: 'required settings',
    look: async (context) => {
      const bad = await unwanted(context, required);
      return bad === undefined ? ok('as they must be') : fail(bad.found, bad.cure);
    },
  },
  { name: 'connections', look: connectionsLeft },
  {
    name: 'encoding',
    look: async ({ ask, database }) => {
      const [[encoding] = []] = await ask(`SELECT current_setting('server_encoding')`);
      return encoding === 'SQL_ASCII'
        ? warn(
            'SQL_ASCII: the server does not know what its text means',
            `CREATE DATABASE ${quoteIdent(database)} TEMPLATE template0 ENCODING 'UTF8';`,
          )
        : ok(encoding ?? '');
    },
  },
  {
    name: 'collation version',
    look: async ({ ask, database, version }) => {
      if (version < 150_000) return ok('not recorded by this version');
      const [[recorded, actual] = []] = await ask(
        `SELECT datcollversion, pg_database_collation_actual_version(oid) FROM pg_database WHERE datname = current_database()`,
      );
      if (recorded === actual) return ok(actual ?? 'none');
      const name = quoteIdent(database);
      return warn(
        `indexes were built with version ${recorded ?? '(none)'}, the system now has ${actual ?? '(none)'}`,
        `REINDEX DATABASE ${name};\nALTER DATABASE ${name} REFRESH COLLATION VERSION;`,
      );
    },
  },
];

/** Settings that a session gets here without asking and that are not among the wanted; those unknown to this version are left alone. */
async function unwanted(
  context: CheckContext,
  wanted: readonly Wanted[],
): Promise<{ found: string; cure: string } | undefined> {
  const names = wanted.map(({ name }) => `'${name}'`).join(', ');
  const rows = await context.ask(
    `SELECT name, reset_val, source, context FROM pg_settings WHERE name IN (${names})`,
  );
  const bad = wanted.flatMap(({ name, values, otherwise }) => {
    const [, value, source, level] = rows.find(([its]) => its === name) ?? [];
    if (typeof value !== 'string' || values.includes(value)) return [];
    const cure = settingCure({ name, source: source ?? '', context: level ?? '' }, values[0] ?? '', context);
    return [{ found: `${name} is ${value}: ${otherwise}`, cure }];
  });
  if (bad.length === 0) return undefined;
  return { found: bad.map(({ found }) => found).join('; '), cure: bad.map(({ cure }) => cure).join('\n') };
}

async function connectionsLeft({ ask, role, database }: CheckContext): ReturnType<Check['look']> {
  const [[most, used, perRole, perDatabase] = []] = await ask(`
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
             - coalesce(current_setting('reserved_connections', true)::int, 0),
      (SELECT sum(numbackends) FROM pg_stat_database),
      (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user AND NOT rolsuper),
      (SELECT datconnlimit FROM pg_database WHERE datname = current_database())`);
  const limited = (limit: string | null | undefined): boolean =>
    typeof limit === 'string' && Number(limit) >= 0 && Number(limit) < freeConnectionsMin;
  if (limited(perRole))
    return warn(`the role may open ${perRole}`, `ALTER ROLE ${quoteIdent(role)} CONNECTION LIMIT -1;`);
  if (limited(perDatabase)) {
    return warn(
      `the database allows ${perDatabase}`,
      `ALTER DATABASE ${quoteIdent(database)} CONNECTION LIMIT -1;`,
    );
  }
  const free = Number(most) - Number(used);
  if (free >= freeConnectionsMin) return ok(`${free} free of ${most}`);
  const enough = Math.ceil((Number(most) + freeConnectionsMin - free) / 50) * 50 + 50;
  return warn(
    `${free} free of ${most}`,
    `ALTER SYSTEM SET max_connections = ${enough};\n-- and restart the server`,
  );
}
