/** node-postgres: the same work on one server and through the node, with the same answers. */

import { Client, DatabaseError, Pool } from 'pg';
import type { ClientConfig } from 'pg';
import { expect, test } from 'vitest';
import { connect } from '../support/index.ts';
import { untilEqual, withOneAndThree } from './one-and-three.ts';

const servers = withOneAndThree({ balancer: 'round-robin' });

async function errorOf(work: Promise<unknown>) {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof DatabaseError))
    throw new Error('an error of the server was expected', { cause: error });
  const { message, code, severity, detail, hint, position, schema, table, column, dataType, constraint } =
    error;
  return { message, code, severity, detail, hint, position, schema, table, column, dataType, constraint };
}

const work: Readonly<Record<string, (url: string) => Promise<unknown>>> = {
  'a pool, used by many at once': async (url) => {
    const pool = new Pool({ connectionString: url, max: 4 });
    await pool.query('CREATE TABLE pooled (id serial PRIMARY KEY, n int)');
    const numbers = Array.from({ length: 40 }, (_, n) => n);
    await Promise.all(numbers.map((n) => pool.query('INSERT INTO pooled (n) VALUES ($1)', [n])));
    const sums = await Promise.all(numbers.map(() => pool.query('SELECT count(*), sum(n) FROM pooled')));
    await pool.end();
    return sums.map(({ rows }) => rows);
  },
  'values of many types, as text and in binary': async (url) => {
    const client = await connect(url);
    const binary = new Client({ connectionString: url, binary: true } as ClientConfig);
    await binary.connect();
    const sql = `SELECT $1::int AS i, $2::text AS t, $3::bytea AS b, $4::jsonb AS j, $5::int[] AS a, $6::timestamptz AS at,
                        $7::numeric AS n, $8::bool AS yes, $9::float8 AS f, NULL AS nothing`;
    const values = [
      7,
      'h\u00e9 \u2603',
      Buffer.from([0, 255]),
      { a: [1] },
      [1, null, 3],
      new Date(0),
      '1.50',
      true,
      0.1,
    ];
    const plain = `SELECT $1::int AS i, $2::text AS t, $3::float8 AS f, $4::timestamptz AS at, $5::bool AS yes`;
    const answers = [
      await client.query(sql, values),
      await binary.query(plain, [7, 'x', 0.5, new Date(0), true]),
    ];
    await binary.end();
    return answers.map(({ rows, fields }) => [
      rows,
      fields.map(({ name, dataTypeID }) => [name, dataTypeID]),
    ]);
  },
  'named statements, also when their table changes': async (url) => {
    const client = await connect(url);
    await client.query('CREATE TABLE named (a int); INSERT INTO named VALUES (1)');
    const ask = () => client.query({ name: 'all of it', text: 'SELECT * FROM named' });
    const before = [await ask(), await ask(), await ask()].map(({ rows }) => rows as unknown);
    await client.query('ALTER TABLE named ADD b int DEFAULT 2');
    const after = [await errorOf(ask()), await errorOf(ask()), await errorOf(ask())];
    return { before, after, anew: (await client.query('SELECT * FROM named')).rows };
  },
  'queries that do not wait for each other': async (url) => {
    const client = new Client({ connectionString: url, pipeline: true } as ClientConfig);
    await client.connect();
    const asked = [
      'CREATE TABLE piped (n int)',
      ...Array.from({ length: 10 }, (_, n) => `INSERT INTO piped VALUES (${n})`),
      'SELECT nonsense',
      'SELECT count(*)::int AS n FROM piped',
    ].map((sql) => client.query(sql));
    const answers = await Promise.allSettled(asked);
    await client.end();
    return answers.map((one) =>
      one.status === 'fulfilled' ? [one.value.command, one.value.rows] : (one.reason as DatabaseError).code,
    );
  },
  'errors with all that belongs to them': async (url) => {
    const client = await connect(url);
    await client.query(
      'CREATE TABLE strict (id int PRIMARY KEY, n int NOT NULL CHECK (n > 0), other int REFERENCES strict)',
    );
    await client.query('INSERT INTO strict VALUES (1, 1)');
    const wrong = [
      'INSERT INTO strict VALUES (1, 1)',
      'INSERT INTO strict VALUES (2, NULL)',
      'INSERT INTO strict VALUES (2, -1)',
      'INSERT INTO strict VALUES (2, 1, 99)',
      'SELECT nowhere FROM strict',
      'SELECT * FROM nowhere',
      'SELEC 1',
      `SELECT '\u00e9'; SELEC 1`,
      `INSERT INTO strict VALUES (5, 1); SELECT '\u00e9\u2603'; CREATE TABLE strict2 (x nothing)`,
      `CREATE TABLE strict3 (x int); SELECT '\u2603', nowhere`,
      'SELECT 1/0',
      `DO $$ BEGIN RAISE EXCEPTION 'mine' USING HINT = 'a hint', DETAIL = 'a detail', ERRCODE = 'AB123'; END $$`,
    ];
    const errors: object[] = [];
    for (const sql of wrong) errors.push(await errorOf(client.query(sql)));
    return [errors, await errorOf(client.query('SELECT $1::int', ['x']))];
  },
  'transactions, savepoints and what a failed one says': async (url) => {
    const client = await connect(url);
    await client.query('CREATE TABLE saved (n int)');
    await client.query('BEGIN');
    await client.query('INSERT INTO saved VALUES ($1)', [1]);
    await client.query('SAVEPOINT s');
    const inside = [await errorOf(client.query('SELECT 1/0')), await errorOf(client.query('SELECT 1'))];
    await client.query('ROLLBACK TO s');
    await client.query('INSERT INTO saved VALUES ($1)', [2]);
    await client.query('COMMIT');
    await client.query('BEGIN');
    await errorOf(client.query('SELECT 1/0'));
    const { command } = await client.query('COMMIT');
    return [inside, command, (await client.query('SELECT n FROM saved ORDER BY n')).rows];
  },
  'notifications and notices': async (url) => {
    const [listener, speaker] = [await connect(url), await connect(url)];
    const notices: unknown[] = [];
    listener.on('notice', ({ message, severity }) => notices.push([message, severity]));
    const heard = new Promise((resolve) =>
      listener.on('notification', ({ channel, payload }) => resolve([channel, payload])),
    );
    await listener.query('LISTEN "Some channel"');
    await listener.query(`DO $$ BEGIN RAISE WARNING 'be warned'; END $$`);
    await speaker.query(`SELECT pg_notify('Some channel', 'some words')`);
    return [await heard, notices];
  },
  timeouts: async (url) => {
    const client = await connect(url, { statement_timeout: 100 });
    const late = await errorOf(client.query('SELECT pg_sleep(30)'));
    await client.query('SET statement_timeout = 0');
    return [late, (await client.query('SHOW statement_timeout')).rows];
  },
  'sessions that are terminated, by themselves and by others': async (url) => {
    const [client, other] = [await connect(url), await connect(url)];
    const { hint: _, ...itself } = await errorOf(
      client.query('SELECT pg_terminate_backend(pg_backend_pid())'),
    );
    const end = new Promise((resolve) =>
      other.once('error', (error) => resolve((error as DatabaseError).code)),
    );
    const { processID } = other as unknown as { processID: number };
    await (await connect(url)).query('SELECT pg_terminate_backend($1)', [processID]);
    return [itself, await end];
  },
};

test.for(Object.entries(work))('node-postgres: %s', async ([, script], { expect: expectHere }) => {
  expectHere(await script(servers.node.url)).toEqual(await script(servers.one.url));
});

test('node-postgres: the members are equal behind it', async () => {
  await untilEqual(servers.members);
  expect((await servers.members[2]?.query('SELECT count(*) FROM pooled'))?.[0]).toEqual(['40']);
});
