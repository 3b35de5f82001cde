import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { LockstepError } from '../../../src/base/index.ts';
import { shuttingDown } from '../../../src/fronts/postgres/login-errors.ts';
import { writeFatal } from '../../../src/fronts/postgres/write-fatal.ts';
import { readErrorFields } from '../../../src/wire/postgres/index.ts';
import { ManualClock } from './manual-clock.ts';

let server: Server;
afterEach(() => server.close());

async function pair(): Promise<{ client: Socket; socket: Socket }> {
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const client = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    allowHalfOpen: true,
  });
  const [socket] = (await accepted) as [Socket];
  return { client, socket };
}

/** Its timers never fire by themselves. */
class StoppedClock extends ManualClock {
  readonly waiting: (() => void)[] = [];

  override after(_ms: number, callback: () => void): () => void {
    this.waiting.push(callback);
    return () => void this.waiting.splice(this.waiting.indexOf(callback), 1);
  }
}

test('the error arrives although much was sent and not read, and the connection ends with the client', async () => {
  const { client, socket } = await pair();
  const clock = new StoppedClock();
  client.write(Buffer.alloc(1_000_000));
  writeFatal(socket, shuttingDown(), clock);
  const [heard] = (await once(client, 'data')) as [Buffer];
  expect(readErrorFields(heard)).toMatchObject({ severity: 'FATAL', code: '57P03' });
  const closed = once(socket, 'close');
  client.end();
  await closed;
  expect(clock.waiting).toEqual([]);
});

test('a client that does not close its side is cut off after a while', async () => {
  const { client, socket } = await pair();
  const clock = new StoppedClock();
  writeFatal(socket, shuttingDown(), clock);
  client.resume();
  await once(client, 'end');
  expect(socket.destroyed).toBe(false);
  clock.waiting[0]?.();
  expect(socket.destroyed).toBe(true);
  client.destroy();
});

test('nothing happens to a connection that is gone', async () => {
  const { client, socket } = await pair();
  socket.destroy();
  const clock = new StoppedClock();
  writeFatal(socket, new LockstepError({ code: 'x.y', message: 'late' }), clock);
  expect(clock.waiting).toEqual([]);
  client.destroy();
});
