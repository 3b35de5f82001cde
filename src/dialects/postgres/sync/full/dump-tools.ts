/** PostgreSQL's own programs that write a schema down: found, chosen, run. */

import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { LockstepError, messageOf } from '../../../../base/index.ts';
import type { PostgresMember } from '../../postgres-member.ts';
import { syncApplication } from '../sync-settings.ts';

const run = promisify(execFile);

/** No schema's text is longer. */
const outputBytesMax = 1 << 30;

export type Environment = Readonly<Record<string, string | undefined>>;

export interface DumpToolOptions {
  /** The `pg_dump` to use, with `pg_restore` beside it. Undefined: the most suitable that is found. */
  readonly pgDump: string | undefined;
  /** Of this process: where programs are looked for, and what they get. */
  readonly environment: Environment;
}

export interface DumpTools {
  readonly pgDump: string;
  readonly pgRestore: string;
  readonly major: number;
  readonly environment: Environment;
}

/**
 * A program older than the source cannot read it. Of the others, the one of the target's version writes what the target
 * understands; else the newest.
 */
export async function findDumpTools(
  options: DumpToolOptions,
  majors: { readonly source: number; readonly target: number },
): Promise<DumpTools | undefined> {
  const candidates = options.pgDump === undefined ? placesToLook(options.environment) : [options.pgDump];
  const described = await Promise.all(candidates.map((pgDump) => describe(pgDump, options.environment)));
  const fit = described
    .flatMap((tools) => (tools !== undefined && tools.major >= majors.source ? [tools] : []))
    .toSorted((a, b) => b.major - a.major);
  return fit.find(({ major }) => major === majors.target) ?? fit[0];
}

export function noDumpTools(
  options: DumpToolOptions,
  source: { readonly id: string; readonly major: number },
): LockstepError {
  const where =
    options.pgDump === undefined ? 'on this machine' : `at ${options.pgDump} (option sync.pgDump)`;
  return new LockstepError({
    code: 'sync.no-pg-dump',
    message: `the schema of member ${source.id} has to be copied, and there is no pg_dump of version ${source.major} or newer ${where}`,
    hint: `Install it where the node runs, as package postgresql-client-${source.major} (Debian, Ubuntu), postgresql${source.major} (Red Hat) or postgresql@${source.major} (Homebrew), or name it with the option sync.pgDump. Or create the schema on the empty member yourself, the same as on ${source.id}.`,
  });
}

/** Works on one dump of a schema, as of a snapshot. */
export class SchemaDump {
  readonly #tools: DumpTools;
  readonly #directory: string;
  readonly #signal: AbortSignal;

  private constructor(tools: DumpTools, directory: string, signal: AbortSignal) {
    this.#tools = tools;
    this.#directory = directory;
    this.#signal = signal;
  }

  /** Dumps the schema, and removes every trace of it when `work` is done. */
  static async use<T>(
    options: {
      readonly tools: DumpTools;
      readonly member: PostgresMember;
      readonly exported: string;
      readonly signal: AbortSignal;
    },
    work: (dump: SchemaDump) => Promise<T>,
  ): Promise<T> {
    const { tools, member, signal } = options;
    const directory = await mkdtemp(join(tmpdir(), 'lockstep-schema-'));
    try {
      const dump = new SchemaDump(tools, directory, signal);
      const environment = await connectionEnvironment(member, tools, directory);
      await dump.#run(tools.pgDump, environment, [
        '--schema-only',
        '--format=custom',
        '--no-password',
        '--no-subscriptions',
        '--no-tablespaces',
        '--exclude-schema=lockstep',
        '--lock-wait-timeout=10000',
        `--snapshot=${options.exported}`,
        `--file=${dump.#file}`,
      ]);
      return await work(dump);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  /** Its table of contents, with what each entry depends on. */
  list(): Promise<string> {
    return this.#run(this.#tools.pgRestore, this.#tools.environment, ['--list', '--verbose', this.#file]);
  }

  /** The statements of these lines of the table of contents. */
  async statements(lines: readonly string[]): Promise<string> {
    const list = join(this.#directory, `list-${crypto.randomUUID()}`);
    await writeFile(list, lines.map((line) => `${line}\n`).join(''));
    const text = await this.#run(this.#tools.pgRestore, this.#tools.environment, [
      '--no-tablespaces',
      `--use-list=${list}`,
      '--file=-',
      this.#file,
    ]);
    await rm(list);
    return text;
  }

  get #file(): string {
    return join(this.#directory, 'schema.dump');
  }

  async #run(program: string, environment: Environment, words: readonly string[]): Promise<string> {
    try {
      const { stdout } = await run(program, words, {
        env: { ...environment },
        maxBuffer: outputBytesMax,
        signal: this.#signal,
      });
      return stdout;
    } catch (error) {
      const said = (error as { stderr?: string }).stderr?.trim();
      throw new LockstepError({
        code: 'sync.pg-dump-failed',
        message: `${program} failed: ${said === undefined || said === '' ? messageOf(error) : said}`,
        retryable: true,
        cause: error,
      });
    }
  }
}

function placesToLook(environment: Environment): readonly string[] {
  const perVersion = ['/usr/lib/postgresql', '/usr', '/opt/homebrew/opt', '/usr/local/opt']
    .flatMap((root) => (existsSync(root) ? readdirSync(root).map((name) => join(root, name, 'bin')) : []))
    .filter((directory) => /(postgresql|pgsql)[/@-]\d+(\.\d+)?\/bin$/.test(directory));
  const inPath = (environment['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '');
  return [...new Set([...inPath, ...perVersion])].map((directory) => join(directory, 'pg_dump'));
}

async function describe(pgDump: string, environment: Environment): Promise<DumpTools | undefined> {
  const pgRestore = join(dirname(pgDump), 'pg_restore');
  // What a user's own settings for these programs are must not lead them elsewhere.
  const clean = Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('PG')));
  try {
    accessSync(pgDump, constants.X_OK);
    accessSync(pgRestore, constants.X_OK);
    const { stdout } = await run(pgDump, ['--version'], { env: clean });
    const version = /(\d+)/.exec(stdout);
    return version === null
      ? undefined
      : { pgDump, pgRestore, major: Number(version[1]), environment: clean };
  } catch {
    return undefined;
  }
}

/** Nothing of this is on a command line, where everybody on the machine could read it. */
async function connectionEnvironment(
  { options }: PostgresMember,
  tools: DumpTools,
  directory: string,
): Promise<Environment> {
  const { address, user, database, password } = options;
  const { mode, ca, cert, key } = address.tls;
  const file = async (name: string, text: string | undefined): Promise<string | undefined> => {
    if (text === undefined) return undefined;
    const path = join(directory, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  const verifies = mode === 'verify-ca' || mode === 'verify-full';
  return {
    ...tools.environment,
    PGHOST: address.host,
    PGPORT: String(address.port),
    PGUSER: user,
    PGDATABASE: database,
    PGAPPNAME: syncApplication,
    PGCONNECT_TIMEOUT: String(Math.max(2, Math.ceil(address.connectMs / 1000))),
    PGGSSENCMODE: 'disable',
    PGSSLMODE: mode,
    PGSSLCERT: (await file('client.crt', cert)) ?? join(directory, 'none'),
    PGSSLKEY: (await file('client.key', key)) ?? join(directory, 'none'),
    // Without a certificate of one's own, those of the system; older programs do not know how and refuse.
    PGSSLROOTCERT: (await file('root.crt', ca)) ?? (verifies ? 'system' : join(directory, 'none')),
    ...(password === undefined ? {} : { PGPASSWORD: password }),
  };
}
