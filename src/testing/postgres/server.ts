/**
 * One real PostgreSQL server on loopback that can be started, stopped, killed, frozen and started again.
 *
 * Its directory holds `data/`, `port` (kept, so that a server comes back where it was) and `server.log`.
 */

import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { invariant, LockstepError, messageOf, pause, systemClock } from '../../base/index.ts';
import type { PostgresBinaries } from './binaries.ts';
import { findPostgres } from './binaries.ts';
import { createDataDirectory, giveTo, settingsFile } from './data-directory.ts';
import { findFreePort } from './free-port.ts';
import { atProcessEnd } from './keeper.ts';
import { removeLeftMemory } from './left-memory.ts';
import type { Launcher } from './launcher.ts';
import { chooseLauncher, commandLine } from './launcher.ts';
import type { TextRow } from './plain-client.ts';
import { PlainClient } from './plain-client.ts';
import * as processes from './process-tree.ts';
import { mountSmallDisk, unmountDisk } from './small-disk.ts';

export type StopMode = 'smart' | 'fast' | 'immediate';

export interface PostgresServerOptions {
  /** Made when it is missing; used as it is when a server was made there before. */
  readonly dir: string;
  /** Default: a free one, kept in `dir`. */
  readonly port?: number;
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  readonly binaries?: PostgresBinaries;
  readonly launcher?: Launcher;
  /** The first superuser. Default `postgres`. */
  readonly user?: string;
  /** With one, connections need it; without, everybody on this machine is trusted. */
  readonly password?: string;
  /** The database that `url` names; made when it is missing. Default `postgres`. */
  readonly database?: string;
  /** `false` trades what a crash of the machine would lose for speed: for tests. Default `true`. */
  readonly durable?: boolean;
  /** A directory in which data directories to copy from are kept between processes. */
  readonly templates?: string;
  /** The size of a file system of its own, e.g. `128m`, for tests of a full disk. See `canMountSmallDisk`. */
  readonly diskSize?: string;
}

const readyTimeoutMs = 60_000;
const stopTimeoutMs = 30_000;
const goneTimeoutMs = 10_000;
const startAttemptsMax = 5;
const logTailLength = 4_000;

const stopSignals: Readonly<Record<StopMode, NodeJS.Signals>> = {
  smart: 'SIGTERM',
  fast: 'SIGINT',
  immediate: 'SIGQUIT',
};

export class PostgresServer {
  readonly dir: string;
  readonly dataDir: string;
  readonly binaries: PostgresBinaries;
  readonly user: string;
  readonly password: string | undefined;
  readonly database: string;
  readonly #options: PostgresServerOptions;
  readonly #launcher: Launcher;
  #port: number;
  #startedBefore = false;
  #databaseMade = false;
  #process: ChildProcess | undefined;
  #forget: () => void = () => {};

  private constructor(options: PostgresServerOptions, dir: string, port: number) {
    this.#options = options;
    this.#port = port;
    this.dir = dir;
    this.dataDir = options.diskSize === undefined ? join(dir, 'data') : join(dir, 'disk', 'data');
    this.binaries = options.binaries ?? findPostgres();
    this.user = options.user ?? 'postgres';
    this.password = options.password;
    this.database = options.database ?? 'postgres';
    this.#launcher = options.launcher ?? chooseLauncher(this.binaries);
  }

  /** Makes the server, or finds the one made in `dir` before; does not start it. */
  static async create(options: PostgresServerOptions): Promise<PostgresServer> {
    const dir = resolve(options.dir);
    await mkdir(dir, { recursive: true });
    const kept = Number(await readFile(join(dir, 'port'), 'utf8').catch(() => ''));
    const server = new PostgresServer(options, dir, options.port ?? (kept || (await findFreePort())));
    await server.#prepareData();
    return server;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return this.urlOf(this.database);
  }

  get pid(): number | undefined {
    return this.running ? this.#process?.pid : undefined;
  }

  get running(): boolean {
    return (
      this.#process !== undefined && this.#process.exitCode === null && this.#process.signalCode === null
    );
  }

  urlOf(database: string): string {
    const password = this.password === undefined ? '' : `:${encodeURIComponent(this.password)}`;
    const user = `${encodeURIComponent(this.user)}${password}`;
    return `postgres://${user}@127.0.0.1:${this.#port}/${encodeURIComponent(database)}`;
  }

