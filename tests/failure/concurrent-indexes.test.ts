/** Whoever makes or rebuilds an index CONCURRENTLY dies on the way: nothing unfinished is left on any member. */

import type { Client } from 'pg';
import { afterEach, describe, expect, test } from 'vitest';
import { compareMembers } from '../../src/testing/index.ts';
import { connect } from '../support/connect.ts';
import { waitFor, withServers } from '../support/index.ts';
import { FreshCluster, patientProbe } from './fresh-cluster.ts';
import type { TestMember } from './fresh-cluster.ts';

const fixture = withServers(3);
let cluster: FreshCluster;
afterEach(() => cluster.stop());

const config = { sync: { automatic: true, retryMaxMs: 1000 }, probe: patientProbe };
const schema = `create schema app; create table app.shop (id int primary key, name text); insert into app.shop select i, 'n' || i from generate_series(1, 500) i;
  create table other (id int primary key)`;

/** What holds such a statement up on one member, and what is there of its index meanwhile. */
const steps = {
  'before it is built': {
    hold: 'begin; lock table app.shop in row exclusive mode',
    state: 'not i.indisready',
  },
  'before it is valid': {
    hold: 'begin isolation level repeatable read; select from other',
    state: 'i.indisready and not i.indisvalid',
  },
  'before the old one is gone': {
    hold: 'begin; select from app.shop limit 1',
    state: `not i.indisvalid and i.indexrelid::regclass::text like '%ccold%'`,
  },
} as const;

type Step = keyof typeof steps;

const unfinished = `select relname from pg_index join pg_class on pg_class.oid = indexrelid where not indisvalid or not indisready or relname like '!lockstep%'`;

/** Returns how to let it go on. */
async function holdUp({ server }: TestMember, step: Step): Promise<() => Promise<void>> {
  const holder = await connect(server.urlOf(cluster.database));
  await holder.query(`set lockstep.guard = off; ${steps[step].hold}`);
  return () => holder.end().catch(() => undefined);
}

const untilHeldUp = ({ ask, id }: TestMember, step: Step): Promise<unknown> =>
  waitFor(async () => (await ask(`select from pg_index i where ${steps[step].state}`)).length > 0, {
    what: `an index of ${id} ${step}`,
  });

async function nothingIsLeft(): Promise<void> {
  for (const { id } of cluster.members) await cluster.untilActive(id);
  for (const { ask, id } of cluster.members)
    await waitFor(async () => (await ask(unfinished)).length === 0, { what: `nothing unfinished on ${id}` });
  const differences = await compareMembers(
    Object.fromEntries(cluster.members.map(({ id, ask }) => [id, ask])),
  );
  expect(differences).toEqual([]);
}

/** Of a client's statement, that it has ended. */
const ended = (statement: Promise<unknown>): Promise<unknown> => statement.catch((error: unknown) => error);

const backendOf = `select pg_terminate_backend(pid) from pg_stat_activity where query ilike '%index%concurrently%' and pid <> pg_backend_pid() and datname = current_database()`;

const statements = {
  'reindex index concurrently': 'reindex index concurrently shop_pkey',
  'create index concurrently': 'create unique index concurrently shop_name on shop (name, id)',
} as const;

type What = keyof typeof statements;

const cases: readonly (readonly [What, Step])[] = [
  ...(Object.keys(steps) as Step[]).map((step) => ['reindex index concurrently', step] as const),
  ['create index concurrently', 'before it is built'],
  ['create index concurrently', 'before it is valid'],
];

