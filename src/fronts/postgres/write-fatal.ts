import type { Socket } from 'node:net';
import { systemClock } from '../../base/index.ts';
import type { Clock, LockstepError } from '../../base/index.ts';
import { backend, errorToFields } from '../../wire/postgres/index.ts';

/** How long a client may take to fetch the error and close its side. */
const LINGER_MS = 2_000;

/**
 * Ends a connection with a last word. The caller has stopped reading from it. What the client still sends is
 * discarded: bytes left unread would make the system reset the connection, and the reset can overtake the error.
 */
export function writeFatal(socket: Socket, error: LockstepError, clock: Clock = systemClock): void {
  if (socket.destroyed) return;
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const cancel = clock.after(LINGER_MS, () => socket.destroy());
  socket.once('close', cancel);
  socket.end(backend.errorResponse(errorToFields(error, 'FATAL')));
  socket.resume();
}
