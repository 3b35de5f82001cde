/** What a replica cannot do of a schema statement is the client's error, and nothing of it is anywhere. */

import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { MemberError } from '../../src/dialects/contract.ts';
import type { ApplyStream } from '../../src/cluster/apply/apply-stream.ts';
import { refusalsOf, Trial } from '../../src/cluster/apply/trial.ts';
import { MemoryWriteSet } from '../../src/dialects/postgres/write-set.ts';
import { frontend } from '../../src/wire/postgres/index.ts';
import { FreshCluster, patientProbe } from '../failure/fresh-cluster.ts';
import type { TestMember } from '../failure/fresh-cluster.ts';
import { connect, waitFor, withServers } from '../support/index.ts';
import { describe as describeMessage, ProtocolClient } from '../support/protocol-client.ts';
import { recordEvents } from './recorded-events.ts';
import type { RecordedEvents } from './recorded-events.ts';

const fixture = withServers(3);
let cluster: FreshCluster;
let events: RecordedEvents;
afterEach(() => cluster.stop());

const config = {
  sync: { automatic: false },
  probe: patientProbe,
  verification: { everyMinutes: 0, sampleMs: 0 },
};
const schema = 'create table shop (id int primary key, name text); insert into shop values (1, $$one$$)';

async function start(): Promise<void> {
  events = recordEvents();
  cluster = await FreshCluster.prepare(fixture.servers, { config, schema });
  await cluster.startNode({ logger: events.logger });
}

/** Around Lockstep, on one member alone. */
async function on({ ask }: TestMember, sql: string): Promise<void> {
  await ask(
    `begin; set local session_replication_role = replica; set local lockstep.guard = off; ${sql}; commit`,
  );
}

/** A role of this name is everywhere but on the last member. */
async function roleMissingOnLast(): Promise<{ readonly role: string; readonly last: TestMember }> {
  const role = `${cluster.database}_role`;
  const last = cluster.members.at(-1)!;
  for (const member of cluster.members) if (member !== last) await member.ask(`create role ${role}`);
  return { role, last };
}

async function everywhere(sql: string): Promise<unknown[]> {
  return await Promise.all(cluster.members.map(({ ask }) => ask(sql)));
}

async function allActive(): Promise<void> {
  expect(events.of('member-deactivated')).toEqual([]);
  expect((await cluster.status()).members.map(({ active }) => active)).toEqual([true, true, true]);
}

test('trial: what code inside a schema statement writes would be there twice, and is the client’s error', async () => {
  await start();
  const client = await connect(cluster.url);
  await client.query('create table log (n int)');
  await client.query(
    `create function note(int) returns int language plpgsql as 'begin insert into log values ($1); return $1; end'`,
  );
  for (const statement of [
    'alter table shop add column n int default note(1)',
    'alter table shop alter column id type bigint using note(id)',
    'alter table shop add check (note(id) > 0)',
    `do $$ begin alter table shop add column n int default note(2); end $$`,
  ])
    await expect(client.query(statement), statement).rejects.toMatchObject({
      code: '0A000',
      message: expect.stringContaining('writes rows of public.log'),
    });
  await client.query(
    'begin; insert into log values (7); alter table shop add column plain int default 5; commit',
  );
  expect(await everywhere('select count(*), sum(n) from log')).toEqual([
    [['1', '7']],
    [['1', '7']],
    [['1', '7']],
  ]);
  await allActive();
});

test('trial: a table among those of the server, whose rows nobody watches, is refused', async () => {
  await start();
  const client = await connect(cluster.url);
  await expect(client.query('alter table shop set schema pg_catalog')).rejects.toMatchObject({
    code: '0A000',
  });
  await client.query(`insert into shop values (2, 'two')`);
  expect(await everywhere('select count(*) from shop')).toEqual([[['2']], [['2']], [['2']]]);
  await allActive();
});

/** On this replica the statement takes longer than any trial is waited for. */
const standsStill = (tag: string): string => `
  create function stand_still() returns event_trigger language plpgsql as $$ begin
    if tg_tag = '${tag}' then perform pg_sleep(5); end if; end $$;
  create event trigger stand_still on ddl_command_end execute function stand_still();
  alter event trigger stand_still enable always`;

