/**
 * The part of the control schema that stores rows as they were: definitions that must not be evaluated are set aside, and what
 * must be runs in a box. See DESIGN.md, "Rows as they were".
 */

import { sqlStates } from './sql-states.ts';

const unexpected = (what: string): string =>
  `RAISE EXCEPTION 'the definitions of % are not as they were left: ${what}', p_saved USING ERRCODE = 'object_in_use'`;

/** Its one row lies among the first pages, which are those that the index is made to look at. */
const box = `CREATE TABLE lockstep.box (n integer NOT NULL);
INSERT INTO lockstep.box VALUES (1);
CREATE INDEX box_work ON lockstep.box USING brin (lockstep.boxed(n));`;

export const aside = `
-- CHECKs, those of domains, generated columns and casts of tables are set aside in the catalog, inside of this transaction: nobody else
-- sees it, and a rollback or a crash undoes it. Returns what put_back needs. unbound: partitions are tables of their own meanwhile.
CREATE FUNCTION lockstep.set_aside(p_relations oid[], p_domains oid[], p_unbound boolean) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
DECLARE relation regclass; saved jsonb;
BEGIN
  -- An autovacuum gives way after that time.
  PERFORM set_config('deadlock_timeout', '20ms', true);
  FOREACH relation IN ARRAY p_relations::regclass[] LOOP
    EXECUTE format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', relation);
  END LOOP;
  SELECT jsonb_build_object(
    'classes', (SELECT jsonb_agg(jsonb_build_array(oid::text, relchecks, relispartition)) FROM pg_class WHERE oid = ANY (p_relations)),
    'columns', (SELECT jsonb_agg(jsonb_build_array(attrelid::text, attnum)) FROM pg_attribute WHERE attrelid = ANY (p_relations) AND attgenerated = 's' AND NOT attisdropped),
    'constraints', (SELECT jsonb_agg(oid::text) FROM pg_constraint WHERE contype = 'c' AND (conrelid = ANY (p_relations) OR contypid = ANY (p_domains))),
    'casts', (SELECT jsonb_agg(k.oid::text) FROM pg_cast k JOIN pg_type t ON t.oid = k.casttarget WHERE t.typrelid = ANY (p_relations) AND k.castsource = 'text'::regtype))
    INTO saved;
  UPDATE pg_class SET relchecks = 0, relispartition = relispartition AND NOT p_unbound
   WHERE oid = ANY (p_relations) AND (relchecks <> 0 OR (relispartition AND p_unbound));
  UPDATE pg_constraint SET contype = 'z' WHERE oid IN (SELECT v::oid FROM jsonb_array_elements_text(nullif(saved->'constraints', 'null')) v);
  UPDATE pg_attribute SET attgenerated = '' WHERE attrelid = ANY (p_relations) AND attgenerated = 's' AND NOT attisdropped;
  UPDATE pg_cast SET castsource = 0 WHERE oid IN (SELECT v::oid FROM jsonb_array_elements_text(nullif(saved->'casts', 'null')) v);
  RETURN saved;
END $f$;

CREATE FUNCTION lockstep.put_back(p_saved jsonb) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
DECLARE n bigint;
BEGIN
  UPDATE pg_cast SET castsource = 'text'::regtype WHERE oid IN (SELECT v::oid FROM jsonb_array_elements_text(nullif(p_saved->'casts', 'null')) v) AND castsource = 0;
  UPDATE pg_attribute a SET attgenerated = 's' FROM jsonb_array_elements(nullif(p_saved->'columns', 'null')) v
   WHERE a.attrelid = (v->>0)::oid AND a.attnum = (v->>1)::int2 AND a.attgenerated = '' AND NOT a.attisdropped;
  GET DIAGNOSTICS n = ROW_COUNT;
  IF n <> coalesce(jsonb_array_length(nullif(p_saved->'columns', 'null')), 0) THEN ${unexpected('columns')}; END IF;
  UPDATE pg_constraint SET contype = 'c' WHERE oid IN (SELECT v::oid FROM jsonb_array_elements_text(nullif(p_saved->'constraints', 'null')) v) AND contype = 'z';
  GET DIAGNOSTICS n = ROW_COUNT;
  IF n <> coalesce(jsonb_array_length(nullif(p_saved->'constraints', 'null')), 0) THEN ${unexpected('constraints')}; END IF;
  UPDATE pg_class c SET relchecks = (v->>1)::int2, relispartition = (v->>2)::boolean FROM jsonb_array_elements(nullif(p_saved->'classes', 'null')) v
   WHERE c.oid = (v->>0)::oid AND (c.relchecks, c.relispartition) IS DISTINCT FROM ((v->>1)::int2, (v->>2)::boolean);
END $f$;

-- The box: an index over an expression is computed by the server with the rights of the table's owner, and nothing that runs there can
-- come back to others: no SET ROLE, no cursor that outlives it, no deferred trigger, no prepared statement, no temporary table, no
-- setting that stays. The box belongs to whoever is to work in it, and to Lockstep again before anybody sees that.
CREATE FUNCTION lockstep.adopt(settings json) RETURNS void LANGUAGE plpgsql AS $f$
DECLARE s record;
BEGIN
  FOR s IN SELECT * FROM pg_catalog.json_each_text(settings) LOOP
    BEGIN
      PERFORM pg_catalog.set_config(s.key, s.value, true);
    EXCEPTION WHEN OTHERS THEN
      -- One that this server does not have, or that this role may not set.
    END;
  END LOOP;
END $f$;

CREATE FUNCTION lockstep.boxed_work() RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
  work text := pg_catalog.current_setting('lockstep.work');
  first text := pg_catalog.current_setting('lockstep.first');
  second text := pg_catalog.current_setting('lockstep.second');
  rows bigint := NULLIF(pg_catalog.current_setting('lockstep.rows'), '');
  n bigint;
BEGIN
  -- Whoever owns the database could have these settings wait for a superuser.
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) CURRENT_USER AND rolsuper) THEN
    RAISE EXCEPTION 'nothing of a superuser''s runs in the box' USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM lockstep.adopt(pg_catalog.current_setting('lockstep.surroundings')::pg_catalog.json);
  IF first OPERATOR(pg_catalog.=) '' THEN EXECUTE work;
  ELSE EXECUTE work USING first::pg_catalog.text[], NULLIF(second, '')::pg_catalog.text[];
  END IF;
  GET DIAGNOSTICS n = ROW_COUNT;
  IF n OPERATOR(pg_catalog.<>) rows THEN
    RAISE EXCEPTION 'this member has diverged: % rows were to change, % did', rows, n USING ERRCODE = '${sqlStates.diverged}';
  END IF;
END $f$;

CREATE FUNCTION lockstep.boxed(n integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $f$
BEGIN
  IF pg_catalog.current_setting('lockstep.box', true) OPERATOR(pg_catalog.=) 'go' THEN
    PERFORM pg_catalog.set_config('lockstep.box', '', true);
    PERFORM lockstep.boxed_work();
  END IF;
  RETURN 1;
END $f$;
${box}

-- What this transaction has written: rows of other tables than these, how many other relations are locked for a change, and rows of
-- these inserted, updated, deleted. NULL where code that runs while the transaction is read-only cannot make it anything else: before
-- 16, RESET can.
CREATE FUNCTION lockstep.written(p_relations oid[]) RETURNS bigint[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  RETURN CASE WHEN current_setting('server_version_num')::int < 160000 THEN (
    WITH held AS (SELECT DISTINCT l.relation AS oid, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
        WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid() AND l.mode <> 'AccessShareLock' AND c.relkind NOT IN ('i', 'I', 't')
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())),
    others AS (SELECT oid FROM held UNION SELECT oid FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r')
    SELECT ARRAY[
      (SELECT sum(pg_stat_get_xact_tuples_inserted(oid) + pg_stat_get_xact_tuples_updated(oid) + pg_stat_get_xact_tuples_deleted(oid)) FROM others WHERE oid <> ALL (p_relations)),
      (SELECT count(*) FROM held WHERE oid <> ALL (p_relations)),
      sum(pg_stat_get_xact_tuples_inserted(oid)), sum(pg_stat_get_xact_tuples_updated(oid)), sum(pg_stat_get_xact_tuples_deleted(oid))]::bigint[]
      FROM unnest(p_relations) oid) END;
END $f$;

CREATE FUNCTION lockstep.demand_nothing_else(p_work text, p_rows bigint, p_before bigint[], p_after bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
DECLARE inserted bigint := p_after[3] - p_before[3]; updated bigint := p_after[4] - p_before[4]; deleted bigint := p_after[5] - p_before[5];
BEGIN
  -- A row that changes its partition is deleted and inserted.
  IF p_before[1:2] <> p_after[1:2] OR NOT (CASE
      WHEN p_work LIKE 'INSERT%' THEN (inserted, updated, deleted) = (p_rows, 0, 0)
      WHEN p_work LIKE 'UPDATE%' THEN inserted = deleted AND inserted + updated = p_rows
      ELSE (inserted, updated, deleted) = (0, 0, p_rows) END) THEN
    RAISE EXCEPTION 'code of an index has written rows' USING ERRCODE = 'read_only_sql_transaction';
  END IF;
END $f$;

-- Runs a statement as this role, which is no superuser, with nothing but that role's rights. relations: of these it is the owner with all
-- rights, whatever it has granted and revoked.
CREATE FUNCTION lockstep.in_box(p_role oid, p_relations oid[], p_work text, p_first text[], p_second text[], p_rows bigint, p_surroundings json) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  boxes oid[]; keeper oid; rights aclitem[]; classes jsonb; schemas jsonb; before bigint[];
BEGIN
  LOCK TABLE lockstep.box IN SHARE UPDATE EXCLUSIVE MODE;
  -- Who worked in it may have left something: without its row, nothing would be done in it.
  IF (SELECT (count(*), count(*) FILTER (WHERE ctid < '(100,0)')) <> (1, 1) FROM lockstep.box)
     OR EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'lockstep.box'::regclass)
     OR EXISTS (SELECT FROM pg_rewrite WHERE ev_class = 'lockstep.box'::regclass)
     OR EXISTS (SELECT FROM pg_policy WHERE polrelid = 'lockstep.box'::regclass) THEN
    DROP TABLE lockstep.box;
    ${box}
  END IF;
  boxes := ARRAY['lockstep.box'::regclass, 'lockstep.box_work'::regclass];
  SELECT relowner, relacl INTO keeper, rights FROM pg_class WHERE oid = boxes[1];
  UPDATE pg_class SET relowner = p_role WHERE oid = ANY (boxes);
  SELECT jsonb_agg(jsonb_build_array(oid::text, relacl::text[], relforcerowsecurity)) INTO classes
    FROM pg_class WHERE oid = ANY (p_relations) AND (relacl IS NOT NULL OR relforcerowsecurity);
  UPDATE pg_class SET relacl = NULL, relforcerowsecurity = false WHERE oid = ANY (p_relations) AND (relacl IS NOT NULL OR relforcerowsecurity);
  SELECT jsonb_agg(jsonb_build_array(oid::text, nspacl::text[])) INTO schemas
    FROM pg_namespace WHERE oid IN (SELECT relnamespace FROM pg_class WHERE oid = ANY (p_relations)) AND NOT has_schema_privilege(p_role, oid, 'USAGE');
  UPDATE pg_namespace SET nspacl = coalesce(nspacl, acldefault('n', nspowner)) || makeaclitem(p_role, nspowner, 'USAGE', false)
   WHERE oid IN (SELECT (v->>0)::oid FROM jsonb_array_elements(schemas) v);
  PERFORM set_config('lockstep.work', p_work, true), set_config('lockstep.first', coalesce(p_first::text, ''), true),
    set_config('lockstep.second', coalesce(p_second::text, ''), true), set_config('lockstep.rows', coalesce(p_rows::text, ''), true),
    set_config('lockstep.surroundings', p_surroundings::text, true), set_config('lockstep.box', 'go', true);
  PERFORM set_config('track_counts', 'on', true);
  before := lockstep.written(p_relations);
  PERFORM brin_desummarize_range('lockstep.box_work', 0);
  IF brin_summarize_range('lockstep.box_work', 0) <> 1 THEN
    RAISE EXCEPTION 'the box of this member is damaged' USING HINT = 'lockstep detach, and let the member be synchronised.';
  END IF;
  IF p_rows IS NOT NULL THEN PERFORM lockstep.demand_nothing_else(p_work, p_rows, before, lockstep.written(p_relations)); END IF;
  PERFORM set_config('lockstep.work', '', true), set_config('lockstep.first', '', true), set_config('lockstep.second', '', true), set_config('lockstep.box', '', true);
  UPDATE pg_class SET relowner = keeper, relacl = CASE oid WHEN boxes[1] THEN rights END WHERE oid = ANY (boxes);
  DELETE FROM pg_shdepend WHERE classid = 'pg_class'::regclass AND objid = ANY (boxes) AND deptype = 'a' AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database());
  UPDATE pg_class c SET relacl = ARRAY(SELECT a FROM jsonb_array_elements_text(nullif(v->1, 'null')) a)::aclitem[], relforcerowsecurity = (v->>2)::boolean
    FROM jsonb_array_elements(classes) v WHERE c.oid = (v->>0)::oid AND jsonb_typeof(v->1) = 'array';
  UPDATE pg_class c SET relforcerowsecurity = (v->>2)::boolean FROM jsonb_array_elements(classes) v WHERE c.oid = (v->>0)::oid AND jsonb_typeof(v->1) <> 'array';
  UPDATE pg_namespace n SET nspacl = CASE WHEN jsonb_typeof(v->1) = 'array' THEN ARRAY(SELECT a FROM jsonb_array_elements_text(v->1) a)::aclitem[] END
    FROM jsonb_array_elements(schemas) v WHERE n.oid = (v->>0)::oid;
  PERFORM lockstep.leave_nothing();
END $f$;

-- What users' code that ran here may have left in this session: the server lets locks through, and older ones temporary types,
-- which would stand in front of all others of their names.
CREATE FUNCTION lockstep.leave_nothing() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
DECLARE left_type name;
BEGIN
  PERFORM pg_advisory_unlock_all();
  LOOP
    SELECT t.typname INTO left_type FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
     WHERE t.typnamespace = pg_my_temp_schema() AND t.typelem = 0 AND t.typtype <> 'm' AND coalesce(c.relkind, 'c') = 'c' LIMIT 1;
    EXIT WHEN NOT FOUND;
    EXECUTE format('DROP TYPE pg_temp.%I CASCADE', left_type);
  END LOOP;
END $f$;

-- The search path that a session of this role begins with.
CREATE FUNCTION lockstep.usual_path(p_role oid) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $f$
  SELECT coalesce((SELECT substr(c, strpos(c, '=') + 1) FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) c
    WHERE c LIKE 'search_path=%' AND s.setrole IN (p_role, 0) AND s.setdatabase IN ((SELECT oid FROM pg_database WHERE datname = current_database()), 0)
    ORDER BY s.setrole = 0, s.setdatabase = 0 LIMIT 1), '"$user", public')
$f$;
`;
