/**
 * What Lockstep keeps inside a member: the schema `lockstep`. See DESIGN.md beside this file for why it is as it is.
 *
 * Everything runs on PostgreSQL 13 to 18. The functions that a client's session reaches are SECURITY DEFINER with every
 * name qualified or the search path pinned, because they run while the client chooses the settings.
 */

/** Raised with the format when the tables change shape; a member of another format is refused, not guessed at. */
export const controlFormat = 1;

/** The commit log is a ring of this many segments; a whole segment is emptied at once (TRUNCATE), never row by row. */
export const logSegments = 8;

/** Advisory lock class: shared by every committing transaction until its end, exclusive for a change of term. */
const termLock = '5498132001';

export const sqlStates = {
  staleTerm: 'LS001',
  aroundLockstep: 'LS002',
  hiddenDdl: 'LS003',
  diverged: 'LS004',
} as const;

const tables = `
CREATE SCHEMA lockstep;
COMMENT ON SCHEMA lockstep IS 'Lockstep control schema; removed by: lockstep detach';
GRANT USAGE ON SCHEMA lockstep TO PUBLIC;

CREATE TABLE lockstep.member (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  format integer NOT NULL,
  cluster_id text NOT NULL,
  member_id text NOT NULL,
  version bigint NOT NULL,
  active text[] NOT NULL,
  base_csn bigint NOT NULL DEFAULT 0,
  incomplete text
);

-- The term is a sequence because a sequence is read outside of snapshots: a REPEATABLE READ transaction sees a new term too.
CREATE SEQUENCE lockstep.term AS bigint MINVALUE 0 START 0;

CREATE TABLE lockstep.log (
  slot smallint NOT NULL,
  csn bigint NOT NULL,
  part integer NOT NULL,
  term bigint NOT NULL,
  payload bytea,
  PRIMARY KEY (slot, csn, part)
) PARTITION BY LIST (slot);
${Array.from({ length: logSegments }, (_, slot) => `CREATE TABLE lockstep.log_${slot} PARTITION OF lockstep.log FOR VALUES IN (${slot});`).join('\n')}

-- What the sweep has shipped of each sequence, on the primary; elsewhere it is out of date, and a sweep ships more than it need.
CREATE TABLE lockstep.sequence_shipped (sch text, seq text, value bigint NOT NULL, called boolean NOT NULL, PRIMARY KEY (sch, seq));

CREATE TABLE lockstep.heartbeat (singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton), beat bigint NOT NULL);
INSERT INTO lockstep.heartbeat VALUES (true, 0);
`;

/** The changes of the open transaction. A temporary table: no WAL, undone by savepoints, exempt from predicate locks. */
const sessionTable = `
CREATE FUNCTION lockstep.open_session() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog SET client_min_messages = error AS $f$
BEGIN
  CREATE TEMPORARY TABLE IF NOT EXISTS lockstep_changes (
    seq bigint GENERATED ALWAYS AS IDENTITY (CACHE 64),
    op "char" NOT NULL, sch text NOT NULL, tab text NOT NULL, old text, new text
  );
END $f$;

CREATE FUNCTION lockstep.recycle_session() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $f$
BEGIN
  TRUNCATE pg_temp.lockstep_changes;
END $f$;
`;

const guard = `
  IF pg_catalog.current_setting('lockstep.session', true)::pg_catalog.bool IS NOT TRUE THEN
    PERFORM lockstep.refuse_foreign_write();
    RETURN NULL;
  END IF;`;

/** One trigger function, in two dresses: tables whose text form depends on settings pay for pinning them, others do not. */
function captureFunction(name: string, pinned: string): string {
  return `
CREATE FUNCTION lockstep.${name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER ${pinned} AS $f$
BEGIN${guard}
  IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN
    INSERT INTO pg_temp.lockstep_changes (op, sch, tab, old, new)
    VALUES ('U', TG_TABLE_SCHEMA, TG_TABLE_NAME, OLD::pg_catalog.text, NEW::pg_catalog.text);
  ELSIF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN
    INSERT INTO pg_temp.lockstep_changes (op, sch, tab, new) VALUES ('I', TG_TABLE_SCHEMA, TG_TABLE_NAME, NEW::pg_catalog.text);
  ELSE
    INSERT INTO pg_temp.lockstep_changes (op, sch, tab, old) VALUES ('D', TG_TABLE_SCHEMA, TG_TABLE_NAME, OLD::pg_catalog.text);
  END IF;
  RETURN NULL;
END $f$;`;
}

