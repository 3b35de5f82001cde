/** No member answers: who waits is told, in time and truthfully. */

import { expect, test } from 'vitest';
import { connect } from '../support/connect.ts';
import { waitFor, withServers } from '../support/index.ts';
import { FreshCluster } from './fresh-cluster.ts';

const fixture = withServers(2);

function codeOf(settled: PromiseSettledResult<unknown>): string {
  if (settled.status === 'fulfilled') return 'answered';
  return (settled.reason as { code?: string }).code ?? String(settled.reason);
}

test('outage: clients that wait are told so, and a commit in doubt is settled on all members alike', async () => {
  const cluster = await FreshCluster.start(fixture.servers, { config: { deadlines: { outageMs: 1500 } } });
  try {
    const committing = await connect(cluster.url);
    const asking = await connect(cluster.url);
    const writing = await connect(cluster.url);
    await committing.query('begin');
    await committing.query('update accounts set balance = balance + 1 where id = 1');
    for (const client of [asking, writing]) await client.query('select 1');
    await Promise.all(fixture.servers.map((server) => server.pause()));

    const told = await Promise.allSettled([
      committing.query('commit'),
      asking.query('select count(*) from accounts'),
      writing.query('update accounts set balance = balance + 1 where id = 2'),
      connect(cluster.url),
    ]);
    expect(told.map(codeOf)).toEqual(['08007', '08006', '08006', '08006']);

    for (const server of fixture.servers) server.resume();
    const [balances] =
      (await waitFor(
        async () => {
          const found = await Promise.all(
            cluster.members.map(({ ask }) => ask('select balance from accounts where id <= 2 order by id')),
          );
          const [one, other] = found.map((rows) => JSON.stringify(rows));
          return one === other ? found : undefined;
        },
        { what: 'the members to be equal' },
      )) ?? [];
    // Nobody has promised anything of the first; the second was never acknowledged, and its client was told that nothing happened.
    expect(['1000', '1001']).toContain(balances?.[0]?.[0]);
    expect(balances?.[1]).toEqual(['1000']);
    const later = await connect(cluster.url);
    await later.query('update accounts set balance = balance where id = 1');
  } finally {
    for (const server of fixture.servers) server.resume();
    await cluster.stop();
  }
});
