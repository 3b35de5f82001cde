/** What a client must not notice: that several members answer it. Real servers, two of them replicas. */

import net from 'node:net';
import { afterEach, expect, test } from 'vitest';
import {
  cancelRequest,
  frontend,
  readNotification,
  readRowDescription,
} from '../../../src/wire/postgres/index.ts';
import { connect, waitFor, withNode, withServers } from '../../support/index.ts';
import { describe, errorOf, ProtocolClient } from '../../support/protocol-client.ts';

const { bind, copyData, copyDone, execute, parse, query, sync } = frontend;

const servers = withServers(3);
// In turn, so that every member is asked.
const node = withNode(servers, { config: { balancer: 'round-robin' } });

const open: ProtocolClient[] = [];
afterEach(() => {
  for (const client of open.splice(0)) client.destroy();
});

async function talk(options: Parameters<typeof ProtocolClient.connect>[1] = {}): Promise<ProtocolClient> {
  const client = await ProtocolClient.connect(node.url, options);
  open.push(client);
  return client;
}

/** The answers of several readings; they come from the members in turn. */
async function readings(client: ProtocolClient, sql: string, times = 9): Promise<Set<string>> {
  const answers = new Set<string>();
  for (let i = 0; i < times; i++) answers.add((await client.query(sql)).join(' '));
  return answers;
}

test('members: reads really are answered by all of them', async () => {
  const client = await talk();
  await client.query('SET application_name = $$who answers$$');
  await readings(client, 'SELECT 1');
  for (const server of servers.servers) {
    const direct = await connect(server.url);
    const { rows } = await direct.query(
      `SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'who answers'`,
    );
    expect(rows[0]).toEqual({ n: 1 });
  }
});

test.each([
  ['SET', `SET TIME ZONE 'Asia/Tokyo'`, `SELECT extract(hour FROM timestamptz '2020-01-01 00:00Z')`, 'D 9'],
  ['SET of a session variable', `SET my.own = 'value'`, `SELECT current_setting('my.own')`, 'D value'],
  ['search_path', 'SET search_path = other', 'SELECT x FROM here', 'D 42'],
  ['client_encoding', 'SET client_encoding = LATIN1', `SELECT octet_length('\u00e9')`, 'D 4'],
  ['DateStyle', `SET datestyle = 'German'`, `SELECT date '2020-01-02'`, 'D 02.01.2020'],
  ['bytea_output', 'SET bytea_output = escape', String.raw`SELECT '\x4100'::bytea`, String.raw`D A\000`],
  ['SET ROLE', 'SET ROLE reader', 'SELECT x FROM other.here', 'E 42501'],
  ['set_config()', `SELECT set_config('my.conf', 'z', false)`, `SELECT current_setting('my.conf')`, 'D z'],
])('members: %s is in force whichever member answers', async (_name, set, read, expected) => {
  const admin = await connect(node.url);
  await admin.query(
    `CREATE SCHEMA IF NOT EXISTS other; CREATE TABLE IF NOT EXISTS other.here (x int); TRUNCATE other.here;
     INSERT INTO other.here VALUES (42)`,
  );
  const { rows } = await admin.query(`SELECT to_regrole('reader') IS NULL AS missing`);
  if (rows[0].missing) await admin.query('CREATE ROLE reader');
  const client = await talk();
  await readings(client, 'SELECT 1', 3);
  await client.query(set);
  const answers = await readings(client, read);
  expect([...answers].filter((answer) => answer.includes(expected))).toEqual([...answers]);
  await client.query('RESET ALL; RESET ROLE');
  const again = await readings(client, read);
  expect([...again].some((answer) => answer.includes(expected))).toBe(false);
});

