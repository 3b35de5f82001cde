/** Six sessions side by side, most of them at home on a replica: what code out of sight makes of a session holds for its next reads. */

import type { Client } from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../support/connect.ts';
import { waitFor, withNode, withServers } from '../support/index.ts';

const fixture = withServers(3);
const lockstep = withNode(fixture);

const setup = [
  `create role webapp`,
  `create table docs(id int primary key, owner int)`,
  `insert into docs values (1, 7), (2, 8)`,
  `alter table docs enable row level security`,
  `create policy own on docs using (owner = nullif(current_setting('app.user_id', true), '')::int)`,
  `grant select on docs to webapp`,
  `create table calls(id serial primary key, n int)`,
  `grant all on calls, calls_id_seq to webapp`,
  `create function login(int) returns text language plpgsql as $$ begin perform set_config('app.user_id', $1::text, false); return 'ok'; end $$`,
  `create function log_in_early(int) returns void language plpgsql as $$ begin perform set_config('app.early', $1::text, false); end $$`,
  `create function login_locally(int) returns text language plpgsql as $$ begin perform set_config('app.user_id', $1::text, true); return 'ok'; end $$`,
  `create function login_stable(int) returns text language plpgsql stable as $$ begin perform set_config('app.user_id', $1::text, false); return 'ok'; end $$`,
  `create function login_atomic(int) returns text language sql begin atomic select login($1); end`,
  `create procedure login_proc(int) language plpgsql as $$ begin perform set_config('app.user_id', $1::text, false); end $$`,
  `create function "Log In"(int) returns text language sql as $$ select login($1) $$`,
  `create function wrapped(int) returns text language plpgsql as $$ begin return "Log In"($1); end $$`,
  `create view logging_in as select login_stable(8) as said`,
  `create view over_it as select said from logging_in`,
  `create schema one`,
  `create schema two`,
  `create function one.same() returns text language sql stable as $$ select 'nothing' $$`,
  `create function two.same() returns text language sql stable as $$ select login_stable(8) $$`,
  `create function public.log_call() returns trigger language plpgsql as $$ begin perform login(new.n); return new; end $$`,
  `create table traced(n int)`,
  `create trigger tell before insert on traced for each row execute function log_call()`,
  `create table defaulted(n int, said text default login(8))`,
  `create table one.who(n text)`,
  `create table two.who(n text)`,
  `insert into one.who values ('one')`,
  `insert into two.who values ('two')`,
  `create function tenant(text) returns void language plpgsql as $$ begin perform set_config('search_path', $1 || ', public', false); end $$`,
  `create function as_webapp() returns void language plpgsql as $$ begin set role webapp; end $$`,
  `create function write_call(int) returns int language plpgsql as $$ begin insert into public.calls(n) values ($1); return $1; end $$`,
  `create function dynamic_call(int) returns int language plpgsql as $$ begin execute 'insert into public.calls(n) values (1)'; return $1; end $$`,
  `create function poke(text) returns text language plpgsql stable as $$ begin perform pg_notify('news', $1); return $1; end $$`,
  `create view poking as select poke('x')`,
  `create table jobs(id int primary key)`,
  `insert into jobs select generate_series(1, 20)`,
  `alter table jobs enable row level security`,
  `create policy lock on jobs using (pg_try_advisory_lock(id))`,
  `create function grab() returns int language sql stable as $$ select id from public.jobs where pg_try_advisory_lock(1000 + id) order by id limit 1 $$`,
  `create function held_lock() returns void language plpgsql as $$ begin perform pg_advisory_lock(4711); end $$`,
  `create function report() returns int language plpgsql as $$ begin create temp table tmp_report as select 1 as x; return 1; end $$`,
  `create function report_once() returns int language plpgsql as $$ begin create temp table tmp_once on commit drop as select 1 as x; return 1; end $$`,
  `create sequence cs`,
  `create function last_id() returns bigint language sql stable as $$ select currval('public.cs') $$`,
  `create view last_view as select currval('cs') as v`,
  `create function from_now_on(text) returns void language plpgsql as $$ begin execute 'set session characteristics as transaction ' || $1; end $$`,
  `create function changes() returns text language sql stable as $$ select 'pure' $$`,
  `grant usage on schema one, two to webapp`,
  `grant select on jobs, one.who, two.who to webapp`,
  `grant all on traced, defaulted, logging_in, over_it to webapp`,
];

beforeAll(async () => {
  const client = await connect(lockstep.url);
  for (const sql of setup) await client.query(sql);
  await client.end();
});

type Step = string | ((client: Client) => Promise<unknown>);

