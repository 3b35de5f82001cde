/**
 * The part of the control schema that carries schema statements which run inside functions, blocks and triggers. See DESIGN.md,
 * "Schema statements inside of others", for what makes it sound.
 *
 *   note_caller     event trigger, as the client: role and search path
 *   guard_ddl       event trigger behind it (control-attach.ts): takes the call stack, in which the text stands, and what was made
 *   unjudged        the node takes the stacks, cuts the texts out and judges them
 *   admit           and says how long each text is: now it is part of the record
 *   demand_effect   on a replica, behind the statement: it has made what it made on the primary
 */

import { options, rightsText } from './catalog-sql.ts';
import { settingsNamed, settingsRead } from './control-capture.ts';
import { nodeOnly } from './control-commit.ts';
import { relationOf } from './control-attach.ts';
import { context } from './control-statements.ts';
import { definerPath, pinnedClauses } from './pinned-settings.ts';
import { expecting, register, registerIs, rewritten, spilledMark } from './register.ts';
import { sqlStates } from './sql-states.ts';

/** What stands in the call stack around a statement that PL/pgSQL carries out. */
export const stackOf = { before: 'SQL statement "', after: '"\nPL/pgSQL function ' } as const;

const before = `'${stackOf.before}'`;
const after = `E'${stackOf.after.replace('\n', '\\n')}'`;

const roleOf = 'lockstep.caller_role';
const pathOf = 'lockstep.caller_path';

const unclear = (
  what: string,
): string => `RAISE EXCEPTION '% inside a function cannot be carried to the other members: ${what}', tag
        USING ERRCODE = '${sqlStates.hiddenDdl}', HINT = 'Nothing took effect. Send the statement by itself, or let a function in PL/pgSQL carry it out.'`;

/** Of tables that hold a value for rows which were there before the column: those that it was computed for. */
const filled = `SELECT a.attrelid FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = ANY (held) AND a.atthasmissing AND NOT a.attisdropped AND age(a.xmin) <= age(pg_current_xact_id()::xid) AND coalesce(d.adbin::text !~ '^\\{CONST ', true)`;

/** Rows in the order of their text, so that no order of making shows. */
const listed = (text: string, from: string): string =>
  `(SELECT string_agg(x.t, E'\\n' ORDER BY x.t COLLATE "C") FROM (SELECT ${text} ${from}) x (t))`;

