/** The admin address, as browsers, programs and those who mean harm use it; the node behind it is only its operator's side. */
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request as requestTls } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CommandRunner, Jobs, openHttpDoor, tokenFiles } from '../../src/admin/index.ts';
import type { AuditRecord, HttpDoor, Readiness } from '../../src/admin/index.ts';
import { LockstepError, systemClock } from '../../src/base/index.ts';
import { selfSigned } from '../fronts/postgres/listening.ts';
import { fakeOperations, fileAsItWas, neverVerified } from '../support/fake-operations.ts';
import { waitFor } from '../support/index.ts';

const STATUS = {
  cluster: 'orders',
  role: 'master' as const,
  term: 3,
  version: 9,
  csn: 42,
  primary: 'db1',
  listen: ['postgres://127.0.0.1:6432'],
  uptimeMs: 1234,
  paused: false,
  clients: 5,
  members: [],
  verification: neverVerified,
  file: fileAsItWas,
};
const HOUR_MS = 3_600_000;
const posix = process.platform !== 'win32';

let directory: string;
let door: HttpDoor;
let port: number;
let tokens: { readonly operator: string; readonly readOnly: string };
let now: Readiness;
let nowMs: number;
let records: AuditRecord[];
let refusals: string[];
let warnings: string[];
let jobs: Jobs;

const operations = fakeOperations({
  status: () => Promise.resolve(STATUS),
  deactivateMember: (id, reason) =>
    Promise.resolve({ changed: true, message: `${id} is inactive: ${reason}` }),
  syncMember: () =>
    Promise.reject(
      new LockstepError({ code: 'cluster.not-level', message: 'db2 lacks CSN 7', hint: 'sync it' }),
    ),
  switchPrimary: () => Promise.reject(new TypeError('x is not a function')),
  verify: () => Promise.resolve(jobs.start('verify', null, () => new Promise(() => {}))),
  jobs: () => Promise.resolve(jobs.list()),
  cancelJob: (id) => Promise.resolve({ changed: jobs.cancel(id), message: 'asked' }),
});

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lockstep-http-'));
  jobs = new Jobs(systemClock);
  now = { role: 'master', writes: true, reads: true };
  nowMs = 0;
  [records, refusals, warnings] = [[], [], []];
  await open();
});
afterEach(async () => {
  await door.close();
  await rm(directory, { recursive: true });
});

async function open(tls?: { readonly cert: string; readonly key: string }): Promise<void> {
  door = await openHttpDoor({
    host: '127.0.0.1',
    port: 0,
    tls,
    hosts: ['db.example'],
    stateDirectory: join(directory, 'state'),
    consoleDirectory: join(directory, 'console'),
    operations,
    runner: new CommandRunner(operations, (record) => records.push(record)),
    readiness: () => now,
    metrics: () => Promise.resolve('lockstep_term 3\n'),
    refused: (address, reason) => refusals.push(`${address}: ${reason}`),
    warn: (message) => warnings.push(message),
    clock: { ...systemClock, monotonicMs: () => nowMs },
  });
  port = Number(new URL(door.url).port);
  const files = tokenFiles(join(directory, 'state'));
  tokens = {
    operator: (await readFile(files.operator, 'utf8')).trim(),
    readOnly: (await readFile(files.readOnly, 'utf8')).trim(),
  };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- What came is what the test is about.
  readonly json: any;
}

interface Asked {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

function ask(method: string, path: string, { headers = {}, body }: Asked = {}): Promise<Answer> {
  const text = typeof body === 'string' || body === undefined ? body : JSON.stringify(body);
  const type = text === undefined ? {} : { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, method, path, agent: false, headers: { ...type, ...headers } },
      (response) => {
        let got = '';
        response.on('data', (chunk) => (got += String(chunk)));
        response.on('end', () => {
          const json = response.headers['content-type']?.includes('json') ? JSON.parse(got) : undefined;
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text: got, json });
        });
      },
    );
    sent.on('error', reject);
    sent.end(text);
  });
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function logIn(token: string): Promise<{ readonly cookie: string; readonly csrf: string }> {
  const answer = await ask('POST', '/api/session', { body: { token } });
  expect(answer.status).toBe(200);
  return { cookie: String(answer.headers['set-cookie']?.[0]?.split(';')[0]), csrf: answer.json.csrf };
}

