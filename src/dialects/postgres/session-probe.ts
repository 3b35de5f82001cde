/**
 * Asks a session's own connection what state it has. The client may have any path, objects and settings there: so every name is
 * the system's by its schema, nothing is prepared under a name, and values come in a form that none of them can break.
 */

/** They change what a query answers. */
const always = [
  'role',
  'session_authorization',
  'search_path',
  'row_security',
  'client_encoding',
  'TimeZone',
  'DateStyle',
  'IntervalStyle',
  'extra_float_digits',
  'bytea_output',
  'array_nulls',
  'default_text_search_config',
  'lc_monetary',
  'lc_numeric',
  'lc_time',
  'quote_all_identifiers',
  'standard_conforming_strings',
  'transform_null_equals',
  'xmlbinary',
  'xmloption',
  'statement_timeout',
  'lock_timeout',
  'default_transaction_isolation',
] as const;

/** Lockstep's own on each connection, and what no session can carry. */
const kept =
  /^(?:lockstep\.|transaction_|default_transaction_read_only$|session_replication_role$|session_preload_libraries$|local_preload_libraries$|seed$|is_superuser$)/i;
const settingName = /^[a-z_][a-z0-9_$]*(?:\.[a-z_][a-z0-9_$]*)*$/i;

const readOnlyDefault = 'default_transaction_read_only';

/** More names than this are not watched. */
const namesMax = 300;

export interface SessionState {
  /** What only this connection has, in words. */
  readonly held: string | undefined;
  readonly listens: boolean;
  /** The value of each that was asked for, in hexadecimal digits; without those that there are not. */
  readonly values: ReadonlyMap<string, string>;
  /** Those that somebody has set in this session, of a question for all. */
  readonly set: ReadonlySet<string>;
  /** Whether transactions are to be READ ONLY by default, where it is known that somebody has said so in this session. */
  readonly readOnly: boolean | undefined;
}

export interface ProbeQuestion {
  readonly sql: string;
  /** Undefined: what came is no answer to this. */
  read(answer: string): SessionState | undefined;
}

const bytes = (text: string): string =>
  `pg_catalog.encode(pg_catalog.convert_to(${text}, pg_catalog.getdatabaseencoding()), 'hex')`;
const eq = 'OPERATOR(pg_catalog.=)';
const temporary = (catalog: string, namespace: string, more = ''): string =>
  `EXISTS (SELECT FROM pg_catalog.${catalog} AS o WHERE o.${namespace} ${eq} pg_catalog.pg_my_temp_schema()${more})`;

/** Where Lockstep collects changes that have grown long. */
const spill = ` AND NOT pg_catalog.starts_with(o.relname, 'lockstep_spill')`;

const holdings = [
  [
    'an advisory lock',
    `EXISTS (SELECT FROM pg_catalog.pg_lock_status() AS l WHERE l.locktype ${eq} 'advisory' AND l.pid ${eq} pg_catalog.pg_backend_pid())`,
  ],
  [
    'temporary objects',
    `CASE WHEN pg_catalog.pg_my_temp_schema() ${eq} 0 THEN false ELSE ${temporary('pg_class', 'relnamespace', spill)} OR ${temporary('pg_proc', 'pronamespace')}
       OR ${temporary('pg_type', 'typnamespace', ` AND o.typrelid ${eq} 0 AND o.typelem ${eq} 0`)} END`,
  ],
  ['a cursor WITH HOLD', `EXISTS (SELECT FROM pg_catalog.pg_cursors AS c WHERE c.is_holdable)`],
  [undefined, `EXISTS (SELECT FROM pg_catalog.pg_listening_channels())`],
] as const;

/** `more`: further settings, by name; `all`: also whatever else has been set in the session. Undefined: they are too many. */
export function probeQuestion(more: Iterable<string>, all: boolean): ProbeQuestion | undefined {
  const names = [...new Set([...always, ...more])].filter(
    (name) => settingName.test(name) && !kept.test(name),
  );
  if (names.length > namesMax) return undefined;
  names.push(readOnlyDefault);
  const values = names.map(
    (name) => `coalesce('=' OPERATOR(pg_catalog.||) pg_catalog.current_setting('${name}', true), '')`,
  );
  const set = `(SELECT pg_catalog.string_agg(pg_catalog.concat(${bytes('s.name')}, '=', ${bytes('s.setting')}), ' ') FROM pg_catalog.pg_settings AS s
    WHERE s.source ${eq} 'session' AND s.context ${eq} 'user')`;
  const sql = `SELECT pg_catalog.concat(${holdings.map(([, test]) => `(${test})::pg_catalog.int4`).join(', ')}, ' ',
    ${bytes(`pg_catalog.concat_ws(pg_catalog.chr(1), ${values.join(', ')})`)}, ' ', ${all ? set : `''`})`;
  return { sql, read: (answer) => readState(answer, names) };
}

function readState(answer: string, names: readonly string[]): SessionState | undefined {
  const [flags = '', hex = '', ...pairs] = answer.split(' ');
  if (!/^[01]{4}$/.test(flags)) return undefined;
  const fields = Buffer.from(hex, 'hex').toString('latin1').split('\x01');
  // Somebody has put the sign that parts them into a value.
  if (fields.length !== names.length) return undefined;
  const values = new Map<string, string>();
  for (const [at, name] of names.entries()) {
    const field = fields[at]!;
    if (field !== '') values.set(name, Buffer.from(field.slice(1), 'latin1').toString('hex'));
  }
  const set = new Set<string>();
  // Each connection begins with `on`.
  const isOff = values.get(readOnlyDefault) === Buffer.from('off').toString('hex');
  let readOnly = isOff ? false : undefined;
  values.delete(readOnlyDefault);
  for (const pair of pairs) {
    const [nameHex = '', value = ''] = pair.split('=');
    const name = Buffer.from(nameHex, 'hex').toString('latin1');
    if (name === 'default_transaction_read_only')
      readOnly = Buffer.from(value, 'hex').toString('latin1') === 'on';
    if (name === '' || kept.test(name)) continue;
    // It cannot be said to another connection.
    if (!settingName.test(name)) return undefined;
    set.add(name);
    values.set(name, value);
  }
  const held = holdings.find(([what], at) => what !== undefined && flags[at] === '1')?.[0];
  return { held, listens: flags[3] === '1', values, set, readOnly };
}

/** Gives these settings to another connection; the text has nothing in it that a setting could change the reading of. */
export function carryStatement(values: ReadonlyMap<string, string>): string {
  const last = (name: string): number => ['session_authorization', 'role'].indexOf(name);
  const sets = [...values]
    .sort(([a], [b]) => last(a) - last(b))
    .map(([name, hex]) => {
      const value = `pg_catalog.convert_from(pg_catalog.decode('${hex}', 'hex'), pg_catalog.getdatabaseencoding())`;
      return `pg_catalog.set_config('${name}', ${value}, false)`;
    });
  return `SELECT ${sets.join(', ')}`;
}
