/** How much memory the process in the middle takes, idle and with many clients that all work. */

import { setTimeout as pause } from 'node:timers/promises';
import type { BenchOptions } from './options.ts';
import { pgbench } from './pgbench.ts';
import { memoryOf } from './proc.ts';
import type { MemoryUse } from './proc.ts';
import type { Stage } from './stage.ts';
import { systemPlans } from './systems/index.ts';
import type { System, SystemName } from './systems/index.ts';
import { workloads } from './workloads.ts';

export interface MemoryResult extends MemoryUse {
  readonly system: string;
  /** 0: before the first client. */
  readonly clients: number;
}

const measured: readonly { readonly name: SystemName; readonly clients: readonly number[] }[] = [
  { name: 'pgbouncer-session', clients: [32] },
  { name: 'pgpool2', clients: [32] },
  { name: 'pgpool3', clients: [32] },
  { name: 'lockstep2', clients: [32, 500] },
  { name: 'lockstep3', clients: [32, 500] },
];
const sampleEveryMs = 200;
const secondsMin = 10;

export async function measureMemory(
  stage: Stage,
  names: readonly SystemName[],
  options: BenchOptions,
): Promise<readonly MemoryResult[]> {
  const results: MemoryResult[] = [];
  for (const { name, clients: numbers } of measured) {
    if (!names.includes(name)) continue;
    const { members, start } = systemPlans[name];
    for (const clients of numbers) {
      const databases = await stage.makeDatabases(members, 'b_memory', options.scale);
      const dir = stage.emptyDirectory('memory');
      const system = await start(databases, { dir, program: options.program, clientsMax: clients });
      try {
        if (clients === numbers[0]) results.push({ system: name, clients: 0, ...memoryOf(system.pid ?? 0) });
        results.push({ system: name, clients, ...(await highest(system, clients)) });
      } finally {
        await system.stop();
      }
      const last = results.at(-1);
      console.log(`memory ${name}, ${clients} clients: ${Math.round((last?.rss ?? 0) / 2 ** 20)} MiB`);
    }
  }
  await stage.dropDatabases(['b_memory']);
  return results;
}

/** The highest figure seen while the clients run TPC-B. */
async function highest(system: System, clients: number): Promise<MemoryUse> {
  const [target] = system.targets;
  if (!target) throw new Error(`${system.name} has no address`);
  const seen: MemoryUse[] = [];
  const ended = new AbortController();
  const words = ['-c', String(clients), '-j', '2', '-T', String(secondsMin), ...workloads.tpcb.words];
  const load = pgbench(target, words).finally(() => ended.abort());
  const watch = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      seen.push(memoryOf(system.pid ?? 0));
      await pause(sampleEveryMs);
    }
  };
  await Promise.all([load, watch()]);
  return seen.reduce((a, b) => (b.rss > a.rss ? b : a));
}
