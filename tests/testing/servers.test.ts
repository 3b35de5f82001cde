import { spawnSync } from 'node:child_process';
import { connect as connectSocket } from 'node:net';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  chooseLauncher,
  findPostgres,
  findPostgresTool,
  PlainClient,
  PostgresServer,
  startServers,
  whyNoSmallDisk,
  workingLaunchers,
} from '../../src/testing/index.ts';
import { connect, waitFor, withServers } from '../support/index.ts';

const homes: string[] = [];

async function makeHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'lockstep-test-'));
  homes.push(home);
  return home;
}

afterAll(async () => {
  for (const home of homes) await rm(home, { recursive: true, force: true });
});

const origins = (['embedded', 'system'] as const).filter(
  (prefer) => findPostgres({ prefer }).origin === prefer,
);

describe.each(origins)('servers: %s:', (prefer) => {
  const fixture = withServers(2, { binaries: findPostgres({ prefer }) });

  test('each server is one of its own, on loopback, with what was asked for', async () => {
    const identities = await Promise.all(
      fixture.servers.map((server) => server.query('select system_identifier from pg_control_system()')),
    );
    expect(new Set(identities.flat(2)).size).toBe(2);
    const client = await connect(fixture.server(0).url);
    const { rows } = await client.query<{
      version: string;
      fsync: string;
      listening: string;
      connections: string;
    }>(
      `select current_setting('server_version') as version, current_setting('fsync') as fsync,
        current_setting('listen_addresses') as listening, current_setting('max_connections') as connections`,
    );
    expect(rows[0]).toMatchObject({ fsync: 'off', listening: '127.0.0.1', connections: '200' });
    await client.end();
    expect(rows[0]?.version).toContain(fixture.server(0).binaries.version);
  });

  test('what was committed before a stop, of any kind, is there after the next start', async () => {
    const server = fixture.server(0);
    const { url } = server;
    await server.query('create table kept (n int)');
    const ends = [
      () => server.stop('smart'),
      () => server.stop('fast'),
      () => server.stop('immediate'),
      () => server.kill9(),
      () => server.kill9('postmaster'),
    ];
    for (const [number, end] of ends.entries()) {
      await server.query('insert into kept values ($1)', [String(number)]);
      await end();
      expect(server.running).toBe(false);
      await expect(server.query('select 1')).rejects.toThrow('ECONNREFUSED');
      await server.start();
    }
    expect(server.url).toBe(url);
    expect(await server.query('select n from kept order by n')).toEqual([['0'], ['1'], ['2'], ['3'], ['4']]);
  });

  test('kill -9 leaves no backend behind, not even one in the middle of a statement', async () => {
    const server = fixture.server(1);
    const client = await connect(server.url);
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    const sleeping = client.query('select pg_sleep(600)');
    const broken = expect(sleeping).rejects.toThrow();
    await waitFor(
      async () =>
        (
          await server.query(
            `select 1 from pg_stat_activity where query like '%sleep(600)' and state = 'active'`,
          )
        ).length > 0,
      { what: 'the statement to run' },
    );
    await server.kill9();
    await broken;
    // Gone, or ended and not yet asked about by whoever inherits orphans here (a zombie).
    const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(rows[0]?.pid)], { encoding: 'utf8' });
    expect(stdout).toMatch(/^(Z.*\n)?$/);
    await server.start();
    expect(await server.query('select 1')).toEqual([['1']]);
  });

  test('a paused server accepts connections and answers nothing, and goes on when it is resumed', async () => {
    const server = fixture.server(1);
    const client = await connect(server.url);
    await server.pause();
    let answered = false;
    const answer = client.query('select 1').then(() => (answered = true));
    const socket = connectSocket(server.port, '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.destroy();
    const address = { port: server.port, user: server.user, database: 'postgres', deadlineMs: 200 };
    await expect(PlainClient.connect(address)).rejects.toThrow('no answer within');
    expect(answered).toBe(false);
    server.resume();
    await answer;
    expect(answered).toBe(true);
  });

  test('a paused server can be stopped and killed', async () => {
    const server = fixture.server(1);
    for (const end of [() => server.stop('fast'), () => server.kill9()]) {
      await server.pause();
      await end();
      expect(server.running).toBe(false);
      await server.start();
    }
  });
});

