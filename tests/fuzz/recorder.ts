/** A proxy that writes down what is said through it. */

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import type { RecordedSession } from './recorded.ts';

export class Recorder {
  readonly #server = createServer();
  readonly #connections: { client: Buffer; server: Buffer }[][] = [];
  readonly #sockets = new Set<Socket>();

  static async listen(port: number): Promise<Recorder> {
    const recorder = new Recorder();
    recorder.#server.on('connection', (client) => recorder.#join(client, connect(port, '127.0.0.1')));
    recorder.#server.listen(0, '127.0.0.1');
    await once(recorder.#server, 'listening');
    return recorder;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** What was said since it was asked last. */
  take(): RecordedSession {
    return this.#connections.splice(0);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(client: Socket, server: Socket): void {
    const turns: { client: Buffer; server: Buffer }[] = [];
    this.#connections.push(turns);
    let speaker: 'client' | 'server' = 'server';
    const pass = (from: Socket, to: Socket, who: 'client' | 'server'): void => {
      this.#sockets.add(from);
      from.on('data', (bytes: Buffer) => {
        if (who === 'client' && speaker === 'server')
          turns.push({ client: Buffer.alloc(0), server: Buffer.alloc(0) });
        speaker = who;
        const turn = turns.at(-1);
        if (turn !== undefined) turn[who] = Buffer.concat([turn[who], bytes]);
        to.write(bytes);
      });
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    };
    pass(client, server, 'client');
    pass(server, client, 'server');
  }
}
