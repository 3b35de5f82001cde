/** A node that cannot start says which member or address is the matter, and why. It leaves nothing open, and starts when that is mended. */

import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FreshCluster } from '../failure/fresh-cluster.ts';
import { connect, waitFor, withServers } from '../support/index.ts';

const fixture = withServers(2, { password: 'right' });
let cluster: FreshCluster;

beforeEach(async () => {
  cluster = await FreshCluster.prepare(fixture.servers);
});

afterEach(async () => {
  for (const { ask } of cluster.members) {
    const others = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`;
    await waitFor(async () => (await ask(others)).length === 0, { what: 'every connection to be closed' });
  }
  await cluster.startNode();
  const client = await connect(cluster.url);
  expect((await client.query('UPDATE counters SET value = 1 WHERE client = 1')).rowCount).toBe(1);
  expect((await cluster.status()).members.map(({ state }) => state)).toEqual(['active', 'active']);
  await cluster.stop();
});

/** Something that listens and is no PostgreSQL server. */
async function listening(onConnection: (socket: Socket) => void): Promise<{ port: number; close(): void }> {
  const open = new Set<Socket>();
  const server: Server = createServer((socket) => {
    open.add(socket.on('error', () => undefined));
    onConnection(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

/** As configured, but for the second. */
function withSecond(url: string): object[] {
  return [
    { id: 'db1', url: cluster.memberUrl(0) },
    { id: 'db2', url },
  ];
}

async function untouched(): Promise<void> {
  for (const { ask } of cluster.members)
    expect(await ask(`SELECT to_regnamespace('lockstep')`)).toEqual([[null]]);
}

test('start: a password that the members refuse', async () => {
  await expect(cluster.startNode({ config: { password: 'wrong' } })).rejects.toMatchObject({
    code: 'cluster.first-start-unreachable',
    message: expect.stringMatching(
      /member db1: password authentication failed.*member db2: password authentication failed/,
    ),
  });
  await untouched();
});

test('start: a database that a member does not have', async () => {
  const url = new URL(cluster.memberUrl(1));
  url.pathname = '/nowhere';
  await expect(cluster.startNode({ members: withSecond(url.href) })).rejects.toMatchObject({
    code: 'cluster.first-start-unreachable',
    message: expect.stringMatching(/: member db2: database "nowhere" does not exist$/),
  });
  await untouched();
});

test.each([
  ['that nobody listens at', undefined, /db2 at 127[.\d]+:\d+: nothing listens there \(ECONNREFUSED\)/],
  ['that accepts and never answers', () => undefined, /db2 at 127[.\d]+:\d+: no answer within 300 ms$/],
  [
    'that answers like another kind of server',
    (socket: Socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'),
    /db2 at 127[.\d]+:\d+: the answer to the TLS request is not PostgreSQL$/,
  ],
  [
    'that closes every connection',
    (socket: Socket) => socket.end(),
    /db2 at 127[.\d]+:\d+: the connection was closed$/,
  ],
])('start: a member at an address %s', async (_what, onConnection, message) => {
  const other = await listening(onConnection ?? (() => undefined));
  if (onConnection === undefined) other.close();
  const url = `postgres://127.0.0.1:${other.port}/${cluster.database}`;
  await expect(
    cluster.startNode({ members: withSecond(url), config: { deadlines: { connectMs: 300 } } }),
  ).rejects.toMatchObject({
    code: 'cluster.first-start-unreachable',
    message: expect.stringMatching(message),
    hint: expect.stringContaining('Start it, correct its url'),
  });
  other.close();
  await untouched();
});

test('start: a port that another program has', async () => {
  const other = await listening(() => undefined);
  await expect(
    cluster.startNode({ config: { listen: { postgres: `127.0.0.1:${other.port}` } } }),
  ).rejects.toMatchObject({
    code: 'front.port-in-use',
    message: `cannot listen on 127.0.0.1:${other.port}: another program already does`,
  });
  other.close();
});
