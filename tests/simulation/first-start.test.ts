import { expect, test } from 'vitest';
import { History } from '../../src/testing/simulation/history.ts';
import { Nodes } from '../../src/testing/simulation/nodes.ts';
import { drawProfile } from '../../src/testing/simulation/profile.ts';
import { SeededRandom } from '../../src/testing/simulation/seeded-random.ts';
import { SimServer } from '../../src/testing/simulation/sim-server.ts';
import { StateDisk } from '../../src/testing/simulation/sim-state-store.ts';
import { World } from '../../src/testing/simulation/world.ts';

/** A node that starts for the first time, is killed at that message, and starts again. Undefined: it served before. */
async function killedAt(step: number): Promise<readonly string[] | undefined> {
  const members = ['a', 'b', 'c'];
  const profile = { ...drawProfile(new SeededRandom(1)), members, cutRate: 0, saveFailRate: 0 };
  const world = new World(new SeededRandom(step), profile, undefined);
  const servers = members.map((id) => new SimServer(id, world));
  for (const server of servers) server.rows.set('list0', '');
  const disk = new StateDisk(world);
  const nodes = new Nodes(world, servers, disk, new History(world));
  let served = false;
  world.onStep = (at) => {
    if (at !== step) return;
    served = nodes.current !== undefined;
    nodes.crash();
  };
  void nodes.start();
  await world.clock.run(() => world.steps >= step && nodes.current !== undefined, 10_000);
  expect(world.violations).toEqual([]);
  return served ? undefined : nodes.current?.cluster.membership.active;
}

test('simulation: a first start that is killed at any message is made again, with every member', async () => {
  let step = 1;
  for (; ; step++) {
    const active = await killedAt(step);
    if (active === undefined) break;
    expect(active, `killed at message ${step}`).toEqual(['a', 'b', 'c']);
  }
  expect(step).toBeGreaterThan(10);
});
