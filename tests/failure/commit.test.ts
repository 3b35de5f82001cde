/** The primary, or the connection to it, is lost at a chosen instant of a COMMIT. */

import { expect, test } from 'vitest';
import type { PostgresServer } from '../../src/testing/index.ts';
import { connect } from '../support/connect.ts';
import { waitFor, withServers } from '../support/index.ts';
import { FreshCluster } from './fresh-cluster.ts';
import { judge } from './scenario.ts';
import { Load } from './load.ts';

const fixture = withServers(3);
/** Keeps every transaction from finishing: see `lockstep.finish`. */
const holdLog = 'begin; lock table lockstep.log in share mode';

/** COMMIT does its work and then waits for a standby that does not exist. */
async function holdCommits(server: PostgresServer, hold: boolean): Promise<void> {
  const value = hold ? `set synchronous_standby_names = 'nobody'` : 'reset synchronous_standby_names';
  await server.query(`alter system ${value}`);
  await server.query('select pg_reload_conf()');
  const shown = hold ? 'nobody' : '';
  await waitFor(async () => (await server.query('show synchronous_standby_names'))[0]?.[0] === shown, {
    what: 'the setting',
  });
}

async function untilWaiting(server: PostgresServer, event: 'SyncRep' | 'relation'): Promise<void> {
  const sql = `select from pg_stat_activity where wait_event = '${event}' and application_name = 'the client'`;
  await waitFor(async () => (await server.query(sql)).length > 0, {
    what: `a backend that waits for ${event}`,
  });
}

interface Instant {
  readonly title: string;
  /** Brings the client's COMMIT to the instant, and does the harm. */
  harm(cluster: FreshCluster, commit: () => unknown): Promise<void>;
  readonly inactive: readonly string[];
}

const instants: readonly Instant[] = [
  {
    title: 'the primary dies before it has given the write set: the transaction is run again',
    harm: async (cluster, commit) => {
      const { server } = cluster.member('db1');
      const blocker = await connect(server.urlOf(cluster.database));
      await blocker.query(holdLog);
      commit();
      await untilWaiting(server, 'relation');
      await server.kill9();
    },
    inactive: ['db1'],
  },
  {
    title: 'the primary dies between the write set and the answer to COMMIT: it is committed on the others',
    harm: async (cluster, commit) => {
      const { server } = cluster.member('db1');
      await holdCommits(server, true);
      commit();
      await untilWaiting(server, 'SyncRep');
      await server.kill9();
    },
    inactive: ['db1'],
  },
  {
    title:
      'the connection breaks before the transaction could finish: the primary is asked, and it is run again',
    harm: async (cluster, commit) => {
      const { server, proxy } = cluster.member('db1');
      const blocker = await connect(server.urlOf(cluster.database));
      await blocker.query(holdLog);
      commit();
      await untilWaiting(server, 'relation');
      proxy?.cut();
      await blocker.query('rollback');
    },
    inactive: [],
  },
  {
    title:
      'the connection breaks before anything was heard of a commit that has happened: its write set is read from the log',
    harm: async (cluster, commit) => {
      const { ask, proxy, server } = cluster.member('db1');
      const blocker = await connect(server.urlOf(cluster.database));
      await blocker.query(holdLog);
      commit();
      await untilWaiting(server, 'relation');
      proxy?.set({ silent: 'to-client' });
      await blocker.query('rollback');
      await waitFor(async () => (await ask(`select from entries where key = 'mine'`)).length > 0, {
        what: 'the commit',
      });
      proxy?.cut();
      await proxy?.heal();
    },
    inactive: [],
  },
  {
    title: 'the connection breaks between the write set and the answer to COMMIT: the primary is asked',
    harm: async (cluster, commit) => {
      const { server, proxy, ask } = cluster.member('db1');
      await holdCommits(server, true);
      commit();
      await untilWaiting(server, 'SyncRep');
      proxy?.set({ silent: 'to-client' });
      await holdCommits(server, false);
      await waitFor(async () => (await ask(`select from entries where key = 'mine'`)).length > 0, {
        what: 'the commit',
      });
      proxy?.cut();
      await proxy?.heal();
    },
    inactive: [],
  },
];

const forms = [
  ['an autocommit statement', [], `insert into entries (key) values ('mine')`],
  ['a transaction', ['begin', `insert into entries (key) values ('mine')`], 'commit'],
] as const;

const cases = instants.flatMap((instant) =>
  forms.map((form) => [form[0], instant.title, instant, form] as const),
);

test.each(cases)('commit: %s: %s', async (_form, _title, instant, [, before, last]) => {
  const cluster = await FreshCluster.start(fixture.servers, {
    proxied: [0],
    // The fault is found by those who meet it, not by a probe.
    config: { probe: { intervalMs: 5000, timeoutMs: 2000, threshold: 2 } },
  });
  try {
    const load = new Load(cluster.url, { clients: 0 });
    const client = await connect(cluster.url, { application_name: 'the client' });
    // The first write of a session prepares its connection, with a commit that is not meant here.
    await client.query(`insert into counters values (99, 1)`);
    for (const statement of before) await client.query(statement);
    load.ledger.begin('mine');
    let answer: Promise<unknown> = Promise.resolve();
    await instant.harm(cluster, () => (answer = client.query(last)));
    await expect(answer).resolves.toMatchObject({ command: before.length > 0 ? 'COMMIT' : 'INSERT' });
    load.ledger.acknowledged('mine');
    await client.query(`insert into counters values (100, 1)`);
    await judge(cluster, load, instant.inactive);
  } finally {
    await cluster.stop();
    const { server } = cluster.member('db1');
    if (!server.running) await server.start();
    await holdCommits(server, false);
  }
});
