/** What a transaction changes is known to the last row, whenever it is changed, or the transaction is refused. */

import { expect } from 'vitest';
import { testScenarios } from './run-scenarios.ts';
import type { Scenario } from './scenario.ts';

const log = `CREATE TABLE log (id serial PRIMARY KEY, n int);
  CREATE FUNCTION note(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log (n) VALUES ($1); RETURN $1; END $$`;

const plainOnly = { plainOnly: 'what it does is refused or hidden wherever it is done' };

testScenarios('capture', [
  {
    ...plainOnly,
    name: 'what COMMIT itself still writes is carried: cursors WITH HOLD over functions that write',
    ownSessions: true,
    setup: log,
    step: async (client) => {
      const name = `held${client.place}`;
      await client.transaction(
        `DECLARE ${name} CURSOR WITH HOLD FOR SELECT note(i) FROM generate_series(1, 5) i`,
        `FETCH 1 FROM ${name}`,
      );
      await client.run(`CLOSE ${name}`);
      // Nothing of it is written before COMMIT.
      await client.run(
        `DECLARE ${name} NO SCROLL CURSOR WITH HOLD FOR SELECT note(i) FROM generate_series(1, 3) i`,
      );
      await client.run(`CLOSE ${name}`);
    },
    expect: { 'SELECT count(*) FROM log': '72', 'SELECT sum(n) FROM log': '176' },
  },
  {
    ...plainOnly,
    name: 'what COMMIT itself still writes is carried: deferred triggers that are deferred again, in blocks that catch errors too',
    setup: `${log}; CREATE TABLE again (n int);
      CREATE FUNCTION once_more() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM note(100 + NEW.n);
          BEGIN PERFORM note(1000); PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN NULL; END;
          UPDATE log SET n = n + 1 WHERE log.n = 100 + NEW.n AND id = currval('log_id_seq') - 1;
          IF NEW.n < 3 THEN SET CONSTRAINTS once_more DEFERRED; INSERT INTO again VALUES (NEW.n + 1); END IF;
          RETURN NULL;
        END $$;
      CREATE CONSTRAINT TRIGGER once_more AFTER INSERT ON again DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION once_more()`,
    // What COMMIT updates may be another's row that took a later place.
    step: async (client) => {
      await client.persist(() => client.transaction('INSERT INTO again VALUES (1)'));
      await client.persist(() => client.transaction('INSERT INTO again VALUES (2)'));
    },
    expect: { 'SELECT count(*) FROM log': '40', 'SELECT count(*) FROM again': '40' },
  },
  {
    ...plainOnly,
    name: 'what COMMIT itself still writes is carried behind a large transaction',
    clients: 2,
    ways: ['simple'],
    ownSessions: true,
    setup: `${log}; CREATE TABLE many (i int, v text)`,
    step: async (client) => {
      await client.transaction(
        `INSERT INTO many SELECT i, repeat('x', 100) FROM generate_series(1, 40000) i`,
        'DECLARE held CURSOR WITH HOLD FOR SELECT note(i) FROM generate_series(1, 5) i',
      );
      await client.run('CLOSE held');
    },
    expect: { 'SELECT count(*) FROM log': '10', 'SELECT count(*) FROM many': '80000' },
  },
  ...['UPDATE log SET n = 3 WHERE n = 1', 'INSERT INTO log (id, n) VALUES (1, 3)'].map(
    (late, which): Scenario => ({
      ...plainOnly,
      name: `what COMMIT itself changes does not rest on what took a later place: ${late}`,
      clients: 1,
      ownSessions: true,
      setup: `${log}; INSERT INTO log (n) VALUES (0), (0);
        CREATE FUNCTION follow() RETURNS int LANGUAGE plpgsql AS $$
          BEGIN
            PERFORM pg_advisory_xact_lock(7);
            WHILE NOT EXISTS (SELECT FROM log WHERE n = 1) LOOP PERFORM pg_sleep(0.005); END LOOP;
            ${late};
            RETURN 1;
          END $$`,
      step: async (client) => {
        const other = await client.another();
        const follow = (): Promise<unknown> =>
          client.transaction(
            'INSERT INTO log (n) VALUES (2)',
            'DECLARE held CURSOR WITH HOLD FOR SELECT follow()',
          );
        const first = follow().then(
          () => undefined,
          (error: { code?: string }) => error.code,
        );
        // Its COMMIT has taken its place when the cursor runs.
        while ((await other.value('SELECT pg_try_advisory_lock(7)')) === true)
          await other.run('SELECT pg_advisory_unlock(7)');
        await other.run(
          which === 0
            ? 'INSERT INTO log (n) VALUES (1)'
            : 'WITH gone AS (DELETE FROM log WHERE id = 1) UPDATE log SET n = 1 WHERE id = 2',
        );
        expect(await first).toBe('40001');
        await client.run('SELECT 1');
        await follow();
        await client.run('CLOSE held');
      },
      expect: { 'SELECT count(*) FROM log WHERE n = 3': '1', 'SELECT count(*) FROM log WHERE n = 2': '1' },
    }),
  ),
  {
    ...plainOnly,
    name: 'rows written where the server takes settings back are refused, and nothing of them stays',
    setup: `${log}; CREATE TABLE t (i int); INSERT INTO t VALUES (1), (2);
      CREATE FUNCTION write(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN INSERT INTO :schema.log (id, n) VALUES ($1, $1); RETURN $1; END $$;
      CREATE FUNCTION sly(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ DECLARE r int; BEGIN SELECT :schema.write($1) INTO r; RETURN r; END $$`,
    step: async (client) => {
      await client.refused('42501', 'CREATE INDEX ON t (sly(i))');
      await client.refused('42501', 'CREATE INDEX ON t USING brin (sly(i))');
    },
    changesNothing: true,
  },
  {
    ...plainOnly,
    name: 'tables that no event tells of are refused, and nothing of them stays',
    setup: `CREATE FUNCTION make() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'EXPLAIN ANALYZE CREATE TABLE unseen AS SELECT 1 AS a'; END $$`,
    step: async (client) => {
      await client.refused('LS003', 'SELECT make()');
      await client.refused(
        'LS003',
        "DO $$ BEGIN EXECUTE 'EXPLAIN ANALYZE CREATE TABLE unseen AS SELECT 1 AS a'; END $$",
      );
    },
    changesNothing: true,
  },
  {
    ...plainOnly,
    name: 'what no other member could make is refused, and nothing of it stays',
    ownSessions: true,
    setup: 'CREATE TABLE t (a int)',
    step: async (client) => {
      await client.run('CREATE TEMP TABLE scratch (a int)');
      await client.run("CREATE TYPE pg_temp.mood AS ENUM ('sad', 'ok')");
      await client.refused('0A000', 'CREATE TABLE x AS SELECT proargdefaults FROM pg_proc LIMIT 1');
      await client.refused('0A000', 'CREATE TABLE x (a int, p regproc)');
      await client.refused('0A000', 'ALTER TABLE t ADD p regproc[]');
      await client.refused('0A000', "CREATE FUNCTION f(a scratch) RETURNS int LANGUAGE sql AS 'SELECT 1'");
      await client.refused('0A000', 'CREATE DOMAIN d AS pg_temp.mood');
      await client.refused('0A000', 'CREATE TABLE y (m pg_temp.mood)');
      // Its text does not tell that it is about something temporary.
      await client.refused('0A000', "ALTER TYPE mood ADD VALUE 'good'");
      await client.refused('0A000', "COMMENT ON TYPE mood IS 'x'");
      await client.refused('0A000', 'DROP TYPE mood');
      await client.run("ALTER TYPE pg_temp.mood ADD VALUE 'good'");
      await client.run("COMMENT ON TYPE pg_temp.mood IS 'x'");
      await client.run("CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (VALUE <> '')");
      await client.run('DROP TYPE pg_temp.mood');
    },
    changesNothing: true,
  },
  {
    ...plainOnly,
    name: 'function bodies are looked at where they are made, and nowhere else',
    ownSessions: true,
    setup: 'CREATE TABLE t (a int)',
    step: async (client) => {
      await client.run('CREATE TEMP TABLE scratch (a int)');
      await client.run(
        `CREATE FUNCTION keep${client.place}(int) RETURNS void LANGUAGE sql AS 'INSERT INTO scratch VALUES ($1)'`,
      );
      await client.run(`SELECT keep${client.place}(1)`);
    },
    expect: {
      "SELECT count(*) FROM pg_proc WHERE proname LIKE 'keep_' AND pronamespace = current_schema()::regnamespace":
        '8',
    },
  },
  {
    ...plainOnly,
    name: 'a record that is taken away ends the transaction, and the session goes on',
    ownSessions: true,
    setup: `${log};
      CREATE FUNCTION empty_settings() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'RESET' || ' ALL'; END $$;
      CREATE FUNCTION empty_tables() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DISCARD' || ' TEMP'; END $$;
      CREATE TABLE wide (n int, v text)`,
    step: async (client) => {
      await client.run('BEGIN');
      await client.run('INSERT INTO log (n) VALUES (1)');
      await client.refused('LS005', 'SELECT empty_settings()');
      await client.run('ROLLBACK');
      await client.run('BEGIN');
      await client.run(`INSERT INTO wide SELECT i, repeat('y', 100) FROM generate_series(1, 500) i`);
      await client.run('SELECT empty_tables()');
      await client.refused('LS005', 'COMMIT');
      await client.run(`SET search_path = "${client.schema}", public`);
      await client.run('INSERT INTO log (n) VALUES (2)');
    },
    expect: {
      'SELECT count(*) FROM log': '8',
      'SELECT sum(n) FROM log': '16',
      'SELECT count(*) FROM wide': '0',
    },
  },
  {
    ...plainOnly,
    name: 'sequences that code out of sight sets back',
    clients: 1,
    setup: `CREATE SEQUENCE a; CREATE SEQUENCE b; CREATE SEQUENCE c; CREATE SEQUENCE d; CREATE TABLE e (id serial, n int); CREATE TABLE f (id serial, n int);
      CREATE FUNCTION back() RETURNS void LANGUAGE sql AS $$ SELECT setval('a', 5) $$;
      CREATE FUNCTION further() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM back(); END $$;
      CREATE FUNCTION dynamic() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT set' || 'val(''b'', 5, false)'; END $$;
      CREATE FUNCTION empty_e() RETURNS void LANGUAGE plpgsql AS $$ BEGIN TRUNCATE e RESTART IDENTITY; INSERT INTO e (n) VALUES (1); END $$;
      CREATE FUNCTION empty_f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN TRUNCATE f RESTART IDENTITY; RETURN NULL; END $$;
      CREATE TRIGGER empty_f AFTER DELETE ON e FOR EACH STATEMENT EXECUTE FUNCTION empty_f();
      CREATE FUNCTION back_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM setval('c', 5); RETURN NULL; END $$;
      CREATE TRIGGER back_trigger AFTER UPDATE ON e FOR EACH STATEMENT EXECUTE FUNCTION back_trigger()`,
    step: async (client) => {
      for (const name of ['a', 'b', 'c', 'd'])
        await client.run(`SELECT nextval('${name}') FROM generate_series(1, 20)`);
      for (const name of ['e', 'f'])
        await client.run(`INSERT INTO ${name} (n) SELECT i FROM generate_series(1, 20) i`);
      await client.run('SELECT further()');
      await client.run('SELECT dynamic()');
      await client.run('SELECT empty_e()');
      await client.run('UPDATE e SET n = 2');
      await client.run(`DO $$ BEGIN PERFORM setval('d', 7); END $$`);
      await client.run('DELETE FROM e');
    },
    expect: {
      'SELECT last_value FROM a': '5',
      'SELECT last_value::text || is_called FROM b': '5false',
      'SELECT last_value FROM c': '5',
      'SELECT last_value FROM d': '7',
      'SELECT last_value::text || is_called FROM e_id_seq': '1true',
      'SELECT last_value::text || is_called FROM f_id_seq': '1false',
    },
  },
  {
    ...plainOnly,
    name: 'RESET ALL and DISCARD ALL between writes take nothing away',
    ownSessions: true,
    ways: ['simple', 'extended'],
    setup: `${log}; CREATE TABLE wide (n int, v text)`,
    step: async (client) => {
      const { schema } = client;
      await client.run(`INSERT INTO ${schema}.log (n) VALUES (1)`);
      await client.run('RESET ALL');
      await client.run(`INSERT INTO ${schema}.log (n) VALUES (2)`);
      await client.run('DISCARD ALL');
      await client.run(`INSERT INTO ${schema}.log (n) VALUES (3)`);
      await client.transaction(
        `INSERT INTO ${schema}.wide SELECT i, repeat('y', 100) FROM generate_series(1, 500) i`,
        'RESET ALL',
        `INSERT INTO ${schema}.log (n) VALUES (4)`,
        'SAVEPOINT s',
        'RESET ALL',
        `INSERT INTO ${schema}.log (n) VALUES (5)`,
        'ROLLBACK TO s',
      );
    },
    expect: { 'SELECT sum(n) FROM log': '80', 'SELECT count(*) FROM wide': '4000' },
  },
  {
    ...plainOnly,
    name: 'casts, operators and types of the tables’ owner run nowhere with other rights',
    setup: `CREATE TYPE pair AS (a int, b text); CREATE TABLE t (id int PRIMARY KEY, p pair);
      CREATE TABLE ran (as_whom name);
      CREATE FUNCTION sly_pair(pair) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO :schema.ran VALUES (current_user); RETURN 'sly'; END $$;
      CREATE FUNCTION sly_row(t) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO :schema.ran VALUES (current_user); RETURN 'sly'; END $$;
      CREATE CAST (pair AS text) WITH FUNCTION sly_pair(pair) AS IMPLICIT; CREATE CAST (t AS text) WITH FUNCTION sly_row(t) AS IMPLICIT`,
    step: async (client) => {
      await client.run(`INSERT INTO t VALUES (${client.place}, ROW(1, 'x'))`);
      await client.run(`UPDATE t SET p = ROW(2, 'y') WHERE id = ${client.place}`);
      await client.run(`CREATE TABLE copy${client.place} AS SELECT * FROM t WHERE id = ${client.place}`);
    },
    expect: { 'SELECT count(*) FROM ran': '0', 'SELECT count(*) FROM t WHERE (p).a = 2': '8' },
  },
]);