/** Settings under which a row's text form means the same everywhere. The applying session uses the very same ones. */
export const pinnedSettings = {
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  extra_float_digits: '1',
  lc_monetary: 'C',
  bytea_output: 'hex',
  search_path: 'pg_catalog',
} as const;

const pinnedClauses = Object.entries(pinnedSettings)
  .map(([name, value]) =>
    name === 'search_path' ? `SET search_path = ${value}` : `SET ${name} = '${value}'`,
  )
  .join(' ');

const capture = `
CREATE FUNCTION lockstep.refuse_foreign_write() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $f$
BEGIN
  IF coalesce(current_setting('lockstep.guard', true), '') = 'off' THEN RETURN; END IF;
  RAISE EXCEPTION 'this database is a member of a Lockstep cluster: a write must go through Lockstep'
    USING ERRCODE = '${sqlStates.aroundLockstep}',
          HINT = 'Connect to the address of the Lockstep node. An operator who knows better: SET lockstep.guard = off.';
END $f$;
${captureFunction('capture_plain', '')}
${captureFunction('capture_pinned', pinnedClauses)}

CREATE FUNCTION lockstep.capture_truncate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $f$
BEGIN${guard}
  INSERT INTO pg_temp.lockstep_changes (op, sch, tab) VALUES ('T', TG_TABLE_SCHEMA, TG_TABLE_NAME);
  RETURN NULL;
END $f$;

-- After each INSERT statement on a table whose defaults draw from sequences: the position reached travels with the rows.
CREATE FUNCTION lockstep.capture_sequences() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $f$
DECLARE i integer; s oid; v bigint;
BEGIN
  IF current_setting('lockstep.session', true)::bool IS NOT TRUE THEN RETURN NULL; END IF;
  FOR i IN 0 .. TG_NARGS - 1 LOOP
    s := TG_ARGV[i]::oid;
    v := pg_sequence_last_value(s);
    IF v IS NOT NULL THEN
      INSERT INTO pg_temp.lockstep_changes (op, sch, tab, old, new)
      SELECT 'Q', n.nspname, c.relname, 'up', v::text || ',t' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = s;
    END IF;
  END LOOP;
  RETURN NULL;
END $f$;

-- All sequences, for statements that may have moved any of them. Up only, so that a position shipped by a later transaction is
-- never taken back; exactly as they stand only after statements that set positions.
CREATE FUNCTION lockstep.sweep_sequences(p_exact boolean) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $f$
DECLARE q record; v bigint; called boolean;
BEGIN
  FOR q IN SELECT c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname <> 'lockstep' LOOP
    IF NOT p_exact AND pg_sequence_last_value(q.oid) IS NULL THEN CONTINUE; END IF;
    EXECUTE format('SELECT last_value, is_called FROM %I.%I', q.nspname, q.relname) INTO v, called;
    INSERT INTO pg_temp.lockstep_changes (op, sch, tab, old, new)
    VALUES ('Q', q.nspname, q.relname, CASE WHEN p_exact THEN 'exact' ELSE 'up' END, v::text || CASE WHEN called THEN ',t' ELSE ',f' END);
  END LOOP;
END $f$;

-- From time to time: positions that no transaction has shipped, because it was rolled back or nobody saw it draw.
CREATE FUNCTION lockstep.sweep_moved_sequences() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $f$
DECLARE q record; v bigint; called boolean;
BEGIN
  FOR q IN SELECT c.oid, n.nspname, c.relname, s.value, s.called, p.seqincrement > 0 AS up FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           JOIN pg_sequence p ON p.seqrelid = c.oid LEFT JOIN lockstep.sequence_shipped s ON s.sch = n.nspname AND s.seq = c.relname
           WHERE c.relpersistence <> 't' AND n.nspname <> 'lockstep' LOOP
    IF q.called AND pg_sequence_last_value(q.oid) = q.value THEN CONTINUE; END IF;
    EXECUTE format('SELECT last_value, is_called FROM %I.%I', q.nspname, q.relname) INTO v, called;
    IF (v, called) IS NOT DISTINCT FROM (q.value, q.called) OR (q.value IS NULL AND NOT called) THEN CONTINUE; END IF;
    INSERT INTO lockstep.sequence_shipped VALUES (q.nspname, q.relname, v, called)
      ON CONFLICT (sch, seq) DO UPDATE SET value = excluded.value, called = excluded.called;
    INSERT INTO pg_temp.lockstep_changes (op, sch, tab, old, new)
    VALUES ('Q', q.nspname, q.relname, CASE WHEN NOT called OR (q.up AND v < q.value) OR (NOT q.up AND v > q.value) THEN 'exact' ELSE 'up' END,
            v::text || CASE WHEN called THEN ',t' ELSE ',f' END);
  END LOOP;
END $f$;

CREATE FUNCTION lockstep.record_statement(role_name text, path text, settings text, statement text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $f$
BEGIN
  PERFORM set_config('lockstep.ddl', 'on', true);
  INSERT INTO pg_temp.lockstep_changes (op, sch, tab, old, new) VALUES ('S', role_name, path, settings, statement);
END $f$;

-- The structure of a table made from a query, as a statement; its rows follow as rows.
CREATE FUNCTION lockstep.record_created_table(role_name text, path text, settings text, relation regclass) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $f$
DECLARE statement text;
BEGIN
  SELECT format('CREATE %sTABLE %I.%I (%s)%s', CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END, n.nspname, c.relname,
    (SELECT coalesce(string_agg(format('%I %s%s', a.attname, format_type(a.atttypid, a.atttypmod),
              CASE WHEN a.attcollation <> 0 AND a.attcollation <> t.typcollation
                   THEN (SELECT format(' COLLATE %I.%I', cn.nspname, co.collname) FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = a.attcollation)
                   ELSE '' END), ', ' ORDER BY a.attnum), '')
       FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    CASE WHEN c.reloptions IS NULL THEN '' ELSE ' WITH (' || array_to_string(c.reloptions, ', ') || ')' END)
  INTO statement FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation;
  INSERT INTO pg_temp.lockstep_changes (op, sch, tab, old, new) VALUES ('S', role_name, path, settings, statement);
END $f$;

-- Every row of a table, after a statement that computed them in a way no other member would repeat.
CREATE FUNCTION lockstep.record_rows(relation regclass) RETURNS void LANGUAGE plpgsql SECURITY DEFINER ${pinnedClauses} AS $f$
DECLARE r record;
BEGIN
  FOR r IN SELECT n.nspname, c.relname FROM pg_partition_tree(relation) p JOIN pg_class c ON c.oid = p.relid JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relkind = 'r'
           UNION SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation AND c.relkind = 'r'
  LOOP
    -- 'E' empties the table without the rules of TRUNCATE about foreign keys.
    INSERT INTO pg_temp.lockstep_changes (op, sch, tab) VALUES ('E', r.nspname, r.relname);
    EXECUTE format('INSERT INTO pg_temp.lockstep_changes (op, sch, tab, new) SELECT ''I'', %L, %L, t::text FROM ONLY %I.%I t', r.nspname, r.relname, r.nspname, r.relname);
  END LOOP;
END $f$;
`;

