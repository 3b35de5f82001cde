/**
 * A thousand tables, a gigabyte: a new member is made of it, and healed, and the node's memory stays flat. By command, because it takes
 * minutes: `SYNC_LARGE=1 npx vitest run tests/sync/large.test.ts`.
 */

import { expect, test } from 'vitest';
import type { SyncReport } from '../../src/admin/index.ts';
import { FreshCluster } from '../failure/fresh-cluster.ts';
import { dumpableServers } from '../support/dumpable.ts';
import { startNodeProcess, withServers } from '../support/index.ts';
import { lockstep } from './ops/lockstep-program.ts';

const binaries = dumpableServers();
const wanted = process.env['SYNC_LARGE'] !== undefined && binaries !== undefined;
const MiB = 2 ** 20;
const tablesCount = 1000;
const rowsPerTable = 1000;
/** Patient: the servers share the machine with what they copy. */
const probe = { intervalMs: 2000, timeoutMs: 5000, threshold: 5 };

/** About a kilobyte a row. */
const tablesFrom = (
  first: number,
  count: number,
): string => `do $$ begin for n in ${first} .. ${first + count - 1} loop
  execute format('create table t%s (id int primary key, a text, at timestamptz default now())', n);
  execute format('insert into t%s select i, repeat(md5(i::text), 30) from generate_series(1, ${rowsPerTable}) i', n);
end loop; end $$`;

test.skipIf(!wanted)(
  'sync: large: a thousand tables and a gigabyte are copied, compared and repaired with little memory',
  async () => {
    const servers = fixture.servers;
    const cluster = await FreshCluster.prepare(servers.slice(0, 1), { schema: 'select' });
    const [{ ask } = expect.fail()] = cluster.members;
    for (let first = 1; first <= tablesCount; first += 25) await ask(tablesFrom(first, 25));
    const [[bytes] = []] = await ask('select pg_database_size(current_database())');
    const node = await startNodeProcess(servers, { ...cluster.nodeOptions({ probe }), dir: cluster.dir });
    const there = servers[1] ?? expect.fail();
    await there.query(`create database ${cluster.database}`, undefined, 'postgres');
    const url = `postgres://127.0.0.1:${there.port}/${cluster.database}`;
    try {
      const before = await node.residentBytes();
      let highest = before;
      const watched = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
        const since = performance.now();
        let most = 0;
        const timer = setInterval(() => {
          void node.residentBytes().then((now) => (most = Math.max(most, now)));
        }, 50);
        try {
          return await work();
        } finally {
          clearInterval(timer);
          highest = Math.max(highest, most);
          process.stderr.write(
            `${what}: ${((performance.now() - since) / 1000).toFixed(0)} s, the node took ${Math.round(most / MiB)} MiB at most (${Math.round(before / MiB)} before)\n`,
          );
        }
      };
      process.stderr.write(`${tablesCount} tables, ${Math.round(Number(bytes) / MiB)} MiB\n`);
      const added = await watched('full', () =>
        lockstep(cluster, 'member', 'add', '--id', 'db2', '--url', url),
      );
      expect(added, added.stderr.slice(-500)).toMatchObject({
        status: 0,
        stdout: expect.stringContaining('by full from db1'),
      });
      const equal = await watched('verification', () => lockstep(cluster, 'verify'));
      expect(equal).toMatchObject({ status: 0 });
      await lockstep(cluster, 'member', 'deactivate', 'db2');
      await there.query(
        `set lockstep.guard = off; update t7 set a = 'x' where id <= 10; delete from t999 where id = 5`,
        undefined,
        cluster.database,
      );
      const healed = await watched('diff', () => lockstep(cluster, 'sync', 'db2', '--json'));
      expect(healed.status, healed.stderr).toBe(0);
      const { strategy, rows } = JSON.parse(healed.stdout) as SyncReport & { rows: number };
      expect([strategy, rows]).toEqual(['diff', 21]);
      expect(highest - before).toBeLessThan(192 * MiB);
    } finally {
      await node.stop();
      await cluster.stop();
    }
  },
  1_800_000,
);

// Servers are started for it only.
const fixture = withServers(wanted ? 2 : 0, {
  ...(binaries !== undefined && { binaries }),
  settings: { max_locks_per_transaction: 256, max_wal_size: '4GB' },
});
