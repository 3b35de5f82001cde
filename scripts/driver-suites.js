/**
 * Runs the public test suites of node-postgres and postgres.js on one ordinary server and on a node over three members,
 * and shows where they differ. Needs git and npm. Words:
 *
 *   --node-postgres <url>, --postgres.js <url>   where their repositories are, or copies of them
 *   --only node-postgres | postgres.js           one of them
 *   --reads primary                              no reads on replicas, which pg_stat_activity of the primary does not show
 */

import { execFile, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { ensureBuilt, ensureInstalled, fail } from './house.js';

const here = dirname(fileURLToPath(import.meta.url));
const run = promisify(execFile);
const database = 'postgres_js_test';
const password = 'secret';
/** With the passwords that the suites have for them; the first is used with PGPASSWORD. */
const users = {
  [database]: password,
  postgres_js_test_md5: 'postgres_js_test_md5',
  postgres_js_test_scram: 'postgres_js_test_scram',
  scram_test: 'scram_test',
};
/** A file of node-postgres waits for the server's authentication_timeout, which is a minute. */
const fileTimeoutMs = 90_000;

const { values: words } = parseArgs({
  options: {
    'node-postgres': { type: 'string', default: 'https://github.com/brianc/node-postgres' },
    'postgres.js': { type: 'string', default: 'https://github.com/porsager/postgres' },
    only: { type: 'string' },
    reads: { type: 'string', default: 'anywhere' },
  },
});

await ensureInstalled();
await ensureBuilt();
const { findPostgres, startServers } = await import('../dist/testing/index.js');
const work = mkdtempSync(join(tmpdir(), 'lockstep-suites-'));
const suites = { 'node-postgres': prepareNodePostgres, 'postgres.js': preparePostgresJs };
const servers = await startServers(4, {
  user: 'postgres',
  password,
  database,
  durable: false,
  binaries: findPostgres({ prefer: 'system' }),
});
let node;
try {
  for (const server of servers) {
    for (const [name, secret] of Object.entries(users))
      await server.query(`CREATE USER ${name} PASSWORD '${secret}'`);
    await server.query(`ALTER DATABASE ${database} OWNER TO ${database}`);
  }
  const [one, ...members] = servers;
  node = await startNode(members);
  for (const [name, prepare] of Object.entries(suites)) {
    if (words.only !== undefined && words.only !== name) continue;
    console.log(`\n${name}: fetching`);
    const suite = await prepare(join(work, name));
    const plain = await suite(one.port, 'one server');
    compare(plain, await suite(node.port, 'Lockstep'));
  }
} finally {
  await node?.stop();
  await Promise.all(servers.map((server) => server.destroy()));
  rmSync(work, { recursive: true, force: true });
}

async function startNode(members) {
  const config = {
    // The suites also ask for the database "postgres": a cluster answers to its own name and to that of its database.
    cluster: 'postgres',
    dialect: 'postgres',
    username: 'postgres',
    password,
    members: members.map(({ port }, index) => ({
      id: `db${index + 1}`,
      url: `postgres://127.0.0.1:${port}/${database}`,
      weight: index > 0 && words.reads === 'primary' ? 0 : 1,
    })),
    clients: ['postgres', ...Object.entries(users).map(([name, secret]) => ({ name, password: secret }))],
    listen: { postgres: '127.0.0.1:0' },
    state: './state',
  };
  const file = join(work, 'lockstep.yaml');
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  const program = join(here, '../bin/lockstep.js');
  const child = spawn(process.execPath, [program, 'serve', '--config', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const port = await new Promise((resolve, reject) => {
    for (const output of [child.stdout, child.stderr]) {
      output.on('data', (chunk) => {
        said = (said + chunk).slice(-100_000);
        const found = /"address":"[^"]*?:(\d+)"/.exec(said);
        if (found) resolve(Number(found[1]));
      });
    }
    child.once('exit', (status) => reject(new Error(`the node ended with status ${status}:\n${said}`)));
  });
  const stop = () =>
    new Promise((resolve) => {
      child.once('exit', resolve);
      child.kill();
    });
  return { port, stop };
}

/** The tests of the repository beside the package as it is published. Resolves to what runs them. */
async function prepareNodePostgres(dir) {
  const checkout = await clone('node-postgres', `${dir}.git`);
  const { version, devDependencies } = JSON.parse(
    readFileSync(join(checkout, 'packages/pg/package.json'), 'utf8'),
  );
  const needed = ['async', 'bluebird', 'co', 'pg-copy-streams'].map((name) => [name, devDependencies[name]]);
  await install(dir, { pg: `^${version}`, ...Object.fromEntries(needed) });
  const home = join(dir, 'node_modules/pg');
  cpSync(join(checkout, 'packages/pg/test'), join(home, 'test'), { recursive: true });
  const files = readdirSync(join(home, 'test/integration'), { recursive: true }).filter((file) =>
    /-tests\.js$/.test(file),
  );
  return async (port, where) => {
    const results = new Map();
    for (const file of files.toSorted()) {
      const env = {
        ...environment(port),
        PGDATABASE: database,
        PGTESTNOSSL: 'true',
        SCRAM_TEST_PGUSER: 'scram_test',
        SCRAM_TEST_PGPASSWORD: users.scram_test,
      };
      const failure = await run(process.execPath, [join('test/integration', file)], {
        cwd: home,
        env,
        timeout: fileTimeoutMs,
      }).then(
        () => undefined,
        (error) => lastLines(`${error.stdout}${error.stderr}`),
      );
      results.set(file, failure);
    }
    return report('node-postgres', where, results);
  };
}

/** The repository with another runner: its own passes over everything behind the first failure. */
async function preparePostgresJs(dir) {
  const checkout = await clone('postgres.js', dir);
  for (const file of ['test.js', 'bootstrap.js'])
    cpSync(join(here, 'suites/postgres-js', file), join(checkout, 'tests', file));
  const path = join(checkout, 'tests/index.js');
  const tests = readFileSync(path, 'utf8');
  return async (port, where) => {
    writeFileSync(path, tests.replaceAll('5432', String(port)));
    const { stdout } = await run(process.execPath, ['index.js'], {
      cwd: join(checkout, 'tests'),
      env: environment(port),
      maxBuffer: 1 << 26,
    });
    const lines = stdout
      .split('\n')
      .flatMap((line) => (line.startsWith('{"test":') ? [JSON.parse(line)] : []));
    return report('postgres.js', where, new Map(lines.map(({ test, failure }) => [test, failure])));
  };
}

async function clone(name, dir) {
  await run('git', ['clone', '--quiet', '--depth', '1', words[name], dir]).catch((error) =>
    fail(`${name} could not be fetched: ${error.stderr}\nGive another place with --${name} <url or folder>.`),
  );
  return dir;
}

async function install(dir, dependencies) {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ private: true, dependencies }));
  await run('npm', ['install', '--no-fund', '--no-audit', '--ignore-scripts'], { cwd: dir });
}

function environment(port) {
  const { PGDATABASE: _, ...others } = process.env;
  return { ...others, PGHOST: '127.0.0.1', PGPORT: String(port), PGUSER: 'postgres', PGPASSWORD: password };
}

function report(name, where, results) {
  const failed = [...results.values()].filter((failure) => failure !== undefined);
  console.log(`${name} on ${where}: ${results.size - failed.length} of ${results.size} pass`);
  return results;
}

/** What fails only where Lockstep stands in front; and what fails on the ordinary server, by name. */
function compare(plain, lockstep) {
  for (const [name, failure] of lockstep) {
    if (failure === undefined) continue;
    if (plain.get(name) !== undefined) console.log(`  fails on both: ${name}`);
    else console.log(`  fails through Lockstep: ${name}\n${failure.replaceAll(/^/gm, '      ')}`);
  }
  for (const [name, failure] of plain) {
    if (failure !== undefined && lockstep.get(name) === undefined)
      console.log(`  fails on one server only: ${name}`);
  }
}

function lastLines(output) {
  return output.trim().split('\n').slice(-12).join('\n');
}
