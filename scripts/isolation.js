/**
 * Runs PostgreSQL's own isolation specs, each on one ordinary server and through a node over three members, and shows where they differ, and
 * whether the members stay together. Linux with apt and postgresql-client, which brings `isolationtester`; the specs are fetched, not
 * kept here. Ends with status 0 when no member was lost, nothing hung, members are equal, and each spec says the same or is in the
 * table of docs/reference/compatibility.md. Words:
 *
 *   --source <folder>    PostgreSQL's sources, where they are there already; otherwise they are fetched with apt
 *   --only a,b,c         these specs
 *   --list               names the specs, and runs none
 *   --keep <folder>      what both have answered, for a look at the differences, and what the node has said
 */

import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureBuilt, ensureInstalled, fail } from './house.js';
import { readExplained } from './regress/explained.js';
import { apart, said } from './regress/members.js';
import { startNode } from './regress/node.js';
import { fetchSources } from './regress/sources.js';

const database = 'isolation_regression';
const major = 15;
/** A step that waits for longer is cancelled by the tester; all of a spec may take ten times as long. */
const stepSeconds = 30;
const specMs = 300_000;

const { values: words } = parseArgs({
  options: {
    source: { type: 'string' },
    only: { type: 'string' },
    list: { type: 'boolean', default: false },
    keep: { type: 'string' },
  },
});

await ensureInstalled();
await ensureBuilt();
const { findPostgres, startServers } = await import('../dist/testing/index.js');
const work = mkdtempSync(join(tmpdir(), 'lockstep-isolation-'));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
process.once('exit', () => rmSync(work, { recursive: true, force: true }));
if (words.keep !== undefined) mkdirSync(words.keep, { recursive: true });
const tester = `/usr/lib/postgresql/${major}/lib/pgxs/src/test/isolation/isolationtester`;
if (!existsSync(tester)) fail(`${tester} is not there: apt-get install postgresql-client-${major}`);
const suite = join(words.source ?? (await fetchSources(major, work)), 'src/test/isolation');
if (!existsSync(join(suite, 'isolation_schedule'))) fail(`${suite} holds no isolation specs`);
const specs = chosen(readFileSync(join(suite, 'isolation_schedule'), 'utf8'));
if (words.list) console.log(specs.join('\n'));
else process.exitCode = (await compareAll()) ? 0 : 1;

/** Whether all is as it must be. */
async function compareAll() {
  const binaries = findPostgres({ prefer: 'system', major });
  const settings = { max_prepared_transactions: '10' };
  const servers = await startServers(4, { user: 'postgres', durable: false, database, binaries, settings });
  const [one, ...members] = servers;
  let node;
  try {
    const log = words.keep === undefined ? undefined : join(words.keep, 'node.log');
    node = await startNode({ members, database, work, log });
    const faults = await compareSpecs(one, node);
    faults.push(...(await atTheEnd(node, members)));
    console.log(faults.length === 0 ? '\nverdict: as it must be' : `\nverdict: ${faults.join('; ')}`);
    return faults.length === 0;
  } finally {
    await node?.stop();
    await Promise.all(servers.map((server) => server.destroy()));
  }
}

/** What is not as it must be, one sentence each. */
async function compareSpecs(one, node) {
  const explained = readExplained('| spec | reason |');
  const tally = new Map();
  const faults = [];
  const unneeded = [];
  console.log('| spec | outcome | seconds, one server and node |\n|---|---|---|');
  for (const name of specs) {
    const plain = await run(name, one.port);
    const through = await run(name, node.port);
    if (words.keep !== undefined) {
      writeFileSync(join(words.keep, `${name}.one.out`), plain.output);
      writeFileSync(join(words.keep, `${name}.node.out`), through.output);
    }
    const lost = node.lost();
    if (lost !== undefined) await node.restored();
    const word =
      lost !== undefined
        ? `lost a member: ${lost}`
        : through.output === plain.output
          ? 'same'
          : through.late
            ? 'hangs'
            : 'differs';
    const reason = word === 'differs' || word === 'hangs' ? explained.get(name) : undefined;
    if (word !== 'same' && reason === undefined) faults.push(`${name}: ${word}`);
    if (word === 'same' && explained.has(name)) unneeded.push(name);
    const outcome = word === 'differs' && reason === undefined ? 'differs, unexplained' : word;
    tally.set(outcome, (tally.get(outcome) ?? 0) + 1);
    const seconds = [plain, through].map(({ ms }) => (ms / 1000).toFixed(1)).join(', ');
    console.log(`| ${name} | ${[outcome, reason].filter(Boolean).join(': ')} | ${seconds} |`);
    if (outcome !== 'same') await clear(one, node);
  }
  console.log(`\n${[...tally].map(([word, count]) => `${word}: ${count}`).join(', ')}`);
  if (unneeded.length > 0) console.log(`listed as different, and the same: ${unneeded.join(', ')}`);
  return faults;
}

/** A spec that was cut short leaves things that the next one cannot make. */
async function clear(one, node) {
  const { PlainClient } = await import('../dist/testing/index.js');
  for (const { port } of [one, node]) {
    const client = await PlainClient.connect({ port, user: 'postgres', database, deadlineMs: 60_000 });
    try {
      const left = await client.query(
        `SELECT format('DROP %s IF EXISTS %s CASCADE', CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass) FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
         UNION ALL SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', p.oid::regprocedure) FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
         UNION ALL SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema|lockstep|public)'`,
      );
      for (const [statement] of left) await client.query(statement);
    } finally {
      client.close();
    }
  }
}

/** Runs the tester at this port. `late`: it was ended. */
async function run(name, port) {
  const path = join(work, 'output');
  const input = openSync(join(suite, 'specs', `${name}.spec`), 'r');
  const output = openSync(path, 'w');
  const since = performance.now();
  const late = await new Promise((resolve, reject) => {
    const child = spawn(tester, [`host=127.0.0.1 port=${port} user=postgres dbname=${database}`], {
      env: { ...process.env, PGISOLATIONTIMEOUT: String(stepSeconds), PGAPPNAME: `isolation/${name}` },
      stdio: [input, output, output],
    });
    closeSync(input);
    closeSync(output);
    let ended = false;
    const timer = setTimeout(() => {
      ended = true;
      child.kill('SIGKILL');
    }, specMs);
    child.once('error', reject);
    child.once('close', () => {
      clearTimeout(timer);
      resolve(ended);
    });
  });
  return { output: readFileSync(path, 'utf8'), late, ms: performance.now() - since };
}

async function atTheEnd(node, members) {
  const faults = [];
  const tell = (what, fault) => {
    console.log(`at the end: ${what}: ${fault ?? 'yes'}`);
    if (fault !== undefined) faults.push(`not ${what}: ${fault.split('\n')[0]}`);
  };
  tell('every member is active', await node.restored());
  tell('members are equal', await apart(members, database));
  const verified = await node.ask('verify');
  tell('verification says equal', verified.status === 0 ? undefined : said(verified));
  return faults;
}

function chosen(schedule) {
  const all = [...schedule.matchAll(/^test: (.*)$/gm)].flatMap(([, names]) => names.trim().split(/\s+/));
  if (words.only === undefined) return all;
  const wanted = words.only.split(',');
  const unknown = wanted.filter((name) => !all.includes(name));
  if (unknown.length > 0) fail(`no such spec: ${unknown.join(', ')}`);
  return all.filter((name) => wanted.includes(name));
}
