/** The part of the control schema that records schema statements, and the rows that they compute. */

import { appendRows, framed, rowVariables } from './control-capture.ts';
import { pinnedClauses } from './pinned-settings.ts';

/**
 * Schema statements run one at a time. Some of them lock nothing that others would touch (IF EXISTS that finds nothing, GRANT ON
 * ALL TABLES): side by side, the other members could carry them out in another order than they took effect here.
 */
const schemaLock = '5498132002';

export const statements = `
CREATE FUNCTION lockstep.lock_schema() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $f$
BEGIN
  PERFORM pg_advisory_xact_lock(${schemaLock});
END $f$;

CREATE FUNCTION lockstep.expect_statement() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $f$
BEGIN
  PERFORM set_config('lockstep.ddl', 'on', true);
END $f$;

CREATE FUNCTION lockstep.record_text(role_name text, path text, settings text, statement text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $f$
BEGIN
  PERFORM lockstep.append('S' || octet_length(role_name) || ',' || octet_length(path) || ',' || octet_length(settings) || ',' || octet_length(statement)
    || ':' || role_name || path || settings || statement);
END $f$;

-- Before a schema statement. targets: the relations that it is about; a statement about temporary ones concerns nobody else.
-- sources: those that it copies a structure from.
CREATE FUNCTION lockstep.record_statement(role_name text, path text, settings text, statement text, targets oid[], sources oid[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $f$
DECLARE temporary integer; permanent integer;
BEGIN
  SELECT count(*) FILTER (WHERE relpersistence = 't'), count(*) FILTER (WHERE relpersistence <> 't') INTO temporary, permanent
    FROM pg_class WHERE oid = ANY (targets);
  IF temporary > 0 AND permanent > 0 THEN
    RAISE EXCEPTION 'temporary and other objects in one statement cannot be carried to the other members'
      USING ERRCODE = 'feature_not_supported', HINT = 'Use a statement of its own for the temporary ones.';
  END IF;
  IF temporary > 0 THEN
    PERFORM set_config('lockstep.ddl', 'temporary', true);
    RETURN;
  END IF;
  IF EXISTS (SELECT FROM pg_class WHERE oid = ANY (sources) AND relpersistence = 't') THEN
    RAISE EXCEPTION 'a table made like a temporary one cannot be carried to the other members'
      USING ERRCODE = 'feature_not_supported', HINT = 'Use CREATE TABLE ... AS ... WITH NO DATA, or write the columns out.';
  END IF;
  PERFORM lockstep.expect_statement(), lockstep.record_text(role_name, path, settings, statement);
END $f$;

-- Around CREATE VIEW: a view of something temporary turns out to be temporary itself. It runs no code, so nothing can have come
-- before it. temporary: the session's own view of that name.
CREATE FUNCTION lockstep.expect_view(temporary oid) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $f$
BEGIN
  IF EXISTS (SELECT FROM pg_class WHERE oid = temporary AND relkind = 'v') THEN
    RAISE EXCEPTION 'a temporary view of this name hides what the statement is about'
      USING ERRCODE = 'feature_not_supported', HINT = 'Write the schema in front of the name, or drop the temporary view first.';
  END IF;
  PERFORM lockstep.expect_statement();
END $f$;

CREATE FUNCTION lockstep.record_view(role_name text, path text, settings text, statement text, temporary oid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $f$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_class WHERE oid = temporary AND relkind = 'v') THEN
    PERFORM lockstep.record_text(role_name, path, settings, statement);
  END IF;
END $f$;

-- Before a statement that makes a table from a query. existing: what has the name already.
CREATE FUNCTION lockstep.expect_table(existing oid) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $f$
BEGIN
  PERFORM lockstep.expect_statement(), set_config('lockstep.existing', coalesce(existing::text, ''), true);
END $f$;

-- After it: the structure as a statement, then the rows as rows. Nothing when it was there before (IF NOT EXISTS).
CREATE FUNCTION lockstep.record_created_table(role_name text, path text, settings text, relation oid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $f$
DECLARE statement text;
BEGIN
  IF relation IS NULL OR current_setting('lockstep.existing') = relation::text THEN RETURN; END IF;
  SELECT format('CREATE %sTABLE %I.%I (%s)%s%s', CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END, n.nspname, c.relname,
    (SELECT coalesce(string_agg(format('%I %s%s', a.attname, format_type(a.atttypid, a.atttypmod),
              CASE WHEN a.attcollation <> 0 AND a.attcollation <> t.typcollation
                   THEN (SELECT format(' COLLATE %I.%I', cn.nspname, co.collname) FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = a.attcollation)
                   ELSE '' END), ', ' ORDER BY a.attnum), '')
       FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    (SELECT format(' USING %I', m.amname) FROM pg_am m WHERE m.oid = c.relam),
    CASE WHEN c.reloptions IS NULL THEN '' ELSE ' WITH (' || array_to_string(c.reloptions, ', ') || ')' END)
  INTO statement FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation AND c.relpersistence <> 't';
  IF statement IS NULL THEN RETURN; END IF;
  PERFORM lockstep.record_text(role_name, path, settings, statement), lockstep.record_rows(relation);
END $f$;

-- The expression for a row's image as a trigger sees it: without the values of virtual columns.
CREATE FUNCTION lockstep.row_image(relation oid, alias text) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog AS $f$
  SELECT CASE WHEN bool_or(a.attgenerated = 'v')
              THEN format('ROW(%s)::%I.%I::text', string_agg(CASE a.attgenerated WHEN 'v' THEN 'NULL' ELSE format('%I.%I', alias, a.attname) END, ', ' ORDER BY a.attnum) FILTER (WHERE a.attname IS NOT NULL), n.nspname, c.relname)
              ELSE format('(%I.*)::text', alias) END
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
   WHERE c.oid = relation GROUP BY n.nspname, c.relname
$f$;

-- Every row of a table and of those that inherit from it, after a statement that computed them in a way no other member would repeat.
CREATE FUNCTION lockstep.record_rows(relation oid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER ${pinnedClauses} AS $f$
DECLARE r record; prefix text; ${rowVariables}
BEGIN
  FOR r IN WITH RECURSIVE tree (oid) AS (SELECT relation UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON tree.oid = i.inhparent)
           SELECT n.nspname, c.relname, lockstep.row_image(c.oid, 't') AS image FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind = 'r' AND c.relpersistence <> 't'
  LOOP
    prefix := ${framed('r.nspname', 'r.relname')};
    -- EMPTY empties the table without the rules of TRUNCATE about foreign keys.
    PERFORM lockstep.append('EMPTY' || prefix);
${appendRows({ query: `EXECUTE format('SELECT %s FROM ONLY %I.%I t', r.image, r.nspname, r.relname)`, prefix: 'prefix' })}
  END LOOP;
END $f$;

-- The same where a column has a domain whose own default may have filled it.
CREATE FUNCTION lockstep.record_rows_of_domains(relation oid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $f$
BEGIN
  IF EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
             WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND t.typtype = 'd' AND t.typdefault IS NOT NULL) THEN
    PERFORM lockstep.record_rows(relation);
  END IF;
END $f$;
`;
