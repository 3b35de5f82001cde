/**
 * What Lockstep keeps inside a member: the schema `lockstep`. See DESIGN.md beside this file for why it is as it is.
 *
 * Everything runs on PostgreSQL 13 to 18. The functions that a client's session reaches are SECURITY DEFINER with every
 * name qualified or the search path pinned, because they run while the client chooses the settings.
 */

import { attach, eventTriggers } from './control-attach.ts';
import { capture } from './control-capture.ts';
import { commit } from './control-commit.ts';
import { logSegments } from './log-segments.ts';
import { sequences } from './control-sequences.ts';
import { statements } from './control-statements.ts';

/** Raised with the format when the tables change shape; a member of another format is refused, not guessed at. */
export const controlFormat = 3;

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

-- Where the server has it: the other method takes more time than all else that is done with a large write set here.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)) THEN
    FOR slot IN 0 .. ${logSegments - 1} LOOP
      EXECUTE format('ALTER TABLE lockstep.log_%s ALTER payload SET COMPRESSION lz4', slot);
    END LOOP;
  END IF;
END $$;

-- What the sweep has shipped of each sequence, on the primary; elsewhere it is out of date, and a sweep ships more than it need.
-- settled: two sweeps in a row have found it so, and whatever was still under way when the first one looked has arrived.
CREATE TABLE lockstep.sequence_shipped (sch text, seq text, value bigint NOT NULL, called boolean NOT NULL, settled boolean, PRIMARY KEY (sch, seq));

-- Sequences that a statement has set back, until the next sweep. Only added to, so that nobody waits for anybody.
CREATE TABLE lockstep.sequence_reset (sch text NOT NULL, seq text NOT NULL);

-- Moves when somebody has lifted the guard and written. A sequence, because it is read outside of snapshots and nobody waits for anybody.
CREATE SEQUENCE lockstep.foreign_write;

CREATE TABLE lockstep.heartbeat (singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton), beat bigint NOT NULL);
INSERT INTO lockstep.heartbeat VALUES (true, 0);
`;

const rights = `
REVOKE ALL ON FUNCTION lockstep.raise_term(bigint), lockstep.advance_sequence(text, text, bigint, boolean, boolean) FROM PUBLIC;
`;

/**
 * The statements that make the control schema, to be run in one transaction.
 * `superuser`: event triggers, which find schema statements hidden in functions, can be made by superusers only.
 */
export function createControlSchema(options: { superuser: boolean }): string {
  return [
    tables,
    capture,
    sequences,
    statements,
    commit,
    attach,
    rights,
    options.superuser ? eventTriggers : '',
  ].join('\n');
}

/** Removes every trace. Triggers go with the functions that they call. */
export const dropControlSchema = `
SET lockstep.guard = off;
SET client_min_messages = error;
DROP EVENT TRIGGER IF EXISTS lockstep_guard_ddl;
DROP EVENT TRIGGER IF EXISTS lockstep_guard_drop;
DROP SCHEMA IF EXISTS lockstep CASCADE;
`;
