/** Code of the client's that Lockstep runs, or that wants to run in its place, with more rights than the client has. */

import type { Attack } from './attack.ts';
import { block } from './attack.ts';

const evilIn = (name: string, relation: string): string =>
  `CREATE TEMP VIEW ${name} AS SELECT * FROM ${relation} WHERE tools.grab()`;

/** What a definer function might look up without saying where. */
const lookedUp = [
  'pg_class',
  'pg_namespace',
  'pg_attribute',
  'pg_type',
  'pg_trigger',
  'pg_proc',
  'pg_attrdef',
  'pg_depend',
  'pg_inherits',
  'pg_locks',
  'pg_sequence',
  'pg_collation',
  'pg_am',
  'pg_roles',
  'pg_largeobject_metadata',
];

const definers = [
  'attach()',
  'statement_done()',
  'spill()',
  'before_finish(1)',
  'fence(1)',
  'finish_0(1, 1)',
  'finish_large(1, 1, 0::smallint)',
  'pending_bytes()',
  'sweep_sequences(true)',
  'sweep_moved_sequences()',
  `overflow('*')`,
  `record_rows('alice.own'::regclass)`,
  `record_rows_of_domains('alice.own'::regclass)`,
  `record_created_table('alice', '', '{}', 'alice.own'::regclass)`,
];
const callThem = definers.map((call) => `SELECT ${call}`);
const callInPath = ['SET search_path = lockstep', ...callThem, 'RESET search_path'];
/** What brings them to life without being called. */
const work = [
  'BEGIN',
  `INSERT INTO alice.own SELECT i, repeat('x', 200) FROM generate_series(1, 200) i`,
  `INSERT INTO alice.other SELECT i, repeat('x', 200) FROM generate_series(1, 200) i`,
  'UPDATE alice.own SET t = 1',
  'COMMIT',
  'CREATE TABLE alice.drawn (i serial, c text)',
  `INSERT INTO alice.drawn (c) VALUES ('x')`,
  'CREATE TABLE alice.made AS SELECT 1 AS i',
  'TRUNCATE alice.other',
];

