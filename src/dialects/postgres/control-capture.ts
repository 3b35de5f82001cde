/** The part of the control schema that captures rows: triggers, and where the changes of an open transaction are collected. */

import { definerPath, pinnedClauses, pinnedSettings } from './pinned-settings.ts';
import { register, registerIs, spilledMark } from './register.ts';
import { sqlStates } from './sql-states.ts';

const spillBytes = 8192;

/** Too long, of a stranger, or of a transaction whose record is closed. */
const unusual = `pg_catalog.octet_length(c) OPERATOR(pg_catalog.>) ${spillBytes} OR pg_catalog.ascii(c) OPERATOR(pg_catalog.<>) ${registerIs.open}`;
const notOpen = `pg_catalog.ascii(c) OPERATOR(pg_catalog.<>) ${registerIs.open}`;

/**
 * Inside the server's restricted operations (REFRESH, CREATE INDEX, ANALYZE over a function that writes) settings are taken
 * back at the end and rows are not: what was captured there would be forgotten. Nothing in SQL tells of that state, but this
 * statement, which does nothing anywhere else, is an error in it.
 */
const unrestricted = 'UNLISTEN lockstep_no_channel;';

const append = (piece: string): string => `
  ${unrestricted}
  c := pg_catalog.set_config('${register}', pg_catalog.concat(pg_catalog.current_setting('${register}'), ${piece}), true);
  IF ${unusual} THEN
    PERFORM lockstep.overflow(c);
  END IF;`;

interface Capture {
  readonly name: string;
  readonly variables: string;
  readonly body: string;
}

/** Each change of a row, while it is made. */
const byRow: Capture = {
  name: 'capture',
  variables: 'c pg_catalog.text;',
  body: append('TG_OP, TG_ARGV[0], OLD, NEW'),
};

/** What `appendRows` needs. */
export const rowVariables = 'c pg_catalog.text; image pg_catalog.text;';

/**
 * Appends rows by their images, which a query gives one by one, in blocks. Of the expressions that one row passes through each
 * costs anew in every transaction: there are as few as can be.
 */
export function appendRows({ query, prefix }: { readonly query: string; readonly prefix: string }): string {
  const begun = `pg_catalog.concat(pg_catalog.current_setting('${register}'), 'B', ${prefix})`;
  return `
  ${unrestricted}
  c := ${begun};
  FOR image IN ${query} LOOP
    IF pg_catalog.octet_length(c) OPERATOR(pg_catalog.>) ${spillBytes} THEN
      PERFORM pg_catalog.set_config('${register}', pg_catalog.concat(c, image, ';'), true), lockstep.overflow(c);
      c := ${begun};
    ELSE
      c := c OPERATOR(pg_catalog.||) image;
    END IF;
  END LOOP;
  IF FOUND THEN
    c := pg_catalog.set_config('${register}', pg_catalog.concat(c, ';'), true);
    IF ${notOpen} THEN
      PERFORM lockstep.overflow(c);
    END IF;
  END IF;`;
}

/** All rows that an INSERT or COPY has added, when it is done: several times cheaper where they are many. */
const byStatement: Capture = {
  name: 'inserted',
  variables: rowVariables,
  body: appendRows({
    query: 'SELECT pg_catalog.concat(lockstep_row.*) FROM lockstep_inserted AS lockstep_row',
    prefix: 'TG_ARGV[0]',
  }),
};

/** JSON of the settings of the users' own that are in force and that a function may read. */
export const settingsRead = `(SELECT coalesce(pg_catalog.jsonb_object_agg(s.name, pg_catalog.current_setting(s.name, true)), '{}')
    FROM lockstep.setting_read AS s WHERE pg_catalog.current_setting(s.name, true) IS NOT NULL)`;

/**
 * Tables of plain types pay nothing for settings; those of dates and floats a glance at them; the rest have them pinned. An image
 * is formed by output functions alone, which only superusers make: a cast might be the client's.
 */
