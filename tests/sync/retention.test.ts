/** The commit log is kept for a bounded time and size, however long a member is away; who is away for longer is compared. */

import { expect, test } from 'vitest';
import type { Clock } from '../../src/base/index.ts';
import { LogRing } from '../../src/cluster/commits/log-ring.ts';
import { connect } from '../support/connect.ts';
import { waitFor, withServers } from '../support/index.ts';
import { FreshCluster } from '../failure/fresh-cluster.ts';
import { Load } from '../failure/load.ts';
import { judge } from '../failure/scenario.ts';
import { recordEvents } from './recorded-events.ts';

const fixture = withServers(2);
const MiB = 2 ** 20;

function ringOf(empty: (slot: number) => Promise<void> = () => Promise.resolve()) {
  let now = 0;
  const clock = { monotonicMs: () => now } as Clock;
  const emptied: number[] = [];
  const ring = new LogRing(
    {
      clock,
      segments: 8,
      segmentBytes: 1000,
      segmentMs: 60_000,
      empty: async (slot) => {
        await empty(slot);
        emptied.push(slot);
      },
    },
    6,
  );
  return { ring, emptied, pass: (ms: number) => (now += ms), settled: () => new Promise(setImmediate) };
}

test('sync: retention: the oldest segment is emptied before it is written to again, by size or by age', async () => {
  const { ring, emptied, pass, settled } = ringOf();
  ring.note(500);
  await settled();
  expect([ring.slot, emptied]).toEqual([6, []]);
  ring.note(500);
  await settled();
  expect([ring.slot, emptied]).toEqual([7, [7]]);
  pass(59_999);
  ring.note(1);
  await settled();
  expect(ring.slot).toBe(7);
  pass(1);
  ring.note(1);
  await settled();
  expect([ring.slot, emptied]).toEqual([0, [7, 0]]);
});

test('sync: retention: a segment that cannot be emptied is not written to, and is tried again', async () => {
  let fails = true;
  const { ring, emptied, settled } = ringOf(() =>
    fails ? Promise.reject(new Error('a member is busy')) : Promise.resolve(),
  );
  ring.note(2000);
  await settled();
  expect([ring.slot, emptied]).toEqual([6, []]);
  fails = false;
  ring.note(200);
  await settled();
  expect([ring.slot, emptied]).toEqual([7, [7]]);
});

test('sync: retention: the log of a primary stays small while a member is away for long, which then is compared', async () => {
  const events = recordEvents();
  const retentionBytes = 16 * MiB;
  const cluster = await FreshCluster.prepare(fixture.servers, {
    config: { sync: { automatic: true }, log: { retentionBytes } },
  });
  try {
    await cluster.startNode({ logger: events.logger });
    const primary = await cluster.primary();
    const [victim] = await cluster.replicas();
    const client = await connect(cluster.url);
    await client.query('create table wide (id int, t text)');
    await victim?.server.kill9();
    await cluster.untilInactive(victim?.id ?? '');

    const sizeOf = async (): Promise<number> =>
      Number(
        (
          await primary.ask(
            `select sum(pg_total_relation_size(relid)) from pg_partition_tree('lockstep.log')`,
          )
        )[0]?.[0],
      );
    let largest = 0;
    for (let megabyte = 0; megabyte < 48; megabyte++) {
      // Of text that no compression makes smaller by much.
      await client.query(
        `insert into wide select i, (select string_agg(md5(random()::text || i || n), '') from generate_series(1, 32) n) from generate_series(1, 1000) i`,
      );
      largest = Math.max(largest, await sizeOf());
    }
    process.stderr.write(`48 MB written: the log took ${Math.round(largest / MiB)} MiB at most\n`);
    expect(largest).toBeGreaterThan(retentionBytes / 4);
    // Each segment ends with the transaction that fills it, and these are half as large as a segment.
    expect(largest).toBeLessThan(retentionBytes * 2);
    const deleted = `select sum(n_tup_del) from pg_stat_user_tables where schemaname = 'lockstep' and relname ~ '^log_'`;
    expect(await primary.ask(deleted)).toEqual([['0']]);

    await victim?.server.start();
    await cluster.untilActive(victim?.id ?? '', 60_000);
    await waitFor(() => events.of('sync-ended').length > 0, { what: 'the end' });
    expect(events.of('sync-started').at(-1)).toMatchObject({
      strategy: 'diff',
      reason: expect.stringMatching(/^its log ends at CSN \d+, the cluster's begins at \d+$/),
    });
    await judge(cluster, new Load(cluster.url, { clients: 0 }), []);
  } finally {
    await cluster.stop();
  }
}, 120_000);
