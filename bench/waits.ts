/**
 * What a synchronisation or a verification costs those who write meanwhile: eight clients of our own, as for the pauses, and how long
 * each of their updates took; and whether a member catches up with a load that does not stop.
 */

import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { adminAddress, AdminClient, deactivateMember, jobs, syncMember, verify } from '../src/admin/index.ts';
import type { JobStatus, SyncStrategy } from '../src/admin/index.ts';
import { LoadClient } from './load-client.ts';
import type { BenchOptions } from './options.ts';
import type { Stage } from './stage.ts';
import { systemPlans } from './systems/index.ts';

export interface WaitResult {
  /** What went on meanwhile. */
  readonly during: string;
  /** The one with as many members at work and nothing else going on. */
  readonly against: string | undefined;
  /** One for each round. */
  readonly writesPerSecond: readonly number[];
  readonly p99Ms: readonly number[];
  readonly longestMs: readonly number[];
}

export interface CatchUpResult {
  /** Commits that were replayed, and how fast clients made them. */
  readonly backlog: number;
  readonly madePerSecond: number;
  /** While the load went on: everything from the first look at the member until it was active. */
  readonly appliedPerSecond: number;
}

export interface WaitsAndCatchUps {
  readonly waits: readonly WaitResult[];
  readonly catchUps: readonly CatchUpResult[];
}

const clientsCount = 8;
const roundsMax = 3;
const database = 'b_waits';
const out = 'db3';
const three = 'nothing, three members';
const two = 'nothing, two members';

export async function measureWaits(stage: Stage, options: BenchOptions): Promise<WaitsAndCatchUps> {
  const { members, start } = systemPlans.lockstep3;
  const databases = await stage.makeDatabases(members, database, options.scale);
  const dir = stage.emptyDirectory('waits');
  const system = await start(databases, { dir, program: options.program, clientsMax: clientsCount });
  const [target] = system.targets;
  if (target === undefined) throw new Error('the node has no address');
  const node = new AdminClient(adminAddress(join(dir, 'state')));
  const clients = await Promise.all(
    Array.from({ length: clientsCount }, (_, at) => LoadClient.start(target, at + 1)),
  );
  const found = new Map<string, WaitResult>();
  const catchUps: CatchUpResult[] = [];
  /** What the clients saw while `work` went on. */
  const watch = async <T>(
    during: string,
    against: string | undefined,
    work: () => Promise<T>,
  ): Promise<T> => {
    const from = performance.now();
    const result = await work();
    const seen = summarise(clients, from, performance.now());
    const before = found.get(during);
    found.set(during, {
      during,
      against,
      writesPerSecond: [...(before?.writesPerSecond ?? []), seen.writesPerSecond],
      p99Ms: [...(before?.p99Ms ?? []), seen.p99Ms],
      longestMs: [...(before?.longestMs ?? []), seen.longestMs],
    });
    console.log(
      `writes during ${during}: p99 ${seen.p99Ms.toFixed(1)} ms, longest ${seen.longestMs.toFixed(0)} ms`,
    );
    return result;
  };
  const quietMs = options.seconds * 1000;
  const leave = (): Promise<unknown> => node.call(deactivateMember, { member: out });
  const sync = async (strategy?: SyncStrategy): Promise<JobStatus> => {
    const begun = await node.call(syncMember, { member: out, ...(strategy !== undefined && { strategy }) });
    return await ended(node, begun);
  };
  try {
    await pause(3000);
    for (let round = 0; round < Math.min(options.rounds, roundsMax); round++) {
      await watch(three, undefined, () => pause(quietMs));
      await watch('a verification', three, async () => ended(node, await node.call(verify, {})));
      await leave();
      const awayMs = performance.now();
      await watch(two, undefined, () => pause(quietMs));
      const madePerSecond = summarise(clients, awayMs, performance.now()).writesPerSecond;
      catchUps.push(catchUpOf(await watch('replay', two, () => sync()), madePerSecond));
      await leave();
      await watch('diff', two, () => sync('diff'));
      await leave();
      const server = stage.servers[members - 1];
      await server?.query(`drop database ${database} with (force)`, undefined, 'postgres');
      await server?.query(`create database ${database}`, undefined, 'postgres');
      await watch('full', two, () => sync('full'));
    }
    await Promise.all(clients.map((client) => client.stop()));
    const errors = clients.flatMap((client) => client.errors);
    if (errors.length > 0) throw new Error(`clients had errors: ${errors.slice(0, 5).join(', ')}`);
  } finally {
    await Promise.all(clients.map((client) => client.stop()));
    await system.stop();
    await stage.dropDatabases([database]);
  }
  return { waits: [...found.values()], catchUps };
}

async function ended(node: AdminClient, { id }: JobStatus): Promise<JobStatus> {
  for (;;) {
    const job = (await node.call(jobs, {})).find((one) => one.id === id);
    if (job === undefined) throw new Error(`the node has forgotten job ${id}`);
    if (job.state === 'failed' || job.state === 'cancelled')
      throw new Error(`${job.kind}: ${job.error?.message ?? job.state}`);
    if (job.state !== 'running') return job;
    await pause(20);
  }
}

function catchUpOf(job: JobStatus, madePerSecond: number): CatchUpResult {
  if (job.kind !== 'sync' || job.result === null) throw new Error('it is a synchronisation');
  const { rows, tookMs } = job.result;
  return { backlog: rows, madePerSecond, appliedPerSecond: (rows / tookMs) * 1000 };
}

/** Of the updates that were answered in that time. Every second answer of a client is to a read. */
function summarise(
  clients: readonly LoadClient[],
  from: number,
  to: number,
): { writesPerSecond: number; p99Ms: number; longestMs: number } {
  const waits = clients.flatMap(({ answersMs }) =>
    answersMs.flatMap((at, index) => {
      const before = answersMs[index - 1];
      return index % 2 === 1 || before === undefined || at < from || before > to ? [] : [at - before];
    }),
  );
  const sorted = waits.toSorted((a, b) => a - b);
  return {
    writesPerSecond: (waits.length / (to - from)) * 1000,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN,
    longestMs: sorted.at(-1) ?? Number.NaN,
  };
}
