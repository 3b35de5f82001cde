/** The configuration of a running node, changed over HTTP; databases that are looked at; clients that are kept waiting. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ClusterStatus, ConfigView, EventPage, PreflightView } from '../../src/admin/index.ts';
import { connect, startNode, waitFor, withServers } from '../support/index.ts';
import type { StartedNode } from '../support/index.ts';

const fixture = withServers(3);
let dir: string;
let file: string;
let started: StartedNode;
let headers: Readonly<Record<string, string>>;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'lockstep-settings-'));
  file = join(dir, 'lockstep.yaml');
  const config = {
    listen: { postgres: '127.0.0.1:0', admin: '127.0.0.1:0' },
    probe: { intervalMs: 500 },
    hooks: [
      {
        name: 'chat',
        post: 'http://127.0.0.1:1/HOOK-SECRET',
        authorization: 'Bearer HOOK-SECRET',
        attempts: 1,
      },
    ],
    members: fixture.servers.slice(0, 2).map(({ port, database }, index) => ({
      id: `db${index + 1}`,
      url: `postgres://127.0.0.1:${port}/${database}`,
      password: 'OLD-SECRET',
    })),
  };
  started = await startNode(fixture.servers.slice(0, 2), { dir, config });
  const token = (await readFile(join(dir, 'state/admin-token'), 'utf8')).trim();
  headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
}, 120_000);
afterAll(async () => {
  await started.stop();
  await rm(dir, { recursive: true });
});

async function get<T>(path: string): Promise<T> {
  const answer = await fetch(`${started.node.adminUrl}${path}`, { headers });
  return (await answer.json()) as T;
}

async function command(name: string, input: object): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(`${started.node.adminUrl}/api/commands/${name}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(input),
  });
  return { status: answer.status, body: await answer.json() };
}

test('http: the configuration is shown with every option, and without its secrets', async () => {
  const shown = await get<ConfigView>('/api/config');
  expect(shown.file).toBe(file);
  expect(JSON.stringify(shown)).not.toMatch(/OLD-SECRET|HOOK-SECRET/);
  expect(shown.values).toMatchObject({
    cluster: 'test',
    members: [{ password: '[hidden]', url: expect.stringMatching(/^postgres:/) }, {}],
    hooks: [{ name: 'chat', post: '[hidden]', authorization: '[hidden]', attempts: 1 }],
    probe: { intervalMs: 500 },
  });
  const option = (path: string) => shown.options.find((one) => one.path === path);
  expect(option('probe.intervalMs')).toMatchObject({ type: 'number', restart: false, default: '1000' });
  expect(option('listen.admin')).toMatchObject({ restart: true });
  expect(option('password')).toMatchObject({ type: 'secret' });
  expect(option('balancer')).toMatchObject({ type: 'choice', allowed: expect.stringContaining('`random`') });
});

test('http: changed options are in the file with its comments, and in force as far as they can be', async () => {
  const before = await readFile(file, 'utf8');
  const commented = `# Of the shop.\n${before.replace('"probe":', '\n # as agreed\n "probe":')}`;
  await writeFile(file, commented);
  const changed = await command('change-config', {
    changes: [
      { path: 'probe.intervalMs', value: 250 },
      { path: 'limits.maxClients', value: 50 },
      { path: 'password', value: 'NEW-SECRET' },
    ],
  });
  expect(changed).toEqual({
    status: 200,
    body: { applied: ['probe.intervalMs', 'password'], needsRestart: ['limits.maxClients'] },
  });
  const after = await readFile(file, 'utf8');
  expect(after).toContain('# Of the shop.\n');
  expect(after).toContain('# as agreed\n');
  expect(after).toMatch(/"intervalMs":\s?250/);
  const { events } = await get<EventPage>('/api/events?type=command-ran&limit=1');
  expect(events[0]?.text).toContain('probe.intervalMs');
  expect(events[0]?.text).toContain('[hidden]');
  expect(events[0]?.text).not.toContain('NEW-SECRET');
  const back = await command('change-config', { changes: [{ path: 'password', value: null }] });
  expect(back.body).toMatchObject({ applied: ['password'] });
  await connect(started.url);
});

test('http: a secret within a list is on record no more than any other', async () => {
  const hook = { name: 'pager', post: 'http://127.0.0.1:1/NEXT-SECRET', authorization: 'NEXT-SECRET' };
  const changed = await command('change-config', { changes: [{ path: 'hooks', value: [hook] }] });
  expect(changed).toEqual({ status: 200, body: { applied: ['hooks'], needsRestart: [] } });
  const { events } = await get<EventPage>('/api/events?type=command-ran&limit=1');
  expect(events[0]?.text).toContain('pager');
  expect(JSON.stringify(events)).not.toContain('NEXT-SECRET');
  expect(JSON.stringify(await get<ConfigView>('/api/config'))).not.toContain('NEXT-SECRET');
  expect((await command('change-config', { changes: [{ path: 'hooks', value: null }] })).status).toBe(200);
});

test('http: what runs programs, reads files, listens or lets in is changed in the file alone', async () => {
  const before = await readFile(file, 'utf8');
  const hook = { name: 'x', run: ['/bin/sh', '-c', 'id'] };
  const refused: readonly (readonly [string, unknown])[] = [
    ['hooks', [hook]],
    ['sync.pgDump', '/tmp/evil'],
    ['listen.postgres', '0.0.0.0:5432'],
    ['admin.allowRemote', true],
    ['admin.users', ['mallory']],
    ['tls.mode', 'disable'],
    ['clients', [{ name: 'mallory', password: 'x' }]],
    ['password', { file: '/etc/shadow' }],
    ['password', { env: 'HOME' }],
    ['members[0].password', { file: '/etc/shadow' }],
    ['hooks', [{ name: 'x', post: 'http://127.0.0.1:1/', authorization: { file: '/etc/shadow' } }]],
  ];
  for (const [path, value] of refused)
    expect(await command('change-config', { changes: [{ path, value }] }), path).toMatchObject({
      status: 403,
      body: { error: { code: 'admin.file-only', field: path } },
    });
  for (const path of ['__proto__.x', 'constructor.prototype.x', 'toString'])
    expect(await command('change-config', { changes: [{ path, value: 1 }] })).toMatchObject({ status: 422 });
  expect(await readFile(file, 'utf8')).toBe(before);
});

test('http: the password of the cluster goes to members alone, and who asks for it is on record', async () => {
  await command('change-config', { changes: [{ path: 'password', value: 'CLUSTER-SECRET' }] });
  const url = 'postgres://127.0.0.1:1/x';
  const before = await readFile(file, 'utf8');
  const refusal = {
    status: 403,
    body: { error: { code: 'admin.file-only', message: expect.stringMatching(/username.*password/) } },
  };
  expect(await command('edit-member', { member: 'db2', url, password: null })).toMatchObject(refusal);
  expect(await command('edit-member', { member: 'db2', url, username: 'other' })).toMatchObject(refusal);
  for (const input of [
    { url, password: { file: '/etc/shadow' } },
    { url, password: { env: 'HOME' } },
  ]) {
    for (const [name, more] of [
      ['preflight', {}],
      ['add-member', { id: 'db9' }],
    ] as const)
      expect(await command(name, { ...input, ...more })).toMatchObject({
        status: 403,
        body: { error: { code: 'admin.file-only', field: 'password' } },
      });
  }
  expect(await readFile(file, 'utf8')).toBe(before);
  const { events } = await get<EventPage>('/api/events?type=command-ran&limit=4');
  expect(events.map(({ data }) => [data['command'], data['outcome']])).toContainEqual([
    'preflight',
    'refused',
  ]);
  await command('change-config', { changes: [{ path: 'password', value: null }] });
});

test('http: a value that is not allowed is refused beside its field, and nothing changes', async () => {
  const before = await readFile(file, 'utf8');
  const refused = await command('change-config', {
    changes: [
      { path: 'balancer', value: 'random' },
      { path: 'probe.timeoutMs', value: 'soon' },
    ],
  });
  expect(refused).toMatchObject({
    status: 422,
    body: { error: { field: 'probe.timeoutMs', hint: /Allowed/ } },
  });
  for (const path of ['cluster', 'members', 'no.such'])
    expect(await command('change-config', { changes: [{ path, value: 'x' }] })).toMatchObject({
      status: 422,
      body: { error: { field: path } },
    });
  expect(await readFile(file, 'utf8')).toBe(before);
});

test('http: the weight and the password of a member are changed while it runs, and a login is tried before it is saved', async () => {
  expect(await command('edit-member', { member: 'db2', weight: 7 })).toEqual({
    status: 200,
    body: { applied: ['members[1].weight'], needsRestart: [] },
  });
  const { members } = await get<ClusterStatus>('/api/status');
  expect(members.map(({ weight }) => weight)).toEqual([1, 7]);
  expect(await command('edit-member', { member: 'db2', weight: 1000 })).toMatchObject({
    status: 422,
    body: { error: { field: 'weight' } },
  });
  expect(await command('edit-member', { member: 'db9', weight: 1 })).toMatchObject({ status: 404 });
  // It is tried first, and there is no such role.
  expect(await command('edit-member', { member: 'db2', username: 'other' })).toMatchObject({
    status: 422,
    body: { error: { field: 'username' } },
  });
  const changes = { username: null, weight: null, password: 'TYPED: SECRET' };
  expect((await command('edit-member', { member: 'db2', ...changes })).status).toBe(200);
  expect(await readFile(file, 'utf8')).toContain('"TYPED: SECRET"');
  const { events } = await get<EventPage>('/api/events?type=command-ran&limit=1');
  expect(events[0]?.text).toContain('edit-member');
  expect(JSON.stringify(events)).not.toContain('TYPED');
  expect(JSON.stringify(await get<ConfigView>('/api/config'))).not.toContain('TYPED');
});

test('http: a database is looked at before it is taken in, and nothing in it changes', async () => {
  const server = fixture.server(2);
  const url = `postgres://127.0.0.1:${server.port}/${server.database}`;
  const lookAt = async (input: object) => (await command('preflight', input)).body as PreflightView;
  const { members } = await lookAt({ url });
  expect(members).toMatchObject([{ id: 'new', url }]);
  expect(members[0]?.findings.filter(({ ok }) => ok === 'fail')).toEqual([]);
  expect(members[0]?.findings.length).toBeGreaterThan(3);
  const nobody = await lookAt({ url: 'postgres://127.0.0.1:1/x' });
  expect(nobody.members[0]?.findings).toMatchObject([{ name: 'connection', ok: 'fail' }]);
  expect(await command('preflight', { url: 'mysql://a/b' })).toMatchObject({
    status: 422,
    body: { error: { field: 'url' } },
  });
  const all = await lookAt({});
  expect(all.members.map(({ id }) => id)).toEqual(['db1', 'db2']);
  expect(await server.query("SELECT 1 FROM pg_namespace WHERE nspname = 'lockstep'")).toEqual([]);
}, 60_000);

test('http: while clients are paused open transactions go on, new ones wait, and can be taken back', async () => {
  const [open, waits, cancelled] = [
    await connect(started.url),
    await connect(started.url),
    await connect(started.url),
  ];
  await open.query('CREATE TABLE paused (id int)');
  await open.query('BEGIN');
  await open.query('INSERT INTO paused VALUES (1)');
  const pausing = command('pause', {});
  await waitFor(async () => (await fetch(`${started.node.adminUrl}/readiness`)).status === 503, {
    what: 'the pause',
  });
  await open.query('INSERT INTO paused VALUES (2)');
  await open.query('COMMIT');
  expect((await pausing).body).toMatchObject({
    changed: true,
    message: expect.stringContaining('nothing is open'),
  });

  let answered = false;
  const count = waits.query('SELECT count(*)::int AS n FROM paused').then(({ rows }) => {
    answered = true;
    return rows as unknown;
  });
  const stopped = cancelled.query('SELECT 1').catch((error: unknown) => error);
  const canceller = await connect(started.url);
  await cancel(cancelled);
  expect(await stopped).toMatchObject({ code: '57014' });
  expect(answered).toBe(false);
  expect((await command('resume', {})).body).toMatchObject({ changed: true });
  expect(await count).toEqual([{ n: 2 }]);
  expect((await canceller.query('SELECT 1')).rowCount).toBe(1);
  expect((await command('resume', {})).body).toMatchObject({ changed: false });
}, 60_000);

/** As the driver would: another connection shows pid and key. */
async function cancel(client: Awaited<ReturnType<typeof connect>>): Promise<void> {
  const { connect: open } = await import('node:net');
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const socket = open(started.port, '127.0.0.1');
  const message = Buffer.alloc(16);
  [16, 80_877_102, processID, secretKey].forEach((value, place) => message.writeInt32BE(value, place * 4));
  socket.end(message);
  await new Promise((resolve) => socket.resume().once('close', resolve));
}
