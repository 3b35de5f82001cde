/** The admin address of a whole node with real members. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { adminAddress, AdminClient, reload } from '../../src/admin/index.ts';
import { COMMANDS } from '../../src/admin/commands/index.ts';
import type { EventPage, SessionInfo, TrafficSample, VerificationReport } from '../../src/admin/index.ts';
import { connect, startNode, waitFor, withServers } from '../support/index.ts';
import type { StartedNode } from '../support/index.ts';

const fixture = withServers(2);
let dir: string;
let started: StartedNode;
let headers: Readonly<Record<'authorization' | 'content-type', string>>;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'lockstep-http-node-'));
  await start();
  const token = (await readFile(join(dir, 'state/admin-token'), 'utf8')).trim();
  headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
}, 120_000);
afterAll(async () => {
  await started.stop();
  await rm(dir, { recursive: true });
});

async function start(): Promise<void> {
  const config = { listen: { postgres: '127.0.0.1:0', admin: '127.0.0.1:0' } };
  started = await startNode(fixture.servers, { dir, config });
}

async function get<T>(path: string): Promise<T> {
  const answer = await fetch(`${started.node.adminUrl}${path}`, { headers });
  return (await answer.json()) as T;
}

function command(name: string, input: object): Promise<Response> {
  return fetch(`${started.node.adminUrl}/api/commands/${name}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(input),
  });
}

async function states(): Promise<readonly string[]> {
  const { members } = await get<{ members: { state: string }[] }>('/api/status');
  return members.map(({ state }) => state);
}

test('http: a member is taken out and back for whoever has the token, and that is on record after a restart', async () => {
  expect(await states()).toEqual(['active', 'active']);
  expect((await fetch(`${started.node.adminUrl}/readiness`)).status).toBe(200);
  expect((await command('deactivate-member', { member: 'db2', reason: 'new disk' })).status).toBe(200);
  expect(await states()).toEqual(['active', 'held']);
  expect((await command('deactivate-member', { member: 'db1' })).status).toBe(409);
  expect((await command('activate-member', { member: 'db2' })).status).toBe(202);
  await waitFor(async () => (await states()).every((state) => state === 'active'), {
    what: 'db2',
    timeoutMs: 60_000,
  });
  const before = await get<EventPage>('/api/events?type=command-ran&limit=50');
  expect(before.events.map(({ data }) => [data['command'], data['outcome']])).toEqual([
    ['activate-member', 'begun'],
    ['deactivate-member', 'refused'],
    ['deactivate-member', 'done'],
  ]);
  await started.stop();
  await start();
  expect(await get<EventPage>('/api/events?type=command-ran&limit=50')).toEqual(before);
  const { events } = await get<EventPage>('/api/events?member=db2&level=warn');
  expect(events.map(({ text }) => text)).toContain('member db2 is inactive: new disk');
}, 120_000);

test('http: who is logged in and what they run is shown, and can be stopped', async () => {
  const client = await connect(started.url);
  const sleep = client
    .query("SELECT pg_sleep(600), $$secret$$ /* PASSWORD 'secret' */")
    .catch((error: unknown) => error);
  const running = await waitFor(
    async () => {
      const { sessions } = await get<{ sessions: SessionInfo[] }>('/api/sessions');
      return sessions.find(({ state }) => state === 'active');
    },
    { what: 'the statement' },
  );
  expect(running).toMatchObject({ address: '127.0.0.1', member: expect.stringMatching(/^db[12]$/) });
  expect(running?.statement).toBe('SELECT pg_sleep(?), ?');
  expect((await command('cancel-session', { session: running?.id })).status).toBe(200);
  // As on any server, who cancels before the statement has arrived there cancels nothing.
  let ended: unknown;
  void sleep.then((error: unknown) => (ended = error));
  await waitFor(
    async () => {
      if (ended === undefined) await command('cancel-session', { session: running?.id });
      return ended !== undefined;
    },
    { what: 'the end of the statement' },
  );
  expect(ended).toMatchObject({ code: '57014' });
  expect((await command('cancel-session', { session: 99 })).status).toBe(404);
  await client.query('BEGIN');
  await client.query('SELECT 2');
  const { sessions } = await get<{ sessions: SessionInfo[] }>('/api/sessions');
  expect(sessions).toMatchObject([{ state: 'idle in transaction', statement: 'SELECT ?' }]);
});

test('http: reads, commits, their times and pauses are sampled each second', async () => {
  const client = await connect(started.url);
  await client.query('CREATE TABLE traffic (id int PRIMARY KEY)');
  await client.query('INSERT INTO traffic VALUES (1)');
  await client.query('SELECT * FROM traffic');
  await client.query('SELECT pg_sleep(0.3)');
  const total = async (of: (sample: TrafficSample) => number) => {
    const { samples } = await get<{ samples: TrafficSample[] }>('/api/traffic');
    return samples.reduce((sum, sample) => sum + of(sample), 0);
  };
  await waitFor(async () => (await total(({ writesPerSecond }) => writesPerSecond)) > 1.5, {
    what: 'two writes',
  });
  await waitFor(async () => (await total(({ readsPerSecond }) => readsPerSecond)) > 1.5, {
    what: 'two reads',
  });
  await waitFor(async () => (await total(({ commitMs }) => commitMs.p99 ?? 0)) > 0, { what: 'a commit' });
  // A statement that takes long is no pause.
  expect(await total(({ longestPauseMs }) => longestPauseMs)).toBeLessThan(290);
});

