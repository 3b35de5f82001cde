/** What the runners of public suites share: fetching, installing, and reading results. */

import { execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fail } from '../house.js';

export const run = promisify(execFile);
export const password = 'secret';
const here = dirname(fileURLToPath(import.meta.url));
/** No test of a suite is quiet for longer. */
const silenceMs = 300_000;

/** `url`: of a repository, or a folder that is one. */
export async function clone(name, url, dir) {
  await run('git', ['clone', '--quiet', '--depth', '1', url, dir]).catch((error) =>
    fail(
      `${name} could not be fetched: ${error.stderr}\nGive another place with --from ${name}=<url or folder>.`,
    ),
  );
  return dir;
}

/** Installs what the package in `dir` needs to run, and of what its development needs these alone. */
export async function install(dir, names = []) {
  const { devDependencies = {}, ...others } = packageOf(dir);
  const needed = names.map((name) => [name, devDependencies[name] ?? fail(`${dir} no longer needs ${name}`)]);
  writeFileSync(
    join(dir, 'package.json'),
    JSON.stringify({ ...others, devDependencies: Object.fromEntries(needed) }),
  );
  for (const lock of ['package-lock.json', 'yarn.lock', 'pnpm-lock.yaml', 'pnpm-workspace.yaml'])
    rmSync(join(dir, lock), { force: true });
  const words = ['install', '--no-fund', '--no-audit', '--ignore-scripts', '--legacy-peer-deps'];
  await run('npm', words, { cwd: dir, maxBuffer: 1 << 26 });
}

export function packageOf(checkout) {
  return JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
}

/** What libpq and its like take from the environment. */
export function environment(port) {
  const { PGDATABASE: _, ...others } = process.env;
  return { ...others, PGHOST: '127.0.0.1', PGPORT: String(port), PGUSER: 'postgres', PGPASSWORD: password };
}

export function lastLines(output, count = 12) {
  return output.trim().split('\n').slice(-count).join('\n');
}

/**
 * Runs a program to its end, whatever its status, and hands each line of its output to `read`. One that says nothing for long is ended
 * with its children. Resolves to whether it ended by itself, and the last that it said.
 */
export function runLines(program, words, { cwd, env, read }) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const end = () => {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    };
    process.once('exit', end);
    let said = '';
    let silent;
    let hung = false;
    const listen = () => {
      clearTimeout(silent);
      silent = setTimeout(() => {
        hung = true;
        end();
      }, silenceMs);
    };
    listen();
    let rest = '';
    child.stdout.on('data', (chunk) => {
      listen();
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      for (const line of lines) read(line);
      said = (said + chunk).slice(-5_000);
    });
    child.stderr.on('data', (chunk) => {
      listen();
      said = (said + chunk).slice(-5_000);
    });
    child.once('error', reject);
    child.once('close', () => {
      clearTimeout(silent);
      process.off('exit', end);
      resolve({ hung, said });
    });
  });
}

/**
 * pytest's outcomes by test; one that is skipped has none. The test in which it hung is a failure, and those behind it have no outcome.
 * Needs pytest in the `python3` that is found, and the modules that the suite asks for.
 */
export async function runPytest(words, { cwd, env }) {
  const results = new Map();
  let begun;
  const read = (line) => {
    const at = line.indexOf('{"pytest":');
    if (at === -1) return;
    const said = JSON.parse(line.slice(at));
    begun = said.pytest;
    if (said.outcome === 'passed') results.set(begun, undefined);
    if (said.outcome === 'failed') results.set(begun, lastLines(said.failure));
    if (said.outcome !== undefined) begun = undefined;
  };
  const program = process.env.PYTHON ?? 'python3';
  const all = ['-m', 'pytest', '-p', 'outcomes', '--tb=short', '-q', ...words];
  const paths = [join(here, 'python'), env.PYTHONPATH].filter(Boolean).join(':');
  const { hung, said } = await runLines(program, all, {
    cwd,
    env: { ...env, PYTHONPATH: paths, PYTHONUNBUFFERED: '1' },
    read,
  });
  if (begun !== undefined) results.set(begun, hung ? 'hangs' : `ended the run:\n${lastLines(said)}`);
  if (results.size === 0) throw new Error(`pytest ran no test:\n${said}`);
  return results;
}

/**
 * Runs a suite that writes a report of all its tests at its end, and reads it. One that has hung wrote none: then what it said last is all
 * that is known.
 */
export async function runReported(program, words, { cwd, env, file, read }) {
  const { hung, said } = await runLines(program, words, { cwd, env, read: () => undefined });
  const results = existsSync(file) ? read(file, cwd) : new Map();
  if (hung) results.set('the run as a whole', `hangs:\n${lastLines(said)}`);
  if (results.size === 0) throw new Error(`it ran no test:\n${said}`);
  return results;
}

/** The report that mocha writes with `--reporter json`. Hooks that fail are counted among the tests. */
export function readMochaReport(file) {
  const results = new Map();
  const { passes, failures } = JSON.parse(readFileSync(file, 'utf8'));
  for (const { fullTitle } of passes) results.set(fullTitle, undefined);
  for (const { fullTitle, err } of failures) results.set(fullTitle, err.message ?? JSON.stringify(err));
  return results;
}

/** The outcomes of `go test`, by package and test; one that is skipped has none. */
export async function runGo(words, { cwd, env }) {
  const results = new Map();
  const output = new Map();
  const begun = new Set();
  const { hung, said } = await runLines(
    'go',
    ['test', '-json', '-count=1', '-p=1', '-timeout=1h', ...words],
    {
      cwd,
      env,
      read: (line) => {
        if (!line.startsWith('{')) return;
        const { Action: action, Package: name, Test: test = '(package)', Output: text } = JSON.parse(line);
        const key = `${name} ${test}`;
        if (action === 'run') begun.add(key);
        if (action === 'output') output.set(key, (output.get(key) ?? '') + text);
        if (action !== 'pass' && action !== 'fail' && action !== 'skip') return;
        begun.delete(key);
        if (action === 'pass' && test !== '(package)') results.set(key, undefined);
        if (action !== 'fail') return;
        // A package fails with any of its tests.
        const counted = [...results].some(
          ([one, failure]) => failure !== undefined && one.startsWith(`${name} `),
        );
        if (test !== '(package)' || !counted) results.set(key, lastLines(output.get(key) ?? 'no output'));
      },
    },
  );
  for (const key of begun) results.set(key, hung ? 'hangs' : 'ended the run');
  if (results.size === 0) throw new Error(`go ran no test:\n${said}`);
  return results;
}
