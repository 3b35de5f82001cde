/**
 * How long clients wait when a member fails: eight clients of our own, each sending one statement after the other
 * (an update, then a read of the same row), and the longest time between two answers that any of them saw.
 */

import { setTimeout as pause } from 'node:timers/promises';
import type { PostgresServer } from '../src/testing/index.ts';
import { LoadClient } from './load-client.ts';
import type { BenchOptions } from './options.ts';
import { pgbench } from './pgbench.ts';
import type { Stage } from './stage.ts';
import { systemPlans } from './systems/index.ts';
import type { SystemName } from './systems/index.ts';
import { workloads } from './workloads.ts';

export interface PauseResult {
  readonly system: string;
  readonly fault: string;
  /** The longest that any client waited for its next answer, connecting anew included. */
  readonly longestMs: number;
  /** The same in the seconds before the fault. */
  readonly longestBeforeMs: number;
  /** The longest time in which no client at all had an answer. */
  readonly silenceMs: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly hangDeadlineMs: number;
}

type Victim = 'replica' | 'primary';

interface Fault {
  readonly name: string;
  readonly victim: Victim;
  strike(server: PostgresServer): Promise<void>;
}

const faults: readonly Fault[] = (['replica', 'primary'] as const).flatMap((victim) => [
  { name: `kill -9 of the ${victim}`, victim, strike: (server) => server.kill9() },
  { name: `SIGSTOP of the ${victim}`, victim, strike: (server) => server.pause() },
]);

const subjects: readonly SystemName[] = ['pgpool3', 'lockstep3'];
const clientsCount = 8;
const turnsMax = 3;
const beforeMs = 3_000;
const afterMs = 6_000;
/** Small, so that making the databases takes no time. */
const scale = 1;

/** For detecting hangs, in every system that can: see the page for what it stands for in each. */
const hangDeadlineMs = 1_000;

export async function measurePauses(
  stage: Stage,
  names: readonly SystemName[],
  options: BenchOptions,
): Promise<readonly PauseResult[]> {
  const results: PauseResult[] = [];
  for (const name of subjects.filter((one) => names.includes(one))) {
    for (const fault of faults) {
      for (let turn = 0; turn < Math.min(turnsMax, options.rounds); turn += 1) {
        const result = await measurePause(stage, name, fault, options.program);
        results.push(result);
        const errors = Object.values(result.errors).reduce((sum, count) => sum + count, 0);
        console.log(
          `${name}, ${fault.name}: longest pause ${Math.round(result.longestMs)} ms, ${errors} errors`,
        );
      }
    }
  }
  await stage.dropDatabases(['b_pause']);
  return results;
}

async function measurePause(
  stage: Stage,
  name: SystemName,
  fault: Fault,
  program: string,
): Promise<PauseResult> {
  const { members, start } = systemPlans[name];
  const databases = await stage.makeDatabases(members, 'b_pause', scale);
  const dir = stage.emptyDirectory('pause');
  const system = await start(databases, { dir, program, clientsMax: clientsCount, hangDeadlineMs });
  const [target] = system.targets;
  const primary = await system.primary();
  const victim = databases[fault.victim === 'primary' ? primary : (primary + 1) % members];
  if (!target || !victim) throw new Error(`${name} has no address`);
  // Nobody measures a program that has just been started.
  await pgbench(target, [
    '-c',
    String(clientsCount),
    '-j',
    '2',
    '-T',
    '3',
    ...workloads['simple-update'].words,
  ]);
  const clients = await Promise.all(
    Array.from({ length: clientsCount }, (_, at) => LoadClient.start(target, at + 1)),
  );
  await pause(beforeMs);
  const struckMs = performance.now();
  const server = stage.serverAt(victim);
  await fault.strike(server);
  await pause(afterMs);
  const endedMs = performance.now();
  await Promise.all(clients.map((client) => client.stop()));
  await system.stop();
  server.resume();
  if (!server.running) await server.start();
  return { system: name, fault: fault.name, ...summarise(clients, struckMs, endedMs), hangDeadlineMs };
}

function summarise(
  clients: readonly LoadClient[],
  struckMs: number,
  endedMs: number,
): Pick<PauseResult, 'longestMs' | 'longestBeforeMs' | 'silenceMs' | 'errors'> {
  const errors: Record<string, number> = {};
  for (const client of clients) {
    for (const code of client.errors) errors[code] = (errors[code] ?? 0) + 1;
  }
  const everybody = clients.flatMap(({ answersMs }) => answersMs).toSorted((a, b) => a - b);
  const longest = (from: number, to: number): number =>
    Math.max(...clients.map(({ answersMs }) => longestGap(answersMs, from, to)));
  return {
    longestMs: longest(struckMs, endedMs),
    longestBeforeMs: longest(struckMs - beforeMs + 500, struckMs),
    silenceMs: longestGap(everybody, struckMs, endedMs),
    errors,
  };
}

/** The longest time without an answer that overlaps the window; one that is still open counts up to its end. */
function longestGap(answersMs: readonly number[], from: number, to: number): number {
  let longest = 0;
  let last = from;
  for (const at of [...answersMs, to]) {
    if (at >= from) longest = Math.max(longest, Math.min(at, to) - last);
    last = at;
    if (at >= to) break;
  }
  return longest;
}