  /** The end of what the server has written to its log. */
  logTail(): string {
    const path = join(this.dir, 'server.log');
    return existsSync(path) ? readFileSync(path, 'utf8').slice(-logTailLength) : '';
  }

  /** Resolves when the server accepts connections. */
  async start(): Promise<void> {
    invariant(!this.running, 'the server is already running');
    await this.#clearStaleLock();
    for (let attempt = 1; ; attempt += 1) {
      await this.#writeSettings();
      const logged = this.#logLength();
      this.#spawn();
      try {
        await this.#untilReady();
        break;
      } catch (error) {
        await this.kill9();
        const portIsTaken = readFileSync(join(this.dir, 'server.log'), 'utf8')
          .slice(logged)
          .includes('could not bind');
        // Once a server has run, others know its address; a port that was asked for is not exchanged either.
        const mayMove = portIsTaken && !this.#startedBefore && this.#options.port === undefined;
        if (!mayMove || attempt === startAttemptsMax) throw error;
        this.#port = await findFreePort();
      }
    }
    this.#startedBefore = true;
    await this.#makeDatabase();
  }

  /** `fast` and `immediate` end in any case; `smart` waits for the clients, but not for ever. */
  async stop(mode: StopMode = 'fast'): Promise<void> {
    const { pid } = this;
    if (pid === undefined) return;
    processes.signal(pid, stopSignals[mode]);
    processes.continueTree(pid);
    if (await processes.untilGone([pid], stopTimeoutMs)) return this.#reaped();
    if (mode === 'smart') {
      throw new LockstepError({
        code: 'testing.server-not-stopped',
        message: `clients keep the server on port ${this.#port} from stopping`,
      });
    }
    await this.kill9();
  }

  /**
   * As the machine's memory shortage or a power cut would end it. `everything` kills the postmaster and its backends in
   * one instant; `postmaster` leaves the backends to notice, which lets one finish a commit that it is in the middle of.
   */
  async kill9(victims: 'everything' | 'postmaster' = 'everything'): Promise<void> {
    const { pid } = this;
    if (pid === undefined) return;
    let family: readonly number[];
    if (victims === 'everything') {
      family = processes.killTree(pid);
    } else {
      family = processes.childrenOf(pid);
      processes.signal(pid, 'SIGKILL');
      if (!(await processes.untilGone(family, goneTimeoutMs)))
        for (const child of family) processes.signal(child, 'SIGKILL');
    }
    const gone = await processes.untilGone([pid, ...family], goneTimeoutMs);
    invariant(gone, `processes of server ${pid} survived SIGKILL`);
    await this.#reaped();
  }

  /** Freezes the server and its backends: connections stay, and nothing answers. */
  async pause(): Promise<void> {
    const { pid } = this;
    invariant(pid !== undefined, 'only a running server can be paused');
    await processes.stopTree(pid);
  }

  resume(): void {
    const { pid } = this;
    if (pid !== undefined) processes.continueTree(pid);
  }