test('members: SET LOCAL and a SET that is rolled back are forgotten everywhere', async () => {
  const client = await talk();
  await client.query(`BEGIN; SET LOCAL my.x = 'local'; COMMIT`);
  await client.query('BEGIN');
  await client.query(`SET my.y = 'never'`);
  await client.query('ROLLBACK');
  expect(
    await readings(
      client,
      `SELECT coalesce(current_setting('my.x', true), '') || coalesce(current_setting('my.y', true), '')`,
    ),
  ).toEqual(new Set(['T ?column? D  C SELECT 1 Z I']));
});

test('members: a prepared statement works on each of them, also after its table has changed', async () => {
  const client = await talk();
  await client.query('CREATE TABLE IF NOT EXISTS prep (x int); TRUNCATE prep; INSERT INTO prep VALUES (1)');
  client.send(parse({ name: 'p', query: 'SELECT * FROM prep WHERE x = $1' }), sync);
  expect(await client.answer()).toEqual(['1', 'Z I']);
  const ask = async (): Promise<string> =>
    (await client.send(bind({ statement: 'p', values: ['1'] }), execute(), sync).answer()).join(' ');
  for (let i = 0; i < 6; i++) expect(await ask()).toBe('2 D 1 C SELECT 1 Z I');
  await client.query('ALTER TABLE prep ADD y int DEFAULT 2');
  // As on one server: the row type has changed, and the statement has to be prepared again.
  for (let i = 0; i < 6; i++) expect(await ask()).toBe('E 0A000 Z I');
  client.send(
    frontend.close('statement', 'p'),
    parse({ name: 'p', query: 'SELECT * FROM prep WHERE x = $1' }),
    sync,
  );
  expect(await client.answer()).toEqual(['3', '1', 'Z I']);
  for (let i = 0; i < 6; i++) expect(await ask()).toBe('2 D 1,2 C SELECT 1 Z I');
});

test('members: a prepared statement that was described keeps its word, or is refused as on one server', async () => {
  const client = await talk();
  const columns = async (sql: string): Promise<string[]> => await client.query(`ALTER TABLE shape ${sql}`);
  await client.query('CREATE TABLE shape (x int, y int); INSERT INTO shape VALUES (1, 2)');
  const prepareAndDescribe = async (name: string, sql: string): Promise<void> => {
    client.send(parse({ name, query: sql }), frontend.describe('statement', name), sync);
    expect(await client.answer()).toContain('Z I');
  };
  const ask = async (name: string, ...values: (string | Buffer)[]): Promise<string> => {
    const formats = values.map((value) => (typeof value === 'string' ? 0 : 1));
    return (await client.send(bind({ statement: name, values, formats }), execute(), sync).answer()).join(
      ' ',
    );
  };
  await prepareAndDescribe('rows', 'SELECT * FROM shape WHERE x = $1');
  await prepareAndDescribe('insert', 'INSERT INTO shape (x) VALUES ($1)');
  await prepareAndDescribe('plain', 'SELECT y FROM shape WHERE x = $1');
  // Prepared on one member so far: the others meet it with another table.
  await columns('ADD z int DEFAULT 3');
  for (let i = 0; i < 6; i++) expect(await ask('rows', '1')).toBe('E 0A000 Z I');
  for (let i = 0; i < 6; i++) expect(await ask('plain', '1')).toBe('2 D 2 C SELECT 1 Z I');
  await client.query('BEGIN READ ONLY');
  client.send(bind({ statement: 'rows', values: ['1'] }), execute(), sync);
  const { code, message, routine } = errorOf(await client.until('Z'));
  expect([code, message, routine]).toEqual([
    '0A000',
    'cached plan must not change result type',
    'RevalidateCachedQuery',
  ]);
  expect(await client.query('SELECT 1')).toEqual(['E 25P02', 'Z E']);
  await client.query('ROLLBACK');
  await columns('DROP z');
  for (let i = 0; i < 6; i++) expect(await ask('rows', '1')).toBe('2 D 1,2 C SELECT 1 Z I');
  // The client sends four bytes, because it was told that the parameter is an int.
  await columns('ALTER x TYPE bigint');
  await node.node.switchPrimary('db2');
  expect(await ask('insert', Buffer.from([0, 0, 0, 9]))).toBe('2 C INSERT 0 1 Z I');
  await node.node.switchPrimary('db1');
  expect(await client.query('SELECT x FROM shape ORDER BY x')).toEqual(
    expect.arrayContaining(['D 1', 'D 9']),
  );
  // A statement that cannot be prepared any more fails a transaction with its own error.
  await prepareAndDescribe('gone', 'SELECT y FROM shape');
  await columns('DROP y');
  for (let i = 0; i < 6; i++) {
    await client.query('BEGIN READ ONLY');
    expect(await ask('gone')).toBe('E 42703 Z E');
    await client.query('ROLLBACK');
  }
});

