/** Members that come and go while clients work: the configuration file and the memory of the node never disagree in silence. */

import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { FileStateStore } from '../../../src/coordination/index.ts';
import type { NodeState } from '../../../src/coordination/index.ts';
import { loadConfig } from '../../../src/config/index.ts';
import { removeMember } from '../../../src/node/index.ts';
import { FaultProxy } from '../../../src/testing/index.ts';
import { FreshCluster } from '../../failure/fresh-cluster.ts';
import { Load } from '../../failure/load.ts';
import { judge } from '../../failure/scenario.ts';
import { withServers } from '../../support/index.ts';

const fixture = withServers(3);
/** What these tests are about ends before anything is brought level. */
const options = { config: { sync: { automatic: false } } };
let cluster: FreshCluster;
afterEach(() => cluster.stop());

/** Two members run; the third database is there, and empty of Lockstep. */
async function startTwo(): Promise<void> {
  cluster = await FreshCluster.prepare(fixture.servers, options);
  await cluster.startNode({ members: cluster.nodeOptions().members.slice(0, 2) });
}

const file = () => join(cluster.dir, 'lockstep.yaml');
const text = () => readFile(file(), 'utf8');
const third = () => ({ id: 'db3', url: cluster.memberUrl(2) });

async function inFile(): Promise<readonly string[]> {
  return (await loadConfig(file(), {})).members.map(({ id }) => id);
}

async function known(): Promise<readonly string[]> {
  return (await cluster.status()).members.map(({ id, state }) => `${id} ${state}`);
}

/** What the node remembers, while it does not run. */
async function remembered<T>(work: (store: FileStateStore, state: NodeState) => Promise<T>): Promise<T> {
  const store = await FileStateStore.open(join(cluster.dir, 'state'));
  try {
    return await work(store, (await store.load()) as NodeState);
  } finally {
    await store.close();
  }
}

/** As it is in the file now, whatever the test believes. */
async function restart(): Promise<void> {
  await cluster.stopNode();
  const { members } = JSON.parse(await text()) as { members: object[] };
  await cluster.startNode({ members });
}

describe('members: a database is added', () => {
  test('members: it stands in the file, is remembered, and is inactive until it is level', async () => {
    await startTwo();
    const { version } = await cluster.status();
    expect(await cluster.node.operator.addMember({ ...third(), weight: 7 }, 'owner')).toMatchObject({
      changed: true,
    });
    expect((await loadConfig(file(), {})).members[2]).toMatchObject({ id: 'db3', weight: 7 });
    const status = await cluster.status();
    expect([status.version, status.members[2]]).toMatchObject([
      version + 1,
      {
        id: 'db3',
        weight: 7,
        active: false,
        state: 'inactive',
        reason: expect.stringContaining('it is new'),
      },
    ]);
    await restart();
    expect(await known()).toEqual(['db1 active', 'db2 active', 'db3 inactive']);
  });

  test('members: what cannot be a member is refused, and neither file nor memory has changed', async () => {
    await startTwo();
    const [before, { version }] = [await text(), await cluster.status()];
    const refused = (member: { id: string; url: string }) =>
      cluster.node.operator.addMember(member, 'owner').catch((error: unknown) => error);
    expect(await refused({ ...third(), id: 'db2' })).toMatchObject({ code: 'cluster.member-exists' });
    expect(await refused({ id: 'db3', url: cluster.memberUrl(0) })).toMatchObject({ code: 'config.invalid' });
    expect(await refused({ id: 'db3', url: 'postgres://127.0.0.1:1/x' })).toMatchObject({
      code: 'node.member-unreachable',
    });
    const nowhere = `postgres://127.0.0.1:${fixture.server(2).port}/nowhere`;
    expect(await refused({ id: 'db3', url: nowhere })).toMatchObject({ code: 'node.member-unreachable' });
    await fixture
      .server(2)
      .query(
        'create schema lockstep; create table lockstep.member (anything text)',
        undefined,
        cluster.database,
      );
    expect(await refused(third())).toMatchObject({
      code: 'node.member-unfit',
      message: expect.stringContaining('control schema'),
    });
    expect([await text(), (await cluster.status()).version]).toEqual([before, version]);
    expect(await known()).toEqual(['db1 active', 'db2 active']);
  });

  test('members: a database under another address of its server is found out', async () => {
    await startTwo();
    const proxy = await FaultProxy.listen({ port: fixture.server(0).port });
    const url = `postgres://127.0.0.1:${proxy.port}/${cluster.database}`;
    await expect(cluster.node.operator.addMember({ id: 'db3', url }, 'owner')).rejects.toMatchObject({
      code: 'node.member-unfit',
      message: expect.stringContaining('one and the same'),
    });
    await proxy.close();
  });

  test('members: with a file that is read-only, the line is put in by hand and the same command goes on', async () => {
    await startTwo();
    await chmod(file(), 0o444);
    await expect(cluster.node.operator.addMember(third(), 'owner')).rejects.toMatchObject({
      code: 'config.not-writable',
      hint: expect.stringContaining('id: db3'),
    });
    expect(await known()).toEqual(['db1 active', 'db2 active']);
    const value = JSON.parse(await text());
    await writeFile(file(), JSON.stringify({ ...value, members: [...value.members, third()] }));
    await cluster.node.operator.addMember(third(), 'owner');
    expect(await known()).toEqual(['db1 active', 'db2 active', 'db3 inactive']);
  });

  test('members: a crash between file and memory leaves a new member', async () => {
    await startTwo();
    await cluster.node.operator.addMember(third(), 'owner');
    await cluster.stopNode();
    await remembered((store, state) =>
      store.save({
        ...state,
        version: state.version + 1,
        members: state.members.filter(({ id }) => id !== 'db3'),
      }),
    );
    await restart();
    expect(await known()).toEqual(['db1 active', 'db2 active', 'db3 inactive']);
  });
});

