/** What members must have in common, or had better. */

import { quoteLiteral } from '../../sql/index.ts';
import { mayReadVerifiers } from './kept-verifiers.ts';
import type { CheckContext } from './preflight-check.ts';

export interface ExtensionTrait {
  readonly name: string;
  readonly version: string;
}

export interface RoleTrait {
  readonly name: string;
  /** As CREATE ROLE and ALTER ROLE take them. */
  readonly attributes: string;
}

export interface SettingTrait {
  readonly name: string;
  readonly value: string;
  readonly source: string;
  readonly context: string;
}

export interface MemberTraits {
  readonly role: string;
  readonly database: string;
  readonly version: string;
  readonly major: number;
  /** Of this very database in this very server process: two members with the same are one. */
  readonly identity: string;
  readonly encoding: string;
  /** As CREATE DATABASE takes it. */
  readonly locale: string;
  readonly collationVersion: string | null;
  /** Limits that are built into the server. */
  readonly build: string;
  readonly settings: readonly SettingTrait[];
  readonly extensions: readonly ExtensionTrait[];
  readonly roles: readonly RoleTrait[];
  /** Of clients whose passwords the members keep, by name; empty where they may not be read. */
  readonly verifiers: readonly VerifierTrait[];
}

export interface VerifierTrait {
  readonly name: string;
  /** Equal for equal verifiers, and says nothing else. */
  readonly digest: string;
}

/** What a session gets without asking and what changes answers or what is stored. */
const comparedSettings = [
  'TimeZone',
  'DateStyle',
  'IntervalStyle',
  'timezone_abbreviations',
  'lc_monetary',
  'lc_numeric',
  'lc_time',
  'search_path',
  'default_text_search_config',
  'default_transaction_isolation',
  'bytea_output',
  'extra_float_digits',
  'xmlbinary',
  'transform_null_equals',
];

/**
 * The columns for a database's locale were added and renamed over the versions; as JSON, those that a version lacks are
 * simply absent. Before version 15 the database has no collation version of its own, but shares that of the C library.
 */
export async function readTraits(context: CheckContext): Promise<MemberTraits> {
  const { ask, role, database, version } = context;
  const collationVersion =
    version >= 150_000
      ? 'pg_database_collation_actual_version(d.oid)'
      : `CASE WHEN d.datcollate !~* '^(C|POSIX)($|\\.)' THEN (SELECT max(pg_collation_actual_version(oid)) FROM pg_collation WHERE collprovider = 'c') END`;
  const [[text] = []] = await ask(`
    SELECT json_build_object(
      'version', current_setting('server_version'),
      'identity', concat_ws(' ', (SELECT system_identifier FROM pg_control_system()), d.oid, extract(epoch FROM pg_postmaster_start_time())),
      'encoding', pg_encoding_to_char(d.encoding),
      'locale', concat_ws(' ', format('LC_COLLATE %L LC_CTYPE %L', d.datcollate, d.datctype),
        CASE j->>'datlocprovider'
          WHEN 'i' THEN format('LOCALE_PROVIDER icu ICU_LOCALE %L', coalesce(j->>'datlocale', j->>'daticulocale'))
          WHEN 'b' THEN format('LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', j->>'datlocale') END,
        ' ICU_RULES ' || quote_literal(j->>'daticurules')),
      'collationVersion', ${collationVersion},
      'build', (SELECT string_agg(name || ' ' || setting, ', ' ORDER BY name) FROM pg_settings
        WHERE name IN ('block_size', 'integer_datetimes', 'max_identifier_length', 'max_index_keys')),
      'settings', (SELECT json_agg(json_build_object('name', name, 'value', reset_val, 'source', source, 'context', context) ORDER BY name) FROM pg_settings
        WHERE name IN (${comparedSettings.map((name) => `'${name}'`).join(', ')})),
      'extensions', (SELECT coalesce(json_agg(json_build_object('name', extname, 'version', extversion)), '[]') FROM pg_extension),
      'roles', (SELECT json_agg(json_build_object('name', rolname, 'attributes', concat_ws(' ',
          CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END, CASE WHEN rolsuper THEN 'SUPERUSER' ELSE 'NOSUPERUSER' END,
          CASE WHEN rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END, CASE WHEN rolbypassrls THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END,
          CASE WHEN rolcreaterole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END, CASE WHEN rolcreatedb THEN 'CREATEDB' ELSE 'NOCREATEDB' END)))
        FROM pg_roles WHERE rolname !~ '^pg_'))
    FROM (SELECT *, to_jsonb(b) AS j FROM pg_database b) d WHERE d.datname = current_database()`);
  const read = JSON.parse(text ?? '{}') as Omit<MemberTraits, 'role' | 'database' | 'major' | 'verifiers'>;
  const verifiers = await digestVerifiers(context);
  return { ...read, role, database, major: Math.floor(version / 10_000), verifiers };
}

async function digestVerifiers({ ask, clients }: CheckContext): Promise<readonly VerifierTrait[]> {
  const names = clients.flatMap(({ name, kept }) => (kept ? [name] : []));
  const [[readable] = []] = names.length === 0 ? [] : await ask(`SELECT ${mayReadVerifiers}`);
  if (readable !== 't') return [];
  const rows = await ask(
    `SELECT rolname, encode(sha256(convert_to(concat(rolname, rolpassword), 'UTF8')), 'hex') FROM pg_authid WHERE rolname IN (${names.map(quoteLiteral).join(', ')})`,
  );
  return rows.map(([name, digest]) => ({ name: name ?? '', digest: digest ?? '' }));
}