test('members: columns of enums, composites and tables carry the numbers of the primary', async () => {
  const admin = await connect(node.url);
  // Numbers that differ: each member makes something else first, around Lockstep.
  for (const [index, server] of servers.servers.entries()) {
    const direct = await connect(server.url);
    await direct.query('SET lockstep.guard = off');
    for (let i = 0; i < index * 3; i++) await direct.query(`CREATE TYPE pg_temp.skip_${i} AS (x int)`);
  }
  await admin.query(`CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TYPE pair AS (a int, b text)`);
  await admin.query('CREATE TABLE feels (id int, m mood, p pair, ms mood[])');
  await admin.query(`INSERT INTO feels VALUES (1, 'happy', '(1,x)', '{sad,happy}')`);
  const client = await talk();
  const descriptions = new Set<string>();
  for (let i = 0; i < 9; i++) {
    client.send(query('SELECT id, m, p, ms FROM feels'));
    const heard = await client.until('Z');
    const description = heard.find(({ type }) => type === 'T');
    expect(description).toBeDefined();
    if (description === undefined) continue;
    descriptions.add(
      JSON.stringify(
        readRowDescription(description.frame).map(({ tableOid, typeOid }) => [tableOid, typeOid]),
      ),
    );
  }
  const { rows } = await (await connect(servers.server(0).url)).query(
    `SELECT 'feels'::regclass::oid::int AS t, 'mood'::regtype::oid::int AS m, 'pair'::regtype::oid::int AS p, 'mood[]'::regtype::oid::int AS a`,
  );
  const { t, m, p, a } = rows[0];
  expect([...descriptions]).toEqual([
    JSON.stringify([
      [t, 23],
      [t, m],
      [t, p],
      [t, a],
    ]),
  ]);
});

test('members: LISTEN hears what another session says, and goes on hearing after the primary has moved', async () => {
  const listener = await talk();
  const speaker = await talk();
  await listener.query('LISTEN news');
  await speaker.query(`NOTIFY news, 'one'`);
  expect(readNotification((await listener.until('A')).at(-1)?.frame as Buffer).payload).toBe('one');
  const before = (await node.node.status()).primary;
  await node.node.switchPrimary(before === 'db1' ? 'db2' : 'db1');
  // The listener says nothing; the node listens again in its name. Until then a notification may be missed.
  await waitFor(
    async () => {
      await speaker.query(`NOTIFY news, 'two'`);
      return listener.heard.some(({ type }) => type === 'A');
    },
    { what: 'a notification from the new primary' },
  );
  expect(readNotification((await listener.until('A')).at(-1)?.frame as Buffer).payload).toBe('two');
  await node.node.switchPrimary(before as string);
});

