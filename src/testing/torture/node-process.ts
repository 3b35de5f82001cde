/** The node under torture: the built program, as a supervisor runs it. It can be killed, and is started again. */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AdminClient, adminAddress, status } from '../../admin/index.ts';
import type { ClusterStatus } from '../../admin/index.ts';
import { pause, systemClock } from '../../base/index.ts';
import { atProcessEnd } from '../postgres/keeper.ts';

export interface NodeProcessOptions {
  /** Holds `lockstep.yaml`, `state/` and `node.log`. */
  readonly dir: string;
  /** What comes before the program in its command line. */
  readonly prefix: readonly string[];
  /** The node has ended, and nobody here had ended it. */
  readonly onEnd: (how: string) => void;
  /** A start was refused; the supervisor tries again. */
  readonly onRefusal: (why: string) => void;
}

const restartMs = 200;
const stopMs = 30_000;
const statusMs = 5_000;
const lastLines = 8;

const program = fileURLToPath(new URL('../../../bin/lockstep.js', import.meta.url));

export class NodeProcess {
  readonly #options: NodeProcessOptions;
  readonly #admin: AdminClient;
  #child: ChildProcess | undefined;
  #wanted = false;
  #starting: Promise<boolean> | undefined;
  #forget: () => void = () => {};

  constructor(options: NodeProcessOptions) {
    this.#options = options;
    this.#admin = new AdminClient(adminAddress(join(options.dir, 'state')), { answerMs: statusMs });
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves when it serves clients (to true); tries as often as it takes, until it is killed or stopped meanwhile. */
  start(): Promise<boolean> {
    this.#wanted = true;
    this.#starting ??= this.#try().finally(() => (this.#starting = undefined));
    return this.#starting;
  }

  async #try(): Promise<boolean> {
    while (this.#wanted) {
      if (await this.#spawn()) return true;
      await pause(systemClock, restartMs);
    }
    return false;
  }

  async kill9(): Promise<void> {
    await this.#end('SIGKILL');
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(name);
  }

  async stop(): Promise<void> {
    this.signal('SIGCONT');
    const late = systemClock.after(stopMs, () => this.#child?.kill('SIGKILL'));
    await this.#end('SIGTERM');
    late();
  }

  /** The end of what it has written. */
  lastWords(): string {
    const log = readFileSync(join(this.#options.dir, 'node.log'), 'utf8');
    return log.trimEnd().split('\n').slice(-lastLines).join('\n');
  }

  status(): Promise<ClusterStatus> {
    return this.#admin.call(status, {});
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    this.#wanted = false;
    const child = this.#child;
    if (child === undefined || !this.running) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
    this.#forget();
  }

  /** Resolves to whether it serves. */
  async #spawn(): Promise<boolean> {
    const { dir, prefix, onEnd, onRefusal } = this.#options;
    const log = openSync(join(dir, 'node.log'), 'a');
    const words = [process.execPath, program, 'serve', '--json', '--config', join(dir, 'lockstep.yaml')];
    const [command = '', ...rest] = [...prefix, ...words];
    const child = spawn(command, rest, { stdio: ['ignore', 'pipe', log] });
    closeSync(log);
    this.#child = child;
    this.#forget = atProcessEnd(() => child.kill('SIGKILL'));
    const ready = await new Promise<boolean>((resolve) => {
      child.stdout?.on('data', (chunk: Buffer) => {
        if (chunk.toString().includes('"ready"')) resolve(true);
      });
      child.once('error', () => resolve(false));
      child.once('exit', () => resolve(false));
    });
    if (!ready) {
      if (this.#wanted) onRefusal(this.lastWords());
      return false;
    }
    child.once('exit', (exitStatus, signal) => {
      if (!this.#wanted) return;
      onEnd(`with ${signal ?? `status ${exitStatus}`}; its log ends with: ${this.lastWords()}`);
      void this.start();
    });
    return true;
  }
}
