/** What belongs to a temporary table or view is as temporary as it is: made and dropped as on one server, and carried nowhere. */

import { expect, test } from 'vitest';
import { compareMembers } from '../../src/testing/index.ts';
import type { Difference } from '../../src/testing/index.ts';
import { connect, withNode, withServers } from '../support/index.ts';
import { ProtocolClient } from '../support/protocol-client.ts';

const servers = withServers(2);
const node = withNode(servers);

const fn = 'CREATE FUNCTION tg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.v := 9; RETURN new; END $$';

const statements = [
  'CREATE TEMP TABLE tt (id int PRIMARY KEY, v int)',
  'CREATE TRIGGER a BEFORE INSERT ON tt FOR EACH ROW EXECUTE FUNCTION tg()',
  'INSERT INTO tt VALUES (1, 1)',
  'SELECT v FROM tt',
  'ALTER TRIGGER a ON tt RENAME TO b',
  "COMMENT ON TRIGGER b ON tt IS 'x'",
  'ALTER TABLE tt DISABLE TRIGGER b',
  'DROP TRIGGER b ON tt',
  'DROP TRIGGER IF EXISTS b ON tt',
  'CREATE RULE r AS ON INSERT TO tt DO INSTEAD NOTHING',
  'INSERT INTO tt VALUES (2, 2)',
  "COMMENT ON RULE r ON tt IS 'x'",
  'ALTER RULE r ON tt RENAME TO r2',
  'DROP RULE r2 ON tt',
  'CREATE POLICY p ON tt USING (true)',
  'ALTER POLICY p ON tt USING (id > 0)',
  'ALTER TABLE tt ENABLE ROW LEVEL SECURITY',
  'DROP POLICY p ON tt',
  'ALTER TABLE tt ADD CONSTRAINT c CHECK (id > 0)',
  "COMMENT ON CONSTRAINT c ON tt IS 'x'",
  'ALTER TABLE tt DROP CONSTRAINT c',
  'ALTER TABLE tt ALTER v SET DEFAULT 5',
  'ALTER TABLE tt ALTER v DROP DEFAULT',
  'CREATE INDEX ON tt (v)',
  'CREATE UNIQUE /* concurrently */ INDEX CONCURRENTLY ci ON tt (id)',
  'REINDEX INDEX CONCURRENTLY ci',
  'CREATE INDEX CONCURRENTLY ON pg_temp.tt (v)',
  'DROP INDEX CONCURRENTLY ci',
  'DROP INDEX CONCURRENTLY ci',
  'CREATE TEMP VIEW tv AS SELECT * FROM tt',
  'CREATE RULE r AS ON INSERT TO tv DO INSTEAD INSERT INTO tt VALUES (new.id, new.v)',
  'INSERT INTO tv VALUES (3, 3)',
  'CREATE TRIGGER i INSTEAD OF UPDATE ON tv FOR EACH ROW EXECUTE FUNCTION tg()',
  'DROP TRIGGER i ON tv',
  'DROP RULE r ON tv',
  'CREATE VIEW hidden AS SELECT * FROM tt',
  'CREATE RULE r AS ON DELETE TO hidden DO INSTEAD NOTHING',
  'DROP VIEW hidden',
  'SELECT * FROM tt ORDER BY id',
  'DROP TABLE tt CASCADE',
];

test('temporary objects: triggers, rules and policies on them are made and dropped as on one server', async () => {
  const admin = await connect(servers.server(0).url);
  await admin.query('CREATE DATABASE plain');
  const clients = [
    await ProtocolClient.connect(node.url, { deadlineMs: 20_000 }),
    await ProtocolClient.connect(servers.server(0).urlOf('plain'), { deadlineMs: 20_000 }),
  ];
  try {
    for (const client of clients) await client.query(fn);
    for (const sql of statements) {
      const [heard, expected] = await Promise.all(clients.map((client) => client.query(sql)));
      expect(heard, sql).toEqual(expected);
    }
  } finally {
    for (const client of clients) client.destroy();
  }
  expect(await differences()).toEqual([]);
});

test('temporary objects: beside them, what a function makes of permanent tables is carried', async () => {
  const client = await connect(node.url);
  await client.query('CREATE TABLE kept (id int, v int)');
  await client.query('CREATE TEMP TABLE tt (id int, v int)');
  await client.query('CREATE TRIGGER stays BEFORE INSERT ON kept FOR EACH ROW EXECUTE FUNCTION tg()');
  for (const statement of [
    'CREATE TRIGGER a BEFORE INSERT ON kept FOR EACH ROW EXECUTE FUNCTION tg()',
    'CREATE TRIGGER b BEFORE INSERT ON tt FOR EACH ROW EXECUTE FUNCTION tg()',
    'CREATE RULE r AS ON INSERT TO kept DO INSTEAD NOTHING',
    'CREATE POLICY p ON kept USING (true)',
    'ALTER TABLE kept ALTER v SET DEFAULT 5',
    'DROP TRIGGER stays ON kept',
    'DROP TRIGGER b ON tt',
    'CREATE SEQUENCE pg_temp_1',
  ])
    await client.query(`DO $$ BEGIN PERFORM 1; EXECUTE '${statement}'; END $$`);
  const found = await client.query(
    "SELECT count(*)::int AS n FROM pg_trigger WHERE tgrelid = 'kept'::regclass AND tgname IN ('a', 'stays')",
  );
  expect(found.rows).toEqual([{ n: 1 }]);
  expect(await differences()).toEqual([]);
});

test('temporary objects: a table made from a query without columns', async () => {
  const client = await connect(node.url);
  await client.query('CREATE TABLE zz ()');
  await client.query('CREATE TABLE zc AS SELECT * FROM zz');
  await client.query('INSERT INTO zz DEFAULT VALUES');
  await client.query('CREATE TABLE zd AS SELECT * FROM zz');
  expect((await client.query('SELECT count(*)::int FROM zd')).rows).toEqual([{ count: 1 }]);
  expect(await differences()).toEqual([]);
});

async function differences(): Promise<readonly Difference[]> {
  const ask = (index: number) => (sql: string) => servers.server(index).query(sql);
  return await compareMembers({ db1: ask(0), db2: ask(1) });
}
