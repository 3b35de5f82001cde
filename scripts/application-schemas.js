/**
 * Loads the schemas that Debian packages for applications, each on one ordinary server and through a node over three members, and shows
 * how long both took. Afterwards the members have to be equal. Fetches the packages; needs apt-get, dpkg and psql. Words:
 *
 *   --only <name>    one of them
 *   --rounds <n>     how often each is loaded, in turn; the figures are medians
 *   --debs <dir>     where the packages are, fetched before
 */

import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { ensureBuilt, ensureInstalled } from './house.js';

const program = join(dirname(fileURLToPath(import.meta.url)), '../bin/lockstep.js');
const run = promisify(execFile);
const user = 'postgres';
const database = 'applications';

/** Where each package keeps its schema, and how the file is read. */
const schemas = {
  bacula: {
    package: 'bacula-director-pgsql',
    file: 'usr/share/bacula-director/make_postgresql_tables',
    // A script of the shell, which hands the statements to psql.
    read: (bytes) => /<<END-OF-DATA\n(.*?)\nEND-OF-DATA/s.exec(bytes.toString())?.[1] ?? '',
  },
  freeradius: {
    package: 'freeradius-config',
    file: 'etc/freeradius/3.0/mods-config/sql/main/postgresql/schema.sql',
  },
  icinga2: {
    package: 'icinga2-ido-pgsql',
    file: 'usr/share/icinga2-ido-pgsql/schema/pgsql.sql',
  },
  pdns: {
    package: 'pdns-backend-pgsql',
    file: 'usr/share/pdns-backend-pgsql/schema/schema.pgsql.sql',
  },
  roundcube: {
    package: 'roundcube-core',
    file: 'usr/share/roundcube/SQL/postgres.initial.sql',
  },
  rsyslog: {
    package: 'rsyslog-pgsql',
    file: 'usr/share/dbconfig-common/data/rsyslog-pgsql/install/pgsql',
  },
  zabbix: {
    package: 'zabbix-server-pgsql',
    file: 'usr/share/zabbix-server-pgsql/schema.sql.gz',
    read: (bytes) => gunzipSync(bytes).toString(),
  },
};

const { values: words } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    debs: { type: 'string' },
  },
});

await ensureInstalled();
await ensureBuilt();
const { findPostgres, startServers } = await import('../dist/testing/index.js');
const work = mkdtempSync(join(tmpdir(), 'lockstep-schemas-'));
const wanted = Object.entries(schemas).filter(([name]) => words.only === undefined || words.only === name);
const servers = await startServers(4, { user, database, binaries: findPostgres({ prefer: 'system' }) });
let node;
try {
  const [one, ...members] = servers;
  node = await startNode(members);
  console.log('medians in seconds: one server, Lockstep over three members, ratio');
  for (const [name, schema] of wanted) {
    const file = join(work, `${name}.sql`);
    writeFileSync(file, await fetched(schema));
    const took = { direct: [], lockstep: [] };
    for (let round = 0; round < Number(words.rounds); round++) {
      took.direct.push(await load(one.port, file, `${name}_${round}`));
      took.lockstep.push(await load(node.port, file, `${name}_${round}`));
    }
    const [direct, lockstep] = [median(took.direct), median(took.lockstep)];
    console.log(
      `${name.padEnd(10)} ${direct.toFixed(2).padStart(7)} ${lockstep.toFixed(2).padStart(7)} ${(lockstep / direct).toFixed(1).padStart(5)} ×`,
    );
  }
  const { stdout } = await run(process.execPath, [program, 'verify', '--config', node.file]);
  console.log(stdout.trim());
} finally {
  await node?.stop();
  await Promise.all(servers.map((server) => server.destroy()));
  rmSync(work, { recursive: true, force: true });
}

/** Each time into a schema of its own: the names in the file have none in front of them. */
async function load(port, file, name) {
  const env = {
    ...process.env,
    PGHOST: '127.0.0.1',
    PGPORT: String(port),
    PGUSER: user,
    PGDATABASE: database,
  };
  const psql = (words, options = '') =>
    run('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', ...words], {
      env: { ...env, PGOPTIONS: options },
      maxBuffer: 1 << 28,
    });
  await psql(['-c', `CREATE SCHEMA ${name}`]);
  const begun = performance.now();
  await psql(['-f', file], `-c search_path=${name}`);
  return (performance.now() - begun) / 1000;
}

async function fetched({ package: name, file, read = (bytes) => bytes.toString() }) {
  const dir = words.debs ?? work;
  const found = () => readdirSync(dir).find((one) => one.startsWith(`${name}_`) && one.endsWith('.deb'));
  if (found() === undefined) await run('apt-get', ['download', name], { cwd: dir });
  const unpacked = join(work, name);
  mkdirSync(unpacked);
  await run('dpkg', ['-x', join(dir, found()), unpacked]);
  return read(readFileSync(join(unpacked, file)));
}

async function startNode(members) {
  const file = join(work, 'lockstep.yaml');
  const config = {
    cluster: database,
    dialect: 'postgres',
    username: user,
    members: members.map(({ port }, at) => ({
      id: `db${at + 1}`,
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
  const stop = () =>
    new Promise((resolve) => {
      child.once('exit', resolve);
      child.kill();
    });
  return { file, port, stop };
}

function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}
