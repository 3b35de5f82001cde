/** What a run uses, looked at again and again: whatever only grows would show. Linux: the kernel is asked. */

import { readdir, readFile } from 'node:fs/promises';
import { pause, systemClock } from '../../base/index.ts';
import type { Stage } from './stage.ts';

export interface Sample {
  readonly minute: number;
  /** Of the node's process. */
  readonly residentMiB: number;
  readonly descriptors: number;
  /** Clients' and the node's own, on all members together. */
  readonly connections: number;
  /** Of the largest commit log. */
  readonly logMiB: number;
}

const betweenMs = 3000;
const mib = 1 << 20;

/** Begins to look; the returned function ends it, and gives what was seen. */
export function takeSamples(stage: Stage): () => readonly Sample[] {
  const samples: Sample[] = [];
  const ended = new AbortController();
  const startedMs = systemClock.monotonicMs();
  const look = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      await pause(systemClock, betweenMs, ended.signal);
      const minute = (systemClock.monotonicMs() - startedMs) / 60_000;
      // While a member is down it cannot be asked: that moment is left out.
      const seen = await sampleOf(stage).catch(() => undefined);
      if (seen !== undefined) samples.push({ minute, ...seen });
    }
  };
  void look();
  return () => {
    ended.abort();
    return samples;
  };
}

async function sampleOf({ node, members }: Stage): Promise<Omit<Sample, 'minute'>> {
  const status = await readFile(`/proc/${node.pid}/status`, 'utf8');
  const descriptors = await readdir(`/proc/${node.pid}/fd`);
  const asked = await Promise.all(
    members.map(({ ask }) =>
      ask(`
        select (select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()),
          (select coalesce(sum(pg_total_relation_size(oid)), 0) from pg_class
           where relnamespace = 'lockstep'::regnamespace and relkind = 'r')`),
    ),
  );
  const figures = asked.map(([row]) => (row ?? []).map(Number));
  return {
    residentMiB: Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024,
    descriptors: descriptors.length,
    connections: figures.reduce((sum, [connections = 0]) => sum + connections, 0),
    logMiB: Math.max(...figures.map(([, bytes = 0]) => bytes)) / mib,
  };
}
