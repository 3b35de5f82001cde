/** Makes the corpus anew, from real drivers and a real server: `FUZZ_RECORD=1 npx vitest run tests/fuzz/record`. */

import { once } from 'node:events';
import { Client } from 'pg';
import postgres from 'postgres';
import { describe, expect, test } from 'vitest';
import { withServers } from '../support/index.ts';
import { placeholder } from './marks.ts';
import { framesOf, writeCorpus } from './recorded.ts';
import type { RecordedSession } from './recorded.ts';
import { Recorder } from './recorder.ts';

const wanted = process.env['FUZZ_RECORD'] !== undefined;

const table = `t_${placeholder}`;

/** What drivers say, each statement bearing the mark of its session. */
const clientSessions: Readonly<Record<string, (url: string) => Promise<void>>> = {
  'node-postgres, simple': async (url) => {
    const client = await connected(url);
    await client.query(`SELECT '${placeholder}' AS mark`);
    await client.query(`INSERT INTO ${table} VALUES (1, '${placeholder}')`);
    await client.query(`SELECT 1; SELECT '${placeholder}'; SELECT 2`);
    await client.query(`SELECT '${placeholder}'::int`).catch(() => undefined);
    await client.query('BEGIN');
    await client.query(`UPDATE ${table} SET mark = mark || ' ${placeholder}'`);
    await client.query('SAVEPOINT s');
    await client.query(`DELETE FROM ${table}`);
    await client.query('ROLLBACK TO SAVEPOINT s');
    await client.query('COMMIT');
    await client.query(`SET application_name = '${placeholder}'`);
    await client.query(`LISTEN "${placeholder}"`);
    await client.query(`NOTIFY "${placeholder}", '${placeholder}'`);
    await client.query(`SELECT repeat('${placeholder} ', 5000)`);
    await client.end();
  },
  'node-postgres, prepared': async (url) => {
    const client = await connected(url);
    for (let n = 0; n < 3; n++) {
      await client.query({
        name: 'insert',
        text: `INSERT INTO ${table} VALUES ($1, $2)`,
        values: [n, placeholder],
      });
      await client.query({ name: 'read', text: `SELECT * FROM ${table} WHERE n = $1`, values: [n] });
      await client.query(`SELECT $1 || '${placeholder}' AS mark`, [`${n}`]);
    }
    await client
      .query({ name: 'wrong', text: 'SELECT $1::int', values: [placeholder] })
      .catch(() => undefined);
    await client.end();
  },
  'postgres.js, pipelined': async (url) => {
    const sql = postgres(url, { max: 1, ssl: false, idle_timeout: 0, fetch_types: false });
    await Promise.all([
      sql`SELECT ${placeholder}::text AS mark`,
      sql`INSERT INTO ${sql(table)} VALUES (7, ${placeholder})`,
      sql`SELECT * FROM ${sql(table)}`,
    ]);
    await sql.begin(async (inside) => {
      await inside`INSERT INTO ${inside(table)} VALUES (8, ${placeholder})`;
      await inside.savepoint(async (deeper) => deeper`SELECT 1/0`).catch(() => undefined);
    });
    await sql`SELECT n, ${placeholder}::text AS mark FROM generate_series(1, 30) n`.cursor(
      10,
      () => undefined,
    );
    await sql.end();
  },
  'postgres.js, copy': async (url) => {
    const sql = postgres(url, { max: 1, ssl: false, idle_timeout: 0, fetch_types: false });
    const input = await sql`COPY ${sql(table)} FROM STDIN`.writable();
    input.end(`11\t${placeholder}\n12\t${placeholder}\n`);
    await once(input, 'finish');
    const output = await sql`COPY ${sql(table)} TO STDOUT`.readable();
    for await (const _ of output);
    await sql.end();
  },
};

async function connected(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  await client.connect();
  return client;
}

describe.runIf(wanted)('the corpus', () => {
  const servers = withServers(1);

  test('of clients is recorded', { timeout: 60_000 }, async () => {
    const server = servers.server(0);
    await server.query(`CREATE TABLE ${table} (n int, mark text)`);
    const recorder = await Recorder.listen(server.port);
    const url = new URL(server.url);
    url.port = String(recorder.port);
    const sessions = new Map<string, RecordedSession>();
    for (const [name, run] of Object.entries(clientSessions)) {
      await run(url.href);
      // The start-up is not of this corpus.
      sessions.set(
        name,
        recorder.take().map((turns) => turns.slice(1)),
      );
    }
    recorder.close();
    for (const [session] of sessions.values()) {
      expect(framesOf(Buffer.concat(session?.map(({ client }) => client) ?? [])).length).toBeGreaterThan(5);
    }
    writeCorpus(sessions);
  });
});
