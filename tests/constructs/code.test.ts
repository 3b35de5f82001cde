import { expect } from 'vitest';
import { testScenarios } from './run-scenarios.ts';

const account = `CREATE TABLE account (id int PRIMARY KEY, n int NOT NULL DEFAULT 0);
  INSERT INTO account SELECT i FROM generate_series(0, 9) i;
  CREATE TABLE log (id serial PRIMARY KEY, what text, at timestamptz DEFAULT clock_timestamp())`;

/** Written so that it raises the account and leaves a line. */
const raise = `CREATE FUNCTION raise(which int) RETURNS int LANGUAGE plpgsql AS $$
  DECLARE result int;
  BEGIN
    UPDATE account SET n = n + 1 WHERE id = which RETURNING n INTO result;
    INSERT INTO log (what) VALUES ('raised ' || which || ' with ' || random());
    RETURN result;
  END $$`;

testScenarios('code', [
  {
    name: 'functions called in SELECT write what they wrote',
    setup: `${account}; ${raise}; CREATE FUNCTION twice(a int) RETURNS SETOF int LANGUAGE sql AS 'SELECT raise(a) UNION ALL SELECT raise(9)'`,
    step: async (client) => {
      await client.run('SELECT raise($1)', [client.place]);
      await client.run('SELECT * FROM twice($1)', [client.place]);
      await client.run('SELECT a.id, raise(a.id) FROM account a WHERE a.id = $1', [client.place]);
      await client.run("SELECT nextval('log_id_seq')");
    },
    expect: { 'SELECT n FROM account WHERE id = 9': '8', 'SELECT sum(n) FROM account': '32' },
  },
  {
    name: 'a function that says STABLE and writes all the same is stopped on a replica and runs on the primary',
    setup: `${account}; ${raise};
      CREATE FUNCTION liar(which int) RETURNS int STABLE LANGUAGE plpgsql AS 'BEGIN RETURN raise(which); END';
      CREATE VIEW hidden AS SELECT liar(9) AS n; CREATE VIEW drawn AS SELECT nextval('log_id_seq') AS n`,
    step: async (client) => {
      for (let i = 0; i < 4; i++) {
        await client.run('SELECT liar($1)', [client.place]);
        await client.run('SELECT * FROM hidden');
        await client.run('SELECT n FROM drawn');
      }
      await client.transaction(['SELECT liar($1)', [client.place]], 'SELECT * FROM hidden');
    },
    expect: { 'SELECT n FROM account WHERE id = 0': '5', 'SELECT n FROM account WHERE id = 9': '40' },
  },
  {
    name: 'procedures and blocks that commit inside are refused, and nothing of them stays',
    setup: `${account};
      CREATE PROCEDURE half() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log (id, what) VALUES (-1, 'half'); COMMIT; END $$;
      CREATE PROCEDURE undo() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log (id, what) VALUES (-2, 'half'); ROLLBACK; END $$`,
    step: async (client) => {
      await client.refused('2D000', 'CALL half()');
      await client.refused('2D000', 'CALL undo()');
      await client.refused(
        '2D000',
        "DO $$ BEGIN INSERT INTO log (id, what) VALUES (-3, 'half'); COMMIT; END $$",
      );
    },
    changesNothing: true,
  },
  {
    name: 'procedures and blocks that do not commit are carried',
    setup: `${account}; ${raise};
      CREATE PROCEDURE work(which int, INOUT result int) LANGUAGE plpgsql AS $$ BEGIN result := raise(which) + raise(9); END $$`,
    step: async (client) => {
      await client.run('CALL work($1, 0)', [client.place]);
      await client.run(`DO $$
        BEGIN
          FOR i IN 1..5 LOOP EXECUTE 'UPDATE account SET n = n + 1 WHERE id = 9'; END LOOP;
          PERFORM raise(9);
        END $$`);
    },
    expect: { 'SELECT n FROM account WHERE id = 9': '56' },
  },
  {
    name: 'triggers: what they change in the row, in other tables and in rows of the same statement',
    setup: `CREATE TABLE t (id int PRIMARY KEY, v text, touched int DEFAULT 0, at timestamptz); CREATE TABLE seen (n serial, what text, luck float8 DEFAULT random());
      CREATE TABLE keyless (g int, v int);
      CREATE FUNCTION before() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.at := clock_timestamp(); NEW.v := NEW.v || random(); RETURN NEW; END $$;
      CREATE FUNCTION after() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen (what) VALUES (TG_OP || OLD.id); RETURN NULL; END $$;
      CREATE FUNCTION neighbours() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF pg_trigger_depth() > 1 THEN RETURN NULL; END IF;
          UPDATE t SET touched = touched + 1 WHERE id / 10 = NEW.id / 10;
          DELETE FROM t WHERE id = NEW.id + 9 AND id % 10 = 9 AND touched > 3;
          UPDATE keyless SET v = v + 1 WHERE g = NEW.id / 10;
          RETURN NULL;
        END $$;
      CREATE FUNCTION whole() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen (what) SELECT 'moved ' || count(*) FROM moved; RETURN NULL; END $$;
      CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
      INSERT INTO t SELECT i, 'v' FROM generate_series(0, 79) i; INSERT INTO keyless SELECT i % 8, 0 FROM generate_series(0, 31) i;
      CREATE TRIGGER a BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION before();
      CREATE TRIGGER "!!first" AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION neighbours();
      CREATE TRIGGER z AFTER UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION after();
      CREATE TRIGGER s AFTER UPDATE ON t REFERENCING NEW TABLE AS moved FOR EACH STATEMENT EXECUTE FUNCTION whole();
      CREATE TRIGGER n BEFORE DELETE ON t FOR EACH ROW WHEN (OLD.id % 10 = 5) EXECUTE FUNCTION skip()`,
    step: async (client) => {
      await client.run('UPDATE t SET v = $2 WHERE id / 10 = $1', [client.place, 'new']);
      await client.run('UPDATE t SET id = id + 1000 WHERE id / 10 = $1 AND id % 10 > 6', [client.place]);
      await client.run('INSERT INTO t VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET v = excluded.v', [
        client.place * 10,
        'again',
      ]);
      await client.run('DELETE FROM t WHERE id / 10 = $1 AND id % 10 > 4', [client.place]);
    },
    expect: { 'SELECT count(*) FROM t WHERE id % 10 = 5': '8' },
  },
  {
    name: 'a row that triggers change again and again, and remove and bring back, ends the same everywhere',
    setup: `CREATE TABLE t (id int PRIMARY KEY, n int); CREATE TABLE plain (id int, n int);
      CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.n < 5 THEN EXECUTE format('UPDATE %I SET n = n + 1 WHERE id = $1', TG_TABLE_NAME) USING NEW.id;
          ELSIF NEW.n = 5 THEN
            EXECUTE format('DELETE FROM %I WHERE id = $1', TG_TABLE_NAME) USING NEW.id;
            EXECUTE format('INSERT INTO %I VALUES ($1, 100)', TG_TABLE_NAME) USING NEW.id;
          END IF;
          RETURN NULL;
        END $$;
      CREATE TRIGGER again AFTER INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION again();
      CREATE TRIGGER again AFTER INSERT OR UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION again()`,
    step: async (client) => {
      for (const table of ['t', 'plain']) {
        await client.run(`INSERT INTO ${table} SELECT $1 * 10 + i, i FROM generate_series(1, 7) i`, [
          client.place,
        ]);
        await client.run(`UPDATE ${table} SET n = id % 5 WHERE id / 10 = $1`, [client.place]);
      }
    },
  },
  {
    name: 'views with INSTEAD OF triggers and rules do what they stand for',
    setup: `${account}; CREATE VIEW v AS SELECT id, n FROM account;
      CREATE FUNCTION instead() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE account SET n = NEW.n + (random() * 10)::int WHERE id = OLD.id; RETURN NEW; END $$;
      CREATE TRIGGER instead INSTEAD OF UPDATE ON v FOR EACH ROW EXECUTE FUNCTION instead();
      CREATE TABLE also (id int, luck float8);
      CREATE RULE also AS ON INSERT TO also DO ALSO INSERT INTO log (what) VALUES ('also ' || NEW.luck);
      CREATE RULE never AS ON DELETE TO account DO INSTEAD INSERT INTO log (what) VALUES ('kept ' || OLD.id);
      CREATE VIEW names AS SELECT what FROM log;
      CREATE RULE named AS ON INSERT TO names DO INSTEAD INSERT INTO log (what) VALUES (NEW.what || random())`,
    step: async (client) => {
      await client.run('UPDATE v SET n = n + 1 WHERE id = $1', [client.place]);
      await client.run('INSERT INTO also VALUES ($1, random())', [client.place]);
      await client.run('DELETE FROM account WHERE id = $1', [client.place]);
      await client.run('INSERT INTO names VALUES ($1)', ['through a view']);
    },
    expect: { 'SELECT count(*) FROM account': '10', 'SELECT count(*) FROM log': '24' },
  },
  {
    name: 'foreign keys cascade, also to the table itself',
    setup: `CREATE TABLE parent (id int PRIMARY KEY);
      CREATE TABLE child (id serial PRIMARY KEY, p int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE, q int REFERENCES parent ON DELETE SET NULL ON UPDATE CASCADE, r int DEFAULT 0 REFERENCES parent ON DELETE SET DEFAULT ON UPDATE CASCADE);
      CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE CASCADE ON UPDATE CASCADE);
      INSERT INTO parent SELECT i FROM generate_series(0, 80) i;
      INSERT INTO child (p, q, r) SELECT i, CASE WHEN i > 40 THEN i - 40 ELSE i + 40 END, i FROM generate_series(1, 80) i;
      INSERT INTO tree SELECT i, nullif((i - 1) / 2, 0) FROM generate_series(1, 255) i`,
    step: async (client) => {
      await client.run('DELETE FROM parent WHERE id % 8 = $1 AND id BETWEEN 1 AND 40', [client.place]);
      await client.run('UPDATE parent SET id = id + 1000 WHERE id % 8 = $1 AND id > 40', [client.place]);
      await client.run('UPDATE tree SET id = -id WHERE id = $1', [client.place + 8]);
      await client.run('DELETE FROM tree WHERE id = $1', [2 * client.place + 17]);
      await client.fails('23503', 'INSERT INTO child (p) VALUES (-1)');
    },
    finish: 'DELETE FROM tree WHERE id = 7',
  },
  {
    name: 'rows that savepoints and caught errors took back travel nowhere',
    setup: `${account}; CREATE TABLE u (id int UNIQUE, v text);
      CREATE FUNCTION try(which int) RETURNS text LANGUAGE plpgsql AS $$
        BEGIN
          INSERT INTO log (what) VALUES ('stays ' || which);
          BEGIN
            INSERT INTO u VALUES (which, 'taken back'), (-which, 'taken back'); UPDATE account SET n = n + 1000 WHERE id = which;
            PERFORM 1 / 0;
          EXCEPTION WHEN division_by_zero THEN INSERT INTO u VALUES (which, 'caught');
          END;
          BEGIN INSERT INTO u VALUES (which, 'twice'); EXCEPTION WHEN unique_violation THEN NULL; END;
          RETURN 'done';
        END $$`,
    step: async (client) => {
      const { place } = client;
      await client.run('SELECT try($1)', [place + 1]);
      await client.transaction(
        ['UPDATE account SET n = n + 1 WHERE id = $1', [place]],
        'SAVEPOINT a',
        ['INSERT INTO u VALUES ($1, $2)', [100 + place, 'gone']],
        'SAVEPOINT b',
        [
          'INSERT INTO u SELECT $1::int + i, $2 FROM generate_series(1, 500) i',
          [10_000 * (place + 1), 'gone '.repeat(20)],
        ],
        'ROLLBACK TO b',
        ['INSERT INTO u VALUES ($1, $2)', [200 + place, 'gone']],
        'ROLLBACK TO a',
        ['INSERT INTO u VALUES ($1, $2)', [300 + place, 'stays']],
        'RELEASE a',
      );
      await client.run('BEGIN');
      await client.run('SAVEPOINT s');
      await client.fails('23505', 'INSERT INTO account VALUES (0), (1)');
      await client.fails('25P02', 'SELECT 1');
      await client.run('ROLLBACK TO s');
      await client.run('UPDATE account SET n = n + 1 WHERE id = 9');
      await client.run('COMMIT');
      await client.run('BEGIN');
      await client.run('DELETE FROM account WHERE id = 9');
      await client.fails('22012', 'SELECT 1 / 0');
      expect((await client.run('COMMIT')).command).toBe('ROLLBACK');
    },
    expect: {
      'SELECT n FROM account WHERE id = 9': '8',
      'SELECT count(*) FROM u': '16',
      "SELECT count(*) FROM u WHERE v = 'gone'": '0',
    },
  },
  {
    name: 'deferred constraints are checked at COMMIT, and what fails there leaves nothing',
    setup: `CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE DEFERRABLE INITIALLY DEFERRED, p int REFERENCES t DEFERRABLE INITIALLY DEFERRED);
      INSERT INTO t SELECT i, i, NULL FROM generate_series(1, 80) i`,
    step: async (client) => {
      const low = client.place * 10 + 1;
      await client.transaction(
        ['UPDATE t SET u = u + 1 WHERE id = $1', [low]],
        ['UPDATE t SET u = u - 1 WHERE id = $1 + 1', [low]],
        ['INSERT INTO t VALUES ($1::int + 1000, $1::int + 1000, $1::int + 2000)', [low]],
        ['INSERT INTO t VALUES ($1::int + 2000, $1::int + 2000, NULL)', [low]],
      );
      await client.run('BEGIN');
      // To a value of its own: those that wait for each other's at COMMIT are a deadlock on one server too.
      await client.run('UPDATE t SET u = -$1::int WHERE id BETWEEN $1 AND $1 + 1', [low]);
      await client.fails('23505', 'COMMIT');
      await client.run('ROLLBACK');
      await client.fails('23503', 'INSERT INTO t VALUES (-$1::int, -$1::int, -5000)', [low]);
      await client.run('BEGIN');
      await client.run('SET CONSTRAINTS ALL IMMEDIATE');
      await client.fails('23503', 'UPDATE t SET p = -1 WHERE id = $1', [low]);
      await client.run('COMMIT');
    },
    expect: { 'SELECT count(*) FROM t': '96', 'SELECT count(*) FROM t WHERE u < 0 OR p < 0': '0' },
  },
  {
    name: 'triggers that are deferred to COMMIT still write into its write set, even in the transaction that made them',
    setup: `${account};
      CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log (what) VALUES ('late ' || NEW.id || random()); RETURN NULL; END $$;
      CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON account DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late()`,
    step: async (client) => {
      await client.run('UPDATE account SET n = n + 1 WHERE id = $1', [client.place]);
      await client.transaction(
        ['UPDATE account SET n = n + 1 WHERE id = $1', [client.place]],
        'UPDATE account SET n = n + 1 WHERE id = 9',
      );
      await client.transaction(
        `CREATE TABLE fresh${client.place} (id int)`,
        `CREATE CONSTRAINT TRIGGER late AFTER INSERT ON fresh${client.place} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late()`,
        [`INSERT INTO fresh${client.place} VALUES ($1)`, [client.place]],
      );
    },
    expect: { 'SELECT count(*) FROM log': '32' },
  },
  {
    name: 'row security and functions with their owner’s rights work for another user',
    plainOnly: 'it has policies of its own',
    setup: `CREATE TABLE secret (id serial PRIMARY KEY, owner text DEFAULT current_user, v text);
      ALTER TABLE secret ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON secret USING (owner = current_user) WITH CHECK (owner = current_user);
      INSERT INTO secret (v) VALUES ('of the owner');
      CREATE TABLE closed (who text, session text, luck float8);
      CREATE FUNCTION inside() RETURNS void SECURITY DEFINER LANGUAGE sql AS 'INSERT INTO closed VALUES (current_user, session_user, random())';
      GRANT USAGE, CREATE ON SCHEMA :schema TO other;
      GRANT SELECT, INSERT, UPDATE, DELETE ON secret TO other; GRANT USAGE ON SEQUENCE secret_id_seq TO other`,
    step: async (client) => {
      const other = await client.another({ user: 'other' });
      const id = (await other.value('INSERT INTO secret (v) VALUES ($1) RETURNING id', ['mine'])) as number;
      // Its own row alone: all rows at once, by everybody in any order, is a deadlock on one server too.
      await other.run("UPDATE secret SET v = v || '!' WHERE id = $1", [id]);
      expect(await other.value("UPDATE secret SET v = 'seen' WHERE id = 1 RETURNING id")).toBeUndefined();
      await other.fails('42501', "INSERT INTO secret (owner, v) VALUES ('postgres', 'forged')");
      await other.fails('42501', 'INSERT INTO closed DEFAULT VALUES');
      await other.run('SELECT inside()');
      await other.run(`CREATE TABLE of_other_${client.place} (id serial, v text)`);
      await other.run(`INSERT INTO of_other_${client.place} (v) VALUES ($1)`, ['x']);
      expect(await other.value('SELECT count(*)::int FROM secret WHERE v LIKE $1', ['of the%'])).toBe(0);
      await other.pg.end();
    },
    expect: {
      "SELECT count(*) FROM secret WHERE owner = 'other' AND v LIKE 'mine!%'": '8',
      "SELECT count(*) FROM closed WHERE who = 'postgres' AND session = 'other'": '8',
      "SELECT v FROM secret WHERE owner = 'postgres'": 'of the owner',
      "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tableowner = 'other'": '8',
    },
  },
  {
    name: 'schema statements inside functions and blocks are carried, in order with the rows around them',
    ways: ['extended'],
    clients: 4,
    setup: `CREATE TABLE made (what text, luck float8);
      CREATE FUNCTION alone(n int) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE i int;
      BEGIN
        EXECUTE format('CREATE TABLE %I (id serial PRIMARY KEY, v text DEFAULT ''it''''s "quoted"'', at timestamptz DEFAULT clock_timestamp())', 't "' || n);
        EXECUTE format('INSERT INTO %I (v) SELECT random()::text FROM generate_series(1, 20)', 't "' || n);
        EXECUTE format('ALTER TABLE %I ADD luck float8 DEFAULT random(), ADD day timestamptz DEFAULT now(), ADD five int DEFAULT 5', 't "' || n);
        EXECUTE format('UPDATE %I SET luck = -1, v = v || ''!'' WHERE id %% 2 = 0', 't "' || n);
        EXECUTE format('ALTER TABLE %I ALTER v TYPE varchar USING v || random()', 't "' || n);
        EXECUTE format('CREATE TABLE %I AS SELECT random() AS chance, * FROM made', 'as' || n);
        EXECUTE format('INSERT INTO %I (chance) VALUES (random())', 'as' || n);
        FOR i IN 1 .. 3 LOOP
          BEGIN
            EXECUTE format('CREATE TABLE %I (a int)', 'undone' || n);
            EXECUTE format('INSERT INTO %I VALUES (1)', 'undone' || n);
            INSERT INTO made VALUES ('undone', random());
            RAISE EXCEPTION 'undo';
          EXCEPTION WHEN raise_exception THEN NULL;
          END;
        END LOOP;
        EXECUTE format('DROP TABLE IF EXISTS nothing, %I', 'undone' || n);
        EXECUTE format('CREATE TABLE %I (a int)', 'Gone' || n);
        EXECUTE format('DROP TABLE %I', 'Gone' || n);
        EXECUTE format('CREATE VIEW %I AS SELECT * FROM %I WHERE five > 0', 'v' || n, 't "' || n);
        EXECUTE format('GRANT SELECT ON %I TO other', 'v' || n);
        EXECUTE format('COMMENT ON TABLE %I IS %L', 't "' || n, E'a\nb "x" ''y''');
        INSERT INTO made VALUES ('table ' || n, random());
      END $$;
      CREATE FUNCTION in_sql() RETURNS void LANGUAGE sql AS 'CREATE TABLE IF NOT EXISTS from_sql (a int DEFAULT 1)'`,
    step: async (client) => {
      const { place } = client;
      await client.run('SELECT alone($1)', [place]);
      await client.run(`INSERT INTO "t ""${place}" (v) VALUES ('later')`);
      await client.transaction(
        `DO $$ BEGIN CREATE TABLE block${place} (a int); INSERT INTO block${place} VALUES (1); ALTER TABLE block${place} ADD b int DEFAULT 2; INSERT INTO block${place} VALUES (3); END $$`,
        `UPDATE block${place} SET a = a + 1`,
        `DO $$ BEGIN INSERT INTO block${place} VALUES (7); ALTER TABLE block${place} RENAME b TO c; DROP TABLE as${place}; END $$`,
        `INSERT INTO block${place} (a, c) VALUES (9, 9)`,
      );
      await client.persist(() => client.run('SELECT in_sql()'));
      const drop = `DO $$ BEGIN PERFORM 1; EXECUTE 'DROP TABLE block${place}'; END $$`;
      await client.run('BEGIN');
      await client.run(drop);
      await client.run('ROLLBACK');
      await client.transaction(
        'SAVEPOINT s',
        drop,
        'ROLLBACK TO s',
        `INSERT INTO block${place} (a) VALUES (8)`,
      );
    },
    expect: {
      'SELECT count(*) FROM made': '4',
      'SELECT sum(a) FROM block1': '30',
      'SELECT count(*) FROM "t ""2" WHERE luck = -1': '10',
      "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'from_sql'": '1',
    },
  },
  {
    name: 'migrations that work by blocks and functions: a queue of pg-boss, EF Core, partitions by a function',
    ways: ['extended'],
    clients: 4,
    setup: `CREATE TABLE queue (name text PRIMARY KEY, partition text, created timestamptz DEFAULT now());
      CREATE TABLE job (id uuid NOT NULL DEFAULT gen_random_uuid(), name text NOT NULL, state text NOT NULL DEFAULT 'created', data jsonb, singleton_key text, created_on timestamptz NOT NULL DEFAULT now())
        PARTITION BY LIST (name);
      CREATE FUNCTION create_queue(queue_name text) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE table_name varchar := concat('j', encode(sha224(queue_name::bytea), 'hex')); queue_created timestamptz;
      BEGIN
        WITH q AS (INSERT INTO queue (name, partition) VALUES (queue_name, table_name) ON CONFLICT DO NOTHING RETURNING created) SELECT created INTO queue_created FROM q;
        IF queue_created IS NULL THEN RETURN; END IF;
        EXECUTE format('CREATE TABLE %I (LIKE job INCLUDING DEFAULTS)', table_name);
        EXECUTE format('ALTER TABLE %1$I ADD PRIMARY KEY (name, id)', table_name);
        EXECUTE format('ALTER TABLE %1$I ADD CONSTRAINT q_fkey FOREIGN KEY (name) REFERENCES queue (name) ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED', table_name);
        EXECUTE format('CREATE UNIQUE INDEX %1$I ON %2$I (name, COALESCE(singleton_key, '''')) WHERE state = ''created'' AND singleton_key IS NOT NULL', left(table_name, 20) || '_i1', table_name);
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT cjc CHECK (name=%L)', table_name, queue_name);
        EXECUTE format('ALTER TABLE job ATTACH PARTITION %I FOR VALUES IN (%L)', table_name, queue_name);
      END $$;
      CREATE FUNCTION delete_queue(queue_name text) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE table_name text;
      BEGIN
        SELECT partition FROM queue WHERE name = queue_name INTO table_name;
        EXECUTE format('DROP TABLE IF EXISTS %I', table_name);
        DELETE FROM queue WHERE name = queue_name;
      END $$;
      CREATE TABLE "__EFMigrationsHistory" ("MigrationId" varchar(150) PRIMARY KEY, "ProductVersion" varchar(32) NOT NULL);
      CREATE TABLE measured (at date NOT NULL, v float8) PARTITION BY RANGE (at);
      CREATE FUNCTION make_partitions(parent text, first date, days int) RETURNS int LANGUAGE plpgsql AS $$
      DECLARE made int := 0; day date; child text;
      BEGIN
        FOR day IN SELECT first + n FROM generate_series(0, days - 1) n LOOP
          child := parent || '_p' || to_char(day, 'YYYYMMDD');
          CONTINUE WHEN to_regclass(quote_ident(child)) IS NOT NULL;
          EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', child, parent);
          EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, child, day, day + 1);
          EXECUTE 'GRANT SELECT ON ' || quote_ident(child) || ' TO other';
          made := made + 1;
        END LOOP;
        RETURN made;
      END $$`,
    plainOnly: 'what becomes a partition would lack columns',
    step: async (client) => {
      const { place } = client;
      const queue = `queue ${place}`;
      // As pg-boss does it: on one server too, two of them at once would end each other.
      for (let i = 0; i < 2; i++)
        await client.transaction('SELECT pg_advisory_xact_lock(7)', ['SELECT create_queue($1)', [queue]]);
      await client.persist(() => client.run('INSERT INTO job (name, data) VALUES ($1, $2)', [queue, '{}']));
      const migrations = {
        Initial:
          'CREATE TABLE "Blogs" ("Id" integer GENERATED BY DEFAULT AS IDENTITY, "Url" text, CONSTRAINT "PK_Blogs" PRIMARY KEY ("Id"))',
        More: 'ALTER TABLE "Blogs" ADD "Rating" integer NOT NULL DEFAULT 0',
      };
      for (const [id, statement] of Object.entries(migrations)) {
        const unlessDone = (then: string): string =>
          `DO $EF$ BEGIN IF NOT EXISTS(SELECT 1 FROM "__EFMigrationsHistory" WHERE "MigrationId" = '${id}') THEN ${then}; END IF; END $EF$`;
        await client.persist(() =>
          client.transaction(
            'LOCK TABLE "__EFMigrationsHistory"',
            unlessDone(statement),
            unlessDone(`INSERT INTO "__EFMigrationsHistory" VALUES ('${id}', '8.0.0')`),
          ),
        );
      }
      await client.persist(() =>
        client.run('SELECT make_partitions($1, $2, 3)', ['measured', `2024-0${place + 1}-01`]),
      );
      await client.persist(() =>
        client.run('INSERT INTO measured VALUES ($1, random())', [`2024-0${place + 1}-02`]),
      );
      if (place === 3)
        await client.persist(() =>
          client.transaction('SELECT pg_advisory_xact_lock(7)', ['SELECT delete_queue($1)', [queue]]),
        );
    },
    expect: {
      'SELECT count(*) FROM job': '3',
      'SELECT count(*) FROM measured': '4',
      'SELECT count(*) FROM "__EFMigrationsHistory"': '2',
      "SELECT count(*) FROM pg_inherits WHERE inhparent = 'measured'::regclass": '12',
    },
  },
  {
    name: 'what a function makes belongs to the role, and is found through the path, that it had at that moment',
    ways: ['extended'],
    needsSuperuser: 'it acts as other roles',
    clients: 4,
    ownSessions: true,
    setup: `GRANT CREATE, USAGE ON SCHEMA :schema TO owner, other; CREATE TABLE of_admin (a int);
      CREATE FUNCTION as_admin(n int) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = :schema, pg_temp AS $$ BEGIN EXECUTE 'CREATE TABLE admins' || n || ' (a int)'; EXECUTE 'ALTER TABLE of_admin ADD c' || n || ' int DEFAULT ' || n; END $$;
      CREATE FUNCTION as_caller(n int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'CREATE TABLE callers' || n || ' (a int)'; PERFORM as_admin(n); EXECUTE 'CREATE VIEW seen' || n || ' AS SELECT * FROM callers' || n; END $$`,
    step: async (client) => {
      const { place, schema } = client;
      const other = await client.another({ user: 'other' });
      await other.run(`SELECT as_caller(${place})`);
      await other.fails('42501', `DO $$ BEGIN PERFORM 1; EXECUTE 'ALTER TABLE of_admin ADD x int'; END $$`);
      await other.pg.end();
      await client.run(
        `DO $$ BEGIN PERFORM 1; SET LOCAL ROLE owner; CREATE TABLE owned${place} (a int); RESET ROLE; END $$`,
      );
      await client.run(`CREATE SCHEMA "${schema} ${place}"`);
      await client.run(
        `DO $$ BEGIN PERFORM 1; SET LOCAL search_path = "${schema} ${place}"; CREATE TABLE elsewhere (a int); CREATE TABLE copy AS SELECT random() AS luck FROM generate_series(1, 5); END $$`,
      );
      await client.run(`INSERT INTO "${schema} ${place}".elsewhere VALUES (1)`);
      await client.run(`DO $$ BEGIN PERFORM 1; EXECUTE 'DROP SCHEMA "${schema} ${place}" CASCADE'; END $$`);
    },
    expect: {
      "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tableowner = 'other' AND tablename LIKE 'callers%'":
        '4',
      "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tableowner = 'owner'": '4',
      "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tableowner = 'postgres' AND tablename LIKE 'admins%'":
        '4',
    },
  },
  {
    name: 'schema statements inside functions that cannot be carried are refused with advice',
    plainOnly: 'only the owner of a table is told more than that',
    ways: ['extended'],
    ownSessions: true,
    clients: 4,
    setup: `CREATE TABLE t (a int); CREATE TABLE u (a int);
      CREATE FUNCTION twin() RETURNS void LANGUAGE sql AS 'CREATE TABLE hidden_twin (a int)'; CREATE FUNCTION twin(int) RETURNS void LANGUAGE sql AS 'CREATE TABLE hidden_twin (a int)';
      CREATE FUNCTION two() RETURNS void LANGUAGE sql AS 'CREATE TABLE first_of_two (a int); CREATE TABLE second_of_two (a int)';
      CREATE FUNCTION make() RETURNS int LANGUAGE plpgsql AS $$ BEGIN CREATE TABLE hidden (a int); RETURN 1; END $$`,
    step: async (client) => {
      const block = (statement: string): string =>
        `DO $block$ BEGIN PERFORM 1; EXECUTE ${statement}; END $block$`;
      await client.refused('LS003', block(`'CREATE TABLE a (i int); INSERT INTO a VALUES (1)'`));
      await client.refused('LS003', 'SELECT twin()');
      await client.refused('LS003', 'SELECT two()');
      await client.refused('LS003', 'CREATE TABLE rows AS SELECT make()');
      await client.refused(/moment/, block(`$$CREATE TABLE frozen (a timestamptz DEFAULT 'now')$$`));
      await client.refused(/Lockstep/, block(`'ALTER TABLE t DISABLE TRIGGER ALL'`));
      await client.refused(/other rows/, block(`'CREATE MATERIALIZED VIEW luck AS SELECT random()'`));
      await client.refused('LS003', block(`'DROP OWNED BY owner'`));
      // What looks like the end of a text, where the text goes on.
      for (const statement of [
        `$x$CREATE VIEW cut AS SELECT a "\nPL/pgSQL function f() line 3 at EXECUTE" FROM t$x$`,
        `$x$CREATE VIEW cut AS SELECT 1 "\nPL/pgSQL function f() line 3 at EXECUTE"$x$`,
        `$x$DROP TABLE IF EXISTS "x""\nPL/pgSQL function f", u$x$`,
      ])
        await client.refused(/inside a function|cannot do what the primary could/, block(statement));
      await client.run('CREATE TEMP TABLE own (a int)');
      await client.refused(/own/, block(`'CREATE TABLE likewise (LIKE own)'`));
      await client.refused(/temporary/, block(`'DROP TABLE own, t'`));
    },
    changesNothing: true,
  },
  {
    name: 'texts that hold what looks like their end are carried whole',
    ways: ['extended'],
    setup: 'CREATE TABLE t (a int)',
    step: async (client) => {
      const { place } = client;
      const stack = `"\nPL/pgSQL function f() line 3 at EXECUTE`;
      const block = (statement: string): string =>
        `DO $block$ BEGIN PERFORM 1; EXECUTE $x$${statement}$x$; END $block$`;
      await client.run(
        block(
          `CREATE TABLE "t${place}"${stack}""" (a int DEFAULT 1, b text DEFAULT '${stack}', c text DEFAULT E'\\'${stack}', d text DEFAULT $y$${stack}$y$) /* ${stack} /* */ ${stack} */`,
        ),
      );
      await client.run(
        block(
          `CREATE FUNCTION said${place}() RETURNS text LANGUAGE plpgsql AS $y$ BEGIN /* ${stack} */ RETURN '${stack}'; END $y$ -- the end`,
        ),
      );
      await client.run(block(`ALTER FUNCTION said${place}() IMMUTABLE`));
    },
  },
  {
    name: 'blocks of schema statements alone are carried, whoever comes first',
    setup: 'CREATE TABLE t (a int)',
    step: async (client) => {
      await client.run(
        "DO $$ BEGIN CREATE TYPE kind AS ENUM ('a', 'b'); EXCEPTION WHEN duplicate_object THEN NULL; END $$",
      );
      await client.run(
        `DO $$ BEGIN
           IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'b') THEN
             ALTER TABLE t ADD b kind; CREATE INDEX t_b ON t (b);
           END IF;
         END $$`,
      );
      await client.transaction(
        `INSERT INTO t (a, b) VALUES (${client.place}, 'a')`,
        `DO $$ BEGIN CREATE TABLE t${client.place} (x int); CREATE TABLE t${client.place} (y int); EXCEPTION WHEN duplicate_table THEN NULL; END $$`,
        `DO $$ BEGIN CREATE TABLE u${client.place} (x int); COMMENT ON TABLE u${client.place} IS 'of a block'; END $$`,
        `INSERT INTO u${client.place} SELECT ${client.place}`,
      );
    },
    expect: {
      "SELECT count(*) FROM t WHERE b = 'a'": '8',
      'SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()': '9',
      "SELECT count(*) FROM pg_indexes WHERE schemaname = current_schema() AND indexname = 't_b'": '1',
    },
  },
  {
    name: 'functions may use temporary tables of their own',
    ownSessions: true,
    setup: `${account};
      CREATE FUNCTION sum_up() RETURNS bigint LANGUAGE plpgsql AS $$
        BEGIN
          DROP TABLE IF EXISTS scratch; CREATE TEMP TABLE scratch (id serial, n int) ON COMMIT DROP; CREATE INDEX ON scratch (n); ALTER TABLE scratch ADD x int DEFAULT 1;
          INSERT INTO scratch (n) SELECT n + id FROM account; ANALYZE scratch;
          INSERT INTO log (what) SELECT sum(n + x) FROM scratch;
          DROP TABLE scratch; CREATE TEMP TABLE kept (a int); DROP TABLE kept;
          RETURN 1;
        END $$`,
    step: async (client) => {
      await client.run('SELECT sum_up()');
      await client.transaction('SELECT sum_up()', 'SELECT sum_up()');
    },
    expect: { 'SELECT count(DISTINCT what) FROM log': '1', 'SELECT count(*) FROM log': '24' },
  },
  {
    name: 'blocks of schema statements in a session that has temporary tables',
    ways: ['extended'],
    ownSessions: true,
    clients: 4,
    setup: `CREATE TABLE t (a int)`,
    step: async (client) => {
      const { place } = client;
      const missing = (name: string): string => `NOT EXISTS (SELECT FROM pg_class WHERE relname = '${name}')`;
      // What the other members would find out differently.
      await client.run(`CREATE TEMP TABLE here${place} (a int)`);
      await client.run(
        `DO $$ BEGIN IF ${missing(`here${place}`)} THEN CREATE TABLE wrong${place} (a int); END IF; END $$`,
      );
      await client.run(
        `DO $$ BEGIN IF ${missing(`made${place}`)} THEN CREATE TABLE made${place} (id serial PRIMARY KEY, b text); CREATE INDEX ON made${place} (b); END IF; END $$`,
      );
      await client.run(`DO $$ BEGIN CREATE TABLE IF NOT EXISTS all_of_us (a int); END $$`);
      await client.run(`DO $$ BEGIN DROP TABLE here${place}; CREATE TABLE after${place} (a int); END $$`);
      await client.run(`INSERT INTO made${place} (b) VALUES ('x')`);
      await client.transaction(
        `CREATE TEMP TABLE here${place} (a int)`,
        `DO $$ BEGIN ALTER TABLE made${place} ADD c int DEFAULT 7; END $$`,
        `UPDATE made${place} SET c = c + 1`,
      );
    },
    expect: {
      "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename ~ '^(made|after|wrong)'":
        '8',
      'SELECT c FROM made2': '8',
    },
  },
  {
    name: 'large objects are refused, also where a function hides them',
    setup: `CREATE TABLE t (a oid); CREATE FUNCTION hide() RETURNS void LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO t VALUES (1); BEGIN INSERT INTO t VALUES (lo_from_bytea(0, 'x')); EXCEPTION WHEN division_by_zero THEN NULL; END; END $$`,
    step: async (client) => {
      await client.refused(/large object/, 'SELECT lo_create(0)');
      await client.refused(/large object/, "SELECT lo_from_bytea(0, 'x')");
      await client.refused(/large object/, 'INSERT INTO t VALUES (lo_creat(-1))');
      await client.refused(/large object/, 'SELECT hide()');
      await client.refused(/large object/, 'DO $$ BEGIN PERFORM lo_create(0); END $$');
    },
    changesNothing: true,
    expect: { 'SELECT count(*) FROM pg_largeobject_metadata': '0' },
  },
  {
    name: 'prepared transactions are refused, and the transaction is undone',
    setup: account,
    step: async (client) => {
      await client.run('BEGIN');
      await client.run('UPDATE account SET n = n + 1');
      await client.refused(/prepared transactions/, "PREPARE TRANSACTION 'p'");
      await client.run('ROLLBACK');
      await client.refused(/prepared transactions/, "COMMIT PREPARED 'p'");
    },
    changesNothing: true,
  },
]);
