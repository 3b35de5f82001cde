import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Difference } from '../../src/testing/index.ts';
import {
  compareMembers,
  describeDifferences,
  findPostgres,
  PostgresServer,
} from '../../src/testing/index.ts';
import { withServers } from '../support/index.ts';

/** Something of every kind that the checker looks at. */
const schema = `
  create schema shop;
  create type shop.mood as enum ('low', 'high');
  create type shop.pair as (a int, b text);
  create domain shop.positive as int check (value > 0);
  create table shop.item (id serial primary key, t text default 'x', m shop.mood, p shop.pair, n shop.positive);
  create table keyless (v int);
  create table parted (k int, v text) partition by range (k);
  create table parted_low partition of parted for values from (0) to (10);
  create table parent (a int);
  create table child (b int) inherits (parent);
  create table "Odd ""name""" ("t" text, "order" int);
  create view seen as select id from shop.item;
  create materialized view kept as select count(*) from shop.item;
  create index by_text on shop.item (t);
  create function double(n int) returns int language sql as 'select n * 2';
  create function touch() returns trigger language plpgsql as 'begin return new; end';
  create trigger touched before update on shop.item for each row execute function touch();
  create rule quiet as on delete to keyless do instead nothing;
  create sequence counter;
  create statistics spread on t, m from shop.item;
  create schema lockstep;
  create table lockstep.log (n int);
  create function lockstep.capture() returns trigger language plpgsql as 'begin return new; end';
  create trigger lockstep_capture after insert on shop.item for each row execute function lockstep.capture();
  insert into shop.item (t, m, p, n) select 'row ' || i, 'high', row(i, 'b')::shop.pair, i from generate_series(1, 1000) i;
  insert into keyless values (1), (1), (null);
  insert into parted values (1, 'low');
  insert into parent values (1);
  insert into child values (2, 3);
  insert into "Odd ""name""" values ('t', 1);
  refresh materialized view kept;
  select setval('counter', 41);`;

const cases: readonly (readonly [does: string, broken: string, kind: string, object: string])[] = [
  ['lacks a row', 'delete from shop.item where id = 500', 'rows', 'shop.item'],
  ['has a row more', `insert into parted values (2, 'more')`, 'rows', 'public.parted_low'],
  ['has another value', `update shop.item set t = 'other' where id = 7`, 'rows', 'shop.item'],
  ['has a value instead of null', 'update keyless set v = 2 where v is null', 'rows', 'public.keyless'],
  ['has a duplicate more', 'insert into keyless values (1)', 'rows', 'public.keyless'],
  ['has an inherited row elsewhere', 'insert into child values (9, 9)', 'rows', 'public.child'],
  [
    'has a row in a table with an odd name',
    `insert into "Odd ""name""" values ('u', 2)`,
    'rows',
    'public."Odd ""name"""',
  ],
  ['has a stale view', 'delete from shop.item; refresh materialized view kept', 'rows', 'public.kept'],
  ['has an empty view', 'refresh materialized view kept with no data', 'filled', 'public.kept'],
  ['has a sequence ahead', `select nextval('counter')`, 'sequence', 'public.counter'],
  ['has a sequence not called', `select setval('counter', 41, false)`, 'sequence', 'public.counter'],
  ['lacks a table', 'drop table keyless', 'relation', 'public.keyless'],
  ['has a table more', 'create table extra ()', 'relation', 'public.extra'],
  ['has another column type', 'alter table keyless alter v type bigint', 'column', 'public.keyless.v'],
  ['has another default', `alter table shop.item alter t set default 'y'`, 'column', 'shop.item.t'],
  ['lacks an index', 'drop index shop.by_text', 'index', 'shop.by_text'],
  [
    'lacks a constraint',
    'alter domain shop.positive drop constraint positive_check',
    'constraint',
    'positive_check on shop.positive',
  ],
  [
    'has another function',
    `create or replace function double(n int) returns int language sql as 'select n + n'`,
    'function',
    'public.double(integer)',
  ],
  [
    'has another view',
    'create or replace view seen as select id + 0 as id from shop.item',
    'view',
    'public.seen',
  ],
  ['has a label more', `alter type shop.mood add value 'mid'`, 'type', 'shop.mood'],
  ['has a trigger off', 'alter table shop.item disable trigger touched', 'trigger', 'shop.item.touched'],
  ['lacks a rule', 'drop rule quiet on keyless', 'rule', 'public.keyless.quiet'],
  ['has another step', 'alter sequence counter increment 5', 'sequence definition', 'public.counter'],
  ['has a right more', 'grant select on keyless to public', 'relation', 'public.keyless'],
  ['has another comment', `comment on column keyless.v is 'hm'`, 'column', 'public.keyless.v'],
  ['lacks statistics', 'drop statistics spread', 'statistics', 'public.spread'],
  ['has a policy', 'create policy mine on keyless using (v > 0)', 'policy', 'public.keyless.mine'],
];

