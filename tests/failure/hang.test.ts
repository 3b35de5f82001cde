/** Servers that neither answer nor go. */

import { expect, test } from 'vitest';
import { pause, systemClock } from '../../src/base/index.ts';
import { frontend, readErrorFields, startupMessage } from '../../src/wire/postgres/index.ts';
import { RawClient } from '../fronts/postgres/raw-client.ts';
import { connect } from '../support/connect.ts';
import { waitFor, withServers } from '../support/index.ts';
import { findFaults } from './check-members.ts';
import { FreshCluster, patientProbe } from './fresh-cluster.ts';
import { Load } from './load.ts';
import { judge, play } from './scenario.ts';

const fixture = withServers(3);
const silent = /has not answered a probe within 300 ms/;

test('hang: a replica is frozen, and after the deadline nobody waits for it', async () => {
  await play('SIGSTOP of a replica', fixture.servers, {
    fault: async (cluster) => {
      await cluster.member('db2').server.pause();
      return { db2: silent };
    },
  });
});

test('hang: the primary is frozen, and after the deadline another takes over', async () => {
  await play('SIGSTOP of the primary', fixture.servers, {
    fault: async (cluster) => {
      await cluster.member('db1').server.pause();
      return { db1: silent };
    },
  });
});

test('hang: what a frozen primary commits when it wakes harms nobody', async () => {
  await play('SIGSTOP of the primary, and SIGCONT', fixture.servers, {
    fault: async (cluster, load) => {
      const { server } = cluster.member('db1');
      await server.pause();
      await cluster.untilInactive('db1');
      await load.more(50);
      server.resume();
      // It answers again, and its connections end.
      await waitFor(
        async () => {
          const left = await cluster
            .member('db1')
            .ask(
              `select from pg_stat_activity where application_name <> '' and datname = current_database()`,
            );
          return left.length === 0;
        },
        { what: 'the frozen sessions to end' },
      );
      await load.more(50);
      return { db1: silent };
    },
  });
});

test.each([
  ['replica', 'db3'],
  ['primary', 'db1'],
])('hang: a %s accepts and never answers', async (role, id) => {
  await play(`silent network to the ${role}`, fixture.servers, {
    proxied: [0, 1, 2],
    fault: async (cluster) => {
      cluster.member(id).proxy?.set({ silent: 'both' });
      return { [id]: silent };
    },
  });
});

test('hang: the machine of the primary is gone without a word', async () => {
  await play('vanished primary', fixture.servers, {
    proxied: [0, 1, 2],
    fault: async (cluster) => {
      const { proxy } = cluster.member('db1');
      await proxy?.refuse();
      proxy?.vanish();
      return { db1: /ECONNREFUSED|has not answered/ };
    },
  });
});

test('hang: answers are lost on the way, while the connections seem to live', async () => {
  await play('lost answers of the primary', fixture.servers, {
    proxied: [0],
    fault: async (cluster, load) => {
      cluster.member('db1').proxy?.loseAnswers();
      await load.more(50);
      // Everybody was stuck; the member itself was well all the time.
      return {};
    },
    pauseMaxMs: 15_000,
  });
});

test.each([
  ['begin', 'do $$ begin update counters set value = 7 where client = 1; end $$', 'commit', '7'],
  ['begin', 'update counters set value = 7 where client = 1', 'rollback', '0'],
  ['begin read only', 'select count(*) from counters', 'commit', '0'],
])(
  'hang: the answer to the end of a transaction is lost on the way: %s, %s, %s',
  async (begin, statement, end, value) => {
    const cluster = await FreshCluster.start(fixture.servers, { proxied: [0, 1, 2] });
    try {
      const client = await connect(cluster.url);
      await client.query(begin);
      await client.query(statement);
      for (const { proxy } of cluster.members) proxy?.loseAnswers();
      await client.query(end);
      const { rows } = await client.query<{ value: number }>('select value from counters where client = 1');
      expect(String(rows[0]?.value)).toBe(value);
    } finally {
      await cluster.stop();
    }
  },
);

async function loggedIn(url: string): Promise<RawClient> {
  const { port, username, pathname } = new URL(url);
  const client = await RawClient.connect(Number(port));
  client.send(
    startupMessage([
      ['user', username],
      ['database', pathname.slice(1)],
    ]),
  );
  await client.message('Z');
  return client;
}

