/** A connection that died without a word is found dead; one whose server takes its time is not. */

import { expect, onTestFinished, test } from 'vitest';
import { InternalConnection } from '../../../src/dialects/postgres/internal-connection.ts';
import { watchSilence } from '../../../src/dialects/postgres/silence-watch.ts';
import { FaultProxy } from '../../../src/testing/index.ts';
import { waitFor, withServers } from '../../support/index.ts';

const fixture = withServers(1);
const silentMs = 100;

async function open(): Promise<{ connection: InternalConnection; proxy: FaultProxy; asked: () => number }> {
  const server = fixture.server(0);
  const proxy = await FaultProxy.listen({ port: server.port });
  const { user, database } = server;
  const address = { memberId: 'db1', host: '127.0.0.1', port: proxy.port, connectMs: 10_000 } as const;
  const login = { user, password: undefined, database, settings: [] };
  const connection = await InternalConnection.open({ ...address, tls: { mode: 'disable' } }, login);
  let asked = 0;
  const backendOf = async (pid: number) => {
    const [row] = await server.query(`select state, wait_event from pg_stat_activity where pid = ${pid}`);
    asked += 1;
    return row === undefined
      ? undefined
      : { state: row[0] ?? null, waitsFor: row[1] ?? null, isLockedOut: false };
  };
  watchSilence(connection, backendOf, silentMs);
  onTestFinished(async () => {
    connection.close();
    await proxy.close();
  });
  return { connection, proxy, asked: () => asked };
}

const lost = /lost on the way/;

test('silence: what is asked of a server that vanished ends with an error', async () => {
  const { connection, proxy } = await open();
  proxy.vanish();
  await expect(connection.rows('select 1')).rejects.toThrow(lost);
});

test('silence: an answer that never arrives ends with an error, in a transaction too', async () => {
  const { connection, proxy } = await open();
  await connection.query('begin; select 1');
  proxy.set({ silent: 'to-client' });
  await expect(connection.rows('select 1')).rejects.toThrow(lost);
});

test('silence: rows that stay on the way end with an error', async () => {
  const { connection, proxy } = await open();
  proxy.set({ silent: 'to-client' });
  await expect(connection.rows(`select repeat('x', 1000000) from generate_series(1, 100)`)).rejects.toThrow(
    lost,
  );
});

test('silence: data that do not arrive end a COPY with an error', async () => {
  const { connection, proxy } = await open();
  await connection.query('create temporary table t (n int)');
  const input = await connection.copyIn('copy t from stdin');
  proxy.set({ silent: 'to-server' });
  await expect(input.end()).rejects.toThrow(lost);
});

test('silence: a server that works, or waits for more, is waited for', async () => {
  const { connection, asked } = await open();
  const cancelled = expect(connection.rows('select pg_sleep(120)')).rejects.toThrow(/canceling statement/);
  await waitFor(() => asked() > 3, { what: 'four questions about who sleeps' });
  await connection.cancel();
  await cancelled;
  await connection.query('create temporary table t (n int)');
  const before = asked();
  const input = await connection.copyIn('copy t from stdin');
  await waitFor(() => asked() > before + 3, { what: 'four questions about who waits for data' });
  expect((await input.end()).tags).toEqual(['COPY 0']);
  expect(connection.lost).toBeUndefined();
});
