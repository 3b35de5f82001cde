/**
 * pgpool-II in native replication under the loop of `lockstep torture --kill node`: the same clients, the same work, the
 * same checkers. `--times 0` is the control: the work alone. Words: `kill-pgpool [--times 200] [--clients 6] [--seed 11]`.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findPostgres, PlainClient, startServers } from '../src/testing/index.ts';
import { killAgainAndAgain, makeTables } from '../src/testing/torture/index.ts';
import { user } from './pgbench.ts';
import { familyOf } from './proc.ts';
import { Middleman } from './systems/middleman.ts';
import { startPgpool } from './systems/pgpool.ts';

const database = 'kill';

export async function killPgpool(words: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      times: { type: 'string', default: '200' },
      clients: { type: 'string', default: '6' },
      seed: { type: 'string', default: '11' },
    },
  });
  const clients = Number(values.clients);
  const dir = mkdtempSync(join(tmpdir(), 'kill-pgpool-'));
  const servers = await startServers(3, {
    dir,
    user,
    database,
    durable: false,
    binaries: findPostgres({ prefer: 'system' }),
  });
  const databases = servers.map(({ port }) => ({ port, database }));
  const system = await startPgpool(databases, { dir, program: '', clientsMax: clients });
  const [address] = system.targets;
  if (address === undefined) throw new Error('pgpool has no address');
  let pid = system.pid ?? 0;
  const start = async (): Promise<void> => {
    // As after any crash: without `-D`, so that what it knew of its servers stays.
    const files = ['-f', 'pgpool.conf', '-F', 'pcp.conf', '-a', 'pool_hba.conf'];
    for (const name of ['sockets/.s.PGSQL', 'sockets/.s.PGPOOL', 'pgpool.pid'])
      rmSync(join(dir, name), { force: true });
    const middleman = await Middleman.start({
      program: 'pgpool',
      words: ['-n', ...files],
      dir,
      address,
      stopSignal: 'SIGINT',
    });
    pid = middleman.pid;
  };
  try {
    await makeTables({ address: { ...address, user } }, clients);
    const report = await killAgainAndAgain(
      {
        address: { ...address, user },
        members: servers.map((server, at) => ({ id: `db${at + 1}`, ask: (sql) => server.query(sql) })),
        kill: async () => {
          killFamily(pid);
          await start();
        },
        rest: async () => undefined,
      },
      {
        times: Number(values.times),
        clients,
        seed: Number(values.seed),
        show: (line) => console.error(line),
        signal: new AbortController().signal,
      },
    );
    const { convictions, ...figures } = report;
    console.log(
      JSON.stringify({ ...figures, convictions: convictions.length, servers: await poolNodes(address) }),
    );
  } finally {
    killFamily(pid);
    await Promise.all(servers.map((server) => server.destroy()));
    rmSync(dir, { recursive: true, force: true });
  }
}

/** All of its processes in one instant. */
function killFamily(pid: number): void {
  const family = familyOf(pid);
  for (const name of ['SIGSTOP', 'SIGKILL'] as const) for (const one of family) signal(one, name);
  removeSharedMemory(family);
}

/** It keeps what it shares in segments of System V, which outlive it: a hundred kills would fill the machine's memory. */
function removeSharedMemory(makers: readonly number[]): void {
  const [, ...segments] = readFileSync('/proc/sysvipc/shm', 'utf8').trim().split('\n');
  for (const segment of segments) {
    const [, id, , , maker] = segment.trim().split(/\s+/);
    if (id !== undefined && makers.includes(Number(maker))) spawnSync('ipcrm', ['-m', id]);
  }
}

/** One of them may have ended by itself meanwhile. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** What it thinks of its servers. */
async function poolNodes({ port }: { readonly port: number }): Promise<readonly (string | null)[]> {
  const client = await PlainClient.connect({ port, user, database });
  try {
    return (await client.query('show pool_nodes')).map((row) => row[3] ?? null);
  } finally {
    client.close();
  }
}
