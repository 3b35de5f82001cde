/** postgres.js: the same work on one server and through the node, with the same answers. */

import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import postgres from 'postgres';
import type { Sql } from 'postgres';
import { expect, test } from 'vitest';
import { untilEqual, withOneAndThree } from './one-and-three.ts';

const servers = withOneAndThree({ balancer: 'round-robin' });

async function codeOf(work: PromiseLike<unknown>): Promise<string> {
  try {
    await work;
    return 'no error';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

const work: Readonly<Record<string, (sql: Sql) => Promise<unknown>>> = {
  'rows that are put together from values': async (sql) => {
    await sql`CREATE TABLE people (id serial PRIMARY KEY, name text, tags text[], extra jsonb, born date)`;
    const rows = [
      { name: 'Ann', tags: ['a', 'b'], extra: sql.json({ n: 1 }), born: new Date(0) },
      { name: 'Bob', tags: [], extra: null, born: null },
    ];
    await sql`INSERT INTO people ${sql(rows)}`;
    await sql`UPDATE people SET ${sql({ name: 'Cid', tags: ['c'] })} WHERE id IN ${sql([2])}`;
    return await sql`SELECT ${sql(['id', 'name', 'tags', 'extra', 'born'])} FROM people ORDER BY id`;
  },
  'types of the database itself': async (sql) => {
    await sql`CREATE TYPE mood AS ENUM ('sad', 'happy')`;
    await sql`CREATE TABLE moods (m mood, ms mood[], p point[])`;
    await sql`INSERT INTO moods VALUES ('happy', '{sad,happy}', '{"(1,2)"}')`;
    const reads: unknown[] = [];
    for (let i = 0; i < 4; i++) reads.push(...(await sql`SELECT * FROM moods WHERE m = ${'happy'}`));
    return reads;
  },
  'transactions with savepoints, many side by side': async (sql) => {
    await sql`CREATE TABLE marks (n int)`;
    await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        sql.begin(async (tx) => {
          await tx`INSERT INTO marks VALUES (${n})`;
          await tx
            .savepoint(async (inner) => {
              await inner`INSERT INTO marks VALUES (${n + 100})`;
              if (n % 2 === 0) throw new Error('odd ones only');
            })
            .catch(() => undefined);
        }),
      ),
    );
    const undone = await codeOf(sql.begin((tx) => [tx`INSERT INTO marks VALUES (-1)`, tx`SELECT 1/0`]));
    return [undone, await sql`SELECT array_agg(n ORDER BY n) AS n FROM marks`];
  },
  'a statement that is prepared, when its table changes': async (sql) => {
    const reserved = await sql.reserve();
    await reserved`CREATE TABLE changing (a int)`;
    await reserved`INSERT INTO changing VALUES (1)`;
    const before = [...(await reserved`SELECT * FROM changing`)];
    await reserved`ALTER TABLE changing ADD b text DEFAULT 'b'`;
    const after: unknown[] = [];
    for (let i = 0; i < 4; i++) after.push(...(await reserved`SELECT * FROM changing`));
    reserved.release();
    return [before, after];
  },
  'cursors and rows one by one': async (sql) => {
    const sums: number[] = [];
    for await (const rows of sql<{ n: number }[]>`SELECT n FROM generate_series(1, 100) n`.cursor(30))
      sums.push(rows.reduce((sum, { n }) => sum + n, 0));
    let seen = 0;
    await sql`SELECT n FROM generate_series(1, 50) n`.forEach(() => (seen += 1));
    return [sums, seen];
  },
  'copies in and out': async (sql) => {
    await sql`CREATE TABLE copied (n int, v text)`;
    const into = await sql`COPY copied FROM STDIN`.writable();
    for (let n = 0; n < 1000; n++) into.write(`${n}\tvalue ${n}\n`);
    into.end();
    await once(into, 'finish');
    const out = await text(
      await sql`COPY (SELECT * FROM copied ORDER BY n DESC LIMIT 3) TO STDOUT`.readable(),
    );
    return [out, await sql`SELECT count(*)::int AS n FROM copied`];
  },
  'channels that are listened to again when the session has ended': async (sql) => {
    const heard: string[] = [];
    let wake: () => void = () => undefined;
    const next = (): Promise<void> => new Promise((resolve) => (wake = resolve));
    let listening = next();
    const channel = await sql.listen(
      'news',
      (payload) => {
        heard.push(payload);
        wake();
      },
      () => wake(),
    );
    await listening;
    listening = next();
    await sql.notify('news', 'first');
    await listening;
    listening = next();
    await sql`SELECT pg_terminate_backend(${channel.state.pid})`;
    await listening;
    listening = next();
    await sql.notify('news', 'second');
    await listening;
    await channel.unlisten();
    return heard;
  },
  'a query that is taken back': async (sql) => {
    const query = sql`SELECT pg_sleep(30)`;
    const code = codeOf(query);
    setTimeout(() => query.cancel(), 200);
    return [await code, await sql`SELECT 1 AS n`];
  },
  'several statements in one text, and one that fails among them': async (sql) => {
    const answers = await sql.unsafe(
      'CREATE TABLE several (n int); INSERT INTO several VALUES (1); TABLE several',
    );
    const code = await codeOf(sql.unsafe('INSERT INTO several VALUES (2); SELECT 1/0'));
    return [answers.map((rows: object) => Object.values(rows)), code, await sql`TABLE several`];
  },
};

test.for(Object.entries(work))('postgres.js: %s', async ([, script], { expect: expectHere }) => {
  const on = async (url: string): Promise<unknown> => {
    const sql = postgres(url, { max: 3, onnotice: () => undefined });
    try {
      return JSON.parse(JSON.stringify(await script(sql)));
    } finally {
      await sql.end({ timeout: 1 });
    }
  };
  expectHere(await on(servers.node.url)).toEqual(await on(servers.one.url));
});

test('postgres.js: the members are equal behind it', async () => {
  await untilEqual(servers.members);
  expect((await servers.members[2]?.query('SELECT count(*) FROM copied'))?.[0]).toEqual(['1000']);
});
