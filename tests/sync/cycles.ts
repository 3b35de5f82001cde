/**
 * A member is killed, the others write on, it returns, it is brought level, and all are equal: again and again, while eight clients
 * work. A few times in each run of the tests; `SYNC_CYCLES=20 npx vitest run tests/sync/replay.test.ts tests/sync/diff.test.ts
 * tests/sync/full.test.ts` is the long proof.
 */

import { expect } from 'vitest';
import type { VerifyReport } from '../../src/admin/index.ts';
import type { PostgresServer } from '../../src/testing/index.ts';
import type { LogFields } from '../../src/telemetry/index.ts';
import { FreshCluster, patientProbe } from '../failure/fresh-cluster.ts';
import type { TestMember } from '../failure/fresh-cluster.ts';
import { Load } from '../failure/load.ts';
import { judge } from '../failure/scenario.ts';
import { waitFor } from '../support/index.ts';
import { lockstep } from './ops/lockstep-program.ts';
import { recordEvents } from './recorded-events.ts';
import type { RecordedEvents } from './recorded-events.ts';

export interface Cycles {
  readonly count: number;
  /** How each return has to go. */
  readonly strategy: 'replay' | 'diff' | 'full';
  /** Members are reached through proxies. */
  readonly proxied?: boolean;
  victim(cluster: FreshCluster, cycle: number): Promise<TestMember>;
  /** The member is recorded inactive and its server is down; ends with its server up. */
  away(cluster: FreshCluster, victim: TestMember, load: Load): Promise<void>;
}

export const cyclesOr = (usual: number): number => Number(process.env['SYNC_CYCLES'] ?? usual);

/** Members change places, so that each role is lost in turn. */
export async function replicaOrPrimary(cluster: FreshCluster, cycle: number): Promise<TestMember> {
  const victim = cycle % 2 === 0 ? (await cluster.replicas())[0] : await cluster.primary();
  if (victim === undefined) throw new Error('there is a replica');
  return victim;
}

export async function playCycles(
  what: string,
  servers: readonly PostgresServer[],
  cycles: Cycles,
): Promise<void> {
  const { count, strategy, proxied = false } = cycles;
  const events = recordEvents();
  const cluster = await FreshCluster.prepare(servers, {
    // What is killed is found dead at once; nobody else is to be taken out because the machine is busy.
    config: { sync: { quarantineFailures: 1000 }, probe: patientProbe },
    proxied: proxied ? servers.map((_, index) => index) : [],
  });
  try {
    await cluster.startNode({ logger: events.logger });
    const load = await new Load(cluster.url, { clients: 8 }).start();
    await load.more(100);
    load.watchPauses();
    for (let cycle = 0; cycle < count; cycle++) {
      const victim = await cycles.victim(cluster, cycle);
      const before = events.all.length;
      const wasPrimary = (await cluster.status()).primary === victim.id;
      await victim.server.kill9();
      await cluster.untilInactive(victim.id);
      await cycles.away(cluster, victim, load);
      await cluster.untilActive(victim.id, 60_000);
      const { way, why } = await wayBack(events, victim.id, before);
      // A primary may have committed what its node never heard of, and which was then decided dead.
      const unheard = wasPrimary && why.endsWith('the cluster does not have');
      expect(way, why).toBe(unheard ? 'diff' : strategy);
      await load.more(100);
      await proveEqual(cluster);
    }
    await load.stop();
    process.stderr.write(
      `${what}, ${count} times: ${load.done} operations, ${load.errors.length} errors, longest pause ${load.longestMs} ms\n`,
    );
    expect(load.errors).toEqual([]);
    await judge(cluster, load, []);
  } finally {
    await cluster.stop();
  }
}

/**
 * How a member came back, the first `before` events not looked at, and why so. Where an attempt was cut off, as it may be on a busy
 * machine, the next one goes by the mark that is left: then the first one tells how it was begun.
 */
async function wayBack(
  events: RecordedEvents,
  member: string,
  before: number,
): Promise<{ way: unknown; why: string }> {
  const isOf = (one: LogFields, type: string): boolean => one['event'] === type && one['member'] === member;
  const end = await waitFor(
    () => events.all.findIndex((one, at) => at >= before && isOf(one, 'sync-ended')) + 1,
    { what: `the end of the synchronisation of ${member}` },
  );
  const since = (type: string) => events.all.slice(before, end).filter((one) => isOf(one, type));
  const begun = since('sync-started');
  const goesByTheMark = String(begun.at(-1)?.['reason']).startsWith(
    'its last synchronisation did not finish',
  );
  const told = goesByTheMark ? begun[0] : begun.at(-1);
  const failures = since('sync-failed').map(({ reason }) => `; cut off: ${String(reason)}`);
  if (goesByTheMark) process.stderr.write(`${member}${failures.join('')}\n`);
  return { way: told?.['strategy'], why: String(told?.['reason']) };
}

/** All members, at one and the same commit, while clients write. */
async function proveEqual(cluster: FreshCluster): Promise<void> {
  const { stdout } = await lockstep(cluster, 'verify', '--json');
  const { outcome, reason, members, differences } = JSON.parse(stdout) as VerifyReport;
  expect({ outcome, reason, members: members.toSorted(), differences }).toEqual({
    outcome: 'equal',
    reason: null,
    members: cluster.members.map(({ id }) => id),
    differences: [],
  });
}