const untilItStandsStill = ({ ask }: TestMember): Promise<unknown> =>
  waitFor(async () => (await ask(`select from pg_stat_activity where wait_event = 'PgSleep'`)).length > 0, {
    what: 'the trial to be under way',
  });

/** No commit of this member comes to its end: what replicas have tried by then, they hold. Returns how to let them go on. */
async function holdCommits({ server }: TestMember): Promise<() => Promise<void>> {
  const holder = await connect(server.urlOf(cluster.database));
  await holder.query('begin; lock table lockstep.log in exclusive mode');
  return async () => void (await holder.query('rollback'));
}

const held = `select from pg_stat_activity where state = 'idle in transaction' and application_name = 'lockstep' and datname = current_database()`;

const untilHeld = (members: readonly TestMember[]): Promise<unknown> =>
  waitFor(
    async () => (await Promise.all(members.map(({ ask }) => ask(held)))).every(({ length }) => length > 0),
    { what: 'the replicas to hold what they have tried' },
  );

const untilLetGo = (members: readonly TestMember[]): Promise<unknown> =>
  waitFor(
    async () => (await Promise.all(members.map(({ ask }) => ask(held)))).every(({ length }) => length === 0),
    { what: 'the replicas to let go of what they have tried' },
  );

const isMade = `select to_regclass('made')::text`;

