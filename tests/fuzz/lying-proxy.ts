/** Stands between the node and a member. What the member says it passes on, now and then with a lie about how far it is. */

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { sslRequest } from '../../src/wire/postgres/index.ts';
import { cut } from './mutations.ts';

export interface Lie {
  /** One message out of so many of each connection is wrong. */
  readonly every: number;
  readonly how: 'goes ahead' | 'stands instead' | 'is cut off' | 'is long' | 'is left out';
  /** What goes ahead of the message, or stands instead of it. */
  readonly bytes: Buffer;
  readonly cuts: readonly number[];
  /** What comes behind it. */
  readonly afterwards: 'goes on' | 'closes' | 'tears' | 'falls silent';
}

/** Rows are left as they are: nobody can know that those are wrong. */
const rows = new Set([0x44, 0x64]);

export class LyingProxy {
  readonly #server = createServer();
  readonly #target: number;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #lie: Lie | undefined;
  told = 0;

  private constructor(target: number) {
    this.#target = target;
  }

  static async listen(target: number): Promise<LyingProxy> {
    const proxy = new LyingProxy(target);
    proxy.#server.on('connection', (client) => proxy.#join(client));
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** From now on, on all connections; none: the member is heard as it is. */
  tell(lie: Lie | undefined): void {
    this.#lie = lie;
  }

  close(): void {
    this.#server.close();
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  #join(client: Socket): void {
    const server = connect(this.#target, '127.0.0.1');
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        for (const other of pair) other.destroy();
        this.#pairs.delete(pair);
      });
    }
    let asksForTls: boolean | undefined;
    client.on('data', (bytes: Buffer) => {
      asksForTls ??= bytes.equals(sslRequest());
      server.write(bytes);
    });
    client.on('end', () => server.end());
    this.#passOn(server, client, () => asksForTls === true).catch(() => client.destroy());
  }

  async #passOn(server: Socket, client: Socket, asksForTls: () => boolean): Promise<void> {
    let held: Buffer = Buffer.alloc(0);
    let said = 0;
    let plain = true;
    // Left in the middle, an ordinary iterator would close the connection, and nobody ever fell silent.
    for await (const chunk of server.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      // One letter, no message, says whether there is TLS.
      if (plain && asksForTls()) {
        client.write(held.subarray(0, 1));
        held = held.subarray(1);
      }
      plain = false;
      let upTo = 0;
      for (let next = endOf(held, 0); next !== undefined; next = endOf(held, upTo)) {
        const frame = held.subarray(upTo, next);
        const lie = this.#lie;
        if (lie === undefined || rows.has(frame[0] ?? 0) || ++said % lie.every !== 0) {
          client.write(frame);
          upTo = next;
          continue;
        }
        this.told += 1;
        upTo = next;
        for (const piece of cut(Buffer.concat(told(frame, lie)), lie.cuts)) {
          client.write(piece);
          await turn();
        }
        if (lie.afterwards === 'closes') client.end();
        if (lie.afterwards === 'tears') client.resetAndDestroy();
        if (lie.afterwards === 'goes on') continue;
        server.resume();
        return;
      }
      held = held.subarray(upTo);
    }
  }
}

function told(frame: Buffer, { how, bytes }: Lie): readonly Buffer[] {
  switch (how) {
    case 'goes ahead':
      return [bytes, frame];
    case 'stands instead':
      return [bytes];
    case 'is cut off':
      return [frame.subarray(0, frame.length >> 1)];
    case 'is left out':
      return [];
    default: {
      const long = Buffer.from(frame);
      long.writeInt32BE(long.readInt32BE(1) + 7, 1);
      return [long];
    }
  }
}

/** Where the message that begins here ends, when all of it is there. */
function endOf(bytes: Buffer, at: number): number | undefined {
  if (bytes.length < at + 5) return undefined;
  const end = at + 1 + bytes.readInt32BE(at + 1);
  return bytes.length < end ? undefined : end;
}
