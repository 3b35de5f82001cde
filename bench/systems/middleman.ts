/** A program between clients and servers: started in the foreground, found ready, ended by its process id. */

import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { PlainClient } from '../../src/testing/index.ts';
import type { Address } from '../pgbench.ts';
import { user } from '../pgbench.ts';

const readyTimeoutMs = 60_000;
const stopTimeoutMs = 30_000;

export interface MiddlemanOptions {
  readonly program: string;
  readonly words: readonly string[];
  readonly dir: string;
  /** Where it is to answer. */
  readonly address: Address;
  readonly stopSignal: NodeJS.Signals;
}

export class Middleman {
  readonly address: Address;
  readonly #child: ChildProcess;
  readonly #stopSignal: NodeJS.Signals;
  readonly #killAtExit: () => void;

  private constructor(child: ChildProcess, options: MiddlemanOptions) {
    this.#child = child;
    this.address = options.address;
    this.#stopSignal = options.stopSignal;
    this.#killAtExit = () => child.kill('SIGKILL');
    process.on('exit', this.#killAtExit);
  }

  static async start(options: MiddlemanOptions): Promise<Middleman> {
    const logPath = join(options.dir, 'log');
    const log = openSync(logPath, 'w');
    const env = { ...process.env, PATH: searchPath };
    const child = spawn(options.program, options.words, {
      stdio: ['ignore', log, log],
      cwd: options.dir,
      env,
    });
    closeSync(log);
    child.once('error', () => {});
    const middleman = new Middleman(child, options);
    const deadline = Date.now() + readyTimeoutMs;
    for (;;) {
      const reason = await whyNotReady(options.address);
      if (reason === undefined) return middleman;
      if (!middleman.#running || Date.now() > deadline) {
        await middleman.stop();
        const told = readFileSync(logPath, 'utf8').slice(-3000);
        throw new Error(`${options.program} did not start (${reason}); it said:\n${told}`);
      }
      await pause(50);
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async stop(): Promise<void> {
    if (this.#running) {
      const gone = new Promise((done) => this.#child.once('exit', done));
      const late = setTimeout(() => this.#child.kill('SIGKILL'), stopTimeoutMs);
      this.#child.kill(this.#stopSignal);
      await gone;
      clearTimeout(late);
    }
    process.off('exit', this.#killAtExit);
  }

  get #running(): boolean {
    const { pid, exitCode, signalCode } = this.#child;
    return pid !== undefined && exitCode === null && signalCode === null;
  }
}

/** What programs say to `--version`; undefined when they are not installed. */
export function versionOf(program: string): string | undefined {
  const { stdout, stderr, error } = spawnSync(program, ['--version'], {
    encoding: 'utf8',
    env: { ...process.env, PATH: searchPath },
  });
  return error ? undefined : /\d+\.[.\w]*/.exec(`${stdout}${stderr}`)?.[0];
}

export function findPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(address !== null && typeof address === 'object' ? address.port : 0));
    });
  });
}

/** Debian puts both poolers where an ordinary account's PATH does not look. */
const searchPath = [process.env['PATH'] ?? '', '/usr/sbin', '/usr/local/sbin'].join(delimiter);

async function whyNotReady({ port, database }: Address): Promise<string | undefined> {
  try {
    const client = await PlainClient.connect({ port, user, database, deadlineMs: 5_000 });
    try {
      await client.query('select 1');
    } finally {
      client.close();
    }
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
