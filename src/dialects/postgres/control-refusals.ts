/**
 * The part of the control schema that refuses, while nothing has taken effect, what no other member could make: what hangs on temporary
 * objects, which are here only, and columns of types whose text nobody can read back.
 */

import { definerPath } from './pinned-settings.ts';

/** Types without an input function; and those whose text is a name that means several things. With arrays of them. */
const unreadable =
  'pg_node_tree,pg_ndistinct,pg_dependencies,pg_mcv_list,pg_brin_bloom_summary,pg_brin_minmax_multi_summary,gtsvector,regproc,regoper';

export const refusals = `
-- With the search path of its caller. What is not there the server itself says.
CREATE FUNCTION lockstep.demand_temporary(p_secret bytea, p_targets text[], p_tag text) RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.unnest(p_targets) AS named (name)
      JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(named.name)::pg_catalog.oid
     WHERE c.relpersistence OPERATOR(pg_catalog.<>) 't') THEN
    RAISE EXCEPTION '% CONCURRENTLY cannot run inside a transaction block', p_tag USING ERRCODE = 'active_sql_transaction';
  END IF;
END $f$;

-- On a replica, around a schema statement: which tables of users the transaction has written to by now, and how many rows.
CREATE FUNCTION lockstep.written_now() RETURNS text LANGUAGE plpgsql SET search_path = ${definerPath} AS $f$
BEGIN
  IF current_setting('track_counts') = 'off' AND (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    PERFORM set_config('track_counts', 'on', true);
  END IF;
  RETURN (SELECT coalesce(string_agg(concat_ws(' ', c.oid, pg_stat_get_xact_tuples_inserted(c.oid), pg_stat_get_xact_tuples_updated(c.oid), pg_stat_get_xact_tuples_deleted(c.oid)), ',' ORDER BY c.oid), '')
    FROM pg_class c
   WHERE c.oid IN (SELECT l.relation FROM pg_lock_status() l WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.relation >= 16384)
     AND c.relkind = 'r' AND c.relpersistence <> 't' AND c.relnamespace <> 'lockstep'::regnamespace);
END $f$;

-- Code that a statement runs (a default, USING, a CHECK) has written rows here. They have come from the primary, too.
CREATE FUNCTION lockstep.demand_unwritten(p_before text) RETURNS void LANGUAGE plpgsql SET search_path = ${definerPath} AS $f$
DECLARE written text := lockstep.written_now(); what text;
BEGIN
  IF written = p_before THEN RETURN; END IF;
  SELECT split_part(x, ' ', 1)::oid::regclass::text INTO what FROM unnest(string_to_array(written, ',')) x WHERE x <> ALL (string_to_array(p_before, ',')) AND x NOT LIKE '% 0 0 0' LIMIT 1;
  IF what IS NULL THEN RETURN; END IF;
  RAISE EXCEPTION 'code that a schema statement runs writes rows of %, which cannot be told from its own on the other members', what
    USING ERRCODE = 'feature_not_supported', HINT = 'Nothing took effect. Write these rows by a statement of their own.';
END $f$;

-- held: the relations that the statement has locked for itself alone: what it has made or altered.
CREATE FUNCTION lockstep.refuse_uncarried(held oid[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
DECLARE what text; temporary oid := pg_my_temp_schema();
BEGIN
  IF temporary <> 0 THEN
    SELECT pg_describe_object(d.classid, d.objid, 0) INTO what
      FROM (SELECT 'pg_class'::regclass AS class, oid FROM pg_class WHERE relnamespace = temporary
            UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type WHERE typnamespace = temporary) here
      JOIN pg_depend d ON d.refclassid = here.class AND d.refobjid = here.oid
      LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
      LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
      LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
     WHERE coalesce(p.pronamespace, t.typnamespace, c.relnamespace) <> temporary
       AND (c.oid IS NULL OR c.relkind NOT IN ('t', 'i')) LIMIT 1;
    IF FOUND THEN
      RAISE EXCEPTION '% depends on a temporary object, which the other members do not have', what
        USING ERRCODE = 'feature_not_supported', HINT = 'Nothing took effect. Make it temporary as well (CREATE FUNCTION pg_temp. ...), or let it depend on a permanent one.';
    END IF;
  END IF;
  IF held IS NULL THEN RETURN; END IF;
  SELECT c.oid::regclass::text INTO what FROM pg_class c
   WHERE c.oid = ANY (held) AND c.relkind IN ('r', 'p') AND c.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'table % lies among the tables of the server, whose rows are not carried to the other members', what
      USING ERRCODE = 'feature_not_supported', HINT = 'Nothing took effect. Leave it in a schema of its own.';
  END IF;
  SELECT format('column %s of table %s has the type %s', a.attname, a.attrelid::regclass, format_type(a.atttypid, a.atttypmod)) INTO what
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
   WHERE c.oid = ANY (held) AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND a.attnum > 0 AND NOT a.attisdropped
     AND (t.typname = ANY ('{${unreadable}}') AND t.typnamespace = 'pg_catalog'::regnamespace
       OR EXISTS (SELECT FROM pg_type e WHERE e.oid = t.typelem AND e.typname = ANY ('{${unreadable}}') AND e.typnamespace = 'pg_catalog'::regnamespace)) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION '%, whose values cannot be carried to the other members', what
      USING ERRCODE = 'feature_not_supported', HINT = 'Nothing took effect. Give the column another type, as text or regprocedure.';
  END IF;
END $f$;
`;
