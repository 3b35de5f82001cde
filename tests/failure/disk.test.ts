/** A replica whose disk is full. */

import { spawnSync } from 'node:child_process';
import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { whyNoSmallDisk } from '../../src/testing/index.ts';
import { connect } from '../support/connect.ts';
import { withServers } from '../support/index.ts';
import { FreshCluster } from './fresh-cluster.ts';
import { judge } from './scenario.ts';
import { Load } from './load.ts';

const missing = whyNoSmallDisk();
const fixture = withServers(2, missing === undefined ? { diskSizes: { 1: '72m' } } : {});

/** The log of the server stays on the large disk: without it a server stops altogether, here it must answer with the error. */
beforeAll(async () => {
  if (missing !== undefined) return;
  const server = fixture.server(1);
  await server.stop();
  const inside = join(server.dataDir, 'pg_wal');
  const outside = join(server.dir, 'wal');
  expect(spawnSync('cp', ['-a', inside, outside]).status).toBe(0);
  rmSync(inside, { recursive: true });
  symlinkSync(outside, inside);
  await server.start();
});

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
}, 60_000);
