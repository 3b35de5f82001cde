/** Writes to a client. What is written within one turn of the event loop leaves in one piece. */

import type { Socket } from 'node:net';
import type { AnswerSink } from '../../dialects/contract.ts';

export class ClientSink implements AnswerSink {
  readonly passedOn = true;
  readonly #socket: Socket;
  readonly #onInputWanted: () => void;
  #corked = false;

  constructor(socket: Socket, onInputWanted: () => void) {
    this.#socket = socket;
    this.#onInputWanted = onInputWanted;
  }

  write(bytes: Buffer): boolean {
    const socket = this.#socket;
    if (socket.destroyed) return true;
    if (!this.#corked) {
      this.#corked = true;
      socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        socket.uncork();
      });
    }
    return socket.write(bytes);
  }

  drained(): Promise<void> {
    return new Promise((resolve) => {
      const socket = this.#socket;
      const done = (): void => {
        socket.off('drain', done);
        socket.off('close', done);
        resolve();
      };
      if (socket.destroyed || !socket.writableNeedDrain) {
        resolve();
        return;
      }
      socket.once('drain', done);
      socket.once('close', done);
    });
  }

  inputWanted(): void {
    this.#onInputWanted();
  }
}
