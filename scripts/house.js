/** What the scripts share: dependencies installed, program built. Nothing here needs more than Node and npm. */

import { spawn } from 'node:child_process';
import { cpSync, existsSync, readdirSync, rmSync, statSync, writeFileSync, chmodSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const built = join(root, 'dist', '.built');
/** npm's own record of an installation, and ours: npm does not always renew its own. */
const installed = ['.package-lock.json', '.installed'].map((name) => join(root, 'node_modules', name));

/** Runs a program in the repository with its output shown; resolves to its exit status. */
export function run(program, words) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { cwd: root, stdio: 'inherit' });
    child.once('error', reject);
    child.once('exit', (status) => resolve(status ?? 1));
  });
}

/** Runs a development tool by its entry in node_modules. */
export function runTool(name, words) {
  return run(process.execPath, [join(root, 'node_modules', ...tools[name]), ...words]);
}

const tools = {
  tsc: ['typescript', 'bin', 'tsc'],
  oxlint: ['oxlint', 'bin', 'oxlint'],
  biome: ['@biomejs', 'biome', 'bin', 'biome'],
  knip: ['knip', 'bin', 'knip.js'],
  vitest: ['vitest', 'vitest.mjs'],
};

/** Installs what package-lock.json names, when it is missing or the lock is newer. */
export async function ensureInstalled() {
  const lock = join(root, 'package-lock.json');
  if (Math.max(...installed.map(modifiedMs)) >= modifiedMs(lock)) return;
  console.log('Installing dependencies ...');
  // Development tools too: the program is built here. An install script may be blocked: nothing depends on one.
  // Not `npm ci`: it demands the optional packages of every platform in the lock, `install` only those of this one.
  const words = ['install', '--no-save', '--include=dev', '--include=optional', '--no-fund', '--no-audit'];
  const npm = process.env.npm_execpath;
  const status = npm ? await run(process.execPath, [npm, ...words]) : await run('npm', words);
  if (status !== 0) fail('npm install failed: see above');
  writeFileSync(installed[1], '');
}

/** Builds when a source is newer than the last build. */
export async function ensureBuilt() {
  const sources = ['package.json', 'tsconfig.json', 'tsconfig.build.json', ...filesIn('src')];
  const newest = Math.max(...sources.map((path) => modifiedMs(join(root, path))));
  if (modifiedMs(built) < newest) await build();
}

export async function build() {
  console.log('Building ...');
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  if ((await runTool('tsc', ['-p', 'tsconfig.build.json'])) !== 0) fail('the build failed: see above');
  // What is not TypeScript (SQL) goes along as it is.
  for (const path of filesIn('src')) {
    if (!path.endsWith('.ts') && !path.startsWith(join('src', 'console')))
      cpSync(join(root, path), join(root, 'dist', path.slice('src/'.length)));
  }
  await buildConsole();
  makeExecutable(join(root, 'bin', 'lockstep.js'));
  writeFileSync(built, '');
}

/** The web page, as one bundle that needs nothing from elsewhere. */
async function buildConsole() {
  const { build: bundle } = await import('vite');
  await bundle({
    configFile: false,
    root: join(root, 'src', 'console'),
    logLevel: 'warn',
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      outDir: join(root, 'dist', 'console'),
      emptyOutDir: true,
      // The page is served under a policy that allows files of the node and nothing inline.
      assetsInlineLimit: 0,
      modulePreload: false,
    },
  });
}

export function fail(message) {
  console.error(message);
  process.exit(1);
}

/** The given folders as far as there are any: git keeps no empty ones. */
export function existing(...folders) {
  return folders.filter((folder) => existsSync(join(root, folder)));
}

function filesIn(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length + 1));
}

function makeExecutable(path) {
  if ((statSync(path).mode & 0o111) !== 0o111) chmodSync(path, 0o755);
}

function modifiedMs(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