describe('trial: schema statements', () => {
  test('trial: what one replica lacks is the client’s error, and nobody has anything of it', async () => {
    await start();
    const { role, last } = await roleMissingOnLast();
    const client = await connect(cluster.url);
    await expect(client.query(`alter table shop owner to ${role}`)).rejects.toMatchObject({
      code: '42704',
      message: expect.stringMatching(
        new RegExp(`^member ${last.id} cannot do what the primary could: .*"${role}" does not exist`),
      ),
      hint: expect.stringContaining('nothing took effect on any member'),
    });
    expect(
      await everywhere(
        `select from pg_class c join pg_roles r on r.oid = c.relowner where r.rolname = '${role}'`,
      ),
    ).toEqual([[], [], []]);
    await last.ask(`create role ${role}`);
    await client.query(`alter table shop owner to ${role}`);
    const owned = `select relowner::regrole::text from pg_class where relname = 'shop'`;
    expect(await everywhere(owned)).toEqual([[[role]], [[role]], [[role]]]);
    await allActive();
  });

  test('trial: in a block it is the error of COMMIT, with the rows written before and after', async () => {
    await start();
    const { role } = await roleMissingOnLast();
    const client = await connect(cluster.url);
    await client.query('begin');
    await client.query(`insert into shop values (2, 'two')`);
    await client.query(
      'create table more (id serial primary key, of int references shop deferrable initially deferred)',
    );
    await client.query('insert into more (of) select 2 from generate_series(1, 50)');
    await client.query(`grant select on more to ${role}`);
    await client.query(`update shop set name = 'uno' where id = 1`);
    await expect(client.query('commit')).rejects.toMatchObject({ code: '42704' });
    expect((await client.query('select name from shop')).rows).toEqual([{ name: 'one' }]);
    expect(await everywhere(`select to_regclass('more')::text, (select count(*) from shop)`)).toEqual(
      Array.from({ length: 3 }, () => [[null, '1']]),
    );
    // The same without what is missing.
    await client.query('begin');
    await client.query(`insert into shop values (2, 'two')`);
    await client.query('create table more (id serial primary key, of int references shop)');
    await client.query('insert into more (of) select 2 from generate_series(1, 50)');
    await client.query('alter table more add twice int default 0');
    await client.query('update more set twice = id * 2');
    await client.query('commit');
    const sums = 'select count(*), sum(twice) from more join shop on shop.id = of';
    expect(await everywhere(sums)).toEqual(Array.from({ length: 3 }, () => [['50', '2550']]));
    await allActive();
  });

  test('trial: each replica carries a statement out once', async () => {
    await start();
    for (const replica of await cluster.replicas())
      await on(
        replica,
        `create sequence runs;
         create function count_runs() returns event_trigger language plpgsql as $$ begin
           if tg_tag = 'CREATE TABLE' then perform nextval('runs'); end if; end $$;
         create event trigger count_runs on ddl_command_end execute function count_runs();
         alter event trigger count_runs enable always`,
      );
    const client = await connect(cluster.url);
    for (let n = 0; n < 5; n++) await client.query(`create table made_${n} (id int)`);
    for (const { ask } of await cluster.replicas())
      expect(await ask('select last_value from runs')).toEqual([['5']]);
    await allActive();
  });

  test('trial: a reader in the way leaves a statement untried, and it takes effect as ever', async () => {
    await start();
    const [replica] = await cluster.replicas();
    const reader = await connect(replica!.server.urlOf(cluster.database));
    await reader.query('begin; select * from shop');
    const client = await connect(cluster.url);
    await client.query('alter table shop add more int');
    const columns = `select count(*) from information_schema.columns where table_name = 'shop'`;
    expect(await everywhere(columns)).toEqual(Array.from({ length: 3 }, () => [['3']]));
    await allActive();
  });

  test('trial: a replica whose definitions are others than theirs stops nobody, unless all say so', async () => {
    await start();
    const [one, other] = await cluster.replicas();
    const client = await connect(cluster.url);
    await on(one!, 'create table stray (id int)');
    await on(other!, 'create table stray (id int)');
    await expect(client.query('create table stray (id int)')).rejects.toMatchObject({
      code: '42P07',
      message: expect.stringContaining(
        `member ${one!.id} cannot do what the primary could (nor can ${other!.id})`,
      ),
    });
    await allActive();
    await on(other!, 'drop table stray');
    await client.query('create table stray (id int)');
    expect(await cluster.untilInactive(one!.id)).toContain('already exists');
    expect(events.of('member-deactivated').map(({ member }) => member)).toEqual([one!.id]);
    expect(events.of('record-refused')).toEqual([]);
  });

  test('trial: a replica that dies in the middle is waited for no longer, and refuses nothing', async () => {
    await start();
    const [one, other] = await cluster.replicas();
    await on(one!, standsStill('CREATE TABLE'));
    const client = await connect(cluster.url);
    const made = client.query('create table made (id int)');
    await untilItStandsStill(one!);
    await one!.server.kill9();
    await made;
    expect(await other!.ask(`select to_regclass('made')::text`)).toEqual([['made']]);
    await cluster.untilInactive(one!.id);
    expect(events.of('member-deactivated').map(({ member }) => member)).toEqual([one!.id]);
  });

  test('trial: a node that dies in the middle leaves nothing anywhere', async () => {
    events = recordEvents();
    cluster = await FreshCluster.prepare(fixture.servers, { config, schema });
    const [, replica] = cluster.members;
    await cluster.startNodeProcess();
    await on(replica!, standsStill('CREATE TABLE'));
    const client = await connect(cluster.url);
    const made = client.query('create table made (id int)').catch((error: unknown) => error);
    await untilItStandsStill(replica!);
    await cluster.killNode();
    expect(await made).toBeInstanceOf(Error);
    await on(replica!, 'drop event trigger stand_still; drop function stand_still');
    await cluster.startNode({ logger: events.logger });
    expect(await everywhere(`select to_regclass('made')::text`)).toEqual([[[null]], [[null]], [[null]]]);
    const again = await connect(cluster.url);
    await again.query('create table made (id int)');
    expect(await everywhere(`select to_regclass('made')::text`)).toEqual([
      [['made']],
      [['made']],
      [['made']],
    ]);
    await allActive();
  });
});