const oneTable = { schema: 'create table into_it (t text)', config: { deadlines: { commitMs: 500 } } };

test('hang: the word to send the data of a copy is lost on the way, and the client is told', async () => {
  const cluster = await FreshCluster.start(fixture.servers, { ...oneTable, proxied: [0] });
  try {
    const client = await loggedIn(cluster.url);
    cluster.member('db1').proxy?.loseAnswers();
    client.send(frontend.query('copy into_it from stdin'));
    expect(readErrorFields(await client.message('E')).message).toMatch(/was lost|has not arrived/);
    client.send(frontend.query(`insert into into_it values ('later')`));
    expect((await client.message('C')).toString()).toMatch(/INSERT 0 1/);
    client.socket.destroy();
  } finally {
    await cluster.stop();
  }
});

test('hang: a client that takes its time to send a large statement, and the data of a copy, is waited for', async () => {
  const cluster = await FreshCluster.start(fixture.servers, oneTable);
  // Longer than an answer may be overdue before the member is asked, twice, whether it works at it.
  const takeTime = () => pause(systemClock, 2_500);
  try {
    const client = await loggedIn(cluster.url);
    const large = frontend.query(`insert into into_it values ('${'x'.repeat(600_000)}')`);
    client.send(large.subarray(0, 400_000));
    await takeTime();
    client.send(large.subarray(400_000));
    expect((await client.message('C')).toString()).toMatch(/INSERT 0 1/);
    client.send(frontend.query('copy into_it from stdin'));
    await client.message('G');
    await takeTime();
    client.send(Buffer.concat([frontend.copyData(Buffer.from('one\n')), frontend.copyDone]));
    await waitFor(() => client.heard.includes('COPY 1'), { what: 'the end of the copy' });
    client.socket.destroy();
  } finally {
    await cluster.stop();
  }
});

test('hang: a read on a frozen replica is answered by another', async () => {
  const cluster = await FreshCluster.start(fixture.servers, { weights: [0, 1, 1] });
  try {
    const clients = await Promise.all(Array.from({ length: 6 }, () => connect(cluster.url)));
    const ask = () => Promise.all(clients.map((client) => client.query('select count(*) from accounts')));
    await ask();
    await cluster.member('db2').server.pause();
    const answers = await ask();
    expect(answers.map(({ rows }) => rows)).toEqual(clients.map(() => [{ count: '100' }]));
    expect(await cluster.untilInactive('db2')).toMatch(silent);
  } finally {
    await cluster.stop();
  }
});

test('hang: replicas that are well, and never say that they have taken a session, are not waited for', async () => {
  const config = { deadlines: { connectMs: 500 }, probe: patientProbe };
  const cluster = await FreshCluster.start(fixture.servers, { config });
  try {
    for (const replica of await cluster.replicas())
      await replica.ask(
        `set session_replication_role = replica; set lockstep.guard = off;
         create or replace function lockstep.is_node(p_secret bytea) returns boolean language sql as 'select pg_sleep(600) is null'`,
      );
    const clients = await Promise.all(Array.from({ length: 6 }, () => connect(cluster.url)));
    const answers = await Promise.all(clients.map((client) => client.query('select count(*) from accounts')));
    expect(answers.map(({ rows }) => rows)).toEqual(clients.map(() => [{ count: '100' }]));
    expect((await cluster.status()).members.map(({ active }) => active)).toEqual([true, true, true]);
  } finally {
    await cluster.stop();
  }
});

test('hang: a node that has lost its network deactivates nobody, and goes on when it is back', async () => {
  const cluster = await FreshCluster.start(fixture.servers.slice(0, 2), { proxied: [0, 1] });
  try {
    const load = await new Load(cluster.url, { clients: 8 }).start();
    await load.more(100);
    for (const { proxy } of cluster.members) proxy?.set({ silent: 'both' });
    // Long enough for every deadline of a probe to pass.
    const until = Date.now() + 1500;
    await waitFor(() => Date.now() > until, { what: 'the deadlines to pass' });
    for (const { proxy } of cluster.members) await proxy?.heal();
    await load.more(100);
    await load.stop();
    expect(load.errors).toEqual([]);
    await judge(cluster, load, []);
    expect(await findFaults(load, cluster.members)).toEqual([]);
  } finally {
    await cluster.stop();
  }
});
