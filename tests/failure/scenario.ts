/** One fault under load, from the first transaction to the verdict. */

import { expect } from 'vitest';
import type { PostgresServer } from '../../src/testing/index.ts';
import { waitFor } from '../support/index.ts';
import { findFaults } from './check-members.ts';
import { FreshCluster } from './fresh-cluster.ts';
import type { FreshOptions } from './fresh-cluster.ts';
import { Load } from './load.ts';
import type { LoadOptions } from './load.ts';

export interface Scenario extends FreshOptions {
  readonly load?: Partial<LoadOptions>;
  /** Does its harm while the load runs. Resolves with the ids of the members that it expects to be taken out, and why. */
  fault(cluster: FreshCluster, load: Load): Promise<Readonly<Record<string, RegExp>>>;
  /** Errors that clients may see; without it there may be none. */
  readonly errorsAllowed?: (error: Load['errors'][number]) => boolean;
  /** Generous: what is measured is printed, what is asserted must hold on a busy machine too. */
  readonly pauseMaxMs?: number;
}

export interface Outcome {
  readonly operations: number;
  readonly errors: number;
  readonly longestMs: number;
}

export async function play(
  name: string,
  servers: readonly PostgresServer[],
  scenario: Scenario,
): Promise<Outcome> {
  const cluster = await FreshCluster.start(servers, scenario);
  try {
    const { clients = 8 } = scenario.load ?? {};
    const load = await new Load(cluster.url, { ...scenario.load, clients }).start();
    await load.more(20 * clients);
    load.watchPauses();
    await load.more(5 * clients);
    const usualMs = load.longestMs;
    load.watchPauses();
    const expected = await scenario.fault(cluster, load);
    for (const [id, reason] of Object.entries(expected))
      expect(await cluster.untilInactive(id)).toMatch(reason);
    await load.more(10 * clients);
    await load.stop();
    const outcome = { operations: load.done, errors: load.errors.length, longestMs: load.longestMs };
    process.stderr.write(
      `${name}: ${outcome.operations} operations, ${outcome.errors} errors, longest pause ${outcome.longestMs} ms (before the fault ${usualMs} ms)\n`,
    );
    const strange = load.errors.filter((error) => scenario.errorsAllowed?.(error) !== true);
    expect(strange).toEqual([]);
    await judge(cluster, load, Object.keys(expected));
    expect(outcome.longestMs).toBeLessThan(scenario.pauseMaxMs ?? 5000);
    return outcome;
  } finally {
    await cluster.stop();
  }
}

/** The status tells who is out, and those who are not have everything. */
export async function judge(cluster: FreshCluster, load: Load, inactive: readonly string[]): Promise<void> {
  const { members, primary } = await cluster.status();
  expect(members.filter(({ active }) => !active).map(({ id }) => id)).toEqual(inactive);
  for (const { id, role, reason, lagCsn } of members) {
    if (inactive.includes(id)) expect({ id, role, lagCsn }).toEqual({ id, role: 'none', lagCsn: null });
    else
      expect({ id, role, reason }).toEqual({
        id,
        role: id === primary ? 'primary' : 'replica',
        reason: null,
      });
  }
  const active = cluster.members.filter(({ id }) => members.some((one) => one.id === id && one.active));
  // Positions that were drawn by what then did not commit are carried over a moment later.
  const position = `select last_value from entries_id_seq`;
  await waitFor(
    async () => {
      const all = await Promise.all(active.map(({ ask }) => ask(position)));
      return new Set(all.flat(2)).size === 1;
    },
    { what: 'the sequences to be equal' },
  );
  expect(await findFaults(load, active)).toEqual([]);
}
