/**
 * Runs PostgreSQL's own regression suite, test by test, on one ordinary server and through a node over three members, and shows where
 * they differ, and whether the members stay together. At its end a fourth, empty server is made a member by copying, and all are
 * verified. Linux with apt, gcc, psql and postgresql-server-dev; the suite is fetched, not kept here. Ends with status 0 when no member was
 * lost, nothing hung, members are equal, and each test says the same or is in the table of docs/reference/compatibility.md. Words:
 *
 *   --source <folder>    PostgreSQL's sources, where they are there already; otherwise they are fetched with apt
 *   --only a,b,c         these tests, behind test_setup
 *   --list               names the tests, and runs none
 *   --deadline <s>       what takes longer on the node hangs. Default 600
 *   --verify             members are verified again and again meanwhile
 *   --keep <folder>      what both have answered, for a look at the differences, and what the node has said
 */

import { mkdirSync, mkdtempSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ensureBuilt, ensureInstalled, fail } from './house.js';
import { readExplained } from './regress/explained.js';
import { apart, said } from './regress/members.js';
import { startNode } from './regress/node.js';
import { differingLines, runTest } from './regress/one-test.js';
import { buildLibraries, fetchSources } from './regress/sources.js';

const database = 'regression';
const major = 15;
/** On the ordinary server. */
const plainDeadlineMs = 600_000;
/** Two verifications. */
const betweenMs = 5_000;

const { values: words } = parseArgs({
  options: {
    source: { type: 'string' },
    only: { type: 'string' },
    list: { type: 'boolean', default: false },
    deadline: { type: 'string', default: '600' },
    verify: { type: 'boolean', default: false },
    keep: { type: 'string' },
  },
});

await ensureInstalled();
await ensureBuilt();
const { findPostgres, findPostgresTool, startServers } = await import('../dist/testing/index.js');
const work = mkdtempSync(join(tmpdir(), 'lockstep-regress-'));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
process.once('exit', () => rmSync(work, { recursive: true, force: true }));
if (words.keep !== undefined) mkdirSync(words.keep, { recursive: true });
const suite = join(words.source ?? (await fetchSources(major, work)), 'src/test/regress');
if (!existsSync(join(suite, 'parallel_schedule'))) fail(`${suite} holds no regression suite`);
const tests = chosen(readFileSync(join(suite, 'parallel_schedule'), 'utf8'));
if (words.list) console.log(tests.join('\n'));
else process.exitCode = (await compareAll()) ? 0 : 1;

/** Whether all is as it must be. */
async function compareAll() {
  const psql = findPostgresTool('psql') ?? fail('psql is not installed');
  const places = { psql, suite, libraries: await buildLibraries(suite, work), work, database };
  const binaries = findPostgres({ prefer: 'system', major });
  const servers = await startServers(5, { user: 'postgres', durable: false, database, binaries });
  const [one, empty, ...members] = servers;
  let node;
  const stop = new AbortController();
  try {
    await Promise.all([one, ...members].map(setUp));
    const log = words.keep === undefined ? undefined : join(words.keep, 'node.log');
    node = await startNode({ members, database, work, log });
    const verified = words.verify ? verifyAllTheWhile(node, stop.signal) : undefined;
    const faults = await compareTests({ one, node, places });
    stop.abort();
    faults.push(...((await verified) ?? []));
    faults.push(...(await atTheEnd(node, { members, empty })));
    console.log(faults.length === 0 ? '\nverdict: as it must be' : `\nverdict: ${faults.join('; ')}`);
    return faults.length === 0;
  } finally {
    stop.abort();
    await node?.stop();
    await Promise.all(servers.map((server) => server.destroy()));
  }
}

