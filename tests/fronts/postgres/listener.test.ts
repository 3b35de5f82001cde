import { once } from 'node:events';
import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { deferred, systemClock } from '../../../src/base/index.ts';
import { cannotListen } from '../../../src/fronts/postgres/login-errors.ts';
import { cancelRequest, frontend, startupMessage } from '../../../src/wire/postgres/index.ts';
import { waitFor } from '../../support/index.ts';
import { answer, LIMITS, listen, trusting } from './listening.ts';
import { ManualClock } from './manual-clock.ts';
import { RawClient } from './raw-client.ts';

const startup = startupMessage([['user', 'app']]);

async function ask(url: string): Promise<string> {
  const client = new Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  const { rows } = await client.query<{ answer: string }>('SELECT 1');
  await client.end();
  return rows[0]?.answer ?? '';
}

function connectMany(port: number, count: number): Promise<RawClient[]> {
  return Promise.all(Array.from({ length: count }, () => RawClient.connect(port)));
}

describe('listening', () => {
  test('a port in use, a host that is not here and a port that is not allowed are explained', async () => {
    const { port } = await listen();
    await expect(listen({ port })).rejects.toMatchObject({
      code: 'front.port-in-use',
      hint: expect.stringContaining('another port'),
    });
    await expect(listen({ host: '192.0.2.1' })).rejects.toMatchObject({ code: 'front.bad-host' });
    // The account that runs this test may be allowed every port.
    const denied = Object.assign(new Error('listen EACCES'), { code: 'EACCES' });
    expect(cannotListen({ host: '::1', port: 80 }, denied)).toMatchObject({
      code: 'front.port-forbidden',
      message: expect.stringContaining('[::1]:80'),
    });
    await expect(listen({ host: 'no-such-host.invalid' })).rejects.toMatchObject({ code: 'front.bad-host' });
  });

  test('the port is free again after a stop, however often it is asked for', async () => {
    const { listener, port } = await listen();
    await Promise.all([listener.stop({ graceMs: 0 }), listener.stop({ graceMs: 0 })]);
    const again = await listen({ port });
    expect(again.port).toBe(port);
  });
});

describe('strangers', () => {
  test.each([
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), 'HTTP'],
    ['a length of two gigabytes', Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0]), 'invalid length'],
    ['a length of one gigabyte', Buffer.from([0x40, 0, 0, 0, 0, 3, 0, 0]), 'invalid length'],
    ['a negative length', Buffer.from([0xff, 0xff, 0xff, 0xff]), 'invalid length'],
    ['TLS without a request', Buffer.from([0x16, 0x03, 0x01, 0x02, 0, 1, 0, 1]), 'TLS'],
    ['noise', Buffer.alloc(1_000_000, 0xee), 'invalid length'],
    ['a proof of one gigabyte', Buffer.concat([startup, Buffer.from('p\x40\0\0\0')]), 'no place in a login'],
    ['a proof of no length', Buffer.concat([startup, Buffer.from('p\0\0\0\0')]), 'no place in a login'],
    [
      'too much behind the start-up',
      Buffer.concat([startup, Buffer.alloc(40_000)]),
      'before it was logged in',
    ],
  ])('%s is answered with an error, and the connection ends', async (_what, bytes, message) => {
    const { port, clients } = await listen();
    const client = await RawClient.connect(port);
    expect(await client.send(bytes).fatal()).toMatchObject({
      severity: 'FATAL',
      code: '08P01',
      message: expect.stringContaining(message),
    });
    expect(clients).toEqual([]);
  });

  test('a start-up message that comes byte by byte is understood', async () => {
    const { port } = await listen({ authentication: trusting });
    const client = await RawClient.connect(port);
    client.socket.setNoDelay(true);
    for (const byte of startup) {
      client.send(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    await client.message('Z');
  });

  test('whoever takes too long, saying nothing or a little, is told so and leaves a place free', async () => {
    const { port, url } = await listen({ loginMs: () => 300, limits: { ...LIMITS, maxPreAuthClients: 3 } });
    const silent = await RawClient.connect(port);
    const half = (await RawClient.connect(port)).send(startup.subarray(0, 7));
    const unproven = (await RawClient.connect(port)).send(startup);
    for (const client of [silent, half, unproven]) {
      expect(await client.fatal()).toMatchObject({ severity: 'FATAL', code: '57014' });
    }
    expect(await ask(url('app', 'secret'))).toBe('it works');
  });

  test('whoever leaves in the middle of the login leaves a place free', async () => {
    const { port, url } = await listen({ limits: { ...LIMITS, maxPreAuthClients: 3 } });
    for (const client of await connectMany(port, 3)) client.send(startup.subarray(0, 9)).socket.destroy();
    await waitFor(() => ask(url('app', 'secret')), { what: 'a login' });
    for (const client of await connectMany(port, 3)) client.send(startup).socket.end();
    expect(await waitFor(() => ask(url('app', 'secret')), { what: 'a login' })).toBe('it works');
  });

  test('whoever says goodbye instead of hello is let go without a word', async () => {
    const { port } = await listen({});
    const client = (await RawClient.connect(port)).send(frontend.terminate);
    expect(await client.untilClosed()).toHaveLength(0);
  });

  test('500 connections that never log in keep nobody out and are held to their limit', async () => {
    const clock = new ManualClock();
    const { port, url, clients } = await listen({ clock, limits: { ...LIMITS, maxPreAuthClients: 200 } });
    const flood = await connectMany(port, 500);
    await waitFor(() => flood.filter(({ socket }) => socket.closed).length >= 300, { what: '300 refusals' });
    expect(flood.filter(({ socket }) => socket.closed)).toHaveLength(300);
    const refused = flood.filter(({ heard }) => heard.length > 0);
    expect(refused.length).toBeGreaterThan(0);
    for (const client of refused) expect(await client.fatal()).toMatchObject({ code: '53300' });

    clock.nowMs += 1_000;
    for (let i = 0; i < 5; i += 1) expect(await ask(url('app', 'secret'))).toBe('it works');
    expect(clients).toHaveLength(5);
    for (const { socket } of flood) socket.destroy();
  });

  test('many clients at the same moment all get in', async () => {
    const { url } = await listen({ limits: { ...LIMITS, maxPreAuthClients: 60 } });
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(url('app', 'secret'))));
    expect(new Set(answers)).toEqual(new Set(['it works']));
  });
});