test('http: the last verification is told table by table', async () => {
  const client = await connect(started.url);
  await client.query('CREATE TABLE checked (id int PRIMARY KEY)');
  await client.query('INSERT INTO checked VALUES (1), (2)');
  expect((await command('verify', { tables: ['public.checked'] })).status).toBe(202);
  const found = await waitFor(() => get<VerificationReport | null>('/api/verification'), {
    what: 'the verification',
    timeoutMs: 60_000,
  });
  expect(found).toMatchObject({
    outcome: 'equal',
    tables: [{ outcome: 'equal', rows: 2, members: { db1: 'equal', db2: 'equal' } }],
  });
}, 120_000);

test('http: every answer is as its schema says, with nothing beside it', async () => {
  const client = await connect(started.url);
  await client.query('SELECT 1');
  const inputs: Readonly<Record<string, object>> = {
    'sync-member': { member: 'db2', strategy: 'diff', dryRun: true },
    'deactivate-member': { member: 'db2' },
    'activate-member': { member: 'db2' },
    'switch-primary': { member: 'db1' },
    'edit-member': { member: 'db1', weight: 2 },
    'change-config': { changes: [{ path: 'balancer', value: 'random' }] },
  };
  const asked =
    `deactivate-member sync-member status activate-member status repair verify switch-primary edit-member change-config
     reload restore-members pause resume preflight config sessions traffic events verification jobs`.split(
      /\s+/,
    );
  for (const name of asked) {
    const known = COMMANDS.find((one) => one.name === name);
    const answered = await (await command(name, inputs[name] ?? {})).json();
    const result = known?.job === true ? unnamed((answered as { job: object }).job) : (answered as object);
    expect(known?.output.parse(result), `${name}: ${JSON.stringify(result)}`).toEqual(result);
    if (known?.job !== true) continue;
    const ended = async () => {
      const all = await get<{ jobs: { state: string }[] }>('/api/jobs');
      return all.jobs.every(({ state }) => state !== 'running');
    };
    await waitFor(ended, { what: `the end of ${name}`, timeoutMs: 60_000 });
  }
  expect(COMMANDS.map(({ name }) => name).filter((name) => !asked.includes(name))).toEqual([
    'add-member',
    'remove-member',
    'cancel-sync',
    'cancel-job',
    'cancel-session',
    'free-database',
  ]);
}, 120_000);

/** Over HTTP the command that began it stands beside it. */
function unnamed(named: object): object {
  const { command: _, ...job } = named as { readonly command?: string };
  return job;
}

test('http: metrics are what Prometheus reads: every one documented, each with its labels, histograms that add up', async () => {
  const text = await (await fetch(`${started.node.adminUrl}/metrics`)).text();
  const page = await readFile(new URL('../../docs/reference/metrics.md', import.meta.url), 'utf8');
  const types = new Map([...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => [name, type]));
  expect(types.size).toBeGreaterThan(15);
  for (const [name, type] of types) {
    expect(text).toContain(`# HELP ${name} `);
    expect(page).toContain(`| \`${name}\` | ${type} |`);
  }
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const values = new Map<string, number>();
  for (const sample of samples) {
    const [, name = '', labels = '', value = ''] =
      /^(\w+)(\{(?:\w+="[^"]*",?)+\})? (\S+)$/.exec(sample) ?? expect.fail(sample);
    expect(types.has(name) || types.get(name.replace(/_(bucket|sum|count)$/, '')) === 'histogram').toBe(true);
    expect(Number.isFinite(Number(value)), sample).toBe(true);
    expect(values.has(name + labels), sample).toBe(false);
    values.set(name + labels, Number(value));
  }
  expect(values.get('lockstep_member_active{member="db1"}')).toBe(1);
  expect(values.get('lockstep_writable')).toBe(1);
  const commits = values.get('lockstep_request_seconds_count{kind="commit"}');
  expect(commits).toBeGreaterThan(0);
  expect(values.get('lockstep_request_seconds_bucket{kind="commit",le="+Inf"}')).toBe(commits);
  const buckets = [...values].filter(([name]) =>
    name.startsWith('lockstep_request_seconds_bucket{kind="commit"'),
  );
  expect(buckets.map(([, value]) => value)).toEqual(
    buckets.map(([, value]) => value).toSorted((a, b) => a - b),
  );
});

test('doors: one command, three ways in, each with the same answer and its own record', async () => {
  const local = await new AdminClient(adminAddress(join(dir, 'state'))).call(reload, {});
  const http: unknown = await (await command('reload', {})).json();
  expect(http).toEqual(local);
  const url = new URL(started.url);
  url.pathname = '/lockstep';
  // Whoever can read the token, from this machine.
  url.username = 'operator';
  url.password = headers.authorization.replace('Bearer ', '');
  const client = await connect(url.href);
  const { rows } = await client.query('RUN reload');
  expect(JSON.parse((rows[0] as { result: string }).result)).toEqual(local);
  const { events } = await get<EventPage>('/api/events?type=command-ran&limit=3');
  expect(events.map(({ data }) => [data['door'], data['command'], data['outcome']])).toEqual([
    ['sql', 'reload', 'done'],
    ['http', 'reload', 'done'],
    ['local', 'reload', 'done'],
  ]);

  const listed = await get<{ commands: { name: string }[] }>('/api/commands');
  const { rows: help } = await client.query('SHOW HELP');
  const last = (help.at(-1) as { meaning: string }).meaning;
  for (const { name } of listed.commands) expect(last).toContain(name);
});
