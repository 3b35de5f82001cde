/** Sessions that the server ends: by another client's word, or by its own clock. Real servers, two of them replicas. */

import { afterEach, expect, test } from 'vitest';
import { pause, systemClock } from '../../../src/base/index.ts';
import { frontend } from '../../../src/wire/postgres/index.ts';
import { waitFor, withNode, withServers } from '../../support/index.ts';
import { errorOf, ProtocolClient } from '../../support/protocol-client.ts';

const { query } = frontend;
const servers = withServers(3);
const node = withNode(servers, { config: { balancer: 'round-robin' } });

const open: ProtocolClient[] = [];
afterEach(() => {
  for (const client of open.splice(0)) client.destroy();
});

async function talk(): Promise<ProtocolClient> {
  const client = await ProtocolClient.connect(node.url);
  open.push(client);
  return client;
}

/** The last word of the server, and the end of the connection behind it. */
async function fatal(client: ProtocolClient): Promise<{ code: string; message: string }> {
  const { code, message } = errorOf(await client.until('E'));
  await expect(client.next()).rejects.toThrow('closed');
  return { code, message };
}

const terminated = { code: '57P01', message: 'terminating connection due to administrator command' };

test('a client knows itself by the pid that it was given', async () => {
  const client = await talk();
  expect(await client.query('SELECT pg_backend_pid()')).toContain(`D ${client.cancelKey.pid}`);
});

test('pg_terminate_backend ends an idle session, and one in the middle of a statement', async () => {
  const [idle, busy, admin] = [await talk(), await talk(), await talk()];
  busy.send(query('SELECT pg_backend_pid(), pg_sleep(30)'));
  const sleeps = `SELECT count(*) FROM pg_stat_activity WHERE pid = ${busy.cancelKey.pid} AND wait_event = 'PgSleep'`;
  await waitFor(async () => (await admin.query(sleeps)).includes('D 1'), { what: 'the statement to run' });
  for (const client of [idle, busy]) {
    expect(await admin.query(`SELECT pg_terminate_backend(${client.cancelKey.pid})`)).toContain('D t');
    expect(await fatal(client)).toEqual(terminated);
  }
  expect(await admin.query('SELECT 1')).toContain('D 1');
});

test('pg_terminate_backend frees the locks of a transaction, which is not run again', async () => {
  const [holder, admin] = [await talk(), await talk()];
  await admin.query('CREATE TABLE held (v int); INSERT INTO held VALUES (0)');
  await holder.query('BEGIN; UPDATE held SET v = 1');
  await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_locks
                      WHERE relation = 'held'::regclass AND pid <> pg_backend_pid()`);
  expect(await fatal(holder)).toEqual(terminated);
  expect(await admin.query('UPDATE held SET v = v + 5 RETURNING v')).toContain('D 5');
});

test('a session may end itself', async () => {
  const client = await talk();
  client.send(query('SELECT pg_terminate_backend(pg_backend_pid())'));
  expect(await fatal(client)).toEqual(terminated);
});

test('idle_session_timeout ends a session that is idle, and none that is at work on another member', async () => {
  const client = await talk();
  await client.query(`SET idle_session_timeout = '400ms'`);
  for (let i = 0; i < 6; i++) await client.query('SELECT 1');
  // The connections to the replicas are idle for longer than that.
  for (const until = systemClock.monotonicMs() + 1000; systemClock.monotonicMs() < until; ) {
    await pause(systemClock, 20);
    expect(await client.query('SELECT pg_backend_pid() > 0')).toContain('D t');
  }
  expect(await fatal(client)).toMatchObject({ code: '57P05' });
});

test.each([
  ['idle_in_transaction_session_timeout', 'SELECT 1', '25P03'],
  ['transaction_timeout', 'SELECT pg_sleep(30)', '25P04'],
])('%s ends the session', async (setting, statement, code) => {
  const client = await talk();
  const [answer] = await client.query(`SET ${setting} = '200ms'`);
  // A setting of later versions.
  if (answer === 'E 42704') return;
  await client.query('BEGIN; CREATE TABLE never (x int)');
  client.send(query(statement));
  expect(await fatal(client)).toMatchObject({ code });
  expect(await (await talk()).query(`SELECT to_regclass('never')`)).toContain('D NULL');
});