describe('http: too many', () => {
  test('http: a load balancer is answered when others hold all connections that there may be', async () => {
    const held = Array.from({ length: 140 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
    try {
      for (let i = 0; i < 3; i += 1) {
        expect((await ask('GET', '/readiness')).status).toBe(200);
        expect((await ask('GET', '/health')).status).toBe(200);
      }
      const other = await ask('GET', '/api/status', { headers: bearer(tokens.operator) });
      expect([other.status, other.json.error.code]).toEqual([503, 'admin.too-many-connections']);
      expect(other.headers.connection).toBe('close');
    } finally {
      for (const socket of held) socket.destroy();
    }
    await waitFor(
      async () => (await ask('GET', '/api/status', { headers: bearer(tokens.operator) })).status === 200,
      { what: 'a place' },
    );
  });
});

describe('http: who may ask', () => {
  test.runIf(posix)('http: both tokens are made once, for their owner alone, and stay', async () => {
    const files = tokenFiles(join(directory, 'state'));
    for (const file of [files.operator, files.readOnly]) expect((await stat(file)).mode & 0o777).toBe(0o600);
    const before = tokens;
    expect(before.operator).not.toBe(before.readOnly);
    await door.close();
    await open();
    expect(tokens).toEqual(before);
    expect(warnings).toEqual([]);
  });

  test('http: a link of the node signs in once, within its time, and is no token for anything else', async () => {
    const wordOf = (link: string) => new RegExp(`^${door.url}/#/enter/([\\w-]{43})$`).exec(link)?.[1] ?? '';
    const word = wordOf(door.link());
    const signIn = (token: string) => ask('POST', '/api/session', { body: { token } });
    expect((await ask('GET', '/api/status', { headers: bearer(word) })).status).toBe(401);
    expect((await signIn(word)).json).toMatchObject({ role: 'operator' });
    expect((await signIn(word)).status).toBe(401);
    const late = wordOf(door.link());
    nowMs += 15 * 60_000;
    expect((await signIn(late)).status).toBe(401);
  });

  test('http: nobody, a wrong token and a forgotten cookie get 401 and nothing else', async () => {
    for (const headers of [{}, bearer('x'.repeat(43)), { cookie: 'lockstep_session=old' }]) {
      const answer = await ask('GET', '/api/status', { headers });
      expect([answer.status, Object.keys(answer.json)]).toEqual([401, ['error']]);
    }
    expect((await ask('POST', '/api/session', { body: { token: 'guess' } })).json.error).toMatchObject({
      code: 'admin.wrong-token',
    });
    expect(refusals).toEqual(['127.0.0.1: a wrong admin token', '127.0.0.1: a wrong admin token']);
  });

  test('http: a program shows its token, and gets what every door gets', async () => {
    const answer = await ask('GET', '/api/status', { headers: bearer(tokens.readOnly) });
    expect([answer.status, answer.json]).toEqual([200, STATUS]);
    const changed = await ask('POST', '/api/commands/deactivate-member', {
      headers: bearer(tokens.operator),
      body: { member: 'db2', reason: 'new disk' },
    });
    expect([changed.status, changed.json.message]).toEqual([200, 'db2 is inactive: new disk']);
  });

  test('http: a browser exchanges the token for a cookie that no script reads and no other site sends', async () => {
    const answer = await ask('POST', '/api/session', { body: { token: tokens.operator } });
    expect(answer.json).toEqual({ role: 'operator', csrf: expect.any(String) });
    const [cookie] = answer.headers['set-cookie'] ?? [];
    for (const word of ['HttpOnly', 'SameSite=Strict', 'Path=/']) expect(cookie).toContain(word);
    const own = { cookie: String(cookie?.split(';')[0]), 'x-csrf-token': answer.json.csrf };
    expect((await ask('GET', '/api/session', { headers: own })).json).toEqual(answer.json);
    expect((await ask('GET', '/api/status', { headers: own })).status).toBe(200);
  });

  test('http: the cookie alone, as another port of this host is sent it, fetches nothing, the second secret least of all', async () => {
    const { cookie, csrf } = await logIn(tokens.operator);
    const body = { member: 'db2' };
    for (const headers of [{ cookie }, { cookie, 'x-csrf-token': 'guess' }]) {
      const whoAmI = await ask('GET', '/api/session', { headers });
      expect([whoAmI.status, whoAmI.text.includes(csrf)]).toEqual([401, false]);
      for (const path of ['/api/status', '/api/config', '/api/sessions', '/api/stream']) {
        const refused = await ask('GET', path, { headers });
        expect([path, refused.status, refused.json.error.code]).toEqual([path, 403, 'admin.no-csrf-token']);
      }
      const stays = await ask('DELETE', '/api/session', { headers });
      expect([stays.status, stays.json.error.code]).toEqual([403, 'admin.no-csrf-token']);
      const refused = await ask('POST', '/api/commands/deactivate-member', { headers, body });
      expect([refused.status, refused.json.error.code]).toEqual([403, 'admin.no-csrf-token']);
    }
    expect(records).toEqual([]);
    const headers = { cookie, 'x-csrf-token': csrf };
    expect((await ask('POST', '/api/commands/deactivate-member', { headers, body })).status).toBe(200);
  });

  test('http: a session ends by logging out, by lying idle, and at the latest after half a day', async () => {
    const first = await logIn(tokens.operator);
    await ask('DELETE', '/api/session', { headers: { cookie: first.cookie, 'x-csrf-token': first.csrf } });
    const lives = async ({ cookie, csrf }: typeof first) =>
      (await ask('GET', '/api/session', { headers: { cookie, 'x-csrf-token': csrf } })).status;
    expect(await lives(first)).toBe(401);

    const idle = await logIn(tokens.operator);
    const used = await logIn(tokens.operator);
    for (let hours = 1; hours < 12; hours += 1) {
      nowMs += HOUR_MS;
      expect(await lives(used)).toBe(200);
    }
    expect(await lives(idle)).toBe(401);
    nowMs += HOUR_MS;
    expect(await lives(used)).toBe(401);
  });

  test('http: who may only look is refused what changes something, and that is on record', async () => {
    const refused = await ask('POST', '/api/commands/deactivate-member', {
      headers: bearer(tokens.readOnly),
      body: { member: 'db2' },
    });
    expect([refused.status, refused.json.error.code]).toEqual([403, 'admin.not-allowed']);
    expect(records).toMatchObject([
      { door: 'http', who: 'read-only, by token', from: '127.0.0.1', outcome: 'refused' },
    ]);
  });

  test('http: an address that is wrong too often is told to wait, and a right token is let in all the same', async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 12; i += 1)
      statuses.push((await ask('GET', '/api/status', { headers: bearer('wrong') })).status);
    expect(statuses).toEqual([...Array.from({ length: 10 }, () => 401), 429, 429]);
    expect(refusals).toHaveLength(10);
    const late = await ask('POST', '/api/session', { body: { token: 'wrong' } });
    expect([late.status, Number(late.headers['retry-after'])]).toEqual([429, 60]);
    expect((await ask('GET', '/api/status', { headers: bearer(tokens.operator) })).status).toBe(200);
    nowMs += 61_000;
    expect((await ask('GET', '/api/status', { headers: bearer('wrong') })).status).toBe(401);
  });
});

