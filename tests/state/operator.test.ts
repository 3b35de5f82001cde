/** What an operator does to members: out, in, primary, gone. */

import { writeFile } from 'node:fs/promises';
import { afterEach, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import type { Config } from '../../src/config/index.ts';
import { removeMember } from '../../src/node/index.ts';
import { connect } from '../support/connect.ts';
import { withServers } from '../support/index.ts';
import { nodeConfig } from '../support/start-node.ts';
import { FreshCluster } from '../failure/fresh-cluster.ts';
import { Load } from '../failure/load.ts';
import { judge } from '../failure/scenario.ts';

const fixture = withServers(3);
let cluster: FreshCluster;
afterEach(() => cluster.stop());

test('operator: a member that was taken out stays out, and comes back when nothing was written meanwhile', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  const client = await connect(cluster.url);
  await client.query('update counters set value = 1 where client = 1');
  expect(await cluster.node.deactivateMember('db2', 'a new disk')).toMatchObject({ changed: true });
  expect(await cluster.node.deactivateMember('db2')).toMatchObject({ changed: false });
  await cluster.stopNode();
  await cluster.startNode();
  expect((await cluster.status()).members[1]).toMatchObject({ state: 'held', reason: 'a new disk' });
  expect(await cluster.node.activateMember('db2')).toMatchObject({ changed: true });
  expect(await cluster.node.activateMember('db2')).toMatchObject({ changed: false });
  const again = await connect(cluster.url);
  await again.query('update counters set value = 2 where client = 1');
  expect(await cluster.member('db2').ask('select value from counters where client = 1')).toEqual([['2']]);
});

test('operator: a member that has missed commits is given them before it is active', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  await cluster.node.deactivateMember('db2');
  const client = await connect(cluster.url);
  for (let value = 1; value <= 20; value++)
    await client.query('update counters set value = $1 where client = 1', [value]);
  expect(await cluster.node.activateMember('db2')).toMatchObject({ changed: true });
  expect(await cluster.member('db2').ask('select value from counters where client = 1')).toEqual([['20']]);
  expect((await cluster.status()).members[1]).toMatchObject({ state: 'active', reason: null });
});

test('operator: members come and go under load, and no client notices', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  const load = await new Load(cluster.url, { clients: 6 }).start();
  for (let round = 0; round < 3; round++) {
    await load.more(40);
    await cluster.node.deactivateMember('db3');
    await load.more(40);
    expect(await cluster.node.activateMember('db3')).toMatchObject({ changed: true });
  }
  await load.more(40);
  await load.stop();
  expect(load.errors).toEqual([]);
  await judge(cluster, load, []);
});

test('operator: the last active member is not taken out', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  await cluster.node.deactivateMember('db1');
  await cluster.node.deactivateMember('db3');
  await expect(cluster.node.deactivateMember('db2')).rejects.toMatchObject({
    code: 'cluster.last-active-member',
  });
  expect((await cluster.status()).primary).toBe('db2');
});

test('operator: the primary is moved to and fro under load without an error', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  const load = await new Load(cluster.url, { clients: 12 }).start();
  await load.more(100);
  load.watchPauses();
  for (const id of ['db2', 'db3', 'db1', 'db3']) {
    expect(await cluster.node.switchPrimary(id)).toMatchObject({ changed: true });
    await load.more(40);
  }
  await load.stop();
  process.stderr.write(
    `switch-primary, 12 clients: ${load.done} operations, ${load.errors.length} errors, longest pause ${load.longestMs} ms\n`,
  );
  expect(load.errors).toEqual([]);
  expect((await cluster.status()).primary).toBe('db3');
  await judge(cluster, load, []);
});

test('operator: an open transaction is run again on the new primary', async () => {
  cluster = await FreshCluster.start(fixture.servers, { config: { deadlines: { switchMs: 100 } } });
  const client = await connect(cluster.url);
  await client.query('begin');
  await client.query('update counters set value = 5 where client = 1');
  await cluster.node.switchPrimary('db2');
  await client.query('update counters set value = value + 1 where client = 1');
  await client.query('commit');
  for (const { ask } of cluster.members)
    expect(await ask('select value from counters where client = 1')).toEqual([['6']]);
});

test('operator: a primary that dies while it is being moved is left behind, and nothing is lost', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  const load = await new Load(cluster.url, { clients: 12 }).start();
  await load.more(100);
  const moved = cluster.node.switchPrimary('db2').catch((error: unknown) => error);
  await cluster.member('db1').server.kill9();
  await moved;
  await cluster.untilInactive('db1');
  await load.more(60);
  await load.stop();
  expect(load.errors).toEqual([]);
  await judge(cluster, load, ['db1']);
});

/** The configuration as `lockstep member remove` reads it, with or without the member in question. */
async function configOf(count: number): Promise<Config> {
  const options = cluster.nodeOptions();
  const path = `${cluster.dir}/lockstep.yaml`;
  const members = options.members.slice(0, count);
  await writeFile(path, nodeConfig(fixture.servers, { ...options, members }));
  return await loadConfig(path, {});
}

test('operator: a member is removed from what the node remembers only when it is out', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  await expect(removeMember(await configOf(2), 'db3')).rejects.toMatchObject({ code: 'cluster.node-runs' });
  await cluster.stopNode();
  await expect(removeMember(await configOf(2), 'db3')).rejects.toMatchObject({
    code: 'cluster.member-active',
    hint: expect.stringContaining('lockstep member deactivate db3'),
  });
  await expect(removeMember(await configOf(2), 'db9')).rejects.toMatchObject({
    code: 'cluster.unknown-member',
  });
  await cluster.startNode();
  await cluster.node.deactivateMember('db3');
  await cluster.stopNode();
  expect(await removeMember(await configOf(2), 'db3')).toBe(
    'Member db3 is no longer part of cluster test. Its data are as they were.',
  );
  const members = cluster.nodeOptions().members.slice(0, 2);
  await cluster.startNode({ members });
  expect((await cluster.status()).members.map(({ id, state }) => [id, state])).toEqual([
    ['db1', 'active'],
    ['db2', 'active'],
  ]);
});

test('operator: a member that is gone for good is removed although it was active', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  await cluster.stopNode();
  await cluster.member('db1').server.kill9();
  const config = await configOf(3);
  expect(await removeMember(config, 'db1')).toMatch(/^Member db1 is no longer/);
  const { members } = await loadConfig(config.file, {});
  expect(members.map(({ id }) => id)).toEqual(['db2', 'db3']);
  await cluster.startNode({ members: cluster.nodeOptions().members.slice(1) });
  expect((await cluster.status()).primary).toBe('db2');
});

test('operator: the last member that has everything is never removed', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  await cluster.node.deactivateMember('db2');
  await cluster.node.deactivateMember('db3');
  await cluster.stopNode();
  await cluster.member('db1').server.kill9();
  await expect(removeMember(await configOf(3), 'db1')).rejects.toMatchObject({
    code: 'cluster.last-active-member',
  });
});
