/** Where reads go, counted on the members themselves. */

import { expect, test } from 'vitest';
import { connect } from '../support/connect.ts';
import { withServers } from '../support/index.ts';
import { FreshCluster } from '../failure/fresh-cluster.ts';
import type { FreshOptions, TestMember } from '../failure/fresh-cluster.ts';

const fixture = withServers(3);
const reads = 240;

async function scansOf({ ask }: TestMember): Promise<number> {
  await ask('select pg_stat_force_next_flush()');
  const [row] = await ask(`select idx_scan + seq_scan from pg_stat_user_tables where relname = 'accounts'`);
  return Number(row?.[0]);
}

/** How many reads each member has answered. */
async function spread(
  options: FreshOptions,
  during?: (cluster: FreshCluster) => Promise<void>,
): Promise<readonly number[]> {
  const cluster = await FreshCluster.start(fixture.servers, options);
  try {
    const clients = await Promise.all(Array.from({ length: 4 }, () => connect(cluster.url)));
    await during?.(cluster);
    const before = await Promise.all(cluster.members.map(scansOf));
    await Promise.all(
      clients.map(async (client) => {
        for (let n = 0; n < reads / clients.length; n++)
          await client.query('select balance from accounts where id = 1');
        // Its connections report what they have done as they end.
        await client.end();
      }),
    );
    await cluster.stopNode();
    const after = await Promise.all(cluster.members.map(scansOf));
    return after.map((count, index) => count - (before[index] ?? 0));
  } finally {
    await cluster.stop();
  }
}

test('reads: least-loaded uses every member', async () => {
  const found = await spread({ config: { balancer: 'least-loaded' } });
  expect(found.reduce((sum, count) => sum + count, 0)).toBe(reads);
  for (const count of found) expect(count).toBeGreaterThan(reads / 20);
});

test('reads: round-robin gives every member the same', async () => {
  expect(await spread({ config: { balancer: 'round-robin' } })).toEqual([reads / 3, reads / 3, reads / 3]);
});

test('reads: round-robin follows the weights', async () => {
  const found = await spread({ config: { balancer: 'round-robin' }, weights: [1, 2, 3] });
  expect(found).toEqual([reads / 6, reads / 3, reads / 2]);
});

test('reads: random follows the weights roughly', async () => {
  const [one = 0, two = 0, three = 0] = await spread({ config: { balancer: 'random' }, weights: [1, 1, 4] });
  expect(one + two + three).toBe(reads);
  expect(three).toBeGreaterThan(one + two);
  expect(Math.min(one, two)).toBeGreaterThan(0);
});

test('reads: simple asks the first member of the greatest weight, always', async () => {
  expect(await spread({ config: { balancer: 'simple' }, weights: [1, 5, 5] })).toEqual([0, reads, 0]);
});

test.each(['least-loaded', 'round-robin', 'random', 'simple'])(
  'reads: with %s a member of weight 0 is asked only when no other is there',
  async (balancer) => {
    const options = { config: { balancer }, weights: [0, 1, 0] };
    expect(await spread(options)).toEqual([0, reads, 0]);
  },
);

test('reads: the last resort is used when the others are gone', async () => {
  const options = { weights: [0, 1, 0] };
  const [primary = 0, gone = 0, other = 0] = await spread(options, async (cluster) => {
    await cluster.node.deactivateMember('db2');
  });
  expect(gone).toBe(0);
  expect(primary + other).toBe(reads);
});

test('reads: the status counts what is under way, and nothing stays behind', async () => {
  const cluster = await FreshCluster.start(fixture.servers);
  try {
    const clients = await Promise.all(Array.from({ length: 3 }, () => connect(cluster.url)));
    const slow = clients.map((client) => client.query('select pg_sleep(0.3)'));
    await expect
      .poll(async () => (await cluster.status()).members.reduce((sum, { load }) => sum + load, 0))
      .toBe(3);
    await Promise.all(slow);
    expect((await cluster.status()).members.map(({ load }) => load)).toEqual([0, 0, 0]);
  } finally {
    await cluster.stop();
  }
});