/** The answer of the last step, in each of six sessions that are open at once. */
async function six(...steps: readonly Step[]): Promise<readonly string[]> {
  const clients = await Promise.all(Array.from({ length: 6 }, () => connect(lockstep.url)));
  const said: string[] = [];
  for (const client of clients) {
    let last = '';
    for (const step of steps) {
      if (typeof step === 'string') {
        const result = await client.query({ text: step, rowMode: 'array' }).catch((error: Error) => error);
        last = result instanceof Error ? result.message : JSON.stringify(result.rows);
      } else await step(client);
    }
    said.push(last);
  }
  await Promise.all(clients.map((client) => client.end()));
  return said;
}

const all = (value: string): readonly string[] => Array.from({ length: 6 }, () => value);
const webapp = 'set role webapp';
const mine = 'select id from docs order by id';

describe('session state: who the session is', () => {
  const ways: readonly (readonly [name: string, ...steps: Step[]])[] = [
    ['by a function', 'select login(8)'],
    ['by a function that calls itself stable', 'select login_stable(8)'],
    ['by one of BEGIN ATOMIC', 'select login_atomic(8)'],
    ['by one behind a quoted name', 'select wrapped(8)'],
    ['by a procedure', 'call login_proc(8)'],
    ['by a block', `do $$ begin perform set_config('app.user_id', '8', false); end $$`],
    ['by a view over a view', 'select said from over_it'],
    ['by a function of another schema, by its name', 'set search_path = two, public', 'select same()'],
    ['by a trigger', 'insert into traced values (8)'],
    ['by a default', 'insert into defaulted(n) values (1) returning said'],
    ['by a statement that was prepared in SQL', 'prepare p as select login(8)', 'execute p'],
    [
      'by one that was prepared by the protocol',
      (client) => client.query({ name: 'p', text: 'select login($1)', values: [8] }),
    ],
    [
      'by set_config() with parameters',
      (client) => client.query('select set_config($1, $2, false)', ['app.user_id', '8']),
    ],
    ['in a transaction', 'begin', 'select login(8)', 'commit'],
    ['in a READ ONLY transaction', 'begin read only', 'select login_stable(8)', 'commit'],
    [
      'in a READ ONLY transaction that has begun elsewhere',
      'begin read only',
      'select n from one.who',
      'select login_stable(8)',
      'commit',
    ],
    ['behind a cursor', 'begin', 'declare c cursor for select login(8)', 'fetch c', 'commit'],
    ['before another that is rolled back', 'select login(8)', 'begin', 'select login(7)', 'rollback'],
    [
      'before another for a transaction only',
      'select login(8)',
      'begin',
      'select login_locally(7)',
      'commit',
    ],
    ['in a string of statements', `select 1; select login(8); select 2`],
    [
      'and by itself afterwards, to and fro',
      'select login(8)',
      mine,
      'select login(7)',
      mine,
      `set app.user_id = '7'`,
      mine,
      'select login(8)',
    ],
  ];
  test.each(ways)('%s', async (_, ...steps) => {
    expect(await six(webapp, mine, ...steps, mine)).toEqual(all('[[2]]'));
    // What the client had said before is no longer true.
    expect(await six(webapp, `set app.user_id = '7'`, mine, ...steps, mine)).toEqual(all('[[2]]'));
  });

  test('nobody any more, when it was for one transaction', async () => {
    expect(await six(webapp, 'begin', 'select login_locally(8)', mine, 'commit', mine)).toEqual(all('[]'));
    expect(await six(webapp, 'select login_locally(8)', mine)).toEqual(all('[]'));
  });

  test('the path and the role', async () => {
    expect(
      await six(
        'set search_path = two',
        'select n from who',
        `select public.tenant('one')`,
        'select n from who',
      ),
    ).toEqual(all('[["one"]]'));
    expect(await six(mine, 'select login(8)', 'select as_webapp()', mine)).toEqual(all('[[2]]'));
    expect(await six(mine, 'select login(8)', 'select as_webapp()', mine, 'reset role', mine)).toEqual(
      all('[[1],[2]]'),
    );
  });

  test('how transactions begin', async () => {
    const write = `insert into traced values (5)`;
    expect(await six('select from_now_on($$read only$$)', 'show transaction_read_only', write)).toEqual(
      all('cannot execute INSERT in a read-only transaction'),
    );
    expect(
      await six(
        'select from_now_on($$read only$$)',
        'select from_now_on($$read write$$)',
        write,
        'show transaction_read_only',
      ),
    ).toEqual(all('[["off"]]'));
    const level = 'show transaction_isolation';
    expect(await six(level, 'select from_now_on($$isolation level serializable$$)', level)).toEqual(
      all('[["serializable"]]'),
    );
    expect(
      await six(
        'select from_now_on($$isolation level serializable$$)',
        'set default_transaction_isolation = default',
        level,
      ),
    ).toEqual(all('[["read committed"]]'));
  });

  test('also by a setting that no code read when it was set', async () => {
    const clients = await Promise.all(Array.from({ length: 6 }, () => connect(lockstep.url)));
    for (const client of clients) {
      await client.query(webapp);
      await client.query('select log_in_early(8)');
    }
    const admin = await connect(lockstep.url);
    await admin.query('create table late (id int, owner int)');
    await admin.query('insert into late values (1, 7), (2, 8)');
    await admin.query('alter table late enable row level security');
    await admin.query(`create policy own on late using (owner = current_setting('app.early', true)::int)`);
    await admin.query('grant select on late to webapp');
    await waitFor(
      async () => {
        const { rows } = await admin.query<{ 'QUERY PLAN': string }>('explain (route) select id from late');
        return rows.some((row) => row['QUERY PLAN'].startsWith('Any active member'));
      },
      { what: 'a schema that has been read' },
    );
    await admin.end();
    for (const client of clients)
      expect((await client.query('select id from late')).rows).toEqual([{ id: 2 }]);
    for (const client of clients) await client.end();
  });

  test('after DISCARD ALL nobody', async () => {
    expect(await six('select login(8)', 'select as_webapp()', 'discard all', webapp, mine)).toEqual(
      all('[]'),
    );
  });

  test('a function that was harmless and is replaced while sessions are open', async () => {
    const clients = await Promise.all(Array.from({ length: 6 }, () => connect(lockstep.url)));
    const ask = { name: 'q', text: 'select changes()' };
    for (const client of clients) {
      await client.query(webapp);
      expect((await client.query(ask)).rows).toEqual([{ changes: 'pure' }]);
    }
    await (await connect(lockstep.url)).query(
      `create or replace function changes() returns text language sql stable as $$ select login_stable(8) $$`,
    );
    for (const client of clients) {
      expect((await client.query(ask)).rows).toEqual([{ changes: 'ok' }]);
      expect((await client.query(mine)).rows).toEqual([{ id: 2 }]);
      await client.end();
    }
  });
});

