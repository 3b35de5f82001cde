/** The part of the control schema that keeps sequences level: what a transaction has drawn, and what nobody has carried. */

import { nodeOnly } from './control-commit.ts';
import { framed } from './control-capture.ts';
import { definerPath } from './pinned-settings.ts';
import { expecting, register, registerIs } from './register.ts';
import { sqlStates } from './sql-states.ts';

/** `superuser`: event triggers see schema statements in code that nobody has seen. */
export const sequences = (superuser: boolean): string => `
-- After each INSERT statement on a table whose defaults draw from sequences: the position reached travels with the rows.
CREATE FUNCTION lockstep.capture_sequences() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
DECLARE i integer; s oid; v bigint;
BEGIN
  IF ascii(current_setting('${register}')) NOT IN (${registerIs.open}, ${registerIs.closed}) THEN RETURN NULL; END IF;
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

CREATE FUNCTION lockstep.record_position(sch name, seq name, exact boolean, v bigint, called boolean) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
BEGIN
  PERFORM lockstep.append('Q' || ${framed('sch', 'seq')} || CASE WHEN exact THEN 'exact,' ELSE 'up,' END || v || CASE WHEN called THEN ',t;' ELSE ',f;' END);
END $f$;

-- After code that nobody has seen: the sequences that it has drawn from, and those alone, are locked by this transaction; and so is
-- a table that it has made where no event tells of it (EXPLAIN ANALYZE of CREATE TABLE AS): nobody watches that one.
-- Positions go up only, so that one shipped by a later transaction is never taken back; exactly as they stand only after a
-- statement that sets them. How several such statements ended, the next sweep says.
CREATE FUNCTION lockstep.sweep_sequences(p_secret bytea, exact boolean) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
DECLARE q record; v bigint; called boolean;
BEGIN
  ${nodeOnly}
  PERFORM ${superuser ? 'lockstep.collected()' : 'lockstep.refuse_unseen(lockstep.collected())'};
  IF EXISTS (SELECT FROM pg_largeobject_metadata WHERE xmin::text::bigint >= pg_current_xact_id_if_assigned()::text::bigint & 4294967295) THEN
    RAISE EXCEPTION 'large objects are not supported: their changes cannot be captured'
      USING ERRCODE = 'feature_not_supported', HINT = 'Use a bytea column.';
  END IF;
  -- TRUNCATE ... RESTART IDENTITY sets them back too, which its transaction shows in the catalog.
  FOR q IN SELECT DISTINCT n.nspname AS sch, c.relname AS seq, c.relkind AS kind,
                  coalesce(c.xmin::text::bigint >= pg_current_xact_id_if_assigned()::text::bigint & 4294967295, false) AS restarted FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND c.relpersistence <> 't' AND n.nspname <> 'lockstep'
              AND (l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'AccessExclusiveLock') AND c.relkind = 'S'
                OR l.mode = 'AccessExclusiveLock' AND c.relkind = 'r' AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = '!lockstep_capture')
                OR l.mode = 'AccessExclusiveLock' AND c.relkind = 'm' AND NOT ${expecting.isNoted('c.oid')} AND EXISTS (SELECT FROM pg_event_trigger WHERE evtname = 'lockstep_guard_ddl')) LOOP
    IF q.kind IN ('r', 'm') THEN
      RAISE EXCEPTION '% %.% was made where it cannot be carried to the other members', CASE q.kind WHEN 'r' THEN 'table' ELSE 'materialized view' END, q.sch, q.seq
        USING ERRCODE = '${sqlStates.hiddenDdl}', HINT = 'Nothing took effect. Send CREATE ... AS as a statement of its own, not under EXPLAIN ANALYZE inside a function.';
    END IF;
    EXECUTE format('SELECT last_value, is_called FROM %I.%I', q.sch, q.seq) INTO v, called;
    IF exact OR q.restarted THEN
      INSERT INTO lockstep.sequence_reset VALUES (q.sch, q.seq);
    ELSIF NOT called THEN
      CONTINUE;
    END IF;
    PERFORM lockstep.record_position(q.sch, q.seq, exact OR q.restarted, v, called);
  END LOOP;
END $f$;

-- From time to time: positions that no transaction has shipped, because it was rolled back or nobody saw it draw; and where the
-- order of setting and drawing may have been lost on the way, how it ended. It waits for nobody: the next one comes soon.
CREATE FUNCTION lockstep.sweep_moved_sequences(p_secret bytea) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ${definerPath} SET lock_timeout = '50ms' AS $f$
DECLARE q record; v bigint; called boolean; moved boolean; exact boolean;
BEGIN
  ${nodeOnly}
  FOR q IN
    WITH resets AS (DELETE FROM lockstep.sequence_reset RETURNING sch, seq)
    SELECT c.oid, n.nspname AS sch, c.relname AS seq, p.seqincrement > 0 AS up, p.seqcycle AS cycles, s.value, s.called, s.settled,
           EXISTS (SELECT FROM resets r WHERE r.sch = n.nspname AND r.seq = c.relname) AS reset
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence p ON p.seqrelid = c.oid
      LEFT JOIN lockstep.sequence_shipped s ON s.sch = n.nspname AND s.seq = c.relname AND s.relation = c.oid
     WHERE c.relpersistence <> 't' AND n.nspname <> 'lockstep'
  LOOP
    IF q.settled AND q.called AND NOT q.reset AND pg_sequence_last_value(q.oid) = q.value THEN CONTINUE; END IF;
    EXECUTE format('SELECT last_value, is_called FROM %I.%I', q.sch, q.seq) INTO v, called;
    moved := (v, called) IS DISTINCT FROM (q.value, q.called) AND (q.value IS NOT NULL OR called);
    -- Unknown is what was set: who had drawn before may have shipped that only after the sweep, so it is said once more.
    exact := q.reset OR (q.value IS NOT NULL AND q.settled IS NULL);
    IF NOT moved AND NOT exact AND coalesce(q.settled, true) THEN CONTINUE; END IF;
    INSERT INTO lockstep.sequence_shipped VALUES (q.sch, q.seq, q.oid, v, called, CASE WHEN NOT q.reset THEN NOT moved END)
      ON CONFLICT (sch, seq) DO UPDATE SET relation = excluded.relation, value = excluded.value, called = excluded.called, settled = excluded.settled;
    PERFORM lockstep.record_position(q.sch, q.seq,
      exact OR q.cycles OR NOT called OR coalesce(CASE WHEN q.up THEN v < q.value ELSE v > q.value END, false), v, called);
  END LOOP;
END $f$;

CREATE FUNCTION lockstep.advance_sequence(sch text, seq text, target bigint, called boolean, exact boolean) RETURNS void
LANGUAGE plpgsql SET search_path = ${definerPath} AS $f$
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
`;
