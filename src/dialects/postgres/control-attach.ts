/** The part of the control schema that puts triggers on tables, and guards schema statements. */

import { buildingPrefix } from '../../sql/index.ts';
import { isExpectedIndex } from './control-building.ts';
import { framed, guardLifted } from './control-capture.ts';
import { nodeOnly } from './control-commit.ts';
import { definerPath } from './pinned-settings.ts';
import { expecting, register, registerIs } from './register.ts';
import { sqlStates } from './sql-states.ts';

/** Built-in types whose text form no setting changes, and arrays of them. */
const plainTypes =
  '{16,18,19,20,21,23,25,26,114,1042,1043,1700,2950,3802,650,869,829,774,1560,1562,1000,1002,1005,1007,1014,1015,1016,1009,1028,1231,199,2951,3807}';
/** Dates, times, intervals, floats, bytea, and arrays of them. */
const checkedTypes =
  '{17,1001,700,701,1082,1083,1114,1184,1186,1266,1021,1022,1115,1182,1183,1185,1187,1270}';

/** The bit in a trigger's type. */
const forInsert = 4;

/** Made or changed by the open transaction: a subtransaction has a number of its own. */
const isNew = (xmin: string): string => `age(${xmin}) <= age(pg_current_xact_id_if_assigned()::xid)`;

/**
 * For queries by number: making a plan takes longer than they do. What such a function calls is planned once as well, and while the
 * catalogs are small: the plan goes by indexes, and what that makes of its costs is no reason to compile it.
 */
const plannedOnce = `SET search_path = ${definerPath} SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off`;

const goOn = `IF hushed THEN PERFORM set_config('session_replication_role', 'origin', true); END IF;`;

/** Of `t`, a table with what is known of it. */
const makeTriggers = `
    IF t.relkind = 'r' THEN
      EXECUTE format('DROP TRIGGER IF EXISTS "!lockstep_capture" ON %s', t.name);
      EXECUTE format('DROP TRIGGER IF EXISTS "!lockstep_inserted" ON %s', t.name);
      EXECUTE format('DROP TRIGGER IF EXISTS "!lockstep_truncate" ON %s', t.name);
      -- Rows come into a partition through the tables above it, too, whose statements are not its own.
      EXECUTE format('CREATE TRIGGER "!lockstep_capture" AFTER %sUPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION lockstep.%I(%L)',
        CASE WHEN t.relispartition THEN 'INSERT OR ' END, t.name, 'capture_' || t.kind, t.prefix);
      IF NOT t.relispartition THEN
        EXECUTE format('CREATE TRIGGER "!lockstep_inserted" AFTER INSERT ON %s REFERENCING NEW TABLE AS lockstep_inserted FOR EACH STATEMENT EXECUTE FUNCTION lockstep.%I(%L)', t.name, 'inserted_' || t.kind, t.prefix);
      END IF;
      EXECUTE format('CREATE TRIGGER "!lockstep_truncate" BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION lockstep.capture_truncate(%L)', t.name, t.prefix);
    END IF;
    EXECUTE format('DROP TRIGGER IF EXISTS "!lockstep_sequences" ON %s', t.name);
    IF t.sequences IS NOT NULL THEN
      EXECUTE format('CREATE TRIGGER "!lockstep_sequences" AFTER INSERT ON %s FOR EACH STATEMENT EXECUTE FUNCTION lockstep.capture_sequences(%s)', t.name, t.sequences);
    END IF;`;

/** Condition on pg_class `c` and its pg_namespace `n`. */
const isWatched = `c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'lockstep', 'pg_toast') AND n.nspname NOT LIKE 'pg\\_temp\\_%'`;

/** Which of the capture functions a table needs. */
const kindOf = (relation: string): string =>
  `CASE WHEN EXISTS (SELECT FROM pg_index i WHERE i.indrelid = ${relation} AND concat(i.indexprs::text, i.indpred::text) ~ ':(funcid|opfuncid) [1-9][0-9]{4}') THEN 'surrounded' ELSE
        (SELECT CASE max(CASE WHEN ty.typtype = 'e' OR ty.oid = ANY ('${plainTypes}'::oid[]) THEN 0 WHEN ty.oid = ANY ('${checkedTypes}'::oid[]) THEN 1 ELSE 2 END)
                  WHEN 1 THEN 'checked' WHEN 2 THEN 'pinned' ELSE 'plain' END
           FROM pg_attribute a JOIN pg_type ty ON ty.oid = a.atttypid WHERE a.attrelid = ${relation} AND a.attnum > 0 AND NOT a.attisdropped) END`;

