import { expect } from 'vitest';
import { testScenarios } from './run-scenarios.ts';

testScenarios('schema', [
  {
    name: 'tables made from queries hold the rows that the first member found',
    clients: 4,
    setup: `CREATE TABLE source (i int, t varchar(20) COLLATE "C", n numeric(8, 2)); INSERT INTO source SELECT i, 'row ' || i, i / 3.0 FROM generate_series(1, 50) i;
      CREATE FUNCTION drawn() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT (random() * 1000)::int'`,
    step: async (client) => {
      const { place } = client;
      await client.run(`CREATE TABLE as_${place} AS SELECT random() AS luck, now() AS at, s.* FROM source s`);
      await client.run(
        `CREATE TABLE named_${place} (a, "b c") WITH (fillfactor = 50) AS SELECT i, drawn() FROM source LIMIT 10`,
      );
      await client.run(`CREATE TABLE empty_${place} AS SELECT * FROM source WITH NO DATA`);
      await client.run(
        `SELECT i, gen_random_uuid() AS id INTO into_${place} FROM source TABLESAMPLE BERNOULLI (50)`,
      );
      await client.run(`CREATE UNLOGGED TABLE unlogged_${place} AS TABLE source`);
      await client.run(
        `CREATE TABLE valued_${place} AS SELECT random() AS luck, i FROM source WHERE i % 4 = $1::int`,
        [place % 4],
      );
      await client.transaction(
        [`SELECT drawn() AS v, $1::int AS place INTO drawn_${place}`, [place]],
        [`INSERT INTO drawn_${place} VALUES ($1, drawn())`, [place]],
      );
      await client.run('CREATE TABLE IF NOT EXISTS once AS SELECT random() AS luck');
      await client.transaction(
        `CREATE TABLE kept_${place} AS SELECT drawn() AS v`,
        `UPDATE kept_${place} SET v = v + 1`,
        `ALTER TABLE kept_${place} ADD id serial PRIMARY KEY`,
        `INSERT INTO kept_${place} (v) SELECT i FROM source`,
      );
      await client.run('BEGIN');
      await client.run(`CREATE TABLE gone_${place} AS SELECT 1`);
      await client.run('ROLLBACK');
      await client.run(`INSERT INTO as_${place} (luck) VALUES (2)`);
      await client.run(`INSERT INTO into_${place} VALUES (-1, NULL)`);
    },
    expect: {
      'SELECT count(*) FROM once': '1',
      'SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()': '34',
    },
  },
  {
    name: 'materialized views are filled from equal tables; those that would differ are refused',
    setup: `CREATE TABLE sale (id serial, amount int); INSERT INTO sale (amount) SELECT i FROM generate_series(1, 50) i;
      CREATE MATERIALIZED VIEW total AS SELECT count(*) AS n, sum(amount) AS amount FROM sale; CREATE UNIQUE INDEX ON total (n)`,
    step: async (client) => {
      const { place } = client;
      await client.run('INSERT INTO sale (amount) VALUES ($1)', [place]);
      await client.run('REFRESH MATERIALIZED VIEW CONCURRENTLY total');
      await client.run(
        `CREATE MATERIALIZED VIEW by_${place} AS SELECT amount, count(*) FROM sale WHERE id <= 50 GROUP BY 1 WITH NO DATA`,
      );
      await client.run(`REFRESH MATERIALIZED VIEW by_${place}`);
      await client.refused(
        /would hold other rows/,
        `CREATE MATERIALIZED VIEW luck_${place} AS SELECT random()`,
      );
      await client.refused(
        /would hold other rows/,
        `CREATE MATERIALIZED VIEW first_${place} AS SELECT * FROM sale LIMIT 1`,
      );
      if (place === 0) await client.run(`DROP MATERIALIZED VIEW by_${place}`);
    },
    finish: 'REFRESH MATERIALIZED VIEW total',
    expect: { 'SELECT n FROM total': '58' },
  },
  {
    name: 'columns that are added or retyped get the same values everywhere',
    plainOnly: 'a column that another is computed from cannot be retyped',
    clients: 4,
    setup: Array.from(
      { length: 8 },
      (
        _,
        i,
      ) => `CREATE TABLE t${i} (v int, f float8, at timestamptz DEFAULT '2024-01-01 00:00:00+00'); CREATE TABLE child${i} () INHERITS (t${i});
        INSERT INTO t${i} SELECT i, i / 3.0 FROM generate_series(1, 20) i; INSERT INTO child${i} SELECT i FROM generate_series(21, 30) i`,
    )
      .join('; ')
      .concat(`; CREATE DOMAIN lucky AS float8 DEFAULT random(); CREATE DOMAIN plain AS int;
      CREATE FUNCTION spin(int) RETURNS int VOLATILE LANGUAGE sql AS 'SELECT $1 + (random() * 1000)::int'`),
    step: async (client) => {
      const t = `t${client.place}`;
      await client.run(`ALTER TABLE ${t} ADD luck float8 DEFAULT random()`);
      await client.run(
        `ALTER TABLE ${t} ADD made timestamptz DEFAULT now(), ADD u uuid NOT NULL DEFAULT gen_random_uuid()`,
      );
      await client.run(`ALTER TABLE ${t} ADD d lucky, ADD e plain`);
      await client.run(`ALTER TABLE ONLY child${client.place} ADD id serial`);
      await client.run(`ALTER TABLE ${t} ALTER v TYPE bigint USING spin(v)`);
      await client.run('SET extra_float_digits = -10');
      await client.run("SET TimeZone = 'Asia/Tokyo'");
      await client.run(`ALTER TABLE ${t} ALTER f TYPE text`);
      await client.run(`ALTER TABLE ${t} ALTER at TYPE timestamp`);
      await client.run('RESET extra_float_digits');
      await client.run('RESET TimeZone');
      await client.run(`ALTER TABLE ${t} RENAME v TO "new name"`);
      await client.run(`UPDATE ${t} SET "new name" = 0 WHERE luck < 0.5`);
    },
  },
  {
    name: 'definitions of every kind are the same everywhere, also inside transactions that end badly',
    needsSuperuser: 'several roles replace one view',
    clients: 4,
    setup: "CREATE TABLE base (id serial PRIMARY KEY, v text); CREATE TYPE mood AS ENUM ('low')",
    step: async (client) => {
      const { place: i } = client;
      await client.transaction(
        `CREATE TABLE a${i} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text NOT NULL DEFAULT 'x', b int REFERENCES base, CHECK (length(v) > 0))`,
        `INSERT INTO a${i} (v) VALUES ('one'), ('two')`,
        `CREATE INDEX a${i}_v ON a${i} (lower(v)) WHERE b IS NULL`,
        `ALTER TABLE a${i} ADD c int DEFAULT 5, ADD CONSTRAINT c${i} CHECK (c > 0) NOT VALID, ALTER v DROP NOT NULL`,
        `ALTER TABLE a${i} VALIDATE CONSTRAINT c${i}`,
        `CREATE VIEW v${i} AS SELECT a.*, 'é' AS e FROM a${i} a WHERE v <> $$it's$$`,
        `COMMENT ON TABLE a${i} IS 'quoted '' and \\ back'`,
        `COMMENT ON COLUMN a${i}.c IS 'five'`,
        `GRANT SELECT (v), UPDATE ON a${i} TO other WITH GRANT OPTION`,
        `CREATE SEQUENCE s${i} START 7 OWNED BY a${i}.c`,
        `CREATE FUNCTION f${i}(x int, OUT y int) LANGUAGE plpgsql AS $f$ BEGIN y := x; END $f$`,
        `CREATE TYPE pair${i} AS (a int, b mood[])`,
        `CREATE DOMAIN d${i} AS int CHECK (value > ${i})`,
        `CREATE STATISTICS st${i} ON id, v FROM a${i}`,
        `CREATE RULE r${i} AS ON DELETE TO a${i} WHERE OLD.id < 0 DO INSTEAD NOTHING`,
        `CREATE TRIGGER tr${i} BEFORE UPDATE ON a${i} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
      );
      await client.run(`ALTER TYPE mood ADD VALUE IF NOT EXISTS 'm${i}' BEFORE 'low'`);
      await client.run(`CREATE TABLE m${i} (m mood DEFAULT 'm${i}')`);
      await client.run(`INSERT INTO m${i} VALUES ('m${i}'), (DEFAULT)`);
      await client.run('BEGIN');
      await client.run(`DROP TABLE a${i} CASCADE`);
      await client.run('SAVEPOINT s');
      await client.fails('42P01', `ALTER TABLE a${i} ADD x int`);
      await client.run('ROLLBACK TO s');
      await client.run(`CREATE TABLE a${i} (other int)`);
      await client.run('ROLLBACK');
      await client.run(`ALTER TABLE a${i} RENAME TO renamed${i}`);
      await client.run(`UPDATE renamed${i} SET v = v || '!'`);
      await client.run(`DROP VIEW IF EXISTS v${i}, nothing_of_that_name`);
      await client.run(`ALTER TABLE renamed${i} ALTER c TYPE numeric(6, 2) USING c * 1.5`);
      await client.run(`DROP TABLE IF EXISTS missing`);
      await client.run(`ALTER TABLE IF EXISTS missing ADD x int`);
      await client.run(`ALTER TABLE renamed${i} SET UNLOGGED`);
      await client.run(
        `ALTER TABLE renamed${i} REPLICA IDENTITY FULL, ALTER v SET STORAGE EXTERNAL, ALTER v SET STATISTICS 500`,
      );
      await client.run(`CREATE OR REPLACE FUNCTION f${i}(x int, OUT y int) LANGUAGE sql AS 'SELECT x * 2'`);
      await client.run('CREATE TABLE IF NOT EXISTS everybody (a int)');
      await client.run('CREATE OR REPLACE VIEW shown AS SELECT 1 AS one');
      await client.run(`CREATE TABLE like${i} (LIKE renamed${i} INCLUDING ALL)`);
      await client.run(`INSERT INTO like${i} (v) VALUES ('x')`);
      if (i % 2 === 0) await client.run(`DROP TABLE renamed${i} CASCADE`);
    },
    finish:
      'DROP TYPE mood CASCADE; ALTER TABLE everybody ADD PRIMARY KEY (a); INSERT INTO everybody VALUES (1)',
  },
  {
    name: 'made and dropped by many at once, under one name',
    needsSuperuser: 'several roles replace one function',
    setup: 'CREATE SEQUENCE s',
    step: async (client) => {
      for (let i = 0; i < 3; i++) {
        await client.run('CREATE TABLE IF NOT EXISTS shared (id serial, v float8 DEFAULT random())');
        await client.run('INSERT INTO shared DEFAULT VALUES').catch(() => undefined);
        await client.run("SELECT nextval('s')");
        await client.run('DROP TABLE IF EXISTS shared');
        await client.run(
          'CREATE OR REPLACE FUNCTION f() RETURNS float8 LANGUAGE sql AS $$ SELECT 1.0::float8 $$',
        );
      }
    },
    finish: 'CREATE TABLE IF NOT EXISTS shared (a int)',
  },
  {
    name: 'what one role makes is its own everywhere, and found through the search path it had',
    needsSuperuser: 'it acts as other roles',
    clients: 4,
    ownSessions: true,
    setup:
      'GRANT CREATE, USAGE ON SCHEMA :schema TO owner, other; CREATE TABLE of_admin (a int); GRANT ALL ON of_admin TO other',
    step: async (client) => {
      const { place: i, schema } = client;
      await client.run('SET ROLE owner');
      await client.run(`CREATE TABLE owned${i} (id serial, who text DEFAULT current_user)`);
      await client.run(`INSERT INTO owned${i} DEFAULT VALUES`);
      await client.run(`CREATE VIEW seen${i} AS SELECT * FROM owned${i}`);
      await client.fails('42501', 'ALTER TABLE of_admin ADD b int');
      await client.run('RESET ROLE');
      await client.transaction(
        'SET LOCAL ROLE other',
        `CREATE TABLE others${i} AS SELECT random() AS v`,
        `GRANT SELECT ON others${i} TO owner`,
      );
      await client.run(
        `CREATE SCHEMA "${schema} ${i}" AUTHORIZATION owner CREATE TABLE inside (a int) CREATE VIEW v AS SELECT * FROM inside`,
      );
      await client.run(`SET search_path = "${schema} ${i}", "${schema}"`);
      await client.run('CREATE TABLE found (a int DEFAULT 1)');
      await client.run('INSERT INTO found DEFAULT VALUES');
      await client.run(
        `ALTER TABLE inside ADD b int; ALTER TABLE owned${i} OWNER TO other`.split('; ')[i % 2] ?? '',
      );
      await client.run(`ALTER SCHEMA "${schema} ${i}" RENAME TO "${schema} renamed ${i}"`);
      await client.run(`SET search_path = "${schema} renamed ${i}", "${schema}"`);
      await client.run('INSERT INTO found VALUES (2)');
      await client
        .run(`ALTER TABLE found SET SCHEMA "${schema}"`)
        .catch(() => client.run(`ALTER TABLE found RENAME TO found${i}`));
      await client.run(`SET search_path = "${schema}"`);
      await client.run(`DROP SCHEMA "${schema} renamed ${i}" CASCADE`);
      await client.run(`DROP TABLE IF EXISTS found`);
    },
    expect: {
      "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename LIKE 'others%' AND tableowner = 'other'":
        '4',
    },
  },
  {
    name: 'partitions are attached, detached and moved between',
    plainOnly: 'what becomes a partition would lack columns',
    setup: `CREATE TABLE p (k int, v text DEFAULT 'x' || random(), PRIMARY KEY (k)) PARTITION BY RANGE (k)`,
    step: async (client) => {
      const { place: i } = client;
      await client.run(`CREATE TABLE part${i} (v text, k int NOT NULL)`);
      await client.run(
        `INSERT INTO part${i} SELECT random()::text, ${i * 10} + j FROM generate_series(0, 8) j`,
      );
      await client.persist(() =>
        client.run(`ALTER TABLE p ATTACH PARTITION part${i} FOR VALUES FROM (${i * 10}) TO (${i * 10 + 10})`),
      );
      await client.persist(() => client.run('INSERT INTO p (k) VALUES ($1)', [i * 10 + 9]));
      await client.persist(() => client.run("UPDATE p SET v = v || 'y' WHERE k / 10 = $1", [i]));
      if (i % 3 === 0)
        await client.persist(() =>
          client.run(`ALTER TABLE p DETACH PARTITION part${i}${i === 3 ? ' CONCURRENTLY' : ''}`),
        );
      await client.run(`UPDATE part${i} SET v = 'direct' WHERE k % 10 = 1`);
      await client.refused(
        /bound/,
        `CREATE TABLE computed PARTITION OF p FOR VALUES FROM (extract(epoch FROM now())::int) TO (MAXVALUE)`,
      );
    },
    expect: { 'SELECT count(*) FROM p': '50' },
  },
  {
    name: 'what cannot be carried is refused before it changes anything',
    setup: 'CREATE TABLE t (a int, at timestamptz); CREATE INDEX i ON t (a)',
    step: async (client) => {
      await client.run('BEGIN');
      await client.fails('25001', 'CREATE INDEX CONCURRENTLY ON t (a)');
      await client.run('ROLLBACK');
      await client.run('BEGIN');
      await client.fails('25001', 'DROP INDEX CONCURRENTLY i');
      await client.run('ROLLBACK');
      await client.refused(/moment/, "CREATE TABLE u (a timestamptz DEFAULT 'now')");
      await client.refused(/moment/, "ALTER TABLE t ALTER at SET DEFAULT 'now'");
      await client.refused(/databases/, 'CREATE DATABASE d');
      await client.refused(/tablespace/, "CREATE TABLESPACE s LOCATION '/nowhere'");
      await client.refused(/ALTER SYSTEM/, 'ALTER SYSTEM SET work_mem = 1');
      await client.refused(/file or program/, "COPY t FROM PROGRAM 'true'");
      await client.refused(/Lockstep/, 'ALTER TABLE t DISABLE TRIGGER ALL');
      await client.refused(/Lockstep/, 'DROP TRIGGER "!lockstep_capture" ON t');
      await client.refused(/Lockstep/, 'CREATE TABLE lockstep.t (a int)');
      await client.refused(/Lockstep/, 'DROP SCHEMA lockstep CASCADE');
      await client.refused(/Lockstep/, 'SET lockstep.guard = off');
      await client.refused(/catalog/, "UPDATE pg_class SET relname = 'x' WHERE false");
      await client.refused(/session_replication_role/, "SET session_replication_role = 'replica'");
      await client.refused(/ENABLE ALWAYS/, 'ALTER TABLE t ENABLE ALWAYS TRIGGER x');
    },
    changesNothing: true,
  },
  {
    name: 'schema changes made by event triggers are refused, their rows are carried',
    needsSuperuser: 'event triggers are made by superusers',
    clients: 1,
    setup: `CREATE TABLE log (tag text, luck float8); CREATE TABLE t (a int);
      CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO :schema.log VALUES (TG_TAG, random()); IF TG_TAG = 'CREATE SEQUENCE' THEN COMMENT ON TABLE :schema.t IS 'changed'; END IF; END $$;
      CREATE EVENT TRIGGER on_ddl ON ddl_command_end EXECUTE FUNCTION on_ddl()`,
    step: async (client) => {
      // Lockstep's own triggers on it are no events.
      await client.run('CREATE TABLE u (a int)');
      await client.run('ALTER TABLE u ADD id serial');
      await client.run('INSERT INTO u VALUES (1)');
      await client.refused('LS003', 'CREATE SEQUENCE s');
    },
    finish: 'DROP EVENT TRIGGER on_ddl',
    expect: {
      "SELECT count(*) FROM log WHERE tag = 'CREATE TABLE'": '1',
      "SELECT count(*) FROM log WHERE tag LIKE '%TRIGGER%'": '0',
    },
  },
  {
    name: 'rows of a table are captured as what an index over them computes wants it, however the index is made',
    needsSuperuser: 'it makes an extension',
    ways: ['simple'],
    clients: 1,
    setup: 'CREATE TABLE a (v text); CREATE TABLE b (v text)',
    step: async (client) => {
      await client.run('CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public');
      await client.run("CREATE INDEX ON a (public.similarity(v, 'x'))");
      await client.run("CREATE INDEX CONCURRENTLY ON b (public.similarity(v, 'x'))");
      await client.run("INSERT INTO a VALUES ('xy')");
      await client.run("INSERT INTO b VALUES ('xy')");
    },
    expect: {
      "SELECT string_agg(DISTINCT p.proname, ' ' ORDER BY p.proname) FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid WHERE tgrelid = 'a'::regclass AND p.proname LIKE '%surrounded'":
        'capture_surrounded inserted_surrounded',
      "SELECT string_agg(DISTINCT p.proname, ' ' ORDER BY p.proname) FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid WHERE tgrelid = 'b'::regclass AND p.proname LIKE '%surrounded'":
        'capture_surrounded inserted_surrounded',
    },
  },
  {
    name: 'roles and their rights are made on every member',
    needsSuperuser: 'it makes roles',
    clients: 1,
    step: async (client) => {
      const role = client.schema;
      await client.run(`CREATE ROLE "${role}" LOGIN PASSWORD 'p' CONNECTION LIMIT 5`);
      await client.run(`CREATE TABLE t (a int)`);
      await client.run(`GRANT ALL ON ALL TABLES IN SCHEMA "${client.schema}" TO "${role}"`);
      await client.run(
        `ALTER DEFAULT PRIVILEGES IN SCHEMA "${client.schema}" GRANT SELECT ON TABLES TO "${role}"`,
      );
      await client.run('CREATE TABLE u (a int)');
      await client.run(`GRANT CONNECT ON DATABASE constructs TO "${role}"`);
      await client.run(`ALTER ROLE "${role}" SET work_mem = '8MB'`);
      await client.run(`REASSIGN OWNED BY "${role}" TO owner`);
      await client.run(`DROP OWNED BY "${role}"`);
      await client.run(`DROP ROLE "${role}"`);
      expect(await client.value('SELECT count(*)::int FROM u')).toBe(0);
    },
  },
]);
