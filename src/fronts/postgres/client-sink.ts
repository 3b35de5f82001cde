/** Writes to a client. What is written within one turn of the event loop leaves in one piece. */

import type { Socket } from 'node:net';
import type { AnswerSink } from '../../dialects/contract.ts';
import { Backend, HEADER_BYTES } from '../../wire/postgres/index.ts';

const joinedBytesMax = 16 * 1024;
/** A server keeps so much back until it has carried out all statements of a message. Clients rely on it: what has begun to come is taken to be complete. */
const heldBytesMax = 8 * 1024;
/** Behind these it keeps nothing back. */
const atOnce: ReadonlySet<number> = new Set([
  Backend.ErrorResponse,
  Backend.NoticeResponse,
  Backend.CopyInResponse,
  Backend.CopyOutResponse,
]);

export class ClientSink implements AnswerSink {
  readonly passedOn = true;
  readonly #socket: Socket;
  readonly #onInputWanted: () => void;
  /** Pieces of this turn; small ones are joined, because one write costs less than a gathered one. */
  #pieces: Buffer[] = [];
  #bytes = 0;
  #holds = false;
  readonly #turnEnds = (): void => this.flush();

  constructor(socket: Socket, onInputWanted: () => void) {
    this.#socket = socket;
    this.#onInputWanted = onInputWanted;
  }

  write(bytes: Buffer): boolean {
    const socket = this.#socket;
    if (socket.destroyed) return true;
    if (this.#pieces.length === 0 && !this.#holds) process.nextTick(this.#turnEnds);
    this.#pieces.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes > (this.#holds ? heldBytesMax : joinedBytesMax) || (this.#holds && isUrgent(bytes)))
      this.flush();
    return !socket.writableNeedDrain;
  }

  /** Until `release`, little is kept back. */
  hold(): void {
    this.#holds = true;
  }

  release(): void {
    this.#holds = false;
    if (this.#pieces.length > 0) process.nextTick(this.#turnEnds);
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

/** One of the messages in it is. Pieces of larger ones come with others of them, which are more than is held. */
function isUrgent(messages: Buffer): boolean {
  for (let at = 0; at + HEADER_BYTES <= messages.length; at += 1 + messages.readUInt32BE(at + 1))
    if (atOnce.has(messages[at] ?? 0)) return true;
  return false;
}
