/** Where a statement would go: asked through a driver, in both protocols, and never run. */
import postgres from 'postgres';
import { expect, test } from 'vitest';
import { connect, withNode, withServers } from '../../support/index.ts';

const fixture = withServers(2);
const node = withNode(fixture);

async function route(statement: string, client = connect(node.url)): Promise<readonly string[]> {
  const { rows } = await (await client).query(`EXPLAIN (ROUTE) ${statement}`);
  return rows.map((row: Record<string, string>) => row['QUERY PLAN'] ?? '');
}

test('route: a read, a write, a schema statement and a refusal each say where they would go, and why', async () => {
  const client = await connect(node.url);
  await client.query('CREATE TABLE routed (id serial PRIMARY KEY, name text)');
  const first = async (statement: string) => (await route(statement, Promise.resolve(client)))[0];
  expect(await first('SELECT * FROM routed')).toBe('Any active member: it only reads.');
  expect(await first("INSERT INTO routed (name) VALUES ('it''s; a \\ name');")).toMatch(
    /^Primary, then its rows/,
  );
  expect(await first("SELECT nextval('routed_id_seq')")).toMatch(/^Primary/);
  expect(await first('SELECT * FROM routed FOR UPDATE')).toMatch(/^Primary/);
  expect(await first('DROP TABLE routed')).toMatch(/^Primary, then the statement/);
  expect(await first("PREPARE TRANSACTION 'x'")).toMatch(/^Refused/);
  expect(await first('SELEC 1')).toMatch(/^Primary: .*syntax error/);
  expect((await client.query('SELECT * FROM routed')).rowCount).toBe(0);
  expect((await route('SELECT 1')).at(-1)).toBe('The primary is db1; active replicas are db2.');
});

test("route: words, blanks and protocol do not matter, and an ordinary EXPLAIN is the server's", async () => {
  const client = await connect(node.url);
  const text = '  explain\n( ROUTE )\tSELECT 1 ; ';
  const simple = await client.query(text);
  const prepared = await client.query({ text, name: 'routed', values: [] });
  expect(prepared.rows).toEqual(simple.rows);
  expect(simple.rows[0]).toEqual({ 'QUERY PLAN': 'Any active member: it only reads.' });
  expect((await client.query('EXPLAIN SELECT 1')).rows[0]).toEqual({
    'QUERY PLAN': expect.stringMatching(/^Result/),
  });
  await expect(client.query('EXPLAIN (ROUTE)')).rejects.toMatchObject({ code: '42601' });
  await expect(client.query('EXPLAIN (ROUTES) SELECT 1')).rejects.toMatchObject({ code: expect.any(String) });
});

test('route: a statement with parameters is told of with values, with types, and without either', async () => {
  const client = await connect(node.url);
  await client.query('CREATE TABLE given (id int PRIMARY KEY, name text)');
  const told = async (text: string, values: readonly unknown[]) => {
    const { rows } = await client.query<Record<string, string>>({
      text: `EXPLAIN (ROUTE) ${text}`,
      values: [...values],
    });
    return rows[0]?.['QUERY PLAN'];
  };
  const read = "SELECT $1 || '$7' /* $8 */ FROM given WHERE id = $2 AND name <> $tag$ $9 $tag$";
  expect(await told(read, ['a', 1])).toBe('Any active member: it only reads.');
  expect(await told('INSERT INTO given VALUES ($1, $2)', [1, null])).toMatch(/^Primary, then its rows/);
  await expect(told('SELECT $1, $2', ['a'])).rejects.toMatchObject({ code: '08P01' });
  const simple = await client.query('EXPLAIN (ROUTE) SELECT * FROM given WHERE id = $1');
  expect(simple.rows[0]).toEqual({ 'QUERY PLAN': 'Any active member: it only reads.' });
  const other = postgres(node.url, { max: 1 });
  try {
    const [row] = await other`EXPLAIN (ROUTE) SELECT * FROM given WHERE id = ${7} AND name = ${'x'}`;
    expect(row).toEqual({ 'QUERY PLAN': 'Any active member: it only reads.' });
    const typed = await other`EXPLAIN (ROUTE) SELECT ${other.typed(true as never, 16)}::bool`;
    expect(typed[0]).toEqual({ 'QUERY PLAN': 'Any active member: it only reads.' });
  } finally {
    await other.end();
  }
  expect((await client.query('SELECT * FROM given')).rowCount).toBe(0);
});

test('route: what the session has done counts', async () => {
  const client = await connect(node.url);
  await client.query('CREATE TEMP TABLE mine (id int)');
  expect((await route('SELECT 1', Promise.resolve(client))).join('\n')).toContain(
    'This session stays on the primary',
  );
  const other = await connect(node.url);
  await other.query('BEGIN');
  await other.query('SELECT 1');
  expect((await route('SELECT 1', Promise.resolve(other))).join('\n')).toContain('A transaction is open');
});
