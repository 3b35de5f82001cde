/** What a node remembers from one start to the next, and what it refuses when that is not enough. */

import { truncate, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { connect } from '../support/connect.ts';
import { withServers } from '../support/index.ts';
import { FileStateStore } from '../../src/coordination/index.ts';
import { FreshCluster } from '../failure/fresh-cluster.ts';

const fixture = withServers(3);
let cluster: FreshCluster;
afterEach(() => cluster.stop());

async function write(value: number): Promise<void> {
  const client = await connect(cluster.url);
  await client.query('update counters set value = $1 where client = 1', [value]);
  await client.end();
}

/** What each member has, whatever the node thinks of it. */
async function values(): Promise<readonly (string | null | undefined)[]> {
  const asked = cluster.members.map(({ ask }) => ask('select value from counters where client = 1'));
  return (await Promise.all(asked)).map((rows) => rows[0]?.[0]);
}

async function states(): Promise<readonly string[]> {
  return (await cluster.status()).members.map(({ state }) => state);
}

const stateFile = (): string => join(cluster.dir, 'state', 'node.state');

test('state: a restart remembers who is active, and term and version only grow', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  const seen: { term: number; version: number }[] = [];
  for (let start = 0; start < 3; start++) {
    if (start > 0) await cluster.startNode();
    const { term, version, members } = await cluster.status();
    seen.push({ term, version });
    expect(members.map(({ active }) => active)).toEqual([true, true, true]);
    await write(start);
    await cluster.stopNode();
  }
  expect(seen.map(({ term }) => term)).toEqual([1, 2, 3]);
  expect(seen.every(({ version }, index) => index === 0 || version > (seen[index - 1]?.version ?? 0))).toBe(
    true,
  );
  expect(await values()).toEqual(['2', '2', '2']);
});

test('state: a member that was lost stays inactive with its reason over restarts, although it is back', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  await cluster.member('db2').server.kill9();
  const reason = await cluster.untilInactive('db2');
  await write(1);
  await cluster.member('db2').server.start();
  for (let restart = 0; restart < 2; restart++) {
    await cluster.stopNode();
    await cluster.startNode();
    const found = (await cluster.status()).members[1];
    expect(found).toMatchObject({ state: 'inactive', active: false, reason });
    await write(2 + restart);
  }
  expect(await values()).toEqual(['3', '0', '3']);
});

test('state: the primary stays the primary over a restart', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  await cluster.node.switchPrimary('db3');
  await cluster.stopNode();
  await cluster.startNode();
  expect((await cluster.status()).primary).toBe('db3');
});

test('state: a member that does not answer at the start is left out, and recorded so', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  await cluster.stopNode();
  await cluster.member('db1').server.kill9();
  await cluster.startNode();
  await write(1);
  expect((await cluster.status()).members[0]).toMatchObject({
    state: 'inactive',
    reason: expect.stringMatching(/did not answer at the start/),
  });
  await cluster.member('db1').server.start();
  await cluster.stopNode();
  await cluster.startNode();
  expect(await states()).toEqual(['inactive', 'active', 'active']);
});

test('state: a stale member alone does not start, and the error names the command that overrides it', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  await cluster.node.deactivateMember('db2');
  await cluster.member('db3').server.kill9();
  await cluster.untilInactive('db3');
  await write(1);
  await cluster.stopNode();
  await cluster.member('db1').server.kill9();
  await expect(cluster.startNode()).rejects.toMatchObject({
    code: 'cluster.no-trusted-member',
    hint: expect.stringContaining('lockstep serve --trust db2'),
  });
  // Refused means that nothing has changed: the rightful one still starts.
  await cluster.startNode({ trust: 'db2' });
  expect(await states()).toEqual(['inactive', 'active', 'inactive']);
  const client = await connect(cluster.url);
  expect((await client.query('select value from counters where client = 1')).rows).toEqual([{ value: '0' }]);
});

test('state: a member that is gone from the file stops the start with the cure', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  const { members } = cluster.nodeOptions();
  await cluster.stopNode();
  await expect(cluster.startNode({ members: members.slice(0, 2) })).rejects.toMatchObject({
    code: 'cluster.member-missing',
    hint: expect.stringContaining('lockstep member remove db3'),
  });
});

test('state: a member that is new in the file takes no part', async () => {
  cluster = await FreshCluster.prepare(fixture.servers);
  const { members } = cluster.nodeOptions();
  await cluster.startNode({ members: members.slice(0, 2) });
  await cluster.stopNode();
  await cluster.startNode();
  expect(await states()).toEqual(['active', 'active', 'inactive']);
  await expect(cluster.node.activateMember('db3')).rejects.toMatchObject({ code: 'cluster.not-level' });
  await write(1);
  expect(await values()).toEqual(['1', '1', '0']);
});

test.each([
  ['torn', (bytes: Buffer) => bytes.subarray(0, bytes.length - 7)],
  ['empty', () => Buffer.alloc(0)],
  ['changed', (bytes: Buffer) => Buffer.from(bytes.toString().replace('"active": true', '"active":  true'))],
])('state: a file that is %s is refused, and never read as a first start', async (_, harm) => {
  cluster = await FreshCluster.start(fixture.servers);
  await cluster.stopNode();
  await writeFile(stateFile(), harm(await readFile(stateFile())));
  await expect(cluster.startNode()).rejects.toMatchObject({ code: 'coordination.state-damaged' });
  await truncate(stateFile(), 0);
  await expect(cluster.startNode()).rejects.toMatchObject({ code: 'coordination.state-damaged' });
});

