/** Makes data directories: by initdb, or, which is five times as quick, as a copy of one that initdb has made before. */

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, constants } from 'node:fs';
import { appendFile, chown, cp, lchown, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LockstepError } from '../../base/index.ts';
import type { PostgresBinaries } from './binaries.ts';
import { giveNewIdentity } from './identity.ts';
import { makeTemporaryDirectory } from './keeper.ts';
import type { Launcher } from './launcher.ts';
import { commandLine } from './launcher.ts';

export interface DataDirectoryPlan {
  readonly directory: string;
  readonly binaries: PostgresBinaries;
  readonly launcher: Launcher;
  /** The first superuser. */
  readonly user: string;
  /** With one, every connection needs it (SCRAM-SHA-256); without, everybody is trusted. */
  readonly password: string | undefined;
  /** Where templates are kept between processes; without it each process makes its own. */
  readonly templates: string | undefined;
}

/** The server's own settings, which it reads after its standard file and before what ALTER SYSTEM has set. */
export const settingsFile = 'kit.conf';

/** Whole or absent: the directory gets its name only when everything is in it. */
export async function createDataDirectory(plan: DataDirectoryPlan): Promise<void> {
  const unfinished = `${plan.directory}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  if (plan.password === undefined) {
    await cp(await findTemplate(plan), unfinished, { recursive: true, mode: constants.COPYFILE_FICLONE });
    await giveNewIdentity(unfinished);
  } else {
    await initdb(plan, unfinished);
  }
  await giveTo(plan.launcher, unfinished);
  await rename(unfinished, plan.directory);
}

/** Makes a directory and everything in it belong to the account that the servers run under. */
export async function giveTo(launcher: Launcher, directory: string): Promise<void> {
  const { owner } = launcher;
  if (!owner) return;
  await chown(directory, owner.uid, owner.gid);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await giveTo(launcher, path);
    else await lchown(path, owner.uid, owner.gid);
  }
}

const templatesInWork = new Map<string, Promise<string>>();
let ownTemplates: string | undefined;

function templatesOfThisProcess(): string {
  if (ownTemplates === undefined) {
    ownTemplates = makeTemporaryDirectory('templates');
    // initdb may run under another account than this process.
    chmodSync(ownTemplates, 0o755);
  }
  return ownTemplates;
}

function findTemplate(plan: DataDirectoryPlan): Promise<string> {
  const account = process.getuid?.() ?? 'any';
  const programs = createHash('sha256').update(plan.binaries.directory).digest('hex').slice(0, 8);
  const name = `${plan.binaries.version}-${programs}-${plan.user}-${account}`;
  const path = join(plan.templates ?? templatesOfThisProcess(), name);
  let work = templatesInWork.get(path);
  if (!work) {
    work = makeTemplate(plan, path);
    templatesInWork.set(path, work);
  }
  return work;
}

/** Several processes may do this at once: each makes its own, and the first to give it the name has made it for all. */
async function makeTemplate(plan: DataDirectoryPlan, path: string): Promise<string> {
  if (await exists(path)) return path;
  const unfinished = `${path}.${process.pid}`;
  await mkdir(dirname(path), { recursive: true });
  await rm(unfinished, { recursive: true, force: true });
  await initdb(plan, unfinished);
  try {
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    if (!(await exists(path))) throw error;
  }
  return path;
}

async function exists(directory: string): Promise<boolean> {
  return readdir(directory).then(
    () => true,
    () => false,
  );
}

async function initdb(plan: DataDirectoryPlan, directory: string): Promise<void> {
  const words = ['-D', directory, '-U', plan.user, '--locale=C', '-E', 'UTF8', '--no-sync'];
  const passwordFile = `${directory}.password`;
  await mkdir(directory, { mode: 0o700 });
  if (plan.password === undefined) {
    words.push('--auth=trust');
  } else {
    await writeFile(passwordFile, plan.password, { mode: 0o600 });
    words.push('--auth=scram-sha-256', `--pwfile=${passwordFile}`);
    if (plan.launcher.owner) await chown(passwordFile, plan.launcher.owner.uid, plan.launcher.owner.gid);
  }
  try {
    await giveTo(plan.launcher, directory);
    await run(plan, words);
  } finally {
    await rm(passwordFile, { force: true });
  }
  await appendFile(join(directory, 'postgresql.conf'), `\ninclude '${settingsFile}'\n`);
}

function run({ launcher, binaries }: DataDirectoryPlan, words: readonly string[]): Promise<void> {
  const [command, all] = commandLine(launcher, join(binaries.directory, 'initdb'), words);
  const env = { ...process.env, ...binaries.environment };
  const child = spawn(command, all, {
    env,
    ...launcher.spawnAs,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => {
      if (status === 0) resolve();
      else reject(new LockstepError({ code: 'testing.initdb', message: `initdb failed:\n${output}` }));
    });
  });
}
