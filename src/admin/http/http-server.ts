/** A server that gives nobody more than a bounded time and size, and the place where the console was built. */
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { fileURLToPath } from 'node:url';
import { LockstepError, messageOf } from '../../base/index.ts';
import type { HttpDoorOptions } from './http-door.ts';

const HEADER_BYTES_MAX = 16 * 1024;
const HEADERS_MS = 10_000;
const REQUEST_MS = 20_000;
/** Of a connection on which nothing moves. */
const IDLE_MS = 120_000;
const KEEP_ALIVE_MS = 10_000;

/** From here in the sources as in the built program. */
export const builtConsole = fileURLToPath(new URL('../../../dist/console', import.meta.url));

export function newServer(tls: HttpDoorOptions['tls'], listener: RequestListener): Server {
  const limits = {
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: HEADERS_MS,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: 1000,
  };
  const server =
    tls === undefined
      ? createServer(limits, listener)
      : createTlsServer({ ...limits, ...tls, minVersion: 'TLSv1.2' }, listener);
  server.setTimeout(IDLE_MS, (socket) => socket.destroy());
  return server;
}

export async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, exclusive: true }, () => {
        server.off('error', reject);
        // Out of descriptors, say: whoever comes later is let in when it can be done.
        server.on('error', () => undefined);
        resolve();
      });
    });
  } catch (error) {
    const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
    throw new LockstepError({
      code: taken ? 'admin.port-in-use' : 'admin.cannot-listen',
      message: `the admin address ${host}:${port} cannot be listened on: ${taken ? 'another program does' : messageOf(error)}`,
      hint: 'choose another address for `listen.admin`',
      cause: error,
    });
  }
}
