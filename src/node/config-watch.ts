/**
 * The configuration file while the node runs: whether it still says what the node works by. It is looked at again as soon as it
 * is another file, so that a line that somebody deletes is noticed while he is there, and not at the next start.
 */

import { readFile, stat } from 'node:fs/promises';
import { messageOf } from '../base/index.ts';
import type { Clock } from '../base/index.ts';
import type { FileStatus } from '../admin/index.ts';
import { changedOptions, checkConfigText, readFile as readBounded, showProblem } from '../config/index.ts';
import type { Config } from '../config/index.ts';
import type { EngineEventBody } from '../telemetry/index.ts';

export interface WatchParts {
  readonly clock: Clock;
  readonly file: string;
  /** What the node works by, with the members that it has. */
  readonly running: () => Config;
  raise(event: EngineEventBody): void;
}

const LOOK_MS = 2000;

const same: FileStatus = { state: 'same', missing: [], unread: [], waiting: [], fault: null };

export class ConfigWatch {
  readonly #parts: WatchParts;
  #now: FileStatus = same;
  #seen = '';
  /** What it said when it was taken over last. */
  #taken: string | undefined;
  #whole: string | undefined;
  /** Told already, or not worth a word. */
  #told = JSON.stringify(same);
  #looking = Promise.resolve();
  #cancel: (() => void) | undefined;

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  get now(): FileStatus {
    return this.#now;
  }

  /** The last text that named every member of the cluster. */
  get members(): string {
    return this.#whole ?? '';
  }

  get taken(): string | undefined {
    return this.#taken;
  }

  async start(): Promise<void> {
    await this.take();
    this.#schedule();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** What the file says is in force, as far as it can be. */
  async take(): Promise<void> {
    this.#seen = '';
    await this.look();
    this.#taken = await readFile(this.#parts.file, 'utf8').catch(() => this.#taken);
    this.#told = JSON.stringify(this.#now);
  }

  /** Resolves when it is known what the file says now. */
  look(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#look());
    return this.#looking;
  }

  #schedule(): void {
    this.#cancel = this.#parts.clock.after(LOOK_MS, () => {
      this.#schedule();
      void this.#lookAndTell();
    });
  }

  async #lookAndTell(): Promise<void> {
    const before = this.#seen;
    await this.look();
    // Somebody is at it: what he means is there when it has been the same for a while.
    if (before !== this.#seen || JSON.stringify(this.#now) === this.#told) return;
    this.#told = JSON.stringify(this.#now);
    const { state, missing, unread, waiting, fault } = this.#now;
    if (state === 'same') return;
    this.#parts.raise({ type: 'config-edited', missing, changed: [...unread, ...waiting], fault });
  }

  async #look(): Promise<void> {
    const { file } = this.#parts;
    try {
      const { mtimeMs, size, ino } = await stat(file);
      const seen = `${mtimeMs} ${size} ${ino}`;
      if (seen === this.#seen) return;
      this.#now = await this.#judge(await readFile(file, 'utf8'));
      this.#seen = seen;
    } catch (error) {
      this.#now = { ...same, state: 'broken', fault: `it cannot be read: ${messageOf(error)}` };
      this.#seen = 'gone';
    }
  }

  async #judge(text: string): Promise<FileStatus> {
    const { config, problems } = await checkConfigText(text, this.#parts.file, {
      env: process.env,
      readFile: readBounded,
    });
    if (config === undefined) {
      const errors = problems.filter(({ severity }) => severity === 'error');
      return { ...same, state: 'broken', fault: errors.map(showProblem).join('\n') };
    }
    const running = this.#parts.running();
    const missing = running.members
      .map(({ id }) => id)
      .filter((id) => !config.members.some((one) => one.id === id));
    if (missing.length === 0) this.#whole = text;
    const { live: unread, needsRestart } = changedOptions(running, config);
    const waiting = needsRestart.filter((path) => path !== 'members');
    const state = missing.length + unread.length + waiting.length === 0 ? 'same' : 'edited';
    return { state, missing, unread, waiting, fault: null };
  }
}
