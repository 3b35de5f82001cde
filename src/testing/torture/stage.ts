/** Members, node and the network between them; everything that a fault can touch, and the way back to health. */

import { rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ClusterStatus } from '../../admin/index.ts';
import { LockstepError, messageOf, pause, systemClock } from '../../base/index.ts';
import type { AskMember } from '../checkers/compare-members.ts';
import { FaultProxy } from '../fault-proxy.ts';
import { findPostgres } from '../postgres/binaries.ts';
import { findFreePort } from '../postgres/free-port.ts';
import { PlainClient } from '../postgres/plain-client.ts';
import type { PlainClientOptions } from '../postgres/plain-client.ts';
import type { PostgresServer } from '../postgres/server.ts';
import { startServers } from '../postgres/cluster.ts';
import { NodeNamespace } from './namespace.ts';
import { NodeProcess } from './node-process.ts';
import type { Story } from './story.ts';

export interface StageOptions {
  readonly dir: string;
  /** The user's own databases, as postgres://user:password@host:port/database. Default: three servers of our own. */
  readonly members?: readonly string[] | undefined;
  /** A file system of its own for the last member, e.g. `512m`. */
  readonly diskSize?: string | undefined;
  /** Put the node into a network of its own. */
  readonly namespace?: boolean;
  readonly story: Story;
  readonly onCrash: (how: string) => void;
}

export interface StageMember {
  readonly id: string;
  readonly place: number;
  /** Undefined: the user's, which is not ours to kill. */
  readonly server: PostgresServer | undefined;
  readonly proxy: FaultProxy;
  readonly address: Address;
  /** Asks the member itself, around Lockstep. */
  readonly ask: AskMember;
}

type Address = Omit<PlainClientOptions, 'deadlineMs'>;

const ownUser = 'postgres';
const ownPassword = 'torture';
const askMs = 60_000;
const pollMs = 200;

export class Stage {
  readonly members: readonly StageMember[];
  readonly node: NodeProcess;
  readonly clientProxy: FaultProxy;
  /** Where clients go. */
  readonly address: Address;
  readonly #namespace: NodeNamespace | undefined;

  private constructor(parts: {
    readonly members: readonly StageMember[];
    readonly node: NodeProcess;
    readonly clientProxy: FaultProxy;
    readonly address: Address;
    readonly namespace: NodeNamespace | undefined;
  }) {
    this.members = parts.members;
    this.node = parts.node;
    this.clientProxy = parts.clientProxy;
    this.address = parts.address;
    this.#namespace = parts.namespace;
  }

  /** Members run and the node is configured, not started. */
  static async set(options: StageOptions): Promise<Stage> {
    const { dir, story, onCrash } = options;
    const targets = options.members?.map(parseAddress) ?? (await ownMembers(options));
    const namespace = options.namespace === true ? NodeNamespace.make(targets.length) : undefined;
    const members = await Promise.all(
      targets.map(async ({ address, server }, place): Promise<StageMember> => {
        const host = namespace?.memberAddress(place) ?? '127.0.0.1';
        const proxy = await FaultProxy.listen(address, { host });
        return { id: `db${place + 1}`, place, server, proxy, address, ask: (sql) => askOnce(address, sql) };
      }),
    );
    const nodeHost = namespace?.nodeAddress ?? '127.0.0.1';
    const nodePort = await findFreePort();
    const [first] = targets;
    if (first === undefined)
      throw new LockstepError({ code: 'testing.no-member', message: 'no member is named' });
    const { user, database } = first.address;
    const password = first.address.password ?? ownPassword;
    const configuration = {
      cluster: 'torture',
      dialect: 'postgres',
      username: user,
      // Members that let everybody in are not asked for it; clients are.
      password,
      // The way leads through a proxy on this machine.
      tls: { mode: 'prefer' },
      members: members.map(({ id, address, proxy }) => ({
        id,
        url: proxy.through(`postgres://127.0.0.1/${encodeURIComponent(address.database)}`),
        username: address.user,
        password: address.password ?? ownPassword,
      })),
      clients: [user],
      listen: { postgres: `${nodeHost}:${nodePort}` },
      state: './state',
      ...rigSettings,
    };
    // JSON is YAML too.
    await writeFile(join(dir, 'lockstep.yaml'), JSON.stringify(configuration, null, 2), { mode: 0o600 });
    const node = new NodeProcess({
      dir,
      prefix: namespace?.prefix ?? [],
      onEnd: onCrash,
      onRefusal: (why) => story.tell(`the node does not start: ${why}`),
    });
    const clientProxy = await FaultProxy.listen({ host: nodeHost, port: nodePort });
    const address = { port: clientProxy.port, user, password, database };
    return new Stage({ members, node, clientProxy, address, namespace });
  }

  get partitioned(): boolean {
    return this.#namespace !== undefined;
  }

