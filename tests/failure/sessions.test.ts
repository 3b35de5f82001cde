/** Sessions that cannot be moved, clients that leave in the middle, and a node that is stopped while nothing answers. */

import { expect, test } from 'vitest';
import { connect } from '../support/connect.ts';
import { waitFor, withServers } from '../support/index.ts';
import { FreshCluster } from './fresh-cluster.ts';
import { judge } from './scenario.ts';
import { Load } from './load.ts';

const fixture = withServers(2);

test('sessions: one that held temporary objects on a lost primary is told so, and a new one works', async () => {
  const cluster = await FreshCluster.start(fixture.servers);
  try {
    const client = await connect(cluster.url);
    await client.query('create temporary table scratch (n int)');
    const ended = new Promise<{ code?: string; message: string }>((resolve) => client.once('error', resolve));
    await cluster.member('db1').server.kill9();
    expect(await ended).toMatchObject({
      code: '57P01',
      message: expect.stringContaining('temporary objects'),
    });
    const next = await connect(cluster.url);
    expect((await next.query('update counters set value = 1 where client = 1')).rowCount).toBe(1);
  } finally {
    await cluster.stop();
  }
});

test('sessions: clients that leave while a member hangs leave nothing behind', async () => {
  const cluster = await FreshCluster.start(fixture.servers);
  try {
    const [first, second] = [await connect(cluster.url), await connect(cluster.url)];
    for (const client of [first, second])
      await client.query('update counters set value = 1 where client = 1');
    await first.query('begin');
    await first.query('update counters set value = 2 where client = 2');
    await cluster.member('db1').server.pause();
    const answers = [first.query('commit'), second.query('update counters set value = 3 where client = 3')];
    for (const client of [first, second])
      (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    await Promise.allSettled(answers);
    await cluster.untilInactive('db1');
    await waitFor(async () => (await cluster.status()).clients === 0, { what: 'the clients to be gone' });
    // Of ours only the engine's own connections are left.
    const left = `select from pg_stat_activity where datname = current_database() and application_name <> 'lockstep' and pid <> pg_backend_pid()`;
    await waitFor(async () => (await cluster.member('db2').ask(left)).length === 0, {
      what: 'their connections to end',
    });
    await judge(cluster, new Load(cluster.url, { clients: 0 }), ['db1']);
  } finally {
    await cluster.stop();
  }
});

test('sessions: the node can be stopped while no member answers and commits wait for their fate', async () => {
  const cluster = await FreshCluster.start(fixture.servers, { config: { deadlines: { stopMs: 300 } } });
  try {
    const load = await new Load(cluster.url, { clients: 6 }).start();
    await load.more(60);
    await Promise.all(fixture.servers.map((server) => server.pause()));
    await waitFor(() => cluster.status().then(({ members }) => members.some(({ load: busy }) => busy > 0)), {
      what: 'requests to be under way',
    });
    await cluster.stopNode();
    await load.stop();
    // Nobody was told that it had happened.
    expect(load.errors.length).toBeGreaterThan(0);
    for (const server of fixture.servers) server.resume();
    await cluster.startNode();
    await judge(cluster, load, []);
  } finally {
    await cluster.stop();
  }
});
