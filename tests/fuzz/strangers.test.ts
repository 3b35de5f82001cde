/** Before the login: whatever is sent, in whatever pieces, the connection ends by itself and leaves its place. */

import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import * as fc from 'fast-check';
import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { cancelRequest, frontend, sslRequest, startupMessage } from '../../src/wire/postgres/index.ts';
import { listen, messagesOf, selfSigned } from '../fronts/postgres/listening.ts';
import { waitFor } from '../support/index.ts';
import { fuzz, fuzzTimeoutMs } from './fuzz-run.ts';
import { cut, cuts, mutate, mutations, noise } from './mutations.ts';
import type { Mutation } from './mutations.ts';

const share = { share: 0.15 };

/** Whoever says nothing more is told to go after so long. */
const loginMs = 3_000;

function packet(code: number, body: Buffer = Buffer.alloc(0), length = 8 + body.length): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeInt32BE(length, 0);
  bytes.writeInt32BE(code, 4);
  return Buffer.concat([bytes, body]);
}

const startup = startupMessage([
  ['user', 'app'],
  ['database', 'orders'],
]);
const versions = [0x20000, 0x30001, 0x30002, 0x3270f, 0x40000, 0, -1, 0x7fff_ffff];
const gssRequest = packet(80877104);

const beginnings: readonly Buffer[] = [
  startup,
  startupMessage([
    ['user', 'app'],
    ['replication', 'database'],
  ]),
  startupMessage([
    ['user', 'nobody'],
    ['_pq_.unknown', '1'],
  ]),
  startupMessage([]),
  ...versions.map((version) => packet(version, startup.subarray(8))),
  gssRequest,
  cancelRequest(1, Buffer.alloc(4)),
  cancelRequest(1, Buffer.alloc(256)),
  packet(80877102, Buffer.alloc(2)),
  packet(196608, Buffer.from('user\0app'), 16),
  packet(196608, Buffer.alloc(0), 10_001),
  packet(196608, Buffer.alloc(0), 0x7fff_ffff),
  frontend.password('secret'),
  frontend.saslInitialResponse('SCRAM-SHA-256', Buffer.from('n,,n=,r=nonce')),
  frontend.saslInitialResponse('SCRAM-SHA-256-PLUS', Buffer.from('p=tls-server-end-point,,n=,r=nonce')),
  frontend.saslInitialResponse('NONE', Buffer.from('y,,n=,r=')),
  frontend.saslResponse(Buffer.from('c=biws,r=nonce,p=eA==')),
  frontend.query('SELECT 1'),
  frontend.sync,
  frontend.terminate,
  Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
  Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3]),
];

type Ending = 'waits' | 'half-closes' | 'closes' | 'tears';

interface Stranger {
  readonly encryption: 'none' | 'asked for' | 'used';
  readonly said: readonly Buffer[];
  readonly wrong: readonly Mutation[];
  readonly cuts: readonly number[];
  readonly ending: Ending;
}

const strangers: fc.Arbitrary<Stranger> = fc.record({
  encryption: fc.constantFrom('none', 'none', 'asked for', 'used'),
  said: fc.array(fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...beginnings) }, noise), { maxLength: 5 }),
  wrong: fc.oneof(fc.constant([]), mutations(beginnings)),
  cuts,
  ending: fc.oneof(
    { weight: 1, arbitrary: fc.constant<Ending>('waits') },
    { weight: 60, arbitrary: fc.constantFrom<Ending>('half-closes', 'half-closes', 'closes', 'tears') },
  ),
});

async function opened(port: number, { encryption }: Stranger): Promise<{ socket: Socket; under: Socket }> {
  const under = connect(port, '127.0.0.1');
  under.on('error', () => undefined);
  await once(under, 'connect');
  if (encryption === 'none') return { socket: under, under };
  under.write(sslRequest());
  const [answer] = (await once(under, 'data')) as [Buffer];
  expect(answer.toString()).toBe('S');
  if (encryption === 'asked for') return { socket: under, under };
  const socket = connectTls({ socket: under, rejectUnauthorized: false });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return { socket, under };
}

async function comesAndGoes(port: number, stranger: Stranger): Promise<void> {
  const { socket, under } = await opened(port, stranger);
  const heard: Buffer[] = [];
  socket.on('data', (bytes: Buffer) => heard.push(bytes));
  const ended = new Promise<void>((resolve) => {
    under.once('close', () => resolve());
    socket.once('close', () => resolve());
  });
  for (const piece of cut(Buffer.concat(mutate(stranger.said, stranger.wrong)), stranger.cuts)) {
    if (!socket.writable) break;
    socket.write(piece);
    await turn();
  }
  if (stranger.ending === 'half-closes') socket.end();
  // Under the encryption, which is not told.
  if (stranger.ending === 'closes') under.end();
  if (stranger.ending === 'tears') under.resetAndDestroy();
  await ended;
  under.destroy();
  if (stranger.encryption === 'asked for') return;
  const { said, answers } = beforeMessages(Buffer.concat(heard));
  // Each request for encryption is answered by one letter.
  expect(answers).toMatch(/^[SN]{0,3}$/);
  const messages = messagesOf(said).map(({ type }) => type);
  expect(messages.slice(0, -1).filter((type) => type !== 'R' && type !== 'v')).toEqual([]);
}

function beforeMessages(heard: Buffer): { said: Buffer; answers: string } {
  let at = 0;
  // An `S` with a length behind it would be a setting, which nobody is told who is not logged in.
  while (at < heard.length && (heard[at] === 0x53 || heard[at] === 0x4e)) at += 1;
  return { answers: heard.toString('latin1', 0, at), said: heard.subarray(at) };
}

describe('strangers that say anything', () => {
  test('are refused or go, and others log in all the while', { timeout: fuzzTimeoutMs(share) }, async () => {
    const limits = {
      maxClients: 100,
      maxClientsPerUser: 0,
      maxPreAuthClients: 50,
      clientBufferBytes: 1 << 20,
    };
    const { port, listener, clients, url } = await listen({
      loginMs: () => loginMs,
      limits,
      tls: selfSigned(),
    });
    const several = fc.array(strangers, { minLength: 1, maxLength: 12 });
    const rss = process.memoryUsage.rss();
    let most = 0;
    await fuzz('strangers', several, share, async (all) => {
      const honest = logsIn(url('app', 'secret'));
      await Promise.all([...all.map((one) => comesAndGoes(port, one)), honest]);
      await waitFor(() => listener.clients === 0, { what: 'everybody to go' });
      most = Math.max(most, process.memoryUsage.rss() - rss);
    });
    expect(clients.every(({ user }) => user.name === 'app')).toBe(true);
    expect(most).toBeLessThan(400 << 20);
  });
});

async function logsIn(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  const { rows } = await client.query<{ answer: string }>('SELECT 1');
  expect(rows[0]?.answer).toBe('it works');
  await client.end();
}
