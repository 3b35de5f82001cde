/** The part of the control schema that ends transactions: the fence, the commit record, the write set. */

import { logSegments } from './log-segments.ts';
import { definerPath } from './pinned-settings.ts';
import { expecting, register, registerIs, spilledMark } from './register.ts';
import { sqlStates } from './sql-states.ts';

/** What one row of the log holds at most of a large write set. */
const pieceBytes = 2 << 20;

const termIsOver = `pg_sequence_last_value('lockstep.term'::regclass) IS DISTINCT FROM p_term`;

/** Whoever holds the write set takes the commit for decided, so nothing may stop the COMMIT behind it: no timeout of the client's. */
const unhurriedCommit = ['statement_timeout', 'transaction_timeout']
  .map(
    (name) =>
      `  IF current_setting('${name}', true) <> '0' THEN PERFORM set_config('${name}', '0', true); END IF;\n`,
  )
  .join('');

/** What a definer function asks first that clients may call. */
export const nodeOnly = `IF lockstep.is_node(p_secret) IS NOT TRUE THEN PERFORM lockstep.refuse_stranger(); END IF;`;

/** The register behind the end of a record: the next piece is part `part` of it. */
const closed = (slot: string, part: string): string =>
  `format('!%s,%s,%s,%s,%s;', ${slot}, p_csn, ${part}, p_term, p_token)`;

/**
 * Each expression costs anew in every transaction, a search path of its own as much as several: one says that all is as usual.
 * Characters are not counted, which takes as long as the text is. The INSERT takes its lock on the segment before the term is
 * looked at, and whoever raises the term waits for that lock: that is the fence. `p_closed`: the register from here on.
 */
function finishFunction(slot: number, superuser: boolean): string {
  return `
CREATE FUNCTION lockstep.finish_${slot}(p_secret bytea, p_csn bigint, p_term bigint, p_token text) RETURNS bytea LANGUAGE plpgsql SECURITY DEFINER AS $f$
DECLARE c pg_catalog.text := pg_catalog.current_setting('${register}'); w pg_catalog.bytea;
BEGIN${superuser ? '' : lookForUnseen('c')}
  IF (lockstep.is_node(p_secret) AND pg_catalog.ascii(c) OPERATOR(pg_catalog.=) ${registerIs.open} AND c OPERATOR(pg_catalog.>) '+,' COLLATE pg_catalog."C"
      AND pg_catalog.current_setting('statement_timeout') OPERATOR(pg_catalog.=) '0'
      AND coalesce(pg_catalog.current_setting('transaction_timeout', true), '0') OPERATOR(pg_catalog.=) '0') IS NOT TRUE THEN
    c := lockstep.before_finish(p_secret, ${slot}, p_csn, p_term, p_token);
    IF c IS NULL THEN RETURN NULL; END IF;
  END IF;
  INSERT INTO lockstep.log_${slot} (slot, csn, part, term, payload)
  SELECT ${slot}, p_csn, 1, p_term, pg_catalog.substr(pg_catalog.convert_to(c, pg_catalog.getdatabaseencoding()), 2)
   WHERE pg_catalog.pg_sequence_last_value('lockstep.term'::pg_catalog.regclass) OPERATOR(pg_catalog.=) p_term
     AND pg_catalog.set_config('${register}', pg_catalog.concat('!${slot},', p_csn, ',2,', p_term, ',', p_token, ';'), true) IS NOT NULL
  RETURNING payload INTO w;
  IF w IS NULL THEN PERFORM lockstep.refuse_term(p_term); END IF;
  RETURN w;
END $f$;`;
}

/** Triggers may have run code that nobody has seen. */
const lookForUnseen = (c: string): string => `\n  PERFORM lockstep.refuse_unseen(${c});`;

