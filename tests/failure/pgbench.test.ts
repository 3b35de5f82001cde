/** pgbench stops a client at its first error, and says how many transactions it has done: both are checked. */

import { expect, test } from 'vitest';
import { pause, systemClock } from '../../src/base/index.ts';
import { compareMembers } from '../../src/testing/index.ts';
import { pgbench, waitFor, whyNoTool, withServers } from '../support/index.ts';
import { FreshCluster } from './fresh-cluster.ts';

const fixture = withServers(3);
const missing = whyNoTool('pgbench');
const seconds = 4;

test.skipIf(missing !== undefined).each([
  ['simple-update', 8, ['-N']],
  ['simple-update, prepared', 32, ['-N', '-M', 'prepared']],
  ['TPC-B', 8, []],
  ['TPC-B, extended', 32, ['-M', 'extended']],
])(
  'pgbench: %s with %i clients goes on over the death of a replica and of the primary',
  async (name, clients, words) => {
    const cluster = await FreshCluster.prepare(fixture.servers, { schema: 'select' });
    try {
      for (const { server } of cluster.members) {
        const made = await pgbench('-i', '-q', '-s', '2', '--no-vacuum', server.urlOf(cluster.database));
        expect(made).toMatchObject({ status: 0 });
      }
      await cluster.startNode();
      const running = pgbench(
        '-n',
        ...words,
        '-c',
        String(clients),
        '-j',
        '2',
        '-T',
        String(seconds),
        cluster.url,
      );
      const done = async () =>
        Number((await cluster.member('db3').ask('select count(*) from pgbench_history'))[0]?.[0]);
      await waitFor(async () => (await done()) > 50, { what: 'pgbench to be at work' });
      await cluster.member('db2').server.kill9();
      await cluster.untilInactive('db2');
      await pause(systemClock, 500);
      await cluster.member('db1').server.kill9();
      await cluster.untilInactive('db1');
      const { status, stdout, stderr } = await running;
      const transactions = Number(/actually processed: (\d+)/.exec(stdout)?.[1]);
      const failed = /number of failed transactions: (\d+)/.exec(stdout)?.[1];
      process.stderr.write(
        `pgbench ${name}, ${clients} clients: ${transactions} transactions, ${failed} failed\n`,
      );
      expect({ status, failed, stderr: stderr.replace(/^pgbench \(.*\n/, '') }).toEqual({
        status: 0,
        failed: '0',
        stderr: '',
      });
      const [sums] = await cluster
        .member('db3')
        .ask(
          `select count(*), sum(delta), (select sum(abalance) from pgbench_accounts), (select sum(bbalance) from pgbench_branches) from pgbench_history`,
        );
      const delta = sums?.[1];
      expect(sums).toEqual([String(transactions), delta, delta, name.startsWith('TPC-B') ? delta : '0']);
    } finally {
      await cluster.stop();
    }
  },
);

test.skipIf(missing !== undefined)('pgbench: members are equal behind it', async () => {
  const cluster = await FreshCluster.prepare(fixture.servers, { schema: 'select' });
  try {
    for (const { server } of cluster.members)
      expect(await pgbench('-i', '-q', '--no-vacuum', server.urlOf(cluster.database))).toMatchObject({
        status: 0,
      });
    await cluster.startNode();
    const running = pgbench('-n', '-c', '8', '-T', '3', cluster.url);
    const begun = async () =>
      Number((await cluster.member('db3').ask('select count(*) from pgbench_history'))[0]?.[0]) > 50;
    await waitFor(begun, { what: 'pgbench to be at work' });
    await cluster.member('db1').server.kill9();
    expect(await running).toMatchObject({ status: 0 });
    const [, ...active] = cluster.members;
    expect(await compareMembers(Object.fromEntries(active.map(({ id, ask }) => [id, ask])))).toEqual([]);
  } finally {
    await cluster.stop();
  }
});
