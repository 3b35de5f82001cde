/** The checker of this folder must convict before it may acquit. */

import { afterAll, beforeAll, expect, test } from 'vitest';
import { withServers } from '../support/index.ts';
import { findFaults } from './check-members.ts';
import { FreshCluster, patientProbe } from './fresh-cluster.ts';
import { Load } from './load.ts';

const fixture = withServers(2);
let cluster: FreshCluster;
let load: Load;

beforeAll(async () => {
  cluster = await FreshCluster.start(fixture.servers, { config: { probe: patientProbe } });
  load = await new Load(cluster.url, { clients: 8 }).start();
  await load.more(300);
  await load.stop();
});
afterAll(() => cluster.stop());

test('checker: acquits a cluster to which nothing has happened', async () => {
  expect(load.errors).toEqual([]);
  expect(load.ledger.count('acknowledged')).toBeGreaterThan(100);
  expect(await findFaults(load, cluster.members)).toEqual([]);
});

// Each adds its harm to that of the ones before, and its own verdict must come.
test.each([
  [
    'an acknowledged entry that one member lost',
    `delete from entries where key = (select min(key) from entries)`,
    /^db2 lacks acknowledged/,
  ],
  [
    'an acknowledged transfer that one member lost',
    `delete from transfers where key = (select min(key) from transfers)`,
    /^db2 lacks acknowledged/,
  ],
  ['a row that nobody wrote', `insert into entries (key) values ('nobody')`, /^db2 has nobody, which failed/],
  ['half a transfer', `update accounts set balance = balance + 1 where id = 7`, /^db2: account 7 has/],
  ['a lost update', `update counters set value = value - 1 where client = 3`, /^db2: client 3 incremented/],
  [
    'a value that differs',
    `update entries set note = 'x' where key = (select min(key) from entries)`,
    /^members differ/,
  ],
])('checker: convicts %s', async (_, harm, verdict) => {
  const [, victim] = cluster.members;
  await victim?.ask(`set lockstep.guard = off; ${harm}`);
  expect(await findFaults(load, cluster.members)).toContainEqual(expect.stringMatching(verdict));
});

test('checker: convicts a member that was skipped before the acknowledgement', async () => {
  // As if the answer had come before the replicas: acknowledged to a client, and on one member only.
  const [primary] = cluster.members;
  load.ledger.begin('early');
  await primary?.ask(`set lockstep.guard = off; insert into entries (key) values ('early')`);
  load.ledger.acknowledged('early');
  expect(await findFaults(load, cluster.members)).toContainEqual(
    expect.stringMatching(/^db2 lacks acknowledged .*early/),
  );
});
