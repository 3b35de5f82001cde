import { expect } from 'vitest';
import { ProtocolClient } from '../support/protocol-client.ts';
import { frontend } from '../../src/wire/postgres/index.ts';
import type { ConstructClient } from './construct-client.ts';
import { testScenarios } from './run-scenarios.ts';

/** One for each client: what makes the same value read differently. */
const styles: readonly (readonly string[])[] = [
  ["DateStyle = 'ISO, DMY'", "TimeZone = 'Asia/Kathmandu'", "bytea_output = 'escape'"],
  ["DateStyle = 'SQL, DMY'", "IntervalStyle = 'sql_standard'", 'extra_float_digits = -15'],
  ["DateStyle = 'German'", "IntervalStyle = 'postgres_verbose'", "TimeZone = 'America/St_Johns'"],
  ["DateStyle = 'Postgres, MDY'", "IntervalStyle = 'iso_8601'", 'extra_float_digits = 0'],
  ["DateStyle = 'ISO, YMD'", 'extra_float_digits = 3', "xmloption = 'document'"],
  ["TimeZone = '+13:45'", "lc_monetary = 'C'", "bytea_output = 'escape'"],
  ["TimeZone = 'Europe/Paris'", 'quote_all_identifiers = on', "search_path = 'pg_catalog', :schema"],
  ['extra_float_digits = -4', "DateStyle = 'SQL, MDY'", "TimeZone = 'UTC'"],
];

const styled = `d date, ts timestamp, tz timestamptz, t time, tt timetz, iv interval, f float8, r float4, b bytea, m money, x xml, j json,
  tr tstzrange, ta timestamptz[], fa float8[], ba bytea[]`;

const styledValues = `make_date(2024, 3, 2), make_timestamp(2024, 3, 2, 4, 5, 6.789), make_timestamptz(1890, 1, 1, 0, 0, 0.5, 'Europe/Paris'),
  make_time(23, 59, 59.999999), make_time(1, 2, 3)::timetz, make_interval(1, -2, 0, 3, -4, 5, -6.789), 0.1::float8 + 0.2, 1.1::float4 / 3, decode('00ff5c27', 'hex'), 1234.56::money,
  xmlelement(name a, $1::text), json_build_object('a', $1::int, 'b', 0.1::float8), tstzrange(make_timestamptz(2000, 1, 1, 0, 0, 0, 'UTC'), NULL),
  ARRAY[make_timestamptz(2000, 7, 1, 0, 0, 0, 'UTC'), 'infinity'::timestamptz], ARRAY[1e-310::float8, 0.1 + 0.2, 'NaN'], ARRAY[decode('5c', 'hex')]`;

