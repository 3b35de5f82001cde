/** Locks, and whatever else others might wait for. */

import type { Attack, Scene } from './attack.ts';

const modes = ['ACCESS SHARE', 'ROW EXCLUSIVE', 'SHARE', 'EXCLUSIVE', 'ACCESS EXCLUSIVE'];

/** Keys that Lockstep's functions name, that somebody holds, or that are near. */
async function keysOfOurs({ stage }: Scene): Promise<readonly string[]> {
  const [server] = stage.servers;
  const bodies = await server?.query(
    `SELECT prosrc FROM pg_proc WHERE pronamespace = to_regnamespace('lockstep')`,
    undefined,
    stage.database,
  );
  const held = await server?.query(
    `SELECT (classid::bigint << 32 | objid::bigint)::text FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1`,
    undefined,
    stage.database,
  );
  const named = (bodies ?? [])
    .flatMap(([body]) => (body ?? '').match(/\b\d{7,19}\b/g) ?? [])
    .filter((key) => BigInt(key) < 2n ** 63n);
  return [...new Set(['5498132001', '5498132002', ...named, ...(held ?? []).map(([key]) => key ?? '0')])];
}

const asTwo = (key: string): string =>
  `${BigInt.asIntN(32, BigInt(key) >> 32n)}, ${BigInt.asIntN(32, BigInt(key))}`;

