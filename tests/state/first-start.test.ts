/** The first start, when nothing is remembered anywhere. */

import { afterEach, expect, test } from 'vitest';
import { connect } from '../support/connect.ts';
import { withServers } from '../support/index.ts';
import { FreshCluster } from '../failure/fresh-cluster.ts';

const fixture = withServers(3);
let cluster: FreshCluster;
afterEach(() => cluster.stop());

const differ = `update accounts set balance = 7 where id = 3; insert into counters values (99, 1)`;

test('first start: members that are equal are all active', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  expect((await cluster.status()).members.map(({ state }) => state)).toEqual(['active', 'active', 'active']);
});

test('first start: members that differ are refused, with the differences named, and left without a trace', async () => {
  cluster = await FreshCluster.prepare(fixture.servers);
  await cluster.member('db2').ask(differ);
  await expect(cluster.startNode()).rejects.toMatchObject({
    code: 'cluster.members-differ',
    message: expect.stringMatching(/accounts[^]*counters/),
    hint: expect.stringContaining('source'),
  });
  for (const { ask } of cluster.members)
    expect(await ask(`select to_regnamespace('lockstep')`)).toEqual([[null]]);
});

test('first start: with a source the others stay out until they are level', async () => {
  cluster = await FreshCluster.prepare(fixture.servers);
  await cluster.member('db2').ask(differ);
  await cluster.startNode({ config: { source: 'db2' } });
  expect((await cluster.status()).members.map(({ state, role }) => [state, role])).toEqual([
    ['inactive', 'none'],
    ['active', 'primary'],
    ['inactive', 'none'],
  ]);
  const client = await connect(cluster.url);
  expect((await client.query('select balance from accounts where id = 3')).rows).toEqual([{ balance: '7' }]);
  await client.query('update accounts set balance = 8 where id = 3');
  expect(await cluster.member('db1').ask('select balance from accounts where id = 3')).toEqual([['1000']]);
  // Once remembered, the source is not looked at again.
  await cluster.stopNode();
  await cluster.startNode({ config: { source: 'db1' } });
  expect((await cluster.status()).primary).toBe('db2');
});

test('first start: a member that does not answer stops it', async () => {
  cluster = await FreshCluster.prepare(fixture.servers);
  await cluster.member('db3').server.kill9();
  await expect(cluster.startNode()).rejects.toMatchObject({ code: 'cluster.first-start-unreachable' });
});
