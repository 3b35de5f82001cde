/**
 * Transactions per second of every system in every cell (a workload with a number of clients).
 *
 * Rounds are interleaved: each round measures every system once, in an order that moves on by one, so that a machine
 * that drifts drifts for all of them alike.
 */

import { pgbench } from './pgbench.ts';
import type { PgbenchResult } from './pgbench.ts';
import { cpuSecondsOf } from './proc.ts';
import type { Stage } from './stage.ts';
import type { System } from './systems/index.ts';
import type { Workload } from './workloads.ts';

export interface Measurement {
  readonly transactionsPerSecond: number;
  readonly latencyMs: number;
  /** Processor time of the process in the middle; undefined where there is none. */
  readonly cpuMicrosecondsPerTransaction?: number;
  /** Of all servers together. */
  readonly serversMicrosecondsPerTransaction?: number;
}

export interface CellResult {
  readonly workload: string;
  readonly clients: number;
  /** By system, one measurement per round. */
  readonly measurements: Readonly<Record<string, readonly Measurement[]>>;
  /** By system: why it was not measured, or at what it failed. */
  readonly missing: Readonly<Record<string, string>>;
}

export interface CellPlan {
  readonly workload: Workload;
  readonly clients: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
}

export async function measureCell(
  stage: Stage,
  systems: readonly System[],
  plan: CellPlan,
): Promise<CellResult> {
  const { workload, clients, rounds } = plan;
  const measurements: Record<string, Measurement[]> = {};
  const missing: Record<string, string> = {};
  for (const system of systems) {
    const reason = system.whyNot(workload);
    if (reason !== undefined) missing[system.name] = reason;
  }
  await stage.tidy(systems.flatMap(({ databases }) => databases));
  for (let round = -1; round < rounds; round += 1) {
    const seconds = round < 0 ? plan.warmUpSeconds : plan.seconds;
    for (let turn = 0; turn < systems.length; turn += 1) {
      const system = systems[(turn + round + systems.length) % systems.length];
      if (!system || missing[system.name] !== undefined) continue;
      try {
        const measured = await measure(stage, system, plan, seconds);
        if (round >= 0) (measurements[system.name] ??= []).push(measured);
      } catch (error) {
        missing[system.name] = error instanceof Error ? error.message : String(error);
      }
    }
  }
  return { workload: workload.name, clients, measurements, missing };
}

export async function measure(
  stage: Stage,
  system: System,
  { workload, clients }: Pick<CellPlan, 'workload' | 'clients'>,
  seconds: number,
): Promise<Measurement> {
  const threads = String(Math.min(2, clients));
  const words = ['-c', String(clients), '-j', threads, '-T', String(seconds), ...workload.words];
  const cpu = (): { middle: number; servers: number } => ({
    middle: system.pid === undefined ? 0 : cpuSecondsOf(system.pid),
    servers: stage.servers.reduce((sum, { pid }) => sum + (pid === undefined ? 0 : cpuSecondsOf(pid)), 0),
  });
  const before = cpu();
  const results = await Promise.all(system.targets.map((target) => pgbench(target, words)));
  const after = cpu();
  const slowest = results.reduce((a, b) => (b.transactionsPerSecond < a.transactionsPerSecond ? b : a));
  return {
    transactionsPerSecond: slowest.transactionsPerSecond,
    latencyMs: slowest.latencyMs,
    serversMicrosecondsPerTransaction: perTransaction(after.servers - before.servers, slowest),
    ...(system.pid === undefined
      ? {}
      : { cpuMicrosecondsPerTransaction: perTransaction(after.middle - before.middle, slowest) }),
  };
}

function perTransaction(seconds: number, { transactions }: PgbenchResult): number {
  return (seconds * 1e6) / transactions;
}
