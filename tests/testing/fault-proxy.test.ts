import type { AddressInfo, Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { pause, systemClock } from '../../src/base/index.ts';
import { FaultProxy } from '../../src/testing/index.ts';
import { waitFor } from '../support/index.ts';

/** Long enough that something which is on its way without a fault would have arrived. */
const momentMs = 100;

let echo: Server;
let serverSides: Socket[];
let proxy: FaultProxy;
let clients: Socket[];

beforeEach(async () => {
  serverSides = [];
  clients = [];
  echo = createServer((socket) => {
    serverSides.push(socket);
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  proxy = await FaultProxy.listen({ port: (echo.address() as AddressInfo).port });
});

afterEach(async () => {
  for (const client of clients) client.destroy();
  await proxy.close();
  echo.close();
});

interface Conversation {
  readonly socket: Socket;
  readonly chunks: string[];
  readonly received: () => string;
  readonly errors: string[];
}

async function converse(): Promise<Conversation> {
  const socket = connect(proxy.port, '127.0.0.1').setNoDelay(true);
  clients.push(socket);
  const chunks: string[] = [];
  const errors: string[] = [];
  socket.on('data', (chunk) => chunks.push(chunk.toString()));
  socket.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code ?? error.message));
  await once(socket, 'connect');
  return { socket, chunks, errors, received: () => chunks.join('') };
}

/** Unlike `once`, it takes an error before the close for what it is here: part of the test. */
const closeOf = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.once('close', resolve));

const arrives = (conversation: Conversation, text: string): Promise<boolean> =>
  waitFor(() => conversation.received() === text, { what: `"${text}" to arrive` });

test('fault proxy: without faults bytes and ends pass, and are counted', async () => {
  const talk = await converse();
  talk.socket.end('hello');
  await closeOf(talk.socket);
  expect(talk.received()).toBe('hello');
  expect(talk.errors).toEqual([]);
  await waitFor(() => proxy.counters.open === 0, { what: 'the connection to end' });
  expect(proxy.counters).toEqual({ connections: 1, open: 0, bytesToServer: 5, bytesToClient: 5 });
});

test('fault proxy: many megabytes pass whole and in order', async () => {
  const talk = await converse();
  const sent = Array.from({ length: 1_000_000 }, (_, number) => number).join(' ');
  talk.socket.end(sent);
  await closeOf(talk.socket);
  expect(talk.received() === sent).toBe(true);
});

test('fault proxy: latency delays each direction, and can be taken back', async () => {
  const talk = await converse();
  proxy.set({ latencyMs: 150 });
  const startMs = systemClock.monotonicMs();
  talk.socket.write('a');
  await arrives(talk, 'a');
  expect(systemClock.monotonicMs() - startMs).toBeGreaterThanOrEqual(295);
  proxy.set({ latencyMs: 60_000 });
  talk.socket.write('b');
  await waitFor(() => proxy.counters.bytesToServer === 1, { what: 'nothing new' });
  await proxy.heal();
  await arrives(talk, 'ab');
});

test.each([
  ['to-server', 0],
  ['to-client', 1],
  ['both', 0],
] as const)(
  'fault proxy: silent %s holds bytes back, also on new connections, until it is healed',
  async (silent, reached) => {
    const old = await converse();
    proxy.set({ silent });
    const fresh = await converse();
    old.socket.write('x');
    fresh.socket.write('y');
    await waitFor(() => proxy.counters.bytesToServer === 2 * reached, { what: 'the server side' });
    await pause(systemClock, momentMs);
    expect(old.received() + fresh.received()).toBe('');
    expect(proxy.counters).toMatchObject({ bytesToServer: 2 * reached, bytesToClient: 0 });
    proxy.set({ silent: 'none' });
    await arrives(old, 'x');
    await arrives(fresh, 'y');
  },
);

test('fault proxy: silence holds back ends too, and pushes back on a sender of much', async () => {
  const talk = await converse();
  proxy.set({ silent: 'both' });
  const sent = 'z'.repeat(50_000_000);
  talk.socket.end(sent);
  await pause(systemClock, momentMs);
  expect(talk.socket.writableLength).toBeGreaterThan(0);
  expect(serverSides.every((side) => !side.readableEnded)).toBe(true);
  await proxy.heal();
  await closeOf(talk.socket);
  expect(talk.received().length).toBe(sent.length);
});

test('fault proxy: bytes arrive in segments of the given size', async () => {
  const talk = await converse();
  const sizes: number[] = [];
  serverSides[0]?.on('data', (chunk) => sizes.push(chunk.length));
  proxy.set({ segmentBytes: 1 });
  talk.socket.write('12345');
  await arrives(talk, '12345');
  expect(talk.chunks.length).toBeGreaterThan(1);
});

test('fault proxy: cut resets both sides or closes them, and the next connection works', async () => {
  for (const [how, errors] of [
    ['reset', ['ECONNRESET']],
    ['close', []],
  ] as const) {
    const talk = await converse();
    talk.socket.write('x');
    await arrives(talk, 'x');
    const closed = Promise.all([closeOf(talk.socket), closeOf(serverSides.at(-1) ?? talk.socket)]);
    proxy.cut(how);
    await closed;
    expect(talk.errors).toEqual(errors);
  }
  const talk = await converse();
  talk.socket.write('again');
  await arrives(talk, 'again');
});

test('fault proxy: refuse turns new connections away, leaves old ones, and ends on the same port', async () => {
  const old = await converse();
  const { port } = proxy;
  await proxy.refuse();
  await expect(converse()).rejects.toThrow('ECONNREFUSED');
  old.socket.write('still');
  await arrives(old, 'still');
  await proxy.heal();
  expect(proxy.port).toBe(port);
  const fresh = await converse();
  fresh.socket.write('here');
  await arrives(fresh, 'here');
});

test('fault proxy: after vanish the server knows, and the client never hears anything again', async () => {
  const talk = await converse();
  talk.socket.write('x');
  await arrives(talk, 'x');
  const serverSide = serverSides[0];
  if (!serverSide) throw new Error('no connection reached the server');
  const serverKnows = closeOf(serverSide);
  proxy.vanish();
  await serverKnows;
  await proxy.heal();
  talk.socket.write('anybody?');
  await pause(systemClock, momentMs);
  expect(talk.received()).toBe('x');
  expect(talk.socket.readableEnded || talk.socket.destroyed).toBe(false);
});

test('fault proxy: a target that is not there is a reset for the client', async () => {
  echo.close();
  const talk = await converse();
  await closeOf(talk.socket);
  expect(talk.errors).toEqual(['ECONNRESET']);
});

test('fault proxy: a URL leads through it with everything else kept', () => {
  expect(proxy.through('postgres://a:b%40c@db.example:5432/d?x=1')).toBe(
    `postgres://a:b%40c@127.0.0.1:${proxy.port}/d?x=1`,
  );
});
