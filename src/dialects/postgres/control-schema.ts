/**
 * What Lockstep keeps inside a member: the schema `lockstep`. See DESIGN.md beside this file for why it is as it is.
 *
 * Everything runs on PostgreSQL 13 to 18. The functions that a client's session reaches are SECURITY DEFINER with every
 * name qualified or the search path pinned, because they run while the client chooses the settings.
 */

/** Raised with the format when the tables change shape; a member of another format is refused, not guessed at. */
export const controlFormat = 2;

/** The commit log is a ring of this many segments; a whole segment is emptied at once (TRUNCATE), never row by row. */
export const logSegments = 8;

/** Advisory lock class: shared by every committing transaction until its end, exclusive for a change of term. */
const termLock = '5498132001';

/**
 * Schema statements run one at a time. Some of them lock nothing that others would touch (IF EXISTS that finds nothing, GRANT ON
 * ALL TABLES): side by side, the other members could carry them out in another order than they took effect here.
 */
const schemaLock = '5498132002';

export const sqlStates = {
  staleTerm: 'LS001',
  aroundLockstep: 'LS002',
  hiddenDdl: 'LS003',
  diverged: 'LS004',
  recordLost: 'LS005',
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
-- settled: two sweeps in a row have found it so, and whatever was still under way when the first one looked has arrived.
CREATE TABLE lockstep.sequence_shipped (sch text, seq text, value bigint NOT NULL, called boolean NOT NULL, settled boolean NOT NULL, PRIMARY KEY (sch, seq));

-- Sequences that a statement has set back, until the next sweep. Only added to, so that nobody waits for anybody.
CREATE TABLE lockstep.sequence_reset (sch text NOT NULL, seq text NOT NULL);

CREATE TABLE lockstep.heartbeat (singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton), beat bigint NOT NULL);
INSERT INTO lockstep.heartbeat VALUES (true, 0);
`;

/**
 * Settings under which a row's text form means the same everywhere. The applying session uses the very same ones. Equal rows must
 * read the same whoever wrote them: changes are joined, and rows without a key are found, by this text.
 */
export const pinnedSettings = {
  DateStyle: 'ISO, MDY',
  TimeZone: 'UTC',
  IntervalStyle: 'postgres',
  extra_float_digits: '1',
  lc_monetary: 'C',
  bytea_output: 'hex',
  search_path: 'pg_catalog',
} as const;

/** Built-in types whose text form no setting changes, and arrays of them. */
const plainTypes =
  '{16,18,19,20,21,23,25,26,114,1042,1043,1700,2950,3802,650,869,829,774,1560,1562,1000,1002,1005,1007,1014,1015,1016,1009,1028,1231,199,2951,3807}';
/** Dates, times, intervals, floats, bytea, and arrays of them. */
const checkedTypes =
  '{17,1001,700,701,1082,1083,1114,1184,1186,1266,1021,1022,1115,1182,1183,1185,1187,1270}';

const pinnedClauses = Object.entries(pinnedSettings)
  .map(([name, value]) =>
    name === 'search_path' ? `SET search_path = ${value}` : `SET ${name} = '${value}'`,
  )
  .join(' ');

/**
 * The changes of the open transaction are collected in a setting that ends with it, undone by savepoints like everything
 * local to a transaction: one expression a row, and no table is touched. Its first character says who is speaking: `+` a
 * session of ours, `*` one that has spilled what grew too long into a temporary table, anything else a stranger.
 */
const changes = `pg_catalog.current_setting('lockstep.changes', true)`;
const spillBytes = 8192;

/** What one row of the log holds at most of a large write set. */
const pieceBytes = 2 << 20;

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

const framed = (schema: string, name: string): string =>
  `octet_length(${schema}) || ',' || octet_length(${name}) || ':' || ${schema} || ${name}`;

const capture = `
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