const relation = `SELECT concat_ws(E'\\n', concat_ws(' ', c.relkind, c.relpersistence, c.relispartition, c.relrowsecurity, c.relforcerowsecurity, c.relreplident, pg_get_userbyid(c.relowner), ${options('c.reloptions')},
        (SELECT m.amname FROM pg_am m WHERE m.oid = c.relam), pg_get_expr(c.relpartbound, c.oid), CASE c.relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END,
        CASE WHEN c.relkind IN ('i', 'I') THEN pg_get_indexdef(c.oid) WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END),
      (SELECT string_agg(i.inhparent::regclass::text, ' ' ORDER BY i.inhseqno) FROM pg_inherits i WHERE i.inhrelid = c.oid),
      ${rightsText(`coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END, c.relowner))`)},
      (SELECT string_agg(concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attstorage, a.attcollation::regcollation, pg_get_expr(d.adbin, d.adrelid),
          CASE WHEN a.attacl IS NOT NULL THEN ${rightsText('a.attacl')} END), E'\\n' ORDER BY a.attnum)
        FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind NOT IN ('i', 'I')),
      ${listed(`concat(quote_ident(k.conname), ' ', pg_get_constraintdef(k.oid))`, `FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype <> 't'`)},
      ${listed('pg_get_indexdef(i.indexrelid)', 'FROM pg_index i WHERE i.indrelid = c.oid')},
      ${listed(`concat(pg_get_triggerdef(g.oid), ' ', g.tgenabled)`, `FROM pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND NOT starts_with(g.tgname, '!lockstep')`)},
      ${listed(`concat(pg_get_ruledef(r.oid), ' ', r.ev_enabled)`, `FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN'`)},
      ${listed(`concat_ws(' ', quote_ident(p.polname), p.polcmd, p.polpermissive, ARRAY(SELECT pg_get_userbyid(o) FROM unnest(p.polroles) o ORDER BY 1), pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))`, 'FROM pg_policy p WHERE p.polrelid = c.oid')},
      (SELECT concat_ws(' ', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle) FROM pg_sequence s WHERE s.seqrelid = c.oid))
    FROM pg_class c`;

const type = `SELECT concat_ws(E'\\n', concat_ws(' ', t.typtype, pg_get_userbyid(t.typowner), t.typnotnull, t.typdefault, format_type(nullif(t.typbasetype, 0), t.typtypmod), nullif(t.typcollation, 0)::regcollation),
      CASE WHEN t.typacl IS NOT NULL THEN ${rightsText('t.typacl')} END,
      (SELECT string_agg(quote_literal(e.enumlabel), ' ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid),
      (SELECT concat_ws(' ', r.rngsubtype::regtype, nullif(r.rngcanonical::oid, 0)::regproc, nullif(r.rngsubdiff::oid, 0)::regproc) FROM pg_range r WHERE r.rngtypid = t.oid),
      ${listed(`concat(quote_ident(k.conname), ' ', pg_get_constraintdef(k.oid))`, 'FROM pg_constraint k WHERE k.contypid = t.oid')},
      CASE WHEN t.typrelid <> 0 THEN lockstep.described('pg_class'::regclass, t.typrelid) END)
    FROM pg_type t`;

const said = `(SELECT string_agg(d.objsubid || ' ' || d.description, E'\\n' ORDER BY d.objsubid) FROM pg_description d WHERE d.classoid = p_class AND d.objoid = p_object)`;

export const nested = `
-- What a statement has made or altered, as text that is the same on every member: names instead of numbers.
CREATE FUNCTION lockstep.described(p_class oid, p_object oid) RETURNS text LANGUAGE plpgsql ${pinnedClauses} SET quote_all_identifiers = off AS $f$
DECLARE relation oid := ${relationOf('p_class', 'p_object')};
BEGIN
  RETURN concat_ws(E'\\n', ${said}, CASE
    WHEN relation IS NOT NULL THEN (${relation} WHERE c.oid = relation)
    WHEN p_class = 'pg_type'::regclass THEN (${type} WHERE t.oid = p_object)
    WHEN p_class = 'pg_proc'::regclass THEN (SELECT concat_ws(' ', CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END, pg_get_userbyid(p.proowner), ${rightsText(`coalesce(p.proacl, acldefault('f', p.proowner))`)}) FROM pg_proc p WHERE p.oid = p_object)
    WHEN p_class = 'pg_namespace'::regclass THEN (SELECT concat_ws(' ', pg_get_userbyid(n.nspowner), ${rightsText(`coalesce(n.nspacl, acldefault('n', n.nspowner))`)}) FROM pg_namespace n WHERE n.oid = p_object)
    WHEN p_class = 'pg_extension'::regclass THEN (SELECT concat_ws(' ', e.extversion, e.extnamespace::regnamespace) FROM pg_extension e WHERE e.oid = p_object)
  END);
END $f$;

-- Behind a statement on a replica. Between major versions definitions are worded differently, and only what there is can be compared.
CREATE FUNCTION lockstep.demand_effect(p_effect json) RETURNS void LANGUAGE plpgsql SET search_path = ${definerPath} AS $f$
DECLARE thing json; found record; same boolean;
BEGIN
  FOR thing IN SELECT * FROM json_array_elements(p_effect->'made') LOOP
    BEGIN
      SELECT a.classid, a.objid INTO found FROM pg_get_object_address(thing->>0, ARRAY(SELECT json_array_elements_text(thing->1)), ARRAY(SELECT json_array_elements_text(thing->2))) a;
      same := (p_effect->>'major')::int <> current_setting('server_version_num')::int / 10000
        OR encode(sha256(convert_to(lockstep.described(found.classid, found.objid), 'UTF8')), 'hex') = thing->>3;
    EXCEPTION WHEN undefined_object OR undefined_table OR undefined_column OR undefined_function OR invalid_schema_name THEN
      same := false;
    END;
    IF same IS NOT TRUE THEN
      RAISE EXCEPTION 'a schema statement inside a function has done something else here: % % is not as it is on the primary', thing->>0, thing->1 USING ERRCODE = '${sqlStates.diverged}';
    END IF;
  END LOOP;
  FOR thing IN SELECT * FROM json_array_elements(p_effect->'gone') LOOP
    BEGIN
      PERFORM pg_get_object_address(thing->>0, ARRAY(SELECT json_array_elements_text(thing->1)), ARRAY(SELECT json_array_elements_text(thing->2)));
      same := false;
    EXCEPTION WHEN undefined_object OR undefined_table OR undefined_column OR undefined_function OR invalid_schema_name THEN
      same := true;
    END;
    IF NOT same THEN
      RAISE EXCEPTION 'a schema statement inside a function has done something else here: % % is still there', thing->>0, thing->1 USING ERRCODE = '${sqlStates.diverged}';
    END IF;
  END LOOP;
END $f$;

-- In a chunk of its own, so that the node finds it among however many changes.
CREATE FUNCTION lockstep.append_alone(piece text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
BEGIN
  IF current_setting('${register}') !~ '^\\+(\\*\\d+;)?$' THEN PERFORM lockstep.spill(); END IF;
  PERFORM lockstep.append(piece), lockstep.spill();
END $f$;

-- Called by guard_ddl, in which alone the server tells what a statement has made. Nobody else may call it.
CREATE FUNCTION lockstep.note_nested(tag text, event text, stack text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
DECLARE
  role_name text := current_setting('${roleOf}', true); path text := current_setting('${pathOf}', true);
  rest text := substr(stack, strpos(stack, E'\\n') + 1);
  settings jsonb := ${context}::jsonb || ${settingsRead};
  made jsonb; gone jsonb; relation oid; bodies text[]; names text; tables oid[]; relations oid[]; held oid[]; piece text;
BEGIN
  LOCK TABLE lockstep.schema_fence IN SHARE ROW EXCLUSIVE MODE;
  IF event = 'sql_drop' THEN
    -- The server does not tell what a script drops from what comes behind it in the same text.
    IF rest ~* '^SQL statement "\\s*(create|alter)\\s+extension\\M' THEN ${unclear('its script drops something')}; END IF;
    SELECT jsonb_agg(jsonb_build_array(d.object_type, d.address_names, d.address_args)) INTO gone FROM pg_event_trigger_dropped_objects() d WHERE d.original;
  ELSIF tag IN ('CREATE TABLE AS', 'SELECT INTO') THEN
    SELECT objid INTO relation FROM pg_event_trigger_ddl_commands() WHERE classid = 'pg_class'::regclass;
    PERFORM lockstep.append_statement(role_name, path, settings::text, lockstep.structure_of(relation)), lockstep.record_rows(relation);
  ELSE
    SELECT jsonb_agg(jsonb_build_array(a.type, a.object_names, a.object_args, encode(sha256(convert_to(lockstep.described(c.classid, c.objid), 'UTF8')), 'hex'))) INTO made
      FROM (SELECT DISTINCT classid, objid, objsubid FROM pg_event_trigger_ddl_commands() WHERE objid IS NOT NULL) c,
        LATERAL pg_identify_object_as_address(c.classid, c.objid, c.objsubid) a;
  END IF;
  IF relation IS NULL THEN
    names := substring(rest from '^SQL function "([^"\\n]*)" statement \\d+(?:\\n|$)');
    IF names IS NOT NULL THEN
      -- The text does not stand there. By its name a function can be told only where no other has it, or one that goes on as the stack does.
      bodies := ARRAY(SELECT p.prosrc FROM pg_proc p WHERE p.proname = names OR starts_with(p.proname, names || '" statement '));
      IF cardinality(bodies) <> 1 THEN ${unclear('there are several functions of that name')}; END IF;
      rest := ${before} || bodies[1] || ${after};
    END IF;
    IF NOT starts_with(rest, ${before}) OR strpos(rest, ${after}) = 0 THEN ${unclear('its text is not known')}; END IF;
    piece := jsonb_build_object('role', role_name, 'path', path, 'settings', settings || ${settingsNamed('rest')}, 'stack', rest,
      'effect', jsonb_build_object('major', current_setting('server_version_num')::int / 10000, 'made', coalesce(made, '[]'), 'gone', coalesce(gone, '[]')))::text;
    PERFORM lockstep.append_alone('Y' || octet_length(piece) || ':' || piece);
    IF NOT ${expecting.isNoted(`'nested'`)} THEN PERFORM ${expecting.note(`'nested'`)}; END IF;
  END IF;
  SELECT t.relations, t.held INTO relations, held FROM lockstep.touched() t;
  IF tag IN ('CREATE EXTENSION', 'ALTER EXTENSION') THEN
    PERFORM lockstep.record_extension_rows_of(c.objid) FROM pg_event_trigger_ddl_commands() c WHERE c.classid = 'pg_extension'::regclass;
  ELSIF tag = 'ALTER TABLE' THEN
    tables := ARRAY(SELECT DISTINCT x.o FROM (${rewritten.query} UNION ALL ${filled}) x (o));
    PERFORM lockstep.record_rows(o) FROM unnest(tables) o WHERE NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = o AND i.inhparent = ANY (tables));
    PERFORM ${rewritten.forget};
  END IF;
  PERFORM lockstep.refuse_uncarried(held), lockstep.note_numbers(), lockstep.attach_to(relations), lockstep.refuse_unable(), lockstep.warn_unrepeatable(relations);
  PERFORM ${expecting.note('c.oid')} FROM pg_class c WHERE c.oid = ANY (held) AND c.relkind = 'm' AND NOT ${expecting.isNoted('c.oid')};
  -- INFO passes whatever the client has set. One that somebody else says makes the node look, and find nothing.
  RAISE INFO USING MESSAGE = 'schema changed', ERRCODE = '${sqlStates.schemaChanged}';
END $f$;

-- Statements that are not judged yet: number, standard_conforming_strings, length of the stack, stack.
CREATE FUNCTION lockstep.unjudged() RETURNS bytea LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
BEGIN
  IF NOT ${spilledMark.test('lockstep.collected()')} THEN RETURN NULL; END IF;
  PERFORM lockstep.spill_table();
  RETURN (SELECT convert_to(string_agg(format('%s,%s,%s:%s', s.seq, CASE s.piece->'settings'->>'standard_conforming_strings' WHEN 'off' THEN 0 ELSE 1 END, octet_length(s.piece->>'stack'), s.piece->>'stack'), '' ORDER BY s.seq), getdatabaseencoding())
    FROM (SELECT seq, substr(chunk, strpos(chunk, ':') + 1)::jsonb AS piece FROM pg_temp.lockstep_spill WHERE starts_with(chunk, 'Y')) s);
END $f$;

-- They are carried; so many bytes of each stack are the text. p_seqs, p_lengths: of all that were judged.
CREATE FUNCTION lockstep.admit_nested(p_secret bytea, p_seqs bigint[], p_lengths integer[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
DECLARE one record; stack bytea; statement text; encoding name := getdatabaseencoding();
BEGIN
  ${nodeOnly}
  PERFORM lockstep.spill_table();
  FOR one IN SELECT s.seq, j.length, substr(s.chunk, strpos(s.chunk, ':') + 1)::jsonb AS piece
      FROM unnest(p_seqs, p_lengths) AS j (seq, length) JOIN pg_temp.lockstep_spill s ON s.seq = j.seq AND starts_with(s.chunk, 'Y') LOOP
    stack := convert_to(one.piece->>'stack', encoding);
    statement := convert_from(substr(stack, ${stackOf.before.length + 1}, one.length), encoding);
    IF substr(stack, ${stackOf.before.length + 1} + one.length, ${stackOf.after.length}) <> ${after}::bytea THEN PERFORM lockstep.refuse_record(); END IF;
    UPDATE pg_temp.lockstep_spill SET chunk = concat('X', octet_length(one.piece->>'effect'), ':', one.piece->>'effect',
      lockstep.statement_piece(one.piece->>'role', one.piece->>'path', one.piece->>'settings', statement)) WHERE seq = one.seq;
  END LOOP;
END $f$;

-- Before a record is handed out.
CREATE FUNCTION lockstep.refuse_unjudged() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
BEGIN
  IF NOT ${expecting.isNoted(`'nested'`)} THEN RETURN; END IF;
  PERFORM lockstep.spill_table();
  IF EXISTS (SELECT FROM pg_temp.lockstep_spill WHERE starts_with(chunk, 'Y')) THEN
    RAISE EXCEPTION 'schema statements that COMMIT itself runs cannot be carried to the other members'
      USING ERRCODE = '${sqlStates.hiddenDdl}', HINT = 'Nothing took effect. Let the trigger that makes them run before COMMIT: SET CONSTRAINTS ALL IMMEDIATE.';
  END IF;
END $f$;
`;

export const nestedFunctions = `
-- In front of guard_ddl, by its name: as whom and with which search path the statement runs only he himself can tell. Nothing of the
-- client's runs between the two. Calls nothing that a name of his could stand for.
CREATE FUNCTION lockstep.note_caller() RETURNS event_trigger LANGUAGE plpgsql AS $f$
BEGIN
  PERFORM pg_catalog.set_config('${roleOf}', current_user::pg_catalog.text, true), pg_catalog.set_config('${pathOf}', pg_catalog.current_setting('search_path'), true);
END $f$;
REVOKE ALL ON FUNCTION lockstep.note_caller() FROM PUBLIC;

-- Schema statements run one at a time, so this one waits before it locks anything: some lock nothing that others would touch, and others
-- something that the one under way waits for. What may be temporary, or do nothing, waits when it turns out to be neither.
CREATE FUNCTION lockstep.guard_start() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} SET lc_messages = 'C' AS $f$
DECLARE stack text;
BEGIN
  IF ascii(current_setting('${register}')) <> ${registerIs.open} OR ${expecting.now} <> '' THEN RETURN; END IF;
  GET DIAGNOSTICS stack = PG_CONTEXT;
  IF strpos(stack, E'\\n') = 0 THEN RETURN; END IF;
  IF TG_TAG NOT IN ('GRANT', 'REVOKE', 'ALTER DEFAULT PRIVILEGES') THEN
    IF stack ~* E'^[^\\n]*\\nSQL statement "\\\\s*create\\\\s+((local|global)\\\\s+)?temp' OR stack ~* E'^[^\\n]*\\n.{0,200}\\\\mif\\\\s+(not\\\\s+)?exists\\\\M'
       OR EXISTS (SELECT FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relname <> 'lockstep_spill') THEN
      RETURN;
    END IF;
  END IF;
  LOCK TABLE lockstep.schema_fence IN SHARE ROW EXCLUSIVE MODE;
END $f$;
REVOKE ALL ON FUNCTION lockstep.guard_start() FROM PUBLIC;

-- Notes a table whose rows an ALTER TABLE computes.
CREATE FUNCTION lockstep.guard_rewrite() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
BEGIN
  IF ${expecting.now} = '' AND pg_event_trigger_table_rewrite_reason() & 6 <> 0 THEN
    PERFORM ${rewritten.note('pg_event_trigger_table_rewrite_oid()')};
  END IF;
END $f$;
REVOKE ALL ON FUNCTION lockstep.guard_rewrite() FROM PUBLIC;
`;

/** Last of all: from here on they see what is made. By their names they come one behind the other. */
export const eventTriggers = `
CREATE EVENT TRIGGER lockstep_guard_caller ON ddl_command_end EXECUTE FUNCTION lockstep.note_caller();
CREATE EVENT TRIGGER lockstep_guard_caller_drop ON sql_drop EXECUTE FUNCTION lockstep.note_caller();
CREATE EVENT TRIGGER lockstep_guard_start ON ddl_command_start EXECUTE FUNCTION lockstep.guard_start();
CREATE EVENT TRIGGER lockstep_guard_rewrite ON table_rewrite EXECUTE FUNCTION lockstep.guard_rewrite();
CREATE EVENT TRIGGER lockstep_guard_ddl ON ddl_command_end EXECUTE FUNCTION lockstep.guard_ddl();
CREATE EVENT TRIGGER lockstep_guard_drop ON sql_drop EXECUTE FUNCTION lockstep.guard_ddl();
`;
