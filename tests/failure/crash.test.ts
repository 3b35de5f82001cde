/** Servers that die at once. */

import { expect, test } from 'vitest';
import { connect } from '../support/connect.ts';
import { withServers } from '../support/index.ts';
import { FreshCluster } from './fresh-cluster.ts';
import { judge, play } from './scenario.ts';
import { Load } from './load.ts';

const fixture = withServers(3);
const gone = /ECONNREFUSED|ECONNRESET|closed|shut|starting up|terminat/;

test.each([8, 32])('crash: a replica is killed under %i clients, and nobody notices', async (clients) => {
  await play(`kill -9 of a replica, ${clients} clients`, fixture.servers, {
    load: { clients },
    fault: async (cluster) => {
      await cluster.member('db2').server.kill9();
      return { db2: gone };
    },
  });
});

test.each([8, 32])(
  'crash: the primary is killed under %i clients, and nobody gets an error',
  async (clients) => {
    await play(`kill -9 of the primary, ${clients} clients`, fixture.servers, {
      load: { clients },
      fault: async (cluster) => {
        await cluster.member('db1').server.kill9();
        return { db1: gone };
      },
    });
  },
);

test('crash: a replica is stopped immediately', async () => {
  await play('immediate stop of a replica', fixture.servers, {
    fault: async (cluster) => {
      await cluster.member('db3').server.stop('immediate');
      return { db3: gone };
    },
  });
});

test('crash: the primary is stopped immediately', async () => {
  await play('immediate stop of the primary', fixture.servers, {
    fault: async (cluster) => {
      await cluster.member('db1').server.stop('immediate');
      return { db1: gone };
    },
  });
});

test('crash: the postmaster of the primary is killed, and its processes end as they notice', async () => {
  await play('kill -9 of the postmaster of the primary', fixture.servers, {
    fault: async (cluster) => {
      await cluster.member('db1').server.kill9('postmaster');
      return { db1: gone };
    },
  });
});

test('crash: one member after the other is killed, and the last one serves', async () => {
  await play('kill -9 of the primary, twice', fixture.servers, {
    fault: async (cluster, load) => {
      await cluster.member('db1').server.kill9();
      await cluster.untilInactive('db1');
      await load.more(100);
      const next = await cluster.primary();
      await next.server.kill9();
      return { db1: gone, [next.id]: gone };
    },
  });
});

test('crash: primary and replica are killed in the same moment', async () => {
  await play('kill -9 of the primary and a replica at once', fixture.servers, {
    fault: async (cluster) => {
      await Promise.all([cluster.member('db1').server.kill9(), cluster.member('db2').server.kill9()]);
      return { db1: gone, db2: gone };
    },
  });
});

test('crash: an open transaction goes on over the death of the primary', async () => {
  const cluster = await FreshCluster.start(fixture.servers);
  try {
    const load = await new Load(cluster.url, { clients: 4 }).start();
    const client = await connect(cluster.url);
    load.ledger.begin('open');
    await client.query('begin');
    await client.query(`update accounts set balance = balance - 10 where id = 1`);
    await client.query(`update accounts set balance = balance + 10 where id = 2`);
    await cluster.member('db1').server.kill9();
    await client.query(`insert into transfers (key, payer, payee, amount) values ('open', 1, 2, 10)`);
    const { rows } = await client.query<{ key: string }>(`select key from transfers where key = 'open'`);
    await client.query('commit');
    load.ledger.acknowledged('open');
    expect(rows).toEqual([{ key: 'open' }]);
    await load.more(50);
    await load.stop();
    expect(load.errors).toEqual([]);
    await judge(cluster, load, ['db1']);
  } finally {
    await cluster.stop();
  }
});

test('crash: a transaction that would be answered differently now gets 40001, and nothing of it happens', async () => {
  const cluster = await FreshCluster.start(fixture.servers);
  try {
    const client = await connect(cluster.url);
    await client.query('begin');
    await client.query(`insert into entries (key, note) values ('mine', random()) returning note`);
    await cluster.member('db1').server.kill9();
    await expect(client.query('select 1')).rejects.toMatchObject({ code: '40001' });
    await client.query('rollback');
    await client.query(`insert into entries (key) values ('mine')`);
    expect((await client.query(`select key from entries`)).rows).toEqual([{ key: 'mine' }]);
  } finally {
    await cluster.stop();
  }
});
