/**
 * Members that come back as somebody else: restored, written to, taken apart, exchanged. Each is recognised and named; it is repaired,
 * its rows kept in a file first, or refused with the reason and what to do.
 */

import { cp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { dumpableServers } from '../support/dumpable.ts';
import { waitFor, withServers } from '../support/index.ts';
import { FreshCluster } from '../failure/fresh-cluster.ts';
import type { TestMember } from '../failure/fresh-cluster.ts';
import { accountCount, Load, schemaOf, startBalance } from '../failure/load.ts';
import { judge } from '../failure/scenario.ts';
import { lockstep } from './ops/lockstep-program.ts';
import { recordEvents } from './recorded-events.ts';
import type { RecordedEvents } from './recorded-events.ts';

const binaries = dumpableServers();
const fixture = withServers(2, binaries === undefined ? {} : { binaries });
const needsDump = test.skipIf(binaries === undefined);

/** Nobody writes to the last one: replaying does not come across it. */
const schema = `${schemaOf({ accounts: accountCount, startBalance })} create table quiet (a int); insert into quiet values (1)`;

let cluster: FreshCluster;
let events: RecordedEvents;
let load: Load;
afterEach(async () => {
  await load.stop();
  await cluster.stop();
});

/** The second member is away while `work` is done to it; then it comes back. */
async function whileAway(work: (member: TestMember) => Promise<unknown>, tables = ''): Promise<TestMember> {
  events = recordEvents();
  cluster = await FreshCluster.prepare(fixture.servers, { proxied: [1], schema: `${schema}; ${tables}` });
  await cluster.startNode({ logger: events.logger, config: { sync: { automatic: true } } });
  load = await new Load(cluster.url, { clients: 2 }).start();
  await load.more(20);
  const member = cluster.member('db2');
  await member.proxy?.refuse();
  member.proxy?.cut();
  await cluster.untilInactive('db2');
  await load.more(20);
  await work(member);
  await load.more(20);
  await member.proxy?.accept();
  return member;
}

/** As somebody who has lifted the guard. */
const around = (sql: string) => (member: TestMember) => member.ask(`set lockstep.guard = off; ${sql}`);

async function keptText(): Promise<string> {
  const directory = join(cluster.dir, 'state', 'kept');
  const names = await readdir(directory).catch(() => []);
  const texts = await Promise.all(names.map((name) => readFile(join(directory, name), 'utf8')));
  return texts.join('\n');
}

async function expectHealed(strategy: string, reason: RegExp): Promise<void> {
  await cluster.untilActive('db2', 120_000);
  await load.more(20);
  await load.stop();
  expect(load.errors).toEqual([]);
  await judge(cluster, load, []);
  await waitFor(() => events.of('sync-ended', 'db2').length > 0, { what: 'the end' });
  // On a busy machine an attempt may be cut off; the next one has another reason.
  expect(events.of('sync-started', 'db2')).toContainEqual(
    expect.objectContaining({ strategy, reason: expect.stringMatching(reason) }),
  );
}

/** It stays as it is, and everybody is told why. */
async function expectRefused(reason: RegExp, hint: RegExp): Promise<void> {
  const failed = await waitFor(() => events.of('sync-failed', 'db2').at(-1) ?? false, {
    what: 'the refusal',
  });
  expect(failed).toMatchObject({ reason: expect.stringMatching(reason) });
  expect((await cluster.status()).members[1]).toMatchObject({
    state: 'inactive',
    sync: { state: 'waiting', reason: expect.stringMatching(reason) },
  });
  const asked = await lockstep(cluster, 'sync', 'db2');
  expect(asked).toMatchObject({ status: 4, stderr: expect.stringMatching(hint) });
  await load.more(20);
  expect(load.errors).toEqual([]);
}

test('sync: returners: one that was written to while it was away loses what only it has, to a file', async () => {
  const member = await whileAway(
    around(
      `insert into entries (key, note) values ('mine', 'precious'); update accounts set balance = -1 where id = 3`,
    ),
  );
  await expectHealed('diff', /^it was written to around Lockstep$/);
  expect(await keptText()).toMatch(/^\d+\tmine\tprecious$/m);
  expect(await keptText()).toMatch(/^3\t-1$/m);
  // What was put right is not held against it again.
  const [[noted] = []] = await member.ask(
    `select pg_sequence_last_value('lockstep.foreign_write'::regclass) is not null`,
  );
  expect(noted).toBe('f');
}, 180_000);

needsDump(
  'sync: returners: one that lost a table gets it back, although nothing that it missed tells of it',
  async () => {
    const member = await whileAway(around('drop table quiet'));
    await expectHealed('full', /^its schema differs: table public\.quiet is missing on db2/);
    expect(await member.ask('select * from quiet')).toEqual([['1']]);
  },
  180_000,
);

needsDump(
  'sync: returners: one with a column of its own is copied anew; its rows are in a file first',
  async () => {
    await whileAway(
      around(`alter table accounts add column secret text; update accounts set secret = 'hidden ' || id`),
    );
    await expectHealed('full', /its schema differs: .*column public\.accounts\.secret/);
    expect(await keptText()).toMatch(/COPY public\.accounts \(id, balance, secret\) FROM stdin;/);
    expect(await keptText()).toMatch(/^7\t-?\d+\thidden 7$/m);
  },
  180_000,
);

test('sync: returners: one whose unlogged tables a crash has emptied is given their rows', async () => {
  const member = await whileAway(async ({ server, ask }) => {
    await server.kill9();
    await server.start();
    expect(await ask('select * from fleeting')).toEqual([]);
  }, 'create unlogged table fleeting (a int); insert into fleeting values (1)');
  await expectHealed('diff', /^it has unlogged tables, which a crash empties$/);
  expect(await member.ask('select * from fleeting')).toEqual([['1']]);
}, 180_000);

test('sync: returners: one with a table that nobody watches any more is compared: what was written to it left no trace', async () => {
  const member = await whileAway(({ ask }) =>
    ask(
      'set session_replication_role = replica; alter table quiet disable trigger all; update quiet set a = 2',
    ),
  );
  await expectHealed('diff', /table public\.quiet is not watched/);
  expect(await member.ask('select a from quiet')).toEqual([['1']]);
  expect(await keptText()).toContain('2');
  expect((await lockstep(cluster, 'verify')).status).toBe(0);
});

test('sync: returners: one whose database has another collation is refused, with the statement that makes one alike', async () => {
  const member = await whileAway(async ({ server }) => {
    const [[own] = []] = await server.query(
      'select datcollate from pg_database where datname = current_database()',
    );
    const other = own === 'C' ? 'C.UTF-8' : 'C';
    await remake(server, `lc_collate '${other}' lc_ctype '${other}'`);
  });
  await expectRefused(
    /^the collation of its database is .*, that of member db1 /,
    /hint: .*CREATE DATABASE .* LC_COLLATE .*lockstep sync with --strategy/,
  );
  // On an operator's word.
  if (binaries === undefined) return;
  const { status, stdout } = await lockstep(cluster, 'sync', 'db2', '--strategy', 'full');
  expect([status, stdout]).toEqual([0, expect.stringContaining('by full from db1')]);
  await load.stop();
  expect(await member.ask('select count(*) from accounts')).toEqual([['100']]);
}, 180_000);

test('sync: returners: one whose database has another encoding is refused, whatever an operator says', async () => {
  await whileAway(({ server }) => remake(server, `encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'`));
  await expectRefused(/^the encoding of its database is LATIN1, that of member db1 UTF8/, /ENCODING 'UTF8'/);
  expect((await lockstep(cluster, 'sync', 'db2', '--strategy', 'full')).status).toBe(4);
  await load.stop();
}, 180_000);

async function remake(server: TestMember['server'], like: string): Promise<void> {
  await server.query(`drop database ${cluster.database} with (force)`, undefined, 'postgres');
  await server.query(`create database ${cluster.database} template template0 ${like}`, undefined, 'postgres');
}

test.each([
  ['another cluster', `cluster_id = 'theirs'`, /^it belongs to the cluster theirs$/, /Check its url/],
  ['another member', `member_id = 'db9'`, /^it calls itself db9$/, /Check its url/],
])(
  'sync: returners: one that is of %s is refused, and not touched',
  async (_, change, reason, hint) => {
    const member = await whileAway(around(`update lockstep.member set ${change}`));
    await expectRefused(reason, hint);
    await load.stop();
    expect(await member.ask('select incomplete from lockstep.member')).toEqual([[null]]);
    expect(await keptText()).toBe('');
  },
  180_000,
);

test('sync: returners: one that was put back from an old backup is given what it lacks, as far as the log reaches', async () => {
  const backup = join(cluster.dir, '..', `backup-${process.pid}`);
  const { server } = await whileAway(async (member) => {
    await member.server.stop();
    await cp(member.server.dir, backup, { recursive: true });
    await member.server.start();
  });
  try {
    await cluster.untilActive('db2', 120_000);
    await load.more(50);
    await server.kill9();
    await cluster.untilInactive('db2');
    await rm(server.dir, { recursive: true });
    await cp(backup, server.dir, { recursive: true });
    await server.start();
    await expectHealed('replay', /^it missed .*: its log ends at CSN \d+/);
  } finally {
    await rm(backup, { recursive: true, force: true });
  }
}, 180_000);