describe.each(cases)('%s: cut short %s', (what, step) => {
  const made = what === 'create index concurrently';

  async function begin(
    held: TestMember,
  ): Promise<{ client: Client; done: Promise<unknown>; letGo: () => Promise<void> }> {
    const client = await connect(cluster.url);
    await client.query('set search_path = app');
    const letGo = await holdUp(held, step);
    const done = ended(client.query(statements[what]));
    // A client hears of REINDEX when the primary has done it.
    const early = made ? done.then((error) => expect(error).toBe('held up')) : new Promise(() => undefined);
    await Promise.race([untilHeldUp(held, step), early]);
    return { client, done, letGo };
  }

  /** What was cut short is nowhere, and can be made. */
  async function again(): Promise<void> {
    if (!made) return;
    for (const { ask } of cluster.members) expect(await ask(isThere)).toEqual([[null]]);
    const client = await connect(cluster.url);
    await client.query('set search_path = app');
    await client.query(statements[what]);
    await nothingIsLeft();
    for (const { ask } of cluster.members) expect(await ask(isThere)).toEqual([['app.shop_name']]);
  }

  test(`${what}: ${step}, on the primary, cancelled, its connection ended, its client gone, and the server killed`, async () => {
    cluster = await FreshCluster.prepare(fixture.servers, { config, schema });
    await cluster.startNode();
    const primary = await cluster.primary();
    const cancelled = await begin(primary);
    await primary.ask(backendOf.replace('terminate', 'cancel'));
    expect(await cancelled.done).toMatchObject({ code: '57014' });
    await cancelled.letGo();
    await nothingIsLeft();
    const terminated = await begin(primary);
    await primary.ask(backendOf);
    expect(await terminated.done).toBeInstanceOf(Error);
    await terminated.letGo();
    await nothingIsLeft();
    const left = await begin(primary);
    streamOf(left.client).destroy();
    await left.done;
    await left.letGo();
    await nothingIsLeft();
    // As on one server, nobody need be there to hear that it is done.
    if (made) await (await connect(cluster.url)).query('drop index if exists app.shop_name');
    const killed = await begin(primary);
    await primary.server.kill9();
    expect(await killed.done).toBeInstanceOf(Error);
    await killed.letGo();
    await cluster.untilInactive(primary.id);
    await primary.server.start();
    await nothingIsLeft();
    await again();
  });

  test(`${what}: ${step}, on a replica, whose connection is ended, and which is killed`, async () => {
    cluster = await FreshCluster.prepare(fixture.servers, { config, schema });
    await cluster.startNode();
    const [replica] = (await cluster.replicas()) as [TestMember];
    const terminated = await begin(replica);
    if (!made) await terminated.done;
    await replica.ask(backendOf);
    if (made) expect(await terminated.done).toBeInstanceOf(Error);
    await terminated.letGo();
    await nothingIsLeft();
    const killed = await begin(replica);
    await replica.server.kill9();
    await killed.letGo();
    await cluster.untilInactive(replica.id);
    // The others go on without it.
    expect(await killed.done).not.toBeInstanceOf(Error);
    await replica.server.start();
    await nothingIsLeft();
    if (made) for (const { ask } of cluster.members) expect(await ask(isThere)).toEqual([['app.shop_name']]);
  });

  test(`${what}: ${step}, the node killed while it is done on the primary, and on a replica`, async () => {
    cluster = await FreshCluster.prepare(fixture.servers, { config, schema });
    await cluster.startNodeProcess();
    const [primary, replica] = cluster.members as [TestMember, TestMember];
    for (const held of [primary, replica]) {
      const begun = await begin(held);
      const port = cluster.processPort;
      await cluster.killNode();
      await begun.done;
      await cluster.startNodeProcess(port);
      await begun.letGo();
    }
    await cluster.stopNode();
    await cluster.startNode();
    await nothingIsLeft();
    await again();
  });
});

const isThere = `select to_regclass('app.shop_name')::text`;

const streamOf = (client: Client): { destroy(): void } =>
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream;