function captureFunctions({ name, variables, body }: Capture): string {
  return `
CREATE FUNCTION lockstep.${name}_plain() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $f$
DECLARE ${variables}
BEGIN${body}
  RETURN NULL;
END $f$;

-- Pinning costs more than looking: most sessions have these settings as they must be.
CREATE FUNCTION lockstep.${name}_checked() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $f$
DECLARE ${variables} ${checkedSettings.map((setting) => `own_${setting} pg_catalog.text;`).join(' ')}
BEGIN
  IF pg_catalog.starts_with(${inForce('DateStyle')}, 'ISO')
     AND ${inForce('TimeZone')} OPERATOR(pg_catalog.=) ANY ('{UTC,Etc/UTC}'::pg_catalog.text[])
     AND ${inForce('IntervalStyle')} OPERATOR(pg_catalog.=) 'postgres'
     AND ${inForce('extra_float_digits')} OPERATOR(pg_catalog.>) '0' COLLATE pg_catalog."C"
     AND ${inForce('bytea_output')} OPERATOR(pg_catalog.=) 'hex' THEN${body}
    RETURN NULL;
  END IF;
${checkedSettings.map((setting) => `  own_${setting} := ${inForce(setting)}; c := pg_catalog.set_config('${setting}', '${pinnedSettings[setting]}', true);`).join('\n')}
${body}
${checkedSettings.map((setting) => `  c := pg_catalog.set_config('${setting}', own_${setting}, true);`).join('\n')}
  RETURN NULL;
END $f$;

CREATE FUNCTION lockstep.${name}_pinned() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER ${pinnedClauses} AS $f$
DECLARE ${variables}
BEGIN${body}
  RETURN NULL;
END $f$;

-- Where an index calls functions of users: what was in force for them goes in front, and comes back into force where the rows are
-- applied.
CREATE FUNCTION lockstep.${name}_surrounded() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $f$
DECLARE ${variables} surroundings pg_catalog.text; ${pinnedNames.map((setting) => `own_${setting} pg_catalog.text;`).join(' ')}
BEGIN
  surroundings := pg_catalog.concat(pg_catalog.jsonb_build_object(${surroundingSettings.map((setting) => `'${setting}', ${inForce(setting)}`).join(', ')}) OPERATOR(pg_catalog.||) ${settingsRead});
${append("'C', pg_catalog.octet_length(surroundings), ':', surroundings")}
${pinnedNames.map((setting) => `  own_${setting} := ${inForce(setting)}; c := pg_catalog.set_config('${setting}', '${pinnedSettings[setting]}', true);`).join('\n')}
${body}
${pinnedNames.map((setting) => `  c := pg_catalog.set_config('${setting}', own_${setting}, true);`).join('\n')}
  RETURN NULL;
END $f$;`;
}

const pinnedNames = Object.keys(pinnedSettings) as (keyof typeof pinnedSettings)[];

/** Of a writer, what its functions may go by; but for what the text of a row is read by. */
const surroundingSettings = [
  'search_path',
  'TimeZone',
  'DateStyle',
  'extra_float_digits',
  'bytea_output',
  'xmlbinary',
  'lc_numeric',
  'lc_time',
  'default_text_search_config',
  'quote_all_identifiers',
];

const checkedSettings = [
  'DateStyle',
  'TimeZone',
  'IntervalStyle',
  'extra_float_digits',
  'bytea_output',
] as const;

const inForce = (name: string): string => `pg_catalog.current_setting('${name}')`;

/** The names of a schema and a table in front of what a write set says of them. */
export const framed = (schema: string, name: string): string =>
  `octet_length(${schema}) || ',' || octet_length(${name}) || ':' || ${schema} || ${name}`;

/** Whoever has the rights of Lockstep's own role may lift the guard; to anybody else the setting says nothing. */
export const guardLifted = `(coalesce(current_setting('lockstep.guard', true), '') = 'off'
      AND pg_has_role(session_user, (SELECT nspowner FROM pg_namespace WHERE nspname = 'lockstep'), 'MEMBER'))`;

/** More names than this are not looked at for each row. */
const settingsReadMax = 200;

