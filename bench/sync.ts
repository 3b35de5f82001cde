/** How long it takes to make a member from nothing, and to find and repair differences, against pg_dump and pg_restore of the same data. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PostgresCatalog, PostgresDataSync, PostgresMember } from '../src/dialects/postgres/index.ts';
import { openSpool } from '../src/dialects/spool.ts';
import type { SyncJob } from '../src/dialects/sync-contract.ts';
import { findPostgresTool } from '../src/testing/index.ts';
import type { PostgresServer } from '../src/testing/index.ts';
import type { BenchOptions } from './options.ts';
import { user } from './pgbench.ts';
import type { Stage } from './stage.ts';

export interface SyncResult {
  readonly way: string;
  /** One for each round. */
  readonly seconds: readonly number[];
  readonly rows: number;
  readonly bytes: number;
  /** What this process grew by at most, in the worst round. */
  readonly grownBytes: number;
}

const run = promisify(execFile);
const clusterId = 'bench';
const term = 1;
const source = 'b_sync';
const differingRows = 100;

/** Wide and narrow rows, several types, keys and indexes; a part without a key. */
const tables = (rows: number): readonly string[] =>
  `
  CREATE TABLE orders AS SELECT i AS id, 1 + i % 1000 AS customer, md5(i::text) AS reference, (i % 10000) / 100.0 AS total,
    '2024-01-01'::timestamptz + i * interval '1 minute' AS at, CASE WHEN i % 3 = 0 THEN 'open' ELSE 'paid' END AS state, repeat('note ', i % 20) AS note
    FROM generate_series(1, ${rows}) i;
  ALTER TABLE orders ADD PRIMARY KEY (id); CREATE INDEX ON orders (customer, at); CREATE INDEX ON orders (reference);
  CREATE TABLE lines AS SELECT i / 3 AS order_id, i % 7 AS amount, i * 1.1::float8 AS price, gen_random_uuid() AS item FROM generate_series(3, ${rows} * 2) i;
  CREATE INDEX ON lines (order_id);
  CREATE TABLE events AS SELECT now() - i * interval '1 s' AS at, jsonb_build_object('kind', i % 5, 'who', 'user ' || i) AS what FROM generate_series(1, ${rows}) i`.split(
    ';',
  );

type Way = (round: number) => Promise<void>;

export async function measureSync(stage: Stage, options: BenchOptions): Promise<readonly SyncResult[]> {
  const [from, to] = stage.servers;
  if (from === undefined || to === undefined) throw new Error('two servers are needed');
  await from.query(`drop database if exists ${source} with (force)`, undefined, 'postgres');
  await from.query(`create database ${source}`, undefined, 'postgres');
  for (const statement of tables(options.scale * 50_000)) await from.query(statement, undefined, source);
  await from.query('vacuum analyze', undefined, source);
  const here = memberOn(from, source, stage);
  await here.enroll({ clusterId, version: 1, active: ['db1'], baseCsn: 1 });
  await here.raiseTerm(term);
  const [[rows, bytes] = []] = await from.query(
    `select sum(n_live_tup), sum(pg_table_size(relid)) from pg_stat_user_tables where schemaname = 'public'`,
    undefined,
    source,
  );

  const target = 'b_sync_target';
  const emptied = async (): Promise<void> => {
    await to.query(`drop database if exists ${target} with (force)`, undefined, 'postgres');
    await to.query(`create database ${target}`, undefined, 'postgres');
    await to.query('checkpoint', undefined, 'postgres');
  };
  const there = memberOn(to, target, stage);
  const sync = new PostgresDataSync({ pgDump: undefined, environment: process.env });
  const ways: Readonly<Record<string, { readonly prepare: () => Promise<unknown>; readonly run: Way }>> = {
    'pg_dump, pg_restore': { prepare: emptied, run: () => dumpAndRestore(from, to, target) },
    full: { prepare: emptied, run: () => synchronise(sync, 'full', here, there) },
    'diff, all equal': {
      prepare: () => Promise.resolve(),
      run: () => synchronise(sync, 'diff', here, there),
    },
    [`diff, ${differingRows} rows differ`]: {
      prepare: () =>
        to.query(
          `set session_replication_role = replica; update orders set note = 'changed' where id % (select max(id) / ${differingRows} from orders) = 0`,
          undefined,
          target,
        ),
      run: () => synchronise(sync, 'diff', here, there),
    },
  };
  const results = new Map<string, { seconds: number[]; grown: number }>();
  for (let round = 0; round < options.rounds; round++) {
    for (const [name, way] of Object.entries(ways)) {
      await way.prepare();
      const found = results.get(name) ?? { seconds: [], grown: 0 };
      results.set(name, found);
      const before = process.memoryUsage.rss();
      let highest = before;
      const timer = setInterval(() => (highest = Math.max(highest, process.memoryUsage.rss())), 100);
      const started = performance.now();
      await way.run(round);
      found.seconds.push((performance.now() - started) / 1000);
      clearInterval(timer);
      found.grown = Math.max(found.grown, highest - before);
      console.log(`sync ${name}: ${found.seconds.at(-1)?.toFixed(1)} s`);
    }
  }
  await stage.dropDatabases([source, target]);
  return [...results].map(([way, { seconds, grown }]) => ({
    way,
    seconds,
    rows: Number(rows),
    bytes: Number(bytes),
    grownBytes: grown,
  }));
}

function memberOn(server: PostgresServer, database: string, stage: Stage): PostgresMember {
  const id = database === source ? 'db1' : 'db2';
  const address = {
    memberId: id,
    host: '127.0.0.1',
    port: server.port,
    tls: { mode: 'disable' },
    connectMs: 5000,
  } as const;
  const directory = join(stage.dir, 'spool');
  return new PostgresMember(
    { id, address, database, user, password: undefined, maxMessageBytes: 0x7fffffff },
    {
      catalog: new PostgresCatalog(),
      spool: () => openSpool({ directory, memoryBytes: 1 << 20 }),
      primaryId: () => '',
    },
  );
}

async function synchronise(
  sync: PostgresDataSync,
  strategy: 'diff' | 'full',
  here: PostgresMember,
  there: PostgresMember,
): Promise<void> {
  const snapshot = await sync.openSnapshot(here);
  try {
    await sync.markIncomplete(there, 'a benchmark', { clusterId, term });
    const nothing = () => Promise.resolve();
    const job: SyncJob = {
      source: here,
      snapshot,
      target: there,
      term,
      keeper: { keep: nothing, flush: nothing },
      control: {
        signal: new AbortController().signal,
        pieceBytesMax: Number.POSITIVE_INFINITY,
        pace: nothing,
        progress: () => undefined,
      },
      dryRun: false,
    };
    await sync[strategy](job);
    await sync.conclude(there, here, { csn: snapshot.csn, term, version: 1 });
  } finally {
    snapshot.close();
  }
}

async function dumpAndRestore(from: PostgresServer, to: PostgresServer, target: string): Promise<void> {
  const [pgDump, pgRestore] = [findPostgresTool('pg_dump'), findPostgresTool('pg_restore')];
  const command = `'${pgDump}' -h 127.0.0.1 -p ${from.port} -U ${user} -Fc -Z0 -N lockstep ${source} | '${pgRestore}' -h 127.0.0.1 -p ${to.port} -U ${user} -d ${target}`;
  // The capture triggers call functions that are not there: pg_restore says so and goes on.
  await run('sh', ['-c', command], { maxBuffer: 1 << 26 }).catch((error: unknown) => {
    if (!/!lockstep/.test(String((error as { stderr?: string }).stderr))) throw error;
  });
}
