/** What databases that have grown have in them: code in definitions, tenants, extensions, settings of long ago. */

import { expect } from 'vitest';
import { testScenarios } from './run-scenarios.ts';
import type { Scenario } from './scenario.ts';
import { createExtensions } from './surroundings.ts';

const once = {
  ways: ['extended'],
  ownSessions: true,
  plainOnly: 'its tables are ordinary by themselves',
} as const satisfies Partial<Scenario>;

/** Asked of the index and of the rows: both must find the same. */
const byIndex = (question: string): string => `SET enable_seqscan = off; ${question}`;
const byRows = (question: string): string =>
  `SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off; ${question}`;
const both = (question: string, answer: string): Record<string, string> => ({
  [byIndex(question)]: answer,
  [byRows(question)]: answer,
});

testScenarios('ordinary databases', [
  {
    name: 'tenants that a function lets in see and write their own rows, whoever shares the connection’s table',
    ...once,
    setup: `CREATE TABLE doc (id serial PRIMARY KEY, tenant int NOT NULL DEFAULT current_setting('app.tenant')::int, body text, CHECK (tenant = current_setting('app.tenant')::int));
      CREATE FUNCTION be(int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('app.tenant', $1::text, false); END $$;
      CREATE FUNCTION tenant() RETURNS int LANGUAGE sql STABLE AS $$ SELECT nullif(current_setting('app.tenant', true), '')::int $$;
      ALTER TABLE doc ENABLE ROW LEVEL SECURITY;
      CREATE POLICY own ON doc USING (tenant = tenant());
      GRANT USAGE ON SCHEMA :schema TO other; GRANT ALL ON doc TO other; GRANT USAGE ON SEQUENCE doc_id_seq TO other`,
    step: async (client) => {
      const other = await client.another({ user: 'other' });
      expect(await other.value('SELECT count(*)::int FROM doc')).toBe(0);
      await other.run('SELECT be($1)', [client.place]);
      for (let i = 0; i < 3; i++) await other.run('INSERT INTO doc (body) VALUES ($1)', [`${i}`]);
      await other.run("UPDATE doc SET body = body || '!'");
      await other.run("DELETE FROM doc WHERE body = '0!'");
      expect(await other.value('SELECT count(*)::int FROM doc')).toBe(2);
      expect(await other.value('SELECT sum(tenant)::int FROM doc')).toBe(2 * client.place);
      await other.fails('42501', 'INSERT INTO doc (tenant) VALUES ($1)', [client.place + 1]);
      await other.pg.end();
    },
    expect: { 'SELECT count(*) FROM doc': '16', 'SELECT sum(tenant) FROM doc': '56' },
  },
  {
    name: 'indexes of extensions find on every member what their tables hold',
    ...once,
    setup: `${createExtensions}; CREATE TABLE word (id int PRIMARY KEY, v text, c citext, h hstore, path ltree);
      CREATE FUNCTION plain(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT lower(unaccent($1)) $$;
      CREATE FUNCTION first_key(h hstore) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT h -> 'k' $$;
      SET check_function_bodies = off;
      ALTER FUNCTION plain(text) SET search_path = public; ALTER FUNCTION first_key(hstore) SET search_path = public;
      CREATE INDEX ON word (plain(v)); CREATE INDEX ON word USING gin (v gin_trgm_ops); CREATE UNIQUE INDEX ON word (c);
      CREATE INDEX ON word USING gin (h); CREATE INDEX ON word (first_key(h)); CREATE INDEX ON word USING gist (path); RESET check_function_bodies`,
    step: async (client) => {
      const base = client.place * 100;
      await client.run(
        `INSERT INTO word SELECT i, 'Éclair ' || i, 'Word' || i, hstore('k', 'v' || i), ('top.n' || i)::ltree FROM generate_series($1::int, $1::int + 9) i`,
        [base],
      );
      await client.run("UPDATE word SET v = 'Ünder ' || id, h = h || 'k=>new' WHERE id = $1", [base + 1]);
      await client.run('UPDATE word SET id = -id - 1, path = path || $2 WHERE id = $1', [base + 2, 'deep']);
      await client.run('DELETE FROM word WHERE id = $1', [base + 3]);
      await client.fails('23505', 'INSERT INTO word (id, c) VALUES ($1, $2)', [base + 50, `WORD${base}`]);
    },
    expect: {
      ...both("SELECT count(*) FROM word WHERE plain(v) LIKE 'under%' AND plain(v) >= 'under'", '8'),
      ...both("SELECT count(*) FROM word WHERE v LIKE '%clair%'", '64'),
      ...both("SELECT count(*) FROM word WHERE c = 'wORD100'", '1'),
      ...both("SELECT count(*) FROM word WHERE h @> 'k=>new'", '8'),
      ...both("SELECT count(*) FROM word WHERE first_key(h) = 'new'", '8'),
      ...both("SELECT count(*) FROM word WHERE path <@ 'top'", '72'),
    },
  },
  {
    name: 'rows whose CHECK reads another table stay as they were, whatever that table says later',
    ...once,
    setup: `CREATE TABLE allowed (kind text PRIMARY KEY); INSERT INTO allowed VALUES ('a'), ('b');
      CREATE TABLE item (id int PRIMARY KEY, kind text);
      CREATE FUNCTION is_allowed(text) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT EXISTS (SELECT FROM allowed WHERE kind = $1) $$;
      ALTER TABLE item ADD CHECK (is_allowed(kind))`,
    step: async (client) => {
      const { place } = client;
      await client.transaction(
        ['INSERT INTO allowed VALUES ($1)', [`own${place}`]],
        ['INSERT INTO item VALUES ($1, $2)', [place, `own${place}`]],
        ['DELETE FROM allowed WHERE kind = $1', [`own${place}`]],
      );
      await client.fails('23514', 'UPDATE item SET kind = kind WHERE id = $1', [place]);
      await client.run("UPDATE item SET kind = 'a' WHERE id = $1", [place]);
      await client.run('INSERT INTO item VALUES ($1, $2)', [100 + place, 'b']);
    },
    finish: "DELETE FROM allowed WHERE kind = 'b'; DELETE FROM item WHERE id = 100",
    expect: { "SELECT count(*) FROM item WHERE kind = 'b'": '7', 'SELECT count(*) FROM allowed': '1' },
  },
  {
    name: 'a CHECK that reads a setting, made by a session that has it; rows of others who have another value',
    ...once,
    setup: Array.from(
      { length: 8 },
      (_, i) => `CREATE TABLE bill${i} (id int PRIMARY KEY, tenant int); CREATE TABLE paid${i} (tenant int)`,
    ).join('; '),
    step: async (client) => {
      const { place: i } = client;
      await client.run(`INSERT INTO bill${i} VALUES (1, $1), (2, $1)`, [i]);
      await client.run(`INSERT INTO paid${i} VALUES ($1)`, [i]);
      await client.run('SELECT set_config($1, $2, false)', ['app.tenant', String(i)]);
      await client.run(`ALTER TABLE bill${i} ADD CHECK (tenant = current_setting('app.tenant')::int)`);
      await client.run(
        `ALTER TABLE paid${i} ADD CONSTRAINT own CHECK (tenant = current_setting($$app.tenant$$)::int) NOT VALID`,
      );
      await client.run(`ALTER TABLE paid${i} VALIDATE CONSTRAINT own`);
      const other = await client.another();
      await other.fails('42704', `INSERT INTO bill${i} VALUES (3, $1)`, [i]);
      await other.run(`SET app.tenant = '${100 + i}'`);
      await other.run(`INSERT INTO bill${i} VALUES (3, $1), (4, $1), (5, $1)`, [100 + i]);
      await other.run(`UPDATE bill${i} SET id = -id WHERE id = 4`);
      await other.run(`DELETE FROM bill${i} WHERE id = 1 OR id = 5`);
      await other.fails('23514', `UPDATE bill${i} SET id = 9 WHERE id = 2`);
      await other.run(`INSERT INTO paid${i} VALUES ($1), ($1)`, [100 + i]);
      await other.run(`UPDATE paid${i} SET tenant = $1`, [100 + i]);
      await other.pg.end();
    },
    finish: 'ALTER TABLE bill0 ADD more int DEFAULT 1; ALTER TABLE paid1 ALTER tenant SET NOT NULL',
    expect: { 'SELECT sum(id) FROM bill3': '1', 'SELECT sum(tenant) FROM paid3': '309' },
  },
  {
    name: 'materialized views of a table whose rows a policy shows by a setting',
    ...once,
    clients: 4,
    setup: `CREATE TABLE seen (id int PRIMARY KEY, tenant int); INSERT INTO seen SELECT i, i % 4 FROM generate_series(1, 40) i;
      ALTER TABLE seen ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY own ON seen USING (tenant = current_setting('app.seen')::int);
      ALTER TABLE seen OWNER TO other; GRANT USAGE, CREATE ON SCHEMA :schema TO other`,
    step: async (client) => {
      const { place: i } = client;
      const other = await client.another({ user: 'other' });
      await other.run('SELECT set_config($1, $2, false)', ['app.seen', String(i)]);
      await other.run(`CREATE MATERIALIZED VIEW of${i} AS SELECT id FROM seen`);
      await other.run(`CREATE UNIQUE INDEX ON of${i} (id)`);
      await other.run('DELETE FROM seen WHERE id < 8');
      await other.run(`REFRESH MATERIALIZED VIEW CONCURRENTLY of${i}`);
      await other.run("SELECT set_config('app.seen', '0', false)");
      if (i === 3) await other.run(`REFRESH MATERIALIZED VIEW of${i}`);
      await other.pg.end();
    },
    expect: {
      'SELECT count(*) FROM of2': '8',
      'SELECT min(id % 4) FROM of2': '2',
      'SELECT max(id % 4) FROM of3': '0',
    },
  },
  {
    name: 'a large write set, applied in parts to tables with code in their definitions',
    ...once,
    clients: 2,
    setup: `CREATE FUNCTION low(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN lower($1) || current_setting('TimeZone'); END $$;
      CREATE TABLE t (id int PRIMARY KEY, big text, v text CHECK (low(v) <> current_setting('app.never', true)), g text GENERATED ALWAYS AS (low(v)) STORED);
      CREATE INDEX ON t (low(v)); CREATE TABLE keyless (big text, v text CHECK (low(v) <> 'x'), g text GENERATED ALWAYS AS (low(v)) STORED)`,
    step: async (client) => {
      const base = client.place * 1000;
      await client.run("SET TimeZone = 'Asia/Tokyo'");
      const rows = `repeat(md5(i::text), 1500), 'Row' || i FROM generate_series($1::int, $1::int + 99) i`;
      await client.transaction(
        [`INSERT INTO t SELECT i, ${rows}`, [base]],
        [`INSERT INTO keyless SELECT ${rows}`, [base]],
        ["UPDATE t SET v = v || '!', id = -id - 1 WHERE id BETWEEN $1 AND $1 + 49", [base]],
        ['DELETE FROM t WHERE id BETWEEN $1::int + 50 AND $1::int + 59', [base]],
      );
      await client.run("UPDATE keyless SET v = v || '!' WHERE v LIKE 'Row' || $1::int / 1000 || '%'", [base]);
    },
    expect: {
      "SELECT count(*) FROM t WHERE g LIKE 'row%!Asia/Tokyo'": '100',
      'SELECT count(*) FROM t': '180',
      'SELECT count(*) FROM keyless': '200',
    },
  },
  {
    name: 'domains by functions, inside of arrays and composite types',
    ...once,
    setup: `CREATE TABLE range_of (low int, high int); INSERT INTO range_of VALUES (0, 1000);
      CREATE FUNCTION fits(int) RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN $1 BETWEEN (SELECT low FROM range_of) AND (SELECT high FROM range_of); END $$;
      CREATE DOMAIN fit AS int CHECK (fits(VALUE)); CREATE DOMAIN fits_ AS fit[] CHECK (cardinality(VALUE) < 10);
      CREATE TYPE pair AS (a fit, b fit[]); CREATE DOMAIN whole AS pair;
      CREATE TABLE t (id int PRIMARY KEY, one fit, many fits_, p pair, ps pair[], w whole); CREATE TABLE keyless (p pair, ps whole[])`,
    step: async (client) => {
      const { place } = client;
      await client.run(
        'INSERT INTO t SELECT n, n, ARRAY[n, 5], ROW(n, ARRAY[1, 2])::pair, ARRAY[ROW(n, NULL)::pair], ROW(3, NULL)::pair FROM (SELECT $1::int AS n) s',
        [place],
      );
      await client.run('INSERT INTO keyless SELECT p, ARRAY[w] FROM t WHERE id = $1', [place]);
      await client.run('UPDATE t SET one = one + 1, ps = ps || p, w.a = 7 WHERE id = $1', [place]);
      await client.run('UPDATE keyless SET p.a = 900 WHERE (p).a = $1', [place]);
      await client.fails('23514', 'UPDATE t SET many[3] = 1001 WHERE id = $1', [place]);
    },
    finish: `UPDATE range_of SET high = 3; DELETE FROM t WHERE id = 4; DELETE FROM keyless WHERE (p).b IS NULL`,
    expect: { 'SELECT count(*) FROM t WHERE (w).a = 7': '7', 'SELECT sum((p).a) FROM keyless': '7200' },
  },
  {
    name: 'rows stay in the list partition that the writer’s time zone has found',
    ...once,
    setup: `CREATE FUNCTION hour_of(timestamptz) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT extract(hour FROM $1)::int % 3 $$;
      CREATE TABLE event (at timestamptz, who int, v int DEFAULT 0) PARTITION BY LIST (hour_of(at));
      CREATE TABLE event0 PARTITION OF event FOR VALUES IN (0); CREATE TABLE event1 PARTITION OF event FOR VALUES IN (1); CREATE TABLE event_rest PARTITION OF event DEFAULT`,
    step: async (client) => {
      await client.run(`SET TimeZone = 'Etc/GMT+${client.place}'`);
      await client.run("INSERT INTO event SELECT '2024-01-01 12:00:00+00', $1 FROM generate_series(1, 5)", [
        client.place,
      ]);
      await client.run('UPDATE event SET v = 1 WHERE who = $1', [client.place]);
      await client.run("UPDATE event SET at = at + interval '1 hour' WHERE who = $1 AND $1 % 2 = 0", [
        client.place,
      ]);
      await client.run(
        'DELETE FROM event WHERE ctid = (SELECT ctid FROM event WHERE who = $1 LIMIT 1) AND who = $1',
        [client.place],
      );
      await client.run('RESET TimeZone');
    },
    expect: { 'SELECT count(*) FROM event': '32', 'SELECT count(*) FROM event WHERE v = 1': '32' },
  },
  {
    name: 'hash partitions by an enum',
    ...once,
    setup: `CREATE TYPE mood AS ENUM ('low', 'mid', 'high'); ALTER TYPE mood ADD VALUE 'more';
      CREATE TABLE e (m mood, who int, v int DEFAULT 0) PARTITION BY HASH (m);
      CREATE TABLE e0 PARTITION OF e FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE e1 PARTITION OF e FOR VALUES WITH (MODULUS 2, REMAINDER 1)`,
    step: async (client) => {
      await client.run('INSERT INTO e SELECT m, $1 FROM unnest(enum_range(NULL::mood)) m', [client.place]);
      await client.run("UPDATE e SET m = 'high', v = 1 WHERE m = 'low' AND who = $1", [client.place]);
    },
    expect: { "SELECT count(*) FROM e WHERE m = 'high'": '16' },
  },
  {
    name: 'hash partitions by a composite type that holds an enum',
    ...once,
    sinceVersion: 14,
    setup: `CREATE TYPE mood AS ENUM ('low', 'mid', 'high'); ALTER TYPE mood ADD VALUE 'more'; CREATE TYPE feel AS (m mood, n int);
      CREATE TABLE f (f feel, who int, v int DEFAULT 0) PARTITION BY HASH (f);
      CREATE TABLE f0 PARTITION OF f FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE f1 PARTITION OF f FOR VALUES WITH (MODULUS 2, REMAINDER 1)`,
    step: async (client) => {
      await client.run('INSERT INTO f SELECT ROW(m, $1)::feel, $1 FROM unnest(enum_range(NULL::mood)) m', [
        client.place,
      ]);
      await client.run('UPDATE f SET f.n = 100, v = 1 WHERE who = $1', [client.place]);
      await client.run("DELETE FROM f WHERE (f).m = 'mid' AND who = $1", [client.place]);
    },
    expect: { 'SELECT count(*) FROM f WHERE v = 1': '24' },
  },
  {
    name: 'an exclusion constraint over a function',
    ...once,
    setup: `CREATE FUNCTION span(a timestamptz, b timestamptz) RETURNS tsrange LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN tsrange(a::timestamp, b::timestamp); END $$;
      CREATE TABLE stay (id int PRIMARY KEY, a timestamptz, b timestamptz, EXCLUDE USING gist (span(a, b) WITH &&))`,
    step: async (client) => {
      const at = (hour: number): string => `2024-01-0${client.place + 1} ${hour}:00:00+00`;
      await client.run('INSERT INTO stay VALUES ($1, $2, $3)', [client.place, at(1), at(5)]);
      await client.run('INSERT INTO stay VALUES ($1, $2, $3)', [100 + client.place, at(5), at(8)]);
      await client.fails('23P01', 'INSERT INTO stay VALUES ($1, $2, $3)', [200 + client.place, at(4), at(6)]);
      await client.transaction(
        ['DELETE FROM stay WHERE id = $1', [client.place]],
        ['UPDATE stay SET a = $2 WHERE id = $1', [100 + client.place, at(2)]],
        ['INSERT INTO stay VALUES ($1, $2, $3)', [client.place, at(8), at(9)]],
      );
    },
    expect: { 'SELECT count(*) FROM stay': '16' },
  },
  {
    name: 'generated columns are what the writer’s settings made of them',
    ...once,
    setup: `CREATE FUNCTION said(f float8, b bytea, d date, x xml) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
        BEGIN RETURN concat_ws(' ', f::text, b::text, d::text, xmlelement(name e, b)::text); END $$;
      CREATE TABLE t (id int PRIMARY KEY, f float8, b bytea, d date, x xml, g text GENERATED ALWAYS AS (said(f, b, d, x)) STORED)`,
    step: async (client) => {
      await client.run('SET extra_float_digits = 0');
      await client.run('SET bytea_output = escape');
      await client.run("SET DateStyle = 'SQL, DMY'");
      await client.run('SET xmlbinary = hex');
      const base = client.place * 10;
      await client.run(
        "INSERT INTO t SELECT i, 0.1::float8 + 0.2::float8, '\\x00ff41', '2024-02-01', '<a/>' FROM generate_series($1::int, $1::int + 4) i",
        [base],
      );
      await client.run('RESET DateStyle');
      await client.run("UPDATE t SET d = '2024-03-01' WHERE id = $1", [base]);
      await client.run('UPDATE t SET id = -id - 1 WHERE id = $1', [base + 1]);
      await client.run('DELETE FROM t WHERE id = $1', [base + 2]);
    },
    expect: {
      'SELECT g FROM t WHERE id = 3': '0.3 \\000\\377A 01/02/2024 <e>00FF41</e>',
      'SELECT count(DISTINCT g) FROM t': '2',
    },
  },
  {
    name: 'an audit column that must be the writer, written by two roles',
    ...once,
    setup: `CREATE TABLE audited (id serial PRIMARY KEY, by name DEFAULT current_user CHECK (by = current_user), session name DEFAULT session_user CHECK (session = session_user), v int);
      GRANT USAGE ON SCHEMA :schema TO other; GRANT ALL ON audited TO other; GRANT USAGE ON SEQUENCE audited_id_seq TO other`,
    step: async (client) => {
      const writer = client.place % 2 === 0 ? client : await client.another({ user: 'other' });
      const id = await writer.value('INSERT INTO audited (v) VALUES (0) RETURNING id');
      await writer.run('UPDATE audited SET v = v + 1 WHERE id = $1', [Number(id)]);
      await writer.fails('23514', "INSERT INTO audited (by) VALUES ('nobody')");
      if (writer !== client) await writer.pg.end();
    },
    expect: {
      "SELECT count(*) FROM audited WHERE by = 'other' AND session = 'other' AND v = 1": '4',
      'SELECT count(*) FROM audited': '8',
    },
  },
  {
    name: 'a table whose owner has no rights elsewhere, with an index and a CHECK by functions in a schema that it must not use',
    ...once,
    setup: `CREATE TABLE mine (id int PRIMARY KEY, v text);
      CREATE FUNCTION reads(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN upper($1); END $$;
      CREATE INDEX ON mine (reads(v)); ALTER TABLE mine ADD CHECK (reads(v) <> 'NO');
      ALTER TABLE mine OWNER TO owner; GRANT ALL ON mine TO other; GRANT USAGE ON SCHEMA :schema TO other`,
    step: async (client) => {
      await client.run('INSERT INTO mine VALUES ($1, $2)', [client.place, 'a']);
      await client.run("UPDATE mine SET v = v || 'b' WHERE id = $1", [client.place]);
      const other = await client.another({ user: 'other' });
      await other.run('INSERT INTO mine VALUES ($1, $2)', [100 + client.place, 'c']);
      await other.run('DELETE FROM mine WHERE id = $1', [100 + client.place]);
      await other.fails('23514', 'INSERT INTO mine VALUES ($1, $2)', [100 + client.place, 'no']);
      await other.pg.end();
    },
    expect: both("SELECT count(*) FROM mine WHERE reads(v) = 'AB'", '8'),
  },
]);
