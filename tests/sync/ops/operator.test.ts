/** What an operator does to bring a member level, through the program itself, on real members. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { SyncReport } from '../../../src/admin/index.ts';
import { FreshCluster } from '../../failure/fresh-cluster.ts';
import type { TestMember } from '../../failure/fresh-cluster.ts';
import { Load } from '../../failure/load.ts';
import { judge } from '../../failure/scenario.ts';
import { connect } from '../../support/connect.ts';
import { waitFor, withServers } from '../../support/index.ts';
import { lockstep as run } from './lockstep-program.ts';

const fixture = withServers(2);
let cluster: FreshCluster;
afterEach(() => cluster.stop());

/** Members come back only when they are told to. */
const start = async (config: Readonly<Record<string, unknown>> = {}): Promise<void> => {
  cluster = await FreshCluster.start(fixture.servers, { config: { sync: { automatic: false }, ...config } });
};

const lockstep = (...words: readonly string[]) => run(cluster, ...words);

/** As somebody who knows how to get around Lockstep. */
async function tamper({ ask }: TestMember, sql: string): Promise<void> {
  await ask(`begin; set local session_replication_role = replica; ${sql}; commit`);
}

async function db2() {
  const { members } = await cluster.status();
  return members.find(({ id }) => id === 'db2');
}

