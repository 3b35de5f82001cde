/**
 * Runs PostgreSQL's own regression suite, test by test, on one ordinary server and through a node over three members, and shows where
 * they differ, and whether the members stay together. Linux with apt, gcc and postgresql-server-dev; the suite is fetched, not kept here.
 * Words:
 *
 *   --source <folder>    PostgreSQL's sources, where they are there already; otherwise they are fetched with apt
 *   --only a,b,c         these tests, behind test_setup
 *   --list               names the tests, and runs none
 *   --deadline <s>       what takes longer on the node hangs. Default 120
 *   --keep <folder>      what both have answered, for a look at the differences
 */

import { execFile, spawn } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { ensureBuilt, ensureInstalled, fail } from './house.js';

const run = promisify(execFile);
const program = join(dirname(fileURLToPath(import.meta.url)), '../bin/lockstep.js');
const database = 'regression';
const major = 15;
const backMs = 30_000;

const { values: words } = parseArgs({
  options: {
    source: { type: 'string' },
    only: { type: 'string' },
    list: { type: 'boolean', default: false },
    deadline: { type: 'string', default: '120' },
    keep: { type: 'string' },
  },
});

await ensureInstalled();
await ensureBuilt();
const { compareMembers, describeDifferences, findPostgres, findPostgresTool, PlainClient, startServers } =
  await import('../dist/testing/index.js');
const work = mkdtempSync(join(tmpdir(), 'lockstep-regress-'));
try {
  const suite = join(words.source ?? (await fetchSources()), 'src/test/regress');
  if (!existsSync(join(suite, 'parallel_schedule'))) fail(`${suite} holds no regression suite`);
  const tests = chosen(readFileSync(join(suite, 'parallel_schedule'), 'utf8'));
  if (words.list) console.log(tests.join('\n'));
  else await compareAll(suite, tests);
} finally {
  rmSync(work, { recursive: true, force: true });
}

async function compareAll(suite, tests) {
  const libraries = await buildLibraries(suite);
  const binaries = findPostgres({ prefer: 'system', major });
  const servers = await startServers(4, { user: 'postgres', durable: false, database, binaries });
  let node;
  try {
    await Promise.all(servers.map(setUp));
    const [one, ...members] = servers;
    node = await startNode(members);
    const tally = {};
    console.log('| test | outcome |\n|---|---|');
    for (const name of tests) {
      const outcome = await compareTest({ name, suite, libraries, one, node });
      tally[outcome.word] = (tally[outcome.word] ?? 0) + 1;
      console.log(`| ${name} | ${[outcome.word, outcome.more].filter(Boolean).join(': ')} |`);
    }
    console.log(
      `\n${Object.entries(tally)
        .map(([word, count]) => `${word}: ${count}`)
        .join(', ')}`,
    );
    console.log(
      `at the end: ${(await node.restored()) ?? 'every member is active'}; ${await apart(members)}`,
    );
  } finally {
    await node?.stop();
    await Promise.all(servers.map((server) => server.destroy()));
  }
}

/** As the suite's own driver prepares a database. */
async function setUp(server) {
  const settings = {
    lc_messages: 'C',
    lc_monetary: 'C',
    lc_numeric: 'C',
    lc_time: 'C',
    bytea_output: 'hex',
    timezone_abbreviations: 'Default',
    TimeZone: 'PST8PDT',
    DateStyle: 'Postgres, MDY',
    IntervalStyle: 'postgres_verbose',
  };
  for (const [name, value] of Object.entries(settings))
    await server.query(`ALTER DATABASE ${database} SET ${name} TO '${value}'`);
}

async function compareTest({ name, suite, libraries, one, node }) {
  const script = join(work, `${name}.sql`);
  writeFileSync(script, ownFiles(readFileSync(join(suite, 'sql', `${name}.sql`), 'utf8'), suite));
  const ask = (port, deadlineMs) => psql({ script, port, suite, libraries, deadlineMs });
  const plain = await ask(one.port, 600_000);
  const through = await ask(node.port, Number(words.deadline) * 1000);
  if (words.keep !== undefined) {
    mkdirSync(words.keep, { recursive: true });
    writeFileSync(join(words.keep, `${name}.one.out`), plain.output);
    writeFileSync(join(words.keep, `${name}.node.out`), through.output);
  }
  const lost = await node.lost();
  if (lost !== undefined) {
    const back = await node.restored();
    return { word: 'lost a member', more: `${lost}${back === undefined ? '' : '; it does not come back'}` };
  }
  if (through.late) return { word: 'hang', more: lastStatement(through.output) };
  const lines = differing(plain.output, through.output);
  return lines === 0 ? { word: 'same' } : { word: 'differs', more: `${lines} lines` };
}

