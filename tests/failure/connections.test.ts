/** Single connections that are ended, and servers that have none left. */

import { expect, test } from 'vitest';
import { Client } from 'pg';
import { connect } from '../support/connect.ts';
import { waitFor, withServers } from '../support/index.ts';
import { findFaults } from './check-members.ts';
import { FreshCluster } from './fresh-cluster.ts';
import type { TestMember } from './fresh-cluster.ts';
import { Load } from './load.ts';
import { judge } from './scenario.ts';

const maxConnections = 40;
const fixture = withServers(2, {
  settings: { max_connections: maxConnections, superuser_reserved_connections: 0 },
});

/** Between two probes: those that are cut off while they ask are failed ones, and two in a row take the member out. */
const probes = `state = 'idle' and query like 'SELECT m.member_id%'`;
/** Which of our connections to a member a condition finds. */
const links: readonly (readonly [string, string, string])[] = [
  ['a session that is idle', 'db1', `state = 'idle' and application_name = ''`],
  ['a session in a transaction', 'db1', `state = 'idle in transaction'`],
  ['a session on a replica', 'db2', `application_name = ''`],
  ['the apply connection', 'db2', `query like '%lockstep%commit%' or query = 'COMMIT'`],
  ['the connection of the probe', 'db1', probes],
  ['the connection of the probe of a replica', 'db2', probes],
  ['every connection of the primary', 'db1', 'true'],
  ['every connection of a replica', 'db2', 'true'],
];

async function terminate({ ask }: TestMember, condition: string): Promise<number> {
  const ended = await ask(
    `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and (${condition})`,
  );
  return ended.length;
}

test('connections: each of ours can be terminated, one kind after the other and all at once, and nobody notices', async () => {
  const cluster = await FreshCluster.start(fixture.servers);
  try {
    const load = await new Load(cluster.url, { clients: 6 }).start();
    await load.more(100);
    for (const [what, id, condition] of links) {
      for (let round = 0; round < 3; round++) {
        await waitFor(() => terminate(cluster.member(id), condition), { what });
        await load.more(10);
      }
    }
    await Promise.all(cluster.members.map((member) => terminate(member, 'true')));
    await load.more(50);
    await load.stop();
    process.stderr.write(
      `pg_terminate_backend: ${load.done} operations, ${load.errors.length} errors, longest pause ${load.longestMs} ms\n`,
    );
    expect(load.errors).toEqual([]);
    await judge(cluster, load, []);
  } finally {
    await cluster.stop();
  }
});

/** Takes every connection that a server has left. */
async function fill({ server }: TestMember): Promise<() => Promise<void>> {
  const taken: Client[] = [];
  for (;;) {
    const client = new Client({ connectionString: server.urlOf('postgres') });
    client.on('error', () => undefined);
    try {
      await client.connect();
      taken.push(client);
    } catch {
      return async () => {
        await Promise.all(taken.map((one) => one.end()));
      };
    }
  }
}

test('connections: a replica that is full takes no part in new reads, and stays active', async () => {
  const cluster = await FreshCluster.start(fixture.servers);
  try {
    const load = await new Load(cluster.url, { clients: 4 }).start();
    await load.more(50);
    const free = await fill(cluster.member('db2'));
    const clients = await Promise.all(Array.from({ length: 6 }, () => connect(cluster.url)));
    for (const client of clients)
      expect((await client.query('select count(*) from accounts')).rows).toEqual([{ count: '100' }]);
    await load.more(50);
    // Not even when its connections for probes and for applying have to be made again.
    await free();
    await load.more(50);
    await load.stop();
    expect(load.errors).toEqual([]);
    await judge(cluster, load, []);
  } finally {
    await cluster.stop();
  }
});

test('connections: a primary that is full refuses new clients, and those who are there go on', async () => {
  const cluster = await FreshCluster.start(fixture.servers);
  try {
    const load = await new Load(cluster.url, { clients: 4 }).start();
    await load.more(50);
    const free = await fill(cluster.member('db1'));
    await expect(connect(cluster.url)).rejects.toMatchObject({ code: '53300' });
    await load.more(50);
    await free();
    const late = await connect(cluster.url);
    await late.query(`update counters set value = value where client = 1`);
    await load.stop();
    expect(load.errors).toEqual([]);
    await judge(cluster, load, []);
    expect(await findFaults(load, cluster.members)).toEqual([]);
  } finally {
    await cluster.stop();
  }
});
