/** Members that were away come back by themselves, while clients go on writing and notice nothing. */

import { test } from 'vitest';
import { withServers } from '../support/index.ts';
import { cyclesOr, playCycles } from './cycles.ts';

const fixture = withServers(3);
const cycles = cyclesOr(3);

test.each(['replica', 'primary'] as const)(
  'sync: replay: a %s that is killed comes back level under load, again and again',
  async (role) =>
    await playCycles(`${role} killed and back`, fixture.servers, {
      count: cycles,
      strategy: 'replay',
      victim: async (cluster) => {
        const [replica] = await cluster.replicas();
        if (replica === undefined) throw new Error('there is a replica');
        return role === 'primary' ? await cluster.primary() : replica;
      },
      away: async (_, victim, load) => {
        await load.more(400);
        await victim.server.start();
      },
    }),
  30_000 + cycles * 30_000,
);