export const stopping: readonly Attack[] = [
  {
    name: 'advisory locks of a session',
    by: 'mallory',
    run: async (scene) => {
      for (const key of await keysOfOurs(scene))
        await scene.hand.say(
          `SELECT pg_try_advisory_lock(${key})`,
          `SELECT pg_try_advisory_lock(${asTwo(key)})`,
          `SELECT pg_advisory_lock_shared(${key})`,
        );
    },
  },
  {
    name: 'advisory locks of an open transaction',
    by: 'mallory',
    run: async (scene) => {
      await scene.hand.say('BEGIN');
      for (const key of await keysOfOurs(scene))
        await scene.hand.say(`DO $$ BEGIN PERFORM pg_try_advisory_xact_lock(${key}); END $$`);
    },
  },
  {
    name: 'letting go of locks that others have taken for him',
    run: [
      'BEGIN',
      'INSERT INTO alice.own VALUES (1)',
      'SELECT pg_advisory_unlock_all()',
      'COMMIT',
      'SELECT pg_advisory_unlock_shared(5498132001), pg_advisory_unlock(5498132002)',
    ],
  },
  {
    name: 'locks on the tables of Lockstep',
    run: async ({ hand, stage }) => {
      const tables =
        (await stage.servers[0]?.query(
          `SELECT relname FROM pg_class WHERE relnamespace = 'lockstep'::regnamespace AND relkind IN ('r', 'p', 'S', 'v', 'm')`,
          undefined,
          stage.database,
        )) ?? [];
      for (const [table] of tables) {
        for (const mode of modes)
          await hand.say(
            'BEGIN',
            `LOCK TABLE lockstep.${table} IN ${mode} MODE NOWAIT`,
            `DO $$ BEGIN EXECUTE 'LOCK TABLE lock' || 'step.${table} IN ${mode} MODE NOWAIT'; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$`,
          );
        await hand.say(`SELECT * FROM lockstep.${table} FOR UPDATE`);
        await hand.say('ROLLBACK', `ANALYZE lockstep.${table}`, `VACUUM lockstep.${table}`);
      }
      await hand.say('BEGIN', `DO $$ BEGIN EXECUTE 'LOCK TABLE lock' || 'step.log IN SHARE MODE'; END $$`);
    },
  },
  {
    name: 'locks on the catalog and on treasures',
    run: async ({ hand }) => {
      for (const table of [
        'pg_catalog.pg_class',
        'pg_catalog.pg_trigger',
        'pg_catalog.pg_authid',
        'vault.secrets',
        'shop.steady',
        'shop.under_way',
        'vault.letters',
      ])
        await hand
          .another()
          .say(
            'BEGIN',
            `LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE NOWAIT`,
            `LOCK TABLE ${table} IN SHARE MODE NOWAIT`,
          );
    },
  },
  {
    name: 'transactions that stay open, with rows and with a schema statement',
    only: 'through the node',
    run: async ({ hand }) => {
      await hand.another().say('BEGIN', 'INSERT INTO alice.own VALUES (1)', 'SELECT 1 / 0');
      await hand.another().say('BEGIN', 'INSERT INTO alice.own VALUES (2)');
      await hand
        .another()
        .say(
          'BEGIN ISOLATION LEVEL SERIALIZABLE',
          'SELECT * FROM alice.own',
          'INSERT INTO alice.other VALUES (2)',
        );
      await hand.another().say('BEGIN', 'DECLARE c CURSOR FOR SELECT * FROM alice.own', 'FETCH 1 FROM c');
    },
  },
  {
    name: 'ending the sessions of others',
    by: 'mallory',
    run: [
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity',
      `SELECT pg_cancel_backend(pid) FROM pg_stat_activity`,
      'SELECT pg_reload_conf()',
      'SELECT pg_switch_wal()',
      'CHECKPOINT',
    ],
  },
  {
    name: 'running dry: time limits of his own around COMMIT',
    run: [
      `SET statement_timeout = '1ms'`,
      'INSERT INTO alice.own VALUES (1)',
      'BEGIN',
      'INSERT INTO alice.own VALUES (2)',
      'COMMIT',
      `SET lock_timeout = '1ms'`,
      'INSERT INTO alice.own VALUES (3)',
      `SET idle_in_transaction_session_timeout = '1ms'`,
      'BEGIN',
      'INSERT INTO alice.own VALUES (4)',
      'COMMIT',
      `SET transaction_timeout = '1ms'`,
      'INSERT INTO alice.own VALUES (5)',
      `SET deadlock_timeout = '1ms'`,
      `SET temp_file_limit = 0`,
      `SET max_stack_depth = '100kB'`,
      `SET work_mem = '64kB'`,
      `SET temp_tablespaces = 'nowhere'`,
      `SET default_tablespace = 'nowhere'`,
      `SET synchronous_commit = off`,
      'INSERT INTO alice.own VALUES (6)',
      `SET client_encoding = 'LATIN1'`,
      `SET bytea_output = 'escape'`,
      `SET standard_conforming_strings = off`,
      'INSERT INTO alice.own VALUES (7)',
      `SET row_security = off`,
      `SET default_transaction_read_only = on`,
      'INSERT INTO alice.own VALUES (8)',
      `SET plan_cache_mode = force_generic_plan`,
      `SET enable_seqscan = off`,
      `SET debug_discard_caches = 1`,
    ],
  },
  {
    name: 'settings of his own that change how rows are written',
    run: [
      'CREATE TABLE alice.kinds (i int PRIMARY KEY, d date, f float8, b bytea, v interval, m money, x xml, a text[])',
      `SET DateStyle = 'SQL, DMY'`,
      `SET IntervalStyle = 'sql_standard'`,
      `SET extra_float_digits = -15`,
      `SET bytea_output = 'escape'`,
      `SET TimeZone = 'Asia/Tokyo'`,
      `SET xmloption = 'document'`,
      `SET quote_all_identifiers = on`,
      `SET array_nulls = off`,
      `SET lc_monetary = 'C'`,
      `INSERT INTO alice.kinds VALUES (1, '2026-11-30', 1.0 / 3, 'a\\\\000b', '1 day 2 hours', 12.5, '<a/>', ARRAY['NULL', NULL])`,
      `DO $$ BEGIN PERFORM set_config('DateStyle', 'German', true); UPDATE alice.kinds SET f = f / 7, d = d + 1; END $$`,
      `SET search_path = ''`,
      'DELETE FROM alice.kinds WHERE i = 2',
    ],
  },
];
