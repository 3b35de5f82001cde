/**
 * Rows that a synchronisation removes or overwrites, in a file beside the state: a script that psql can run again, or that
 * a person reads. It is made with the first row, for its owner only, and never removed by the node.
 */

import { constants } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { RowKeeper } from '../dialects/sync-contract.ts';

/** Rows wait in memory for each other up to here. */
const WRITE_BYTES = 256 * 1024;
/** Names of one second that are tried. */
const NAMES_MAX = 1000;

const END_OF_ROWS = '\\.\n';

export interface KeptRowsOptions {
  /** Made when it is missing. */
  readonly directory: string;
  readonly memberId: string;
  readonly now: Date;
}

export class KeptRowsFile implements RowKeeper {
  readonly #options: KeptRowsOptions;
  #file: string | undefined;
  #handle: FileHandle | undefined;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  /** What the rows that come next belong to. */
  #heading = '';

  constructor(options: KeptRowsOptions) {
    this.#options = options;
  }

  /** Undefined until a row was kept. */
  get file(): string | undefined {
    return this.#file;
  }

  async keep(table: string, columns: readonly string[], row: Buffer): Promise<void> {
    this.#handle ??= await this.#create();
    const heading = `COPY ${inAscii(table)} (${inAscii(columns.join(', '))}) FROM stdin;\n`;
    if (heading !== this.#heading) {
      this.#push(Buffer.from(`${this.#heading === '' ? '' : END_OF_ROWS}${heading}`));
      this.#heading = heading;
    }
    // A copy: what it was cut from is large, and not to be kept alive.
    this.#push(Buffer.concat([row, NEWLINE]));
    if (this.#waitingBytes >= WRITE_BYTES) await this.#write();
  }

  async flush(): Promise<void> {
    await this.#write();
    await this.#handle?.sync();
  }

  async close(): Promise<void> {
    if (this.#handle === undefined) return;
    const handle = this.#handle;
    try {
      this.#push(Buffer.from(END_OF_ROWS));
      await this.flush();
    } finally {
      this.#handle = undefined;
      await handle.close();
    }
  }

  #push(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  async #write(): Promise<void> {
    if (this.#handle === undefined || this.#waitingBytes === 0) return;
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    await this.#handle.appendFile(bytes);
  }

  async #create(): Promise<FileHandle> {
    const { directory, memberId, now } = this.#options;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const stamp = now.toISOString().replace(/\..*$/, '').replaceAll(':', '');
    for (let place = 1; ; place += 1) {
      const file = join(directory, `${memberId}-${stamp}${place === 1 ? '' : `-${place}`}.sql`);
      try {
        const handle = await open(file, 'ax', 0o600);
        this.#file = file;
        this.#push(Buffer.from(introduction(memberId, now)));
        await syncDirectory(directory);
        return handle;
      } catch (error) {
        const taken = error instanceof Error && 'code' in error && error.code === 'EEXIST';
        if (!taken || place >= NAMES_MAX) throw error;
      }
    }
  }
}

const NEWLINE = Buffer.from('\n');

/** Names in quotes, readable in whatever encoding the rows are. */
function inAscii(names: string): string {
  return names.replace(/"(?:[^"]|"")*"/g, (name) =>
    /[^ -~]/.test(name)
      ? `U&${name.replaceAll('\\', '\\\\').replace(/[^ -~]/gu, (character) => `\\+${(character.codePointAt(0) ?? 0).toString(16).padStart(6, '0')}`)}`
      : name,
  );
}

function introduction(memberId: string, now: Date): string {
  return `-- Rows that were removed from member ${memberId}, or overwritten, from ${now.toISOString()} on.
-- They are as the database wrote them, in its own encoding, which psql is told of here:
SELECT pg_catalog.getdatabaseencoding() AS encoding \\gset
\\encoding :encoding
`;
}

async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(path, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
