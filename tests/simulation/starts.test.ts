import { expect, test } from 'vitest';
import { History } from '../../src/testing/simulation/history.ts';
import { Nodes } from '../../src/testing/simulation/nodes.ts';
import { drawProfile } from '../../src/testing/simulation/profile.ts';
import { SeededRandom } from '../../src/testing/simulation/seeded-random.ts';
import { SimClient } from '../../src/testing/simulation/sim-client.ts';
import { SimServer } from '../../src/testing/simulation/sim-server.ts';
import { StateDisk } from '../../src/testing/simulation/sim-state-store.ts';
import { World } from '../../src/testing/simulation/world.ts';

const members = ['a', 'b', 'c'];

function makeWorld(seed: number) {
  const profile = { ...drawProfile(new SeededRandom(1)), members, cutRate: 0, saveFailRate: 0 };
  const world = new World(new SeededRandom(seed), profile, undefined);
  const servers = members.map((id) => new SimServer(id, world));
  for (const server of servers) {
    for (let i = 0; i < profile.lists; i++) server.rows.set(`list${i}`, '');
    for (let i = 0; i < profile.accounts; i++) server.rows.set(`account${i}`, 100);
  }
  const history = new History(world);
  const nodes = new Nodes(world, servers, new StateDisk(world), history);
  return { world, servers, nodes, history };
}

/** A node that starts for the first time, is killed at that message, and starts again. Undefined: it served before. */
async function killedAt(step: number): Promise<readonly string[] | undefined> {
  const { world, nodes } = makeWorld(step);
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

/** A node starts again, and at that message of the start the primary is lost. False: it served before. */
async function losesAt(primary: string, step: number): Promise<boolean> {
  const { world, servers, nodes, history } = makeWorld(step);
  void nodes.start();
  await world.clock.run(() => nodes.current !== undefined, 10_000);
  void nodes.current?.cluster.moves.switchPrimary(primary);
  await world.clock.run(() => nodes.current?.cluster.primary.id === primary, 10_000);
  nodes.crash();
  const lostAt = world.steps + step;
  let served = false;
  world.onStep = (at) => {
    if (at !== lostAt) return;
    served = nodes.current !== undefined;
    servers.find(({ id }) => id === primary)?.crash();
  };
  await world.clock.run(() => world.steps >= lostAt && nodes.current !== undefined, 20_000);
  const random = new SeededRandom(step);
  const client = new SimClient('c', { world, nodes, history, random, onAcknowledged: () => undefined });
  let ended = false;
  void client.run(3).then(() => (ended = true));
  await world.clock.run(() => ended, world.clock.monotonicMs() + 30_000);
  expect(client.doing, `${primary} is lost at message ${step}`).toBe('nothing');
  expect(world.violations).toEqual([]);
  nodes.machine?.die();
  return !served;
}

test('simulation: a first start that is killed at any message is made again, with every member', async () => {
  let step = 1;
  for (; ; step++) {
    const active = await killedAt(step);
    if (active === undefined) break;
    expect(active, `killed at message ${step}`).toEqual(members);
  }
  expect(step).toBeGreaterThan(10);
});

test.each(members)(
  'simulation: a start that loses its primary %s at any message goes on without it',
  async (primary) => {
    let step = 1;
    while (await losesAt(primary, step)) step++;
    expect(step).toBeGreaterThan(10);
  },
);