describe('session state: what only one connection has', () => {
  const numbers = (said: readonly string[]): readonly number[] =>
    said.map((one) => Number(/\d+/.exec(one)?.[0])).sort((a, b) => a - b);

  test('no job is handed out twice by a policy or a function that takes the lock', async () => {
    expect(numbers(await six(webapp, 'select id from jobs order by id limit 1'))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(numbers(await six('select grab()'))).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('a temporary table that a function made is there for the next statement', async () => {
    expect(await six('select report()', 'select x from tmp_report')).toEqual(all('[[1]]'));
  });

  test('the number drawn is known behind a view and a function', async () => {
    expect(await six(`select setval('cs', 5)`, 'select last_id()')).toEqual(all('[["5"]]'));
    expect(await six(`select setval('cs', 5)`, 'select v from last_view')).toEqual(all('[["5"]]'));
    expect(
      await six(`select setval('cs', 5)`, 'begin read only', 'select n from one.who', 'select last_id()'),
    ).toEqual(all('[["5"]]'));
  });

  test('who listens hears a stable function and a view', async () => {
    const heard: string[] = [];
    const listener = await connect(lockstep.url);
    listener.on('notification', ({ payload }) => heard.push(payload ?? ''));
    await listener.query('listen news');
    await six(`select poke('x')`);
    await six('select * from poking');
    await waitFor(() => heard.length >= 12, { what: 'twelve notifications' });
    await listener.end();
  });
});

describe('session state: a session is free again', () => {
  /** Whether it is kept at the primary, and by what. */
  async function kept(client: Client): Promise<string | undefined> {
    const { rows } = await client.query<{ 'QUERY PLAN': string }>('explain (route) select 1');
    return rows.map((row) => row['QUERY PLAN']).find((line) => line.startsWith('This session stays'));
  }

  test.each([
    'select write_call(1)',
    'select dynamic_call(1)',
    'select login(7)',
    'select report_once()',
    'call login_proc(1)',
  ])('after %s', async (sql) => {
    const client = await connect(lockstep.url);
    for (let n = 0; n < 3; n++) await client.query(sql);
    expect(await kept(client)).toBeUndefined();
    await client.end();
  });

  test('once the lock or the table is gone', async () => {
    const client = await connect(lockstep.url);
    await client.query('select held_lock()');
    expect(await kept(client)).toContain('an advisory lock');
    await client.query('select pg_advisory_unlock(4711)');
    expect(await kept(client)).toBeUndefined();
    await client.query('select report()');
    expect(await kept(client)).toContain('temporary objects');
    await client.query('drop table tmp_report');
    expect(await kept(client)).toBeUndefined();
    await client.end();
  });
});
