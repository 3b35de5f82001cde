/** The promises, checked against what is in the members. */

import type { NodeState } from '../../coordination/index.ts';
import { contains } from './history.ts';
import type { History, Item } from './history.ts';
import type { SimServer } from './sim-server.ts';
import type { Value } from './sim-write-set.ts';
import type { World } from './world.ts';

/** Acknowledged means: on every member that a restart would trust. Checked at that very moment. */
export function judgeAcknowledgement(
  world: World,
  servers: readonly SimServer[],
  state: NodeState | undefined,
  items: Iterable<Item>,
): void {
  const trusted = state?.members.filter((member) => member.active).map((member) => member.id) ?? [];
  for (const item of items) {
    if (item.outcome !== 'acknowledged') continue;
    for (const server of servers) {
      if (trusted.includes(server.id) && !contains(server.rows.get(item.list), item.name))
        world.violated('G1', `${item.name} is acknowledged and not on ${server.id}, which counts as active`);
    }
  }
}

/** Level before active. */
export function judgeKeptState(
  world: World,
  servers: readonly SimServer[],
  state: NodeState,
  history: History,
): void {
  judgeAcknowledgement(world, servers, state, history.items.values());
}

/** Never from a stale source: what was acknowledged before the snapshot was opened is in it. */
export function judgeSource(
  world: World,
  history: History,
  { source, rows, moment }: { source: string; rows: ReadonlyMap<string, Value>; moment: number },
): void {
  for (const item of history.items.values()) {
    if (item.acknowledgedAt < moment && !contains(rows.get(item.list), item.name))
      world.violated('G6', `a member is made like ${source}, which lacks ${item.name}`);
  }
}

/** When nothing is under way: the same rows everywhere, and the same commits under the same numbers. */
export function judgeEqual(world: World, servers: readonly SimServer[], when: string): void {
  const [first, ...others] = servers;
  if (first === undefined) return;
  for (const other of others) {
    for (const key of new Set([...first.rows.keys(), ...other.rows.keys()])) {
      const [one, two] = [first.rows.get(key), other.rows.get(key)];
      if (one !== two)
        world.violated('G2', `${when}: ${key} is ${one} on ${first.id} and ${two} on ${other.id}`);
    }
    for (const csn of new Set([...first.contained.keys(), ...other.contained.keys()])) {
      const [one, two] = [describe(first, csn), describe(other, csn)];
      if (one !== two)
        world.violated('G3', `${when}: CSN ${csn} is ${one} on ${first.id} and ${two} on ${other.id}`);
    }
  }
}

/** A dead place and one that was never used are the same to everybody. */
function describe(server: SimServer, csn: number): string {
  const commit = server.contained.get(csn);
  return commit?.payload == null ? 'nothing' : `${commit.payload} of term ${commit.term}`;
}