describe('members: a member is removed', () => {
  test('members: under load, the primary among them, without an error; the file and the memory lack it', async () => {
    cluster = await FreshCluster.start(fixture.servers, options);
    const load = await new Load(cluster.url, { clients: 4 }).start();
    await load.more(40);
    const { primary } = await cluster.status();
    expect(await cluster.node.operator.removeMember(primary ?? '')).toMatchObject({ changed: true });
    await load.more(40);
    await load.stop();
    expect(load.errors).toEqual([]);
    const rest = ['db1', 'db2', 'db3'].filter((id) => id !== primary);
    expect([await inFile(), await known()]).toEqual([rest, rest.map((id) => `${id} active`)]);
    await judge(cluster, load, []);
    await restart();
    expect(await known()).toEqual(rest.map((id) => `${id} active`));
  });

  test('members: the last active one stays', async () => {
    cluster = await FreshCluster.start(fixture.servers, options);
    await cluster.node.deactivateMember('db2');
    await cluster.node.deactivateMember('db3');
    await expect(cluster.node.operator.removeMember('db1')).rejects.toMatchObject({
      code: 'cluster.last-active-member',
    });
    await expect(cluster.node.operator.removeMember('db9')).rejects.toMatchObject({
      code: 'cluster.unknown-member',
    });
    expect([await inFile(), await known()]).toEqual([
      ['db1', 'db2', 'db3'],
      ['db1 active', 'db2 held', 'db3 held'],
    ]);
  });

  test('members: with a file that is read-only nothing is begun', async () => {
    cluster = await FreshCluster.start(fixture.servers, options);
    await chmod(file(), 0o444);
    await expect(cluster.node.operator.removeMember('db3')).rejects.toMatchObject({
      code: 'config.not-writable',
    });
    expect(await known()).toEqual(['db1 active', 'db2 active', 'db3 active']);
  });

  test('members: it may come back as a new one', async () => {
    cluster = await FreshCluster.start(fixture.servers, options);
    await cluster.node.operator.removeMember('db3');
    await cluster.node.operator.addMember(third(), 'owner');
    expect([await inFile(), await known()]).toEqual([
      ['db1', 'db2', 'db3'],
      ['db1 active', 'db2 active', 'db3 inactive'],
    ]);
    expect(await cluster.node.activateMember('db3')).toMatchObject({ changed: true });
  });

  const leave = (store: FileStateStore, state: NodeState) =>
    store.save({
      ...state,
      version: state.version + 1,
      members: state.members.map((member) =>
        member.id === 'db3'
          ? { ...member, active: false, held: true, leaving: true, reason: 'half-way' }
          : member,
      ),
    });

  test('members: a crash before the file leaves it held, and the command goes on from there', async () => {
    cluster = await FreshCluster.start(fixture.servers, options);
    await cluster.stopNode();
    await remembered(leave);
    await cluster.startNode();
    expect(await known()).toEqual(['db1 active', 'db2 active', 'db3 held']);
    await restart();
    expect(await known()).toEqual(['db1 active', 'db2 active', 'db3 held']);
    await cluster.node.operator.removeMember('db3');
    expect([await inFile(), await known()]).toEqual([
      ['db1', 'db2'],
      ['db1 active', 'db2 active'],
    ]);
  });

  test('members: a crash before the file does not keep it from being taken back', async () => {
    cluster = await FreshCluster.start(fixture.servers, options);
    await cluster.stopNode();
    await remembered(leave);
    await cluster.startNode();
    await cluster.node.activateMember('db3');
    await cluster.stopNode();
    const left = await remembered((_, { members }) => Promise.resolve(members.map(({ leaving }) => leaving)));
    expect(left).toEqual([undefined, undefined, undefined]);
  });

  test('members: a crash behind the file is made good at the start, which says so', async () => {
    cluster = await FreshCluster.start(fixture.servers, options);
    await cluster.stopNode();
    await remembered(leave);
    const messages: string[] = [];
    const note = (_: unknown, message: string) => messages.push(message);
    const logger = { trace: note, debug: note, info: note, warn: note, error: note };
    await cluster.startNode({ members: cluster.nodeOptions().members.slice(0, 2), logger });
    expect(await known()).toEqual(['db1 active', 'db2 active']);
    expect(messages).toContain('member db3 is removed: an operator removed it');
    await cluster.stopNode();
    const ids = await remembered((_, { members }) => Promise.resolve(members.map(({ id }) => id)));
    expect(ids).toEqual(['db1', 'db2']);
  });

  test('members: while no node runs, the file and the memory change just so', async () => {
    cluster = await FreshCluster.start(fixture.servers, options);
    await cluster.node.deactivateMember('db3');
    await cluster.stopNode();
    await chmod(file(), 0o444);
    const config = await loadConfig(file(), {});
    await expect(removeMember(config, 'db3')).rejects.toMatchObject({ code: 'config.not-writable' });
    await chmod(file(), 0o600);
    await removeMember(config, 'db3');
    expect(await inFile()).toEqual(['db1', 'db2']);
    await restart();
    expect(await known()).toEqual(['db1 active', 'db2 active']);
  });
});
