/**
 * What a schema statement costs through Lockstep over three members against the same statement on one server, whatever the
 * number of tables, and where catalogs were never analyzed. Words: `schema [--tables 1,300,3000] [--rounds 15] [--trace]`.
 * `--trace` shows, for one statement of each kind, what each server was asked and how long it took.
 */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findPostgres, PlainClient, startServers } from '../src/testing/index.ts';
import type { PostgresServer } from '../src/testing/index.ts';
import { user } from './pgbench.ts';
import { startLockstep } from './systems/lockstep.ts';

/** In this order: each finds what those before have made. */
const statements: readonly (readonly [name: string, sql: (n: number) => string])[] = [
  ['CREATE TABLE', (n) => `create table made_${n} (id serial primary key, v text)`],
  ['ADD COLUMN', (n) => `alter table made_${n} add w int`],
  ['CREATE INDEX', (n) => `create index on made_${n} (v)`],
  ['COMMENT', (n) => `comment on table made_${n} is 'made'`],
  ['CREATE VIEW', (n) => `create view seen_${n} as select id, v from made_${n}`],
  ['CREATE FUNCTION', (n) => `create function f_${n} (a int) returns int language sql as 'select a + ${n}'`],
  ['DROP VIEW', (n) => `drop view seen_${n}`],
  ['DROP TABLE', (n) => `drop table made_${n}`],
];

const settings = {
  autovacuum: 'off',
  log_line_prefix: '%m [%p] %d ',
} as const;

export async function measureSchema(words: readonly string[], program: string): Promise<void> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      tables: { type: 'string', default: '1,300,3000' },
      rounds: { type: 'string', default: '15' },
      trace: { type: 'boolean', default: false },
    },
  });
  const dir = mkdtempSync(join(tmpdir(), 'bench-schema-'));
  const binaries = findPostgres({ prefer: 'system' });
  const servers = await startServers(3, { dir, user, binaries, settings });
  try {
    console.log(`PostgreSQL ${binaries.version}; medians in milliseconds: direct, Lockstep, ratio`);
    for (const tables of values.tables.split(',').map(Number))
      for (const analyzed of [true, false]) {
        const what = { tables, analyzed, rounds: Number(values.rounds), trace: values.trace };
        await measureOne(servers, dir, program, what);
      }
  } finally {
    await Promise.all(servers.map((server) => server.destroy()));
    rmSync(dir, { recursive: true, force: true });
  }
}

interface What {
  readonly tables: number;
  readonly analyzed: boolean;
  readonly rounds: number;
  readonly trace: boolean;
}

async function measureOne(
  servers: readonly PostgresServer[],
  dir: string,
  program: string,
  { tables, analyzed, rounds, trace }: What,
): Promise<void> {
  const name = `s_${tables}_${analyzed ? 'analyzed' : 'new'}`;
  const direct = `${name}_direct`;
  const make = `do $$ begin for i in 1 .. ${tables} loop execute format('create table t_%s (id serial primary key, a int, b text, c date)', i); if i % 100 = 0 then commit; end if; end loop; end $$`;
  const databases = servers.map(({ port }) => ({ port, database: name }));
  for (const [at, server] of servers.entries())
    for (const database of at === 0 ? [name, direct] : [name]) {
      await server.query(`create database ${database}`, undefined, 'postgres');
      await server.query(make, undefined, database);
    }
  const home = join(dir, name);
  mkdirSync(home);
  const system = await startLockstep(databases, { dir: home, program, clientsMax: 10 });
  const [target] = system.targets;
  const [first] = servers;
  if (target === undefined || first === undefined) throw new Error('there is nothing to be measured');
  if (analyzed)
    for (const [at, server] of servers.entries())
      for (const database of at === 0 ? [name, direct] : [name]) {
        const client = await PlainClient.connect({ port: server.port, user, database, deadlineMs: 120_000 });
        await client.query('vacuum analyze');
        client.close();
      }
  const one = await PlainClient.connect({ port: first.port, user, database: direct, deadlineMs: 300_000 });
  const three = await PlainClient.connect({ ...target, user, deadlineMs: 300_000 });
  const took = new Map<string, { readonly direct: number[]; readonly lockstep: number[] }>();
  try {
    for (let round = -2; round < rounds; round++)
      for (const [kind, sql] of statements) {
        const directMs = await timed(one, sql(round + 2));
        const lockstepMs = await timed(three, sql(round + 2));
        if (round < 0) continue;
        const found = took.get(kind) ?? { direct: [], lockstep: [] };
        took.set(kind, found);
        found.direct.push(directMs);
        found.lockstep.push(lockstepMs);
      }
    console.log(`\n${tables} tables, catalogs ${analyzed ? 'analyzed' : 'never analyzed'}`);
    for (const [kind, found] of took) {
      const [a, b] = [median(found.direct), median(found.lockstep)];
      console.log(
        `  ${kind.padEnd(16)} ${a.toFixed(1).padStart(7)} ${b.toFixed(1).padStart(7)} ${(b / a).toFixed(1).padStart(6)} ×`,
      );
    }
    if (trace) await traceOne(servers, name, three, rounds + 2);
  } finally {
    one.close();
    three.close();
    await system.stop();
    for (const server of servers)
      for (const database of server === first ? [name, direct] : [name])
        await server.query(`drop database ${database} with (force)`, undefined, 'postgres');
  }
}

async function timed(client: PlainClient, sql: string): Promise<number> {
  const started = performance.now();
  await client.query(sql);
  return performance.now() - started;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** What the servers log of one round. */
async function traceOne(
  servers: readonly PostgresServer[],
  database: string,
  client: PlainClient,
  n: number,
): Promise<void> {
  for (const server of servers) {
    await server.query(
      `alter database ${database} set log_min_duration_statement = 0`,
      undefined,
      'postgres',
    );
    await server.query('alter system set log_min_duration_statement = 0', undefined, 'postgres');
    await server.query('select pg_reload_conf()', undefined, 'postgres');
  }
  await client.query('select pg_sleep(0.3)');
  for (const [kind, sql] of statements) {
    const from = servers.map((server) => statSync(join(server.dir, 'server.log')).size);
    const ms = await timed(client, sql(n));
    await client.query('select pg_sleep(0.1)');
    console.log(`\n    ${kind}: ${ms.toFixed(1)} ms`);
    for (const [at, server] of servers.entries()) {
      const log = readFileSync(join(server.dir, 'server.log')).subarray(from[at]).toString();
      for (const line of log.split('\n'))
        if (line.includes('duration:') && line.includes(` ${database} `) && !line.includes('pg_sleep'))
          console.log(`      db${at + 1} ${line.slice(11, 200)}`);
    }
  }
  for (const server of servers)
    await server.query('alter system reset log_min_duration_statement', undefined, 'postgres');
}
