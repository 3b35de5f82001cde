/** A node whose role on the members is no superuser: everything that it can do, it does; what it cannot is refused while nothing has taken effect. */

import { describe, expect, onTestFinished, test } from 'vitest';
import { readFile } from 'node:fs/promises';
import { preflightMember } from '../../../src/dialects/postgres/index.ts';
import { leastRights } from '../../../src/dialects/postgres/least-rights.ts';
import { formatVerifier, makeVerifier } from '../../../src/wire/postgres/index.ts';
import { connect, startNode, waitFor, withServers } from '../../support/index.ts';
import { recordEvents } from '../../sync/recorded-events.ts';
import { connectMember, otherPostgres } from './member-connection.ts';

const other = otherPostgres();
const versions = [
  { name: 'that tests use', options: {} },
  ...(other === undefined ? [] : [{ name: String(other.major), options: { binaries: other } }]),
];

const schema = `
  CREATE TABLE item (id serial PRIMARY KEY, name text CHECK (length(name) > 0), price numeric(9, 2), upper_name text GENERATED ALWAYS AS (upper(name)) STORED);
  CREATE TABLE plain (n int); CREATE INDEX ON item (lower(name)); CREATE TABLE parted (id int, v text) PARTITION BY RANGE (id);
  CREATE TABLE low PARTITION OF parted FOR VALUES FROM (0) TO (100); CREATE VIEW cheap AS SELECT * FROM item WHERE price < 5;
  CREATE FUNCTION by_others(t text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN t <> ''; END $$`;

