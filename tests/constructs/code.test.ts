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
    name: 'schema changes hidden in functions and blocks are refused with advice',
    setup: `CREATE TABLE t (a int); CREATE TABLE u (a int);
      CREATE FUNCTION make() RETURNS int LANGUAGE plpgsql AS $$ BEGIN CREATE TABLE hidden (a int); RETURN 1; END $$;
      CREATE FUNCTION change() RETURNS int LANGUAGE plpgsql AS $$ BEGIN INSERT INTO u VALUES (1); EXECUTE 'ALTER TABLE t ADD b int'; RETURN 1; END $$`,
    step: async (client) => {
      await client.refused('LS003', 'SELECT make()');
      await client.refused('LS003', 'SELECT change()');
      await client.refused('LS003', "DO $$ BEGIN EXECUTE 'DROP TABLE t'; END $$");
      await client.refused('LS003', 'DO $$ BEGIN INSERT INTO u VALUES (1); CREATE INDEX ON t (a); END $$');
      await client.refused(
        'LS003',
        "DO $$ BEGIN PERFORM 1; COMMENT ON TABLE t IS 'hidden'; GRANT SELECT ON t TO other; END $$",
      );
      await client.refused('LS003', 'CREATE TABLE rows AS SELECT make()');
    },
    changesNothing: true,
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
