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

const append = (piece: string): string => `
  c := pg_catalog.set_config('lockstep.changes', pg_catalog.concat(${changes}, ${piece}), true);
  IF pg_catalog.octet_length(c) OPERATOR(pg_catalog.>) ${spillBytes} OR pg_catalog.ascii(c) OPERATOR(pg_catalog.>) 43 THEN
    PERFORM lockstep.overflow(c);
  END IF;`;

/** Tables of plain types pay nothing for settings; those of dates and floats a glance at them; the rest have them pinned. */
function captureFunction(name: string, pinned: string): string {
  return `
CREATE FUNCTION lockstep.${name}() RETURNS trigger LANGUAGE plpgsql ${pinned} AS $f$
DECLARE c text;
BEGIN${append('TG_OP, TG_ARGV[0], OLD, NEW')}
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

/** Pinning costs more than looking: most sessions have these settings as they must be. */
const checkedFunction = `
CREATE FUNCTION lockstep.capture_checked() RETURNS trigger LANGUAGE plpgsql AS $f$
DECLARE c text; ${checkedSettings.map((name) => `own_${name} text;`).join(' ')}
BEGIN
  IF pg_catalog.left(${inForce('DateStyle')}, 3) OPERATOR(pg_catalog.=) 'ISO'
     AND pg_catalog.right(${inForce('TimeZone')}, 3) OPERATOR(pg_catalog.=) 'UTC'
     AND ${inForce('IntervalStyle')} OPERATOR(pg_catalog.=) 'postgres'
     AND ${inForce('extra_float_digits')}::pg_catalog.int4 OPERATOR(pg_catalog.>) 0
     AND ${inForce('bytea_output')} OPERATOR(pg_catalog.=) 'hex' THEN${append('TG_OP, TG_ARGV[0], OLD, NEW')}
    RETURN NULL;
  END IF;
${checkedSettings.map((name) => `  own_${name} := ${inForce(name)}; c := pg_catalog.set_config('${name}', '${pinnedSettings[name]}', true);`).join('\n')}
${append('TG_OP, TG_ARGV[0], OLD, NEW')}
${checkedSettings.map((name) => `  c := pg_catalog.set_config('${name}', own_${name}, true);`).join('\n')}
  RETURN NULL;
END $f$;`;

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
    IF coalesce(current_setting('lockstep.guard', true), '') = 'off' THEN RETURN; END IF;
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
${captureFunction('capture_plain', '')}
${checkedFunction}
${captureFunction('capture_pinned', pinnedClauses)}

CREATE FUNCTION lockstep.capture_truncate() RETURNS trigger LANGUAGE plpgsql AS $f$
DECLARE c text;
BEGIN${append('TG_OP, TG_ARGV[0]')}
  RETURN NULL;
END $f$;
`;