/** The same of those that a schema statement names itself: what it makes has not been looked through yet. */
export const settingsNamed = (statement: string): string =>
  `(SELECT coalesce(jsonb_object_agg(n.name, current_setting(n.name, true)), '{}') FROM (
      SELECT DISTINCT lower(m[1]) AS name FROM regexp_matches(${statement}, '${settingLiteral}', 'g') m LIMIT ${settingsReadMax}) n
    WHERE ${isAnybodys('n.name')} AND current_setting(n.name, true) IS NOT NULL)`;

/** Within a text in single quotes, in SQL: a literal that could be the name of a setting of the users' own. */
const settingLiteral = String.raw`(?:''|\$)([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)(?:''|\$)`;
/** What only some roles may set is no session's, and nobody else could give it to another connection. */
const isAnybodys = (name: string): string =>
  `NOT starts_with(${name}, 'lockstep.') AND ${name} NOT IN (SELECT s.name FROM pg_settings s WHERE s.context <> 'user')`;

/** The numbers of both functions current_setting() in an expression. */
const readsSetting = (tree: string): string => `${tree}::text ~ ':funcid (2077|3294) '`;
/** Written by the open transaction: a subtransaction has a number of its own. The cheap question comes in front of the dear one. */
const isFresh = 'age(x.xmin) <= age(pg_current_xact_id_if_assigned()::xid)';

/** Where such an expression may stand, with whose it is, and the expression as text. */
const expressionsOfSettings = [
  ['pg_constraint x', 'x.conrelid', readsSetting('x.conbin'), 'pg_get_constraintdef(x.oid)'],
  ['pg_attrdef x', 'x.adrelid', readsSetting('x.adbin'), 'pg_get_expr(x.adbin, x.adrelid)'],
  [
    'pg_policy x',
    'x.polrelid',
    `(${readsSetting('x.polqual')} OR ${readsSetting('x.polwithcheck')})`,
    'concat(pg_get_expr(x.polqual, x.polrelid), pg_get_expr(x.polwithcheck, x.polrelid))',
  ],
  [
    'pg_rewrite x',
    'x.ev_class',
    `x.oid >= 16384 AND x.ev_type = '1' AND ${readsSetting('x.ev_action')} AND (SELECT relkind FROM pg_class WHERE oid = x.ev_class) IN ('v', 'm')`,
    'pg_get_viewdef(x.ev_class)',
  ],
] as const;

/** Of all that there is; of `these` relations, what is fresh. Domains have no relation. */
const settingsOf = (these: string | undefined): string => `RETURN QUERY SELECT DISTINCT lower(m[1]) FROM (
    ${expressionsOfSettings
      .map(
        ([from, relation, reads, expression]) =>
          `SELECT ${expression} FROM ${from} WHERE ${these === undefined ? '' : `${relation} = ANY (${these}) AND ${isFresh} AND `}${reads}`,
      )
      .join('\n    UNION ALL ')}${
      these === undefined
        ? ''
        : `\n    UNION ALL SELECT pg_get_constraintdef(x.oid) FROM pg_constraint x WHERE x.contypid > 0 AND ${isFresh} AND ${readsSetting('x.conbin')}`
    }) e (expression),
    regexp_matches(e.expression, '${settingLiteral}', 'g') m;`;