describe('http: where a request comes from', () => {
  test('http: a name that somebody else points at this machine gets nothing, also from the console', async () => {
    for (const path of ['/', '/api/session', '/api/status']) {
      const answer = await ask('GET', path, {
        headers: { host: 'evil.example', ...bearer(tokens.operator) },
      });
      expect([path, answer.status, answer.json.error.code]).toEqual([path, 403, 'admin.foreign-host']);
    }
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, 'db.example', 'DB.example:443']) {
      const answer = await ask('GET', '/api/status', { headers: { host, ...bearer(tokens.operator) } });
      expect([host, answer.status]).toEqual([host, 200]);
    }
  });

  test('http: a page of another origin gets nothing, with the right cookie either', async () => {
    const { cookie, csrf } = await logIn(tokens.operator);
    const secret = { cookie, 'x-csrf-token': csrf };
    const foreign = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: `http://127.0.0.1:${port + 1}` },
      { 'sec-fetch-site': 'cross-site' },
      // Another port of this host.
      { 'sec-fetch-site': 'same-site' },
    ];
    for (const headers of foreign) {
      const answer = await ask('POST', '/api/commands/deactivate-member', {
        headers: { ...secret, ...(headers as Record<string, string>) },
        body: { member: 'db2' },
      });
      expect([headers, answer.status, answer.json.error.code]).toEqual([
        headers,
        403,
        'admin.foreign-origin',
      ]);
    }
    expect(records).toEqual([]);
    const own = { ...secret, origin: `http://127.0.0.1:${port}`, 'sec-fetch-site': 'same-origin' };
    expect((await ask('GET', '/api/status', { headers: own })).status).toBe(200);
  });

  test('http: nothing is changed by a GET', async () => {
    const { cookie, csrf } = await logIn(tokens.operator);
    const headers = { cookie, 'x-csrf-token': csrf };
    const { commands } = (await ask('GET', '/api/commands', { headers })).json;
    for (const { name } of commands) {
      const answer = await ask('GET', `/api/commands/${name}?member=db2`, { headers });
      expect([name, answer.status]).toEqual([name, 404]);
    }
    expect(records).toEqual([]);
  });

  test('http: every answer forbids scripts of others, frames and guessing of types', async () => {
    for (const path of ['/', '/health', '/api/status', '/nothing']) {
      const { headers } = await ask('GET', path);
      expect(headers['content-security-policy']).toContain("default-src 'none'");
      expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
      expect([headers['x-content-type-options'], headers['x-frame-options']]).toEqual(['nosniff', 'DENY']);
    }
  });
});

