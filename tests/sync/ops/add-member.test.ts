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
  async function startTwo(scale = 2, config: Readonly<Record<string, unknown>> = {}): Promise<string> {
    cluster = await FreshCluster.prepare(fixture.servers.slice(0, 2), { schema: 'select', config });
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

  test('ops: a name that is used again starts afresh; a removed database comes back, or is made an ordinary one again', async () => {
    const url = await startTwo(1, { sync: { automatic: true } });
    const { operator } = cluster.node;
    const third = fixture.server(2);
    await third.query('create database wrong_one', undefined, 'postgres');
    await third.query('create table precious (id int)', undefined, 'wrong_one');
    const syncOf = async () => (await operator.status()).members.find(({ id }) => id === 'db3')?.sync;
    const active = async () =>
      (await operator.status()).members.some((member) => member.id === 'db3' && member.active);
    const wrong = url.replace(/[^/]+$/, 'wrong_one');
    expect((await operator.preflight({ id: 'db3', url: wrong }, 'owner')).members[0]).toMatchObject({
      reach: 'database',
      holds: 'its own',
      findings: expect.arrayContaining([
        { name: 'contents', ok: 'warn', found: expect.stringContaining('1 table'), cure: expect.any(String) },
      ]),
    });
    await operator.addMember({ id: 'db3', url: wrong }, 'owner');
    await waitFor(async () => /data of its own/.test((await syncOf())?.reason ?? ''), {
      what: 'its refusal',
    });
    await operator.removeMember('db3');
    await operator.addMember({ id: 'db3', url }, 'owner');
    expect((await syncOf())?.reason ?? '').not.toContain('data of its own');
    await waitFor(active, { what: 'db3 to be active', timeoutMs: 30_000 });

    await operator.removeMember('db3');
    const seen = async (id: string) => (await operator.preflight({ id, url }, 'owner')).members[0];
    expect(await seen('db4')).toMatchObject({ holds: 'ours', former: 'db3' });
    const again = await seen('db3');
    expect(again?.findings.filter(({ ok }) => ok === 'fail')).toEqual([]);
    expect(again?.former).toBeUndefined();
    await operator.addMember({ id: 'db3', url }, 'owner');
    await waitFor(active, { what: 'db3 to be back', timeoutMs: 30_000 });

    const insert = 'insert into pgbench_history (tid) values (-1)';
    await expect(operator.freeDatabase({ url }, 'owner')).rejects.toMatchObject({
      code: 'node.database-not-free',
      message: expect.stringContaining('the member db3'),
    });
    await operator.removeMember('db3');
    await expect(ask(third)(insert)).rejects.toThrow('Lockstep');
    expect(await operator.freeDatabase({ url }, 'owner')).toMatchObject({ changed: true });
    await ask(third)(insert);
    expect(await seen('db4')).toMatchObject({ holds: 'its own' });
    expect(await operator.freeDatabase({ url }, 'owner')).toMatchObject({ changed: false });
    const { message } = await operator.removeMember('db2', { free: true });
    expect(message).toContain('an ordinary one again');
    await cluster.member('db2').ask(insert);
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
