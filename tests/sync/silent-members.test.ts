/** Members that answer some questions and never others: who waits for them is let go, and others are brought level meanwhile. */

import { afterEach, expect, test } from 'vitest';
import { FreshCluster, patientProbe } from '../failure/fresh-cluster.ts';
import type { TestMember } from '../failure/fresh-cluster.ts';
import { connect } from '../support/connect.ts';
import { waitFor, withServers } from '../support/index.ts';
import { lockstep } from './ops/lockstep-program.ts';

const fixture = withServers(3);
let cluster: FreshCluster;
afterEach(() => cluster.stop());

const schema = 'create sequence tickets; create table rows (n int)';

/** What needs that lock waits until it is let go of. */
async function held({ server }: TestMember, statement: string): Promise<() => Promise<void>> {
  const client = await connect(server.urlOf(cluster.database));
  await client.query(`begin; set local session_replication_role = replica; ${statement}`);
  return () => client.end();
}

/** As soon as `work` waits for that lock, the network has forgotten all connections to the member. New ones are answered. */
async function forgotten({ ask, proxy }: TestMember, work: Promise<unknown>): Promise<void> {
  const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'lockstep sync'`;
  let over = false;
  work.then(
    () => (over = true),
    () => (over = true),
  );
  // On a busy machine the server may have given up before it is seen.
  await waitFor(async () => over || (await ask(waiting)).length > 0, { what: 'a wait for the lock' });
  proxy?.vanish();
}

const start = async (): Promise<void> => {
  const config = { probe: patientProbe, deadlines: { commitMs: 500 } };
  cluster = await FreshCluster.start(fixture.servers, { schema, config, proxied: [0, 1] });
  const client = await connect(cluster.url);
  await client.query('begin');
  await client.query(`select nextval('tickets') from generate_series(1, 7)`);
  await client.query('rollback');
  await client.end();
};

test('sync: a switch is over, and clients go on, although the old primary does not say that its sequences are set', async () => {
  await start();
  const letGo = await held(cluster.member('db1'), 'alter sequence tickets cache 1');
  const switched = cluster.node.switchPrimary('db2');
  await forgotten(cluster.member('db1'), switched);
  await switched;
  await letGo();
  const client = await connect(cluster.url);
  await client.query('insert into rows values (1)');
  await client.end();
  expect((await cluster.status()).primary).toBe('db2');
});

test("sync: a returning member that does not say that its sequences are set is given up on an operator's word", async () => {
  await start();
  await lockstep(cluster, 'switch-primary', 'db2');
  await lockstep(cluster, 'member', 'deactivate', 'db1');
  const letGo = await held(
    cluster.member('db1'),
    `select setval('tickets', 50); alter sequence tickets cache 1`,
  );
  const ended = lockstep(cluster, 'sync', 'db1');
  await forgotten(cluster.member('db1'), ended);
  // It may have been told in time that the lock was not to be had.
  await lockstep(cluster, 'sync', 'cancel', 'db1');
  expect(await ended).toMatchObject({
    status: 4,
    stderr: expect.stringContaining('db1 is not brought level'),
  });
  await letGo();
  expect(await lockstep(cluster, 'sync', 'db1')).toMatchObject({ status: 0 });
  expect(await cluster.member('db1').ask('select is_called from tickets')).toEqual([['f']]);
});

test("sync: a source that does not open its snapshot is given up on an operator's word", async () => {
  await start();
  await lockstep(cluster, 'member', 'deactivate', 'db3');
  const letGo = await held(cluster.member('db2'), 'lock table lockstep.member');
  const ended = lockstep(cluster, 'sync', 'db3', '--strategy', 'diff');
  await forgotten(cluster.member('db2'), ended);
  await letGo();
  await lockstep(cluster, 'sync', 'cancel', 'db3');
  expect(await ended).toMatchObject({
    status: 4,
    stderr: expect.stringContaining('db3 is not brought level'),
  });
  expect(await lockstep(cluster, 'sync', 'db3', '--strategy', 'diff')).toMatchObject({ status: 0 });
});
