/** Operators who come by SQL: from psql and from a driver, against a node with real members. */
import pg from 'pg';
import { expect, test } from 'vitest';
import type { EventPage } from '../../src/admin/index.ts';
import { connect, psql, waitFor, whyNoTool, withNode, withServers } from '../support/index.ts';

const fixture = withServers(2);
const node = withNode(fixture, {
  config: {
    password: 'pw',
    clients: ['postgres', { name: 'shop', password: 'pw' }],
    admin: { users: ['postgres', { name: 'watch', password: 'pw' }] },
  },
});

/** The test's own way in: as who, to which database. */
function urlAs(user: string, database: string): string {
  const url = new URL(node.url);
  url.username = user;
  url.password = 'pw';
  url.pathname = `/${database}`;
  return url.href;
}

async function operator(): Promise<{ readonly client: pg.Client; readonly notices: string[] }> {
  const client = await connect(urlAs('postgres', 'lockstep'));
  const notices: string[] = [];
  client.on('notice', ({ message }) => notices.push(message ?? ''));
  return { client, notices };
}

test("sql: what there is is shown as tables, in pgbouncer's words too", async () => {
  const { client } = await operator();
  const { rows: members } = await client.query('SHOW MEMBERS');
  expect(members).toMatchObject([
    { member: 'db1', active: 't', role: 'primary', state: 'active' },
    { member: 'db2', active: 't', role: 'replica' },
  ]);
  expect((await client.query('show databases;')).rows).toMatchObject([{ member: 'db1' }, { member: 'db2' }]);
  await connect(urlAs('postgres', 'postgres'));
  expect((await client.query('SHOW CLIENTS')).rows).toMatchObject([{ user: 'postgres', state: 'idle' }]);
  expect((await client.query('SHOW STATS')).rows).toHaveLength(3);
  expect((await client.query('SHOW SYNC')).rows).toEqual([]);
  expect((await client.query('SHOW VERIFICATION')).rows).toEqual([]);
  expect((await client.query('SHOW EVENTS')).rows).toContainEqual(
    expect.objectContaining({ type: 'term-started', level: 'info' }),
  );
  const { rows: config } = await client.query('SHOW CONFIG');
  expect(config).toContainEqual({
    key: 'probe.intervalMs',
    value: '1000',
    default: '1000',
    changeable: 'yes',
  });
  expect(config).toContainEqual(expect.objectContaining({ key: 'cluster', value: 'test', changeable: 'no' }));
  expect((await client.query('SHOW VERSION')).rows).toEqual([{ version: expect.any(String) }]);
  const { rows: help } = await client.query('SHOW HELP');
  const statements = help.map((row: { statement: string }) => row.statement);
  expect(statements).toContain('DEACTIVATE <member> [reason]');
  for (const statement of statements.filter((one) => one.startsWith('SHOW')))
    expect((await client.query(statement.split(' |')[0] ?? '')).command).toBe('SHOW');
});

test('sql: a prepared statement of a driver gets the same, several in one text each their own', async () => {
  const { client } = await operator();
  const extended = await client.query({ text: 'SHOW MEMBERS', name: 'members', values: [] });
  expect(extended.rows).toEqual((await client.query('SHOW MEMBERS')).rows);
  expect((await client.query({ text: 'SHOW MEMBERS', name: 'members', values: [] })).rows).toHaveLength(2);
  const several = (await client.query(
    'SHOW MEMBERS; -- a comment; with a semicolon\n SHOW SYNC;',
  )) as unknown;
  expect((several as pg.QueryResult[]).map(({ rows }) => rows.length)).toEqual([2, 0]);
  expect((await client.query('')).rows).toEqual([]);
  expect((await client.query('SELECT 1')).rows).toEqual([{ '?column?': '1' }]);
  await client.query("SET application_name TO 'x'");
  await client.query('BEGIN');
});

test("sql: pgbouncer's words are taken, or it is said what to do instead", async () => {
  const { client } = await operator();
  expect((await client.query('SHOW LISTS')).rows).toEqual([
    { list: 'members', items: '2' },
    { list: 'active_members', items: '2' },
    { list: 'clients', items: expect.stringMatching(/^\d+$/) },
  ]);
  for (const word of [
    'DISABLE test',
    'ENABLE test',
    'SUSPEND',
    'KILL test',
    'SHUTDOWN',
    'RECONNECT',
    'WAIT_CLOSE',
  ])
    await expect(client.query(word)).rejects.toMatchObject({
      code: '42601',
      message: `${word.split(' ')[0]} is no word of this database`,
      hint: expect.stringMatching(/^(PAUSE|CANCEL|RESUME|Stop|Nothing)/),
    });
});

