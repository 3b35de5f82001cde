/**
 * The part of the control schema that stands in for event triggers where Lockstep is no superuser: after code that nobody has seen, the
 * transaction's own marks in the catalogs show whether it has changed the schema. What it does to temporary objects, and TRUNCATE, are no such thing.
 */

import { relationOf } from './control-attach.ts';
import { definerPath } from './pinned-settings.ts';
import { spilledMark } from './register.ts';
import { sqlStates } from './sql-states.ts';

const catalogs =
  '{pg_class,pg_proc,pg_type,pg_namespace,pg_attribute,pg_constraint,pg_trigger,pg_policy,pg_rewrite,pg_attrdef,pg_enum,pg_description,pg_default_acl}';

/** Written by this transaction, and not by a later one that has ended meanwhile: a subtransaction has a number of its own. */
const isMine = (xmin: string): string =>
  `(age(${xmin}) <= age(now) AND pg_xact_status((this + age(now) - age(${xmin}))::text::xid8) = 'in progress')`;

/** Objects that hang on a relation which is not temporary. */
const of = (catalog: string, relation: string, name: string): string =>
  `SELECT format('%s of %s', ${name}, r.oid::regclass) FROM pg_${catalog} x JOIN pg_class r ON r.oid = ${relation} WHERE ${isMine('x.xmin')} AND r.relpersistence <> 't' AND r.relnamespace <> control`;

const named = (catalog: string, prefix: string, what: string): string =>
  `SELECT format('${what} %s', x.oid::reg${what === 'function' ? 'procedure' : 'type'}) FROM pg_${catalog} x JOIN pg_namespace n ON n.oid = x.${prefix}namespace WHERE ${isMine('x.xmin')} AND n.oid <> control AND n.nspname !~ '^pg_(toast_)?temp_'`;

export const unseen = `
CREATE FUNCTION lockstep.refuse_unseen(c text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
DECLARE what text; emptied boolean; control oid := 'lockstep'::regnamespace;
  this bigint := pg_current_xact_id_if_assigned()::text::bigint; now xid := pg_current_xact_id_if_assigned()::xid;
BEGIN
  IF now IS NULL OR current_setting('track_counts') = 'on' AND NOT EXISTS (SELECT FROM unnest('${catalogs}'::regclass[]) o
      WHERE pg_stat_get_xact_tuples_inserted(o) + pg_stat_get_xact_tuples_updated(o) + pg_stat_get_xact_tuples_deleted(o) > 0) THEN
    RETURN;
  END IF;
  -- What statements have done that are recorded cannot be told from it.
  emptied := c ~ 'TRUNCATE';
  IF c ~ 'S\\d+,\\d+,\\d+,\\d+:' THEN RETURN; END IF;
  IF ${spilledMark.test('c')} THEN
    PERFORM lockstep.spill_table();
    IF EXISTS (SELECT FROM pg_temp.lockstep_spill WHERE chunk ~ 'S\\d+,\\d+,\\d+,\\d+:') THEN RETURN; END IF;
    emptied := emptied OR EXISTS (SELECT FROM pg_temp.lockstep_spill WHERE chunk ~ 'TRUNCATE');
  END IF;
  SELECT x.what INTO what FROM (
    SELECT x.oid::regclass::text FROM pg_class x WHERE ${isMine('x.xmin')} AND x.relpersistence <> 't' AND x.relnamespace <> control AND NOT (emptied AND x.relkind IN ('r', 'p', 'i', 'I', 'S', 't'))
    UNION ALL ${named('proc', 'pro', 'function')}
    UNION ALL ${named('type', 'typ', 'type')} AND x.typtype <> 'c' AND x.typelem = 0
    UNION ALL SELECT format('schema %I', x.nspname) FROM pg_namespace x WHERE ${isMine('x.xmin')} AND x.nspname !~ '^pg_(toast_)?temp_'
    UNION ALL ${of('attribute', 'x.attrelid', `'column ' || quote_ident(x.attname)`)} AND x.attnum > 0
    UNION ALL ${of('constraint', 'x.conrelid', `'constraint ' || quote_ident(x.conname)`)}
    UNION ALL SELECT format('constraint %I of %s', x.conname, x.contypid::regtype) FROM pg_constraint x WHERE x.contypid <> 0 AND ${isMine('x.xmin')}
    UNION ALL ${of('trigger', 'x.tgrelid', `'trigger ' || quote_ident(x.tgname)`)}
    UNION ALL ${of('policy', 'x.polrelid', `'policy ' || quote_ident(x.polname)`)}
    UNION ALL ${of('rewrite', 'x.ev_class', `'rule ' || quote_ident(x.rulename)`)}
    UNION ALL ${of('attrdef', 'x.adrelid', `'a default'`)}
    UNION ALL SELECT format('type %s', x.enumtypid::regtype) FROM pg_enum x WHERE ${isMine('x.xmin')}
    UNION ALL SELECT 'default privileges' FROM pg_default_acl x WHERE ${isMine('x.xmin')}
    UNION ALL SELECT 'a comment' FROM pg_description x WHERE ${isMine('x.xmin')} AND (SELECT r.relpersistence FROM pg_class r WHERE r.oid = ${relationOf('x.classoid', 'x.objoid')}) IS DISTINCT FROM 't'
    -- What has been dropped is locked still. It may have been temporary where the session has such objects.
    UNION ALL SELECT 'something that is dropped' FROM pg_lock_status() l WHERE l.pid = pg_backend_pid() AND l.mode = 'AccessExclusiveLock' AND pg_my_temp_schema() = 0
      AND CASE WHEN l.locktype = 'relation' THEN l.relation >= 16384 AND NOT EXISTS (SELECT FROM pg_class WHERE oid = l.relation)
               WHEN l.locktype <> 'object' THEN false
               WHEN l.classid = 'pg_proc'::regclass THEN NOT EXISTS (SELECT FROM pg_proc WHERE oid = l.objid)
               WHEN l.classid = 'pg_type'::regclass THEN NOT EXISTS (SELECT FROM pg_type WHERE oid = l.objid)
               WHEN l.classid = 'pg_namespace'::regclass THEN NOT EXISTS (SELECT FROM pg_namespace WHERE oid = l.objid)
               ELSE false END) x (what) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'a schema statement inside a function or DO block cannot be carried to the other members: %', what USING ERRCODE = '${sqlStates.hiddenDdl}',
      HINT = 'Nothing took effect. Send the statement by itself, or let an operator give the role of Lockstep SUPERUSER.';
  END IF;
END $f$;
`;
