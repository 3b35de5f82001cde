/** Sequences of a member that handed numbers out, and is a replica when it comes back: they stand where the others' do. */

import { afterEach, expect, test } from 'vitest';
import { FreshCluster } from '../failure/fresh-cluster.ts';
import { connect } from '../support/connect.ts';
import { withServers } from '../support/index.ts';

const fixture = withServers(3);
let cluster: FreshCluster;
afterEach(() => cluster.stop());

const schema = 'create sequence tickets; create table rows (n int)';

async function positions(): Promise<ReadonlySet<string>> {
  const asked = cluster.members.map(({ ask }) => ask('select last_value, is_called from tickets'));
  return new Set((await Promise.all(asked)).map((rows) => JSON.stringify(rows)));
}

async function drawAndWrite(): Promise<void> {
  const client = await connect(cluster.url);
  await client.query(`select nextval('tickets')`);
  await client.query('insert into rows values (1)');
  await client.end();
}

test('sequences: a primary that crashed stands ahead of the others, and does not when it is back', async () => {
  cluster = await FreshCluster.start(fixture.servers, { schema });
  await drawAndWrite();
  const { server, ask } = cluster.member('db1');
  await server.kill9();
  await cluster.untilInactive('db1');
  await server.start();
  expect(await ask('select last_value from tickets')).toEqual([['33']]);
  await cluster.node.activateMember('db1');
  expect(await positions()).toEqual(new Set(['[["1","t"]]']));
});

test('sequences: what was drawn and rolled back on the old primary is not in front of the new one', async () => {
  cluster = await FreshCluster.start(fixture.servers, { schema });
  await drawAndWrite();
  const client = await connect(cluster.url);
  await client.query('begin');
  await client.query(`select nextval('tickets') from generate_series(1, 7)`);
  await client.query('rollback');
  await cluster.node.switchPrimary('db2');
  expect((await positions()).size).toBe(1);
});

test('sequences: who was the primary and crashes later, as a replica, stands where it stood', async () => {
  cluster = await FreshCluster.start(fixture.servers, { schema });
  await drawAndWrite();
  await cluster.node.switchPrimary('db2');
  const { server, ask } = cluster.member('db1');
  await server.kill9();
  await server.start();
  expect(await ask('select last_value, is_called from tickets')).toEqual([['1', 't']]);
});

test('sequences: members that all crashed stand alike before clients come', async () => {
  cluster = await FreshCluster.start(fixture.servers, { schema });
  await drawAndWrite();
  await cluster.stopNode();
  await Promise.all(fixture.servers.map((server) => server.kill9()));
  await Promise.all(fixture.servers.map((server) => server.start()));
  expect((await positions()).size).toBe(2);
  await cluster.startNode();
  expect(await positions()).toEqual(new Set(['[["33","t"]]']));
});
