/** The part of the control schema that captures rows: triggers, and where the changes of an open transaction are collected. */

import { pinnedClauses, pinnedSettings } from './pinned-settings.ts';
import { sqlStates } from './sql-states.ts';

/**
 * The changes of the open transaction are collected in a setting that ends with it, undone by savepoints like everything
 * local to a transaction: one expression a row, and no table is touched. Its first character says who is speaking: `+` a
 * session of ours, `*` one that has spilled what grew too long into a temporary table, anything else a stranger.
 */
const changes = `pg_catalog.current_setting('lockstep.changes', true)`;
const spillBytes = 8192;

/** Whoever is not ours comes behind `+`, which comes behind `*`. */
const ofStranger = `c OPERATOR(pg_catalog.>) ',' COLLATE pg_catalog."C"`;

const append = (piece: string): string => `
  c := pg_catalog.set_config('lockstep.changes', pg_catalog.concat(${changes}, ${piece}), true);
  IF pg_catalog.octet_length(c) OPERATOR(pg_catalog.>) ${spillBytes} OR ${ofStranger} THEN
    PERFORM lockstep.overflow(c);
  END IF;`;

interface Capture {
  readonly name: string;
  readonly variables: string;
  readonly body: string;
}

/** Each change of a row, while it is made. */
const byRow: Capture = { name: 'capture', variables: 'c text;', body: append('TG_OP, TG_ARGV[0], OLD, NEW') };

/** What `appendRows` needs. */
export const rowVariables = 'c text; image text;';

/**
 * Appends rows by their images, which a query gives one by one, in blocks. Of the expressions that one row passes through each
 * costs anew in every transaction: there are as few as can be.
 */
export function appendRows({ query, prefix }: { readonly query: string; readonly prefix: string }): string {
  const begun = `pg_catalog.concat(${changes}, 'B', ${prefix})`;
  return `
  c := ${begun};
  FOR image IN ${query} LOOP
    IF pg_catalog.octet_length(c) OPERATOR(pg_catalog.>) ${spillBytes} THEN
      PERFORM pg_catalog.set_config('lockstep.changes', pg_catalog.concat(c, image, ';'), true), lockstep.overflow(c);
      c := ${begun};
    ELSE
      c := c OPERATOR(pg_catalog.||) image;
    END IF;
  END LOOP;
  IF FOUND THEN
    c := pg_catalog.set_config('lockstep.changes', pg_catalog.concat(c, ';'), true);
    IF ${ofStranger} THEN
      PERFORM lockstep.overflow(c);
    END IF;
  END IF;`;
}

/** All rows that an INSERT or COPY has added, when it is done: several times cheaper where they are many. */
const byStatement: Capture = {
  name: 'inserted',
  variables: rowVariables,
  body: appendRows({
    query: 'SELECT (lockstep_row.*)::pg_catalog.text FROM lockstep_inserted AS lockstep_row',
    prefix: 'TG_ARGV[0]',
  }),
};

/** Tables of plain types pay nothing for settings; those of dates and floats a glance at them; the rest have them pinned. */
function captureFunctions({ name, variables, body }: Capture): string {
  return `
CREATE FUNCTION lockstep.${name}_plain() RETURNS trigger LANGUAGE plpgsql AS $f$
DECLARE ${variables}
BEGIN${body}
  RETURN NULL;
END $f$;

-- Pinning costs more than looking: most sessions have these settings as they must be.
CREATE FUNCTION lockstep.${name}_checked() RETURNS trigger LANGUAGE plpgsql AS $f$
DECLARE ${variables} ${checkedSettings.map((setting) => `own_${setting} text;`).join(' ')}
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

CREATE FUNCTION lockstep.${name}_pinned() RETURNS trigger LANGUAGE plpgsql ${pinnedClauses} AS $f$
DECLARE ${variables}
BEGIN${body}
  RETURN NULL;
END $f$;`;
}

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

export const capture = `
-- A stranger's write, or more changes than a setting should hold.
CREATE FUNCTION lockstep.overflow(c text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog SET client_min_messages = error AS $f$
BEGIN
  IF ascii(c) > 43 THEN
    PERFORM set_config('lockstep.changes', '', true);
    IF coalesce(current_setting('lockstep.guard', true), '') = 'off' THEN
      PERFORM nextval('lockstep.foreign_write');
      RETURN;
    END IF;
    RAISE EXCEPTION 'this database is a member of a Lockstep cluster: a write must go through Lockstep'
      USING ERRCODE = '${sqlStates.aroundLockstep}',
            HINT = 'Connect to the address of the Lockstep node. An operator who knows better: SET lockstep.guard = off.';
  END IF;
  PERFORM lockstep.spill();
END $f$;

CREATE FUNCTION lockstep.spill() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog SET client_min_messages = error AS $f$
DECLARE c text := current_setting('lockstep.changes', true);
BEGIN
  IF ascii(c) = 43 THEN
    CREATE TEMPORARY TABLE lockstep_spill (seq bigint GENERATED ALWAYS AS IDENTITY (CACHE 64), chunk text NOT NULL) ON COMMIT DROP;
  END IF;
  INSERT INTO pg_temp.lockstep_spill (chunk) VALUES (substr(c, 2));
  PERFORM set_config('lockstep.changes', '*', true);
END $f$;

CREATE FUNCTION lockstep.append(piece text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $f$
DECLARE c text;
BEGIN${append('piece')}
END $f$;
${captureFunctions(byRow)}
${captureFunctions(byStatement)}

CREATE FUNCTION lockstep.capture_truncate() RETURNS trigger LANGUAGE plpgsql AS $f$
DECLARE c text;
BEGIN${append('TG_OP, TG_ARGV[0]')}
  RETURN NULL;
END $f$;
`;