describe('http: encrypted', () => {
  test('http: with a certificate nothing but TLS is spoken, and the cookie never leaves it', async () => {
    await door.close();
    await open(selfSigned());
    expect(door.url).toMatch(/^https:/);
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = { 'content-type': 'application/json' };
      const sent = requestTls(
        { host: '127.0.0.1', port, path: '/api/session', method: 'POST', headers, rejectUnauthorized: false },
        resolve,
      );
      sent.on('error', reject);
      sent.end(JSON.stringify({ token: tokens.operator }));
    });
    answer.resume();
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['set-cookie']?.[0]).toMatch(/^__Host-lockstep_session=.*Path=\/; HttpOnly; Secure/);
    expect(answer.headers['strict-transport-security']).toBeDefined();
    await expect(ask('GET', '/health')).rejects.toThrow();
  });
});

describe('http: commands', () => {
  test('http: each command is listed with what it takes and who may', async () => {
    const { commands } = (await ask('GET', '/api/commands', { headers: bearer(tokens.readOnly) })).json;
    const deactivate = commands.find(({ name }: { name: string }) => name === 'deactivate-member');
    expect(deactivate).toMatchObject({
      title: 'Deactivate member',
      role: 'operator',
      input: { type: 'object', required: ['member'] },
    });
    expect(commands.find(({ name }: { name: string }) => name === 'status').role).toBe('read-only');
  });

  test('http: the document for programs is the one in the docs (run: node dist/cli/main.js reference), with every command', async () => {
    const { text } = await ask('GET', '/api/openapi.json', { headers: bearer(tokens.readOnly) });
    const page = await readFile(new URL('../../docs/reference/openapi.json', import.meta.url), 'utf8');
    expect(JSON.parse(page)).toEqual(JSON.parse(text));
    const { paths } = JSON.parse(text) as { paths: Record<string, { post?: { requestBody: object } }> };
    const { commands } = (await ask('GET', '/api/commands', { headers: bearer(tokens.readOnly) })).json;
    for (const { name } of commands) expect(paths[`/api/commands/${name}`]?.post?.requestBody).toBeDefined();
    expect(text).not.toContain('$schema');
    const document = JSON.parse(text) as object;
    const references = [...text.matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, at = '']) => at);
    expect(references.length).toBeGreaterThan(100);
    for (const reference of new Set(references)) {
      const found = reference
        .split('/')
        .reduce((at: object, key) => Reflect.get(at, key) as object, document);
      expect(found, reference).toMatchObject({});
    }
    expect([...text.matchAll(/"\$ref":"(?!#\/components\/)/g)]).toEqual([]);
    expect(text).not.toContain('"schema":{}');
  });

  test('http: long work is answered with its number, watched and cancelled', async () => {
    const headers = bearer(tokens.operator);
    const begun = await ask('POST', '/api/commands/verify', { headers, body: {} });
    expect([begun.status, begun.json.job]).toMatchObject([
      202,
      { id: 1, command: 'verify', state: 'running' },
    ]);
    expect((await ask('GET', '/api/jobs', { headers })).json.jobs).toMatchObject([
      { id: 1, state: 'running' },
    ]);
    expect((await ask('DELETE', '/api/jobs/1', { headers })).json.changed).toBe(true);
    expect((await ask('DELETE', '/api/jobs/7', { headers })).status).toBe(404);
    expect(records.map(({ command, outcome }) => [command, outcome])).toEqual([
      ['verify', 'begun'],
      ['cancel-job', 'done'],
      ['cancel-job', 'refused'],
    ]);
  });

  test('http: refusals, failures and bad input say what happened and which part was wrong', async () => {
    const headers = bearer(tokens.operator);
    const refused = await ask('POST', '/api/commands/activate-member', { headers, body: { member: 'db2' } });
    expect([refused.status, refused.json.error]).toMatchObject([
      409,
      { code: 'cluster.not-level', hint: 'sync it' },
    ]);
    const failed = await ask('POST', '/api/commands/switch-primary', { headers, body: { member: 'db2' } });
    expect([failed.status, failed.json.error]).toMatchObject([500, { outcome: 'unknown' }]);
    const bad = await ask('POST', '/api/commands/sync-member', {
      headers,
      body: { member: 'db2', maxRate: 1 },
    });
    expect([bad.status, bad.json.error]).toMatchObject([400, { code: 'admin.bad-input', field: 'maxRate' }]);
    const empty = await ask('POST', '/api/commands/preflight', { headers, body: { url: '' } });
    expect(empty.json.error).toMatchObject({ message: 'url is missing', field: 'url' });
    expect((await ask('POST', '/api/commands/drop-everything', { headers, body: {} })).status).toBe(404);
    expect((await ask('GET', '/api/nothing', { headers })).json.error.code).toBe('admin.unknown-path');
  });

  test('http: what is not JSON, and what is too large, is refused, and the door stays open', async () => {
    const headers = bearer(tokens.operator);
    const path = '/api/commands/status';
    expect((await ask('POST', path, { headers, body: '{"a":' })).status).toBe(400);
    const form = { ...headers, 'content-type': 'text/plain' };
    expect((await ask('POST', path, { headers: form, body: '{}' })).status).toBe(400);
    const large = await ask('POST', path, { headers, body: `"${'x'.repeat(300_000)}"` });
    expect([large.status, large.json.error.code]).toEqual([413, 'admin.too-large']);
    expect((await ask('GET', '/api/status', { headers })).status).toBe(200);
  });

  test('http: headers beyond all bounds end the connection, and nobody else notices', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    const gone = new Promise((resolve) => socket.once('close', resolve));
    socket.write('GET / HTTP/1.1\r\n');
    const more = (): void => {
      if (!socket.destroyed) socket.write(`x-${'y'.repeat(500)}: z\r\n`, () => setImmediate(more));
    };
    more();
    socket.resume();
    await gone;
    expect((await ask('GET', '/health')).status).toBe(200);
  });
});

