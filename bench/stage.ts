/**
 * Three PostgreSQL servers with the same settings, and on them a set of databases for each system: all systems use the
 * same processes, one at a time, and none can disturb another's rows.
 */

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { findPostgres, startServers } from '../src/testing/index.ts';
import type { PostgresServer } from '../src/testing/index.ts';
import type { Address } from './pgbench.ts';
import { makeTables, user } from './pgbench.ts';

/**
 * Durable as in production (fsync, synchronous_commit and full_page_writes are on). The buffers hold all databases of a
 * server, so that no system finds its pages pushed out by the one measured before it; no checkpoint falls into a round
 * except the ones that the benchmark asks for between cells.
 */
export const settings = {
  max_connections: 1200,
  shared_buffers: '1GB',
  max_wal_size: '8GB',
  checkpoint_timeout: '1h',
} as const;

export class Stage {
  readonly dir: string;
  readonly servers: readonly PostgresServer[];

  private constructor(dir: string, servers: readonly PostgresServer[]) {
    this.dir = dir;
    this.servers = servers;
  }

  /** In a directory that may hold the servers of an earlier stage. */
  static async open(dir: string, further: Readonly<Record<string, string>> = {}): Promise<Stage> {
    // The system's, so that pgbench and servers are of one version.
    const binaries = findPostgres({ prefer: 'system' });
    const servers = await startServers(3, { dir, user, binaries, settings: { ...settings, ...further } });
    return new Stage(dir, servers);
  }

  get version(): string {
    return this.servers[0]?.binaries.version ?? 'unknown';
  }

  /** A fresh set of databases with pgbench's tables, one on each of the first `count` servers. */
  async makeDatabases(count: number, database: string, scale: number): Promise<readonly Address[]> {
    const servers = this.servers.slice(0, count);
    const template = `bench_scale_${scale}`;
    await Promise.all(
      servers.map(async (server) => {
        await ensureTemplate(server, template, scale);
        await server.query(`drop database if exists ${database} with (force)`, undefined, 'postgres');
        const copy = server.binaries.major >= 15 ? 'strategy file_copy' : '';
        await server.query(`create database ${database} template ${template} ${copy}`, undefined, 'postgres');
      }),
    );
    return servers.map(({ port }) => ({ port, database }));
  }

  async dropDatabases(databases: readonly string[]): Promise<void> {
    for (const server of this.servers) {
      for (const name of databases) {
        await server.query(`drop database if exists ${name} with (force)`, undefined, 'postgres');
      }
    }
  }

  /** The same upkeep for everybody, between cells: the two small tables that every transaction updates, and a checkpoint. */
  async tidy(databases: readonly Address[]): Promise<void> {
    await Promise.all(
      this.servers.map(async (server) => {
        const here = databases.filter(({ port }) => port === server.port).map(({ database }) => database);
        for (const database of new Set(here)) {
          for (const table of ['pgbench_branches', 'pgbench_tellers'])
            await server.query(`vacuum ${table}`, undefined, database);
        }
        await server.query('checkpoint');
      }),
    );
  }

  serverAt(address: Address): PostgresServer {
    const server = this.servers.find(({ port }) => port === address.port);
    if (!server) throw new Error(`no server of the stage has port ${address.port}`);
    return server;
  }

  /** For the configuration, state and log of one system. */
  emptyDirectory(name: string): string {
    const directory = join(this.dir, name);
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory);
    return directory;
  }

  async close(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop('fast')));
  }
}

/** pgbench's tables are the same rows wherever it makes them, so the databases of a set start equal. */
async function ensureTemplate(server: PostgresServer, template: string, scale: number): Promise<void> {
  const sql = 'select 1 from pg_database where datname = $1';
  if ((await server.query(sql, [template], 'postgres')).length > 0) return;
  const unfinished = `${template}_new`;
  await server.query(`drop database if exists ${unfinished}`, undefined, 'postgres');
  await server.query(`create database ${unfinished}`, undefined, 'postgres');
  await makeTables({ port: server.port, database: unfinished }, scale);
  await server.query(`alter database ${unfinished} rename to ${template}`, undefined, 'postgres');
}
