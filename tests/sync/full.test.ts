/** A server that has nothing becomes a member that has everything, while clients go on writing. */

import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { findPostgres, findPostgresTool } from '../../src/testing/index.ts';
import type { PostgresBinaries } from '../../src/testing/index.ts';
import { withServers } from '../support/index.ts';
import { FreshCluster } from '../failure/fresh-cluster.ts';
import { Load } from '../failure/load.ts';
import { judge } from '../failure/scenario.ts';

/** Of the version of the pg_dump that is there: a newer server it cannot read. */
const binaries = systemPostgres();
const fixture = withServers(3, binaries === undefined ? {} : { binaries });
const cycles = Number(process.env['SYNC_CYCLES'] ?? 1);

function systemPostgres(): PostgresBinaries | undefined {
  const pgDump = findPostgresTool('pg_dump');
  if (pgDump === undefined) return undefined;
  const major = Number(/\d+/.exec(execFileSync(pgDump, ['--version']).toString())?.[0]);
  return findPostgres({ prefer: 'system', major });
}

test.skipIf(binaries === undefined)(
  'sync: full: a member that comes back empty is copied under load',
  async () => {
    const cluster = await FreshCluster.start(fixture.servers, {
      config: { sync: { quarantineFailures: 1000 } },
    });
    try {
      const load = await new Load(cluster.url, { clients: 8 }).start();
      await load.more(200);
      load.watchPauses();
      for (let cycle = 0; cycle < cycles; cycle++) {
        const victim = cycle % 2 === 0 ? (await cluster.replicas())[0] : await cluster.primary();
        if (victim === undefined) throw new Error('there is a replica');
        await victim.server.kill9();
        await cluster.untilInactive(victim.id);
        await load.more(100);
        await victim.server.start();
        // Another machine stands in its place.
        await victim.server.query(`drop database ${cluster.database} with (force)`, undefined, 'postgres');
        await victim.server.query(`create database ${cluster.database}`, undefined, 'postgres');
        await cluster.untilActive(victim.id, 60_000);
        await load.more(100);
      }
      await load.stop();
      process.stderr.write(
        `killed, empty, and back, ${cycles} times: ${load.done} operations, ${load.errors.length} errors, longest pause ${load.longestMs} ms\n`,
      );
      expect(load.errors).toEqual([]);
      await judge(cluster, load, []);
    } finally {
      await cluster.stop();
    }
  },
  60_000 + cycles * 40_000,
);
