/** Requests to cancel travel on connections of their own: late, refused or without an end, they hurt nobody else. */

import { once } from 'node:events';
import { connect as connectSocket, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { nobody } from '../../../src/cluster/index.ts';
import type { SessionLink } from '../../../src/dialects/contract.ts';
import { frontend } from '../../../src/wire/postgres/index.ts';
import { waitFor, withServers } from '../../support/index.ts';
import { bareLink } from './bare-link.ts';

const fixture = withServers(1);
/** How long a cancel may take. */
const patientMs = 20_000;

/** In front of the server: connections after the first are held until they are let go. */
async function holdingBack(port: number): Promise<{ port: number; held: Socket[]; letGo(): void }> {
  const held: Socket[] = [];
  let first = true;
  const join = (client: Socket): void => {
    const server = connectSocket(port, '127.0.0.1');
    client.pipe(server).pipe(client);
    for (const socket of [client, server]) socket.on('error', () => client.destroy());
  };
  const listener = createServer({ allowHalfOpen: true }, (client) => {
    client.on('error', () => undefined);
    if (first) join(client);
    else held.push(client);
    first = false;
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  onTestFinished(() => {
    listener.close();
    for (const client of held) client.destroy();
  });
  const address = listener.address() as AddressInfo;
  return { port: address.port, held, letGo: () => held.splice(0).forEach(join) };
}

function linkTo(
  port: number,
  connectMs: number,
  mode: 'disable' | 'prefer' = 'disable',
): Promise<SessionLink> {
  const { user, database } = fixture.server(0);
  return bareLink(
    { memberId: 'db1', host: '127.0.0.1', port, tls: { mode }, connectMs },
    { user, password: undefined, database, settings: [] },
  );
}

function run(link: SessionLink, sql: string): ReturnType<SessionLink['run']> {
  const request = { protocol: 'simple', messages: [{ kind: 'plain', frame: frontend.query(sql) }] };
  return link.run(request, nobody, { settings: [], begin: undefined, mayBeUnsuitable: 'no' });
}

test('cancel: one that is late never hits the statement that comes next', async () => {
  const between = await holdingBack(fixture.server(0).port);
  const link = await linkTo(between.port, patientMs);
  const first = run(link, 'SELECT pg_sleep(0.1)');
  const cancelled = link.cancel();
  expect(await first).toMatchObject({ failed: false });
  const next = run(link, 'SELECT pg_sleep(1)');
  // Time for it to be begun, were it sent.
  await pause(200);
  between.letGo();
  await cancelled;
  expect(await next).toMatchObject({ failed: false });
});

test('cancel: a member that never takes it is not waited for, and no connection stays behind', async () => {
  const between = await holdingBack(fixture.server(0).port);
  const link = await linkTo(between.port, 500);
  const first = run(link, 'SELECT pg_sleep(0.1)');
  await link.cancel();
  expect(await first).toMatchObject({ failed: false });
  expect(await run(link, 'SELECT 1')).toMatchObject({ failed: false });
  const [held] = between.held;
  // Whoever has heard the last word of the other side finds out that it is gone by speaking to it.
  await waitFor(() => held?.write('?') === undefined || held.destroyed, {
    what: 'the connection to be given up',
  });
});

test('cancel: no connection stays behind where a member answers with what is no answer', async () => {
  const between = await holdingBack(fixture.server(0).port);
  const link = await linkTo(between.port, patientMs, 'prefer');
  const first = run(link, 'SELECT pg_sleep(0.5)');
  const cancelled = link.cancel();
  await waitFor(() => between.held.length > 0, { what: 'the request to cancel' });
  const [held] = between.held;
  const closed = new Promise<void>((resolve) => held?.once('close', () => resolve()));
  held?.write('?'.repeat(1 << 20));
  held?.end();
  held?.resume();
  await cancelled;
  expect(await first).toMatchObject({ failed: false });
  await closed;
});