test('members: the tag of a COPY and of a long RETURNING is heard only when the rows are on every member', async () => {
  const client = await talk();
  await client.query('CREATE TABLE IF NOT EXISTS acked (x int, v text); TRUNCATE acked');
  const direct = await Promise.all(servers.servers.map((server) => connect(server.url)));
  const counts = async (): Promise<number[]> =>
    Promise.all(
      direct.map(
        async (one) => (await one.query('SELECT count(*)::int AS n FROM acked')).rows[0].n as number,
      ),
    );
  client.send(query('COPY acked FROM STDIN'));
  await client.until('G');
  client.send(copyData(Buffer.from('1\ta\n'.repeat(5000))), copyDone);
  await client.until('C');
  expect(await counts()).toEqual([5000, 5000, 5000]);
  await client.until('Z');
  client.send(
    query(`INSERT INTO acked SELECT i, repeat('x', 100) FROM generate_series(1, 5000) i RETURNING *`),
  );
  await client.until('C');
  expect(await counts()).toEqual([10_000, 10_000, 10_000]);
  await client.until('Z');
});

test('members: isolation that was asked for is given inside transactions that only read', async () => {
  const client = await talk();
  for (const level of ['read committed', 'repeatable read', 'serializable']) {
    await client.query(`BEGIN ISOLATION LEVEL ${level.toUpperCase()} READ ONLY`);
    expect(await client.query('SHOW transaction_isolation')).toContain(`D ${level}`);
    expect(await client.query(`SELECT current_setting('transaction_read_only')`)).toContain('D on');
    await client.query('COMMIT');
  }
});

test('members: a snapshot that one session exports is there for another to import', async () => {
  await (await talk()).query('CREATE TABLE snapped (x int)');
  // Reads go around; each would find another member.
  for (let i = 0; i < 3; i++) {
    const [exporter, importer, writer] = [await talk(), await talk(), await talk()];
    await exporter.query('BEGIN');
    await exporter.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
    const [, row = ''] = await exporter.query('SELECT pg_catalog.pg_export_snapshot()');
    await writer.query('INSERT INTO snapped VALUES (1)');
    await importer.query('BEGIN');
    await importer.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
    expect(await importer.query(`SET TRANSACTION SNAPSHOT '${row.slice(2)}'`)).toEqual(['C SET', 'Z T']);
    expect(await importer.query('SELECT count(*) FROM snapped')).toContain(`D ${i}`);
  }
});

test('a dumped definition of a control trigger is passed over, also not in a failed transaction', async () => {
  const client = await talk();
  const definition = `CREATE EVENT TRIGGER lockstep_guard_ddl ON ddl_command_end EXECUTE FUNCTION lockstep.guard_ddl()`;
  expect(await client.query(definition)).toEqual(['C CREATE EVENT TRIGGER', 'Z I']);
  await client.query('BEGIN');
  expect(await client.query(definition)).toEqual(['C CREATE EVENT TRIGGER', 'Z T']);
  await client.query('SELECT 1/0');
  expect(await client.query(definition)).toEqual(['E 25P02', 'Z E']);
});

test('cancel: a running statement is stopped, on whichever member it runs', async () => {
  const client = await talk();
  for (let i = 0; i < 3; i++) {
    client.send(query(`SELECT pg_sleep(30), ${i}`));
    await running(`SELECT pg_sleep(30), ${i}`);
    await cancel(client);
    expect(errorOf(await client.until('Z')).code).toBe('57014');
  }
});

test('cancel: what is idle or over is not hurt, nor is what comes next', async () => {
  const client = await talk();
  await cancel(client);
  expect(await client.query('SELECT 1')).toContain('D 1');
  for (let i = 0; i < 20; i++) {
    client.send(query('SELECT 2'));
    await client.until('Z');
    void cancel(client);
    // Whoever cancels too late may hit the next statement on a single server too: only errors of that kind, and the session lives.
    const heard = (await client.query('SELECT 3')).join(' ');
    expect(heard).toMatch(/D 3|E 57014/);
  }
  expect(await client.query('SELECT 4')).toContain('D 4');
});

test('cancel: with a wrong key nothing happens', async () => {
  const client = await talk();
  client.send(query('SELECT pg_sleep(0.5)'));
  await running('SELECT pg_sleep(0.5)');
  const { pid, key } = client.cancelKey;
  const wrong = Buffer.from(key);
  wrong.writeUInt8(wrong.readUInt8(0) ^ 1, 0);
  await sendCancel(pid, wrong);
  expect((await client.until('Z')).map(describe)).toContain('C SELECT 1');
});

