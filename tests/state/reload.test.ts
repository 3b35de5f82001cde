/** The configuration file read again while the node runs. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { silentLogger } from '../../src/telemetry/index.ts';
import { FreshCluster } from '../failure/fresh-cluster.ts';
import type { TestMember } from '../failure/fresh-cluster.ts';
import { selfSigned } from '../fronts/postgres/listening.ts';
import { connect } from '../support/connect.ts';
import { startNodeProcess, waitFor, withServers } from '../support/index.ts';

vi.setConfig({ testTimeout: 60_000 });

const fixture = withServers(2);
let cluster: FreshCluster;
afterEach(() => cluster.stop());

async function rewrite(change: Readonly<Record<string, unknown>>): Promise<void> {
  const path = join(cluster.dir, 'lockstep.yaml');
  const now = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  await writeFile(path, JSON.stringify({ ...now, ...change }), { mode: 0o600 });
}

test('reload: what can be taken over is in force at once, for sessions that are there too; the rest is named', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  const client = await connect(cluster.url);
  const { members } = JSON.parse(await readFile(join(cluster.dir, 'lockstep.yaml'), 'utf8')) as {
    members: object[];
  };
  await rewrite({
    balancer: 'simple',
    members: members.map((member, index) => ({ ...member, weight: index === 1 ? 9 : 1 })),
    probe: { intervalMs: 150, timeoutMs: 300, threshold: 2 },
    deadlines: { statementMs: 4321 },
    limits: { maxClients: 7 },
  });
  expect(await cluster.node.reload()).toMatchObject({
    changed: true,
    applied: ['balancer', 'deadlines.statementMs', 'members[1].weight', 'probe.intervalMs'],
    needsRestart: ['limits.maxClients'],
  });
  expect((await cluster.status()).members.map(({ weight }) => weight)).toEqual([1, 9]);
  const next = await connect(cluster.url);
  expect((await next.query('show statement_timeout')).rows).toEqual([{ statement_timeout: '4321ms' }]);
  // What waits is named again until the node is started again, and what was taken over is not.
  expect(await cluster.node.reload()).toMatchObject({
    changed: false,
    applied: [],
    needsRestart: ['limits.maxClients'],
  });
  // `simple`: always the one with the highest weight, here for a session that was there before.
  const before = await scansOf(cluster.member('db2'));
  for (let n = 0; n < 30; n++) await client.query('select balance from accounts where id = 1');
  // Its connections report what they have done as they end.
  await client.end();
  await cluster.stopNode();
  expect((await scansOf(cluster.member('db2'))) - before).toBe(30);
});

async function scansOf({ ask }: TestMember): Promise<number> {
  await ask('select pg_stat_force_next_flush()');
  const [row] = await ask(`select idx_scan + seq_scan from pg_stat_user_tables where relname = 'accounts'`);
  return Number(row?.[0]);
}

test('reload: a file that is wrong anywhere changes nothing, and says what is wrong with it', async () => {
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (_: object, text: string) => void warnings.push(text) };
  cluster = await FreshCluster.prepare(fixture.servers);
  await cluster.startNode({ logger });
  await rewrite({ balancer: 'random', probe: { intervalMs: 1 } });
  await expect(cluster.node.reload()).rejects.toMatchObject({
    code: 'config.invalid',
    message: expect.stringContaining('probe.intervalMs'),
  });
  await rewrite({
    balancer: 'random',
    probe: {},
    listen: { postgres: '127.0.0.1:0', tls: { cert: './bad.pem', key: './bad.pem' } },
  });
  await writeFile(join(cluster.dir, 'bad.pem'), 'not a certificate', { mode: 0o600 });
  await expect(cluster.node.reload()).rejects.toMatchObject({ code: 'front.bad-certificate' });
  await rewrite({ cluster: 'another', listen: { postgres: '127.0.0.1:0' } });
  await expect(cluster.node.reload()).rejects.toMatchObject({ code: 'node.another-cluster' });
  expect(warnings.filter((text) => text.startsWith('the configuration stays as it was'))).toHaveLength(3);
  // Nothing of the good half was taken over on the way.
  await rewrite({ cluster: 'test', balancer: 'least-loaded', ...cluster.nodeOptions().config });
  expect(await cluster.node.reload()).toMatchObject({ changed: false, applied: [] });
  const client = await connect(cluster.url);
  expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
});

test('reload: users and certificates are taken over, and who is logged in stays', async () => {
  cluster = await FreshCluster.start(fixture.servers, { config: { password: 'of-the-cluster' } });
  const url = new URL(cluster.url);
  url.password = 'of-the-cluster';
  const before = await connect(url.href);
  for (const { ask } of cluster.members)
    await ask(`create role reader login password 'r3ader'`).catch(() => undefined);
  const reader = new URL(url);
  reader.username = 'reader';
  reader.password = 'r3ader';
  await expect(connect(reader.href)).rejects.toMatchObject({ code: '28P01' });
  const { cert, key } = selfSigned();
  await writeFile(join(cluster.dir, 'cert.pem'), cert);
  await writeFile(join(cluster.dir, 'key.pem'), key, { mode: 0o600 });
  await rewrite({
    clients: ['postgres', { name: 'reader', password: 'r3ader' }],
    listen: { postgres: '127.0.0.1:0', tls: { cert: './cert.pem', key: './key.pem' } },
  });
  expect(await cluster.node.reload()).toMatchObject({ applied: ['clients', 'listen.tls'], needsRestart: [] });
  const encrypted = await connect(reader.href, { ssl: { rejectUnauthorized: false } });
  expect((await encrypted.query('select current_user')).rows).toEqual([{ current_user: 'reader' }]);
  await rewrite({ clients: ['postgres'] });
  expect(await cluster.node.reload()).toMatchObject({ applied: ['clients'] });
  await expect(connect(reader.href)).rejects.toMatchObject({ code: '28P01' });
  expect((await encrypted.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
  expect((await before.query('select 2 as n')).rows).toEqual([{ n: 2 }]);
});

test('reload: hooks are taken over; one that hangs at everything delays neither a commit, nor a member, nor for long the stop', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  const out = join(cluster.dir, 'told');
  await rewrite({
    hooks: [
      {
        name: 'hangs',
        on: ['member-deactivated', 'command-ran', 'config-reloaded'],
        run: ['/bin/sh', '-c', 'sleep 1234'],
      },
      { name: 'tells', on: ['member-deactivated'], run: ['/bin/sh', '-c', `cat > ${out}`] },
    ],
  });
  expect(await cluster.node.reload()).toMatchObject({ applied: ['hooks'] });
  const client = await connect(cluster.url);
  await cluster.node.deactivateMember('db2', 'a test');
  for (let value = 1; value <= 20; value++)
    await client.query('update counters set value = $1 where client = 1', [value]);
  await cluster.node.activateMember('db2');
  const told = await waitFor(() => readFile(out, 'utf8'), { what: 'the other hook to be told' });
  expect(JSON.parse(told)).toMatchObject({ type: 'member-deactivated', member: 'db2', cluster: 'test' });
  await client.end();
  const before = performance.now();
  await cluster.stopNode();
  // Far below the time that a hook may take.
  expect(performance.now() - before).toBeLessThan(8000);
});

test('reload: SIGHUP does it, the log says what came of it, and the level of the log changes with it', async () => {
  cluster = await FreshCluster.prepare(fixture.servers);
  const options = cluster.nodeOptions();
  const node = await startNodeProcess(fixture.servers, options);
  try {
    await rewrite({ balancer: 'nonsense' });
    node.child.kill('SIGHUP');
    await waitFor(() => node.output().includes('"event":"config-refused"'), { what: 'the refusal' });
    await rewrite({ balancer: 'random', logging: { level: 'debug' } });
    node.child.kill('SIGHUP');
    await waitFor(() => node.output().includes('"applied":["balancer","logging.level"]'), {
      what: 'it to be taken over',
    });
    const url = new URL(node.url);
    url.pathname = cluster.database;
    await (await connect(url.href)).end();
    await waitFor(() => node.output().includes('a client has logged in'), { what: 'a line of that level' });
  } finally {
    await node.stop();
  }
});

test('reload: a login or an address is tried before it is saved, and in force at once where it leads to the same server', async () => {
  cluster = await FreshCluster.start(fixture.servers);
  const path = join(cluster.dir, 'lockstep.yaml');
  const { operator } = cluster.node;
  const before = await readFile(path, 'utf8');
  await expect(operator.changeConfig([{ path: 'username', value: 'nobody' }], 'owner')).rejects.toMatchObject(
    {
      code: 'node.member-not-reached',
      field: 'username',
      message: expect.stringContaining('does not let nobody log in from here'),
    },
  );
  const { port, database } = urlParts(cluster.member('db1').server.urlOf(cluster.database));
  const other = `postgres://localhost:${port}/${database}`;
  await expect(operator.editMember('db2', { url: other }, 'owner')).rejects.toMatchObject({
    field: 'url',
    message: expect.stringContaining('the same database'),
  });
  await expect(
    operator.editMember('db2', { url: 'postgres://127.0.0.1:1/none' }, 'owner'),
  ).rejects.toMatchObject({
    field: 'url',
    message: expect.stringContaining('nothing listens at its port 1'),
  });
  expect(await readFile(path, 'utf8')).toBe(before);
  expect((await operator.status()).file).toMatchObject({ state: 'same' });

  const own = urlParts(cluster.member('db2').server.urlOf(cluster.database));
  const moved = `postgres://localhost:${own.port}/${own.database}`;
  expect(await operator.editMember('db2', { url: moved }, 'owner')).toEqual({
    applied: ['members[1].url'],
    needsRestart: [],
  });
  expect((await operator.status()).members[1]).toMatchObject({ url: moved, active: true });
  await operator.deactivateMember('db2');
  await operator.activateMember('db2');
  expect((await operator.status()).members[1]).toMatchObject({ url: moved, active: true });
});

function urlParts(url: string): { readonly port: string; readonly database: string } {
  const { port, pathname } = new URL(url);
  return { port, database: pathname.slice(1) };
}

test('reload: what becomes of the file is noticed as it happens: a member that it lacks, what is wrong with it, what waits', async () => {
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (_: object, text: string) => void warnings.push(text) };
  cluster = await FreshCluster.prepare(fixture.servers);
  await cluster.startNode({ logger });
  const path = join(cluster.dir, 'lockstep.yaml');
  const { operator } = cluster.node;
  const fileBecomes = async (what: object) =>
    await waitFor(
      async () => {
        expect((await operator.status()).file).toMatchObject(what);
        return true;
      },
      { what: JSON.stringify(what) },
    );
  const whole = JSON.parse(await readFile(path, 'utf8')) as { members: readonly object[] };
  await rewrite({ members: whole.members.slice(0, 1) });
  await fileBecomes({ state: 'edited', missing: ['db2'] });
  await waitFor(() => warnings.some((text) => text.includes('lacks db2')), { what: 'the warning' });
  expect(await operator.reload()).toMatchObject({ message: expect.stringContaining('The file lacks db2') });
  expect(await operator.restoreMembers()).toMatchObject({ changed: true });
  expect((JSON.parse(await readFile(path, 'utf8')) as typeof whole).members).toEqual(whole.members);
  await fileBecomes({ state: 'same', missing: [] });
  await operator.changeConfig([{ path: 'limits.maxClients', value: 7 }], 'owner');
  await fileBecomes({ state: 'edited', waiting: ['limits.maxClients'], unread: [] });
  await writeFile(path, `${await readFile(path, 'utf8')}\n\tbroken`);
  await fileBecomes({ state: 'broken', fault: expect.stringMatching(/lockstep\.yaml:\d+:\d+/) });
  await expect(operator.changeConfig([{ path: 'balancer', value: 'random' }], 'owner')).rejects.toMatchObject(
    {
      code: 'config.invalid',
      message: expect.stringMatching(/lockstep\.yaml:\d+:\d+/),
    },
  );
});