describe('passwords', () => {
  test('that are wrong are looked at later and later, and told of; the right one is let in all the same', async () => {
    const guessed: string[] = [];
    const clock = new ManualClock();
    const waits: number[] = [];
    clock.after = (ms, callback) => {
      waits.push(ms);
      return systemClock.after(ms, callback);
    };
    const onGuessing = (address: string, user: string): void => void guessed.push(`${address} ${user}`);
    const { url, listener } = await listen({ clock, onGuessing });
    for (const user of ['app', 'app', 'app', 'app', 'a', 'b', 'c', 'd', 'e', 'f', 'g'])
      await expect(ask(url(user, 'guess'))).rejects.toMatchObject({ code: '28P01' });
    expect(await ask(url('app', 'secret'))).toBe('it works');
    expect(waits.filter((ms) => ms < 1000)).toEqual([100, 200]);
    expect(guessed).toEqual(['127.0.0.1 f']);
    expect(listener.wrongPasswords).toBe(11);
  });
});

describe('clients', () => {
  test('of one user leave room for others', async () => {
    const { url } = await listen({ limits: { ...LIMITS, maxClientsPerUser: 1 } });
    const held = new Client(url('app', 'secret'));
    await held.connect();
    await expect(ask(url('app', 'secret'))).rejects.toMatchObject({
      code: '53300',
      message: 'too many connections for user "app"',
    });
    expect(await ask(url('reader', 'Grüße\u00a0aus ½'))).toBe('it works');
    await held.end();
    expect(await waitFor(() => ask(url('app', 'secret')), { what: 'a place' })).toBe('it works');
  });

  test('one more than allowed is told so, and a place that was left is free again', async () => {
    const { url, listener } = await listen({ limits: { ...LIMITS, maxClients: 2 } });
    const held = [new Client(url('app', 'secret')), new Client(url('app', 'secret'))];
    for (const client of held) await client.connect();
    await expect(ask(url('app', 'secret'))).rejects.toMatchObject({
      severity: 'FATAL',
      code: '53300',
      message: 'sorry, too many clients already',
    });
    // Whoever does not prove anything learns nothing of that.
    await expect(ask(url('app', 'wrong'))).rejects.toMatchObject({ code: '28P01' });
    await held[0]?.end();
    await waitFor(() => listener.clients === 1, { what: 'the place' });
    expect(await ask(url('app', 'secret'))).toBe('it works');
    await held[1]?.end();
  });

  test('a client that cannot be served gets an error, and the listener goes on', async () => {
    const failures = [
      () => Promise.reject(new Error('later')),
      () => {
        throw new Error('at once');
      },
    ];
    const { port, listener } = await listen({
      authentication: trusting,
      onClient: (client) => failures.pop()?.() ?? answer(client),
    });
    for (let i = 0; i < 2; i += 1) {
      const client = (await RawClient.connect(port)).send(startup);
      expect(await client.fatal()).toMatchObject({ code: 'XX000', message: 'internal error' });
    }
    await (await RawClient.connect(port)).send(startup).message('Z');
    expect(listener.clients).toBe(1);
  });

  test('are handed over paused, with no listener of the login left', async () => {
    const counts = deferred<Record<string, number>>();
    const { port } = await listen({
      authentication: trusting,
      onClient: ({ socket }) =>
        counts.resolve({
          flowing: Number(socket.readableFlowing === true),
          data: socket.listenerCount('data'),
          end: socket.listenerCount('end'),
          readable: socket.listenerCount('readable'),
        }),
    });
    const plain = (await RawClient.connect(port)).send(startup);
    // `end` has the one listener of node:net itself.
    expect(await counts.promise).toEqual({ flowing: 0, data: 0, end: 1, readable: 0 });
    plain.socket.destroy();
  });
});

