import { describe, expect, test } from 'vitest';
import { PostgresCatalog } from '../../../src/dialects/postgres/index.ts';
import type { HiddenIn } from '../../../src/sql/index.ts';
import { findPostgres } from '../../../src/testing/index.ts';
import type { PostgresBinaries } from '../../../src/testing/index.ts';
import { withServers } from '../../support/index.ts';
import { connectMember, otherPostgres } from './member-connection.ts';

/** What each object is called, what it is made of, and which of session, writes and local it hides. */
type Case = readonly [what: HiddenIn, name: string, hides: string, ...made: readonly string[]];

const login = `create function login(i int) returns text language plpgsql as $$ begin perform set_config('app.id', i::text, false); return 'ok'; end $$`;
const body = (name: string, text: string): string =>
  `create function ${name}() returns int language plpgsql as $$ begin ${text}; return 1; end $$`;

const cases: readonly Case[] = [
  ['function', 'login', 'session', login],
  [
    'relation',
    'plain',
    '',
    `create table plain(id serial primary key, at timestamptz default now(), n text)`,
  ],
  [
    'function',
    'counted',
    '',
    `create function counted() returns bigint language sql stable as $$ select count(*) from plain where n = 'set' $$`,
  ],
  [
    'relation',
    'over_over',
    'session',
    `create view over_login as select login(1) as l`,
    `create view over_over as select l from over_login`,
  ],
  [
    'function',
    'atomic',
    'session',
    body('inner_atomic', `perform login(2)`),
    `create function atomic() returns int language sql begin atomic select inner_atomic(); end`,
  ],
  [
    'function',
    'quoted',
    'session',
    `create function "Odd Name"() returns text language sql as $$ select login(1) $$`,
    body('quoted', `perform "Odd Name"()`),
  ],
  ['function', 'unlike', '', body('unlike', `perform "oDD nAME"`)],
  ['function', 'dynamic', 'session writes', body('dynamic', `execute 'select 1'`)],
  ['function', 'sets', 'session', body('sets', `set local app.x = '1'`)],
  [
    'function',
    'updates',
    'writes',
    body(
      'updates',
      `update plain set n = 'x' where id = 1; insert into plain values (1) on conflict do nothing; insert into plain values (1) on conflict (id) do update set n = 'y'`,
    ),
  ],
  ['function', 'behind_comment', 'session', body('behind_comment', `-- update plain\n set app.x = '1'`)],
  [
    'function',
    'in_text_only',
    '',
    body(
      'in_text_only',
      `raise notice 'set_config(%)', 'execute'; -- perform set_config('a.b', 'c', false)\n perform 1`,
    ),
  ],
  ['function', 'spelt', 'session writes', body('spelt', `perform U&"\\006Cogin"(1)`)],
  [
    'function',
    'notifies',
    'writes',
    `create function notifies() returns void language plpgsql stable as $$ begin perform pg_notify('a', 'b'); end $$`,
  ],
  [
    'function',
    'temporary',
    'session writes',
    body('temporary', `create temp table if not exists r as select 1`),
  ],
  [
    'function',
    'last_id',
    'local',
    `create function last_id() returns bigint language sql stable as $$ select currval('plain_id_seq') $$`,
  ],
  ['relation', 'mine', 'local', `create view mine as select pg_backend_pid() as pid`],
  ['relation', 'places', 'local', `create view places as select ctid from plain`],
  ['relation', 'catalogs', 'local', `create view catalogs as select relname from pg_class`],
  [
    'relation',
    'docs',
    '',
    `create table docs(id int, owner int)`,
    `alter table docs enable row level security`,
    `create policy own on docs using (owner = nullif(current_setting('app.user_id', true), '')::int and current_user <> 'x')`,
  ],
  [
    'relation',
    'locked',
    'session',
    `create table locked(id int)`,
    `create policy lock on locked using (pg_try_advisory_lock(id))`,
  ],
  [
    'relation',
    'of_any_setting',
    'local',
    `create view of_any_setting as select current_setting(n) from plain`,
  ],
  ['relation', 'of_the_server', 'local', `create view of_the_server as select current_setting('port')`],
  [
    'relation',
    'stored',
    '',
    `create materialized view stored as select id from plain where login(1) is not null with no data`,
  ],
  ['relation', 'defaulted', '', `create table defaulted(id int, l text default login(3))`],
  ['target', 'defaulted', 'session'],
  ['target', 'plain', 'writes'],
  [
    'target',
    'triggered',
    'session',
    `create table triggered(id int primary key)`,
    `create function tr() returns trigger language plpgsql as $$ begin perform login(1); return new; end $$`,
    `create trigger tr before insert on triggered for each row execute function tr()`,
  ],
  ['target', 'view_of_triggered', 'session', `create view view_of_triggered as select id from triggered`],
  ['relation', 'view_of_triggered', ''],
  [
    'target',
    'cascades',
    'session',
    `create table cascades(id int primary key)`,
    `create table referring(id int references cascades on delete cascade)`,
    `create trigger tr2 after delete on referring for each row execute function tr()`,
  ],
  [
    'target',
    'parent',
    'session',
    `create table parent(id int) partition by list (id)`,
    `create table child partition of parent for values in (1)`,
    `create trigger tr3 before insert on child for each row execute function tr()`,
  ],
  [
    'function',
    'writes_triggered',
    'session writes',
    body('writes_triggered', `insert into triggered values (7)`),
  ],
  [
    'target',
    'checked',
    'session',
    `create domain checked_domain as int check (login(value) is not null)`,
    `create table checked(c checked_domain)`,
  ],
  ['type', 'checked_domain', 'session'],
  [
    'field',
    'owned',
    'session',
    `create function owned(d docs) returns text language sql as $$ select login(d.owner) $$`,
  ],
  ['field', 'login', ''],
  [
    'operator',
    '<<<->>>',
    'session',
    `create function op(int, int) returns text language sql as $$ select login($1) $$`,
    `create operator <<<->>> (leftarg = int, rightarg = int, function = op)`,
  ],
  [
    'function',
    'by_operator',
    'session',
    `create function by_operator() returns text language sql as $$ select 1 <<<->>> 2 $$`,
  ],
  [
    'type',
    'cast_type',
    'session',
    `create type cast_type as (a int)`,
    `create function to_t(cast_type) returns int language sql as $$ select length(login(1)) $$`,
    `create cast (cast_type as int) with function to_t(cast_type) as implicit`,
  ],
  ['relation', 'of_cast_type', 'session', `create table of_cast_type(c cast_type[])`],
  [
    'function',
    'summed',
    'session',
    `create function step(int, int) returns int language sql as $$ select length(login(1)) $$`,
    `create aggregate summed(int) (sfunc = step, stype = int)`,
  ],
  [
    'function',
    'defaulting',
    'session',
    `create function defaulting(t text default login(1)) returns int language sql as $$ select 1 $$`,
  ],
  [
    'function',
    'same',
    'session',
    `create schema other`,
    `create function same() returns int language sql as $$ select 1 $$`,
    body('other.same', `perform login(1)`),
  ],
];