describe('compare members:', () => {
  const fixture = withServers(2, { settings: { max_connections: 50 } });
  let round = 0;

  beforeAll(async () => {
    for (const server of fixture.servers) {
      await server.query(`create database equal template template0`);
      await server.query(schema, undefined, 'equal');
    }
  });

  async function compare(database: string): Promise<readonly Difference[]> {
    const ask = (index: number) => (sql: string) => fixture.server(index).query(sql, undefined, database);
    return compareMembers({ db1: ask(0), db2: ask(1) });
  }

  test('equal members are acquitted', async () => {
    expect(await compare('equal')).toEqual([]);
  });

  test('what Lockstep keeps for itself does not count', async () => {
    await fixture
      .server(1)
      .query(
        `insert into lockstep.log values (1); drop trigger lockstep_capture on shop.item`,
        undefined,
        'equal',
      );
    expect(await compare('equal')).toEqual([]);
  });

  test.each(cases)('a member that %s is convicted', async (_does, broken, kind, object) => {
    round += 1;
    const database = `broken${round}`;
    for (const server of fixture.servers) await server.query(`create database ${database} template equal`);
    await fixture.server(1).query(broken, undefined, database);
    const found = await compare(database);
    expect(found.filter((one) => one.kind === kind && one.object === object)).not.toEqual([]);
    for (const server of fixture.servers) await server.query(`drop database ${database}`);
  });

  test('differing rows are shown, with how often each member has them', async () => {
    for (const server of fixture.servers) await server.query('create database rows template equal');
    await fixture.server(1).query('insert into keyless values (1)', undefined, 'rows');
    const found = await compare('rows');
    expect(found).toEqual([
      { kind: 'rows', object: 'public.keyless', row: '(1)', found: { db1: '2', db2: '3' } },
    ]);
    expect(describeDifferences(found)).toBe('rows public.keyless (1)\n  db1: 2\n  db2: 3');
  });

  test('connections that would show equal values differently are refused', async () => {
    const ask = (index: number, first: string) => async (sql: string) =>
      fixture.server(index).query(`${first}; ${sql}`, undefined, 'equal');
    const members = { db1: ask(0, 'select'), db2: ask(1, `set datestyle to 'German'`) };
    await expect(compareMembers(members)).rejects.toThrow(
      'DateStyle is {"db1":"ISO, MDY","db2":"German, DMY"}',
    );
  });
});

test.skipIf(findPostgres({ prefer: 'system' }).origin === 'embedded')(
  'compare members: equal members of different versions are acquitted',
  async () => {
    const home = await mkdtemp(join(tmpdir(), 'lockstep-test-'));
    const servers = await Promise.all(
      (['embedded', 'system'] as const).map((prefer) =>
        PostgresServer.create({
          dir: `${home}/${prefer}`,
          binaries: findPostgres({ prefer }),
          durable: false,
        }),
      ),
    );
    for (const server of servers) {
      await server.start();
      await server.query(schema);
    }
    const [first, second] = servers;
    expect(
      await compareMembers({
        a: async (sql) => first?.query(sql) ?? [],
        b: async (sql) => second?.query(sql) ?? [],
      }),
    ).toEqual([]);
    for (const server of servers) await server.destroy();
    await rm(home, { recursive: true });
  },
);
