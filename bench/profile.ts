/**
 * Where the time goes under one workload: V8's own sampling profile of the node, as tables of self time, and the
 * statements that the members spent most time on, as they counted them.
 */

import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PostgresServer } from '../src/testing/index.ts';
import type { BenchOptions } from './options.ts';
import type { Stage } from './stage.ts';
import { systemPlans } from './systems/index.ts';
import type { SystemName } from './systems/index.ts';
import type { Measurement } from './throughput.ts';
import { measure } from './throughput.ts';
import { workloads } from './workloads.ts';
import type { WorkloadName } from './workloads.ts';

export interface ProfileResult {
  readonly system: string;
  readonly workload: string;
  readonly clients: number;
  readonly measurement: Measurement;
  /** Share of the time in which the node was not idle, the largest first. */
  readonly functions: readonly SelfTime[];
  readonly files: readonly SelfTime[];
  /** Share of the whole time. */
  readonly busy: number;
  readonly statements: readonly StatementTime[];
}

export interface StatementTime {
  /** `primary` or `replica`: what the member was at the start. */
  readonly member: string;
  readonly sql: string;
  readonly callsPerTransaction: number;
  /** Planning and executing, of each call; nested statements are also in the one that ran them. */
  readonly meanMicroseconds: number;
  readonly microsecondsPerTransaction: number;
}

/** What the servers need to count statements. */
export const profileSettings = {
  shared_preload_libraries: 'pg_stat_statements',
  'pg_stat_statements.track': 'all',
  'pg_stat_statements.track_planning': 'on',
};

export interface SelfTime {
  readonly name: string;
  readonly share: number;
  readonly microsecondsPerTransaction: number;
}

interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}

