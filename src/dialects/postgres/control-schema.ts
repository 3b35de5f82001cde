/**
 * What Lockstep keeps inside a member: the schema `lockstep`. See DESIGN.md beside this file for why it is as it is.
 *
 * Everything runs on PostgreSQL 13 to 18. The functions that a client's session reaches are SECURITY DEFINER with every
 * name qualified or the search path pinned, because they run while the client chooses the settings. All rights are granted in
 * words, whatever the database gives by default; nobody has one on a table or sequence here.
 */

import { aside } from './control-aside.ts';
import { attach, guard } from './control-attach.ts';
import { buildingFunctions } from './control-building.ts';
import { capture } from './control-capture.ts';
import { commit } from './control-commit.ts';
import { marked } from './control-marked.ts';
import { eventTriggers, nested, nestedFunctions } from './control-nested.ts';
import { logSegments } from './log-segments.ts';
import { numbers } from './control-numbers.ts';
import { refusals } from './control-refusals.ts';
import { sequences } from './control-sequences.ts';
import { unseen } from './control-unseen.ts';
import { warnings } from './unrepeatable.ts';
import { expectFunction, statements } from './control-statements.ts';

/** Raised with the format when tables or functions change shape; a member of another format is refused, not guessed at. */
export const controlFormat = 10;

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
-- relation: one that is dropped and made again under its name is another, of which nothing has been shipped.
-- settled: two sweeps in a row have found it so, and whatever was still under way when the first one looked has arrived.
CREATE TABLE lockstep.sequence_shipped (sch text, seq text, relation oid NOT NULL, value bigint NOT NULL, called boolean NOT NULL, settled boolean, PRIMARY KEY (sch, seq));

-- Sequences that a statement has set back, until the next sweep. Only added to, so that nobody waits for anybody.
CREATE TABLE lockstep.sequence_reset (sch text NOT NULL, seq text NOT NULL);

-- Moves when somebody has lifted the guard and written. A sequence, because it is read outside of snapshots and nobody waits for anybody.
CREATE SEQUENCE lockstep.foreign_write;

-- Held by the schema statement under way.
CREATE TABLE lockstep.schema_fence ();

CREATE TABLE lockstep.heartbeat (singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton), beat bigint NOT NULL);
INSERT INTO lockstep.heartbeat VALUES (true, 0);
`;

/** What the node calls in a client's session, each with its secret: without it they do nothing but refuse. */
export const calledByNode = [
  'open_session',
  'before_reset',
  'begin_building',
  'end_building',
  ...Array.from({ length: logSegments }, (_, slot) => `finish_${slot}`),
  'finish_large',
  'large_part',
  'record_so_far',
  'admit_nested',
  'expect_statement',
  'note_statement',
  'record_statement',
  'record_of_statistics',
  'note_block',
  'record_block',
  'demand_temporary',
  'expect_view',
  'note_view',
  'record_view',
  'note_created_table',
  'record_created_table',
  'note_rows',
  'record_table_rows',
  'note_extension_rows',
  'record_extension_rows',
  'statement_done',
  'sweep_sequences',
  'sweep_moved_sequences',
] as const;

export type ControlFunction = (typeof calledByNode)[number];

/** Harmless to call: what it tells is the caller's own. */
const forAnybody = ['pending_bytes', 'refuse_hidden_view', 'boxed', 'boxed_work', 'adopt'];

/** What the database gives by default, to PUBLIC or to some role, is taken back from all but the owner. */
const rights = `
DO $$
DECLARE grantee text;
BEGIN
  FOR grantee IN
    SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
      FROM pg_namespace n, LATERAL (
        SELECT coalesce(n.nspacl, acldefault('n', n.nspowner)) AS acl
        UNION ALL SELECT coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)) FROM pg_class WHERE relnamespace = n.oid
        UNION ALL SELECT coalesce(proacl, acldefault('f', proowner)) FROM pg_proc WHERE pronamespace = n.oid) o, aclexplode(o.acl) a
     WHERE n.nspname = 'lockstep' AND a.grantee <> n.nspowner
  LOOP
    EXECUTE format('REVOKE ALL ON SCHEMA lockstep FROM %1$s; REVOKE ALL ON ALL TABLES IN SCHEMA lockstep FROM %1$s;
      REVOKE ALL ON ALL SEQUENCES IN SCHEMA lockstep FROM %1$s; REVOKE ALL ON ALL FUNCTIONS IN SCHEMA lockstep FROM %1$s', grantee);
  END LOOP;
END $$;
GRANT USAGE ON SCHEMA lockstep TO PUBLIC;
GRANT EXECUTE ON FUNCTION ${[...calledByNode, ...forAnybody].map((name) => `lockstep.${name}`).join(', ')} TO PUBLIC;
`;

/**
 * The statements that make the control schema, to be run in one transaction.
 * `superuser`: event triggers, which find schema statements hidden in functions, can be made by superusers only.
 */
export function createControlSchema(options: { superuser: boolean }): string {
  return [
    tables,
    expectFunction(options.superuser),
    capture,
    options.superuser ? '' : unseen,
    sequences(options.superuser),
    statements,
    commit(options.superuser),
    buildingFunctions(options.superuser),
    nested,
    numbers,
    refusals,
    attach,
    aside,
    marked,
    warnings,
    rights,
    options.superuser ? nestedFunctions + guard + eventTriggers : '',
  ].join('\n');
}

/** Removes every trace. Triggers go with the functions that they call. */
export const dropControlSchema = `
SET lockstep.guard = off;
SET client_min_messages = error;
DROP EVENT TRIGGER IF EXISTS lockstep_guard_ddl;
DROP EVENT TRIGGER IF EXISTS lockstep_guard_drop;
DROP EVENT TRIGGER IF EXISTS lockstep_guard_caller;
DROP EVENT TRIGGER IF EXISTS lockstep_guard_caller_drop;
DROP EVENT TRIGGER IF EXISTS lockstep_guard_start;
DROP EVENT TRIGGER IF EXISTS lockstep_guard_rewrite;
DROP SCHEMA IF EXISTS lockstep CASCADE;
`;