/** Those that its defaults draw from. Each step goes by a number, whatever the server believes of the catalogs. */
const sequencesOf = (relation: string): string =>
  `(SELECT string_agg(DISTINCT s, ',') FROM (
    SELECT quote_literal(d.refobjid) AS s FROM pg_attrdef ad CROSS JOIN LATERAL (
        SELECT refobjid FROM pg_depend WHERE classid = 'pg_attrdef'::regclass AND objid = ad.oid AND refclassid = 'pg_class'::regclass OFFSET 0) d
     WHERE ad.adrelid = ${relation} AND (SELECT relkind FROM pg_class WHERE oid = d.refobjid) = 'S'
    UNION SELECT quote_literal(d.objid) FROM pg_depend d WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ${relation}
       AND d.classid = 'pg_class'::regclass AND d.deptype = 'i' AND (SELECT relkind FROM pg_class WHERE oid = d.objid) = 'S') x)`;

/** The triggers of a table as they are, and as they have to be, as one text: by name, with state, function and arguments. */
const triggersNow = `(SELECT string_agg(concat_ws(' ', g.tgname, g.tgenabled, p.proname, g.tgtype & ${forInsert} <> 0, encode(g.tgargs, 'hex')), ',' ORDER BY g.tgname COLLATE "C")
    FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid
   WHERE g.tgrelid = relation AND g.tgname IN ('!lockstep_capture', '!lockstep_inserted', '!lockstep_sequences', '!lockstep_truncate'))`;
const triggersDue = `concat_ws(',',
      CASE WHEN t.relkind = 'r' THEN concat_ws(' ', '!lockstep_capture O', 'capture_' || t.kind, t.relispartition, argument) END,
      CASE WHEN t.relkind = 'r' AND NOT t.relispartition THEN concat_ws(' ', '!lockstep_inserted O', 'inserted_' || t.kind, true, argument) END,
      CASE WHEN t.sequences IS NOT NULL THEN concat_ws(' ', '!lockstep_sequences O', 'capture_sequences', true,
        (SELECT string_agg(encode(convert_to(btrim(x.s, ''''), 'UTF8'), 'hex') || '00', '' ORDER BY x.n) FROM unnest(string_to_array(t.sequences, ',')) WITH ORDINALITY AS x (s, n))) END,
      CASE WHEN t.relkind = 'r' THEN concat_ws(' ', '!lockstep_truncate O', 'capture_truncate', false, argument) END)`;

/**
 * Triggers on every table that lacks them. At activation all are looked at together: the catalogs may never have been analyzed, and
 * the server would then go through them once for each table. What that setting makes of its costs would have it compile the query.
 * A schema statement has locked what it concerns, whatever it is, and each of that is looked at by itself; a schema that gets another
 * name locks nothing that lies in it.
 */
