/** The part of the control schema that ends transactions: the fence, the commit record, the write set. */

import { logSegments } from './log-segments.ts';
import { sqlStates } from './sql-states.ts';

/** Advisory lock class: shared by every committing transaction until its end, exclusive for a change of term. */
const termLock = '5498132001';

/** What one row of the log holds at most of a large write set. */
const pieceBytes = 2 << 20;

/** Expressions that plpgsql evaluates without starting an executor. */
const termIsOver = `pg_advisory_xact_lock_shared(${termLock}) IS NULL OR pg_sequence_last_value('lockstep.term'::regclass) IS DISTINCT FROM p_term`;

/** Whoever holds the write set takes the commit for decided, so nothing may stop the COMMIT behind it: no timeout of the client's. */
const unhurriedCommit = ['statement_timeout', 'transaction_timeout']
  .map(
    (name) =>
      `  IF current_setting('${name}', true) <> '0' THEN PERFORM set_config('${name}', '0', true); END IF;\n`,
  )
  .join('');

/**
 * Each expression costs anew in every transaction, a search path of its own as much as several: one says that all is as usual.
 * Characters are not counted, which takes as long as the text is.
 */
function finishFunction(slot: number): string {
  return `
CREATE FUNCTION lockstep.finish_${slot}(p_csn bigint, p_term bigint) RETURNS bytea LANGUAGE plpgsql SECURITY DEFINER AS $f$
DECLARE c text := pg_catalog.current_setting('lockstep.changes', true); w bytea;
BEGIN
  IF (pg_catalog.ascii(c) OPERATOR(pg_catalog.=) 43 AND pg_catalog.octet_length(c) OPERATOR(pg_catalog.>) 1
      AND pg_catalog.pg_advisory_xact_lock_shared(${termLock}) IS NOT NULL
      AND pg_catalog.pg_sequence_last_value('lockstep.term'::pg_catalog.regclass) OPERATOR(pg_catalog.=) p_term
      AND pg_catalog.current_setting('statement_timeout') OPERATOR(pg_catalog.=) '0'
      AND coalesce(pg_catalog.current_setting('transaction_timeout', true), '0') OPERATOR(pg_catalog.=) '0') IS NOT TRUE THEN
    c := lockstep.before_finish(p_term);
    IF c IS NULL THEN RETURN NULL; END IF;
  END IF;
  INSERT INTO lockstep.log_${slot} (slot, csn, part, term, payload)
  VALUES (${slot}, p_csn, 1, p_term, pg_catalog.substr(pg_catalog.convert_to(c, pg_catalog.getdatabaseencoding()), 2))
  RETURNING payload INTO w;
  RETURN w;
END $f$;`;
}

export const commit = `
CREATE FUNCTION lockstep.refuse_term(p_term bigint) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $f$
BEGIN
  RAISE EXCEPTION 'term % is over: another Lockstep node has taken over', p_term USING ERRCODE = '${sqlStates.staleTerm}';
END $f$;

-- The lock comes first: whoever raises the term holds it until no commit of the old one is under way.
CREATE FUNCTION lockstep.fence(p_term bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $f$
BEGIN
  IF ${termIsOver} THEN PERFORM lockstep.refuse_term(p_term); END IF;
END $f$;

-- What is seldom to be done in front of a commit record: the changes as they stand, NULL when nothing was written.
CREATE FUNCTION lockstep.before_finish(p_term bigint) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $f$
DECLARE c text := current_setting('lockstep.changes', true);
BEGIN
  IF c = '+' THEN RETURN NULL; END IF;
  IF ${termIsOver} THEN PERFORM lockstep.refuse_term(p_term); END IF;
${unhurriedCommit}  IF ascii(lockstep.collected()) = 43 THEN RETURN c; END IF;
  PERFORM lockstep.spill();
  RETURN (SELECT '*' || string_agg(chunk, '' ORDER BY seq) FROM pg_temp.lockstep_spill);
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
      HINT = 'Nothing took effect. RESET ALL inside a function, and settings named lockstep.*, are Lockstep''s own matter.';
  END IF;
  RETURN c;
END $f$;

-- The same for large transactions: in parts of about a megabyte, a row each. A change that is larger than that spans parts.
CREATE FUNCTION lockstep.finish_large(p_csn bigint, p_term bigint, p_slot smallint) RETURNS SETOF bytea
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET client_min_messages = error AS $f$
DECLARE chunks record; bytes bytea; piece bytea; n integer := 0;
BEGIN
  PERFORM lockstep.fence(p_term);
  IF lockstep.collected() = '+' THEN RETURN; END IF;
  PERFORM lockstep.spill();
  -- Sorted are the numbers alone.
  CREATE INDEX ON pg_temp.lockstep_spill (seq);
  FOR chunks IN SELECT min(seq) AS first, max(seq) AS last
                  FROM (SELECT seq, sum(octet_length(chunk)) OVER (ORDER BY seq) / 1048576 AS part FROM pg_temp.lockstep_spill) s GROUP BY part ORDER BY 1
  LOOP
    SELECT convert_to(string_agg(chunk, '' ORDER BY seq), getdatabaseencoding()) INTO bytes
      FROM pg_temp.lockstep_spill WHERE seq BETWEEN chunks.first AND chunks.last;
    FOR i IN 0 .. (octet_length(bytes) - 1) / ${pieceBytes} LOOP
      piece := substr(bytes, i * ${pieceBytes} + 1, ${pieceBytes});
      n := n + 1;
      INSERT INTO lockstep.log (slot, csn, part, term, payload) VALUES (p_slot, p_csn, n, p_term, piece);
      RETURN NEXT piece;
    END LOOP;
  END LOOP;
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