test('cancel: a write that is waiting for a lock is stopped, and leaves nothing', async () => {
  const holder = await talk();
  const waiter = await talk();
  await holder.query(
    'CREATE TABLE IF NOT EXISTS held (x int PRIMARY KEY, v int); TRUNCATE held; INSERT INTO held VALUES (1, 0)',
  );
  await holder.query('BEGIN; UPDATE held SET v = 1');
  waiter.send(query('UPDATE held SET v = 2'));
  await running('UPDATE held SET v = 2');
  await cancel(waiter);
  expect(errorOf(await waiter.until('Z')).code).toBe('57014');
  await holder.query('COMMIT');
  expect(await holder.query('SELECT v FROM held')).toContain('D 1');
});

test('cancel: a statement whose connection is still being made is not begun', async () => {
  const replica = await connect(servers.server(2).url);
  // Whoever logs in there now waits.
  await replica.query('BEGIN; LOCK TABLE pg_authid IN ACCESS EXCLUSIVE MODE');
  const client = await talk();
  client.send(query('SELECT 1'), query('SELECT 1'), query('SELECT 1'));
  const waits = `SELECT FROM pg_locks WHERE relation = 'pg_authid'::regclass AND NOT granted`;
  await waitFor(async () => (await replica.query(waits)).rowCount === 1, { what: 'a login that waits' });
  await cancel(client);
  await replica.query('ROLLBACK');
  const answers = [await client.answer(), await client.answer(), await client.answer()];
  expect(answers.flat().filter((heard) => /^[DE]/.test(heard))).toEqual(
    expect.arrayContaining(['E 57014', 'D 1', 'D 1']),
  );
  expect(await client.query('SELECT 4')).toContain('D 4');
});

async function cancel(client: ProtocolClient): Promise<void> {
  await sendCancel(client.cancelKey.pid, client.cancelKey.key);
}

async function sendCancel(pid: number, key: Buffer): Promise<void> {
  await new Promise<void>((resolve) => {
    const socket = net.connect(node.port, '127.0.0.1');
    socket.on('error', () => resolve());
    socket.on('close', () => resolve());
    socket.resume();
    socket.end(cancelRequest(pid, key));
  });
}

async function running(sql: string): Promise<void> {
  const direct = await Promise.all(servers.servers.map((server) => connect(server.url)));
  await waitFor(
    async () => {
      for (const one of direct) {
        const { rows } = await one.query(
          `SELECT count(*)::int AS n FROM pg_stat_activity WHERE state = 'active' AND query = $1`,
          [sql],
        );
        if (rows[0].n > 0) return true;
      }
      return false;
    },
    { what: `${sql} to run` },
  );
  await Promise.all(direct.map((one) => one.end()));
}

test.each([
  ['ALTER SEQUENCE', 'CREATE SEQUENCE again', 'ALTER SEQUENCE again RESTART WITH 4'],
  [
    'ALTER TABLE of an identity',
    'CREATE TABLE counted (n int GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME again))',
    'ALTER TABLE counted ALTER COLUMN n RESTART WITH 4',
  ],
])(
  'members: a sequence that %s has set back, and a transaction in vain to where it once stood, is the same on all',
  async (_name, create, restart) => {
    const client = await talk();
    await client.query(`DROP TABLE IF EXISTS counted; DROP SEQUENCE IF EXISTS again`);
    await client.query(create);
    await client.query(`SELECT nextval('again') FROM generate_series(1, 8)`);
    const all = await Promise.all(servers.servers.map((server) => connect(server.url)));
    const [primary] = all;
    const told = `SELECT FROM lockstep.sequence_shipped WHERE seq = 'again' AND value = 8 AND called AND settled`;
    // Nobody looks again before something is asked of the primary.
    const atRest = async (): Promise<boolean> => {
      await client.query('SELECT pg_current_xact_id()');
      return (await primary?.query(told))?.rowCount === 1;
    };
    await waitFor(atRest, { what: 'the sweep to come to rest' });
    await client.query(restart);
    await client.query(`SELECT nextval('again') FROM generate_series(4, 7)`);
    await client.query('BEGIN');
    expect(await client.query(`SELECT nextval('again')`)).toContain('D 8');
    await client.query('ROLLBACK');
    for (const one of all) {
      const stands = async (): Promise<unknown> =>
        (await one.query('SELECT last_value FROM again')).rows[0]?.last_value;
      await waitFor(async () => (await stands()) === '8', { what: 'all members to stand at 8' });
    }
  },
);