test('state: a second node on the same state is refused', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  const first = cluster.node;
  await expect(cluster.startNode()).rejects.toMatchObject({ code: 'coordination.state-locked' });
  expect((await first.status()).members.map(({ active }) => active)).toEqual([true, true, true]);
});

test('state: a state that is lost is told by the members, when all of them can be asked', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  await cluster.node.deactivateMember('db2');
  await write(1);
  await cluster.stopNode();
  await rm(join(cluster.dir, 'state'), { recursive: true });
  await cluster.startNode();
  expect(await states()).toEqual(['active', 'inactive', 'active']);
  await write(2);
  expect(await values()).toEqual(['2', '0', '2']);
});

test('state: a state that is lost before the members heard that the primary was: who has a commit that was decided against is not trusted', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  await write(1);
  await cluster.stopNode();
  // The last moments of a node: db1 was lost at a COMMIT and recorded so, in the state alone; the others have its tombstone.
  const record = (payload: string): string =>
    `insert into lockstep.log (slot, csn, part, term, payload)
     select slot, csn + 1, 1, term, ${payload} from lockstep.log order by csn desc limit 1`;
  const unheard = `set local session_replication_role = replica; update counters set value = 9 where client = 1`;
  await cluster.member('db1').ask(`begin; ${unheard}; ${record('payload')}; commit`);
  for (const id of ['db2', 'db3']) await cluster.member(id).ask(record('null'));
  await rm(join(cluster.dir, 'state'), { recursive: true });
  await cluster.startNode();
  expect((await cluster.status()).members).toMatchObject([
    {
      state: 'inactive',
      reason: expect.stringMatching(/has CSN \d+, which the cluster has decided against/),
    },
    { state: 'active' },
    { state: 'active' },
  ]);
  expect(await values()).toEqual(['9', '1', '1']);
  await cluster.node.activateMember('db1');
  expect(await values()).toEqual(['1', '1', '1']);
});

test('state: a state that is lost while a member is silent stops the start', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  await write(1);
  await cluster.stopNode();
  await rm(join(cluster.dir, 'state'), { recursive: true });
  await cluster.member('db1').server.kill9();
  await expect(cluster.startNode()).rejects.toMatchObject({
    code: 'cluster.state-lost',
    hint: expect.stringMatching(/Start db1, .*lockstep serve --trust db[23]/),
  });
});

test('state: an older state that is brought back is refused', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  const old = await readFile(stateFile());
  await cluster.stopNode();
  await cluster.startNode();
  await cluster.stopNode();
  await writeFile(stateFile(), old);
  await expect(cluster.startNode()).rejects.toMatchObject({ code: 'cluster.newer-term' });
});

test('state: members whose urls are exchanged are refused', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  await cluster.stopNode();
  const members = ['db1', 'db2', 'db3'].map((id, index) => ({
    id,
    url: cluster.memberUrl([1, 0, 2][index] ?? 0),
  }));
  await expect(cluster.startNode({ members })).rejects.toMatchObject({ code: 'cluster.mistaken-member' });
});

test('state: a member of another cluster is refused, and left as it is', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  await cluster.stopNode();
  await rm(join(cluster.dir, 'state'), { recursive: true });
  await expect(cluster.startNode({ config: { cluster: 'other' } })).rejects.toMatchObject({
    code: 'cluster.foreign-member',
  });
  await cluster.startNode();
  expect(await states()).toEqual(['active', 'active', 'active']);
});

test('state: a state of another cluster is refused', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  await cluster.stopNode();
  await expect(cluster.startNode({ config: { cluster: 'other' } })).rejects.toMatchObject({
    code: 'cluster.other-state',
  });
});

test('state: a member that was found to differ just before the node ended is not trusted, unless nobody else is left', async () => {
  cluster = await FreshCluster.start(fixture.servers.slice(0, 2));
  await cluster.stopNode();
  await cluster
    .member('db2')
    .ask(
      `begin; set local session_replication_role = replica; update counters set value = 9 where client = 1; commit`,
    );
  const accuse = async (...ids: readonly string[]): Promise<void> => {
    const store = await FileStateStore.open(join(cluster.dir, 'state'));
    const state = await store.load();
    if (state === undefined) throw new Error('there is a state');
    const members = state.members.map((member) => ({ ...member, differs: ids.includes(member.id) }));
    await store.save({ ...state, version: state.version + 1, members });
    await store.close();
  };
  await accuse('db2');
  await cluster.startNode();
  expect((await cluster.status()).members).toMatchObject([
    { state: 'active' },
    { state: 'inactive', reason: 'its rows were found to differ' },
  ]);
  await cluster.node.activateMember('db2');
  expect(await values()).toEqual(['0', '0']);
  await cluster.stopNode();
  await accuse('db1', 'db2');
  await cluster.startNode();
  expect(await states()).toEqual(['active', 'active']);
});
