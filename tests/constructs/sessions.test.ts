import { expect } from 'vitest';
import { waitFor } from '../support/index.ts';
import type { ConstructClient } from './construct-client.ts';
import { copyIn, copyOut } from './copy-streams.ts';
import { testScenarios } from './run-scenarios.ts';

const account = `CREATE TABLE account (id int PRIMARY KEY, n int NOT NULL DEFAULT 0); INSERT INTO account SELECT i FROM generate_series(0, 9) i`;

function pairs(
  clients: readonly ConstructClient[],
): readonly (readonly [ConstructClient, ConstructClient])[] {
  return clients.flatMap((client, i) =>
    i % 2 === 0 ? [[client, clients[i + 1] as ConstructClient] as const] : [],
  );
}

testScenarios('sessions', [
  {
    name: 'sequences stand at the same place, drawn from, set, turned back, rolled back and gone round',
    setup: `CREATE SEQUENCE plain; CREATE SEQUENCE down INCREMENT -3 START 100 MINVALUE -100000 MAXVALUE 100; CREATE SEQUENCE round MAXVALUE 7 CYCLE;
      CREATE SEQUENCE cached CACHE 20; CREATE SEQUENCE small AS smallint START 5; CREATE SEQUENCE untouched; CREATE SEQUENCE altered;
      CREATE TABLE t (id int DEFAULT nextval('cached'), n bigint); CREATE SEQUENCE "Odd "" name" OWNED BY t.n;
      CREATE FUNCTION draw() RETURNS bigint LANGUAGE sql AS $$ SELECT nextval('plain') + nextval('down') $$`,
    step: async (client) => {
      const { place } = client;
      for (let i = 0; i < 3; i++) {
        await client.run("SELECT nextval('plain'), nextval('round')");
        await client.run('INSERT INTO t (n) VALUES (nextval(\'down\')), (nextval(\'"Odd "" name"\'))');
        await client.run('SELECT draw()');
      }
      await client.run("SELECT setval('plain', $1)", [1000 + place]);
      await client.run("SELECT setval('plain', $1), nextval('small')", [10 + place]);
      await client.run("SELECT setval('small', $1, false)", [place + 1]);
      await client.run('BEGIN');
      await client.run("SELECT nextval('plain'), nextval('round'), nextval('down')");
      await client.run('INSERT INTO t DEFAULT VALUES');
      await client.run('ROLLBACK');
      await client.run('BEGIN');
      // Each to another place: set back in vain to where it last stood at rest, it is not seen to have moved (guarantees.md).
      await client.run("SELECT setval('down', $1)", [-1000 * (place + 1)]);
      await client.run('ROLLBACK');
      await client.transaction('ALTER SEQUENCE altered RESTART WITH 50', "SELECT nextval('altered')");
      await client.run('ALTER SEQUENCE altered INCREMENT 5');
      await client.run("SELECT nextval('altered')");
      if (place === 3) await client.run('ALTER SEQUENCE untouched RESTART WITH 77');
    },
    finish: "SELECT nextval('plain'); SELECT nextval('small')",
    expect: { 'SELECT last_value FROM untouched': '77' },
  },
  {
    name: 'a sequence that was set back while others drew goes on from there',
    setup: 'CREATE SEQUENCE s; CREATE TABLE t (id bigint, who int)',
    step: async (client) => {
      for (let i = 0; i < 10; i++)
        await client.run("INSERT INTO t VALUES (nextval('s'), $1)", [client.place]);
    },
    finish: "SELECT setval('s', 3)",
    expect: { 'SELECT last_value FROM s': '3', 'SELECT count(DISTINCT id) FROM t': '80' },
  },
  {
    name: 'TRUNCATE empties several tables, those that refer to them and their partitions, and restarts what is asked',
    setup: `CREATE TABLE a (id serial PRIMARY KEY, v int); CREATE TABLE b (id int REFERENCES a); CREATE TABLE c (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, v text);
      CREATE TABLE p (k int, id serial) PARTITION BY LIST (k); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
      CREATE TABLE up (v int); CREATE TABLE low () INHERITS (up); CREATE TABLE log (n serial, what text, luck float8 DEFAULT random());
      CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log (what) VALUES (TG_WHEN || TG_TABLE_NAME); RETURN NULL; END $$;
      CREATE TRIGGER b BEFORE TRUNCATE ON a FOR EACH STATEMENT EXECUTE FUNCTION note(); CREATE TRIGGER e AFTER TRUNCATE ON a FOR EACH STATEMENT EXECUTE FUNCTION note()`,
    step: async (client) => {
      const { place } = client;
      for (let i = 0; i < 3; i++) {
        await client.persist(() =>
          client.transaction(
            ['INSERT INTO a (v) VALUES ($1), ($1)', [place]],
            ['INSERT INTO b SELECT max(id) FROM a WHERE v = $1', [place]],
            ['INSERT INTO p (k) VALUES (1), (2)', []],
            ['INSERT INTO low VALUES ($1)', [place]],
          ),
        );
        await client.run('INSERT INTO c (v) VALUES ($1)', ['x']);
      }
      if (place === 2) await client.persist(() => client.run('TRUNCATE a CASCADE'));
      if (place === 3) await client.persist(() => client.run('TRUNCATE c RESTART IDENTITY'));
      if (place === 4) await client.persist(() => client.run('TRUNCATE p1, up'));
      if (place === 5) await client.persist(() => client.run('TRUNCATE ONLY up, p RESTART IDENTITY'));
      if (place === 6)
        await client.persist(() =>
          client.transaction(
            'TRUNCATE b, a',
            'INSERT INTO a (v) VALUES (100)',
            'INSERT INTO b SELECT max(id) FROM a',
          ),
        );
      if (place !== 7) return;
      await client.run('BEGIN');
      await client.run('TRUNCATE c');
      await client.run('ROLLBACK');
    },
    finish: "TRUNCATE c RESTART IDENTITY; INSERT INTO c (v) VALUES ('first')",
    expect: { 'SELECT id FROM c': '1' },
  },
  {
    name: 'COPY brings rows with defaults of their own, and nothing when it fails',
    needsSuperuser: 'COPY does not write past row security',
    setup: `CREATE TABLE t (id serial PRIMARY KEY, who int, v text, luck float8 DEFAULT random(), at timestamptz DEFAULT clock_timestamp()); CREATE TABLE plain (a int, b text);
      CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id % 7 = 0 THEN RETURN NULL; END IF; NEW.v := NEW.v || '!'; RETURN NEW; END $$;
      CREATE TRIGGER odd BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION odd()`,
    step: async (client) => {
      const { place } = client;
      const lines = Array.from({ length: 100 }, (_, i) => `${place}\tline ${i} \\t é\n`).join('');
      await copyIn(client, 'COPY t (who, v) FROM STDIN', lines);
      await copyIn(
        client,
        'COPY plain (a, b) FROM STDIN WITH (FORMAT csv, HEADER)',
        `a,b\n${place},"x, ""y"""\n${place},\n`,
      );
      await client.run('BEGIN');
      await copyIn(client, 'COPY plain (a, b) FROM STDIN', `${place}\tin a transaction\n`);
      await client.run('UPDATE plain SET b = $2 WHERE a = $1 AND b LIKE $3', [place, 'changed', 'in a%']);
      await client.run('COMMIT');
      await expect(
        copyIn(client, 'COPY plain (a, b) FROM STDIN', '1\tgood\nbad\tbad\n'),
      ).rejects.toMatchObject({
        code: '22P02',
      });
      expect(
        await copyOut(client, `COPY (SELECT a, b FROM plain WHERE a = ${place} ORDER BY b) TO STDOUT`),
      ).toBe(`${place}\tchanged\n${place}\tx, "y"\n${place}\t\\N\n`);
    },
    expect: { 'SELECT count(*) FROM plain': '24' },
  },
  {
    name: 'temporary tables stay in their session, whatever they are called, and what is taken from them is carried',
    ownSessions: true,
    setup: `CREATE TABLE result (who int, v float8); CREATE TABLE shared (a int); CREATE TABLE real (a int, b int)`,
    step: async (client) => {
      const { place } = client;
      await client.run('CREATE TEMP TABLE tmp (id serial PRIMARY KEY, v float8)');
      await client.run('INSERT INTO tmp (v) SELECT random() FROM generate_series(1, 5)');
      await client.run('CREATE INDEX ON tmp (v)');
      await client.run('ALTER TABLE tmp ADD w int DEFAULT 7');
      await client.run("COMMENT ON COLUMN tmp.w IS 'seven'");
      await client.run('GRANT SELECT ON tmp TO other');
      // Statistics lie in an ordinary schema, and are temporary when their table is.
      await client.run(`CREATE STATISTICS of_tmp_${place} ON v, w FROM tmp`);
      await client.run(`CREATE STATISTICS of_real_${place} ON a, b FROM real`);
      await client.run(`COMMENT ON STATISTICS of_tmp_${place} IS 'both'`);
      await client.run(`ALTER STATISTICS of_tmp_${place} SET STATISTICS 9`);
      await client.run(`ALTER STATISTICS of_tmp_${place} RENAME TO "Of ""tmp"" ${place}"`);
      await client.refused(/temporary and other/, `DROP STATISTICS "Of ""tmp"" ${place}", of_real_${place}`);
      await client.run(`DROP STATISTICS "${client.schema}"."Of ""tmp"" ${place}"`);
      await client.run(`DROP STATISTICS IF EXISTS of_real_${place}, of_nothing`);
      await client.run('INSERT INTO result SELECT $1::int, v + w FROM tmp', [place]);
      await client.run(`CREATE VIEW over_tmp_${place} AS SELECT * FROM tmp`);
      await client.run(`DROP VIEW over_tmp_${place}`);
      await client.run(`CREATE TABLE taken_${place} AS SELECT * FROM tmp`);
      await client.refused(/like a temporary one/, `CREATE TABLE liked_${place} (LIKE tmp)`);
      await client.refused(/temporary and other/, 'DROP TABLE tmp, real');
      // It hides the table of that name.
      await client.run('CREATE TEMP TABLE shared (a int, b text)');
      await client.run("INSERT INTO shared VALUES (1, 'hidden')");
      await client.run('ALTER TABLE shared DROP COLUMN b');
      await client.run('CREATE UNIQUE INDEX ON shared (a)');
      await client.run('TRUNCATE shared');
      await client.run('DROP TABLE shared');
      await client.run('INSERT INTO shared VALUES ($1)', [place]);
      await client.run(`CREATE TEMP TABLE both_${place} (a int)`);
      await client.run(`CREATE TABLE "${client.schema}".both_${place} (a int, b int)`);
      await client.run(`INSERT INTO "${client.schema}".both_${place} VALUES (1, 2)`);
      await client.run(`CREATE TEMP TABLE made_${place} (a int)`);
      await client.run(`CREATE TABLE made_${place} AS SELECT 1 AS one`);
      await client.run(`SELECT 2 AS two INTO TEMP into_${place}`);
      await client.transaction('CREATE TEMP TABLE short ON COMMIT DROP AS SELECT random() AS v', [
        'INSERT INTO result SELECT $1::int, v FROM short',
        [place],
      ]);
      await client.fails('42P01', 'SELECT * FROM short');
      await client.run('DROP TABLE tmp');
      await client.run('CREATE TEMP TABLE tmp (again int)');
      await client.run('DISCARD TEMP');
      await client.run('INSERT INTO result VALUES ($1, 0)', [place]);
    },
    expect: {
      'SELECT count(*) FROM result': '56',
      'SELECT count(*) FROM shared': '8',
      "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename ~ '^(taken|both|made)_'":
        '24',
    },
  },
  {
    name: 'advisory locks keep apart what they are to keep apart',
    ownSessions: true,
    setup: account,
    step: async (client) => {
      for (let i = 0; i < 3; i++) {
        await client.run('SELECT pg_advisory_lock(42)');
        const n = (await client.value('SELECT n FROM account WHERE id = 0')) as number;
        await client.run('UPDATE account SET n = $1 WHERE id = 0', [n + 1]);
        await client.run('SELECT pg_advisory_unlock(42)');
        await client.run('BEGIN');
        await client.run('SELECT pg_advisory_xact_lock(43)');
        const m = (await client.value('SELECT n FROM account WHERE id = 1')) as number;
        await client.run('UPDATE account SET n = $1 WHERE id = 1', [m + 1]);
        await client.run('COMMIT');
      }
    },
    expect: { 'SELECT n FROM account WHERE id = 0': '24', 'SELECT n FROM account WHERE id = 1': '24' },
  },
  {
    name: 'notifications reach who listens, once they are committed',
    ownSessions: true,
    setup: account,
    together: async (clients) => {
      const [listener, ...others] = clients as [ConstructClient, ...ConstructClient[]];
      const heard: string[] = [];
      listener.pg.on('notification', ({ payload = '' }) => void heard.push(payload));
      await listener.run(`LISTEN "${listener.schema}"`);
      await Promise.all(
        others.map(async (client) => {
          await client.run(`NOTIFY "${listener.schema}", 'alone ${client.place}'`);
          await client.run('SELECT pg_notify($1, $2)', [listener.schema, `called ${client.place}`]);
          await client.transaction(
            'UPDATE account SET n = n + 1 WHERE id = 0',
            `NOTIFY "${listener.schema}", 'with ${client.place}'`,
          );
          await client.run('BEGIN');
          await client.run(`NOTIFY "${listener.schema}", 'never'`);
          await client.run('ROLLBACK');
        }),
      );
      await waitFor(() => heard.length >= 21, { what: 'all notifications' });
      expect(heard.toSorted()).toEqual(
        [1, 2, 3, 4, 5, 6, 7].flatMap((i) => [`alone ${i}`, `called ${i}`, `with ${i}`]).toSorted(),
      );
    },
    expect: { 'SELECT n FROM account WHERE id = 0': '7' },
  },
  {
    name: 'REPEATABLE READ: conflicts are errors, and counters count what was acknowledged',
    setup: account,
    together: async (clients) => {
      let conflicts = 0;
      for (let round = 0; round < 3; round++) {
        for (const client of clients) {
          await client.run('BEGIN ISOLATION LEVEL REPEATABLE READ');
          await client.run('SELECT n FROM account WHERE id = 0');
        }
        const raise = (client: ConstructClient) =>
          client.transaction('UPDATE account SET n = n + 1 WHERE id = 0');
        const first = clients[round] as ConstructClient;
        await first.run('UPDATE account SET n = n + 1 WHERE id = 0');
        await first.run('COMMIT');
        for (const client of clients) {
          if (client === first) continue;
          expect(await client.value('SELECT n FROM account WHERE id = 0')).toBe(round * clients.length);
          await client.fails('40001', 'UPDATE account SET n = n + 1 WHERE id = 0');
          await client.run('ROLLBACK');
          conflicts += 1;
          await raise(client);
        }
      }
      expect(conflicts).toBe(3 * (clients.length - 1));
    },
    expect: { 'SELECT n FROM account WHERE id = 0': '24' },
  },
  {
    name: 'SERIALIZABLE: no write skew, however often it is tried',
    setup: `CREATE TABLE duty (doctor int PRIMARY KEY, on_call boolean NOT NULL DEFAULT true, done int DEFAULT 0); INSERT INTO duty SELECT i FROM generate_series(0, 7) i`,
    step: async (client) => {
      for (let i = 0; i < 3; i++) {
        await client.persist(async () => {
          await client.run('BEGIN ISOLATION LEVEL SERIALIZABLE');
          try {
            const others = await client.value(
              'SELECT count(*)::int FROM duty WHERE on_call AND doctor <> $1',
              [client.place],
            );
            if (others !== 0)
              await client.run('UPDATE duty SET on_call = false WHERE doctor = $1', [client.place]);
            await client.run('COMMIT');
          } catch (error) {
            await client.run('ROLLBACK');
            throw error;
          }
        });
        await client.persist(() =>
          client.run('UPDATE duty SET done = done + 1 WHERE doctor = $1', [client.place]),
        );
      }
    },
    expect: { 'SELECT count(*) FROM duty WHERE on_call': '1', 'SELECT sum(done) FROM duty': '24' },
  },
  {
    name: 'of two transactions in a deadlock exactly one is told so',
    setup: account,
    together: async (clients) => {
      await Promise.all(
        pairs(clients).map(async ([a, b], i) => {
          const raise = (client: ConstructClient, id: number) =>
            client.run('UPDATE account SET n = n + 1 WHERE id = $1', [id]);
          await a.run('BEGIN');
          await b.run('BEGIN');
          await raise(a, 2 * i);
          await raise(b, 2 * i + 1);
          const cross = async (client: ConstructClient, id: number) => {
            try {
              await raise(client, id);
            } finally {
              await client.run('COMMIT');
            }
          };
          const outcomes = await Promise.allSettled([cross(a, 2 * i + 1), cross(b, 2 * i)]);
          const codes = outcomes.map((outcome) =>
            outcome.status === 'rejected' ? (outcome.reason as { code: string }).code : 'done',
          );
          expect(codes.toSorted()).toEqual(['40P01', 'done']);
        }),
      );
    },
    expect: { 'SELECT sum(n) FROM account': '8' },
  },
  {
    name: 'who does not want to wait for a lock need not',
    setup: account,
    together: async (clients) => {
      const [holder, ...others] = clients as [ConstructClient, ...ConstructClient[]];
      await holder.run('BEGIN');
      await holder.run('UPDATE account SET n = n + 1 WHERE id = 0');
      await Promise.all(
        others.map(async (client) => {
          await client.fails('55P03', 'SELECT * FROM account WHERE id = 0 FOR UPDATE NOWAIT');
          await client
            .fails('55P03', 'LOCK TABLE account IN EXCLUSIVE MODE NOWAIT')
            .catch(() => client.fails('25P01', 'LOCK TABLE account NOWAIT'));
          await client.run('BEGIN');
          await client.run("SET LOCAL lock_timeout = '20ms'");
          await client.fails('55P03', 'UPDATE account SET n = n + 1 WHERE id = 0');
          await client.run('ROLLBACK');
          expect((await client.run('SELECT id FROM account FOR UPDATE SKIP LOCKED')).rows).not.toContainEqual(
            { id: 0 },
          );
        }),
      );
      await holder.run('COMMIT');
    },
    expect: { 'SELECT n FROM account WHERE id = 0': '1' },
  },
  {
    name: 'unlogged tables are carried like others',
    setup: 'CREATE UNLOGGED TABLE u (id serial PRIMARY KEY, luck float8 DEFAULT random())',
    step: async (client) => {
      await client.run('INSERT INTO u DEFAULT VALUES');
      await client.run('UPDATE u SET luck = random() WHERE id = $1', [client.place]);
    },
    finish: 'ALTER TABLE u SET LOGGED',
  },
]);