describe('trial: deaths between what is held and the commit', () => {
  test('trial: the replica dies, has nothing of it, and gets it when it comes back', async () => {
    await start();
    const [one, other] = await cluster.replicas();
    const letGo = await holdCommits(await cluster.primary());
    const client = await connect(cluster.url);
    const made = client.query('create table made (id int)');
    await untilHeld([one!, other!]);
    await one!.server.kill9();
    await letGo();
    await made;
    await cluster.untilInactive(one!.id);
    expect(await other!.ask(isMade)).toEqual([['made']]);
    await one!.server.start();
    expect(await one!.ask(isMade)).toEqual([[null]]);
    await cluster.node.activateMember(one!.id);
    await cluster.untilActive(one!.id);
    expect(await everywhere(isMade)).toEqual([[['made']], [['made']], [['made']]]);
  });

  test('trial: the primary dies, and the statement is tried and made again without it', async () => {
    await start();
    const replicas = await cluster.replicas();
    const primary = await cluster.primary();
    await holdCommits(primary);
    const client = await connect(cluster.url);
    const made = client.query('create table made (id int)');
    await untilHeld(replicas);
    await primary.server.kill9();
    await made;
    for (const { ask } of replicas) expect(await ask(isMade)).toEqual([['made']]);
    await primary.server.start();
    expect(await primary.ask(isMade)).toEqual([[null]]);
    await cluster.node.activateMember(primary.id);
    await cluster.untilActive(primary.id);
    expect(await everywhere(isMade)).toEqual([[['made']], [['made']], [['made']]]);
  });

  test('trial: the primary dies with what cannot be run again, nobody has it, and nobody stands in the way', async () => {
    await start();
    const replicas = await cluster.replicas();
    const primary = await cluster.primary();
    await holdCommits(primary);
    const client = await connect(cluster.url);
    await client.query('begin');
    await client.query('select clock_timestamp(), pg_backend_pid()');
    await client.query('create table made (id int)');
    await client.query('alter table shop add more int');
    const committed = client.query('commit').catch((error: unknown) => error);
    await untilHeld(replicas);
    await primary.server.kill9();
    expect(await committed).toMatchObject({ code: '40001' });
    for (const { ask } of replicas) {
      expect(await ask(isMade)).toEqual([[null]]);
      expect(await ask('select * from shop')).toEqual([['1', 'one']]);
    }
    await client.query('create table made (id int)');
    await client.query('alter table shop add more int');
    for (const { ask } of replicas) expect(await ask(isMade)).toEqual([['made']]);
  });

  test('trial: the primary dies when its record is in hand, and the replicas commit it', async () => {
    await start();
    const replicas = await cluster.replicas();
    const primary = await cluster.primary();
    const client = await ProtocolClient.connect(cluster.url);
    // Its commits are on disk, and wait for somebody who never comes.
    await primary.ask(`alter system set synchronous_standby_names = 'nobody'`);
    try {
      await primary.ask('select pg_reload_conf()');
      const waiting = `select from pg_stat_activity where wait_event = 'SyncRep'`;
      const waits = `${waiting} and query = 'COMMIT'`;
      // A probe writes.
      await waitFor(async () => (await primary.ask(waiting)).length > 0, { what: 'commits to wait' });
      const shown = async (): Promise<boolean> => {
        await client.query('begin');
        const said = await client.query('show synchronous_standby_names');
        await client.query('rollback');
        return said.includes('D nobody');
      };
      await waitFor(shown, { what: 'the session to know of it' });
      client.send(frontend.query('create table made (id int)'));
      await waitFor(async () => (await primary.ask(waits)).length > 0, { what: 'the commit to wait' });
      await primary.server.kill9();
      // What else the session had there is lost, and that ends it; but not before it has been told.
      expect((await client.until('C')).map(describeMessage)).toEqual(['C CREATE TABLE']);
      client.destroy();
    } finally {
      await primary.server.start();
      await primary.ask('alter system reset synchronous_standby_names');
      await primary.ask('select pg_reload_conf()');
    }
    expect(await everywhere(isMade)).toEqual([[['made']], [['made']], [['made']]]);
    for (const { ask } of replicas) expect(await ask(held)).toEqual([]);
  });

  test('trial: the node dies, and all have it or nobody', async () => {
    events = recordEvents();
    cluster = await FreshCluster.prepare(fixture.servers, { config, schema });
    const [primary, ...replicas] = cluster.members;
    await cluster.startNodeProcess();
    const letGo = await holdCommits(primary!);
    const client = await connect(cluster.url);
    const made = client.query('create table made (id int)').catch((error: unknown) => error);
    await untilHeld(replicas);
    await cluster.killNode();
    expect(await made).toBeInstanceOf(Error);
    await untilLetGo(replicas);
    for (const { ask } of replicas) expect(await ask(isMade)).toEqual([[null]]);
    await letGo();
    await cluster.startNode({ logger: events.logger });
    const [first, ...others] = await everywhere(isMade);
    expect(others).toEqual([first, first]);
    const again = await connect(cluster.url);
    await again.query('create table if not exists made (id int)');
    expect(await everywhere(isMade)).toEqual([[['made']], [['made']], [['made']]]);
    await allActive();
  });
});