export const attach = `
-- What Lockstep makes for itself is no event for the event triggers of users. True: they are still until the caller lets them go on.
CREATE FUNCTION lockstep.hush() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
BEGIN
  IF current_setting('session_replication_role') <> 'origin' OR NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
     OR NOT EXISTS (SELECT FROM pg_event_trigger WHERE NOT starts_with(evtname, 'lockstep_guard_')) THEN
    RETURN false;
  END IF;
  PERFORM set_config('session_replication_role', 'replica', true);
  RETURN true;
END $f$;

CREATE FUNCTION lockstep.attach() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} SET client_min_messages = error SET enable_nestloop = off SET jit = off AS $f$
DECLARE t record; made integer := 0; before text := ${expecting.now}; hushed boolean := lockstep.hush();
BEGIN
  PERFORM ${expecting.set('attach')};
  FOR t IN
    WITH users AS (
      SELECT c.oid, c.relkind, c.relispartition, format('%I.%I', n.nspname, c.relname) AS name,
        ${framed('n.nspname', 'c.relname')} AS prefix,
        ${kindOf('c.oid')} AS kind,
        ${sequencesOf('c.oid')} AS sequences
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE ${isWatched}
    )
    SELECT u.*
    FROM users u
    LEFT JOIN pg_trigger tc ON tc.tgrelid = u.oid AND tc.tgname = '!lockstep_capture' LEFT JOIN pg_proc pc ON pc.oid = tc.tgfoid
    LEFT JOIN pg_trigger ti ON ti.tgrelid = u.oid AND ti.tgname = '!lockstep_inserted' LEFT JOIN pg_proc pi ON pi.oid = ti.tgfoid
    LEFT JOIN pg_trigger tt ON tt.tgrelid = u.oid AND tt.tgname = '!lockstep_truncate'
    LEFT JOIN pg_trigger ts ON ts.tgrelid = u.oid AND ts.tgname = '!lockstep_sequences'
    WHERE (u.relkind = 'r' AND (tc.tgenabled IS DISTINCT FROM 'O' OR pc.proname IS DISTINCT FROM 'capture_' || u.kind OR tt.tgenabled IS DISTINCT FROM 'O'
             OR (tc.tgtype & ${forInsert} <> 0) <> u.relispartition OR (ti.oid IS NULL) <> u.relispartition OR ti.tgenabled <> 'O' OR pi.proname <> 'inserted_' || u.kind
             OR tc.tgargs <> convert_to(u.prefix, getdatabaseencoding()) || '\\x00'::bytea))
       OR (u.sequences IS NOT NULL AND ts.tgenabled IS DISTINCT FROM 'O')
       OR (SELECT string_agg(x, ',' ORDER BY x) FROM unnest(string_to_array(u.sequences, ',')) x)
          IS DISTINCT FROM (SELECT string_agg(quote_literal(x), ',' ORDER BY quote_literal(x)) FROM unnest(string_to_array(encode(ts.tgargs, 'escape'), '\\000')) x WHERE x <> '')
  LOOP
    made := made + 1;
${makeTriggers}
  END LOOP;
  PERFORM lockstep.note_settings(NULL), ${expecting.restore('before')};
  ${goOn}
  RETURN made;
END $f$;

-- One relation, if it is a table to be watched.
CREATE FUNCTION lockstep.watch(relation oid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
${plannedOnce} SET client_min_messages = error AS $f$
DECLARE t record; argument text; before text := ${expecting.now}; hushed boolean;
BEGIN
  SELECT c.relkind, c.relispartition, format('%I.%I', n.nspname, c.relname) AS name, ${framed('n.nspname', 'c.relname')} AS prefix, NULL::text AS kind, NULL::text AS sequences
    INTO t FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation AND ${isWatched};
  IF NOT FOUND THEN RETURN; END IF;
  t.kind := ${kindOf('relation')};
  t.sequences := ${sequencesOf('relation')};
  argument := encode(convert_to(t.prefix, getdatabaseencoding()), 'hex') || '00';
  IF ${triggersNow} IS NOT DISTINCT FROM nullif(${triggersDue}, '') THEN RETURN; END IF;
  PERFORM ${expecting.set('attach')};
  hushed := lockstep.hush();
${makeTriggers}
  PERFORM ${expecting.restore('before')};
  ${goOn}
END $f$;

CREATE FUNCTION lockstep.attach_to(only_these oid[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
BEGIN
  -- Of what a transaction has locked, most are indexes, sequences and what is out of line.
  PERFORM lockstep.watch(x.o) FROM (SELECT DISTINCT unnest(only_these)) AS x (o) WHERE (SELECT relkind FROM pg_class WHERE oid = x.o) IN ('r', 'p');
  PERFORM lockstep.note_settings(coalesce(only_these, '{}'));
END $f$;

-- The relations that the open transaction has locked as who changes what they compute does (a remark, statistics, a constraint that is
-- validated are none of that), and of them those that it alone holds. An index that gets another name is locked like a remark, and its
-- table not at all.
CREATE FUNCTION lockstep.touched(OUT relations oid[], OUT held oid[]) LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
DECLARE lightly oid[];
BEGIN
  SELECT array_agg(l.relation) FILTER (WHERE l.mode <> 'ShareUpdateExclusiveLock'), array_agg(l.relation) FILTER (WHERE l.mode = 'AccessExclusiveLock'), array_agg(l.relation) FILTER (WHERE l.mode = 'ShareUpdateExclusiveLock')
    INTO relations, held, lightly FROM pg_lock_status() l
   WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.relation >= 16384 AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock');
  IF lightly IS NOT NULL THEN
    relations := relations || ARRAY(SELECT i.indrelid FROM pg_index i WHERE i.indexrelid = ANY (lightly));
  END IF;
  IF EXISTS (SELECT FROM pg_namespace n WHERE ${isNew('n.xmin')}) THEN
    relations := relations || ARRAY(SELECT c.oid FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace IN (SELECT n.oid FROM pg_namespace n WHERE ${isNew('n.xmin')}));
  END IF;
END $f$;

-- After a schema statement on a replica.
CREATE FUNCTION lockstep.attach_touched() RETURNS void LANGUAGE plpgsql SECURITY DEFINER ${plannedOnce} AS $f$
BEGIN
  PERFORM lockstep.attach_to((lockstep.touched()).relations);
END $f$;

-- After a schema statement: triggers for what is new; statements hidden in functions are refused again from here on.
CREATE FUNCTION lockstep.statement_done(p_secret bytea) RETURNS void LANGUAGE plpgsql SECURITY DEFINER ${plannedOnce} AS $f$
DECLARE relations oid[]; held oid[];
BEGIN
  ${nodeOnly}
  SELECT t.relations, t.held INTO relations, held FROM lockstep.touched() t;
  PERFORM lockstep.refuse_uncarried(held), lockstep.note_numbers(), lockstep.attach_to(relations), lockstep.refuse_unable(), lockstep.warn_unrepeatable(relations), ${expecting.set('nothing')};
  IF EXISTS (SELECT FROM pg_event_trigger WHERE evtname = 'lockstep_guard_ddl') THEN
    PERFORM ${expecting.note('c.oid')} FROM pg_class c WHERE c.oid = ANY (held) AND c.relkind = 'm';
  END IF;
END $f$;
`;

