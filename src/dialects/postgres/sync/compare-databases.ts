/** What is settled when a database is made, and decides which texts there can be and how they compare and sort. */

import { quoteIdent } from '../../../sql/index.ts';
import type { Unlikeness } from '../../sync-contract.ts';
import type { InternalConnection } from '../internal-connection.ts';

interface DatabaseTraits {
  readonly name: string;
  readonly encoding: string;
  readonly collate: string;
  readonly ctype: string;
  /** `c`: the C library; `i`: ICU; `b`: built in. Before version 15 there was one. */
  readonly provider: string;
  readonly locale: string | null;
  readonly rules: string | null;
}

/** Columns were added and renamed over the versions; as JSON, those that a version lacks are simply absent. */
const traitsSql = `
  SELECT json_build_object('name', d.datname, 'encoding', pg_encoding_to_char(d.encoding), 'collate', d.datcollate, 'ctype', d.datctype,
    'provider', coalesce(j->>'datlocprovider', 'c'), 'locale', coalesce(j->>'datlocale', j->>'daticulocale'), 'rules', j->>'daticurules')
  FROM (SELECT *, to_jsonb(b) AS j FROM pg_database b) d WHERE d.datname = current_database()`;

export interface DatabaseSide {
  readonly memberId: string;
  readonly connection: InternalConnection;
}

export async function compareDatabases(
  right: DatabaseSide,
  other: DatabaseSide,
): Promise<Unlikeness | undefined> {
  const [wanted, found] = await Promise.all([readTraits(right.connection), readTraits(other.connection)]);
  const alike = found.encoding === wanted.encoding;
  if (alike && collationOf(found) === collationOf(wanted)) return undefined;
  const said = (what: (traits: DatabaseTraits) => string): string =>
    `${what(found)}, that of member ${right.memberId} ${what(wanted)}`;
  return {
    reason: alike
      ? `the collation of its database is ${said(localeText)}`
      : `the encoding of its database is ${said(({ encoding }) => encoding)}`,
    cure: `CREATE DATABASE ${quoteIdent(found.name)} TEMPLATE template0 ENCODING '${wanted.encoding}' ${localeText(wanted)}`,
    bearable: alike,
  };
}

async function readTraits(connection: InternalConnection): Promise<DatabaseTraits> {
  return JSON.parse((await connection.rows(traitsSql))[0]?.[0] ?? '{}') as DatabaseTraits;
}

/** Equal for what sorts and compares alike, as far as names tell. */
function collationOf({ collate, ctype, provider, locale, rules }: DatabaseTraits): string {
  return JSON.stringify([plain(collate), plain(ctype), provider, locale, rules]);
}

/** `en_US.utf8` is `en_US.UTF-8`, and `POSIX` is `C`. */
function plain(name: string): string {
  const lower = name.toLowerCase().replaceAll('-', '');
  return lower === 'posix' ? 'c' : lower;
}

/** As CREATE DATABASE takes it. */
function localeText({ collate, ctype, provider, locale, rules }: DatabaseTraits): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
  return [
    `LC_COLLATE ${quoted(collate)} LC_CTYPE ${quoted(ctype)}`,
    ...(provider === 'i' && locale !== null ? [`LOCALE_PROVIDER icu ICU_LOCALE ${quoted(locale)}`] : []),
    ...(provider === 'b' && locale !== null
      ? [`LOCALE_PROVIDER builtin BUILTIN_LOCALE ${quoted(locale)}`]
      : []),
    ...(rules === null ? [] : [`ICU_RULES ${quoted(rules)}`]),
  ].join(' ');
}
