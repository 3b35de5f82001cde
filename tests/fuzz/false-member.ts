/** Listens as a server would and says what a real one has said, with something wrong in it. */

import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { cut, mutate } from './mutations.ts';
import type { Mutation } from './mutations.ts';
import { framesOf } from './recorded.ts';
import type { RecordedSession, Turn } from './recorded.ts';

export interface Lies {
  /** Which turn of the session is wrong, counted over all connections. */
  readonly turn: number;
  readonly wrong: readonly Mutation[];
  readonly cuts: readonly number[];
  /** What it does behind it: it goes on as if nothing had been, closes, tears, or says nothing more. */
  readonly afterwards: 'goes on' | 'closes' | 'tears' | 'falls silent';
  /** So many notices in front of it. */
  readonly notices: number;
}

/** A notice of a real server, 130 bytes. */
const notice = Buffer.from(
  'N\0\0\0\x80SNOTICE\0VNOTICE\0C00000\0Mnoted, and noted, and noted once more, for as long as somebody listens\0Fpl_exec.c\0L3923\0Rexec_stmt_raise\0\0',
  'latin1',
);
notice.writeInt32BE(notice.length - 1, 1);

export class FalseMember {
  readonly #server = createServer();
  readonly #sockets = new Set<Socket>();
  #session: RecordedSession = [];
  #lies: Lies | undefined;
  #turns = 0;
  #gone = false;
  /** Grows whenever something is said or heard. */
  activity = 0;

  static async listen(): Promise<FalseMember> {
    const member = new FalseMember();
    member.#server.on('connection', (socket) => member.#accept(socket));
    member.#server.listen(0, '127.0.0.1');
    await once(member.#server, 'listening');
    return member;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get open(): number {
    return this.#sockets.size;
  }

  /** From the beginning. */
  play(session: RecordedSession, lies: Lies): void {
    this.#session = [...session];
    this.#lies = lies;
    this.#turns = 0;
    this.#gone = false;
  }

  /** Gone for good: whoever asks finds nobody. */
  hangUp(): void {
    this.#gone = true;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  close(): void {
    this.hangUp();
    this.#server.close();
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => undefined);
    const [turns, ...others] = this.#session;
    this.#session = others;
    if (this.#gone || turns === undefined) {
      socket.resetAndDestroy();
      return;
    }
    void this.#converse(socket, turns);
  }

  async #converse(socket: Socket, turns: readonly Turn[]): Promise<void> {
    let heard = 0;
    let wake: () => void = () => undefined;
    socket.on('data', (bytes: Buffer) => {
      heard += bytes.length;
      this.activity += 1;
      wake();
    });
    socket.on('close', () => wake());
    for (const { client, server } of turns) {
      while (heard < client.length && !socket.destroyed)
        await new Promise<void>((resolve) => (wake = resolve));
      heard -= client.length;
      if (!(await this.#say(socket, server)) || socket.destroyed) return;
    }
  }

  /** False: it says nothing more on this connection. */
  async #say(socket: Socket, server: Buffer): Promise<boolean> {
    const lies = this.#lies;
    const wrong = lies !== undefined && this.#turns++ === lies.turn;
    if (!wrong) {
      socket.write(server);
      this.activity += 1;
      return true;
    }
    // A plain `N` answers the request for TLS: it is no message.
    const frames = server.length === 1 ? [server] : framesOf(server);
    const said = [...Array.from({ length: lies.notices }, () => notice), ...mutate(frames, lies.wrong)];
    for (const piece of cut(Buffer.concat(said), lies.cuts)) {
      if (socket.destroyed) return false;
      socket.write(piece);
      this.activity += 1;
      await turn();
    }
    if (lies.afterwards === 'goes on') return true;
    if (lies.afterwards === 'closes') socket.end();
    if (lies.afterwards === 'tears') socket.resetAndDestroy();
    return false;
  }
}
