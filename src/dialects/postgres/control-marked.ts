/**
 * The part of the control schema that writes rows of tables with marks: what must not be evaluated is set aside, what must be is evaluated
 * while the transaction is read-only, and an index that cannot be computed here is left out. See DESIGN.md, "Rows as they were".
 */

import { userRelations } from './catalog-sql.ts';
import { marksQuery } from './marks.ts';
import { sqlStates } from './sql-states.ts';

/** In statements over row images: where these come from. */
const images = '$1::pg_catalog.text[]';

/**
 * The same, and from then on nothing can be written by whatever the statement calls. The statement itself has been let through by then;
 * the images are its only source, so that no row is made before.
 */
const imagesReadOnly = `CASE WHEN pg_catalog.set_config('transaction_read_only', 'on', true) IS NOT NULL THEN ${images} END`;

/** Another manner of writing may get round these: see apply-link.ts. */
const orderMayBeWhy = `SQLSTATE IN ('23505', '23P01', '${sqlStates.diverged}')`;

export const marked = `
-- Evaluates what has to be. owner: of the table.
CREATE FUNCTION lockstep.write_computed(p_work text, p_first text[], p_second text[], p_rows bigint, p_shown text,
  p_relations oid[], p_owner oid, p_settings json) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
DECLARE before json; n bigint;
BEGIN
  IF NOT (SELECT rolsuper FROM pg_roles WHERE oid = p_owner) THEN
    PERFORM lockstep.in_box(p_owner, p_relations, replace(p_work, '${images}', $w$${imagesReadOnly}$w$), p_first, p_second, p_rows, p_settings);
    RETURN;
  END IF;
  -- A superuser's own code: nothing would take the setting back behind it.
  SELECT json_object_agg(key, coalesce(current_setting(key, true), '')) INTO before FROM json_each_text(p_settings);
  PERFORM lockstep.adopt(p_settings);
  EXECUTE p_work USING p_first, p_second;
  GET DIAGNOSTICS n = ROW_COUNT;
  PERFORM lockstep.adopt(before);
  IF n <> p_rows THEN PERFORM lockstep.diverged(p_shown, p_rows, n); END IF;
END $f$;

-- Nobody writes to these indexes or reads by them any more, until REINDEX.
CREATE FUNCTION lockstep.leave_out(p_indexes oid[]) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  UPDATE pg_index SET indisready = false, indisvalid = false WHERE indexrelid = ANY (p_indexes);
  -- Plans are remembered by their tables.
  UPDATE pg_class SET relhasindex = relhasindex WHERE oid IN (SELECT indrelid FROM pg_index WHERE indexrelid = ANY (p_indexes));
END $f$;

-- Writes rows of a table with marks. work: INSERT, UPDATE or DELETE over the images $1 and $2. box: something has to be evaluated.
-- last: there is no other manner left. Returns indexes that were left out, as JSON, or NULL.
CREATE FUNCTION lockstep.write_marked(p_work text, p_first text[], p_second text[], p_rows bigint, p_shown text,
  p_relations oid[], p_domains oid[], p_unbound boolean, p_box boolean, p_surroundings text, p_last boolean) RETURNS json
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  saved jsonb := lockstep.set_aside(p_relations, p_domains, p_unbound);
  owner oid; settings json; n bigint; indexes oid[]; left_out oid[] := '{}'; tries int := 0;
  state text; message text; detail text; why text;
BEGIN
  IF NOT p_box THEN
    EXECUTE p_work USING p_first, p_second;
    GET DIAGNOSTICS n = ROW_COUNT;
    IF n <> p_rows THEN PERFORM lockstep.diverged(p_shown, p_rows, n); END IF;
    PERFORM lockstep.put_back(saved);
    RETURN NULL;
  END IF;
  SELECT relowner INTO owner FROM pg_class WHERE oid = p_relations[1];
  settings := coalesce(p_surroundings, json_build_object('search_path', lockstep.usual_path(owner))::text);
  -- As it is; once more, for what only this moment was against; without each of the indexes; without all of them. Which error code may
  -- raise, its author chooses: that it succeeds without an index says whose it is.
  LOOP
    BEGIN
      IF left_out <> '{}' THEN PERFORM lockstep.leave_out(left_out); END IF;
      PERFORM lockstep.write_computed(p_work, p_first, p_second, p_rows, p_shown, p_relations, owner, settings);
      EXIT;
    EXCEPTION WHEN OTHERS OR QUERY_CANCELED OR ASSERT_FAILURE THEN
      IF NOT p_last AND ${orderMayBeWhy} THEN RAISE; END IF;
      IF indexes IS NULL THEN
        SELECT coalesce(array_agg(i.indexrelid ORDER BY i.indisunique OR i.indisexclusion, c.relname), '{}') INTO indexes
          FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
         WHERE i.indrelid = ANY (p_relations) AND i.indisready AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL);
        IF indexes = '{}' THEN RAISE; END IF;
      END IF;
      IF state IS NULL THEN
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
      END IF;
    END;
    IF tries > cardinality(indexes) + 1 OR (tries = 2 AND cardinality(indexes) = 1) THEN
      RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, DETAIL = detail;
    END IF;
    tries := tries + 1;
    left_out := CASE WHEN tries = 1 THEN '{}' WHEN tries > cardinality(indexes) + 1 THEN indexes ELSE ARRAY[indexes[tries - 1]] END;
  END LOOP;
  PERFORM lockstep.put_back(saved);
  RETURN (SELECT json_agg(json_build_object('index', i.indexrelid::regclass, 'table', i.indrelid::regclass, 'unique', i.indisunique OR i.indisexclusion, 'why', message))
    FROM pg_index i WHERE i.indexrelid = ANY (left_out));
END $f$;

-- Where Lockstep is no superuser nothing can be set aside: while the statement that makes such a definition has not taken effect, it is
-- refused. What it has made or altered is locked by it.
CREATE FUNCTION lockstep.refuse_unable() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
DECLARE r record;
BEGIN
  IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN RETURN; END IF;
  SELECT c.oid::regclass AS relation, m.kind, m.name, m.why INTO r FROM ${userRelations('rp')}
    CROSS JOIN LATERAL (${marksQuery('c.oid')}) m
   WHERE c.oid IN (SELECT l.relation FROM pg_locks l WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.mode IN ('AccessExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock'))
   LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'rows of % could not be stored on the other members as they are: its % % depends on %', r.relation, r.kind, r.name, r.why
      USING ERRCODE = 'feature_not_supported', HINT = 'Nothing took effect. Only a superuser may set such a definition aside: give the role of Lockstep SUPERUSER, or let the definition depend on the row alone.';
  END IF;
END $f$;

-- The same as write_marked, with images that a query gives one by one, and in the last manner. Returns how many rows there were, and indexes that were left out.
CREATE FUNCTION lockstep.write_marked_images(p_work text, p_images text, p_shown text,
  p_relations oid[], p_domains oid[], p_unbound boolean, p_box boolean, p_surroundings text, OUT written bigint, OUT left_out json)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
DECLARE image text; images text[] := '{}'; bytes bigint := 0; waiting bigint := 0; found jsonb := '[]';
BEGIN
  written := 0;
  FOR image IN EXECUTE p_images LOOP
    images := images || image;
    bytes := bytes + octet_length(image);
    waiting := waiting + 1;
    IF bytes > 4194304 OR waiting = 10000 THEN
      found := found || coalesce(lockstep.write_marked(p_work, images, NULL, waiting, p_shown, p_relations, p_domains, p_unbound, p_box, p_surroundings, true)::jsonb, '[]');
      written := written + waiting;
      images := '{}';
      bytes := 0;
      waiting := 0;
    END IF;
  END LOOP;
  IF waiting > 0 THEN
    found := found || coalesce(lockstep.write_marked(p_work, images, NULL, waiting, p_shown, p_relations, p_domains, p_unbound, p_box, p_surroundings, true)::jsonb, '[]');
  END IF;
  written := written + waiting;
  left_out := nullif(found, '[]');
END $f$;
`;