  /** Runs one statement on a connection of its own; without `parameters` it may be several in one string. */
  async query(sql: string, parameters?: TextRow, database = this.database): Promise<readonly TextRow[]> {
    const client = await PlainClient.connect({ ...this.#address(), database });
    try {
      return await client.query(sql, parameters);
    } finally {
      client.close();
    }
  }

  /** Ends the server and removes its directory. */
  async destroy(): Promise<void> {
    await this.stop('immediate');
    removeLeftMemory(this.dataDir);
    this.#removeFiles();
  }

  async #prepareData(): Promise<void> {
    const { diskSize, templates } = this.#options;
    if (diskSize !== undefined) {
      mountSmallDisk(dirname(this.dataDir), diskSize);
      atProcessEnd(() => unmountDisk(dirname(this.dataDir)));
    }
    const version = await readFile(join(this.dataDir, 'PG_VERSION'), 'utf8').catch(() => undefined);
    if (version !== undefined && Number(version) !== this.binaries.major) {
      throw new LockstepError({
        code: 'testing.other-version',
        message: `${this.dataDir} was made by PostgreSQL ${version.trim()}, not by ${this.binaries.major}`,
        hint: 'remove the directory, or run the version that made it',
      });
    }
    if (version === undefined) {
      const { dataDir: directory, binaries, user, password } = this;
      await createDataDirectory({ directory, binaries, launcher: this.#launcher, user, password, templates });
    }
    await giveTo(this.#launcher, this.dataDir);
  }

  async #writeSettings(): Promise<void> {
    const settings = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      max_connections: 200,
      ...(this.#options.durable === false ? { fsync: false, full_page_writes: false } : {}),
      ...this.#options.settings,
      port: this.#port,
    };
    const lines = Object.entries(settings).map(
      ([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'\n`,
    );
    await writeFile(join(this.dataDir, settingsFile), lines.join(''));
    await writeFile(join(this.dir, 'port'), `${this.#port}\n`);
  }

  /**
   * A lock file left by a killed server names a process id that may be anybody's by now. PostgreSQL would then refuse to
   * start; here it is known whether that process works in this directory.
   */
  async #clearStaleLock(): Promise<void> {
    const lock = join(this.dataDir, 'postmaster.pid');
    const pid = Number((await readFile(lock, 'utf8').catch(() => '')).split('\n')[0]);
    if (!pid) return;
    if (processes.isAlive(pid) && processes.workingDirectoryOf(pid) === this.dataDir) {
      throw new LockstepError({
        code: 'testing.directory-in-use',
        message: `process ${pid} serves ${this.dataDir} already`,
        hint: `end it, for example by: kill -INT ${pid}`,
      });
    }
    if (process.platform === 'linux') await rm(lock, { force: true });
  }

  #spawn(): void {
    const program = join(this.binaries.directory, 'postgres');
    const [command, words] = commandLine(this.#launcher, program, ['-D', this.dataDir]);
    const log = openSync(join(this.dir, 'server.log'), 'a');
    this.#process = spawn(command, words, {
      env: { ...process.env, ...this.binaries.environment },
      ...this.#launcher.spawnAs,
      cwd: '/',
      stdio: ['ignore', log, log],
      // A terminal's Ctrl-C is for this process, which then ends the server in order.
      detached: true,
    });
    closeSync(log);
    this.#process.once('error', () => {});
    const { pid } = this.#process;
    this.#forget = atProcessEnd(() => {
      if (pid !== undefined && this.running) processes.killTree(pid);
    });
  }

  async #untilReady(): Promise<void> {
    const deadline = systemClock.monotonicMs() + readyTimeoutMs;
    for (let waitMs = 5; ; waitMs = Math.min(waitMs * 1.5, 200)) {
      const reason = await this.#whyNotReady();
      if (reason === undefined) return;
      if (!this.running || systemClock.monotonicMs() > deadline) {
        throw new LockstepError({
          code: 'testing.server-not-ready',
          message: `the server on port ${this.#port} did not start (${reason}); its log ends with:\n${this.logTail()}`,
        });
      }
      await pause(systemClock, waitMs);
    }
  }

  async #whyNotReady(): Promise<string | undefined> {
    if (!this.running) return 'it ended';
    try {
      (await PlainClient.connect({ ...this.#address(), database: 'postgres', deadlineMs: 2_000 })).close();
      // Somebody else's server may answer on this port while ours ends for want of it.
      return this.running && this.#ownsPort() ? undefined : 'another server has its port';
    } catch (error) {
      return messageOf(error);
    }
  }

  /** The lock file names the port in its fourth line, and says "ready" in its last, once the server listens there. */
  #ownsPort(): boolean {
    const lines = readFileSync(join(this.dataDir, 'postmaster.pid'), 'utf8').split('\n');
    return Number(lines[0]) === this.pid && Number(lines[3]) === this.#port && lines[7]?.trim() === 'ready';
  }

  async #makeDatabase(): Promise<void> {
    if (this.#databaseMade || this.database === 'postgres') return;
    const found = await this.query(
      'select 1 from pg_database where datname = $1',
      [this.database],
      'postgres',
    );
    const name = `"${this.database.replaceAll('"', '""')}"`;
    if (found.length === 0) await this.query(`create database ${name}`, undefined, 'postgres');
    this.#databaseMade = true;
  }

  #address(): { readonly port: number; readonly user: string; readonly password: string | undefined } {
    return { port: this.#port, user: this.user, password: this.password };
  }

  #logLength(): number {
    const path = join(this.dir, 'server.log');
    return existsSync(path) ? readFileSync(path, 'utf8').length : 0;
  }

  /** Node learns of an ended child a moment after the system does. */
  async #reaped(): Promise<void> {
    const child = this.#process;
    if (child && this.running) await new Promise((done) => child.once('exit', done));
    this.#forget();
  }

  #removeFiles(): void {
    if (this.#options.diskSize !== undefined) unmountDisk(dirname(this.dataDir));
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}