export const escaping: readonly Attack[] = [
  {
    name: 'a temporary view in the place of pg_class',
    run: [evilIn('pg_class', 'pg_catalog.pg_class'), 'SET search_path = lockstep', 'SELECT attach()'],
  },
  {
    name: 'temporary views in the place of the catalog',
    run: [...lookedUp.map((name) => evilIn(name, `pg_catalog.${name}`)), ...callInPath, ...work],
  },
  {
    name: 'temporary tables in the place of those of Lockstep',
    run: [
      `CREATE TEMP TABLE lockstep_spill (seq bigint DEFAULT tools.grab()::int, chunk text CHECK (tools.grab()))`,
      `CREATE TEMP TABLE lockstep_inserted (i int)`,
      ...['member', 'log', 'log_0', 'term', 'sequence_shipped', 'sequence_reset', 'heartbeat'].map(
        (name) => `CREATE TEMP TABLE ${name} (i int CHECK (tools.grab()))`,
      ),
      `SELECT set_config('lock' || 'step.changes', '*', false)`,
      ...callInPath,
      ...work,
    ],
  },
  {
    name: 'a temporary view in the place of what has been spilled',
    run: [
      `CREATE TEMP TABLE behind (seq bigint, chunk text)`,
      `CREATE TEMP VIEW lockstep_spill AS SELECT * FROM behind WHERE tools.grab()`,
      `CREATE FUNCTION pg_temp.instead() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM tools.grab(); RETURN NULL; END $$`,
      'CREATE TRIGGER instead INSTEAD OF INSERT ON lockstep_spill FOR EACH ROW EXECUTE FUNCTION pg_temp.instead()',
      `SELECT set_config('lock' || 'step.changes', '*', false)`,
      ...callInPath,
      ...work,
    ],
  },
  {
    name: 'throwing away what has been spilled',
    run: [
      'BEGIN',
      `INSERT INTO alice.own SELECT i, repeat('x', 500) FROM generate_series(1, 100) i`,
      block('DISCARD TEMP;'),
      'COMMIT',
      'BEGIN',
      `INSERT INTO alice.own SELECT i, repeat('x', 500) FROM generate_series(101, 200) i`,
      'DROP TABLE pg_temp.lockstep_spill',
      'DELETE FROM pg_temp.lockstep_spill',
      block(`EXECUTE 'DROP TABLE pg_temp.lockstep_spill';`),
      block(`EXECUTE 'TRUNCATE pg_temp.lockstep_spill';`),
      'COMMIT',
    ],
  },
  {
    name: 'types and functions of his own in the place of built-in ones',
    run: [
      ...['text', 'oid', 'regclass', 'bigint', 'int8', 'name', 'record', 'bool', 'bytea'].map(
        (name) => `CREATE DOMAIN pg_temp."${name}" AS pg_catalog.text CHECK (tools.grab())`,
      ),
      `CREATE DOMAIN alice.text AS pg_catalog.text CHECK (tools.grab())`,
      ...['concat', 'format', 'current_setting', 'set_config', 'substr', 'ascii', 'octet_length'].flatMap(
        (name) => [
          `CREATE FUNCTION pg_temp.${name}(VARIADIC "any") RETURNS text LANGUAGE internal AS 'text_concat_ws'`,
          `CREATE FUNCTION alice.${name}(text) RETURNS text LANGUAGE sql AS 'SELECT tools.grab()::pg_catalog.text'`,
          `CREATE FUNCTION alice.${name}(text, boolean) RETURNS text LANGUAGE sql AS 'SELECT tools.grab()::pg_catalog.text'`,
        ],
      ),
      'SET search_path = pg_temp, alice, pg_catalog',
      ...work,
      ...callInPath,
    ],
  },
  {
    name: 'operators of his own in the place of built-in ones',
    run: [
      `CREATE FUNCTION alice.op(anyelement, anyelement) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM tools.break_out(); RETURN true; END $$`,
      `CREATE FUNCTION alice.op_text(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM tools.break_out(); RETURN true; END $$`,
      `CREATE FUNCTION alice.op_join(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM tools.break_out(); RETURN ''; END $$`,
      ...['=', '<>', '>', '<', '>=', '<='].flatMap((op) => [
        `CREATE OPERATOR alice.${op} (LEFTARG = anyelement, RIGHTARG = anyelement, FUNCTION = alice.op)`,
        `CREATE OPERATOR alice.${op} (LEFTARG = text, RIGHTARG = text, FUNCTION = alice.op_text)`,
      ]),
      'CREATE OPERATOR alice.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = alice.op_join)',
      'SET search_path = alice, pg_catalog',
      ...work,
    ],
    afterwards: 'verify',
  },
  {
    name: 'casts of his own on what is captured',
    run: [
      `CREATE TYPE alice.pair AS (a int, b text)`,
      `CREATE TYPE alice.mood AS ENUM ('x', 'y')`,
      `CREATE DOMAIN alice.checked AS alice.pair CHECK (tools.break_out((VALUE).a))`,
      `CREATE TABLE alice.cast (i int PRIMARY KEY, c alice.pair, m alice.mood, d alice.checked)`,
      ...['pair', 'mood', 'cast'].flatMap((type) => [
        `CREATE FUNCTION alice.cast_text(alice.${type}) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM tools.break_out(); RETURN 'E'; END $$`,
        `CREATE FUNCTION alice.cast_json(alice.${type}) RETURNS json LANGUAGE plpgsql AS $$ BEGIN PERFORM tools.break_out(); RETURN '1'; END $$`,
        `CREATE CAST (alice.${type} AS text) WITH FUNCTION alice.cast_text(alice.${type}) AS IMPLICIT`,
        `CREATE CAST (alice.${type} AS json) WITH FUNCTION alice.cast_json(alice.${type}) AS IMPLICIT`,
      ]),
      `INSERT INTO alice.cast VALUES (1, (1, 'b'), 'x', (1, 'b')), (2, (2, 'b'), 'y', (2, 'b'))`,
      `UPDATE alice.cast SET m = 'y'`,
      `DELETE FROM alice.cast WHERE i = 2`,
      'CREATE TABLE alice.cast_made AS SELECT * FROM alice.cast',
    ],
    afterwards: 'verify',
  },
  ...(
    [
      ['a check', 'CREATE TABLE alice.t (i int PRIMARY KEY CHECK (tools.break_out(i)))'],
      [
        'a generated column',
        'CREATE TABLE alice.t (i int PRIMARY KEY, g int GENERATED ALWAYS AS (tools.as_it_is(i)) STORED)',
      ],
      [
        'an index',
        'CREATE TABLE alice.t (i int PRIMARY KEY); CREATE INDEX ON alice.t (tools.as_it_is(i)); CREATE INDEX ON alice.t (i) WHERE tools.break_out(i)',
      ],
      [
        'a domain',
        'CREATE DOMAIN alice.d AS int CHECK (tools.break_out(VALUE)); CREATE TABLE alice.t (i alice.d PRIMARY KEY)',
      ],
      ['a default', 'CREATE TABLE alice.t (i int PRIMARY KEY, d int DEFAULT tools.as_it_is(1))'],
      [
        'a partition key',
        'CREATE TABLE alice.t (i int) PARTITION BY RANGE (tools.as_it_is(i)); CREATE TABLE alice.t_1 PARTITION OF alice.t DEFAULT',
      ],
      [
        'a trigger that fires always',
        `CREATE TABLE alice.t (i int PRIMARY KEY); CREATE FUNCTION alice.fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM tools.break_out(); RETURN NEW; END $$;
        CREATE TRIGGER fire BEFORE INSERT ON alice.t FOR EACH ROW EXECUTE FUNCTION alice.fire(); ALTER TABLE alice.t ENABLE ALWAYS TRIGGER fire`,
      ],
    ] as const
  ).map(
    ([what, make]): Attack => ({
      name: `code in ${what}`,
      only: 'through the node',
      run: [
        `CREATE TABLE alice.sprung (i int); CREATE FUNCTION alice.spring() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM tools.grab(); PERFORM set_config('role', 'none', false); PERFORM tools.grab(); RETURN NULL; EXCEPTION WHEN OTHERS THEN RETURN NULL; END $$`,
        'CREATE CONSTRAINT TRIGGER spring AFTER INSERT ON alice.sprung DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION alice.spring()',
        'ALTER TABLE alice.sprung ENABLE ALWAYS TRIGGER spring',
        ...make.split(/;\s+(?=CREATE|ALTER)/),
        'INSERT INTO alice.t VALUES (1), (2)',
        'UPDATE alice.t SET i = i + 10',
        'DELETE FROM alice.t WHERE i = 11',
      ],
      ...(what === 'a check' ? { afterwards: 'full copy' } : {}),
    }),
  ),
  {
    name: 'code in a schema statement',
    only: 'through the node',
    run: [
      'INSERT INTO alice.own VALUES (1), (2)',
      `ALTER TABLE alice.own ADD c int DEFAULT tools.as_it_is(1)`,
      `ALTER TABLE alice.own ALTER c TYPE bigint USING tools.as_it_is(c)`,
      `ALTER TABLE alice.own ADD CHECK (tools.break_out(i))`,
      `CREATE INDEX ON alice.own (tools.as_it_is(i))`,
      `CREATE MATERIALIZED VIEW alice.m AS SELECT tools.as_it_is(i) FROM alice.own`,
      `CREATE TABLE alice.as_made AS SELECT tools.as_it_is(1) AS i`,
      `REFRESH MATERIALIZED VIEW alice.m`,
      `CLUSTER alice.own USING own_pkey`,
      `ANALYZE alice.own`,
      `REINDEX TABLE alice.own`,
      `ALTER TABLE alice.own ADD g int GENERATED ALWAYS AS (tools.as_it_is(i)) STORED`,
    ],
  },
  {
    name: 'a check of the session that is checked again elsewhere',
    only: 'through the node',
    run: [
      'CREATE TABLE alice.audit (i int PRIMARY KEY, who text DEFAULT current_user CHECK (who = current_user), app text CHECK (app = current_setting($$app.name$$)))',
      `SET app.name = 'shop'`,
      `INSERT INTO alice.audit (i, app) VALUES (1, 'shop')`,
      `UPDATE alice.audit SET i = 2`,
    ],
  },
  {
    name: 'other roles in sessions and functions',
    run: [
      'SET ROLE postgres',
      'SET ROLE keeper',
      'SET SESSION AUTHORIZATION postgres',
      block(`EXECUTE 'SET ROLE postgres';`),
      `SELECT set_config('role', 'postgres', false)`,
      'CREATE FUNCTION alice.definer() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN tools.break_out(); END $$',
      'SELECT alice.definer()',
      'ALTER FUNCTION tools.grab() OWNER TO postgres',
      'GRANT postgres TO alice',
      'REASSIGN OWNED BY alice TO postgres',
      'ALTER TABLE alice.own OWNER TO keeper',
      `COPY (SELECT 1) TO PROGRAM 'true'`,
      `LOAD 'auto_explain'`,
      'CREATE EXTENSION IF NOT EXISTS plpgsql',
      'CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION lockstep.guard_ddl()',
      'ALTER EVENT TRIGGER lockstep_guard_ddl DISABLE',
      'DROP SCHEMA lockstep CASCADE',
      'ALTER SCHEMA lockstep RENAME TO gone',
      'CREATE TABLE lockstep.mine (i int)',
      'CREATE FUNCTION lockstep.mine() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
      'CREATE OR REPLACE FUNCTION lockstep.append(piece text) RETURNS void LANGUAGE sql AS $$ SELECT $$',
      'INSERT INTO lockstep.log VALUES (0, 1, 1, 1, NULL)',
      'UPDATE lockstep.member SET format = 0',
      'TRUNCATE lockstep.log',
    ],
  },
];
