/** A database joins a cluster that works, through the program itself, on real members. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { ClusterStatus, MemberStatus } from '../../../src/admin/index.ts';
import { compareMembers } from '../../../src/testing/index.ts';
import type { PostgresServer } from '../../../src/testing/index.ts';
import { FreshCluster } from '../../failure/fresh-cluster.ts';
import { dumpableServers } from '../../support/dumpable.ts';
import { pgbench, startNodeProcess, waitFor, whyNoTool, withServers } from '../../support/index.ts';
import { lockstep } from './lockstep-program.ts';

const binaries = dumpableServers();
const missing =
  binaries === undefined ? 'there is no pg_dump for servers on this machine' : whyNoTool('pgbench');

describe.skipIf(missing !== undefined)('ops: member add', () => {
  const fixture = withServers(3, binaries === undefined ? {} : { binaries });
  let cluster: FreshCluster;
  afterEach(() => cluster.stop());

  const ask = (server: PostgresServer) => (sql: string) => server.query(sql, undefined, cluster.database);
  const members = () => ({
    db1: cluster.member('db1').ask,
    db2: cluster.member('db2').ask,
    db3: ask(fixture.server(2)),
  });

  /** Two members with pgbench's tables; the third server has a database with nothing in it. */
  async function startTwo(scale = 2): Promise<string> {
    cluster = await FreshCluster.prepare(fixture.servers.slice(0, 2), { schema: 'select' });
    for (const { server } of cluster.members) {
      const made = await pgbench(
        '-i',
        '-q',
        '-s',
        String(scale),
        '--no-vacuum',
        server.urlOf(cluster.database),
      );
      expect(made).toMatchObject({ status: 0 });
    }
    await cluster.startNode();
    await fixture.server(2).query(`create database ${cluster.database}`, undefined, 'postgres');
    return `postgres://127.0.0.1:${fixture.server(2).port}/${cluster.database}`;
  }

  const words = ({ id, url }: { id: string; url: string }) => ['--id', id, '--url', url];
  const statusOf = async (id: string): Promise<MemberStatus> => {
    const { stdout } = await lockstep(cluster, 'status', '--json');
    const { members: all } = JSON.parse(stdout) as ClusterStatus;
    const found = all.find((member) => member.id === id);
    if (found === undefined) throw new Error(`the node knows no ${id}: ${stdout}`);
    return found;
  };

  test('ops: an empty server becomes an active, equal member under full load, and no client notices', async () => {
    const url = await startTwo();
    const running = pgbench('-n', '-N', '-c', '8', '-j', '2', '-T', '12', cluster.url);
    const history = async () =>
      Number((await cluster.member('db2').ask('select count(*) from pgbench_history'))[0]?.[0]);
    await waitFor(async () => (await history()) > 100, { what: 'pgbench to be at work' });
    const before = await history();
    const added = await lockstep(cluster, 'member', 'add', '--id', 'db3', '--url', url);
    expect(added).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(
        /^Member db3 is added.*\nMember db3 is active\. .* by full from db[12]: /,
      ),
    });
    const during = (await history()) - before;
    const { status, stdout, stderr } = await running;
    const failed = /number of failed transactions: (\d+)/.exec(stdout)?.[1];
    process.stderr.write(
      `member add under pgbench: ${during} transactions meanwhile; ${/^tps = .*/m.exec(stdout)?.[0]}\n`,
    );
    expect({ status, failed, stderr: stderr.replace(/^pgbench \(.*\n/, '') }).toEqual({
      status: 0,
      failed: '0',
      stderr: '',
    });
    expect(during).toBeGreaterThan(0);
    expect((await cluster.status()).members.map(({ id, active }) => [id, active])).toEqual([
      ['db1', true],
      ['db2', true],
      ['db3', true],
    ]);
    expect(await compareMembers(members())).toEqual([]);
    expect(JSON.parse(await readFile(join(cluster.dir, 'lockstep.yaml'), 'utf8')).members[2]).toEqual({
      id: 'db3',
      url,
    });
  }, 120_000);

  test('ops: a database with tables of its own is not touched without a word, and is kept in a file with one', async () => {
    const url = await startTwo(1);
    const own = ask(fixture.server(2));
    await own(`create table precious (id int primary key, t text); insert into precious values (1, 'mine')`);
    const added = await lockstep(cluster, 'member', 'add', '--id', 'db3', '--url', url);
    expect(added).toMatchObject({
      status: 4,
      stdout: expect.stringContaining('Member db3 is added'),
      stderr: expect.stringMatching(/it has data of its own\n {2}hint: .*--strategy/),
    });
    expect(await own('select * from precious')).toEqual([['1', 'mine']]);
    expect((await cluster.status()).members[2]).toMatchObject({ id: 'db3', state: 'inactive' });
    const done = await lockstep(cluster, 'sync', 'db3', '--strategy', 'full');
    expect(done).toMatchObject({ status: 0, stdout: expect.stringContaining('by full from') });
    expect(await compareMembers(members())).toEqual([]);
    const file = /^Rows that were removed or overwritten are in (.*)$/m.exec(done.stdout)?.[1] ?? '';
    expect(await readFile(file, 'utf8')).toContain('COPY public.precious (id, t) FROM stdin;\n1\tmine\n');
  }, 120_000);

  test('ops: a node that is killed while it copies goes on by itself, and the file has the member', async () => {
    const url = await startTwo(2);
    await cluster.stopNode();
    const third = { id: 'db3', url };
    const slow = { sync: { maxBytesPerSecond: '2 MiB' } };
    const first = await startNodeProcess(fixture.servers, { ...cluster.nodeOptions(slow), dir: cluster.dir });
    expect(await lockstep(cluster, 'member', 'add', ...words(third), '--no-wait')).toMatchObject({
      status: 0,
    });
    const progress = async () => (await statusOf('db3')).sync?.progress?.bytesDone ?? 0;
    await waitFor(async () => (await progress()) > 0, { what: 'some of it to be copied' });
    await first.stop('SIGKILL');
    const marks = await ask(fixture.server(2))('select incomplete from lockstep.member');
    expect(marks).toEqual([[expect.stringMatching(/^full: /)]]);
    const { members: inFile } = JSON.parse(await readFile(join(cluster.dir, 'lockstep.yaml'), 'utf8'));
    expect(inFile[2]).toEqual(third);
    const second = await startNodeProcess(fixture.servers, {
      ...cluster.nodeOptions({ sync: { automatic: true } }, inFile),
      dir: cluster.dir,
    });
    await waitFor(async () => (await statusOf('db3')).active, {
      what: 'db3 to be active',
      timeoutMs: 60_000,
    });
    await second.stop();
    expect(await compareMembers(members())).toEqual([]);
  }, 120_000);

  test('ops: a member that was removed comes back by what it missed', async () => {
    const url = await startTwo(1);
    expect(await lockstep(cluster, 'member', 'add', '--id', 'db3', '--url', url)).toMatchObject({
      status: 0,
    });
    expect(await lockstep(cluster, 'member', 'remove', 'db3')).toMatchObject({
      status: 0,
      stdout: 'Member db3 is no longer part of cluster test. Its data are as they were.\n',
    });
    expect(await pgbench('-n', '-N', '-t', '20', cluster.url)).toMatchObject({ status: 0 });
    const back = await lockstep(cluster, 'member', 'add', '--id', 'db3', '--url', url, '--weight', '5');
    expect(back).toMatchObject({ status: 0, stdout: expect.stringMatching(/by (replay|diff) from/) });
    expect((await cluster.status()).members[2]).toMatchObject({ active: true, weight: 5 });
    expect(await compareMembers(members())).toEqual([]);
  }, 120_000);
});
