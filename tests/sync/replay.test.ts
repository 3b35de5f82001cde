/** Members that were away come back by themselves, while clients go on writing and notice nothing. */

import { expect, test } from 'vitest';
import { withServers } from '../support/index.ts';
import { FreshCluster } from '../failure/fresh-cluster.ts';
import { Load } from '../failure/load.ts';
import { judge } from '../failure/scenario.ts';

const fixture = withServers(3);
const cycles = Number(process.env['SYNC_CYCLES'] ?? 3);

test.each(['replica', 'primary'] as const)(
  'sync: replay: a %s that is killed comes back level under load, again and again',
  async (role) => {
    const cluster = await FreshCluster.start(fixture.servers, {
      config: { sync: { quarantineFailures: 1000 } },
    });
    try {
      const load = await new Load(cluster.url, { clients: 8 }).start();
      await load.more(100);
      load.watchPauses();
      for (let cycle = 0; cycle < cycles; cycle++) {
        const [replica] = await cluster.replicas();
        const victim = role === 'primary' ? await cluster.primary() : replica;
        if (victim === undefined) throw new Error('there is a replica');
        await victim.server.kill9();
        await cluster.untilInactive(victim.id);
        await load.more(400);
        await victim.server.start();
        await cluster.untilActive(victim.id);
        await load.more(100);
      }
      await load.stop();
      process.stderr.write(
        `${role} killed and back, ${cycles} times: ${load.done} operations, ${load.errors.length} errors, longest pause ${load.longestMs} ms\n`,
      );
      expect(load.errors).toEqual([]);
      await judge(cluster, load, []);
    } finally {
      await cluster.stop();
    }
  },
  30_000 + cycles * 20_000,
);