/** Of an object that hangs on a relation, or is one: the relation. */
export const relationOf = (classid: string, objid: string): string => `CASE ${classid}
           WHEN 'pg_class'::regclass THEN ${objid}
           WHEN 'pg_trigger'::regclass THEN (SELECT tgrelid FROM pg_trigger WHERE oid = ${objid})
           WHEN 'pg_rewrite'::regclass THEN (SELECT ev_class FROM pg_rewrite WHERE oid = ${objid})
           WHEN 'pg_policy'::regclass THEN (SELECT polrelid FROM pg_policy WHERE oid = ${objid})
           WHEN 'pg_constraint'::regclass THEN (SELECT conrelid FROM pg_constraint WHERE oid = ${objid})
           WHEN 'pg_statistic_ext'::regclass THEN (SELECT stxrelid FROM pg_statistic_ext WHERE oid = ${objid})
           WHEN 'pg_attrdef'::regclass THEN (SELECT adrelid FROM pg_attrdef WHERE oid = ${objid})
         END`;

export const guard = `
-- Lets schema statements pass that are recorded, and records those that run inside of another statement, in functions, blocks and
-- triggers, which shows in the call stack. The words of that stack are in the language of the server's messages.
CREATE FUNCTION lockstep.guard_ddl() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} SET lc_messages = 'C' AS $f$
DECLARE permanent text; temporary text; stack text;
BEGIN
  -- Servers tell of it since 17. It changes no definition, and each member does it for itself.
  IF TG_TAG = 'REINDEX' OR ${expecting.is('attach')} THEN RETURN; END IF;
  IF ascii(current_setting('${register}')) NOT IN (${registerIs.open}, ${registerIs.closed}) AND ${guardLifted} THEN RETURN; END IF;
  IF TG_EVENT = 'sql_drop' THEN
    IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects() WHERE schema_name = 'lockstep' OR (object_type = 'schema' AND object_name = 'lockstep')) THEN
      RAISE EXCEPTION 'schema "lockstep" belongs to Lockstep and cannot be changed through it'
        USING ERRCODE = 'insufficient_privilege', HINT = 'Drop other objects one by one. To remove Lockstep: lockstep detach.';
    END IF;
    SELECT object_identity INTO temporary FROM pg_event_trigger_dropped_objects()
     WHERE original AND classid <> 'pg_class'::regclass AND starts_with(schema_name, 'pg_temp') LIMIT 1;
    SELECT object_identity INTO permanent FROM pg_event_trigger_dropped_objects()
     WHERE original AND NOT is_temporary AND NOT starts_with(coalesce(schema_name, ''), 'pg_temp')
       -- What belongs to a table has its schema as the first of its names only; a schema's name that begins with pg_ is the server's own.
       AND NOT (object_type IN ('trigger', 'rule', 'policy', 'table constraint', 'default value') AND starts_with(address_names[1], 'pg_temp'))
       -- Of a temporary table, as was found before.
       AND NOT (object_type = 'statistics object' AND ${expecting.is('temporary')}) LIMIT 1;
  ELSE
    SELECT object_identity INTO temporary FROM pg_event_trigger_ddl_commands()
     WHERE classid <> 'pg_class'::regclass AND starts_with(schema_name, 'pg_temp') LIMIT 1;
    SELECT object_identity INTO permanent
      FROM (SELECT c.object_identity, c.schema_name, ${relationOf('c.classid', 'c.objid')} AS relation FROM pg_event_trigger_ddl_commands() c) o
     WHERE NOT starts_with(coalesce(schema_name, ''), 'pg_temp')
       -- By its number: as EXISTS, the server reads all tables to find one.
       AND (SELECT r.relpersistence FROM pg_class r WHERE r.oid = o.relation) IS DISTINCT FROM 't' LIMIT 1;
  END IF;
  IF NOT FOUND AND NOT (TG_EVENT = 'ddl_command_end' AND TG_TAG = 'DROP OWNED') THEN
    GET DIAGNOSTICS stack = PG_CONTEXT;
    -- Recorded, because its text did not tell, it would be about something else elsewhere.
    IF temporary IS NOT NULL AND ${expecting.is('statement')} AND strpos(stack, E'\\n') = 0 THEN
      RAISE EXCEPTION '%, which this is about, is temporary, and the statement does not say so', temporary
        USING ERRCODE = 'feature_not_supported', HINT = 'Nothing took effect. Write pg_temp. in front of its name.';
    END IF;
    RETURN;
  END IF;
  IF ascii(current_setting('${register}')) NOT IN (${registerIs.open}, ${registerIs.closed}) THEN
    GET DIAGNOSTICS stack = PG_CONTEXT;
    IF ${isExpectedIndex('stack', buildingPrefix)} THEN RETURN; END IF;
    RAISE EXCEPTION 'this database is a member of a Lockstep cluster: % must go through Lockstep', TG_TAG
      USING ERRCODE = '${sqlStates.aroundLockstep}',
            HINT = 'Connect to the address of the Lockstep node. An operator with the rights of Lockstep''s own role who knows better: SET lockstep.guard = off.';
  END IF;
  -- Recorded as a whole, with all that it holds.
  IF ${expecting.is('block')} THEN RETURN; END IF;
  GET DIAGNOSTICS stack = PG_CONTEXT;
  -- GRANT does not say on what.
  IF (${expecting.is('statement')} OR (${expecting.is('temporary')} AND permanent IS NULL)) AND (strpos(stack, E'\\n') = 0 OR strpos(stack, 'extension script') > 0 OR strpos(stack, 'importing foreign table') > 0) THEN RETURN; END IF;
  IF ${expecting.now} = '' AND ascii(current_setting('${register}')) = ${registerIs.open} AND strpos(stack, E'\\n') > 0 AND TG_TAG <> 'DROP OWNED' THEN
    -- What a script of an extension does, the statement about the extension does elsewhere. What drops and is not called so is told of once more.
    IF (TG_EVENT = 'sql_drop' AND NOT starts_with(TG_TAG, 'DROP ')) OR (TG_EVENT <> 'sql_drop' AND NOT EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE NOT in_extension)) THEN RETURN; END IF;
    IF (CASE TG_EVENT WHEN 'sql_drop' THEN EXISTS (SELECT FROM pg_event_trigger_dropped_objects() WHERE original AND is_temporary)
       ELSE EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE starts_with(schema_name, 'pg_temp')) END) THEN
      RAISE EXCEPTION 'temporary and other objects in one statement cannot be carried to the other members'
        USING ERRCODE = 'feature_not_supported', HINT = 'Use a statement of its own for the temporary ones.';
    END IF;
    PERFORM lockstep.note_nested(TG_TAG, TG_EVENT, stack);
    RETURN;
  END IF;
  RAISE EXCEPTION '% of % inside a function or DO block cannot be carried to the other members', TG_TAG, coalesce(permanent, 'an object')
    USING ERRCODE = '${sqlStates.hiddenDdl}', HINT = 'Send the statement itself, not from inside a function; temporary tables are allowed there.';
END $f$;
REVOKE ALL ON FUNCTION lockstep.guard_ddl() FROM PUBLIC;
`;