/** Files are read and written where psql runs: the server's files are not those of every member. */
function ownFiles(sql, suite) {
  const names = new Map();
  const places = { abs_srcdir: suite, abs_builddir: work };
  for (const [, name, place, path] of sql.matchAll(/^\\set (\w+) :(\w+) '([^']*)'/gm))
    if (places[place] !== undefined) names.set(name, `${places[place]}${path}`);
  return sql.replaceAll(/^COPY ([^;]*?)\b(FROM|TO) :'(\w+)'([^;]*);/gim, (whole, what, way, name, rest) => {
    const path = names.get(name);
    return path === undefined ? whole : `\\copy ${`${what}${way} '${path}'${rest}`.replaceAll(/\s+/g, ' ')}`;
  });
}

/** What it says, with errors in their places. Late: it was ended. */
function psql({ script, port, suite, libraries, deadlineMs }) {
  const tool = findPostgresTool('psql') ?? fail('psql is not installed');
  const tokens = [
    '-X',
    '-a',
    '-q',
    '-d',
    database,
    '-v',
    'HIDE_TABLEAM=on',
    '-v',
    'HIDE_TOAST_COMPRESSION=on',
  ];
  const env = {
    ...process.env,
    PGHOST: '127.0.0.1',
    PGPORT: String(port),
    PGUSER: 'postgres',
    PG_ABS_SRCDIR: suite,
    PG_ABS_BUILDDIR: work,
    PG_LIBDIR: libraries,
    PG_DLSUFFIX: '.so',
  };
  // Both into one file, so that errors stand where they belong.
  const path = join(work, 'output');
  const file = openSync(path, 'w');
  return new Promise((resolve) => {
    const child = spawn(tool, [...tokens, '-f', script], { env, cwd: work, stdio: ['ignore', file, file] });
    closeSync(file);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, deadlineMs);
    child.once('close', () => {
      clearTimeout(timer);
      resolve({ output: withoutOwn(readFileSync(path, 'utf8')), late });
    });
  });
}