describe('ops: sync', () => {
  test('ops: a member that was taken out is given what it missed, and is active', async () => {
    await start();
    const load = await new Load(cluster.url, { clients: 4 }).start();
    await lockstep('member', 'deactivate', 'db2');
    await load.more(100);
    const dry = await lockstep('sync', 'db2', '--dry-run');
    expect(dry.stdout).toMatch(/^Member db2 would be given the commits that it missed, by replay from db1: /);
    expect(await db2()).toMatchObject({ state: 'held' });
    const { status, stdout, stderr } = await lockstep('sync', 'db2');
    expect([status, stdout]).toEqual([
      0,
      expect.stringMatching(/^Member db2 is active\. .* by replay from db1: /),
    ]);
    expect(stderr).toContain('db2');
    await load.more(100);
    await load.stop();
    expect(load.errors).toEqual([]);
    await judge(cluster, load, []);
  });

  test('ops: a dry run says which rows of which tables would change, where and from which source, and changes none', async () => {
    await start();
    await lockstep('member', 'deactivate', 'db2');
    const member = cluster.member('db2');
    await tamper(
      member,
      `update accounts set balance = -7 where id = 3; insert into counters values (999, 1); delete from accounts where id = 4`,
    );
    const before = await member.ask('select * from accounts order by 1');
    const { status, stdout } = await lockstep('sync', 'db2', '--strategy', 'diff', '--dry-run', '--json');
    expect(status).toBe(0);
    const report = JSON.parse(stdout) as SyncReport;
    expect(report).toMatchObject({
      member: 'db2',
      source: 'db1',
      strategy: 'diff',
      dryRun: true,
      keptFile: null,
    });
    expect(report.tables).toMatchObject([
      { table: 'public.accounts', missing: 2, extra: 1 },
      { table: 'public.counters', missing: 0, extra: 1 },
    ]);
    const text = await lockstep('sync', 'db2', '--strategy', 'diff', '--dry-run');
    expect(text.stdout).toContain('public.accounts: 2 rows to put in, 1 row to take out');
    expect(text.stdout).toMatch(/^ {4}- \(3,-7\)$/m);
    expect(text.stdout).toMatch(/^ {4}- \(999,1\)$/m);
    expect(await member.ask('select * from accounts order by 1')).toEqual(before);
    expect(await db2()).toMatchObject({ state: 'held' });
    expect(await readdir(join(cluster.dir, 'state', 'kept')).catch(() => [])).toEqual([]);
  });

  test('ops: rows that are taken out are in a file first, and the member is equal', async () => {
    await start();
    await lockstep('member', 'deactivate', 'db2');
    const member = cluster.member('db2');
    await tamper(member, `insert into counters values (999, 42)`);
    const { status, stdout } = await lockstep('sync', 'db2', '--strategy', 'diff');
    expect([status, stdout]).toEqual([0, expect.stringContaining('public.counters: 1 row taken out')]);
    const file = /^Rows that were removed or overwritten are in (.*)$/m.exec(stdout)?.[1] ?? '';
    expect(await readFile(file, 'utf8')).toMatch(
      /^COPY public\.counters \(client, value\) FROM stdin;\n999\t42\n\\\.\n$/m,
    );
    expect(await member.ask('select count(*) from counters where client = 999')).toEqual([['0']]);
    expect(await db2()).toMatchObject({ state: 'active' });
  });

  test('ops: what goes on is stopped; the member is held until it is told to come back', async () => {
    await start();
    const client = await connect(cluster.url);
    await client.query('create table wide (id int primary key, t text)');
    await client.query(`insert into wide select i, repeat('x', 1000) from generate_series(1, 5000) i`);
    await lockstep('member', 'deactivate', 'db2');
    await tamper(cluster.member('db2'), 'delete from wide');
    const begun = await lockstep(
      'sync',
      'db2',
      '--strategy',
      'diff',
      '--max-rate',
      '50kB',
      '--no-wait',
      '--json',
    );
    expect(JSON.parse(begun.stdout)).toMatchObject({ kind: 'sync', member: 'db2', state: 'running' });
    const running = await waitFor(
      async () => {
        const sync = (await db2())?.sync;
        return (sync?.progress?.bytesDone ?? 0) > 0 ? sync : undefined;
      },
      { what: 'some of it to be read' },
    );
    expect(running).toMatchObject({ state: 'running', strategy: 'diff', source: 'db1', attempt: 1 });
    const shown = await lockstep('status');
    expect(shown.stdout).toContain('db2: diff from db1');
    const again = await lockstep('sync', 'cancel', 'db2');
    expect([again.status, again.stdout]).toEqual([
      0,
      expect.stringContaining('It was stopped. Member db2 is held inactive'),
    ]);
    expect((await lockstep('jobs')).stdout).toMatch(/1 +sync +db2 +cancelled /);
    expect(await db2()).toMatchObject({ state: 'held', sync: null });
    expect((await lockstep('sync', 'db2')).status).toBe(0);
    expect(await cluster.member('db2').ask('select count(*) from wide')).toEqual([['5000']]);
  });

  test('ops: an active member is left alone, and says what to do instead', async () => {
    await start();
    const { status, stderr } = await lockstep('sync', 'db2');
    expect([status, stderr]).toEqual([4, expect.stringContaining('lockstep verify')]);
    expect((await lockstep('member', 'activate', 'db2')).stdout).toBe('Member db2 is active already.\n');
    expect((await lockstep('sync', 'db9')).status).toBe(4);
  });

  test('ops: repair puts a member right that is named, although it is active', async () => {
    await start();
    await tamper(cluster.member('db2'), 'update accounts set balance = 0 where id = 1');
    const { status, stdout } = await lockstep('repair', 'db2');
    expect([status, stdout]).toEqual([
      0,
      expect.stringContaining('public.accounts: 1 row put in, 1 row taken out'),
    ]);
    expect(await db2()).toMatchObject({ state: 'active' });
    const nothing = await lockstep('repair');
    expect([nothing.status, nothing.stdout]).toEqual([0, 'Nothing is known to differ.\n']);
  });

  test('ops: repair --dry-run tells which rows would change, and changes nothing; repair keeps what it overwrites', async () => {
    await start();
    await tamper(cluster.member('db2'), 'update accounts set balance = 4711 where id = 1');
    const dry = await lockstep('repair', 'db2', '--dry-run');
    expect([dry.status, dry.stdout]).toEqual([
      0,
      expect.stringContaining(
        'public.accounts: 1 row to put in, 1 row to take out (a changed row is one of each)\n    + (1,1000)\n    - (1,4711)',
      ),
    ]);
    expect(await db2()).toMatchObject({ state: 'active' });
    expect(await cluster.member('db2').ask('select balance from accounts where id = 1')).toEqual([['4711']]);
    const [kept] = /\S+\.sql/.exec((await lockstep('repair', 'db2')).stdout) ?? [];
    expect(await readFile(kept ?? '', 'utf8')).toContain('1\t4711\n');
    expect(await cluster.member('db2').ask('select balance from accounts where id = 1')).toEqual([['1000']]);
  });

  test('ops: repair has tables watched again that nobody watches, and nobody is taken out for it', async () => {
    await start();
    await tamper(cluster.member('db2'), `drop trigger "!lockstep_capture" on accounts`);
    const dry = await lockstep('repair', '--dry-run');
    expect(dry.stdout).toBe('On db2 these tables would be watched again: public.accounts\n');
    expect((await lockstep('repair')).stdout).toBe(
      'On db2 these tables are watched again: public.accounts\n',
    );
    expect((await lockstep('repair')).stdout).toBe('Nothing is known to differ.\n');
    expect(await db2()).toMatchObject({ state: 'active' });
  });

  test('ops: repair would copy a member whose definitions are others; without pg_dump it says so, and the member stays out', async () => {
    await start({ sync: { automatic: false, pgDump: '/nowhere/pg_dump' } });
    await tamper(cluster.member('db2'), 'alter table counters add column extra int');
    const { status, stderr } = await lockstep('repair', 'db2');
    expect([status, stderr]).toEqual([4, expect.stringContaining('/nowhere/pg_dump')]);
    expect(await db2()).toMatchObject({
      state: 'inactive',
      reason: 'an operator has it repaired',
    });
  });

  test('ops: the last active member is not repaired', async () => {
    await start();
    await lockstep('member', 'deactivate', 'db2');
    const { status, stderr } = await lockstep('repair', 'db1');
    expect([status, stderr]).toEqual([4, expect.stringContaining('no member would be active without db1')]);
    expect((await cluster.status()).members[0]).toMatchObject({ state: 'active' });
  });
});