const commit = `
CREATE FUNCTION lockstep.fence(p_term bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $f$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(${termLock});
  IF (SELECT last_value FROM lockstep.term) <> p_term THEN
    RAISE EXCEPTION 'term % is over: another Lockstep node has taken over', p_term USING ERRCODE = '${sqlStates.staleTerm}';
  END IF;
END $f$;

-- The last statement before COMMIT: checks the term, writes the commit record, hands out the write set (NULL: nothing was written).
CREATE FUNCTION lockstep.finish(p_csn bigint, p_term bigint, p_slot smallint) RETURNS bytea
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $f$
DECLARE w bytea;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(${termLock});
  IF (SELECT last_value FROM lockstep.term) <> p_term THEN
    RAISE EXCEPTION 'term % is over: another Lockstep node has taken over', p_term USING ERRCODE = '${sqlStates.staleTerm}';
  END IF;
  WITH d AS (DELETE FROM pg_temp.lockstep_changes RETURNING seq, op, sch, tab, old, new)
  SELECT convert_to(string_agg(op::text || octet_length(sch) || ',' || octet_length(tab) || ',' || coalesce(octet_length(old), -1) || ','
           || coalesce(octet_length(new), -1) || ':' || sch || tab || coalesce(old, '') || coalesce(new, ''), '' ORDER BY seq), getdatabaseencoding())
    INTO w FROM d;
  IF w IS NOT NULL THEN
    INSERT INTO lockstep.log (slot, csn, part, term, payload) VALUES (p_slot, p_csn, 1, p_term, w);
  END IF;
  RETURN w;
END $f$;

-- The same for large transactions: in parts of about a megabyte, a row each.
CREATE FUNCTION lockstep.finish_large(p_csn bigint, p_term bigint, p_slot smallint) RETURNS SETOF bytea
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $f$
BEGIN
  PERFORM lockstep.fence(p_term);
  RETURN QUERY
    WITH c AS (SELECT seq, op, sch, tab, old, new,
                 sum(coalesce(octet_length(old), 0) + coalesce(octet_length(new), 0) + 64) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) / 1048576 AS part
               FROM pg_temp.lockstep_changes)
    INSERT INTO lockstep.log (slot, csn, part, term, payload)
    SELECT p_slot, p_csn, row_number() OVER (ORDER BY part), p_term,
           convert_to(string_agg(op::text || octet_length(sch) || ',' || octet_length(tab) || ',' || coalesce(octet_length(old), -1) || ','
             || coalesce(octet_length(new), -1) || ':' || sch || tab || coalesce(old, '') || coalesce(new, ''), '' ORDER BY seq), getdatabaseencoding())
      FROM c GROUP BY part ORDER BY part
    RETURNING payload;
  DELETE FROM pg_temp.lockstep_changes;
END $f$;

-- How much the open transaction has captured, in bytes, near enough to choose between the two.
CREATE FUNCTION lockstep.pending_bytes() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $f$
  SELECT coalesce(pg_table_size(to_regclass('pg_temp.lockstep_changes')), 0)
$f$;

CREATE FUNCTION lockstep.advance_sequence(sch text, seq text, target bigint, called boolean, exact boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $f$
DECLARE v bigint; c boolean; step bigint; cycles boolean; relation regclass := format('%I.%I', sch, seq)::regclass;
BEGIN
  EXECUTE format('SELECT last_value, is_called FROM %I.%I', sch, seq) INTO v, c;
  SELECT seqincrement, seqcycle INTO step, cycles FROM pg_sequence WHERE seqrelid = relation;
  IF exact OR cycles THEN
    IF (v, c) IS DISTINCT FROM (target, called) THEN PERFORM setval(relation, target, called); END IF;
  ELSIF NOT c OR (step > 0 AND v < target) OR (step < 0 AND v > target) THEN
    PERFORM setval(relation, target, called);
  END IF;
END $f$;

-- A higher term shuts out whoever holds a lower one. Waits until no transaction of the old term is still committing.
CREATE FUNCTION lockstep.raise_term(p_term bigint) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $f$
BEGIN
  IF (SELECT last_value FROM lockstep.term) >= p_term THEN
    RAISE EXCEPTION 'term % is not higher than the term % of this member', p_term, (SELECT last_value FROM lockstep.term)
      USING ERRCODE = '${sqlStates.staleTerm}';
  END IF;
  PERFORM setval('lockstep.term', p_term);
  PERFORM pg_advisory_xact_lock(${termLock});
END $f$;
`;