describe('trial: what the last member lacks is the client’s error, before anything changed', () => {
  /** Refused while the last member lacks it, and everywhere when it does not any more. */
  async function refusedUntil(
    statement: string,
    {
      code,
      supply,
      made,
    }: { readonly code: string; readonly supply: () => Promise<unknown>; readonly made: string },
  ): Promise<void> {
    const last = cluster.members.at(-1)!;
    const client = await connect(cluster.url);
    const missing = await everywhere(made);
    await expect(client.query(statement)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(`member ${last.id} cannot do what the primary could`),
    });
    expect(await everywhere(made)).toEqual(missing);
    expect(events.of('trial-refused')).toMatchObject([{ members: [last.id], sqlState: code }]);
    await supply();
    await client.query(statement);
    const [first, ...others] = await everywhere(made);
    expect(first).not.toEqual(missing[0]);
    expect(others).toEqual([first, first]);
    await allActive();
  }

  test('trial: a tablespace', async () => {
    await start();
    const tablespace = `${cluster.database}_space`;
    const make = async ({ server }: TestMember): Promise<void> => {
      const client = await connect(server.urlOf(cluster.database));
      await client.query('set allow_in_place_tablespaces = on');
      await client.query(`create tablespace ${tablespace} location ''`);
    };
    const last = cluster.members.at(-1)!;
    for (const member of cluster.members) if (member !== last) await make(member);
    await refusedUntil(`create table made (id int) tablespace ${tablespace}`, {
      code: '42704',
      supply: () => make(last),
      made: isMade,
    });
  });

  test('trial: a collation', async () => {
    await start();
    const make = (member: TestMember): Promise<void> =>
      on(member, `create collation pg_catalog.ours (locale = 'C')`);
    const last = cluster.members.at(-1)!;
    for (const member of cluster.members) if (member !== last) await make(member);
    await refusedUntil('create table made (name text collate ours)', {
      code: '42704',
      supply: () => make(last),
      made: isMade,
    });
  });

  describe('of its file system', () => {
    let dir = '';
    const setEverywhereBut = async (last: TestMember | undefined, setting: string, value: string) => {
      for (const member of cluster.members) {
        await member.ask(
          `alter system ${member === last ? 'reset' : 'set'} ${setting}${member === last ? '' : ` = '${value}'`}`,
        );
        await member.ask('select pg_reload_conf()');
      }
    };
    beforeAll(async () => {
      dir = await mkdtemp(join(tmpdir(), 'lockstep-lacking-'));
      await chmod(dir, 0o755);
    });
    afterAll(() => rm(dir, { recursive: true, force: true }));

    test('trial: a library', async () => {
      await start();
      const [[library] = []] = await cluster.members[0]!.ask(
        `select setting from pg_config where name = 'PKGLIBDIR'`,
      );
      await copyFile(join(library!, 'citext.so'), join(dir, 'only_here.so'));
      await setEverywhereBut(cluster.members.at(-1), 'dynamic_library_path', `$libdir:${dir}`);
      await refusedUntil(
        `create function made(text, text) returns bool language c immutable strict as 'only_here', 'citext_eq'`,
        {
          code: '58P01',
          supply: () => setEverywhereBut(undefined, 'dynamic_library_path', `$libdir:${dir}`),
          made: `select to_regproc('made')::text`,
        },
      );
    });

    test('trial: an extension', async ({ skip }) => {
      const [[version] = []] = await fixture
        .server(0)
        .query('show server_version_num', undefined, 'postgres');
      skip(Number(version) < 180_000, 'where extensions are is the server’s to say since 18');
      await start();
      await mkdir(join(dir, 'extension'));
      await writeFile(join(dir, 'extension/made.control'), `default_version = '1.0'\nrelocatable = true\n`);
      await writeFile(join(dir, 'extension/made--1.0.sql'), 'create table made (id int);\n');
      await setEverywhereBut(cluster.members.at(-1), 'extension_control_path', `$system:${dir}`);
      await refusedUntil('create extension made', {
        code: '0A000',
        supply: () => setEverywhereBut(undefined, 'extension_control_path', `$system:${dir}`),
        made: isMade,
      });
    });
  });
});

