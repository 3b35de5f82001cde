/**
 * Runs the public test suites of drivers and of libraries over them, each on one ordinary server and through a node over three members,
 * shows where they differ, and whether the members stayed together: ends with status 1 when one was taken out or differs. The suites are
 * fetched, not kept here. Needs git and npm, and what the file of each suite in `suites/` says. Words:
 *
 *   --only a,b             these suites
 *   --list                 names the suites, and runs none
 *   --from <name>=<url>    where the repository of a suite is, or a folder that is one; may be said more than once
 *   --reads primary        no reads on replicas, which pg_stat_activity of the primary does not show
 *   --keep <folder>        the outcome of every test, and what the node has said
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureBuilt, ensureInstalled, fail } from './house.js';
import { startNode } from './regress/node.js';
import { kysely } from './suites/kysely.js';
import { nodePostgres } from './suites/node-postgres.js';
import { postgresJs } from './suites/postgres-js.js';
import { pq } from './suites/pq.js';
import { psycopg } from './suites/psycopg.js';
import { psycopg2 } from './suites/psycopg2.js';
import { clone, password } from './suites/tools.js';

const suites = {
  'node-postgres': nodePostgres,
  'postgres.js': postgresJs,
  psycopg,
  psycopg2,
  'lib/pq': pq,
  kysely,
};

const { values: words } = parseArgs({
  options: {
    only: { type: 'string' },
    list: { type: 'boolean', default: false },
    from: { type: 'string', multiple: true, default: [] },
    reads: { type: 'string', default: 'anywhere' },
    keep: { type: 'string' },
  },
});
const places = new Map(words.from.map((pair) => pair.split(/=(.*)/s)));
const wanted = words.only?.split(',') ?? Object.keys(suites);
for (const name of [...wanted, ...places.keys()])
  if (!(name in suites)) fail(`no such suite: ${name}. There are ${Object.keys(suites).join(', ')}`);

if (words.list) console.log(wanted.join('\n'));
else await runAll();

async function runAll() {
  await ensureInstalled();
  await ensureBuilt();
  const work = mkdtempSync(join(tmpdir(), 'lockstep-suites-'));
  process.once('exit', () => rmSync(work, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
  if (words.keep !== undefined) mkdirSync(words.keep, { recursive: true });
  for (const name of wanted) {
    console.log(`\n${name}: fetching`);
    const suite = suites[name];
    const checkout = await clone(name, places.get(name) ?? suite.url, join(work, `${slug(name)}.git`));
    const runIt = await suite.prepare(checkout, join(work, slug(name)));
    const servers = await startFor(suite);
    try {
      await compareOn(servers, { name, suite, runIt, work });
    } finally {
      await Promise.all(servers.map((server) => server.destroy()));
    }
  }
}

/** An ordinary server and three to be members, new for each suite. */
async function startFor({ database, users = {}, owner, prepareServer }) {
  const { findPostgres, startServers } = await import('../dist/testing/index.js');
  const binaries = findPostgres({ prefer: 'system' });
  const servers = await startServers(4, { user: 'postgres', password, database, durable: false, binaries });
  for (const server of servers) {
    for (const [name, secret] of Object.entries(users))
      await server.query(`CREATE USER ${name} PASSWORD '${secret}'`);
    if (owner !== undefined) await server.query(`ALTER DATABASE ${database} OWNER TO ${owner}`);
    await prepareServer?.(server);
  }
  return servers;
}

async function compareOn([one, ...members], { name, suite, runIt, work }) {
  const plain = report(name, 'one server', await runIt(one.port, one));
  const log = words.keep === undefined ? undefined : join(words.keep, `${slug(name)}.node.log`);
  const { users = {}, database } = suite;
  const clients = Object.entries({ postgres: undefined, ...users }).map(([user, secret]) =>
    secret === undefined ? user : { name: user, password: secret },
  );
  // Some suites also ask for the database "postgres": a cluster answers to its own name and to that of its database.
  const settings = { cluster: 'postgres', password, clients };
  const node = await startNode({
    members,
    database,
    work,
    log,
    settings,
    primaryReads: words.reads === 'primary',
  });
  try {
    const through = report(name, 'Lockstep', await runIt(node.port, members[0]));
    compare(plain, through);
    const lost = node.lost();
    const still = await node.restored();
    const verified = await node.ask('verify');
    console.log(`  members taken out meanwhile: ${lost ?? 'none'}`);
    console.log(`  every member is active: ${still ?? 'yes'}`);
    console.log(
      `  members are equal: ${verified.status === 0 ? 'yes' : `${verified.stdout}${verified.stderr}`}`,
    );
    if ((lost ?? still) !== undefined || verified.status !== 0) process.exitCode = 1;
  } finally {
    await node.stop();
  }
}

/** As part of a file's name. */
function slug(name) {
  return name.replace('/', '-');
}

function report(name, where, results) {
  const failed = [...results.values()].filter((failure) => failure !== undefined);
  console.log(`${name} on ${where}: ${results.size - failed.length} of ${results.size} pass`);
  if (words.keep !== undefined) {
    const file = join(words.keep, `${slug(name)}.${where.replace(' ', '-')}.json`);
    writeFileSync(
      file,
      JSON.stringify(
        [...results].map(([test, failure]) => ({ test, failure })),
        null,
        1,
      ),
    );
  }
  return results;
}

/**
 * What fails only where Lockstep stands in front, those of one reason together; what has no outcome there; and what fails on the ordinary
 * server, by name.
 */
function compare(plain, lockstep) {
  const reasons = new Map();
  for (const [name, failure] of lockstep) {
    if (failure === undefined) continue;
    if (plain.get(name) !== undefined) console.log(`  fails on both: ${name}`);
    else reasons.set(failure.trim(), [...(reasons.get(failure.trim()) ?? []), name]);
  }
  for (const [failure, names] of reasons) {
    for (const name of names) console.log(`  fails through Lockstep: ${name}`);
    console.log(failure.replaceAll(/^/gm, '      '));
  }
  for (const [name, failure] of plain) {
    if (!lockstep.has(name)) console.log(`  is not run through Lockstep: ${name}`);
    else if (failure !== undefined && lockstep.get(name) === undefined)
      console.log(`  fails on one server only: ${name}`);
  }
}
