/** Between the log-in and the work behind it a connection changes hands: nothing said meanwhile is lost, and nothing comes back. */

import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { nobody } from '../../../src/cluster/index.ts';
import type { Address } from '../../../src/dialects/postgres/connect.ts';
import { backend, frontend, TransactionStatus } from '../../../src/wire/postgres/index.ts';
import { waitFor } from '../../support/index.ts';
import { bareLink } from './bare-link.ts';

const { authenticationOk, authenticationSasl, readyForQuery } = backend;
const ready = readyForQuery(TransactionStatus.Idle);

/** A server that says these pieces when somebody logs in, and `SELECT 1` to every query. */
async function serverThatSays(...pieces: readonly Buffer[]): Promise<Address> {
  const say = async (socket: Socket): Promise<void> => {
    for (const piece of pieces) {
      socket.write(piece);
      for (let n = 0; n < 5; n++) await turn();
    }
  };
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.setNoDelay(true);
    let said: Promise<void> | undefined;
    socket.on('data', (bytes: Buffer) => {
      said ??= say(socket);
      if (bytes.includes('SELECT 1'))
        void said.then(() => socket.write(Buffer.concat([backend.commandComplete('SELECT 1'), ready])));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { memberId: 'db1', host: '127.0.0.1', port, tls: { mode: 'disable' }, connectMs: 20_000 };
}

async function askedBehindIt(address: Address): Promise<{ heard: string[]; failed: boolean }> {
  const heard: string[] = [];
  const login = { user: 'u', password: 'p', database: 'd', settings: [] };
  const link = await bareLink(address, login, {
    unasked: (_, message) => void heard.push(message.toString('latin1')),
    lost: () => undefined,
  });
  const request = { protocol: 'simple', messages: [{ kind: 'plain', frame: frontend.query('SELECT 1') }] };
  const plainly = { settings: [], begin: undefined, mayBeUnsuitable: 'no' } as const;
  const { failed } = await link.run(request, nobody, plainly);
  await waitFor(() => heard.length > 0 || !failed, { what: 'all of it to be heard' });
  return { heard, failed };
}

test('log-in: what the server says at once behind it is heard, also when it comes in two pieces', async () => {
  const status = backend.parameterStatus('application_name', 'told behind the log-in');
  const together = Buffer.concat([authenticationOk, ready, status]);
  const at = together.length - 10;
  const server = await serverThatSays(together.subarray(0, at), together.subarray(at));
  expect(await askedBehindIt(server)).toEqual({ heard: [status.toString('latin1')], failed: false });
});

test('log-in: a server that lets us in before it has proven itself is not believed', async () => {
  const begun = authenticationSasl(['SCRAM-SHA-256']);
  for (const instead of [authenticationOk, ready]) {
    const server = await serverThatSays(Buffer.concat([begun, instead, ready]));
    await expect(askedBehindIt(server)).rejects.toThrow('has not proven that it knows the password');
  }
});