/** What is not as it must be, one sentence each. */
async function compareTests({ one, node, places }) {
  const explained = readExplained();
  const tally = new Map();
  const faults = [];
  const unneeded = [];
  console.log('| test | outcome | seconds, one server and node |\n|---|---|---|');
  for (const name of tests) {
    const { word, more, seconds } = await compareTest(name, { one, node, places });
    const reason = word === 'differs' ? explained.get(name) : undefined;
    if (word !== 'same' && reason === undefined) faults.push(`${name}: ${word}`);
    if (word === 'same' && explained.has(name)) unneeded.push(name);
    const outcome = word === 'differs' && reason === undefined ? 'differs, unexplained' : word;
    tally.set(outcome, (tally.get(outcome) ?? 0) + 1);
    console.log(
      `| ${name} | ${[outcome, more, reason].filter(Boolean).join(': ')} | ${seconds.join(', ')} |`,
    );
  }
  console.log(`\n${[...tally].map(([word, count]) => `${word}: ${count}`).join(', ')}`);
  if (unneeded.length > 0) console.log(`listed as different, and the same: ${unneeded.join(', ')}`);
  return faults;
}

async function compareTest(name, { one, node, places }) {
  const plain = await runTest(name, { port: one.port, deadlineMs: plainDeadlineMs, places });
  const deadlineMs = Number(words.deadline) * 1000;
  const through = await runTest(name, { port: node.port, deadlineMs, places });
  if (words.keep !== undefined) {
    writeFileSync(join(words.keep, `${name}.one.out`), plain.output);
    writeFileSync(join(words.keep, `${name}.node.out`), through.output);
  }
  const seconds = [plain, through].map(({ ms }) => (ms / 1000).toFixed(1));
  const lost = node.lost();
  if (lost !== undefined) {
    const still = await node.restored();
    const more = `${lost}${still === undefined ? '' : '; it does not come back'}`;
    return { word: 'lost a member', more, seconds };
  }
  if (through.late) return { word: 'hang', more: lastLine(through.output), seconds };
  const lines = differingLines(plain.output, through.output);
  return lines === 0 ? { word: 'same', seconds } : { word: 'differs', more: `${lines} lines`, seconds };
}

/** Members are equal; an empty server that is made like them is equal too. */
async function atTheEnd(node, { members, empty }) {
  const faults = [];
  const tell = (what, fault) => {
    console.log(`at the end: ${what}: ${fault ?? 'yes'}`);
    if (fault !== undefined) faults.push(`not ${what}: ${fault.split('\n')[0]}`);
  };
  tell('every member is active', await node.restored());
  tell('members are equal', await apart(members, database));
  const url = `postgres://127.0.0.1:${empty.port}/${database}`;
  const added = await node.ask('member', 'add', '--id', 'db4', '--url', url, '--strategy', 'full');
  tell('an empty server was made a member', added.status === 0 ? undefined : said(added));
  const verified = await node.ask('verify');
  tell('verification says equal', verified.status === 0 ? undefined : said(verified));
  if (added.status === 0) tell('all four are equal', await apart([...members, empty], database));
  return faults;
}

/** What they have found. */
async function verifyAllTheWhile(node, signal) {
  const faults = [];
  let rounds = 0;
  while (!signal.aborted) {
    const verified = await node.ask('verify');
    rounds += 1;
    // What could not be compared, because it was being changed, says nothing of anybody.
    if (verified.status !== 0 && verified.status !== 6)
      faults.push(`verification ${rounds}: ${said(verified)}`);
    await pause(betweenMs, undefined, { signal }).catch(() => undefined);
  }
  console.log(`\n${rounds} verifications meanwhile`);
  return faults;
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

/** In the order of the schedule, one behind the other. */
function chosen(schedule) {
  const all = [...schedule.matchAll(/^test: (.*)$/gm)].flatMap(([, names]) => names.trim().split(/\s+/));
  if (words.only === undefined) return all;
  const wanted = words.only.split(',');
  const unknown = wanted.filter((name) => !all.includes(name));
  if (unknown.length > 0) fail(`no such test: ${unknown.join(', ')}`);
  return all.filter((name) => name === 'test_setup' || wanted.includes(name));
}

function lastLine(output) {
  return output.trimEnd().split('\n').at(-1)?.slice(0, 100) ?? '';
}
