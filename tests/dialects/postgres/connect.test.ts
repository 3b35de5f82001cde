/** A server that goes away in the middle of the log-in: whoever connects is told, and nobody else. */

import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../../../src/dialects/postgres/connect.ts';
import { backend, TransactionStatus } from '../../../src/wire/postgres/index.ts';

const login = { user: 'u', password: 'secret', database: 'd', settings: [] };
const idle = backend.readyForQuery(TransactionStatus.Idle);
const sasl = backend.authenticationSasl(['SCRAM-SHA-256']);
const unknown = Buffer.from([0x58, 0, 0, 0, 4]);

async function serverThat(answers: (socket: Socket) => void): Promise<Parameters<typeof connect>[0]> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => answers(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { memberId: 'db1', host: '127.0.0.1', port, tls: { mode: 'disable' }, connectMs: 20_000 };
}

test.each([
  ['with a message that nobody knows', [sasl, unknown]],
  ['with an error', [sasl, backend.errorResponse({ severity: 'FATAL', code: '57P03', message: 'later' })]],
  ['when it seems to be done', [sasl, backend.authenticationOk, idle]],
])('connect: a server that resets the connection while it is answered, %s', async (_, says) => {
  const stray: unknown[] = [];
  const hear = (error: unknown): void => void stray.push(error);
  process.on('uncaughtException', hear);
  onTestFinished(() => void process.off('uncaughtException', hear));
  const address = await serverThat((socket) => {
    socket.write(Buffer.concat(says));
    socket.resetAndDestroy();
  });
  for (let tries = 0; tries < 20; tries++)
    await expect(connect(address, login)).rejects.toMatchObject({ memberId: 'db1' });
  expect(stray).toEqual([]);
});

test('connect: a connection that is lost at the end of its log-in is not handed over', async () => {
  const address = await serverThat((socket) => {
    socket.write(Buffer.concat([backend.authenticationOk, backend.backendKeyData(1, Buffer.alloc(4)), idle]));
    socket.resetAndDestroy();
  });
  for (let tries = 0; tries < 20; tries++) {
    const connection = await connect(address, { ...login, password: undefined }).catch(() => undefined);
    if (connection === undefined) continue;
    // Handed over in time: then its owner hears of it.
    const { socket } = connection;
    expect(socket.destroyed).toBe(false);
    socket.resume();
    await new Promise((resolve) => socket.once('close', resolve));
  }
});
