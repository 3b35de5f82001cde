import { beforeAll, expect, test } from 'vitest';
import { createControlSchema } from '../../../src/dialects/postgres/control-schema.ts';
import { compareFingerprints } from '../../../src/dialects/postgres/compare-fingerprints.ts';
import { detachMember } from '../../../src/dialects/postgres/detach.ts';
import { takeFingerprint } from '../../../src/dialects/postgres/fingerprint.ts';
import { connect, withServers } from '../../support/index.ts';
import { cloneDatabase, connectMember } from './member-connection.ts';
import { shopRoles, shopSchema } from './shop-schema.ts';

const members = withServers(1, { database: 'shop' });

beforeAll(async () => {
  await members.server(0).query(shopRoles);
  await members.server(0).query(shopSchema);
});

async function attached(): Promise<string> {
  const database = await cloneDatabase(members.server(0), 'shop');
  const control = createControlSchema({ superuser: true });
  await members.server(0).query(`BEGIN; ${control}; SELECT lockstep.attach(); COMMIT`, undefined, database);
  return database;
}

/** Everything in the database that bears the name, however it is kept. */
const anyTrace = `
  SELECT 'schema' FROM pg_namespace WHERE nspname ~ 'lockstep' UNION ALL SELECT 'trigger' FROM pg_trigger WHERE tgname ~ 'lockstep'
  UNION ALL SELECT 'event trigger' FROM pg_event_trigger WHERE evtname ~ 'lockstep' UNION ALL SELECT 'function' FROM pg_proc WHERE proname ~ 'lockstep' OR prosrc ~ 'lockstep'
  UNION ALL SELECT 'relation' FROM pg_class WHERE relname ~ 'lockstep' UNION ALL SELECT 'setting' FROM pg_db_role_setting WHERE setconfig::text ~ 'lockstep'`;

test('detach: nothing is left, and the database is what it was', async () => {
  const server = members.server(0);
  const database = await attached();
  const connection = await connectMember(server, { database });
  const { removed, found } = await detachMember(connection);
  expect(removed).toBe(true);
  expect(found).toContain('schema lockstep');
  expect(found).toContainEqual(expect.stringMatching(/^\d+ triggers$/));
  expect(found).toContainEqual(expect.stringMatching(/^\d+ event triggers$/));
  expect(await connection.rows(anyTrace)).toEqual([]);
  await server.query(
    `INSERT INTO shop.log VALUES ('written around'); DELETE FROM shop.log WHERE line = 'written around'`,
    undefined,
    database,
  );

  const before = await takeFingerprint(await connectMember(server, { database: 'shop' }));
  expect(
    compareFingerprints(
      new Map([
        ['before', before],
        ['after', await takeFingerprint(connection)],
      ]),
    ),
  ).toEqual([]);
});

test('detach: the connection keeps neither the lifted guard nor the silenced notices', async () => {
  const connection = await connectMember(members.server(0), { database: await attached() });
  await detachMember(connection);
  expect(
    await connection.rows(
      `SELECT current_setting('lockstep.guard', true), current_setting('client_min_messages')`,
    ),
  ).toEqual([['', 'notice']]);
});

test('detach: where there is nothing, nothing is done', async () => {
  const connection = await connectMember(members.server(0), { database: 'shop' });
  expect(await detachMember(connection)).toEqual({ removed: false, found: [] });
});

test('detach: a table in use stops it in time, with nothing removed', async () => {
  const server = members.server(0);
  const database = await attached();
  const other = await connect(server.urlOf(database));
  await other.query('BEGIN; SELECT FROM shop.orders');
  const connection = await connectMember(server, { database });
  const before = await connection.rows(anyTrace);
  await expect(detachMember(connection, { lockTimeoutMs: 50 })).rejects.toMatchObject({ sqlState: '55P03' });
  expect(await connection.rows(anyTrace)).toEqual(before);
  await other.query('ROLLBACK');
  expect((await detachMember(connection)).removed).toBe(true);
});

test("detach: somebody else's schema of that name is left alone", async () => {
  const server = members.server(0);
  const database = await cloneDatabase(server, 'shop');
  await server.query('CREATE SCHEMA lockstep CREATE TABLE songs (title text)', undefined, database);
  const connection = await connectMember(server, { database });
  await expect(detachMember(connection)).rejects.toMatchObject({ code: 'postgres.foreign-schema' });
  expect(await connection.rows(`SELECT to_regclass('lockstep.songs') IS NOT NULL`)).toEqual([['t']]);
});

test('detach: a role that may not remove it is told so, and removes nothing', async () => {
  const server = members.server(0);
  const database = await attached();
  await server.query('CREATE ROLE stranger LOGIN');
  const connection = await connectMember(server, { database, user: 'stranger' });
  const before = await connection.rows(anyTrace);
  await expect(detachMember(connection)).rejects.toMatchObject({ sqlState: '42501' });
  expect(await connection.rows(anyTrace)).toEqual(before);
});

test('detach: what an ordinary role has set up, it takes away again, from tables of others too', async () => {
  const server = members.server(0);
  const database = await cloneDatabase(server, 'shop');
  await server.query('CREATE ROLE keeper LOGIN');
  await server.query(
    `GRANT CREATE ON DATABASE ${database} TO keeper; GRANT USAGE ON SCHEMA shop TO keeper; GRANT ALL ON ALL TABLES IN SCHEMA shop TO keeper`,
    undefined,
    database,
  );
  const connection = await connectMember(server, { database, user: 'keeper' });
  await connection.query(
    `BEGIN; ${createControlSchema({ superuser: false })}; SELECT lockstep.attach(); COMMIT`,
  );
  expect(await connection.rows(anyTrace)).toContainEqual(['trigger']);
  expect((await detachMember(connection)).removed).toBe(true);
  expect(await connection.rows(anyTrace)).toEqual([]);
});