/** As V8 writes it; times are microseconds of the monotonic clock, which all processes share. */
interface CpuProfile {
  readonly startTime: number;
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: CallFrame;
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const warmUpSeconds = 4;
const secondsMin = 8;
const database = 'b_profile';
const usual: readonly WorkloadName[] = ['select', 'tpcb'];

export async function profileNode(
  stage: Stage,
  names: readonly SystemName[],
  options: BenchOptions,
): Promise<readonly ProfileResult[]> {
  const results: ProfileResult[] = [];
  const clients = options.clients.includes(8) ? 8 : (options.clients[0] ?? 8);
  const chosen = usual.filter((name) => options.workloads.includes(name));
  const subject = names.findLast((name) => name.startsWith('lockstep'));
  for (const name of subject === undefined ? [] : chosen.length > 0 ? chosen : options.workloads) {
    const { members, start } = systemPlans[subject ?? 'lockstep3'];
    const databases = await stage.makeDatabases(members, database, options.scale);
    const dir = stage.emptyDirectory('profile');
    const profiles = join(dir, 'profiles');
    mkdirSync(profiles);
    const nodeWords = ['--cpu-prof', `--cpu-prof-dir=${profiles}`];
    const system = await start(databases, { dir, program: options.program, clientsMax: clients, nodeWords });
    const plan = { workload: workloads[name], clients };
    await measure(stage, system, plan, warmUpSeconds);
    await Promise.all(stage.servers.map((server) => forgetStatements(server)));
    const from = monotonicMicroseconds();
    const measurement = await measure(stage, system, plan, Math.max(secondsMin, options.seconds));
    const to = monotonicMicroseconds();
    const transactions = (measurement.transactionsPerSecond * (to - from)) / 1e6;
    const statements = [
      ...(await readStatements(stage.servers[0], 'primary', transactions)),
      ...(await readStatements(stage.servers[members - 1], 'replica', transactions)),
    ];
    await system.stop();
    const profile = readProfile(profiles);
    const home = dirname(dirname(options.program));
    const summary = summarise(profile, { from, to, transactions, home });
    results.push({ system: system.name, workload: name, clients, measurement, ...summary, statements });
  }
  await stage.dropDatabases([database]);
  return results;
}

async function forgetStatements(server: PostgresServer): Promise<void> {
  await server.query('create extension if not exists pg_stat_statements', undefined, 'postgres');
  await server.query('select pg_stat_statements_reset()', undefined, 'postgres');
}

async function readStatements(
  server: PostgresServer | undefined,
  member: string,
  transactions: number,
): Promise<readonly StatementTime[]> {
  const sql = `select regexp_replace(left(query, 160), '\\s+', ' ', 'g'), calls, total_plan_time + total_exec_time
    from pg_stat_statements join pg_database d on d.oid = dbid where datname = '${database}' and calls > 0
    order by 3 desc limit 15`;
  const rows = (await server?.query(sql, undefined, 'postgres')) ?? [];
  return rows.map(([text, calls, totalMs]) => ({
    member,
    sql: text ?? '',
    callsPerTransaction: Number(calls) / transactions,
    meanMicroseconds: (1000 * Number(totalMs)) / Number(calls),
    microsecondsPerTransaction: (1000 * Number(totalMs)) / transactions,
  }));
}

function monotonicMicroseconds(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** The main thread's is the largest: workers write profiles of their own. */
function readProfile(folder: string): CpuProfile {
  const texts = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
  const largest = texts.toSorted((a, b) => b.length - a.length)[0];
  if (largest === undefined) throw new Error('the node left no profile');
  return JSON.parse(largest) as CpuProfile;
}

interface Window {
  readonly from: number;
  readonly to: number;
  readonly transactions: number;
  /** Paths are shown from here. */
  readonly home: string;
}

function summarise(profile: CpuProfile, window: Window): Pick<ProfileResult, 'functions' | 'files' | 'busy'> {
  const places = placesOf(profile, window.home);
  const functions = new Map<string, number>();
  const files = new Map<string, number>();
  let [now, idle, busy] = [profile.startTime, 0, 0];
  for (const [at, id] of profile.samples.entries()) {
    now += profile.timeDeltas[at] ?? 0;
    const place = places.get(id);
    if (!place || now < window.from || now > window.to) continue;
    // A sample stands for the time until the next.
    const took = Math.max(0, profile.timeDeltas[at + 1] ?? 0);
    if (place.function === '(idle)') {
      idle += took;
    } else {
      busy += took;
      add(functions, place.function, took);
      add(files, place.file, took);
    }
  }
  const table = (times: ReadonlyMap<string, number>): readonly SelfTime[] =>
    [...times]
      .toSorted((a, b) => b[1] - a[1])
      .slice(0, 40)
      .map(([name, took]) => ({
        name,
        share: took / busy,
        microsecondsPerTransaction: took / window.transactions,
      }));
  return { functions: table(functions), files: table(files), busy: busy / (busy + idle) };
}

interface Place {
  readonly function: string;
  readonly file: string;
}

/**
 * A name for every node of the call tree. What belongs to Node or V8 is told apart by the function of the program that it
 * works for: `writev` alone says nothing.
 */
function placesOf({ nodes }: CpuProfile, home: string): ReadonlyMap<number, Place> {
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const callerOf = (id: number): string => {
    for (let at = parents.get(id); at !== undefined; at = parents.get(at)) {
      const frame = frames.get(at);
      if (frame?.url.startsWith('file:') === true) return ` ← ${nameOf(frame, home)}`;
    }
    return '';
  };
  return new Map(
    nodes.map(({ id, callFrame }) => {
      const own = callFrame.url.startsWith('file:');
      const name = nameOf(callFrame, home);
      const file = fileOf(callFrame.url, home) || `native: ${callFrame.functionName}`;
      return [id, { function: own ? name : `${name}${callerOf(id)}`, file }];
    }),
  );
}

function nameOf({ functionName, url, lineNumber }: CallFrame, home: string): string {
  const file = fileOf(url, home);
  return `${functionName || '(anonymous)'}${file === '' ? '' : ` ${file}:${lineNumber + 1}`}`;
}

function add(times: Map<string, number>, name: string, took: number): void {
  times.set(name, (times.get(name) ?? 0) + took);
}

function fileOf(url: string, home: string): string {
  if (!url.startsWith('file:')) return url;
  const path = fileURLToPath(url);
  return path.startsWith(`${home}/`) ? path.slice(home.length + 1) : path.replace(/^.*node_modules\//, '');
}
