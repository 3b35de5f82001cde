/** Definitions that may come out otherwise on another member: named when they are made, when rows are stored, and by `check`. */

import { describe, expect, onTestFinished, test } from 'vitest';
import { preflightMember } from '../../../src/dialects/postgres/index.ts';
import { all, unrepeatableQuery } from '../../../src/dialects/postgres/unrepeatable.ts';
import { connect, startNode, waitFor, withServers } from '../../support/index.ts';
import { freshMember } from '../../sync/postgres/fresh-members.ts';
import { recordEvents } from '../../sync/recorded-events.ts';
import { connectMember, otherPostgres } from './member-connection.ts';

const other = otherPostgres();
const versions = [
  { name: 'that tests use', options: {} },
  ...(other === undefined ? [] : [{ name: String(other.major), options: { binaries: other } }]),
];

const functions = `
  CREATE TABLE other (n int);
  CREATE FUNCTION looks(i int) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT EXISTS (SELECT FROM public.other WHERE n = i) $$;
  CREATE FUNCTION through(i int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN public.looks(i) AND to_char(current_date, 'x') <> 'now()'; END $$;
  CREATE FUNCTION changing(i int) RETURNS int LANGUAGE sql VOLATILE AS $$ SELECT i $$;
  CREATE FUNCTION pure(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN /* now() FROM other */ RETURN extract(day FROM date '2020-01-01')::int + abs(i); -- random()
    END $$;
  CREATE FUNCTION counted(i int) RETURNS int LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT count(*)::int FROM public.other WHERE n = i; END;`;

const tables = `
  CREATE TABLE t (id int PRIMARY KEY, at timestamptz DEFAULT now() CHECK (at <= now()), who name CHECK (who = current_user), n int,
    g int GENERATED ALWAYS AS (counted(id)) STORED, h int GENERATED ALWAYS AS (pure(id)) STORED,
    CONSTRAINT by_others CHECK (through(n)), CHECK (changing(n) > 0), CHECK (pure(n) > 0));
  CREATE DOMAIN known AS int CHECK (looks(value)); CREATE DOMAIN positive AS int CHECK (value > 0);
  CREATE INDEX plain ON t (pure(n)); CREATE INDEX partial ON t (counted(n)) WHERE looks(n); CREATE TABLE child () INHERITS (t);
  CREATE TABLE parted (id int) PARTITION BY LIST (counted(id)); CREATE TEMPORARY TABLE mine (at timestamptz CHECK (at < now()))`;

const named = [
  [
    'check by_others of public.t',
    'function public.through, which calls to_char(), function public.through, which reads public.other, function public.through, which uses current_date',
  ],
  ['check known_check of domain public.known', 'function public.looks, which reads public.other'],
  ['check t_at_check of public.t', 'function now, which is stable'],
  ['check t_n_check of public.t', 'function public.changing, which is volatile'],
  ['check t_who_check of public.t', 'the role at work'],
  ['generated column g of public.t', 'function public.counted, which reads public.other'],
  [
    'index public.partial of public.t',
    'function public.counted, which reads public.other, function public.looks, which reads public.other',
  ],
  ['partition key of public.parted', 'function public.counted, which reads public.other'],
];

describe.each(versions)('definitions that cannot be repeated: PostgreSQL $name', ({ options }) => {
  const servers = withServers(2, options);

  test('each is named with what it depends on, and none that depends on the row alone', async () => {
    const { database, rows } = await freshMember(servers.server(0), { sql: `${functions} ${tables}` });
    expect(await rows(`SET search_path = pg_catalog; ${unrepeatableQuery(all)}`)).toEqual(named);
    const connection = await connectMember(servers.server(0), { database });
    const { items } = await preflightMember(connection);
    const found = items.find(({ name }) => name === 'definitions');
    expect(found).toMatchObject({
      ok: 'warn',
      found: expect.stringContaining('check by_others of public.t depends on function public.through'),
    });
  });

  test('who makes one is warned, once; and operators when its rows are first stored elsewhere', async () => {
    const events = recordEvents();
    const node = await startNode(servers.servers, { logger: events.logger });
    onTestFinished(() => node.stop());
    const client = await connect(node.url);
    const heard: string[] = [];
    client.on('notice', ({ severity, code, message }) => heard.push(`${severity} ${code}: ${message}`));
    const warnings = () => heard.splice(0);
    await client.query(functions.replace(/CREATE FUNCTION counted[^]*/, ''));
    expect(warnings()).toEqual([]);
    await client.query(
      'CREATE TABLE t (id int PRIMARY KEY, n int CHECK (looks(n)), at timestamptz, CHECK (id > 0))',
    );
    expect(warnings()).toEqual([
      'WARNING 01LS1: check t_n_check of public.t depends on function public.looks, which reads public.other',
    ]);
    await client.query('BEGIN');
    await client.query('ALTER TABLE t ADD CONSTRAINT early CHECK (at <= now())');
    expect(warnings()).toEqual([
      'WARNING 01LS1: check early of public.t depends on function now, which is stable',
    ]);
    await client.query('ALTER TABLE t ADD z int');
    await client.query('COMMIT');
    await client.query('CREATE INDEX ON t (pure(n))');
    expect(warnings()).toEqual([]);
    await client.query(`SET client_min_messages = error; ALTER TABLE t ADD CHECK (at < clock_timestamp())`);
    expect(warnings()).toEqual([]);

    await client.query('INSERT INTO other VALUES (1)');
    for (const id of [1, 2, 3]) await client.query(`INSERT INTO t VALUES (${id}, 1)`);
    await waitFor(() => events.of('definition-not-repeatable').length >= 3, { what: 'the events' });
    const told = events.of('definition-not-repeatable').map(({ definition }) => String(definition));
    expect(new Set(told)).toEqual(
      new Set(['check early of public.t', 'check t_at_check of public.t', 'check t_n_check of public.t']),
    );
    expect(told).toHaveLength(3);
    await client.end();
  });
});
