/** A server that has nothing becomes a member that has everything, while clients go on writing. */

import { test } from 'vitest';
import { dumpableServers } from '../support/dumpable.ts';
import { withServers } from '../support/index.ts';
import { cyclesOr, playCycles, replicaOrPrimary } from './cycles.ts';

const binaries = dumpableServers();
const fixture = withServers(3, binaries === undefined ? {} : { binaries });
const cycles = cyclesOr(1);

test.skipIf(binaries === undefined)(
  'sync: full: a member that comes back empty is copied under load',
  async () =>
    await playCycles('killed, empty, and back', fixture.servers, {
      count: cycles,
      strategy: 'full',
      proxied: true,
      victim: replicaOrPrimary,
      away: async (cluster, { server, proxy }, load) => {
        await load.more(100);
        // Another machine stands in its place: the old one is not seen again.
        await proxy?.refuse();
        await server.start();
        await server.query(`drop database ${cluster.database} with (force)`, undefined, 'postgres');
        await server.query(`create database ${cluster.database}`, undefined, 'postgres');
        await proxy?.accept();
      },
    }),
  60_000 + cycles * 40_000,
);
