/**
 * Something that a node remembers and can do without. It is found whole or not at all: a file that was torn or changed is as
 * good as none. Nothing that G6 rests on is kept like this.
 */
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { realDisk } from './disk.ts';
import type { Disk } from './disk.ts';

export interface Note {
  /** Undefined: there is none, or it cannot be used. */
  load(): Promise<unknown>;
  /** Plain data. When it resolves, it survives the loss of power. */
  save(content: unknown): Promise<void>;
}

export class FileNote implements Note {
  readonly #path: string;
  readonly #disk: Disk;
  /** Saves one after the other. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(path: string, disk: Disk = realDisk) {
    this.#path = path;
    this.#disk = disk;
  }

  async load(): Promise<unknown> {
    const bytes = await this.#disk.read(this.#path);
    if (bytes === undefined) return undefined;
    const text = Buffer.from(bytes).toString('utf8');
    const end = text.indexOf('\n');
    const body = text.slice(end + 1);
    return text.slice(0, Math.max(end, 0)) === digest(body) ? (JSON.parse(body) as unknown) : undefined;
  }

  save(content: unknown): Promise<void> {
    const body = JSON.stringify(content);
    const saved = this.#queue.then(async () => {
      const fresh = `${this.#path}.new`;
      await this.#disk.writeDurably(fresh, Buffer.from(`${digest(body)}\n${body}`));
      await this.#disk.rename(fresh, this.#path);
      await this.#disk.syncDirectory(dirname(this.#path));
    });
    this.#queue = saved.catch(() => undefined);
    return saved;
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