test('members: a sequence made again under its name, and drawn from in vain to where the old one stood, is the same on all', async () => {
  const client = await talk();
  await client.query('DROP TABLE IF EXISTS counted; DROP SEQUENCE IF EXISTS again; CREATE SEQUENCE again');
  await client.query(`SELECT nextval('again')`);
  const all = await Promise.all(servers.servers.map((server) => connect(server.url)));
  const told = `SELECT FROM lockstep.sequence_shipped WHERE seq = 'again' AND value = 1 AND called AND settled`;
  // Nobody looks again before something is asked of the primary.
  const atRest = async (): Promise<boolean> => {
    await client.query('SELECT pg_current_xact_id()');
    return (await all[0]?.query(told))?.rowCount === 1;
  };
  await waitFor(atRest, { what: 'the sweep to come to rest' });
  for (const sql of ['DROP SEQUENCE again', 'CREATE SEQUENCE again', 'BEGIN']) await client.query(sql);
  expect(await client.query(`SELECT nextval('again')`)).toContain('D 1');
  await client.query('ROLLBACK');
  for (const one of all) {
    const drawn = async (): Promise<boolean> => {
      await client.query('SELECT pg_current_xact_id()');
      return (await one.query('SELECT is_called FROM again')).rows[0]?.is_called === true;
    };
    await waitFor(drawn, { what: 'all members to have drawn' });
  }
});

test('members: maintenance runs on replicas with the rights of who asks for it, and not with the node’s', async () => {
  const client = await talk();
  for (const sql of [
    'CREATE ROLE careless; CREATE ROLE mallory; CREATE SCHEMA trap AUTHORIZATION mallory; GRANT USAGE ON SCHEMA trap TO careless',
    'CREATE FUNCTION public.helper(int) RETURNS int IMMUTABLE LANGUAGE sql AS $$SELECT $1$$',
    // Whose helper this is, the path of the moment says.
    "CREATE FUNCTION public.plain(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN helper($1); END'",
    'CREATE TABLE public.watched (i int); ALTER TABLE public.watched OWNER TO careless; CREATE INDEX ON public.watched (public.plain(i))',
    'INSERT INTO public.watched SELECT generate_series(1, 50)',
    'SET ROLE mallory',
    'CREATE SEQUENCE trap.seen; GRANT USAGE ON SEQUENCE trap.seen TO careless; CREATE TABLE trap.own (i int)',
    "CREATE FUNCTION trap.helper(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN PERFORM nextval('trap.seen'); RETURN $1; END$$",
    'SET search_path = trap, public',
    'ANALYZE public.watched, trap.own',
  ])
    expect((await client.query(sql)).filter((said) => said.startsWith('E'))).toEqual([]);
  for (const server of servers.servers) {
    const direct = await connect(server.url);
    const analyzed = async (): Promise<boolean> =>
      (await direct.query(`SELECT FROM pg_stat_user_tables WHERE relname = 'own' AND analyze_count > 0`))
        .rowCount === 1;
    await waitFor(analyzed, { what: 'its own table to be analyzed' });
    expect((await direct.query('SELECT is_called FROM trap.seen')).rows).toEqual([{ is_called: false }]);
  }
  await client.query('RESET ROLE; RESET search_path');
});