/** `superuser`: event triggers see schema statements in code that nobody has seen. */
export const commit = (superuser: boolean): string => `
-- The node proves itself by a secret that only it knows; its digest stands here, which tells nobody anything. Replaced by admit.
CREATE FUNCTION lockstep.is_node(p_secret bytea) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';

CREATE FUNCTION lockstep.refuse_stranger() RETURNS void LANGUAGE plpgsql SET search_path = ${definerPath} AS $f$
BEGIN
  RAISE EXCEPTION 'this is for the Lockstep node in office alone' USING ERRCODE = '${sqlStates.notTheNode}';
END $f$;

CREATE FUNCTION lockstep.refuse_record() RETURNS void LANGUAGE plpgsql SET search_path = ${definerPath} AS $f$
BEGIN
  RAISE EXCEPTION 'the record of this transaction''s changes was lost' USING ERRCODE = '${sqlStates.recordLost}',
    HINT = 'Nothing took effect. RESET ALL and DISCARD TEMP inside a function take away what Lockstep keeps of an open transaction.';
END $f$;

CREATE FUNCTION lockstep.refuse_term(p_term bigint) RETURNS void LANGUAGE plpgsql SET search_path = ${definerPath} AS $f$
BEGIN
  RAISE EXCEPTION 'term % is over: another Lockstep node has taken over', p_term USING ERRCODE = '${sqlStates.staleTerm}';
END $f$;

-- The lock comes first: whoever raises the term waits for it, and so for every commit of the old one that is under way. Nobody but
-- Lockstep has a right on the log, so nobody else can hold it.
CREATE FUNCTION lockstep.fence(p_term bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
BEGIN
  LOCK TABLE ONLY lockstep.log IN ROW EXCLUSIVE MODE;
  IF ${termIsOver} THEN PERFORM lockstep.refuse_term(p_term); END IF;
END $f$;

-- The node of this term is known by this digest of its secret from here on, and no other.
CREATE FUNCTION lockstep.admit(p_term bigint, p_digest bytea) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
DECLARE body text := format('SELECT pg_catalog.sha256(p_secret) OPERATOR(pg_catalog.=) %L::pg_catalog.bytea', p_digest::text);
  hushed boolean;
BEGIN
  PERFORM lockstep.fence(p_term);
  LOCK TABLE lockstep.schema_fence IN SHARE ROW EXCLUSIVE MODE;
  IF (SELECT prosrc FROM pg_proc WHERE oid = 'lockstep.is_node(bytea)'::regprocedure) = body THEN RETURN; END IF;
  PERFORM ${expecting.set('attach')};
  hushed := lockstep.hush();
  EXECUTE format('CREATE OR REPLACE FUNCTION lockstep.is_node(p_secret bytea) RETURNS boolean LANGUAGE sql IMMUTABLE AS %L', body);
  PERFORM ${expecting.set('nothing')};
  IF hushed THEN PERFORM set_config('session_replication_role', 'origin', true); END IF;
END $f$;

-- The first call of each session of the node's, and whenever its register was emptied: by RESET ALL, say. Chunks that lie in the
-- temporary table count again.
CREATE FUNCTION lockstep.open_session(p_secret bytea) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
DECLARE chunks bigint := 0;
BEGIN
  ${nodeOnly}
  PERFORM set_config('${register}', '+', false);
  IF to_regclass('pg_temp.lockstep_spill') IS NULL THEN RETURN; END IF;
  PERFORM lockstep.spill_table();
  SELECT count(*) INTO chunks FROM pg_temp.lockstep_spill;
  PERFORM set_config('${register}', ${spilledMark.write('chunks')}, true);
END $f$;

-- Before a RESET ALL inside a transaction.
CREATE FUNCTION lockstep.before_reset(p_secret bytea) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
BEGIN
  ${nodeOnly}
  IF ascii(lockstep.collected()) = ${registerIs.open} AND current_setting('${register}') <> '+' THEN PERFORM lockstep.spill(); END IF;
END $f$;

-- What is seldom to be done in front of a commit record: the changes as they stand, NULL when nothing was written.
CREATE FUNCTION lockstep.before_finish(p_secret bytea, p_slot integer, p_csn bigint, p_term bigint, p_token text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
DECLARE c text;
BEGIN
  ${nodeOnly}
  c := lockstep.collected();
  IF c = '+' THEN
    PERFORM set_config('${register}', ${closed('p_slot', '1')}, true);
    RETURN NULL;
  END IF;
${unhurriedCommit}  IF NOT ${spilledMark.test('c')} THEN RETURN c; END IF;
  PERFORM lockstep.spill();
  PERFORM lockstep.whole_spill(), lockstep.refuse_unjudged();
  RETURN (SELECT '+' || string_agg(chunk, '' ORDER BY seq) FROM pg_temp.lockstep_spill);
END $f$;

-- The last call before COMMIT: checks the term, writes the commit record, closes it, hands out the write set (NULL: nothing was written).
-- One for each segment of the log: choosing the partition costs more than all else here.
${Array.from({ length: logSegments }, (_, slot) => finishFunction(slot, superuser)).join('\n')}

-- A change that COMMIT itself still makes, by a cursor WITH HOLD or a trigger deferred again: the next part of the record that was
-- handed out. The node hears of it before COMMIT is answered, and then reads the record whole. It was made behind the end of the record,
-- so it may rest on what a transaction with a higher place has committed since: replicas would make it before that one, and cannot.
CREATE FUNCTION lockstep.late() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
DECLARE c text := current_setting('${register}'); head text[] := string_to_array(substr(split_part(c, ';', 1), 2), ',');
  piece text := substr(c, strpos(c, ';') + 1);
BEGIN
  INSERT INTO lockstep.log (slot, csn, part, term, payload)
  SELECT head[1]::smallint, head[2]::bigint, head[3]::integer, head[4]::bigint, convert_to(piece, getdatabaseencoding())
   WHERE pg_sequence_last_value('lockstep.term'::regclass) = head[4]::bigint;
  IF NOT FOUND THEN PERFORM lockstep.refuse_term(head[4]::bigint); END IF;
  PERFORM set_config('${register}', format('!%s,%s,%s,%s,%s;', head[1], head[2], head[3]::integer + 1, head[4], head[5]), true);
  -- INFO passes whatever the client has set, and is sent at once.
  RAISE INFO USING MESSAGE = head[5], ERRCODE = '${sqlStates.latePart}';
  IF EXISTS (SELECT FROM lockstep.log AS l WHERE l.slot IN (${Array.from({ length: logSegments }, (_, slot) => slot).join(', ')}) AND l.csn > head[2]::bigint
              AND lockstep.may_concern(l.payload, piece)) THEN
    RAISE EXCEPTION 'COMMIT itself changes rows of a table in which another transaction has changed rows meanwhile' USING ERRCODE = 'serialization_failure',
      HINT = 'Nothing took effect. Run the transaction again, or let what changes rows run before COMMIT: close cursors WITH HOLD over functions that write, do not defer a trigger again.';
  END IF;
END $f$;

-- A later record has a part in the table of this change: any for an UPDATE or DELETE; one that frees keys for an INSERT; none for a sequence. What cannot be
-- told by the head of the change, or stands in a part that is cut off anywhere, may.
CREATE FUNCTION lockstep.may_concern(record bytea, piece text) RETURNS boolean LANGUAGE plpgsql SET search_path = ${definerPath} AS $f$
DECLARE head text[] := regexp_match(piece, '^(INSERT|UPDATE|DELETE|TRUNCATE|B)((\\d+),(\\d+):)'); relation bytea;
BEGIN
  IF record IS NULL OR starts_with(piece, 'Q') THEN RETURN false; END IF;
  IF head IS NULL OR length(record) >= ${pieceBytes} THEN RETURN true; END IF;
  relation := substr(convert_to(piece, getdatabaseencoding()), length(head[1]) + 1, length(head[2]) + head[3]::integer + head[4]::integer);
  IF head[1] NOT IN ('INSERT', 'B') THEN RETURN position(relation IN record) > 0; END IF;
  RETURN position('UPDATE'::bytea || relation IN record) > 0 OR position('DELETE'::bytea || relation IN record) > 0
      OR position('TRUNCATE'::bytea || relation IN record) > 0;
END $f$;

-- What a session of ours has collected; where it was taken away, the transaction ends.
CREATE FUNCTION lockstep.collected() RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
DECLARE c text := current_setting('${register}');
BEGIN
  IF ascii(c) <> ${registerIs.open} THEN PERFORM lockstep.refuse_record(); END IF;
  RETURN c;
END $f$;

-- As many chunks as were put there.
CREATE FUNCTION lockstep.whole_spill() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
DECLARE c text := current_setting('${register}');
BEGIN
  IF (SELECT count(*) FROM pg_temp.lockstep_spill) <> ${spilledMark.count('c')} THEN PERFORM lockstep.refuse_record(); END IF;
END $f$;

-- The same for large transactions: in parts of about a megabyte, a row each, of which it returns the number. A change that is larger than
-- that spans parts.
CREATE FUNCTION lockstep.finish_large(p_secret bytea, p_slot smallint, p_csn bigint, p_term bigint, p_token text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} SET client_min_messages = error AS $f$
DECLARE chunks record; bytes bytea; n integer := 0;
BEGIN
  ${nodeOnly}${superuser ? '' : lookForUnseen('lockstep.collected()')}
  PERFORM lockstep.fence(p_term);
  IF lockstep.collected() <> '+' THEN
    PERFORM lockstep.spill();
    PERFORM lockstep.whole_spill(), lockstep.refuse_unjudged();
    -- Sorted are the numbers alone.
    CREATE INDEX ON pg_temp.lockstep_spill (seq);
    FOR chunks IN SELECT min(seq) AS first, max(seq) AS last
                    FROM (SELECT seq, sum(octet_length(chunk)) OVER (ORDER BY seq) / 1048576 AS part FROM pg_temp.lockstep_spill) s GROUP BY part ORDER BY 1
    LOOP
      SELECT convert_to(string_agg(chunk, '' ORDER BY seq), getdatabaseencoding()) INTO bytes
        FROM pg_temp.lockstep_spill WHERE seq BETWEEN chunks.first AND chunks.last;
      FOR i IN 0 .. (octet_length(bytes) - 1) / ${pieceBytes} LOOP
        n := n + 1;
        INSERT INTO lockstep.log (slot, csn, part, term, payload)
        VALUES (p_slot, p_csn, n, p_term, substr(bytes, i * ${pieceBytes} + 1, ${pieceBytes}));
      END LOOP;
    END LOOP;
  END IF;
  PERFORM set_config('${register}', ${closed('p_slot', 'n + 1')}, true);
  RETURN n;
END $f$;

-- One of its parts, as it stands in the log of the open transaction.
CREATE FUNCTION lockstep.large_part(p_secret bytea, p_slot smallint, p_csn bigint, p_part integer) RETURNS bytea
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
BEGIN
  ${nodeOnly}
  RETURN (SELECT payload FROM lockstep.log WHERE slot = p_slot AND csn = p_csn AND part = p_part);
END $f$;

-- Where a write set's image of a row is too large to be sent again, it is read from the parts logged here: bytes p_from up to p_to of the whole.
CREATE FUNCTION lockstep.logged_image(p_slot smallint, p_csn bigint, p_from bigint, p_to bigint) RETURNS text
LANGUAGE sql SET search_path = ${definerPath} AS $f$
  SELECT convert_from(string_agg(substr(payload, greatest(p_from - start, 0)::int + 1, (least(p_to, start + bytes) - greatest(p_from, start))::int), ''::bytea ORDER BY part), getdatabaseencoding())
    FROM (SELECT part, payload, octet_length(payload) AS bytes, sum(octet_length(payload)) OVER (ORDER BY part) - octet_length(payload) AS start
            FROM lockstep.log WHERE slot = p_slot AND csn = p_csn) l
   WHERE start < p_to AND start + bytes > p_from
$f$;

-- What finish would hand out now, behind a '+'; NULL when nothing was written, '*' and how much it is when that is more than p_max bytes.
-- '?' and what is to be judged first, when there is any.
CREATE FUNCTION lockstep.record_so_far(p_secret bytea, p_max bigint) RETURNS bytea LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
DECLARE c text; bytes bigint := lockstep.pending_bytes(); open bytea;
BEGIN
  ${nodeOnly}
  c := lockstep.collected();
  IF c = '+' THEN RETURN NULL; END IF;
  open := lockstep.unjudged();
  IF open IS NOT NULL THEN RETURN convert_to('?', getdatabaseencoding()) || open; END IF;
  IF bytes > p_max THEN RETURN convert_to('*' || bytes, getdatabaseencoding()); END IF;
  IF ${spilledMark.test('c')} THEN
    PERFORM lockstep.whole_spill();
    c := '+' || (SELECT string_agg(chunk, '' ORDER BY seq) FROM pg_temp.lockstep_spill) || substr(c, strpos(c, ';') + 1);
  END IF;
  RETURN convert_to(c, getdatabaseencoding());
END $f$;

-- How much the open transaction has captured, in bytes, near enough to choose between the two.
CREATE FUNCTION lockstep.pending_bytes() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
BEGIN
  RETURN coalesce(pg_table_size(to_regclass('pg_temp.lockstep_spill')), 0) + octet_length(current_setting('${register}'));
END $f$;

-- While a write set is applied: rows are not as they were where it was made. Nothing of it stays, its commit record neither.
CREATE FUNCTION lockstep.diverged(relation text, wanted bigint, changed bigint) RETURNS void LANGUAGE plpgsql SET search_path = ${definerPath} AS $f$
BEGIN
  RAISE EXCEPTION 'this member has diverged: % rows of % were to change, % did', wanted, relation, changed USING ERRCODE = '${sqlStates.diverged}';
END $f$;

-- A higher term shuts out whoever holds a lower one. Waits until no transaction of the old term is still committing.
CREATE FUNCTION lockstep.raise_term(p_term bigint) RETURNS void LANGUAGE plpgsql SET search_path = ${definerPath} AS $f$
BEGIN
  IF (SELECT last_value FROM lockstep.term) >= p_term THEN
    RAISE EXCEPTION 'term % is not higher than the term % of this member', p_term, (SELECT last_value FROM lockstep.term)
      USING ERRCODE = '${sqlStates.staleTerm}';
  END IF;
  PERFORM setval('lockstep.term', p_term);
  LOCK TABLE lockstep.log IN SHARE MODE;
END $f$;
`;