describe('trial: what is not tried', () => {
  test('trial: more than 4 MB of changes take effect, and who cannot follow is taken out', async () => {
    await start();
    const { role, last } = await roleMissingOnLast();
    const client = await connect(cluster.url);
    await client.query('begin');
    await client.query('create table made (t text)');
    await client.query(`insert into made select repeat('x', 100000) from generate_series(1, 50)`);
    await client.query(`grant select on made to ${role}`);
    await client.query('commit');
    expect(await cluster.untilInactive(last.id)).toContain(role);
    const rows = 'select count(*), sum(length(t)) from made';
    for (const member of cluster.members)
      if (member !== last) expect(await member.ask(rows)).toEqual([['50', '5000000']]);
    expect([...events.of('trial-refused'), ...events.of('record-refused')]).toEqual([]);
  });

  test('trial: maintenance outside of transactions is carried out by each member for itself', async () => {
    await start();
    const client = await connect(cluster.url);
    const file = `select pg_relation_filenode('shop_pkey')::text, (select count(*) from pg_index where not indisvalid)`;
    const before = await everywhere(file);
    await client.query('reindex index concurrently shop_pkey');
    const isDone = async (): Promise<boolean> => {
      const now = await everywhere(file);
      return now.every((one, index) => JSON.stringify(one) !== JSON.stringify(before[index]));
    };
    await waitFor(isDone, { what: 'the index to be made anew on every member' });
    await allActive();
  });
});

test('trial: one that lacks something is enough; of those that differ, nobody may have done it', () => {
  const answer = (kind: 'undecided' | 'lacks' | 'differs', id: string) =>
    ({ kind, error: new MemberError(id, 'client', kind) }) as const;
  const who = (...answers: Parameters<typeof refusalsOf>[0]) =>
    refusalsOf(answers).map(({ memberId }) => memberId);
  expect(who({ kind: 'held' }, answer('lacks', 'b'))).toEqual(['b']);
  expect(who({ kind: 'held' }, answer('differs', 'b'))).toEqual([]);
  expect(who(answer('undecided', 'a'), answer('differs', 'b'))).toEqual(['b']);
  expect(who(answer('undecided', 'a'), answer('undecided', 'b'))).toEqual([]);
  expect(who()).toEqual([]);
});

test('trial: its place, and its end, are told to those alone that hold it', async () => {
  const told: string[] = [];
  const stream = (id: string, kind: 'held' | 'undecided'): ApplyStream =>
    ({
      tryOut: () =>
        Promise.resolve(kind === 'held' ? { kind } : { kind, error: new MemberError(id, 'retry', 'behind') }),
      placeTrial: (csn: number) => void told.push(`${id}: ${csn}`),
      dropTrial: () => void told.push(`${id}: dropped`),
    }) as unknown as ApplyStream;
  const streams = [stream('behind, with another trial', 'undecided'), stream('level', 'held')];
  const trial = await Trial.run(streams, new MemoryWriteSet([]), { afterCsn: 10, primaryMs: 1 });
  trial.place(11);
  trial.drop();
  expect(told).toEqual(['level: 11', 'level: dropped']);
});