describe('servers:', () => {
  test('a lock file that names a living stranger does not keep a killed server down', async () => {
    const [server] = await startServers(1, { durable: false });
    if (!server) throw new Error('no server');
    await server.kill9();
    const lock = join(server.dataDir, 'postmaster.pid');
    const [, ...rest] = (await readFile(lock, 'utf8')).split('\n');
    await writeFile(lock, [process.ppid, ...rest].join('\n'));
    await server.start();
    expect(await server.query('select 1')).toEqual([['1']]);
    await server.destroy();
  });

  test.each(['running', 'killed'])('one that was %s leaves no shared memory behind', async (how) => {
    const [server] = await startServers(1, { durable: false });
    if (!server) throw new Error('no server');
    const lock = await readFile(join(server.dataDir, 'postmaster.pid'), 'utf8');
    const [, id] = /^ *\d+ +(\d+) *$/m.exec(lock) ?? [];
    const segments = () => spawnSync('ipcs', ['-m'], { encoding: 'utf8' }).stdout.split(/\s+/);
    expect(segments()).toContain(id);
    if (how === 'killed') await server.kill9();
    await server.destroy();
    expect(segments()).not.toContain(id);
  });

  test('a directory that another server serves is refused', async () => {
    const dir = await makeHome();
    const first = await PostgresServer.create({ dir, durable: false });
    await first.start();
    const second = await PostgresServer.create({ dir, durable: false });
    await expect(second.start()).rejects.toMatchObject({ code: 'testing.directory-in-use' });
    await first.destroy();
  });

  test('a server that cannot start says why, with the end of its log', async () => {
    const dir = await makeHome();
    const server = await PostgresServer.create({ dir, settings: { max_connections: 'many' } });
    await expect(server.start()).rejects.toThrow('invalid value for parameter "max_connections": "many"');
    expect(server.running).toBe(false);
  });

  test('with a password, the right one is needed, and reserved characters in it are no trouble', async () => {
    const dir = await makeHome();
    const server = await PostgresServer.create({
      dir,
      user: 'app',
      password: 'p@ss/w:rd %',
      database: 'sh"op',
      durable: false,
    });
    await server.start();
    const client = await connect(server.url);
    const { rows } = await client.query('select current_user as who, current_database() as what');
    expect(rows).toEqual([{ who: 'app', what: 'sh"op' }]);
    await client.end();
    const address = { port: server.port, user: 'app', database: 'postgres' };
    await expect(PlainClient.connect({ ...address, password: 'wrong' })).rejects.toMatchObject({
      sqlState: '28P01',
    });
    await server.destroy();
  });

  test('made again in the same directory, a server has its port and its data', async () => {
    const dir = await makeHome();
    const first = await PostgresServer.create({ dir, durable: false });
    await first.start();
    await first.query('create table kept ()');
    await first.stop();
    const second = await PostgresServer.create({ dir, durable: false });
    await second.start();
    expect(second.url).toBe(first.url);
    expect(await second.query(`select to_regclass('kept')`)).toEqual([['kept']]);
    await second.destroy();
  });

  test('every way to launch a server that works for this account does so in a closed directory', async () => {
    const binaries = findPostgres();
    const launchers = workingLaunchers(binaries);
    expect(launchers).not.toHaveLength(0);
    expect(launchers[0]).toEqual(chooseLauncher(binaries));
    for (const launcher of launchers.filter(({ name }) => name !== 'account')) {
      const server = await PostgresServer.create({
        dir: join(await makeHome(), 'db'),
        launcher,
        durable: false,
      });
      await server.start();
      expect(await server.query('select 1')).toEqual([['1']]);
      await server.destroy();
    }
  });

  test('a statement error carries its SQLSTATE, and values go both ways unharmed', async () => {
    const [server] = await startServers(1, { durable: false });
    if (!server) throw new Error('no server');
    await expect(server.query('select 1/0')).rejects.toMatchObject({ sqlState: '22012', outcome: 'none' });
    expect(await server.query('select $1::text, $2::text, $3::int', ["it's ü\n", null, '7'])).toEqual([
      ["it's ü\n", null, '7'],
    ]);
    expect(await server.query('select 1; select 2 union all select 3')).toEqual([['2'], ['3']]);
    const [[long] = []] = await server.query(`select repeat('x', 3000000)`);
    expect(long).toHaveLength(3_000_000);
    await server.destroy();
  });

  test('a small disk fills up, for this server alone', async (context) => {
    const reason = whyNoSmallDisk();
    if (reason !== undefined) context.skip(reason);
    // Without a log of its rows the table meets the limit; with one, the log would, and the server would end.
    const settings = { wal_level: 'minimal', max_wal_senders: 0 };
    const servers = await startServers(2, { durable: false, diskSizes: { 1: '96m' }, settings });
    const fill = `create table big as select md5(i::text) as a, md5(i::text) as b from generate_series(1, 2000000) i`;
    await expect(servers[1]?.query(fill)).rejects.toMatchObject({ sqlState: '53100' });
    expect(await servers[0]?.query('select 1')).toEqual([['1']]);
    for (const server of servers) await server.destroy();
  });

  test('a missing version is named, with the cure', () => {
    expect(() => findPostgres({ major: 7 })).toThrow('no PostgreSQL 7 was found');
    expect(findPostgresTool('no-such-tool')).toBeUndefined();
  });

  test('destroy leaves nothing', async () => {
    const dir = join(await makeHome(), 'db');
    const server = await PostgresServer.create({ dir, durable: false });
    await server.start();
    await server.destroy();
    await expect(stat(dir)).rejects.toThrow('ENOENT');
  });
});