  /** Nothing passes between node and member, and nobody is told. */
  part({ place, proxy }: StageMember): void {
    if (this.#namespace === undefined) proxy.set({ silent: 'both' });
    else this.#namespace.pull(place);
  }

  rejoin({ place, proxy }: StageMember): void {
    if (this.#namespace === undefined) proxy.set({ silent: 'none' });
    else this.#namespace.plugIn(place);
  }

  /** Takes all the space that a member on a small disk has left. */
  fillDisk({ server }: StageMember): void {
    if (server === undefined) return;
    const block = Buffer.alloc(1 << 20);
    try {
      for (;;) writeFileSync(fillerOf(server), block, { flag: 'a' });
    } catch {
      // Full.
    }
  }

  emptyDisk({ server }: StageMember): void {
    if (server !== undefined) rmSync(fillerOf(server), { force: true });
  }

  /** Everything runs again and can be reached. What was cut stays cut. */
  async heal(): Promise<void> {
    await Promise.all(
      this.members.map(async (member) => {
        const { server, proxy } = member;
        this.emptyDisk(member);
        server?.resume();
        if (server !== undefined && !server.running) await server.start();
        this.rejoin(member);
        await proxy.heal();
      }),
    );
    await this.clientProxy.heal();
    this.node.signal('SIGCONT');
    if (!this.node.running) await this.node.start();
  }

  /** Undefined when no node answers. */
  status(): Promise<ClusterStatus | undefined> {
    return this.node.status().catch(() => undefined);
  }

  /** Resolves with what is missing when the time is up: undefined when every member is active. */
  async untilAllActive(timeoutMs: number): Promise<string | undefined> {
    const until = systemClock.monotonicMs() + timeoutMs;
    for (;;) {
      const status = await this.node.status().catch(messageOf);
      if (typeof status !== 'string' && status.members.every(({ active }) => active)) return undefined;
      if (systemClock.monotonicMs() > until) {
        if (typeof status === 'string') return `the node does not say how the members are: ${status}`;
        return status.members
          .filter(({ active }) => !active)
          .map(({ id, reason, sync }) => `${id} is inactive: ${reason}; ${JSON.stringify(sync)}`)
          .join('\n');
      }
      await pause(systemClock, pollMs);
    }
  }

  async strike(): Promise<void> {
    await this.node.stop();
    await Promise.all([this.clientProxy.close(), ...this.members.map(({ proxy }) => proxy.close())]);
    await Promise.all(this.members.map(async ({ server }) => await server?.destroy()));
    this.#namespace?.remove();
  }
}

/** Short deadlines, so that a round sees members leave and come back; long enough for a machine that has other work. */
const rigSettings = {
  probe: { intervalMs: 500, timeoutMs: 2000, threshold: 2, backOffMaxMs: 1000 },
  deadlines: { connectMs: 5000, commitMs: 4000, outageMs: 20_000, idleInTransactionMs: 15_000 },
  sync: { retryMaxMs: 2000, quarantineFailures: 1000 },
  log: { retentionBytes: '16MiB' },
  verification: { everyMinutes: 0 },
  logging: { format: 'json' },
};

interface Target {
  readonly address: Address;
  readonly server?: PostgresServer;
}

async function ownMembers({ dir, diskSize }: StageOptions): Promise<readonly Target[]> {
  const servers = await startServers(3, {
    dir: join(dir, 'members'),
    durable: false,
    // With its pg_dump, which the embedded package lacks: a member whose schema has gone another way is copied with it.
    binaries: findPostgres({ prefer: 'system' }),
    // A log that would fill a small disk by itself is recycled early.
    settings: { max_wal_size: '96MB', min_wal_size: '32MB' },
    ...(diskSize === undefined ? {} : { diskSizes: { 2: diskSize } }),
  });
  return servers.map((server) => ({
    server,
    address: { port: server.port, user: ownUser, database: server.database },
  }));
}

function parseAddress(text: string): Target {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^postgres(ql)?:$/.test(url.protocol) || url.username === '') {
    throw new LockstepError({
      code: 'testing.bad-member',
      message: `${text.replace(/:[^:@/]*@/, ':…@')} is not an address of a member`,
      hint: 'postgres://user:password@host:port/database',
    });
  }
  return {
    address: {
      host: url.hostname,
      port: Number(url.port || 5432),
      user: decodeURIComponent(url.username),
      password: url.password === '' ? undefined : decodeURIComponent(url.password),
      database: decodeURIComponent(url.pathname.slice(1)),
    },
  };
}

async function askOnce(address: Address, sql: string): ReturnType<AskMember> {
  const client = await PlainClient.connect({ ...address, deadlineMs: askMs });
  try {
    return await client.query(sql);
  } finally {
    client.close();
  }
}

/** Beside the data, on the same file system. */
function fillerOf(server: PostgresServer): string {
  return join(dirname(server.dataDir), 'filler');
}
