/**
 * The part of the control schema that records schema statements, and the rows that they compute.
 *
 * What is recorded comes from the node: it calls these functions by their numbers, with its secret, and no client's code stands
 * between. The outer ones run as the client, because only so names and role mean what they mean to him; the inner ones are
 * Lockstep's own, and believe nothing without the secret.
 */

import { appendRows, framed, rowVariables, settingsNamed, settingsRead } from './control-capture.ts';
import { nodeOnly } from './control-commit.ts';
import { definerPath, pinnedClauses } from './pinned-settings.ts';
import { expectBody, expecting } from './register.ts';

/** Settings that change what a schema statement means, or what its expressions compute; they travel with it. */
export const context = `pg_catalog.json_strip_nulls(pg_catalog.json_build_object(${[
  'DateStyle',
  'IntervalStyle',
  'TimeZone',
  'array_nulls',
  'bytea_output',
  'check_function_bodies',
  'default_table_access_method',
  'default_tablespace',
  'default_text_search_config',
  'default_toast_compression',
  'extra_float_digits',
  'lc_monetary',
  'lc_numeric',
  'lc_time',
  'quote_all_identifiers',
  'standard_conforming_strings',
  'transform_null_equals',
  'xmlbinary',
  'xmloption',
]
  .map((name) => `'${name}', pg_catalog.current_setting('${name}', true)`)
  .join(', ')}))::pg_catalog.text`;

/** As the client's own role and search path have it. */
const where = `current_user::pg_catalog.text, pg_catalog.current_setting('search_path'), ${context}`;

const numbersOf = (names: string): string =>
  `ARRAY(SELECT pg_catalog.to_regclass(named.name)::pg_catalog.oid FROM pg_catalog.unnest(${names}) AS named (name))`;

/** Statistics live in an ordinary schema, whatever table they are of; they are temporary when it is. */
const numbersOfTheirTables = (names: string): string =>
  `ARRAY(SELECT s.stxrelid FROM pg_catalog.unnest(${names}) AS named (name), pg_catalog.parse_ident(named.name) AS part, pg_catalog.pg_statistic_ext s
      JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) s.stxnamespace
     WHERE s.stxname OPERATOR(pg_catalog.=) part[pg_catalog.cardinality(part)]::pg_catalog.name
       AND CASE pg_catalog.cardinality(part) WHEN 1 THEN pg_catalog.pg_statistics_obj_is_visible(s.oid) ELSE n.nspname OPERATOR(pg_catalog.=) part[1]::pg_catalog.name END)`;

/** A table that is made without naming a schema goes into the first one of the path, whatever temporary table has its name. */
const createdNumber = `pg_catalog.to_regclass(pg_catalog.concat(CASE WHEN p_schema OPERATOR(pg_catalog.=) '' THEN pg_catalog.quote_ident(pg_catalog.current_schema()) ELSE p_schema END, '.', p_name))::pg_catalog.oid`;

const temporaryNumber = `pg_catalog.to_regclass('pg_temp.' OPERATOR(pg_catalog.||) nullif(p_name, ''))::pg_catalog.oid`;

/** Called by the node in a client's session; runs as the client. */
const asClient = (head: string, body: string): string => `
CREATE FUNCTION lockstep.${head} RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
  ${body}
END $f$;`;

/** The schema statement that may pass from here on: a word of `Expected`. */
export const expectFunction = (superuser: boolean): string => `
CREATE FUNCTION lockstep.expect(text) RETURNS text LANGUAGE plpgsql SET search_path = ${definerPath} AS $f$ BEGIN RETURN ${expectBody(superuser)}; END $f$;
`;