const extremes: Readonly<Record<string, readonly string[]>> = {
  float8: [
    'NaN',
    'Infinity',
    '-Infinity',
    '-0',
    '1e308',
    '1.7976931348623157e308',
    '5e-324',
    '2.2250738585072014e-308',
    '0.1',
    '123456789012345678',
  ],
  float4: ['NaN', '-Infinity', '-0', '3.4028235e38', '1e-45', '16777217'],
  numeric: ['NaN', '0', '-0.0', '1.10', '1e131', `0.${'0'.repeat(300)}1`, `${'9'.repeat(400)}.5`],
  int8: ['9223372036854775807', '-9223372036854775808'],
  money: ['-92233720368547758.08', '92233720368547758.07'],
  date: ['infinity', '-infinity', '4713-01-01 BC', '5874897-12-31', '2000-02-29'],
  timestamptz: [
    'infinity',
    '4713-01-01 00:00:00+00 BC',
    '294276-12-31 23:59:59.999999+00',
    '1883-11-18 12:03:58-04:56:02',
  ],
  interval: ['178000000 years', '-178000000 years', '1 mon -1 day 00:00:00.000001', '0'],
  time: ['24:00:00', '00:00:00.000001'],
  timetz: ['23:59:59.999999-15:59', '00:00:00+15:59'],
  uuid: ['00000000-0000-0000-0000-000000000000', 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF'],
  text: ['', '"', '\\', '(a,b)', '{a,b}', 'a\nb\tc', '💥 é \u0301', 'NULL', ' '],
  bytea: ['\\x', '\\x00', '\\x5c5c27220a'],
  bit: ['1'],
  'varbit(64)': ['', '1', '1010101010101010101'],
  inet: ['::1/128', '10.1.2.3/8', '::ffff:1.2.3.4'],
  cidr: ['10.0.0.0/8', '2001:db8::/32'],
  macaddr8: ['08:00:2b:01:02:03:04:05'],
  '"char"': ['a', '', '\\377'],
  name: ['x'.repeat(63), ''],
  json: ['{"a" : 1,  "a": 2}', '"\\u0000"', '1e1000', 'null'],
  jsonb: ['{"b": [1, {"c": "\\""}], "a": 1E400}', 'null'],
  jsonpath: ['$.a[*] ? (@ > 1)'],
  xml: ['<a b="c">&amp;</a>', 'text <b/> text'],
  tsvector: ["'a':1A,2 'b''c':3", ''],
  tsquery: ["'a' & !'b' <2> 'c':*AB"],
  int4range: ['empty', '[1,5)', '(,)', '[,3]'],
  tstzrange: ['["2024-01-01 00:00:00+05","2024-06-01 00:00:00+00")'],
  textrange: ['["a","b c,\\"d")'],
  point: ['(1e-300,NaN)', '(0.1,-0)'],
  polygon: ['((0,0),(0.1,1),(2,2))'],
  circle: ['<(1,2),3.3>'],
  box: ['(3,4),(1,2)'],
  pg_lsn: ['FFFFFFFF/FFFFFFFF'],
  pg_snapshot: ['10:20:10,14,15'],
  'int[]': ['{}', '{NULL,1}', '[0:1]={1,2}', '{{1,2},{3,4}}'],
  'text[]': ['{"",NULL,"NULL","a\\"b\\\\c","{}"}'],
  mood: ['sad', 'with "quotes", (and) \\'],
  'mood[]': ['{sad,"with \\"quotes\\", (and) \\\\"}'],
  positive: ['7'],
  pair: ['(,)', '(1,"a ""b"", (c)")'],
  'pair[]': ['{"(1,\\"x y\\")",NULL}'],
  nested: ['("(1,""a"")","{1,2}")'],
};

const ownTypes = `CREATE TYPE mood AS ENUM ('sad', 'with "quotes", (and) \\'); CREATE DOMAIN positive AS int CHECK (value > 0);
  CREATE TYPE pair AS (a int, b text); CREATE TYPE nested AS (p pair, l int[]); CREATE TYPE textrange AS RANGE (subtype = text, collation = "C")`;

/** Bytes as the client's encoding has them: no driver speaks anything but UTF-8. */
async function inEncoding(
  client: ConstructClient,
  encoding: string,
  error: string,
  statements: readonly (readonly (string | Buffer)[])[],
): Promise<void> {
  const { user = '', port, database = '' } = client.pg;
  const raw = await ProtocolClient.connect(`postgres://${user}:secret@127.0.0.1:${port}/${database}`, {
    settings: { client_encoding: encoding },
  });
  const say = async (sql: Buffer): Promise<string> => {
    const messages =
      client.way === 'simple'
        ? [frontend.query(sql)]
        : [frontend.parse({ query: sql }), frontend.bind({ values: [] }), frontend.execute(), frontend.sync];
    return (await raw.send(...messages).answer()).find((line) => line.startsWith('E'))?.slice(2) ?? '';
  };
  await say(Buffer.from(`SET search_path = "${client.schema}"`));
  for (const statement of statements) {
    const sql = Buffer.concat(statement.map((part) => Buffer.from(part)));
    expect(await say(sql), `${encoding}: ${sql.toString('latin1')}`).toBe(error);
  }
  raw.close();
}

const plainOnly = { plainOnly: 'its tables are made for one type each' };

testScenarios('types', [
  {
    ...plainOnly,
    name: 'rows written under any style of dates, intervals, floats and bytes are the same rows',
    ownSessions: true,
    setup: `CREATE TABLE k (id serial PRIMARY KEY, n int, ${styled}); CREATE TABLE p (g int, n int, ${styled}); CREATE TABLE dated (at timestamptz PRIMARY KEY, f float8, n int)`,
    step: async (client) => {
      for (const setting of styles[client.place] ?? [])
        await client.run(`SET ${setting.replace(':schema', `"${client.schema}"`)}`);
      for (let i = 0; i < 4; i++) {
        await client.run(`INSERT INTO k VALUES (DEFAULT, $1::int, ${styledValues})`, [client.place]);
        await client.run(`INSERT INTO p VALUES ($1::int, 0, ${styledValues})`, [client.place]);
        await client.run(
          'INSERT INTO dated VALUES (make_timestamptz(2000 + $1::int, 1, 1, 0, 0, 0), random(), 0) ON CONFLICT (at) DO UPDATE SET n = dated.n + 1',
          [client.place],
        );
        // Rows that others have just written, under other styles; found in any order, they are waited for in circles.
        const others = async (text: string, values: readonly number[] = []): Promise<unknown> =>
          client.persist(() => client.run(text, values));
        await others('UPDATE p SET n = n + 1 WHERE g = $1', [(client.place + i + 1) % 8]);
        await others('UPDATE k SET n = n + 1, f = f * 2 WHERE id % 8 = $1', [(client.place + i) % 8]);
        await others('UPDATE dated SET f = f / 3 WHERE at > make_timestamptz(2000, 1, 1, 0, 0, 0)');
        await client.run('DELETE FROM p WHERE ctid = (SELECT min(ctid) FROM p WHERE g = $1)', [
          (client.place + 3) % 8,
        ]);
      }
    },
  },
  {
    ...plainOnly,
    name: 'the extremes of every type arrive as they are, with a key and without',
    clients: 4,
    setup: `${ownTypes}; ${Object.keys(extremes)
      .map(
        (type, i) =>
          `CREATE TABLE keyed_${i} (id serial PRIMARY KEY, who int, v ${type}, n int DEFAULT 0); CREATE TABLE plain_${i} (who int, v ${type}, n int)`,
      )
      .join('; ')}`,
    step: async (client) => {
      for (const [i, [type, values]] of Object.entries(extremes).entries()) {
        if (i % 4 !== client.place) continue;
        for (const value of values) {
          await client.run(`INSERT INTO keyed_${i} (who, v) VALUES ($1, $2)`, [client.place, value]);
          await client.run(`INSERT INTO plain_${i} VALUES ($1, $2, 0)`, [client.place, value]);
        }
        await client.run(`INSERT INTO plain_${i} SELECT who, v, 0 FROM keyed_${i}`);
        await client.run(`UPDATE plain_${i} SET n = n + 1`);
        await client.run(`UPDATE keyed_${i} SET n = n + 1, v = $1 WHERE id = 1`, [values.at(-1) ?? null]);
        await client.run(`DELETE FROM plain_${i} WHERE ctid = (SELECT min(ctid) FROM plain_${i})`);
        await client.run(`UPDATE keyed_${i} SET v = NULL WHERE id = 2`);
        expect(type).not.toBe('');
      }
    },
  },
  {
    ...plainOnly,
    name: 'keys whose equal values differ find their rows',
    setup: `CREATE EXTENSION citext SCHEMA :schema; CREATE EXTENSION hstore SCHEMA :schema;
      CREATE TABLE c (k citext PRIMARY KEY, n int, h hstore); CREATE TABLE z (k float8 PRIMARY KEY, n int); CREATE TABLE s (k numeric PRIMARY KEY, n int);
      CREATE TABLE b (k char(8) PRIMARY KEY, n int); CREATE TABLE m (a int, b text, c uuid DEFAULT gen_random_uuid(), n int, PRIMARY KEY (b, a));
      CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false); CREATE TABLE l (k text COLLATE loose PRIMARY KEY, n int)`,
    step: async (client) => {
      const { place } = client;
      await client.run(`INSERT INTO c VALUES ($1::text, 0, hstore('a"', $1::text))`, [`Key ${place}`]);
      await client.run(
        'UPDATE c SET k = upper(k::text)::citext, n = 1, h = h || \'"x"=>NULL\'::hstore WHERE k = $1',
        [`KEY ${place}`],
      );
      await client.run('INSERT INTO z VALUES (0, 1) ON CONFLICT (k) DO UPDATE SET k = -z.k, n = z.n + 1');
      await client.run(
        'INSERT INTO s VALUES (1.0, 1) ON CONFLICT (k) DO UPDATE SET k = excluded.k + 0.000, n = s.n + 1',
      );
      await client.run('INSERT INTO b VALUES ($1, 1)', [`k${place}`]);
      await client.run('UPDATE b SET n = 2 WHERE k = $1', [`k${place}   `]);
      await client.run('INSERT INTO m (a, b, n) VALUES ($1, $2, 0)', [place, 'é']);
      await client.run('UPDATE m SET n = 5, a = -a WHERE a = $1', [place]);
      await client.run("INSERT INTO l VALUES ($1, 0) ON CONFLICT (k) DO UPDATE SET k = 'KEY', n = l.n + 1", [
        'key',
      ]);
    },
    expect: { 'SELECT n FROM z': '8', 'SELECT n FROM l': '7' },
  },
  {
    ...plainOnly,
    name: 'names that stand for objects mean the same object on every member',
    ownSessions: true,
    setup: `CREATE TABLE "Odd name" (id int PRIMARY KEY, c regclass, t regtype, p regprocedure, r regrole, n regnamespace, o regoperator, g regconfig);
      CREATE TABLE plain (c regclass, t regtype); CREATE TYPE own AS (a int); CREATE FUNCTION f(own) RETURNS int LANGUAGE sql AS 'SELECT 1'`,
    step: async (client) => {
      await client.run(
        `INSERT INTO "Odd name" VALUES ($1, '"Odd name"', 'own', 'f(own)', 'owner', :schema::regnamespace, '+(int,int)', 'english')`.replace(
          ':schema',
          `'"${client.schema}"'`,
        ),
        [client.place],
      );
      await client.run(`INSERT INTO plain VALUES ('"Odd name"', 'own[]')`);
      await client.run('SET search_path = pg_catalog');
      await client.run(`UPDATE "${client.schema}"."Odd name" SET r = 'other' WHERE id = $1`, [client.place]);
      await client.persist(() => client.run(`UPDATE "${client.schema}".plain SET t = 'int'`));
      await client.run(
        `DELETE FROM "${client.schema}".plain WHERE ctid = (SELECT min(ctid) FROM "${client.schema}".plain)`,
      );
    },
  },
  {
    ...plainOnly,
    name: 'generated columns are computed by each member, stored or not',
    sinceVersion: 18,
    setup: `CREATE TABLE s (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a * 2) STORED, c text);
      CREATE TABLE v (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL, c text);
      CREATE TABLE vp (a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL, c text, d text GENERATED ALWAYS AS (upper(c)) STORED);
      INSERT INTO vp (a, c) SELECT i, 'x' FROM generate_series(1, 16) i`,
    step: async (client) => {
      await client.run('INSERT INTO s (id, a, c) VALUES ($1, $1, $2)', [client.place, 'c']);
      await client.run('INSERT INTO v (id, a, c) VALUES ($1, $1, $2)', [client.place, 'c']);
      await client.run('INSERT INTO vp (a, c) VALUES (1, $1), (1, $1)', ['c']);
      await client.run('UPDATE s SET a = a + 1, c = b::text || c WHERE id = $1', [client.place]);
      await client.run('UPDATE v SET a = a + 1, c = b::text || c WHERE b = $1 * 2', [client.place]);
      await client.run("UPDATE vp SET c = 'y' WHERE a = $1 + 2", [client.place]);
      await client.run('DELETE FROM vp WHERE ctid = (SELECT min(ctid) FROM vp WHERE a = 1)');
    },
    finish: 'ALTER TABLE vp ADD e uuid DEFAULT gen_random_uuid(); UPDATE vp SET a = a + 1',
  },
  {
    ...plainOnly,
    name: 'stored generated columns follow what they are computed from',
    setup: `CREATE TABLE s (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a * 2) STORED); CREATE TABLE p (a int, b text GENERATED ALWAYS AS (a::text || 'x') STORED)`,
    step: async (client) => {
      await client.run('INSERT INTO s (id, a) VALUES ($1, $1)', [client.place]);
      await client.run('INSERT INTO p (a) VALUES ($1), ($1)', [client.place]);
      await client.run('UPDATE s SET a = a + 1 WHERE b = $1 * 2', [client.place]);
      await client.run('UPDATE p SET a = 100 WHERE ctid = (SELECT min(ctid) FROM p WHERE a = $1)', [
        client.place,
      ]);
    },
  },
  {
    ...plainOnly,
    name: 'names are names, whatever is in them',
    setup: `CREATE TABLE "quote""d $1 'x' \\ ;" ("a""b" int PRIMARY KEY, "c$d" text, "__proto__" int, "constructor" int, " " text, "é💥" text);
      CREATE TABLE "__proto__" (k int, "toString" text); CREATE TABLE "${'n'.repeat(63)}" ("${'c'.repeat(63)}" serial PRIMARY KEY, v int);
      CREATE TABLE t (t text, n int, o text, u int, x int, lockstep_row text, old text, new text, c text); CREATE TABLE tk (t int PRIMARY KEY, n int, o text, u int, x int);
      CREATE TABLE nothing (); CREATE TABLE only_key (id int PRIMARY KEY); CREATE TABLE only_identity (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
      CREATE TABLE wide (${Array.from({ length: 250 }, (_, i) => `c${i} int DEFAULT ${i}`).join(', ')}, PRIMARY KEY (c0, c1)); CREATE TABLE "select" ("from" int, "where" text)`,
    step: async (client) => {
      const { place } = client;
      await client.run(`INSERT INTO "quote""d $1 'x' \\ ;" VALUES (${place}, 'a', 1, 2, ' ', 'é')`);
      await client.run(
        `UPDATE "quote""d $1 'x' \\ ;" SET "c$d" = 'b', "__proto__" = 5 WHERE "a""b" = ${place}`,
      );
      await client.run('INSERT INTO "__proto__" VALUES ($1, $2)', [place, 'v']);
      await client.run('UPDATE "__proto__" SET "toString" = $2 WHERE k = $1', [place, 'w']);
      await client.run(`INSERT INTO "${'n'.repeat(63)}" (v) VALUES ($1)`, [place]);
      await client.run(`INSERT INTO t VALUES ('t', 1, 'o', ${place}, 3, 'row', 'old', 'new', 'c')`);
      await client.run('UPDATE t SET n = n + 1 WHERE u = $1', [place]);
      await client.run('INSERT INTO tk VALUES ($1, 0, $2, 0, 0)', [place, 'o']);
      await client.run('UPDATE tk SET u = 1, t = t + 100 WHERE t = $1', [place]);
      await client.run('INSERT INTO nothing DEFAULT VALUES');
      await client.run(
        'DELETE FROM nothing WHERE ctid IN (SELECT ctid FROM nothing LIMIT 1 FOR UPDATE SKIP LOCKED) AND $1::int % 2 = 0',
        [place],
      );
      await client.run('INSERT INTO only_key VALUES ($1)', [place]);
      await client.run('UPDATE only_key SET id = -1 - id WHERE id = $1', [place]);
      await client.run('INSERT INTO only_identity DEFAULT VALUES');
      await client.run('INSERT INTO wide (c0) VALUES ($1)', [place]);
      await client.run('UPDATE wide SET c249 = c0, c1 = -1 WHERE c0 = $1', [place]);
      await client.run('INSERT INTO "select" VALUES ($1, $2)', [place, 'x']);
    },
    finish: `ALTER TABLE t ADD r float8 DEFAULT random(); UPDATE t SET n = 7; CREATE TABLE copied AS SELECT * FROM t`,
  },
  {
    ...plainOnly,
    name: 'rows and names in other client encodings',
    setup: 'CREATE TABLE texts (id serial PRIMARY KEY, encoding text, v text); CREATE TABLE plain (v text)',
    together: async (clients) => {
      const latin = Buffer.from([0xe9, 0xe8, 0xdf]);
      const words: Readonly<Record<string, Buffer>> = {
        LATIN1: latin,
        WIN1252: Buffer.from([0x80, 0x99, 0xe9]),
        LATIN9: Buffer.from([0xa4, 0xe9]),
        WIN1251: Buffer.from([0xcf, 0xf0, 0xe8]),
        EUC_JP: Buffer.from([0xc6, 0xfc, 0xcb, 0xdc]),
        SJIS: Buffer.from([0x95, 0x5c, 0x83, 0x5c]),
        BIG5: Buffer.from([0xa4, 0xa4, 0xb3, 0x5c]),
        GB18030: Buffer.from([0xc4, 0xe3, 0x81, 0x30, 0x89, 0x38]),
      };
      // In these, the second byte of a character may look like ASCII.
      const doubtful = ['SJIS', 'BIG5', 'GB18030'];
      await Promise.all(
        Object.entries(words).map(async ([encoding, word], i) => {
          const client = clients[i] as ConstructClient;
          const table = [`"in ${encoding} `, word, `"`];
          await inEncoding(client, encoding, '', [
            [`INSERT INTO texts (encoding, v) VALUES ('${encoding}', '`, word, `')`],
            [`INSERT INTO plain VALUES ('`, word, `'), ('`, word, `')`],
            [`UPDATE texts SET v = v || '`, word, `' WHERE encoding = '${encoding}'`],
            [`DELETE FROM plain WHERE ctid = (SELECT min(ctid) FROM plain WHERE v = '`, word, `')`],
          ]);
          await inEncoding(client, encoding, doubtful.includes(encoding) ? '0A000' : '', [
            [
              `CREATE TABLE `,
              ...table,
              ` ("`,
              word,
              `" text DEFAULT '`,
              word,
              `', CHECK ("`,
              word,
              `" <> 'x'))`,
            ],
          ]);
          if (doubtful.includes(encoding)) return;
          await inEncoding(client, encoding, '', [
            [`INSERT INTO `, ...table, ` VALUES ('`, word, `'), (DEFAULT)`],
            [`COMMENT ON TABLE `, ...table, ` IS 'with `, word, `'`],
            [
              `CREATE VIEW "view ${encoding} `,
              word,
              `" AS SELECT "`,
              word,
              `" || '`,
              word,
              `' AS v FROM `,
              ...table,
            ],
            [`CREATE TABLE "copy ${encoding} `, word, `" AS SELECT * FROM `, ...table],
            [`ALTER TABLE `, ...table, ` ADD luck float8 DEFAULT random()`],
          ]);
        }),
      );
    },
    expect: {
      "SELECT v FROM texts WHERE encoding = 'SJIS'": '表ソ表ソ',
      "SELECT v FROM texts WHERE encoding = 'WIN1252'": '€™é€™é',
      'SELECT count(*) FROM plain': '8',
    },
  },
]);