/** psql names the file in its errors, and shows Lockstep's triggers with the table's own. */
function withoutOwn(output) {
  return output
    .replaceAll(/^psql:[^:\n]*:\d+: /gm, '')
    .replaceAll(/^    "!lockstep_.*\n/gm, '')
    .replaceAll(/^Triggers:\n(?!    ")/gm, '');
}

async function startNode(members) {
  const file = join(work, 'lockstep.yaml');
  const config = {
    cluster: database,
    dialect: 'postgres',
    username: 'postgres',
    members: members.map(({ port }, index) => ({
      id: `db${index + 1}`,
      url: `postgres://127.0.0.1:${port}/${database}`,
    })),
    listen: { postgres: '127.0.0.1:0' },
    state: './state',
  };
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  const child = spawn(process.execPath, [program, 'serve', '--config', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const port = await new Promise((resolve, reject) => {
    for (const output of [child.stdout, child.stderr])
      output.on('data', (chunk) => {
        said = (said + chunk).slice(-100_000);
        const found = /"address":"[^"]*?:(\d+)"/.exec(said);
        if (found) resolve(Number(found[1]));
      });
    child.once('exit', (status) => reject(new Error(`the node ended with status ${status}:\n${said}`)));
  });
  /** Which member is not active, and why; undefined: each of them is. */
  const lost = async () => {
    if (child.exitCode !== null) return `the node ended:\n${said.slice(-2_000)}`;
    const { stdout } = await run(process.execPath, [program, 'status', '--json', '--config', file]).catch(
      (error) => error,
    );
    if (!stdout) return 'the node does not answer';
    const out = JSON.parse(stdout).members.filter(({ active }) => !active);
    return out.length === 0 ? undefined : out.map(({ id, reason }) => `${id}: ${reason}`).join('; ');
  };
  return {
    port,
    lost,
    /** Lets it bring back what it can; what is lost then. */
    restored: async () => {
      for (let tries = 0; ; tries++) {
        const still = await lost();
        if (still === undefined || tries * 1_000 > backMs) return still;
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
    },
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null) return resolve();
        child.once('exit', resolve);
        return child.kill();
      }),
  };
}

/** Every definition, sequence and row, asked of the members themselves. */
async function apart(members) {
  const open = await Promise.all(
    members.map(({ port }) => PlainClient.connect({ port, user: 'postgres', database, deadlineMs: 300_000 })),
  );
  try {
    const asks = open.map((client, index) => [`db${index + 1}`, (sql) => client.query(sql)]);
    const found = await compareMembers(Object.fromEntries(asks), { rowsMax: 5 });
    return found.length === 0
      ? 'members are equal'
      : `members differ in ${found.length} things:\n${describeDifferences(found)}`;
  } catch (error) {
    return `members could not be compared: ${error.message}`;
  } finally {
    for (const client of open) client.close();
  }
}

/** In the order of the schedule, one behind the other. */
function chosen(schedule) {
  const all = [...schedule.matchAll(/^test: (.*)$/gm)].flatMap(([, names]) => names.trim().split(/\s+/));
  if (words.only === undefined) return all;
  const wanted = words.only.split(',');
  const unknown = wanted.filter((name) => !all.includes(name));
  if (unknown.length > 0) fail(`no such test: ${unknown.join(', ')}`);
  return all.filter((name) => name === 'test_setup' || wanted.includes(name));
}

/** Lines that only one of them has said, where they are told apart by their order. */
function differing(a, b) {
  const [left, right] = [a.split('\n'), b.split('\n')];
  const counts = new Map();
  for (const line of left) counts.set(line, (counts.get(line) ?? 0) + 1);
  for (const line of right) counts.set(line, (counts.get(line) ?? 0) - 1);
  const only = [...counts.values()].reduce((sum, count) => sum + Math.abs(count), 0);
  return only > 0 || a === b ? only : 1;
}

function lastStatement(output) {
  return output.trimEnd().split('\n').at(-1)?.slice(0, 100) ?? '';
}

/** Functions in C that some tests need, and those that the server brings along, in one folder. */
async function buildLibraries(suite) {
  const folder = join(work, 'libraries');
  mkdirSync(folder);
  const config = (word) => run('pg_config', [word]).then(({ stdout }) => stdout.trim());
  const include = await config('--includedir-server').catch(() => fail('pg_config is not installed'));
  const installed = await config('--pkglibdir');
  for (const name of readdirSync(installed)) {
    if (name.endsWith('.so')) symlinkSync(join(installed, name), join(folder, name));
  }
  const output = join(folder, 'regress.so');
  rmSync(output, { force: true });
  await run('cc', [
    '-shared',
    '-fPIC',
    '-w',
    `-I${include}`,
    `-I${suite}`,
    '-o',
    output,
    join(suite, 'regress.c'),
  ]).catch((error) =>
    console.error(`regress.c could not be built, tests that need it fail on both: ${error.message}`),
  );
  // The servers may run under another account.
  await run('chmod', ['-R', 'a+rX', work]);
  return folder;
}

/** With apt's own sources of packages, asked for sources too; nothing of the machine's settings is changed. */
async function fetchSources() {
  const apt = join(work, 'apt');
  for (const folder of ['parts', 'lists/partial', 'cache/archives/partial'])
    mkdirSync(join(apt, folder), { recursive: true });
  for (const name of existsSync('/etc/apt/sources.list.d') ? readdirSync('/etc/apt/sources.list.d') : [])
    copySources(join('/etc/apt/sources.list.d', name), join(apt, 'parts', name));
  copySources('/etc/apt/sources.list', join(apt, 'parts', 'main.list'));
  const settings = [
    '-o',
    'Dir::Etc::sourcelist=/dev/null',
    '-o',
    `Dir::Etc::sourceparts=${join(apt, 'parts')}`,
    '-o',
    `Dir::State::lists=${join(apt, 'lists')}`,
    '-o',
    `Dir::Cache=${join(apt, 'cache')}`,
  ];
  const name = `postgresql-${major}`;
  console.error('fetching the sources ...');
  const quiet = { cwd: apt, maxBuffer: 1 << 26 };
  await run('apt-get', [...settings, 'update', '-qq'], quiet).catch((error) =>
    fail(`apt-get update: ${error.stderr}`),
  );
  const { stdout } = await run('apt-cache', [...settings, 'showsrc', '--only-source', name], quiet);
  // A mirror may list more than it has.
  const versions = new Set(stdout.match(/(?<=^Version: ).*$/gm));
  for (const version of versions) {
    if (
      await run('apt-get', [...settings, 'source', '-qq', `${name}=${version}`], quiet).catch(() => undefined)
    )
      break;
  }
  const unpacked = readdirSync(apt).find((file) => file.startsWith(`${name}-`));
  if (unpacked === undefined)
    fail(`no sources of ${name} could be fetched and unpacked: give them with --source <folder>`);
  return join(apt, unpacked);
}

function copySources(from, to) {
  if (!existsSync(from)) return;
  const text = readFileSync(from, 'utf8');
  // Of the distribution's own alone: others have no sources of this package.
  if (!/debian|ubuntu/i.test(text)) return;
  cpSync(from, to);
  writeFileSync(to, text.replaceAll(/^Types:.*$/gm, 'Types: deb-src').replaceAll(/^deb /gm, 'deb-src '));
}