export const statements = `
-- Schema statements run one at a time. Some of them lock nothing that others would touch (IF EXISTS that finds nothing, GRANT ON ALL
-- TABLES): side by side, the other members could carry them out in another order than they took effect here.
CREATE FUNCTION lockstep.expect_statement(p_secret bytea) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
BEGIN
  ${nodeOnly}
  PERFORM lockstep.collected();
  LOCK TABLE lockstep.schema_fence IN SHARE ROW EXCLUSIVE MODE;
  PERFORM ${expecting.set('statement')};
END $f$;

-- A statement is carried out elsewhere as its role: the session's own, or one that it is a member of.
CREATE FUNCTION lockstep.record_text(p_secret bytea, role_name text, path text, settings text, statement text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
BEGIN
  ${nodeOnly}
  IF NOT pg_has_role(session_user, role_name::name, 'MEMBER') THEN
    RAISE EXCEPTION 'session of role % cannot act as role %', session_user, role_name USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM lockstep.append_statement(role_name, path, (settings::jsonb || ${settingsNamed('statement')} || ${settingsRead})::text, statement);
END $f$;

CREATE FUNCTION lockstep.statement_piece(role_name text, path text, settings text, statement text) RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = ${definerPath} AS $f$
BEGIN
  RETURN 'S' || octet_length(role_name) || ',' || octet_length(path) || ',' || octet_length(settings) || ',' || octet_length(statement)
    || ':' || role_name || path || settings || statement;
END $f$;

CREATE FUNCTION lockstep.append_statement(role_name text, path text, settings text, statement text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
BEGIN
  PERFORM lockstep.append(lockstep.statement_piece(role_name, path, settings, statement));
END $f$;

-- Before a schema statement. targets: the relations that it is about; a statement about temporary ones concerns nobody else.
-- sources: those that it copies a structure from. p_into: where an object without a schema in front of its name goes.
CREATE FUNCTION lockstep.note_statement(p_secret bytea, role_name text, path text, settings text, statement text, targets oid[], sources oid[], p_into name) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
DECLARE temporary integer; permanent integer;
BEGIN
  ${nodeOnly}
  SELECT count(*) FILTER (WHERE relpersistence = 't'), count(*) FILTER (WHERE relpersistence <> 't') INTO temporary, permanent
    FROM pg_class WHERE oid = ANY (targets);
  IF temporary > 0 AND permanent > 0 THEN
    RAISE EXCEPTION 'temporary and other objects in one statement cannot be carried to the other members'
      USING ERRCODE = 'feature_not_supported', HINT = 'Use a statement of its own for the temporary ones.';
  END IF;
  IF temporary > 0 THEN
    PERFORM ${expecting.set('temporary')};
    RETURN;
  END IF;
  IF starts_with(p_into, 'pg_temp') THEN
    RAISE EXCEPTION 'it is not clear whether this is about temporary objects: the search path begins with pg_temp'
      USING ERRCODE = 'feature_not_supported', HINT = 'Nothing took effect. Write the schema in front of the name, and pg_temp last in the search path.';
  END IF;
  IF EXISTS (SELECT FROM pg_class WHERE oid = ANY (sources) AND relpersistence = 't') THEN
    RAISE EXCEPTION 'a table made like a temporary one cannot be carried to the other members'
      USING ERRCODE = 'feature_not_supported', HINT = 'Use CREATE TABLE ... AS ... WITH NO DATA, or write the columns out.';
  END IF;
  PERFORM lockstep.record_text(p_secret, role_name, path, settings, statement);
END $f$;
${asClient(
  'record_statement(p_secret bytea, p_statement text, p_targets text[], p_sources text[])',
  `PERFORM lockstep.expect_statement(p_secret);
  PERFORM lockstep.note_statement(p_secret, ${where}, p_statement, ${numbersOf('p_targets')}, ${numbersOf('p_sources')}, pg_catalog.current_schema());`,
)}
${asClient(
  'record_of_statistics(p_secret bytea, p_statement text, p_statistics text[])',
  `PERFORM lockstep.expect_statement(p_secret);
  PERFORM lockstep.note_statement(p_secret, ${where}, p_statement, ${numbersOfTheirTables('p_statistics')}, '{}', pg_catalog.current_schema());`,
)}

-- A DO block that holds schema statements and nothing else is recorded as it is. Not where it is about temporary tables alone. Nor where
-- the session has any: those are here only, and a condition about what there is could be met otherwise elsewhere. Then each statement in
-- it is carried by itself, as out of any other block; without event triggers nobody would see them.
CREATE FUNCTION lockstep.note_block(p_secret bytea, role_name text, path text, settings text, statement text, targets oid[], sources oid[], p_into name) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
BEGIN
  ${nodeOnly}
  IF EXISTS (SELECT FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND NOT starts_with(relname, 'lockstep_spill'))
     AND EXISTS (SELECT FROM pg_event_trigger WHERE evtname = 'lockstep_guard_ddl') THEN
    PERFORM ${expecting.set('nothing')};
    RETURN;
  END IF;
  PERFORM lockstep.note_statement(p_secret, role_name, path, settings, statement, targets, sources, p_into);
  IF ${expecting.is('statement')} THEN PERFORM ${expecting.set('block')}; END IF;
END $f$;
${asClient(
  'record_block(p_secret bytea, p_statement text, p_targets text[], p_sources text[])',
  `PERFORM lockstep.expect_statement(p_secret);
  PERFORM lockstep.note_block(p_secret, ${where}, p_statement, ${numbersOf('p_targets')}, ${numbersOf('p_sources')}, pg_catalog.current_schema());`,
)}

-- Around CREATE VIEW: a view of something temporary turns out to be temporary itself. It runs no code, so nothing can have come
-- before it. p_name: under which the session may have a temporary view of its own; empty where the statement names a schema.
CREATE FUNCTION lockstep.refuse_hidden_view(temporary oid) RETURNS void LANGUAGE plpgsql SET search_path = ${definerPath} AS $f$
BEGIN
  IF EXISTS (SELECT FROM pg_class WHERE oid = temporary AND relkind = 'v') THEN
    RAISE EXCEPTION 'a temporary view of this name hides what the statement is about'
      USING ERRCODE = 'feature_not_supported', HINT = 'Write the schema in front of the name, or drop the temporary view first.';
  END IF;
END $f$;
${asClient(
  'expect_view(p_secret bytea, p_name text)',
  `PERFORM lockstep.expect_statement(p_secret);
  PERFORM lockstep.refuse_hidden_view(${temporaryNumber});`,
)}

CREATE FUNCTION lockstep.note_view(p_secret bytea, role_name text, path text, settings text, statement text, temporary oid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
BEGIN
  ${nodeOnly}
  IF NOT EXISTS (SELECT FROM pg_class WHERE oid = temporary AND relkind = 'v') THEN
    PERFORM lockstep.record_text(p_secret, role_name, path, settings, statement);
  END IF;
END $f$;
${asClient(
  'record_view(p_secret bytea, p_statement text, p_name text)',
  `PERFORM lockstep.note_view(p_secret, ${where}, p_statement, ${temporaryNumber});`,
)}

-- The statement that makes such a table. NULL: it is none that is to be carried.
CREATE FUNCTION lockstep.structure_of(relation oid) RETURNS text LANGUAGE sql SET search_path = ${definerPath} AS $f$
  SELECT format('CREATE %sTABLE %I.%I (%s)%s%s', CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END, n.nspname, c.relname,
    (SELECT coalesce(string_agg(format('%I %s%s', a.attname, format_type(a.atttypid, a.atttypmod),
              CASE WHEN a.attcollation <> 0 AND a.attcollation <> t.typcollation
                   THEN (SELECT format(' COLLATE %I.%I', cn.nspname, co.collname) FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = a.attcollation)
                   ELSE '' END), ', ' ORDER BY a.attnum), '')
       FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    (SELECT format(' USING %I', m.amname) FROM pg_am m WHERE m.oid = c.relam),
    CASE WHEN c.reloptions IS NULL THEN '' ELSE ' WITH (' || array_to_string(c.reloptions, ', ') || ')' END)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation AND c.relkind = 'r' AND c.relpersistence <> 't'
$f$;

-- After a statement that makes a table from a query: the structure as a statement, then the rows as rows. Nothing when the table was
-- there before (IF NOT EXISTS): then it is watched, or is no table.
CREATE FUNCTION lockstep.note_created_table(p_secret bytea, role_name text, path text, settings text, relation oid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
DECLARE statement text;
BEGIN
  ${nodeOnly}
  IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = relation AND tgname = '!lockstep_capture') THEN RETURN; END IF;
  statement := lockstep.structure_of(relation);
  IF statement IS NULL THEN RETURN; END IF;
  PERFORM lockstep.record_text(p_secret, role_name, path, settings, statement), lockstep.record_rows(relation);
END $f$;
${asClient(
  'record_created_table(p_secret bytea, p_schema text, p_name text)',
  `PERFORM lockstep.note_created_table(p_secret, ${where}, ${createdNumber});`,
)}

-- The expression for a row's image as a trigger sees it: without the values of virtual columns, and formed by output functions alone.
CREATE FUNCTION lockstep.row_image(relation oid, alias text) RETURNS text LANGUAGE sql STABLE SET search_path = ${definerPath} AS $f$
  SELECT CASE WHEN bool_or(a.attgenerated = 'v')
              THEN format('pg_catalog.concat(ROW(%s))', string_agg(CASE a.attgenerated WHEN 'v' THEN 'NULL' ELSE format('%I.%I', alias, a.attname) END, ', ' ORDER BY a.attnum))
              ELSE format('pg_catalog.concat(%I.*)', alias) END
    FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
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

-- p_of_domains: only where a column has a domain whose own default may have filled it.
CREATE FUNCTION lockstep.note_rows(p_secret bytea, relation oid, p_of_domains boolean) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
BEGIN
  ${nodeOnly}
  IF NOT p_of_domains OR EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
             WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND t.typtype = 'd' AND t.typdefault IS NOT NULL) THEN
    PERFORM lockstep.record_rows(relation);
  END IF;
END $f$;
${asClient(
  'record_table_rows(p_secret bytea, p_name text, p_of_domains boolean)',
  `PERFORM lockstep.note_rows(p_secret, pg_catalog.to_regclass(p_name)::pg_catalog.oid, p_of_domains);`,
)}

-- After CREATE and ALTER EXTENSION: the script runs on every member, and what it has written into the extension's own tables is then
-- made as it is here.
CREATE FUNCTION lockstep.record_extension_rows_of(extension oid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
DECLARE relation oid;
BEGIN
  FOR relation IN SELECT c.oid FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
      WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = extension AND d.deptype = 'e' AND d.classid = 'pg_class'::regclass ORDER BY c.oid LOOP
    PERFORM lockstep.record_rows(relation);
  END LOOP;
END $f$;

CREATE FUNCTION lockstep.note_extension_rows(p_secret bytea, p_extension text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
BEGIN
  ${nodeOnly}
  PERFORM lockstep.record_extension_rows_of(e.oid) FROM pg_extension e WHERE e.extname = p_extension;
END $f$;
${asClient(
  'record_extension_rows(p_secret bytea, p_name text)',
  `PERFORM lockstep.note_extension_rows(p_secret, p_name);`,
)}
`;
