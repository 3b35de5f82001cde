/** A Lockstep node over real members: inside this process, or as a process of its own that can be killed and measured. */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import { invariant } from '../../src/base/index.ts';
import { checkConfig } from '../../src/config/index.ts';
import { LockstepNode } from '../../src/node/index.ts';
import { silentLogger } from '../../src/telemetry/index.ts';
import type { Logger } from '../../src/telemetry/index.ts';
import type { PostgresServer } from '../../src/testing/index.ts';
import { endOpenClients } from './connect.ts';

export interface NodeTestOptions {
  /** Members by themselves: other ids, weights or addresses than those of the servers. */
  readonly members?: readonly object[];
  /** Further keys of the configuration file. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Where state and configuration are kept; with it, a node continues where another left off. */
  readonly dir?: string;
  /** The operator's word that this member has everything. */
  readonly trust?: string;
  readonly logger?: Logger;
  /** Of a node in a process of its own: what Node is to run, the configuration's path behind it. Default: the program. */
  readonly program?: readonly string[];
}

export interface StartedNode {
  readonly node: LockstepNode;
  readonly port: number;
  /** For clients that log in as the members' own user. */
  readonly url: string;
  readonly dir: string;
  stop(): Promise<void>;
}

export interface NodeProcess {
  readonly child: ChildProcess;
  readonly port: number;
  readonly url: string;
  readonly dir: string;
  /** What it has written so far. */
  output(): string;
  residentBytes(): Promise<number>;
  /** Ends it with a signal and waits until it is gone. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** The node's configuration as the text of its file: JSON is YAML too. */
export function nodeConfig(servers: readonly PostgresServer[], options: NodeTestOptions = {}): string {
  const [first] = servers;
  const username = options.config?.['username'] ?? first?.user ?? 'postgres';
  const password = options.config?.['password'] ?? first?.password;
  return JSON.stringify({
    cluster: 'test',
    dialect: 'postgres',
    username,
    ...(password === undefined ? {} : { password }),
    clients: [password === undefined ? { name: username, trust: 'loopback' } : username],
    members:
      options.members ??
      servers.map((server, index) => ({
        id: `db${index + 1}`,
        url: `postgres://127.0.0.1:${server.port}/${server.database}`,
      })),
    listen: { postgres: '127.0.0.1:0' },
    state: './state',
    ...options.config,
  });
}

export async function startNode(
  servers: readonly PostgresServer[],
  options: NodeTestOptions = {},
): Promise<StartedNode> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'lockstep-node-')));
  const path = join(dir, 'lockstep.yaml');
  await writeFile(path, nodeConfig(servers, options), { mode: 0o600 });
  const { config, problems } = await checkConfig(path, process.env);
  invariant(
    config,
    `the configuration is wrong: ${problems.map(({ key, message }) => `${key}: ${message}`).join('; ')}`,
  );
  const node = await LockstepNode.start({
    config,
    logger: options.logger ?? silentLogger,
    signal: new AbortController().signal,
    trust: options.trust,
  });
  const port = Number(node.address.split(':').at(-1));
  return {
    node,
    port,
    url: urlAt(servers, port),
    dir,
    stop: async () => {
      await node.stop();
      if (options.dir === undefined) await rm(dir, { recursive: true, force: true });
    },
  };
}

/** The built program, as its users run it. */
export async function startNodeProcess(
  servers: readonly PostgresServer[],
  options: NodeTestOptions = {},
): Promise<NodeProcess> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'lockstep-node-')));
  const path = join(dir, 'lockstep.yaml');
  await writeFile(path, nodeConfig(servers, options), { mode: 0o600 });
  const bin = fileURLToPath(new URL('../../bin/lockstep.js', import.meta.url));
  const child = spawn(process.execPath, [...(options.program ?? [bin, 'serve', '--config']), path], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const port = await new Promise<number>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      const found = /"address":"[^"]*?:(\d+)"/.exec(output);
      if (found?.[1] !== undefined) resolve(Number(found[1]));
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', (status) => reject(new Error(`the node ended with status ${status}:\n${output}`)));
  });
  return {
    child,
    port,
    url: urlAt(servers, port),
    dir,
    output: () => output,
    residentBytes: async () => {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
      return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
    },
    stop: async (signal = 'SIGTERM') => {
      const gone = once(child, 'exit');
      if (child.exitCode === null && child.signalCode === null && child.kill(signal)) await gone;
      if (options.dir === undefined) await rm(dir, { recursive: true, force: true });
    },
  };
}

export interface NodeFixture {
  readonly port: number;
  readonly url: string;
  /** Of state and configuration. */
  readonly dir: string;
  readonly node: LockstepNode;
}

/** One node for the tests of a file (or of a `describe`). Goes behind the `withServers` that it stands on. */
export function withNode(
  fixture: { readonly servers: readonly PostgresServer[] },
  options: NodeTestOptions = {},
): NodeFixture {
  let started: StartedNode | undefined;
  const running = (): StartedNode => {
    invariant(started, 'the node runs only while tests do');
    return started;
  };

  beforeAll(async () => {
    started = await startNode(fixture.servers, options);
  });

  afterAll(async () => {
    await endOpenClients();
    await started?.stop();
  });

  return {
    get port() {
      return running().port;
    },
    get url() {
      return running().url;
    },
    get dir() {
      return running().dir;
    },
    get node() {
      return running().node;
    },
  };
}

function urlAt(servers: readonly PostgresServer[], port: number): string {
  const [server] = servers;
  invariant(server, 'a node has members');
  const url = new URL(server.url);
  url.port = String(port);
  return url.href;
}