describe('cancel requests', () => {
  test('reach onCancel without a login; the connection closes without a word, and not before it was acted on', async () => {
    const acted = deferred();
    const asked: [number, string][] = [];
    const { port } = await listen({
      onCancel: (pid, key) => {
        asked.push([pid, key.toString('hex')]);
        return acted.promise;
      },
    });
    const client = (await RawClient.connect(port)).send(cancelRequest(7, Buffer.from('0badcafe', 'hex')));
    await waitFor(() => asked.length === 1, { what: 'the request' });
    expect(asked).toEqual([[7, '0badcafe']]);
    // A second conversation shows that the listener had every chance to close the first.
    const other = await RawClient.connect(port);
    await other.send('GET / HTTP/1.1\r\n\r\n').fatal();
    expect(client.socket.readableEnded).toBe(false);
    acted.resolve();
    expect(await client.untilClosed()).toHaveLength(0);
  });

  test('that fail or take for ever are answered like any other', async () => {
    const { port } = await listen({
      loginMs: () => 300,
      onCancel: (pid) => (pid === 1 ? Promise.reject(new Error('no member')) : new Promise(() => {})),
    });
    for (const pid of [1, 2]) {
      const client = (await RawClient.connect(port)).send(cancelRequest(pid, Buffer.alloc(4)));
      expect(await client.untilClosed()).toHaveLength(0);
    }
  });

  test('that guess keys are slowed down, and are told nothing', async () => {
    let looked = 0;
    const { port } = await listen({
      clock: new ManualClock(),
      limits: { ...LIMITS, maxPreAuthClients: 400 },
      onCancel: () => Promise.resolve(void (looked += 1)),
    });
    const guesses = await connectMany(port, 300);
    for (const client of guesses) client.send(cancelRequest(1, Buffer.alloc(4)));
    const answers = await Promise.all(guesses.map((client) => client.untilClosed()));
    expect(answers.every(({ length }) => length === 0)).toBe(true);
    expect(looked).toBe(200);
  });
});

describe('stopping', () => {
  test('newcomers are told, cancel requests are served, and the end comes when the clients have left', async () => {
    const cancelled: number[] = [];
    const { port, listener, url } = await listen({
      authentication: trusting,
      onCancel: (pid) => Promise.resolve(void cancelled.push(pid)),
    });
    const client = (await RawClient.connect(port)).send(startup);
    await client.message('Z');
    const halfway = (await RawClient.connect(port)).send(startup.subarray(0, 9));
    const stopped = listener.stop({ graceMs: 60_000 });
    await expect(ask(url('app'))).rejects.toMatchObject({
      severity: 'FATAL',
      code: '57P03',
      message: 'the node is shutting down',
    });
    expect(await halfway.send(startup.subarray(9)).fatal()).toMatchObject({ code: '57P03' });
    await (await RawClient.connect(port)).send(cancelRequest(5, Buffer.alloc(4))).untilClosed();
    expect(cancelled).toEqual([5]);
    expect(client.socket.closed).toBe(false);
    client.socket.end();
    await stopped;
    await expect(RawClient.connect(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('clients that do not leave are cut off when the grace is over', async () => {
    const { port, listener } = await listen({ authentication: trusting });
    const client = (await RawClient.connect(port)).send(startup);
    await client.message('Z');
    const closed = once(client.socket, 'close');
    await listener.stop({ graceMs: 50 });
    await closed;
    expect(listener.clients).toBe(0);
  });
});
