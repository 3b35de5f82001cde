/** The databases of `lockstep demo`: real servers that keep their data, so that the demo goes on where it was left. */

import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startServers } from './postgres/cluster.ts';

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
}

const username = 'app';
const database = 'demo';

export async function startDemoMembers({ dir, count = 3 }: DemoOptions): Promise<DemoMembers> {
  await mkdir(dir, { recursive: true });
  const password = await keptPassword(join(dir, 'password'));
  const servers = await startServers(count, { dir, user: username, password, database });
  return {
    members: servers.map((server, index) => ({ id: `db${index + 1}`, url: server.url })),
    username,
    password,
    database,
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop('fast')));
    },
  };
}

/** Made once; readable by the user of the demo alone. */
async function keptPassword(path: string): Promise<string> {
  const kept = await readFile(path, 'utf8').catch(() => undefined);
  if (kept !== undefined) return kept.trim();
  const password = randomBytes(18).toString('base64url');
  await writeFile(path, `${password}\n`, { mode: 0o600, flag: 'wx' });
  return password;
}