/** Triggers on every table that lacks them; run at activation and after each schema statement, on every member alike. */
const attach = `
CREATE FUNCTION lockstep.attach() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET client_min_messages = error AS $f$
DECLARE t record; made integer := 0; before text := coalesce(current_setting('lockstep.ddl', true), 'off');
BEGIN
  PERFORM set_config('lockstep.ddl', 'on', true);
  FOR t IN
    WITH users AS (
      SELECT c.oid, c.relkind, format('%I.%I', n.nspname, c.relname) AS name,
        CASE WHEN EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
               AND a.atttypid <> ALL ('{16,17,18,19,20,21,23,25,26,114,1042,1043,1700,2950,3802,650,869,829}'::oid[]))
             THEN 'capture_pinned' ELSE 'capture_plain' END AS capture,
        (SELECT string_agg(DISTINCT s, ',') FROM (
           SELECT quote_literal(d.refobjid) AS s FROM pg_attrdef ad JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = ad.oid
             AND d.refclassid = 'pg_class'::regclass JOIN pg_class sc ON sc.oid = d.refobjid AND sc.relkind = 'S' WHERE ad.adrelid = c.oid
           UNION SELECT quote_literal(d.objid) FROM pg_depend d JOIN pg_class sc ON sc.oid = d.objid AND sc.relkind = 'S'
             WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.deptype = 'i') x) AS sequences
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'lockstep', 'pg_toast') AND n.nspname NOT LIKE 'pg\\_temp\\_%'
    )
    SELECT u.*, tc.tgenabled AS capture_state, pc.proname AS capture_now, tt.tgenabled AS truncate_state, ts.tgenabled AS sequence_state,
      (SELECT string_agg(quote_literal(x), ',' ORDER BY quote_literal(x)) FROM unnest(string_to_array(encode(ts.tgargs, 'escape'), '\\000')) x WHERE x <> '') AS sequences_now
    FROM users u
    LEFT JOIN pg_trigger tc ON tc.tgrelid = u.oid AND tc.tgname = '!lockstep_capture' LEFT JOIN pg_proc pc ON pc.oid = tc.tgfoid
    LEFT JOIN pg_trigger tt ON tt.tgrelid = u.oid AND tt.tgname = '!lockstep_truncate'
    LEFT JOIN pg_trigger ts ON ts.tgrelid = u.oid AND ts.tgname = '!lockstep_sequences'
    WHERE (u.relkind = 'r' AND (tc.tgenabled IS DISTINCT FROM 'O' OR pc.proname IS DISTINCT FROM u.capture OR tt.tgenabled IS DISTINCT FROM 'O'))
       OR (u.sequences IS NOT NULL AND ts.tgenabled IS DISTINCT FROM 'O')
       OR (SELECT string_agg(x, ',' ORDER BY x) FROM unnest(string_to_array(u.sequences, ',')) x)
          IS DISTINCT FROM (SELECT string_agg(quote_literal(x), ',' ORDER BY quote_literal(x)) FROM unnest(string_to_array(encode(ts.tgargs, 'escape'), '\\000')) x WHERE x <> '')
  LOOP
    made := made + 1;
    IF t.relkind = 'r' THEN
      IF t.capture_now IS DISTINCT FROM t.capture THEN
        EXECUTE format('DROP TRIGGER IF EXISTS "!lockstep_capture" ON %s', t.name);
        EXECUTE format('CREATE TRIGGER "!lockstep_capture" AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION lockstep.%I()', t.name, t.capture);
      ELSIF t.capture_state <> 'O' THEN
        EXECUTE format('ALTER TABLE %s ENABLE TRIGGER "!lockstep_capture"', t.name);
      END IF;
      IF t.truncate_state IS NULL THEN
        EXECUTE format('CREATE TRIGGER "!lockstep_truncate" BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION lockstep.capture_truncate()', t.name);
      ELSIF t.truncate_state <> 'O' THEN
        EXECUTE format('ALTER TABLE %s ENABLE TRIGGER "!lockstep_truncate"', t.name);
      END IF;
    END IF;
    IF t.sequence_state IS NOT NULL THEN
      EXECUTE format('DROP TRIGGER "!lockstep_sequences" ON %s', t.name);
    END IF;
    IF t.sequences IS NOT NULL THEN
      EXECUTE format('CREATE TRIGGER "!lockstep_sequences" AFTER INSERT ON %s FOR EACH STATEMENT EXECUTE FUNCTION lockstep.capture_sequences(%s)', t.name, t.sequences);
    END IF;
  END LOOP;
  PERFORM set_config('lockstep.ddl', before, true);
  RETURN made;
END $f$;

-- After a schema statement: triggers for what is new; statements hidden in functions are refused again from here on.
CREATE FUNCTION lockstep.statement_done() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $f$
BEGIN
  PERFORM lockstep.attach();
  PERFORM set_config('lockstep.ddl', 'off', true);
END $f$;
`;

