/** With a large schema nobody waits until it has been read anew. Until then answers are right all the same. */

import { afterAll, expect, test } from 'vitest';
import { invariant } from '../../src/base/index.ts';
import { FreshCluster, patientProbe } from '../failure/fresh-cluster.ts';
import { connect, withServers } from '../support/index.ts';

const fixture = withServers(2);
let cluster: FreshCluster | undefined;
afterAll(() => cluster?.stop());

/** Each with a default and a CHECK. */
const tables = 600;

/** More than a thousand objects: see `src/node/schema-reader.ts`. */
const many = `
  CREATE TABLE t (id int PRIMARY KEY, v text);
  DO $$ BEGIN FOR i IN 1 .. 1200 LOOP EXECUTE format('CREATE FUNCTION many_%s(int) RETURNS int LANGUAGE sql IMMUTABLE AS ''SELECT $1 + 1''', i); END LOOP; END $$;
  DO $$ BEGIN FOR i IN 1 .. ${tables} LOOP EXECUTE format('CREATE TABLE table_%s (id serial PRIMARY KEY, n int CHECK (n > 0))', i); END LOOP; END $$`;

/** What a function does, and what must be true of the session behind it. */
const kinds = [
  (n: number) => `SELECT set_config('app.n', '${n}', false) IS NOT NULL AND true`,
  () => 'SELECT true',
  (n: number) => `INSERT INTO t VALUES (${n}, 'by f') ON CONFLICT DO NOTHING; SELECT true`,
];

test('reads: what a schema statement has changed holds at once, however long the schema takes to be read', {
  timeout: 240_000,
}, async () => {
  cluster = await FreshCluster.start(fixture.servers, { schema: many, config: { probe: patientProbe } });
  const [one, two] = [await connect(cluster.url), await connect(cluster.url)];
  await one.query(`CREATE FUNCTION f() RETURNS boolean LANGUAGE sql AS $$ SELECT true $$`);
  await one.query('CREATE VIEW seen AS SELECT f() AS done');
  let set = '';
  for (let n = 1; n <= 24; n++) {
    const kind = n % kinds.length;
    const body = kinds[kind]?.(n) ?? '';
    await one.query(`CREATE OR REPLACE FUNCTION f() RETURNS boolean LANGUAGE sql AS $$ ${body} $$`);
    await one.query(`CREATE TABLE made_${n} AS SELECT ${n} AS n`);
    // Of both sessions, and by the view too: neither goes by what f was before.
    expect((await two.query(n % 2 === 0 ? 'SELECT done FROM seen' : 'SELECT f() AS done')).rows).toEqual([
      { done: true },
    ]);
    if (kind === 0) set = String(n);
    if (set !== '')
      expect((await two.query(`SELECT current_setting('app.n') AS n`)).rows, `${n}: ${body}`).toEqual([
        { n: set },
      ]);
    if (kind === 2)
      expect((await one.query('SELECT v FROM t WHERE id = $1', [n])).rows, body).toEqual([{ v: 'by f' }]);
    expect((await two.query(`SELECT n FROM made_${n}`)).rows).toEqual([{ n }]);
  }
  await one.query('ALTER TABLE t RENAME TO u; CREATE VIEW t AS SELECT id, v, f() AS g FROM u');
  expect((await two.query('SELECT count(*)::int AS n FROM t')).rows).toEqual([{ n: 8 }]);
  const sums = cluster.members.map(({ ask }) => ask('SELECT count(*), sum(id) FROM u'));
  const [first, second] = await Promise.all(sums);
  expect(second).toEqual(first);
});

/** Rows of these that the open transaction has gone through by now, at the primary. */
const goneThrough = `SELECT sum(pg_stat_get_xact_tuples_returned(c::regclass))::int AS n
  FROM unnest('{pg_attrdef,pg_class,pg_constraint,pg_index,pg_namespace,pg_policy,pg_rewrite,pg_trigger,pg_type}'::text[]) c`;

test('reads: what a schema statement goes through of the catalogs is not all tables', {
  timeout: 120_000,
}, async () => {
  invariant(cluster, 'the test before has started it');
  const client = await connect(cluster.url);
  const asked = async (): Promise<number> => Number((await client.query(goneThrough)).rows[0].n);
  // The first one of a session looks up much that the next ones know.
  await client.query('BEGIN; CREATE TABLE gone_0 (id serial PRIMARY KEY, n int CHECK (n > 0))');
  const before = await asked();
  await client.query('CREATE TABLE gone_1 (id serial PRIMARY KEY, n int CHECK (n > 0))');
  const after = await asked();
  await client.query('COMMIT');
  expect(after - before).toBeGreaterThan(0);
  expect(after - before).toBeLessThan(tables);
});