-- After each INSERT statement on a table whose defaults draw from sequences: the position reached travels with the rows.
CREATE FUNCTION lockstep.capture_sequences() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $f$
DECLARE i integer; s oid; v bigint; c text := current_setting('lockstep.changes', true);
BEGIN
  IF c IS NULL OR ascii(c) NOT IN (42, 43) THEN RETURN NULL; END IF;
  FOR i IN 0 .. TG_NARGS - 1 LOOP
    s := TG_ARGV[i]::oid;
    v := pg_sequence_last_value(s);
    IF v IS NOT NULL THEN
      PERFORM lockstep.append((SELECT 'Q' || ${framed('n.nspname', 'c.relname')} || 'up,' || v || ',t;'
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = s));
    END IF;
  END LOOP;
  RETURN NULL;
END $f$;

CREATE FUNCTION lockstep.record_position(sch name, seq name, exact boolean, v bigint, called boolean) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $f$
BEGIN
  PERFORM lockstep.append('Q' || ${framed('sch', 'seq')} || CASE WHEN exact THEN 'exact,' ELSE 'up,' END || v || CASE WHEN called THEN ',t;' ELSE ',f;' END);
END $f$;

-- After code that nobody has seen: the sequences that it has drawn from, and those alone, are locked by this transaction.
-- Positions go up only, so that one shipped by a later transaction is never taken back; exactly as they stand only after a
-- statement that sets them. How several such statements ended, the next sweep says.
CREATE FUNCTION lockstep.sweep_sequences(exact boolean) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $f$
DECLARE q record; v bigint; called boolean;
BEGIN
  IF EXISTS (SELECT FROM pg_largeobject_metadata WHERE xmin::text::bigint >= pg_current_xact_id_if_assigned()::text::bigint & 4294967295) THEN
    RAISE EXCEPTION 'large objects are not supported: their changes cannot be captured'
      USING ERRCODE = 'feature_not_supported', HINT = 'Use a bytea column.';
  END IF;
  FOR q IN SELECT n.nspname AS sch, c.relname AS seq FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND c.relkind = 'S' AND c.relpersistence <> 't'
              AND n.nspname <> 'lockstep' LOOP
    EXECUTE format('SELECT last_value, is_called FROM %I.%I', q.sch, q.seq) INTO v, called;
    IF exact THEN
      INSERT INTO lockstep.sequence_reset VALUES (q.sch, q.seq);
    ELSIF NOT called THEN
      CONTINUE;
    END IF;
    PERFORM lockstep.record_position(q.sch, q.seq, exact, v, called);
  END LOOP;
END $f$;

-- From time to time: positions that no transaction has shipped, because it was rolled back or nobody saw it draw; and where the
-- order of setting and drawing may have been lost on the way, how it ended. It waits for nobody: the next one comes soon.
CREATE FUNCTION lockstep.sweep_moved_sequences() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog SET lock_timeout = '50ms' AS $f$
DECLARE q record; v bigint; called boolean; moved boolean;
BEGIN
  FOR q IN
    WITH resets AS (DELETE FROM lockstep.sequence_reset RETURNING sch, seq)
    SELECT c.oid, n.nspname AS sch, c.relname AS seq, p.seqincrement > 0 AS up, p.seqcycle AS cycles, s.value, s.called, s.settled,
           EXISTS (SELECT FROM resets r WHERE r.sch = n.nspname AND r.seq = c.relname) AS reset
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence p ON p.seqrelid = c.oid
      LEFT JOIN lockstep.sequence_shipped s ON s.sch = n.nspname AND s.seq = c.relname
     WHERE c.relpersistence <> 't' AND n.nspname <> 'lockstep'
  LOOP
    IF q.settled AND q.called AND NOT q.reset AND pg_sequence_last_value(q.oid) = q.value THEN CONTINUE; END IF;
    EXECUTE format('SELECT last_value, is_called FROM %I.%I', q.sch, q.seq) INTO v, called;
    moved := (v, called) IS DISTINCT FROM (q.value, q.called) AND (q.value IS NOT NULL OR called);
    IF NOT moved AND NOT q.reset AND coalesce(q.settled, true) THEN CONTINUE; END IF;
    INSERT INTO lockstep.sequence_shipped VALUES (q.sch, q.seq, v, called, NOT moved AND NOT q.reset)
      ON CONFLICT (sch, seq) DO UPDATE SET value = excluded.value, called = excluded.called, settled = excluded.settled;
    PERFORM lockstep.record_position(q.sch, q.seq,
      q.reset OR q.cycles OR NOT called OR coalesce(CASE WHEN q.up THEN v < q.value ELSE v > q.value END, false), v, called);
  END LOOP;