const eventTriggers = `
CREATE FUNCTION lockstep.guard_ddl() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $f$
DECLARE c record;
BEGIN
  IF coalesce(current_setting('lockstep.ddl', true), '') = 'on' OR coalesce(current_setting('lockstep.guard', true), '') = 'off' THEN RETURN; END IF;
  IF TG_EVENT = 'sql_drop' THEN
    SELECT object_identity AS identity, object_type AS kind INTO c FROM pg_event_trigger_dropped_objects()
     WHERE original AND NOT is_temporary AND coalesce(schema_name, '') NOT LIKE 'pg_temp%' AND object_identity NOT LIKE 'pg_temp%' LIMIT 1;
  ELSE
    SELECT object_identity AS identity, object_type AS kind INTO c FROM pg_event_trigger_ddl_commands()
     WHERE coalesce(schema_name, '') NOT LIKE 'pg_temp%' AND coalesce(object_identity, '') NOT LIKE 'pg_temp%' LIMIT 1;
  END IF;
  IF NOT FOUND THEN RETURN; END IF;
  IF coalesce(current_setting('lockstep.session', true), '') <> 'on' THEN
    RAISE EXCEPTION 'this database is a member of a Lockstep cluster: % must go through Lockstep', TG_TAG
      USING ERRCODE = '${sqlStates.aroundLockstep}',
            HINT = 'Connect to the address of the Lockstep node. An operator who knows better: SET lockstep.guard = off.';
  END IF;
  RAISE EXCEPTION '% of % inside a function or DO block cannot be carried to the other members', TG_TAG, c.identity
    USING ERRCODE = '${sqlStates.hiddenDdl}', HINT = 'Send the statement itself, not from inside a function; temporary tables are allowed there.';
END $f$;
CREATE EVENT TRIGGER lockstep_guard_ddl ON ddl_command_end EXECUTE FUNCTION lockstep.guard_ddl();
CREATE EVENT TRIGGER lockstep_guard_drop ON sql_drop EXECUTE FUNCTION lockstep.guard_ddl();
`;

const rights = `
REVOKE ALL ON FUNCTION lockstep.raise_term(bigint), lockstep.advance_sequence(text, text, bigint, boolean, boolean) FROM PUBLIC;
`;

/**
 * The statements that make the control schema, to be run in one transaction.
 * `superuser`: event triggers, which find schema statements hidden in functions, can be made by superusers only.
 */
export function createControlSchema(options: { superuser: boolean }): string {
  return [tables, sessionTable, capture, commit, attach, rights, options.superuser ? eventTriggers : ''].join(
    '\n',
  );
}

/** Removes every trace. Triggers go with the functions that they call. */
export const dropControlSchema = `
SET lockstep.guard = off;
SET client_min_messages = error;
DROP EVENT TRIGGER IF EXISTS lockstep_guard_ddl;
DROP EVENT TRIGGER IF EXISTS lockstep_guard_drop;
DROP SCHEMA IF EXISTS lockstep CASCADE;
`;
