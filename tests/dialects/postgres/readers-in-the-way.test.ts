import { describe, expect, test } from 'vitest';
import { PostgresApplyLink } from '../../../src/dialects/postgres/apply-link.ts';
import { Remarks } from '../../../src/dialects/postgres/remarks.ts';
import { connect, waitFor, withNode, withServers } from '../../support/index.ts';

const members = withServers(2);
const cluster = withNode(members, { config: { deadlines: { commitMs: 2000 } } });

describe('apply: schema statements', () => {
  test('a long read on a replica is answered elsewhere rather than that the replica is taken out', async () => {
    const { url, node } = cluster;
    const replica = members.servers[1];
    const admin = await connect(url);
    await admin.query('CREATE TABLE busy AS SELECT generate_series(1, 10) AS a');
    // At home on the primary, so that the next session is at home on the replica.
    await admin.query('SELECT sum(a) FROM busy');

    // A reader in the middle of a read-only transaction on the replica, holding its lock on the table.
    const reader = await connect(url);
    await reader.query('BEGIN READ ONLY');
    const before = await reader.query<{ sum: string }>('SELECT sum(a) FROM busy');
    await waitFor(
      async () => {
        const rows = await replica?.query(
          `SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname = 'busy' AND l.granted`,
        );
        return rows?.[0]?.[0] !== '0';
      },
      { what: 'the reader holds its lock on the replica' },
    );

    await admin.query('ALTER TABLE busy ADD COLUMN b int');
    const status = await node.status();
    expect(status.members.filter((member) => member.active)).toHaveLength(2);

    // Its transaction went on elsewhere, with the same answer.
    const after = await reader.query<{ sum: string }>('SELECT sum(a) FROM busy');
    expect(after.rows).toEqual(before.rows);
    await reader.query('COMMIT');
  });

  test('apply: whoever holds a table on a replica that a commit is to be applied to is ended, and the replica stays', async () => {
    const { url, node } = cluster;
    const replica = members.servers[1]!;
    const admin = await connect(url);
    await admin.query('CREATE TABLE rebuilt (id int PRIMARY KEY)');
    // As CLUSTER, VACUUM FULL and REINDEX do; their commands run on each member by itself, for as long as they take there.
    const rebuilding = await connect(replica.url);
    rebuilding.on('error', () => undefined);
    await rebuilding.query('BEGIN; LOCK TABLE rebuilt');
    await admin.query('INSERT INTO rebuilt VALUES (1)');
    expect(await replica.query('SELECT count(*) FROM rebuilt')).toEqual([['1']]);
    expect((await node.status()).members.map(({ active }) => active)).toEqual([true, true]);
  });

  test.each([
    ['is rolled back by and by', 'taken_1'],
    ['stays', 'taken_2'],
  ])('apply: a trial that was given up and %s takes no name away', async (what, table) => {
    const { url, node } = cluster;
    const replica = members.servers[1]!;
    const admin = await connect(url);
    const left = await connect(replica.url);
    left.on('error', () => undefined);
    await left.query('BEGIN; SET LOCAL lockstep.guard = off; SET LOCAL session_replication_role = replica');
    await left.query('LOCK TABLE lockstep.schema_fence IN SHARE ROW EXCLUSIVE MODE');
    await left.query(`CREATE TABLE ${table} (id serial PRIMARY KEY)`);
    const made = admin.query(`CREATE TABLE ${table} (id serial PRIMARY KEY)`);
    if (what !== 'stays') {
      const waits = `SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'lockstep.schema_fence'::regclass`;
      await waitFor(async () => (await replica.query(waits))[0]?.[0] === 't', { what: 'it is waited for' });
      await left.query('ROLLBACK');
    }
    await made;
    const names = `SELECT relname FROM pg_class WHERE relname LIKE '${table.replace('_', '\\_')}%' ORDER BY 1`;
    for (const server of members.servers)
      expect(await server.query(names)).toEqual([[table], [`${table}_id_seq`], [`${table}_pkey`]]);
    expect((await node.status()).members.map(({ active }) => active)).toEqual([true, true]);
  });

  test('apply: a replica that is seen to be at work has more time than its deadline; one that stands still has not', async () => {
    const { url, node } = cluster;
    const replica = members.servers[1]!;
    const admin = await connect(url);
    await admin.query('CREATE TABLE slow (id int)');
    await replica.query(`
      BEGIN; SET LOCAL lockstep.guard = off; SET LOCAL session_replication_role = replica;
      CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(4); RETURN NEW; END $$;
      CREATE TRIGGER take_long BEFORE INSERT ON slow FOR EACH ROW EXECUTE FUNCTION take_long();
      ALTER TABLE slow ENABLE ALWAYS TRIGGER take_long; COMMIT`);
    await admin.query('INSERT INTO slow VALUES (1)');
    expect(await replica.query('SELECT count(*) FROM slow')).toEqual([['1']]);
    expect((await node.status()).members.map(({ active }) => active)).toEqual([true, true]);
  });
});

test('apply: who has said something since it was asked last, or waits for us, is at work whatever its server says', async () => {
  const connection = { pid: 1, heardBytes: 0, serversTurn: 'to-answer' as string | undefined };
  const link = new PostgresApplyLink({
    memberId: 'b',
    connection: connection as never,
    term: 1,
    connect: () => Promise.reject(new Error('nobody connects')),
    // Between two statements of a long row it is idle, and a busy machine may let it wait for the next.
    isAtWork: () => Promise.resolve(false),
    dropBuilding: () => Promise.resolve(0),
    remarks: new Remarks(() => undefined),
  });
  const looks: boolean[] = [await link.atWork()];
  connection.heardBytes += 10;
  looks.push(await link.atWork(), await link.atWork());
  connection.serversTurn = undefined;
  looks.push(await link.atWork());
  expect(looks).toEqual([false, true, false, true]);
});
