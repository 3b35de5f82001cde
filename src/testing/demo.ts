/** The databases of `lockstep demo`: real servers that keep their data, so that the demo goes on where it was left. */

import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pause, systemClock } from '../base/index.ts';
import { startServers } from './postgres/cluster.ts';
import type { PostgresServer } from './postgres/server.ts';

export interface DemoMembers {
  readonly members: readonly { readonly id: string; readonly url: string }[];
  readonly username: string;
  readonly password: string;
  readonly database: string;
  /** Shuts the servers down in order; their data stay. */
  stop(): Promise<void>;
}

export interface DemoOptions {
  /** Where everything is kept. */
  readonly dir: string;
  readonly count?: number;
  /** A server that somebody ends is started again after so long. */
  readonly restartMs?: number;
}

const username = 'app';
const database = 'demo';

/** Long enough to be seen gone, short enough to be seen coming back. */
const restartMsDefault = 10_000;
const lookMs = 500;

export async function startDemoMembers({
  dir,
  count = 3,
  restartMs = restartMsDefault,
}: DemoOptions): Promise<DemoMembers> {
  await mkdir(dir, { recursive: true });
  const password = await keptPassword(join(dir, 'password'));
  const servers = await startServers(count, { dir, user: username, password, database });
  const over = new AbortController();
  const kept = servers.map((server) => keepRunning(server, restartMs, over.signal));
  return {
    members: servers.map((server, index) => ({ id: `db${index + 1}`, url: server.url })),
    username,
    password,
    database,
    stop: async () => {
      over.abort();
      await Promise.all(kept);
      await Promise.all(servers.map((server) => server.stop('fast')));
    },
  };
}

async function keepRunning(server: PostgresServer, restartMs: number, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    await pause(systemClock, lookMs, over);
    if (server.running) continue;
    await pause(systemClock, restartMs, over);
    if (over.aborted) return;
    // Whatever is in its way may be gone the next time.
    await server.start().catch(() => undefined);
  }
}

/** Made once; readable by the user of the demo alone. */
async function keptPassword(path: string): Promise<string> {
  const kept = await readFile(path, 'utf8').catch(() => undefined);
  if (kept !== undefined) return kept.trim();
  const password = randomBytes(18).toString('base64url');
  await writeFile(path, `${password}\n`, { mode: 0o600, flag: 'wx' });
  return password;
}