describe('create index concurrently', () => {
  test('create index concurrently: the node, and the primary, killed while the record is committed', async () => {
    cluster = await FreshCluster.prepare(fixture.servers, { config, schema });
    await cluster.startNodeProcess();
    const [primary] = cluster.members as [TestMember];
    const untilWaiting = (): Promise<unknown> =>
      waitFor(
        async () =>
          (
            await primary.ask(
              `select from pg_locks where not granted and relation::regclass::text ~ 'lockstep.log'`,
            )
          ).length > 0,
        { what: 'the record to be committed' },
      );
    const begin = async (): Promise<{ done: Promise<unknown>; holder: Client }> => {
      const client = await connect(cluster.url);
      const holder = await connect(primary.server.urlOf(cluster.database));
      await holder.query('begin; lock table lockstep.log in exclusive mode');
      const done = ended(client.query('create index concurrently shop_name on app.shop (name)'));
      await untilWaiting();
      return { done, holder };
    };
    const first = await begin();
    await cluster.killNode();
    await first.done;
    await first.holder.end();
    await cluster.startNode();
    // Its COMMIT had been sent: it may have come to its end, and then it is everywhere.
    await nothingIsLeft();
    await (await connect(cluster.url)).query('drop index if exists app.shop_name');
    const second = await begin();
    await primary.server.kill9();
    // Its transaction is run again on the next primary, which has built the index too.
    expect(await second.done).not.toBeInstanceOf(Error);
    await primary.server.start();
    await nothingIsLeft();
    for (const { ask } of cluster.members) expect(await ask(isThere)).toEqual([['app.shop_name']]);
  });

  test('create index concurrently: writers go on, two are asked for at a time, a verification accuses nobody, and rows that are there twice are refused', async () => {
    cluster = await FreshCluster.prepare(fixture.servers, {
      config: { ...config, verification: { everyMinutes: 0 } },
      schema,
    });
    await cluster.startNode();
    const primary = await cluster.primary();
    const [one, two, writer] = await Promise.all([0, 1, 2].map(() => connect(cluster.url)));
    const letGo = [await holdUp(primary, 'before it is valid')];
    for (const replica of await cluster.replicas()) letGo.push(await holdUp(replica, 'before it is valid'));
    const built = [
      one!.query('create index concurrently on app.shop (name) include (id) where id > 3'),
      two!.query(
        'create unique index concurrently if not exists "Of Names" on app.shop (lower(name) desc nulls last)',
      ),
    ];
    await untilHeldUp(primary, 'before it is valid');
    await writer!.query(`insert into app.shop values (1000, 'while it is built')`);
    await writer!.query(`update app.shop set name = name || '!' where id < 20`);
    const { operator } = cluster.node;
    await operator.verify();
    const outcome = await waitFor(async () => (await operator.verification())?.outcome ?? '', {
      what: 'the verification',
    });
    expect(outcome).toBe('equal');
    expect(await primary.ask(unfinished)).toHaveLength(1);
    for (const end of letGo) await end();
    await Promise.all(built);
    await nothingIsLeft();
    const names = `select string_agg(indexrelid::regclass::text, ' ' order by indexrelid::regclass::text collate "C") from pg_index where indrelid = 'app.shop'::regclass`;
    for (const { ask } of cluster.members)
      expect(await ask(names)).toEqual([['app."Of Names" app.shop_name_id_idx app.shop_pkey']]);
    await expect(
      one!.query('create unique index concurrently u on app.shop ((id % 7))'),
    ).rejects.toMatchObject({
      code: '23505',
      message: 'could not create unique index "u"',
    });
    // Who is told so finds nothing left.
    for (const { ask } of cluster.members) expect(await ask(unfinished)).toEqual([]);
    await two!.query({ name: 'prepared', text: 'create index concurrently plain on app.shop (id)' });
    for (const { ask } of cluster.members)
      expect(await ask(`select to_regclass('app.plain')::text`)).toEqual([['app.plain']]);
    await nothingIsLeft();
  });

  test('create index concurrently: the primary is moved while it is built, and no builder is left on the old one', async () => {
    cluster = await FreshCluster.prepare(fixture.servers, { config, schema });
    await cluster.startNode();
    const primary = await cluster.primary();
    const [replica] = (await cluster.replicas()) as [TestMember];
    const client = await connect(cluster.url);
    const letGo = await holdUp(primary, 'before it is built');
    const done = ended(client.query('create unique index concurrently shop_name on app.shop (name)'));
    await untilHeldUp(primary, 'before it is built');
    await cluster.node.switchPrimary(replica.id);
    expect(await done).toMatchObject({ code: '40001' });
    await letGo();
    expect((await cluster.primary()).id).toBe(replica.id);
    await (await connect(cluster.url)).query(`insert into app.shop values (2000, 'n1')`);
    await nothingIsLeft();
    for (const { ask } of cluster.members) expect(await ask(isThere)).toEqual([[null]]);
  });

  test('create index concurrently: an index of a replica that has no name yet refuses no row that is committed', async () => {
    cluster = await FreshCluster.prepare(fixture.servers, { config, schema });
    await cluster.startNode();
    const [replica] = (await cluster.replicas()) as [TestMember];
    const around = await connect(replica.server.urlOf(cluster.database));
    await around.query('set lockstep.guard = off');
    await around.query('create unique index "!lockstep_building_of_nobody" on app.shop (name)');
    await (await connect(cluster.url)).query(`insert into app.shop values (2000, 'n1'), (2001, 'n1')`);
    expect((await cluster.status()).members.map(({ active }) => active)).toEqual([true, true, true]);
    await nothingIsLeft();
  });

  test('create index concurrently: code in it is refused, and can write nothing on the way', async () => {
    cluster = await FreshCluster.prepare(fixture.servers, { config, schema });
    await cluster.startNode();
    const client = await connect(cluster.url);
    await client.query(`create function put(int) returns int language plpgsql as 'begin insert into other values ($1); return $1; end';
      create function lie(int) returns int language plpgsql immutable as 'begin perform put($1); return $1; end';
      create function own(text) returns text language sql immutable as 'select upper($1)';
      create domain checked as int check (lie(value) > 0); create type made as (c checked)`);
    for (const expression of ['lie(id)', `('(7)'::made) is null`, '(own(name))', '(id::checked)'])
      await expect(
        client.query(`create index concurrently i on app.shop ((${expression}))`),
        expression,
      ).rejects.toThrow();
    for (const statement of [
      'create index "!lockstep_building_1" on app.shop (id)',
      'alter index app.shop_pkey rename to "!lockstep_building_1"',
      `do $$ begin execute 'create index "!lockstep_building_1" on app.shop (id)'; end $$`,
    ])
      await expect(client.query(statement), statement).rejects.toMatchObject({ code: '42501' });
    await client.query('insert into other values (1)');
    for (const { ask } of cluster.members) expect(await ask('select * from other')).toEqual([['1']]);
    await nothingIsLeft();
  });
});