test('sql: a member is taken out and brought back, and that is on record with who and from where', async () => {
  const { client, notices } = await operator();
  expect((await client.query("DEACTIVATE db2 'new disk'")).command).toBe('DEACTIVATE');
  expect(notices).toEqual(['Member db2 is inactive and stays so until it is activated.']);
  expect((await client.query('SHOW MEMBERS')).rows).toContainEqual(
    expect.objectContaining({ member: 'db2', state: 'held', reason: 'new disk' }),
  );
  await expect(client.query('DEACTIVATE db1')).rejects.toMatchObject({ code: '55000' });
  await client.query({ text: 'ACTIVATE db2', values: [] });
  expect(notices.at(-1)).toContain('SHOW JOBS tells how far it is');
  await waitFor(
    async () => {
      const { rows } = await client.query('SHOW MEMBERS');
      return rows.every((row: { active: string }) => row.active === 't');
    },
    { what: 'db2', timeoutMs: 60_000 },
  );
  expect((await client.query('SHOW JOBS')).rows).toMatchObject([{ kind: 'sync', member: 'db2' }]);
  const { events }: EventPage = await node.node.operator.events({ type: 'command-ran' });
  expect(
    events.map(({ data }) => [data['command'], data['door'], data['who'], data['from'], data['outcome']]),
  ).toEqual([
    ['activate-member', 'sql', 'postgres', '127.0.0.1', 'begun'],
    ['deactivate-member', 'sql', 'postgres', '127.0.0.1', 'refused'],
    ['deactivate-member', 'sql', 'postgres', '127.0.0.1', 'done'],
  ]);
}, 120_000);

test('sql: clients are paused and go on, and any command is run by its name', async () => {
  const { client, notices } = await operator();
  await client.query('PAUSE');
  expect(notices.at(-1)).toContain('nothing is open');
  const other = await connect(urlAs('postgres', 'postgres'));
  let answered = false;
  const waiting = other.query('SELECT 1').then(() => (answered = true));
  await client.query('SHOW SESSIONS');
  expect(answered).toBe(false);
  await client.query('RESUME');
  await waiting;
  const { rows } = await client.query(`RUN events '{"limit": 1}'`);
  expect(JSON.parse((rows[0] as { result: string }).result)).toMatchObject({ events: [{ level: 'info' }] });
});

test('sql: what is not understood says what there is, and the conversation goes on', async () => {
  const { client } = await operator();
  for (const [statement, code] of [
    ['SELECT * FROM orders', '42601'],
    ['SHOW TABLES', '42601'],
    ['DEACTIVATE', '42601'],
    ['DEACTIVATE db1 db2 db3', '42601'],
    ['DEACTIVATE "No Such"', '22023'],
    ['DEACTIVATE db9', '42704'],
    ["RUN events '{'", '42601'],
    ['RUN drop-everything', '42601'],
    ['CANCEL JOB many', '22023'],
  ] as const) {
    const error: unknown = await client.query(statement).catch((thrown: unknown) => thrown);
    expect([statement, error]).toMatchObject([statement, { code, severity: 'ERROR' }]);
    const extended = client.query({ text: statement, values: [] });
    await expect(extended, statement).rejects.toMatchObject({ code });
  }
  const unknown = await client.query('SELECT now()').catch((thrown: pg.DatabaseError) => thrown);
  expect(unknown).toMatchObject({ hint: expect.stringContaining('SHOW HELP') });
  expect((await client.query('SHOW SYNC')).rows).toEqual([]);
});

test('sql: psql shows a table, a notice and the hint of an error', async (context) => {
  const why = whyNoTool('psql');
  if (why !== undefined) context.skip(why);
  const url = urlAs('postgres', 'lockstep');
  const shown = await psql(url, 'SHOW MEMBERS;\nRELOAD;\n');
  expect(shown.stdout).toMatch(/^db1\|t\|active\|primary/);
  expect(shown.stderr).toContain('NOTICE:  The file says what is in force already.');
  const wrong = await psql(url, 'DROP TABLE orders');
  expect(wrong.stderr).toContain('SHOW HELP');
});

test('sql: who is not named as an operator is refused, and told where the data is', async () => {
  await expect(connect(urlAs('shop', 'lockstep'))).rejects.toMatchObject({
    code: '42501',
    severity: 'FATAL',
    hint: expect.stringContaining('admin.users'),
  });
});
