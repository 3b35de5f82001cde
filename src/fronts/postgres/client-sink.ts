/** Writes to a client. What is written within one turn of the event loop leaves in one piece. */

import type { Socket } from 'node:net';
import type { AnswerSink } from '../../dialects/contract.ts';

const joinedBytesMax = 16 * 1024;

export class ClientSink implements AnswerSink {
  readonly passedOn = true;
  readonly #socket: Socket;
  readonly #onInputWanted: () => void;
  /** Pieces of this turn; small ones are joined, because one write costs less than a gathered one. */
  #pieces: Buffer[] = [];
  #bytes = 0;
  readonly #turnEnds = (): void => this.flush();

  constructor(socket: Socket, onInputWanted: () => void) {
    this.#socket = socket;
    this.#onInputWanted = onInputWanted;
  }

  write(bytes: Buffer): boolean {
    const socket = this.#socket;
    if (socket.destroyed) return true;
    if (this.#pieces.length === 0) process.nextTick(this.#turnEnds);
    this.#pieces.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes > joinedBytesMax) this.flush();
    return !socket.writableNeedDrain;
  }

  /** Before whatever else writes to the socket, or ends it. */
  flush(): void {
    const pieces = this.#pieces;
    const [only] = pieces;
    if (only === undefined) return;
    this.#pieces = [];
    const small = this.#bytes <= joinedBytesMax;
    this.#bytes = 0;
    const socket = this.#socket;
    if (socket.destroyed) return;
    if (pieces.length === 1) socket.write(only);
    else if (small) socket.write(Buffer.concat(pieces));
    else {
      socket.cork();
      for (const piece of pieces) socket.write(piece);
      socket.uncork();
    }
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