export const capture = `
-- Settings of the users' own that their functions may read. The server lists none of these: it is asked for each by its name.
CREATE TABLE lockstep.setting_read (name text PRIMARY KEY);

-- Those that an expression reads by itself. these: of which relations, and of what the open transaction has written; NULL: of all there is.
CREATE FUNCTION lockstep.settings_in_expressions(these oid[]) RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
BEGIN
  IF these IS NULL THEN
    ${settingsOf(undefined)}
  ELSE
    ${settingsOf('these')}
  END IF;
END $f$;

-- Whatever is written like such a name in a function is taken for one; what names nothing is passed over where rows are captured.
-- these: relations that the open transaction has changed; with the functions that it has written. NULL: all there is.
CREATE FUNCTION lockstep.note_settings(these oid[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
BEGIN
  INSERT INTO lockstep.setting_read
  SELECT f.name FROM (
    SELECT DISTINCT lower(m[1]) AS name FROM pg_proc p,
      regexp_matches(CASE WHEN p.prosrc = '' AND p.prokind IN ('f', 'p') THEN pg_get_functiondef(p.oid) ELSE p.prosrc END, '''([A-Za-z_]\\w*(?:\\.[A-Za-z_]\\w*)+)''', 'g') m
    WHERE p.oid >= 16384 AND p.pronamespace <> 'lockstep'::regnamespace AND (these IS NULL OR age(p.xmin) <= age(pg_current_xact_id_if_assigned()::xid))
    UNION SELECT lockstep.settings_in_expressions(these)) f
  WHERE NOT EXISTS (SELECT FROM lockstep.setting_read s WHERE s.name = f.name) AND ${isAnybodys('f.name')}
  ORDER BY 1 LIMIT greatest(0, ${settingsReadMax} - (SELECT count(*) FROM lockstep.setting_read))
  ON CONFLICT DO NOTHING;
END $f$;

-- What is not usual: more changes than a setting should hold, a change behind the end of the record, a stranger's write.
CREATE FUNCTION lockstep.overflow(c text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ${definerPath} SET client_min_messages = error AS $f$
BEGIN
  IF ascii(c) = ${registerIs.open} THEN
    PERFORM lockstep.spill();
  ELSIF ascii(c) = ${registerIs.closed} THEN
    PERFORM lockstep.late();
  ELSE
    PERFORM set_config('${register}', '', true);
    IF ${guardLifted} THEN
      PERFORM nextval('lockstep.foreign_write');
      RETURN;
    END IF;
    RAISE EXCEPTION 'this database is a member of a Lockstep cluster: a write must go through Lockstep'
      USING ERRCODE = '${sqlStates.aroundLockstep}',
            HINT = 'Connect to the address of the Lockstep node. An operator with the rights of Lockstep''s own role who knows better: SET lockstep.guard = off.';
  END IF;
END $f$;

-- The changes so far go into a temporary table, which is Lockstep's own, and the register says how many chunks lie there: a client
-- may drop it (DISCARD TEMP), but not unnoticed.
CREATE FUNCTION lockstep.spill() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ${definerPath} SET client_min_messages = error AS $f$
DECLARE c text := current_setting('${register}'); chunks bigint := 0; piece text := substr(c, 2);
BEGIN
  IF ${spilledMark.test('c')} THEN
    chunks := ${spilledMark.count('c')};
    piece := substr(c, strpos(c, ';') + 1);
    PERFORM lockstep.spill_table();
  ELSE
    CREATE TEMPORARY TABLE lockstep_spill (seq bigint GENERATED ALWAYS AS IDENTITY (CACHE 64), chunk text NOT NULL) ON COMMIT DROP;
  END IF;
  INSERT INTO pg_temp.lockstep_spill (chunk) VALUES (piece);
  PERFORM set_config('${register}', ${spilledMark.write('chunks + 1')}, true);
END $f$;

-- The table of that name is ours, or the record is lost.
CREATE FUNCTION lockstep.spill_table() RETURNS regclass LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
DECLARE relation regclass := (SELECT oid FROM pg_class WHERE relname = 'lockstep_spill' AND relnamespace = pg_my_temp_schema()
  AND relkind = 'r' AND relowner = (SELECT nspowner FROM pg_namespace WHERE nspname = 'lockstep'));
BEGIN
  IF relation IS NULL THEN PERFORM lockstep.refuse_record(); END IF;
  RETURN relation;
END $f$;

CREATE FUNCTION lockstep.append(piece text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
DECLARE c text;
BEGIN${append('piece')}
END $f$;
${captureFunctions(byRow)}
${captureFunctions(byStatement)}

CREATE FUNCTION lockstep.capture_truncate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $f$
DECLARE c pg_catalog.text;
BEGIN${append('TG_OP, TG_ARGV[0]')}
  RETURN NULL;
END $f$;
`;
