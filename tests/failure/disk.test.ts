/** A replica whose disk is full. */

import { expect, test } from 'vitest';
import { whyNoSmallDisk } from '../../src/testing/index.ts';
import { connect } from '../support/connect.ts';
import { withServers } from '../support/index.ts';
import { FreshCluster } from './fresh-cluster.ts';
import { judge } from './scenario.ts';
import { Load } from './load.ts';

const missing = whyNoSmallDisk();
const fixture = withServers(
  2,
  missing === undefined
    ? {
        settings: { wal_level: 'minimal', max_wal_senders: 0, max_wal_size: '32MB' },
        diskSizes: { 1: '128m' },
      }
    : {},
);

test('disk: a replica without space is taken out with that reason, and nobody notices', async (context) => {
  if (missing !== undefined) context.skip(missing);
  const cluster = await FreshCluster.start(fixture.servers);
  try {
    const load = await new Load(cluster.url, { clients: 4 }).start();
    await load.more(50);
    const filler = await connect(cluster.url);
    await filler.query('create table filling (id int primary key, filler text)');
    let reason = '';
    for (let block = 0; block < 100 && reason === ''; block++) {
      await filler.query(
        `insert into filling select $1 * 1000 + n, (select string_agg(md5(random()::text || n || m), '') from generate_series(1, 60) m) from generate_series(1, 1000) n`,
        [block],
      );
      const found = (await cluster.status()).members.find(({ id }) => id === 'db2');
      reason = found?.reason ?? '';
    }
    expect(reason).toMatch(/No space left on device/);
    await load.more(50);
    await load.stop();
    process.stderr.write(
      `disk full on a replica: ${load.done} operations, ${load.errors.length} errors, longest pause ${load.longestMs} ms\n`,
    );
    expect(load.errors).toEqual([]);
    await judge(cluster, load, ['db2']);
  } finally {
    await cluster.stop();
  }
});
