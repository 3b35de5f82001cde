/**
 * A TCP proxy on loopback that stands between a client and a server and lets a test be the network: slow, silent,
 * chopped, broken. What it holds back is bounded, so a silent network pushes back on the sender as a real one does.
 */

import type { AddressInfo, Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import type { Clock } from '../base/index.ts';
import { systemClock } from '../base/index.ts';
import { FaultyStream } from './faulty-stream.ts';

/** The state of the network; every field can be changed while connections are open. */
export interface NetworkFaults {
  /** How much later bytes arrive, in each direction. */
  readonly latencyMs: number;
  /** Which bytes are held back. They are delivered when the silence ends, as TCP would. */
  readonly silent: 'none' | 'both' | 'to-server' | 'to-client';
  /** Bytes arrive in pieces of at most this size, each in a write of its own; 0: as they came. */
  readonly segmentBytes: number;
}

export interface ProxyCounters {
  readonly connections: number;
  readonly open: number;
  readonly bytesToServer: number;
  readonly bytesToClient: number;
}

export interface ProxyTarget {
  readonly port: number;
  readonly host?: string;
}

const healthy: NetworkFaults = { latencyMs: 0, silent: 'none', segmentBytes: 0 };

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  readonly streams: readonly FaultyStream[];
}

export class FaultProxy {
  readonly #target: ProxyTarget;
  readonly #clock: Clock;
  readonly #host: string;
  readonly #pairs = new Set<Pair>();
  readonly #strays = new Set<Socket>();
  #listener: Server | undefined;
  #port = 0;
  #faults = healthy;
  #connections = 0;
  #bytesToServer = 0;
  #bytesToClient = 0;

  private constructor(target: ProxyTarget, clock: Clock, host: string) {
    this.#target = target;
    this.#clock = clock;
    this.#host = host;
  }

  /** `host`: the address of this machine on which it listens. */
  static async listen(
    target: ProxyTarget,
    { clock = systemClock, host = '127.0.0.1' }: { readonly clock?: Clock; readonly host?: string } = {},
  ): Promise<FaultProxy> {
    const proxy = new FaultProxy(target, clock, host);
    await proxy.accept();
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  get counters(): ProxyCounters {
    return {
      connections: this.#connections,
      open: this.#pairs.size,
      bytesToServer: this.#bytesToServer,
      bytesToClient: this.#bytesToClient,
    };
  }

  /** The same URL, by way of this proxy. */
  through(url: string): string {
    const changed = new URL(url);
    changed.hostname = this.#host;
    changed.port = String(this.#port);
    return changed.href;
  }

  /** Changes what is named and leaves the rest as it is. */
  set(faults: Partial<NetworkFaults>): void {
    this.#faults = { ...this.#faults, ...faults };
    for (const { streams } of this.#pairs) for (const stream of streams) stream.advance();
  }

  /** Everything that can heal does: bytes flow again, connections are accepted. What was cut stays cut. */
  async heal(): Promise<void> {
    this.set(healthy);
    await this.accept();
  }

  /** New connections are refused from now on; those that are open stay. */
  async refuse(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    // `close` would call back only after the last connection; what matters here is that the port is shut at once.
    listener?.close();
  }

  /** The opposite of `refuse`, on the same port. */
  async accept(): Promise<void> {
    if (this.#listener) return;
    const listener = createServer({ allowHalfOpen: true }, (client) => this.#join(client));
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen({ port: this.#port, host: this.#host }, resolve);
    });
    this.#port = (listener.address() as AddressInfo).port;
    this.#listener = listener;
  }

  /** Breaks every open connection, for both sides: with an RST, or closed as if the other side had ended it. */
  cut(how: 'reset' | 'close' = 'reset'): void {
    for (const { client, server } of this.#pairs) {
      for (const socket of [client, server]) {
        if (how === 'reset') socket.resetAndDestroy();
        else socket.destroy();
      }
    }
  }

  /**
   * The server's machine is gone without a word: the client's connections stay open, nobody will ever answer on them,
   * whatever happens later. The server sees its connections closed.
   */
  vanish(): void {
    for (const pair of this.#pairs) {
      this.#pairs.delete(pair);
      this.#strays.add(pair.client);
      pair.client.on('close', () => this.#strays.delete(pair.client));
      for (const stream of pair.streams) stream.abandon();
      pair.server.destroy();
    }
  }

  /** Open connections seem to live, and nothing that the server says arrives on them any more. New ones are well. */
  loseAnswers(): void {
    for (const { streams } of this.#pairs) streams[1]?.abandon();
  }

  async close(): Promise<void> {
    await this.refuse();
    this.cut('close');
    for (const socket of this.#strays) socket.destroy();
  }

  #join(client: Socket): void {
    this.#connections += 1;
    const server = connect({ host: '127.0.0.1', ...this.#target, allowHalfOpen: true });
    const toServer = new FaultyStream({
      from: client,
      to: server,
      clock: this.#clock,
      faults: () => ({ ...this.#faults, silent: ['both', 'to-server'].includes(this.#faults.silent) }),
      onDelivered: (bytes) => (this.#bytesToServer += bytes),
    });
    const toClient = new FaultyStream({
      from: server,
      to: client,
      clock: this.#clock,
      faults: () => ({ ...this.#faults, silent: ['both', 'to-client'].includes(this.#faults.silent) }),
      onDelivered: (bytes) => (this.#bytesToClient += bytes),
    });
    const pair: Pair = { client, server, streams: [toServer, toClient] };
    this.#pairs.add(pair);
    const forget = (): void => {
      if (client.destroyed && server.destroyed) this.#pairs.delete(pair);
    };
    client.on('close', forget);
    server.on('close', forget);
  }
}