function suite(binaries: PostgresBinaries): void {
  describe(`purity: PostgreSQL ${binaries.major}`, () => {
    const fixture = withServers(1, { binaries });

    test('what hides behind functions, views, tables and types is found, and nothing else', async () => {
      const connection = await connectMember(fixture.server(0));
      for (const [, , , ...made] of cases) {
        for (const sql of made) {
          const old = sql.includes('begin atomic') && binaries.major < 14;
          await connection.query(old ? sql.replace('begin atomic', 'as $$').replace('; end', ' $$') : sql);
        }
      }
      const catalog = new PostgresCatalog();
      await catalog.loadFunctions(connection);
      const found = cases.map(([what, object]) => {
        const hidden = catalog.hidden(what, undefined, object) ?? {};
        const kinds = ['session', 'writes', 'local'].filter(
          (kind) => hidden[kind as 'session'] !== undefined,
        );
        return `${what} ${object}: ${kinds.join(' ')}`;
      });
      expect(found).toEqual(cases.map(([what, object, hides]) => `${what} ${object}: ${hides}`));
      expect(catalog.hidden('function', 'public', 'same')).toBeUndefined();
      expect(catalog.settings).toContain('app.user_id');
      expect(catalog.settings).not.toContain('port');
      expect(catalog.everywhere).toBeUndefined();
      await connection.query(
        'create or replace function counted() returns bigint language sql stable as $$ select length(login(1)) $$',
      );
      await catalog.loadFunctions(connection);
      expect(catalog.hidden('function', undefined, 'counted')?.session).toBeDefined();
    });

    test('an expression that has changed is looked through again, and one that is gone is forgotten', async () => {
      const connection = await connectMember(fixture.server(0));
      const catalog = new PostgresCatalog();
      const hides = async (sql: string): Promise<boolean> => {
        await connection.query(sql);
        await catalog.loadFunctions(connection);
        return catalog.hidden('relation', undefined, 'changing')?.session !== undefined;
      };
      expect(await hides('create view changing as select 1 as n')).toBe(false);
      expect(
        await hides('create or replace view changing as select length(pg_advisory_lock(1)::text) as n'),
      ).toBe(true);
      expect(await hides('create table other(n int); create index on other ((n + 1))')).toBe(true);
      expect(await hides('create or replace view changing as select 2 as n')).toBe(false);
      expect(await hides('drop view changing; create view changing as select pg_try_advisory_lock(1)')).toBe(
        true,
      );
      expect(await hides('drop view changing; create table changing(n int)')).toBe(false);
    });

    test('a cast between types of the system that is a function of the user hides behind everything', async () => {
      const connection = await connectMember(fixture.server(0));
      await connection.query(
        'create function lying(text) returns point language sql as $$ select point(length(login(1)), 1) $$',
      );
      await connection.query('create cast (text as point) with function lying(text) as implicit');
      const catalog = new PostgresCatalog();
      await catalog.loadFunctions(connection);
      expect(catalog.everywhere?.session).toBeDefined();
    });
  });
}

suite(findPostgres());
const other = otherPostgres();
if (other !== undefined) suite(other);