END $f$;

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
              THEN format('ROW(%s)::%I.%I::text', string_agg(CASE a.attgenerated WHEN 'v' THEN 'NULL' ELSE format('%I.%I', alias, a.attname) END, ', ' ORDER BY a.attnum), n.nspname, c.relname)
              ELSE format('(%I.*)::text', alias) END
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
   WHERE c.oid = relation GROUP BY n.nspname, c.relname
$f$;

-- Every row of a table and of those that inherit from it, after a statement that computed them in a way no other member would repeat.
CREATE FUNCTION lockstep.record_rows(relation oid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER ${pinnedClauses} AS $f$
DECLARE r record; prefix text;
BEGIN
  FOR r IN WITH RECURSIVE tree (oid) AS (SELECT relation UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON tree.oid = i.inhparent)
           SELECT n.nspname, c.relname, lockstep.row_image(c.oid, 't') AS image FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind = 'r' AND c.relpersistence <> 't'
  LOOP
    prefix := ${framed('r.nspname', 'r.relname')};
    -- EMPTY empties the table without the rules of TRUNCATE about foreign keys.
    PERFORM lockstep.append('EMPTY' || prefix);
    PERFORM lockstep.spill();
    EXECUTE format('INSERT INTO pg_temp.lockstep_spill (chunk) SELECT concat(''INSERT'', %L::text, %s) FROM ONLY %I.%I t', prefix, r.image, r.nspname, r.relname);
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

/** Expressions that plpgsql evaluates without starting an executor. */
const termIsOver = `pg_advisory_xact_lock_shared(${termLock}) IS NULL OR pg_sequence_last_value('lockstep.term'::regclass) IS DISTINCT FROM p_term`;

/** Whoever holds the write set takes the commit for decided, so nothing may stop the COMMIT behind it: no timeout of the client's. */
const unhurriedCommit = ['statement_timeout', 'transaction_timeout']
  .map(
    (name) =>
      `  IF current_setting('${name}', true) <> '0' THEN PERFORM set_config('${name}', '0', true); END IF;\n`,
  )
  .join('');

function finishFunction(slot: number): string {
  return `
CREATE FUNCTION lockstep.finish_${slot}(p_csn bigint, p_term bigint) RETURNS bytea LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $f$
DECLARE c text := current_setting('lockstep.changes', true); w bytea;
BEGIN
  IF c = '+' THEN RETURN NULL; END IF;
  IF ${termIsOver} THEN PERFORM lockstep.refuse_term(p_term); END IF;
  IF ascii(c) IS DISTINCT FROM 43 THEN c := lockstep.spilled(); ELSE c := substr(c, 2); END IF;
  w := convert_to(c, getdatabaseencoding());
  INSERT INTO lockstep.log_${slot} (slot, csn, part, term, payload) VALUES (${slot}, p_csn, 1, p_term, w);
${unhurriedCommit}  RETURN w;
END $f$;`;
}

const commit = `
CREATE FUNCTION lockstep.refuse_term(p_term bigint) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $f$
BEGIN
  RAISE EXCEPTION 'term % is over: another Lockstep node has taken over', p_term USING ERRCODE = '${sqlStates.staleTerm}';
END $f$;

-- The lock comes first: whoever raises the term holds it until no commit of the old one is under way.
CREATE FUNCTION lockstep.fence(p_term bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $f$
BEGIN
  IF ${termIsOver} THEN PERFORM lockstep.refuse_term(p_term); END IF;
END $f$;

-- The last statement before COMMIT: checks the term, writes the commit record, hands out the write set (NULL: nothing was written).
-- One for each segment of the log: choosing the partition costs more than all else here.
${Array.from({ length: logSegments }, (_, slot) => finishFunction(slot)).join('\n')}

-- What a session of ours has collected; a setting that somebody has tampered with ends the transaction.
CREATE FUNCTION lockstep.collected() RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog AS $f$
DECLARE c text := coalesce(current_setting('lockstep.changes', true), '');
BEGIN
  IF ascii(c) NOT IN (42, 43) THEN
    RAISE EXCEPTION 'the record of this transaction''s changes was lost' USING ERRCODE = '${sqlStates.recordLost}',
      HINT = 'Nothing took effect. RESET ALL inside a transaction that writes, and settings named lockstep.*, are Lockstep''s own matter.';
  END IF;
  RETURN c;
END $f$;

CREATE FUNCTION lockstep.spilled() RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $f$
DECLARE c text := lockstep.collected();
BEGIN
  PERFORM lockstep.spill();
  SELECT string_agg(chunk, '' ORDER BY seq) INTO c FROM pg_temp.lockstep_spill;
  RETURN c;
END $f$;

-- The same for large transactions: in parts of about a megabyte, a row each. A change that is larger than that spans parts.
CREATE FUNCTION lockstep.finish_large(p_csn bigint, p_term bigint, p_slot smallint) RETURNS SETOF bytea
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $f$
BEGIN
  PERFORM lockstep.fence(p_term);
  IF lockstep.collected() = '+' THEN RETURN; END IF;
  PERFORM lockstep.spill();
  RETURN QUERY
    WITH c AS (SELECT seq, chunk, sum(octet_length(chunk)) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) / 1048576 AS part FROM pg_temp.lockstep_spill),
      p AS (SELECT part, convert_to(string_agg(chunk, '' ORDER BY seq), getdatabaseencoding()) AS bytes FROM c GROUP BY part),
      -- Cut before they are sorted, so that what is sorted are the pieces.
      s AS MATERIALIZED (SELECT part, piece, substr(bytes, piece * ${pieceBytes} + 1, ${pieceBytes}) AS payload
                           FROM p, generate_series(0, (octet_length(bytes) - 1) / ${pieceBytes}) AS piece)
    INSERT INTO lockstep.log (slot, csn, part, term, payload)
    SELECT p_slot, p_csn, row_number() OVER (ORDER BY part, piece), p_term, payload FROM s ORDER BY part, piece
    RETURNING log.payload;
END $f$;

-- Where a write set's image of a row is too large to be sent again, it is read from the parts logged here: bytes p_from up to p_to of the whole.
CREATE FUNCTION lockstep.logged_image(p_slot smallint, p_csn bigint, p_from bigint, p_to bigint) RETURNS text
LANGUAGE sql SET search_path = pg_catalog AS $f$
  SELECT convert_from(string_agg(substr(payload, greatest(p_from - start, 0)::int + 1, (least(p_to, start + bytes) - greatest(p_from, start))::int), ''::bytea ORDER BY part), getdatabaseencoding())
    FROM (SELECT part, payload, octet_length(payload) AS bytes, sum(octet_length(payload)) OVER (ORDER BY part) - octet_length(payload) AS start
            FROM lockstep.log WHERE slot = p_slot AND csn = p_csn) l
   WHERE start < p_to AND start + bytes > p_from
$f$;

-- How much the open transaction has captured, in bytes, near enough to choose between the two.
CREATE FUNCTION lockstep.pending_bytes() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $f$
  SELECT coalesce(pg_table_size(to_regclass('pg_temp.lockstep_spill')), 0) + octet_length(current_setting('lockstep.changes', true))
$f$;

-- While a write set is applied: rows are not as they were where it was made. Nothing of it stays, its commit record neither.
CREATE FUNCTION lockstep.diverged(relation text, wanted bigint, changed bigint) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $f$
BEGIN
  RAISE EXCEPTION 'this member has diverged: % rows of % were to change, % did', wanted, relation, changed USING ERRCODE = '${sqlStates.diverged}';
END $f$;

CREATE FUNCTION lockstep.advance_sequence(sch text, seq text, target bigint, called boolean, exact boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $f$
DECLARE v bigint; c boolean; step bigint; cycles boolean; relation regclass := to_regclass(format('%I.%I', sch, seq));
BEGIN
  -- A transaction that was overtaken by the one that dropped it.
  IF relation IS NULL THEN RETURN; END IF;
  EXECUTE format('SELECT last_value, is_called FROM %I.%I', sch, seq) INTO v, c;
  SELECT seqincrement, seqcycle INTO step, cycles FROM pg_sequence WHERE seqrelid = relation;
  IF exact OR cycles THEN
    IF (v, c) IS DISTINCT FROM (target, called) THEN PERFORM setval(relation, target, called); END IF;
  -- One that has not been drawn from stands in front of its value.
  ELSIF (step > 0 AND v < target) OR (step < 0 AND v > target) OR (v = target AND called AND NOT c) THEN
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
  PERFORM set_config('lockstep.ddl', 'attach', true);
  FOR t IN
    WITH users AS (
      SELECT c.oid, c.relkind, format('%I.%I', n.nspname, c.relname) AS name,
        ${framed('n.nspname', 'c.relname')} AS prefix,
        (SELECT CASE max(CASE WHEN ty.typtype = 'e' OR ty.oid = ANY ('${plainTypes}'::oid[]) THEN 0 WHEN ty.oid = ANY ('${checkedTypes}'::oid[]) THEN 1 ELSE 2 END)
                  WHEN 1 THEN 'capture_checked' WHEN 2 THEN 'capture_pinned' ELSE 'capture_plain' END
           FROM pg_attribute a JOIN pg_type ty ON ty.oid = a.atttypid WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS capture,
        (SELECT string_agg(DISTINCT s, ',') FROM (
           SELECT quote_literal(d.refobjid) AS s FROM pg_attrdef ad JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = ad.oid
             AND d.refclassid = 'pg_class'::regclass JOIN pg_class sc ON sc.oid = d.refobjid AND sc.relkind = 'S' WHERE ad.adrelid = c.oid
           UNION SELECT quote_literal(d.objid) FROM pg_depend d JOIN pg_class sc ON sc.oid = d.objid AND sc.relkind = 'S'
             WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.deptype = 'i') x) AS sequences
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'lockstep', 'pg_toast') AND n.nspname NOT LIKE 'pg\\_temp\\_%'
    )
    SELECT u.*, ts.tgenabled AS sequence_state,
      (SELECT string_agg(quote_literal(x), ',' ORDER BY quote_literal(x)) FROM unnest(string_to_array(encode(ts.tgargs, 'escape'), '\\000')) x WHERE x <> '') AS sequences_now
    FROM users u
    LEFT JOIN pg_trigger tc ON tc.tgrelid = u.oid AND tc.tgname = '!lockstep_capture' LEFT JOIN pg_proc pc ON pc.oid = tc.tgfoid
    LEFT JOIN pg_trigger tt ON tt.tgrelid = u.oid AND tt.tgname = '!lockstep_truncate'
    LEFT JOIN pg_trigger ts ON ts.tgrelid = u.oid AND ts.tgname = '!lockstep_sequences'
    WHERE (u.relkind = 'r' AND (tc.tgenabled IS DISTINCT FROM 'O' OR pc.proname IS DISTINCT FROM u.capture OR tt.tgenabled IS DISTINCT FROM 'O'
             OR tc.tgargs <> convert_to(u.prefix, getdatabaseencoding()) || '\\x00'::bytea))
       OR (u.sequences IS NOT NULL AND ts.tgenabled IS DISTINCT FROM 'O')
       OR (SELECT string_agg(x, ',' ORDER BY x) FROM unnest(string_to_array(u.sequences, ',')) x)
          IS DISTINCT FROM (SELECT string_agg(quote_literal(x), ',' ORDER BY quote_literal(x)) FROM unnest(string_to_array(encode(ts.tgargs, 'escape'), '\\000')) x WHERE x <> '')
  LOOP
    made := made + 1;
    IF t.relkind = 'r' THEN
      EXECUTE format('DROP TRIGGER IF EXISTS "!lockstep_capture" ON %s', t.name);
      EXECUTE format('DROP TRIGGER IF EXISTS "!lockstep_truncate" ON %s', t.name);
      EXECUTE format('CREATE TRIGGER "!lockstep_capture" AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION lockstep.%I(%L)', t.name, t.capture, t.prefix);
      EXECUTE format('CREATE TRIGGER "!lockstep_truncate" BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION lockstep.capture_truncate(%L)', t.name, t.prefix);
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
-- Lets schema statements pass that are recorded, and finds those that are hidden in functions, blocks and event triggers: they
-- run inside of another statement, which shows in the call stack.
CREATE FUNCTION lockstep.guard_ddl() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $f$
DECLARE permanent text; ddl text := coalesce(current_setting('lockstep.ddl', true), ''); stack text;
BEGIN
  IF ddl = 'attach' OR coalesce(current_setting('lockstep.guard', true), '') = 'off' THEN RETURN; END IF;
  IF TG_EVENT = 'sql_drop' THEN
    IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects() WHERE schema_name = 'lockstep' OR (object_type = 'schema' AND object_name = 'lockstep')) THEN
      RAISE EXCEPTION 'schema "lockstep" belongs to Lockstep and cannot be changed through it'
        USING ERRCODE = 'insufficient_privilege', HINT = 'Drop other objects one by one. To remove Lockstep: lockstep detach.';
    END IF;
    SELECT object_identity INTO permanent FROM pg_event_trigger_dropped_objects()
     WHERE original AND NOT is_temporary AND coalesce(schema_name, '') NOT LIKE 'pg_temp%' AND object_identity NOT LIKE 'pg_temp%' LIMIT 1;
  ELSE
    SELECT object_identity INTO permanent FROM pg_event_trigger_ddl_commands()
     WHERE coalesce(schema_name, '') NOT LIKE 'pg_temp%' AND coalesce(object_identity, '') NOT LIKE 'pg_temp%' LIMIT 1;
  END IF;
  IF NOT FOUND THEN RETURN; END IF;
  IF coalesce(current_setting('lockstep.session', true), '') <> 'on' THEN
    RAISE EXCEPTION 'this database is a member of a Lockstep cluster: % must go through Lockstep', TG_TAG
      USING ERRCODE = '${sqlStates.aroundLockstep}',
            HINT = 'Connect to the address of the Lockstep node. An operator who knows better: SET lockstep.guard = off.';
  END IF;
  GET DIAGNOSTICS stack = PG_CONTEXT;
  -- GRANT does not say on what.
  IF (ddl = 'on' OR (ddl = 'temporary' AND permanent IS NULL)) AND (strpos(stack, E'\\n') = 0 OR strpos(stack, 'extension script') > 0 OR strpos(stack, 'importing foreign table') > 0) THEN RETURN; END IF;
  RAISE EXCEPTION '% of % inside a function or DO block cannot be carried to the other members', TG_TAG, coalesce(permanent, 'an object')
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
  return [tables, capture, commit, attach, rights, options.superuser ? eventTriggers : ''].join('\n');
}

/** Removes every trace. Triggers go with the functions that they call. */
export const dropControlSchema = `
SET lockstep.guard = off;
SET client_min_messages = error;
DROP EVENT TRIGGER IF EXISTS lockstep_guard_ddl;
DROP EVENT TRIGGER IF EXISTS lockstep_guard_drop;
DROP SCHEMA IF EXISTS lockstep CASCADE;
`;