describe.each(versions)('Lockstep is no superuser: PostgreSQL $name', ({ options }) => {
  const servers = withServers(2, options);

  test('from the first start to verification', { timeout: 240_000 }, async () => {
    const database = `kept_${process.pid}`;
    const verifier = formatVerifier(await makeVerifier('of the client'));
    const clients = [{ name: 'app', kept: true }];
    const check = async () => {
      const connection = await connectMember(servers.server(0), { database, user: 'keeper' });
      const { items } = await preflightMember(connection, { clients });
      return items.filter(({ ok }) => ok === 'fail');
    };
    for (const server of servers.servers) {
      await server.query(`CREATE ROLE keeper LOGIN; CREATE ROLE app LOGIN PASSWORD '${verifier}'`);
      await server.query(`CREATE DATABASE ${database}`);
      await server.query(
        `REVOKE TEMPORARY ON DATABASE ${database} FROM PUBLIC; GRANT TEMPORARY ON DATABASE ${database} TO app; GRANT CREATE, USAGE ON SCHEMA public TO app`,
        undefined,
        database,
      );
    }
    // Nothing is granted yet: what is missing is said, and what cures it is the page's.
    const page = await readFile(new URL('../../../docs/guide/security.md', import.meta.url), 'utf8');
    const lacking = await check();
    expect(lacking.map(({ name }) => name)).toEqual([
      'rights on the database',
      'place for changes',
      'session_replication_role',
      'client roles',
      'passwords of clients',
    ]);
    const onPage = (statement: string): string =>
      statement.replaceAll('"', '').replaceAll('keeper', 'lockstep').replaceAll(database, 'orders');
    for (const { cure = '' } of lacking)
      for (const line of cure.split('\n').filter((one) => one.startsWith('GRANT')))
        expect(page).toContain(onPage(line));
    const least = (version: number): readonly string[] =>
      leastRights({ role: 'keeper', database, owners: ['app'], verifiers: true, version });
    for (const statement of least(150_000)) expect(page).toContain(onPage(statement));
    expect(least(140_000)).toEqual(['ALTER ROLE "keeper" SUPERUSER;']);
    expect(page).toContain('ALTER ROLE lockstep SUPERUSER;');
    // Who owns the database is left for later.
    for (const server of servers.servers)
      for (const statement of least(150_000).slice(0, -1)) await server.query(statement, undefined, database);
    expect(await check()).toEqual([]);
    const events = recordEvents();
    const node = await startNode(servers.servers, {
      logger: events.logger,
      members: servers.servers.map(({ port }, index) => ({
        id: `db${index + 1}`,
        url: `postgres://127.0.0.1:${port}/${database}`,
      })),
      config: {
        username: 'keeper',
        clients: ['app'],
        probe: { timeoutMs: 15_000 },
        deadlines: { commitMs: 15_000 },
      },
    });
    onTestFinished(() => node.stop());
    const client = await connect(
      `postgres://app:${encodeURIComponent('of the client')}@127.0.0.1:${node.port}/${database}`,
    );
    await client.query(schema);
    await client.query(`INSERT INTO item (name, price) SELECT 'n' || i, i FROM generate_series(1, 20) i`);
    await client.query('BEGIN');
    await client.query(`UPDATE item SET price = price + 1 WHERE id < 5; DELETE FROM item WHERE id = 7`);
    await client.query(
      `INSERT INTO plain SELECT i FROM generate_series(1, 10) i; DELETE FROM plain WHERE n = 3`,
    );
    await client.query(`INSERT INTO parted VALUES (1, 'a')`);
    await client.query('COMMIT');
    await client.query('ALTER TABLE plain ADD v text DEFAULT 5; TRUNCATE parted');

    for (const statement of [
      'CREATE TABLE refused (t text CHECK (by_others(t)))',
      'ALTER TABLE item ADD CHECK (by_others(name))',
      'CREATE INDEX ON item (by_others(name))',
      'ALTER TABLE item ADD g boolean GENERATED ALWAYS AS (by_others(name)) STORED',
      'CREATE TABLE refused (at timestamptz CHECK (at <= now()))',
    ])
      await expect(client.query(statement), statement).rejects.toMatchObject({ code: '0A000' });
    await client.query(`CREATE TABLE victim (id int); CREATE FUNCTION victim() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TYPE feel AS ENUM ('low');
      CREATE FUNCTION does(what text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE what; RETURN 1; END $$`);
    for (const hidden of [
      'CREATE TABLE hidden (id int)',
      'CREATE VIEW hidden AS SELECT 1 AS one',
      'CREATE INDEX hidden ON plain (n)',
      'CREATE SEQUENCE hidden',
      `CREATE FUNCTION hidden() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
      'CREATE OR REPLACE FUNCTION victim() RETURNS int LANGUAGE sql AS $b$SELECT 2$b$',
      'CREATE DOMAIN hidden AS int CHECK (VALUE > 0)',
      `ALTER TYPE feel ADD VALUE 'high'`,
      'ALTER TABLE plain ADD hidden int',
      'ALTER TABLE plain ADD CHECK (n < 1000)',
      'ALTER TABLE plain ALTER n SET DEFAULT 7',
      'ALTER TABLE plain RENAME TO hidden',
      `COMMENT ON TABLE plain IS 'hidden'`,
      'GRANT SELECT ON plain TO PUBLIC',
      'DROP TABLE victim',
      'DROP FUNCTION victim()',
      'DROP TYPE feel',
    ]) {
      const refused = { code: 'LS003', hint: expect.stringContaining('Nothing took effect') as string };
      await expect(client.query('SELECT does($1)', [hidden]), hidden).rejects.toMatchObject(refused);
      const block = `DO $block$ BEGIN INSERT INTO plain VALUES (500); EXECUTE $text$${hidden}$text$; END $block$`;
      await expect(client.query(block), block).rejects.toMatchObject(refused);
    }
    await client.query(
      `CREATE TABLE watched (what text); CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE NEW.what; RETURN NEW; END $$; CREATE TRIGGER watch BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION watch()`,
    );
    for (const hidden of ['ALTER TABLE plain ADD hidden int', 'CREATE TABLE hidden (id int)'])
      await expect(client.query('INSERT INTO watched VALUES ($1)', [hidden]), hidden).rejects.toMatchObject({
        code: 'LS003',
      });
    await client.query(`INSERT INTO watched VALUES ('CREATE TEMP TABLE of_trigger (id int) ON COMMIT DROP')`);
    await client.query('DROP TABLE watched; DROP FUNCTION watch()');
    // What is temporary, or empties a table, is no such thing.
    await client.query(`SELECT does('TRUNCATE parted'), does('INSERT INTO parted VALUES (2, ''b'')')`);
    for (let time = 0; time < 2; time++)
      await client.query(
        `SELECT does('CREATE TEMP TABLE scratch (id serial PRIMARY KEY, v text) ON COMMIT DROP'), does('CREATE INDEX ON scratch (v)'), does('ALTER TABLE scratch ADD w int DEFAULT 5'), does('INSERT INTO scratch (v) VALUES (1)')`,
      );
    await client.query(`SELECT does('CREATE TEMP TABLE kept (id int)'), does('DROP TABLE kept')`);
    await client.query(
      `BEGIN; CREATE TABLE seen (id int); SELECT does('INSERT INTO seen VALUES (1)'); COMMIT`,
    );
    await client.query(
      'DROP TABLE victim, seen; DROP FUNCTION victim(); DROP TYPE feel; DROP FUNCTION does(text); DELETE FROM parted',
    );
    await client.query(`INSERT INTO item (name, price) VALUES ('last', 1)`);

    const { members } = await node.node.status();
    expect(members.map(({ active }) => active)).toEqual([true, true]);
    const rows = `SELECT concat(t.*) FROM item t UNION ALL SELECT concat(t.*) FROM plain t UNION ALL SELECT relname FROM pg_class WHERE relname = 'refused' ORDER BY 1`;
    const [first, second] = await Promise.all(
      servers.servers.map((server) => server.query(rows, undefined, database)),
    );
    expect(first).toHaveLength(29);
    expect(second).toEqual(first);
    await waitFor(
      async () => {
        const all = await Promise.all(
          servers.servers.map((server) =>
            server.query('SELECT last_value FROM item_id_seq', undefined, database),
          ),
        );
        return new Set(all.flat(2)).size === 1;
      },
      { what: 'the sequences to be equal' },
    );
    await node.node.operator.verify();
    await waitFor(() => events.of('verification-ended').length > 0, {
      what: 'the verification',
      timeoutMs: 60_000,
    });
    expect(events.of('verification-ended')).toMatchObject([{ outcome: 'equal' }]);

    // Brought level by comparing, and by replaying.
    await node.node.deactivateMember('db2');
    await client.query(`INSERT INTO plain VALUES (99, 'later'); UPDATE item SET price = 0 WHERE id = 9`);
    await node.node.activateMember('db2');
    await waitFor(async () => (await node.node.status()).members.every(({ active }) => active), {
      what: 'the member to be back',
      timeoutMs: 60_000,
    });
    const later = 'SELECT concat(t.*) FROM item t UNION ALL SELECT concat(t.*) FROM plain t ORDER BY 1';
    expect(await servers.server(1).query(later, undefined, database)).toEqual(
      await servers.server(0).query(later, undefined, database),
    );

    // And by a copy of everything, which is refused while the database is another's.
    await node.node.deactivateMember('db2');
    await node.node.operator.syncMember('db2', { strategy: 'full' });
    await waitFor(() => events.of('sync-failed').length > 0, { what: 'the copy to be refused' });
    expect(events.of('sync-failed')).toMatchObject([
      { reason: expect.stringContaining('the database belongs to postgres') },
    ]);
    for (const server of servers.servers)
      await server.query(least(150_000).at(-1) ?? '', undefined, database);
    await node.node.operator.syncMember('db2', { strategy: 'full' });
    await waitFor(() => events.of('sync-ended').some((event) => event['strategy'] === 'full'), {
      what: 'the copy',
      timeoutMs: 60_000,
    });
    await waitFor(async () => (await node.node.status()).members.every(({ active }) => active), {
      what: 'the member to be back',
      timeoutMs: 60_000,
    });
    await client.query(`INSERT INTO plain VALUES (100, 'behind the copy')`);
    expect(await servers.server(1).query(later, undefined, database)).toEqual(
      await servers.server(0).query(later, undefined, database),
    );
    const owners = `SELECT relname, relowner::regrole::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1`;
    expect(await servers.server(1).query(owners, undefined, database)).toEqual(
      await servers.server(0).query(owners, undefined, database),
    );
    await client.end();

    // What is there already is named before a member is taken.
    await servers
      .server(0)
      .query(
        `SET lockstep.guard = off; SET ROLE app; CREATE TABLE before (t text CHECK (by_others(t)))`,
        undefined,
        database,
      );
    expect(await check()).toMatchObject([
      {
        name: 'rows as they were',
        found: expect.stringContaining(
          'public.before (its check before_t_check depends on function by_others)',
        ),
      },
    ]);
  });
});
