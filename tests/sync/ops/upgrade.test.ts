/** The drill of docs/guide/upgrade.md: members of a major version become members of a later one, while clients write. */

import { afterEach, describe, expect, test } from 'vitest';
import { findPostgres } from '../../../src/testing/index.ts';
import type { PostgresServer } from '../../../src/testing/index.ts';
import { findFaults } from '../../failure/check-members.ts';
import { FreshCluster } from '../../failure/fresh-cluster.ts';
import { Load } from '../../failure/load.ts';
import { dumpableServers } from '../../support/dumpable.ts';
import { withServers } from '../../support/index.ts';
import { lockstep } from './lockstep-program.ts';
import type { Ended } from './lockstep-program.ts';

const older = dumpableServers();
const newer = findPostgres();
const missing = older === undefined || older.major >= newer.major;

describe.skipIf(missing)('ops: a major upgrade', () => {
  const old = withServers(2, older === undefined ? {} : { binaries: older });
  const next = withServers(2);
  let cluster: FreshCluster;
  afterEach(() => cluster.stop());

  const good = async (...words: readonly string[]): Promise<Ended> => {
    const ended = await lockstep(cluster, ...words);
    expect(ended, ended.stderr).toMatchObject({ status: 0 });
    return ended;
  };
  const askOf = (server: PostgresServer) => (sql: string) => server.query(sql, undefined, cluster.database);

  test('ops: two old members become two new ones, and no client notices', async () => {
    cluster = await FreshCluster.start(old.servers);
    const load = await new Load(cluster.url, { clients: 6 }).start();
    await load.more(100);
    load.watchPauses();

    for (const [index, server] of next.servers.entries()) {
      await server.query(`create database ${cluster.database}`, undefined, 'postgres');
      const [joins, leaves] = [`db${index + 3}`, `db${index + 1}`];
      // What is copied from is a replica: the last old one, of whose version the machine's pg_dump is.
      if (index === 1) await good('switch-primary', 'db3');
      const url = `postgres://127.0.0.1:${server.port}/${cluster.database}`;
      const added = await good('member', 'add', '--id', joins, '--url', url);
      expect(added.stdout).toMatch(/by full from db[12]: /);
      await load.more(100);
      // Across versions too.
      await good('verify');
      await good('member', 'remove', leaves);
      await load.more(100);
    }

    await load.stop();
    process.stderr.write(
      `upgrade ${older?.major} to ${newer.major}: ${load.done} operations, ${load.errors.length} errors, longest pause ${load.longestMs} ms\n`,
    );
    expect(load.errors).toEqual([]);
    const { members } = await cluster.status();
    const version = expect.stringMatching(new RegExp(`^${newer.major}\\.`));
    expect(members).toMatchObject([
      { id: 'db3', active: true, version },
      { id: 'db4', active: true, version },
    ]);
    const checked = next.servers.map((server, index) => ({ id: `db${index + 3}`, ask: askOf(server) }));
    expect(await findFaults(load, checked)).toEqual([]);
  }, 120_000);

  test('ops: copying from a newer member with older tools is refused, with what to install', async () => {
    cluster = await FreshCluster.start(next.servers.slice(0, 1));
    const [server] = old.servers;
    if (server === undefined) throw new Error('there is an old server');
    await server.query(`create database ${cluster.database}`, undefined, 'postgres');
    const url = `postgres://127.0.0.1:${server.port}/${cluster.database}`;
    const added = await lockstep(cluster, 'member', 'add', '--id', 'db2', '--url', url);
    expect(added.status).toBe(4);
    expect(added.stderr).toContain(`no pg_dump of version ${newer.major} or newer on this machine`);
    expect(added.stderr).toContain(`postgresql-client-${newer.major}`);
  }, 60_000);
});
