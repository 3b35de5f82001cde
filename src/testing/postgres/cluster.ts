/** Several servers at once. */

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { atProcessEnd } from './keeper.ts';
import type { PostgresServerOptions } from './server.ts';
import { PostgresServer } from './server.ts';

export interface StartServersOptions extends Omit<PostgresServerOptions, 'dir' | 'port' | 'diskSize'> {
  /** Kept when it is given; else a temporary one that goes with the process. */
  readonly dir?: string;
  /** A small disk of its own for single servers, by their place in the list. */
  readonly diskSizes?: Readonly<Record<number, string>>;
}

/** Starts `count` servers side by side, in the folders `db1`, `db2`, …; all of them or none. */
export async function startServers(
  count: number,
  options: StartServersOptions = {},
): Promise<readonly PostgresServer[]> {
  const { dir: given, diskSizes = {}, ...shared } = options;
  const dir = given ?? (await temporaryHome());
  const started = await Promise.allSettled(
    Array.from({ length: count }, async (_, index) => {
      const diskSize = diskSizes[index];
      const own = { dir: join(dir, `db${index + 1}`), ...(diskSize === undefined ? {} : { diskSize }) };
      const server = await PostgresServer.create({ ...shared, ...own });
      await server.start();
      return server;
    }),
  );
  const servers = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const failure = started.find((one) => one.status === 'rejected');
  if (failure) {
    await Promise.all(servers.map((server) => server.stop('immediate')));
    throw failure.reason;
  }
  return servers;
}

async function temporaryHome(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'lockstep-servers-'));
  // The servers may run under another account than this process; their data directories keep themselves closed.
  chmodSync(dir, 0o755);
  atProcessEnd(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  return dir;
}
