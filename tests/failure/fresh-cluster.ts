/** A new cluster for each test over servers that stay: its own database on each of them, its own state, its own node. */

import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { invariant } from '../../src/base/index.ts';
import type { ClusterStatus } from '../../src/admin/index.ts';
import type { LockstepNode } from '../../src/node/index.ts';
import type { Logger } from '../../src/telemetry/index.ts';
import { FaultProxy } from '../../src/testing/index.ts';
import type { PostgresServer } from '../../src/testing/index.ts';
import { endOpenClients } from '../support/connect.ts';
import { waitFor } from '../support/index.ts';
import { startNode, startNodeProcess } from '../support/start-node.ts';
import type { NodeProcess, StartedNode } from '../support/start-node.ts';
import { accountCount, schemaOf, startBalance } from './load.ts';

export interface FreshOptions {
  /** Members do not come back by themselves unless it says so. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly weights?: readonly number[];
  /** Places of the members that are reached through a proxy. */
  readonly proxied?: readonly number[];
  /** Default: the tables of the load. */
  readonly schema?: string;
}

export interface StartOptions {
  readonly trust?: string;
  /** Other members than there are. */
  readonly members?: readonly object[];
  readonly config?: Readonly<Record<string, unknown>>;
  readonly logger?: Logger;
}

export interface TestMember {
  readonly id: string;
  readonly server: PostgresServer;
  readonly proxy: FaultProxy | undefined;
  /** Asks the server itself, around Lockstep. */
  readonly ask: (sql: string) => Promise<readonly (readonly (string | null)[])[]>;
}

const quickProbe = { intervalMs: 200, timeoutMs: 300, threshold: 2 };
/** For tests in which no member is to be taken out because the machine is busy. */
export const patientProbe = { intervalMs: 200, timeoutMs: 5000, threshold: 3 };
let databases = 0;

export class FreshCluster {
  readonly database: string;
  readonly members: readonly TestMember[];
  readonly dir: string;
  readonly #options: FreshOptions;
  #started: StartedNode | undefined;
  #process: NodeProcess | undefined;

  private constructor(database: string, members: readonly TestMember[], dir: string, options: FreshOptions) {
    this.database = database;
    this.members = members;
    this.dir = dir;
    this.#options = options;
  }

  /** The servers are brought up first, whatever the test before has done to them. The node is not started. */
  static async prepare(
    servers: readonly PostgresServer[],
    options: FreshOptions = {},
  ): Promise<FreshCluster> {
    const database = `t${process.pid}_${++databases}`;
    const members = await Promise.all(
      servers.map(async (server, index) => {
        server.resume();
        if (!server.running) await server.start();
        await server.query(`create database ${database}`, undefined, 'postgres');
        await server.query(
          options.schema ?? schemaOf({ accounts: accountCount, startBalance }),
          undefined,
          database,
        );
        const proxied = options.proxied?.includes(index) === true;
        return {
          id: `db${index + 1}`,
          server,
          proxy: proxied ? await FaultProxy.listen({ port: server.port }) : undefined,
          ask: (sql: string) => server.query(sql, undefined, database),
        };
      }),
    );
    return new FreshCluster(database, members, await mkdtemp(join(tmpdir(), 'lockstep-state-')), options);
  }

  static async start(servers: readonly PostgresServer[], options: FreshOptions = {}): Promise<FreshCluster> {
    const cluster = await FreshCluster.prepare(servers, options);
    await cluster.startNode();
    return cluster;
  }

  get node(): LockstepNode {
    invariant(this.#started, 'the node runs in this process');
    return this.#started.node;
  }

  get nodePid(): number {
    const pid = this.#process?.child.pid;
    invariant(pid !== undefined, 'the node runs in a process of its own');
    return pid;
  }

  get url(): string {
    const [first] = this.members;
    const port = this.#started?.port ?? this.#process?.port;
    invariant(first && port !== undefined, 'the node runs');
    const url = new URL(first.server.urlOf(this.database));
    url.port = String(port);
    return url.href;
  }

  member(id: string): TestMember {
    const member = this.members.find((candidate) => candidate.id === id);
    invariant(member, `there is no member ${id}`);
    return member;
  }

  /** `members`: other than they are, for what a wrong configuration does. */
  nodeOptions(more: Readonly<Record<string, unknown>> = {}, members?: readonly object[]) {
    return {
      dir: this.dir,
      members:
        members ??
        this.members.map((member, index) => ({
          id: member.id,
          url: this.memberUrl(index),
          ...(this.#options.weights === undefined ? {} : { weight: this.#options.weights[index] }),
        })),
      config: { probe: quickProbe, sync: { automatic: false }, ...this.#options.config, ...more },
    };
  }

  memberUrl(index: number): string {
    const member = this.members[index];
    invariant(member, `there is no member ${index}`);
    return `postgres://127.0.0.1:${member.proxy?.port ?? member.server.port}/${this.database}`;
  }

  async startNode(start: StartOptions = {}): Promise<void> {
    const { members, config, ...more } = start;
    const options = { ...this.nodeOptions(config, members), ...more };
    this.#started = await startNode(this.#servers, options);
  }

  /** `port`: where clients expect it again. */
  async startNodeProcess(port = 0, program?: readonly string[]): Promise<void> {
    const options = this.nodeOptions({ listen: { postgres: `127.0.0.1:${port}` } });
    this.#process = await startNodeProcess(this.#servers, {
      ...options,
      ...(program !== undefined && { program }),
    });
  }

  /** Resolves when a node that runs in a process of its own is gone. */
  async nodeGone(): Promise<void> {
    const child = this.#process?.child;
    invariant(child, 'the node runs in a process of its own');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }

  get processPort(): number {
    return this.#process?.port ?? 0;
  }

  async stopNode(): Promise<void> {
    await this.#started?.stop();
    this.#started = undefined;
    await this.#process?.stop();
    this.#process = undefined;
  }

  async killNode(): Promise<void> {
    await this.#process?.stop('SIGKILL');
  }

  async stop(): Promise<void> {
    await endOpenClients();
    await this.stopNode();
    await Promise.all(this.members.map(async ({ proxy }) => await proxy?.close()));
    await rm(this.dir, { recursive: true, force: true });
  }

  status(): Promise<ClusterStatus> {
    return this.node.status();
  }

  async primary(): Promise<TestMember> {
    return this.member((await this.status()).primary ?? '');
  }

  /** The replicas, in the order of the configuration. */
  async replicas(): Promise<readonly TestMember[]> {
    const { primary } = await this.status();
    return this.members.filter(({ id }) => id !== primary);
  }

  /** Resolves with the reason. */
  untilInactive(id: string, timeoutMs = 10_000): Promise<string> {
    return waitFor(
      async () => {
        const found = (await this.status()).members.find((member) => member.id === id);
        return found?.active === false ? (found.reason ?? 'no reason is given') : '';
      },
      { what: `member ${id} to be inactive`, timeoutMs },
    );
  }

  async untilActive(id: string, timeoutMs = 20_000): Promise<void> {
    await waitFor(
      async () => {
        const found = (await this.status()).members.find((member) => member.id === id);
        if (found?.active !== true) throw new Error(`${found?.reason}; ${JSON.stringify(found?.sync)}`);
        return true;
      },
      { what: `member ${id} to be active`, timeoutMs },
    );
  }

  get #servers(): readonly PostgresServer[] {
    return this.members.map(({ server }) => server);
  }
}
