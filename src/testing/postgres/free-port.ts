import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { LockstepError } from '../../base/index.ts';

/**
 * Below the ports that systems give to outgoing connections: a server that is down for a while must find its port free
 * when it comes back.
 */
const portMin = 20_000;
const portMax = 32_000;
const attemptsMax = 50;

const handedOut = new Set<number>();

/** A loopback port on which nobody listens, never the same twice in one process. */
export async function findFreePort(): Promise<number> {
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const port = randomInt(portMin, portMax);
    if (handedOut.has(port)) continue;
    handedOut.add(port);
    if (await isFree(port)) return port;
  }
  throw new LockstepError({
    code: 'testing.no-free-port',
    message: 'no free port was found',
    retryable: true,
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
