/** The node itself is killed, or loses every member at once. */

import { afterAll, expect, test } from 'vitest';
import { connect } from '../support/connect.ts';
import { waitFor, withServers } from '../support/index.ts';
import { findFaults } from './check-members.ts';
import { FreshCluster } from './fresh-cluster.ts';
import { Load } from './load.ts';
import { judge } from './scenario.ts';

const fixture = withServers(3);
let cluster: FreshCluster;
afterAll(() => cluster.stop());

test('node: killed five times under load and started again, it loses nothing, and no member is left behind', async () => {
  cluster = await FreshCluster.prepare(fixture.servers);
  await cluster.startNodeProcess();
  const load = await new Load(cluster.url, { clients: 16, reconnect: true }).start();
  for (let kill = 0; kill < 5; kill++) {
    await load.more(60);
    const port = cluster.processPort;
    await cluster.killNode();
    await cluster.startNodeProcess(port);
  }
  await load.more(60);
  await load.stop();
  const running = load.ledger.count('unknown');
  process.stderr.write(
    `kill -9 of the node, five times: ${load.done} operations, ${load.errors.length} connections lost, ${running} commits in doubt\n`,
  );
  // Every client loses its connection each time, and that is all that they may see.
  expect(
    load.errors.filter(({ sqlState }) => sqlState !== undefined && !/^(08|57P0|ECONN|EPIPE)/.test(sqlState)),
  ).toEqual([]);
  await cluster.stopNode();
  // In this process, so that its status can be asked.
  await cluster.startNode();
  await judge(cluster, load, []);
  await cluster.stop();
});

test('node: killed between the primary and the replicas, it gives them what they lack before it lets anybody in', async () => {
  cluster = await FreshCluster.prepare(fixture.servers);
  await cluster.startNodeProcess();
  const client = await connect(cluster.url);
  await client.query('update counters set value = 1 where client = 1');
  const replicas = [cluster.member('db2'), cluster.member('db3')];
  // A row lock keeps the replicas from applying it, and the client from its answer.
  const blockers = await Promise.all(replicas.map(({ server }) => connect(server.urlOf(cluster.database))));
  for (const blocker of blockers)
    await blocker.query('begin; select from counters where client = 1 for update');
  const answer = client
    .query('update counters set value = 2 where client = 1')
    .catch((error: unknown) => error);
  const value = 'select value from counters where client = 1';
  await waitFor(async () => (await cluster.member('db1').ask(value))[0]?.[0] === '2', {
    what: 'the primary to commit',
  });
  await cluster.killNode();
  expect(await answer).toBeInstanceOf(Error);
  for (const { ask } of replicas)
    await ask(
      `select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
    );
  for (const blocker of blockers) await blocker.end();
  expect(await Promise.all(replicas.map(({ ask }) => ask(value)))).toEqual([[['1']], [['1']]]);
  await cluster.startNode();
  expect(await Promise.all(cluster.members.map(({ ask }) => ask(value)))).toEqual([
    [['2']],
    [['2']],
    [['2']],
  ]);
  expect(await findFaults(new Load(cluster.url, { clients: 0 }), cluster.members)).toEqual([]);
  await cluster.stop();
});

test('node: all members go down at once, and when they are back it goes on with all of them', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  const load = await new Load(cluster.url, { clients: 8 }).start();
  await load.more(100);
  // All in one instant, as a power cut does it.
  await Promise.all(fixture.servers.map((server) => server.pause()));
  await Promise.all(fixture.servers.map((server) => server.kill9()));
  expect((await cluster.status()).members.map(({ active }) => active)).toEqual([true, true, true]);
  await Promise.all(fixture.servers.map((server) => server.start()));
  await load.more(100);
  await load.stop();
  process.stderr.write(
    `all members killed at once: ${load.done} operations, ${load.errors.length} errors, longest pause ${load.longestMs} ms\n`,
  );
  expect(load.errors).toEqual([]);
  // Whoever came back a moment later than another may have been left behind; it then says so.
  const { members } = await cluster.status();
  const active = cluster.members.filter(({ id }) => members.find((member) => member.id === id)?.active);
  expect(active.length).toBeGreaterThan(0);
  expect(await findFaults(load, active)).toEqual([]);
  await cluster.stop();
});