describe('http: for load balancers and browsers', () => {
  test('http: health needs no login, and says by its status what the node can do', async () => {
    const statuses = async () => {
      const paths = ['/health', '/readiness', '/primary', '/read-only'];
      return await Promise.all(paths.map(async (path) => (await ask('GET', path)).status));
    };
    expect(await statuses()).toEqual([200, 200, 200, 200]);
    now = { role: 'master', writes: false, reads: true };
    expect(await statuses()).toEqual([200, 503, 200, 200]);
    now = { role: 'failover', writes: false, reads: false };
    expect(await statuses()).toEqual([200, 503, 503, 503]);
    expect((await ask('GET', '/health', { headers: { host: 'balancer' } })).status).toBe(200);
  });

  test('http: monitoring on this machine needs no login; passed on for others, a token', async () => {
    expect((await ask('GET', '/metrics')).text).toBe('lockstep_term 3\n');
    const passedOn = { 'x-forwarded-for': '192.0.2.1' };
    expect((await ask('GET', '/metrics', { headers: passedOn })).status).toBe(401);
    expect((await ask('GET', '/metrics', { headers: { host: 'db.example' } })).status).toBe(401);
    const shown = { ...passedOn, ...bearer(tokens.readOnly) };
    expect((await ask('GET', '/metrics', { headers: shown })).status).toBe(200);
    expect((await ask('GET', '/metrics', { headers: { origin: 'https://evil.example' } })).status).toBe(403);
  });

  test('http: the page is served from its directory alone; not built, it says what to do', async () => {
    const missing = await ask('GET', '/');
    expect([missing.status, missing.text]).toEqual([503, expect.stringContaining('npm run build')]);
    await mkdir(join(directory, 'console/assets'), { recursive: true });
    await writeFile(join(directory, 'console/index.html'), '<p>console</p>');
    await writeFile(join(directory, 'console/assets/a.js'), 'let a;');
    await writeFile(join(directory, 'secret.txt'), 'secret');
    await symlink(join(directory, 'secret.txt'), join(directory, 'console/link.txt'));
    const page = await ask('GET', '/');
    expect([page.status, page.text, page.headers['cache-control']]).toEqual([
      200,
      '<p>console</p>',
      'no-cache',
    ]);
    expect((await ask('GET', '/members')).text).toBe('<p>console</p>');
    const script = await ask('GET', '/assets/a.js');
    expect(script.headers['content-type']).toContain('text/javascript');
    expect(script.headers['cache-control']).toContain('immutable');
    for (const path of [
      '/link.txt',
      '/../secret.txt',
      '/%2e%2e/secret.txt',
      '/..%2fsecret.txt',
      '/assets/b.js',
    ])
      expect([path, (await ask('GET', path)).status]).toEqual([path, 404]);
  });
});
