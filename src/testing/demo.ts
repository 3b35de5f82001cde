/** The databases of `lockstep demo`: real servers that keep their data, so that the demo goes on where it was left. */

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LockstepError, pause, systemClock } from '../base/index.ts';
import { startServers } from './postgres/cluster.ts';
import type { PostgresServer } from './postgres/server.ts';

export interface DemoMembers {
  readonly members: readonly { readonly id: string; readonly url: string }[];
  /** As whom the node works on them. */
  readonly keeper: DemoLogin;
  /** As whom clients log in: no superuser. */
  readonly client: DemoLogin;
  readonly database: string;
  /** Shuts the servers down in order; their data stay. */
  stop(): Promise<void>;
}

export interface DemoLogin {
  readonly name: string;
  readonly password: string;
  /** Where the password is kept. */
  readonly file: string;
}

export interface DemoOptions {
  /** Where everything is kept. */
  readonly dir: string;
  readonly count?: number;
  /** A server that somebody ends is started again after so long. */
  readonly restartMs?: number;
}

const keeperName = 'lockstep';
const clientName = 'app';
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
  const keeper = await login(keeperName, join(dir, 'lockstep.password'));
  const client = await login(clientName, join(dir, 'app.password'));
  refuseOlder(dir);
  const servers = await startServers(count, { dir, user: keeper.name, password: keeper.password, database });
  await makeClient(servers, client);
  const over = new AbortController();
  const kept = servers.map((server) => keepRunning(server, restartMs, over.signal));
  return {
    members: servers.map((server, index) => ({ id: `db${index + 1}`, url: server.url })),
    keeper,
    client,
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

/** Of the time when clients logged in as the servers' superuser. */
function refuseOlder(dir: string): void {
  if (!existsSync(join(dir, 'password'))) return;
  throw new LockstepError({
    code: 'testing.old-demo',
    message: `${dir} was made by an older version, whose clients were superusers`,
    hint: 'Delete the directory of the demo, and start it again.',
  });
}

/** The same verifier on all of them, so that whoever has proven the password to the node is let in by each. */
async function makeClient(servers: readonly PostgresServer[], { name, password }: DemoLogin): Promise<void> {
  let proof = password;
  for (const server of servers) {
    const there = await server.query(`SELECT FROM pg_roles WHERE rolname = '${name}'`);
    if (there.length === 0)
      await server.query(
        `CREATE ROLE ${name} LOGIN PASSWORD '${proof}'; GRANT CREATE ON DATABASE ${database} TO ${name}; GRANT CREATE, USAGE ON SCHEMA public TO ${name}`,
        undefined,
        database,
      );
    const [[verifier] = []] = await server.query(
      `SELECT rolpassword FROM pg_authid WHERE rolname = '${name}'`,
    );
    proof = verifier ?? proof;
  }
}

async function login(name: string, file: string): Promise<DemoLogin> {
  return { name, password: await keptPassword(file), file };
}

/** Made once; readable by the user of the demo alone. */
async function keptPassword(path: string): Promise<string> {
  const kept = await readFile(path, 'utf8').catch(() => undefined);
  if (kept !== undefined) return kept.trim();
  const password = randomBytes(18).toString('base64url');
  await writeFile(path, `${password}\n`, { mode: 0o600, flag: 'wx' });
  return password;
}
