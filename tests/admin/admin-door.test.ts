import { fork } from 'node:child_process';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  activateMember,
  adminAddress,
  AdminClient,
  deactivateMember,
  openAdminServer,
  status,
  switchPrimary,
} from '../../src/admin/index.ts';
import type { AdminServer, ClusterStatus } from '../../src/admin/index.ts';
import { LockstepError } from '../../src/base/index.ts';
import { fakeOperations, fileAsItWas, neverVerified, unrecorded } from '../support/fake-operations.ts';

const STATUS: ClusterStatus = {
  cluster: 'orders',
  role: 'master',
  term: 3,
  version: 9,
  csn: 42,
  primary: 'db1',
  listen: ['127.0.0.1:6432'],
  uptimeMs: 1234,
  paused: false,
  clients: 5,
  members: [],
  verification: neverVerified,
  file: fileAsItWas,
};

const posix = process.platform !== 'win32';
let directory: string;
let server: AdminServer | undefined;
let calls: unknown[][];
const refusal = new LockstepError({
  code: 'cluster.not-level',
  message: 'db2 lacks CSN 7',
  hint: 'synchronise it',
});

const operations = fakeOperations({
  status: () => Promise.resolve(STATUS),
  syncMember: (...args) => {
    calls.push(args);
    return Promise.reject(refusal);
  },
  deactivateMember: (...args) => {
    calls.push(args);
    return Promise.resolve({ changed: true, message: 'db2 is inactive' });
  },
  switchPrimary: () => Promise.reject(new TypeError('x is not a function')),
});

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lockstep-admin-'));
  calls = [];
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(directory, { recursive: true });
});

async function open(): Promise<AdminClient> {
  server = await openAdminServer(adminAddress(directory), unrecorded(operations));
  return new AdminClient(adminAddress(directory));
}

function raw(options: {
  method: string;
  path: string;
  body?: string;
}): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath: adminAddress(directory), agent: false, ...options }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += String(chunk);
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    sent.on('error', reject);
    sent.end(options.body);
  });
}

describe('admin: the door', () => {
  test('admin: a command gets the answer of the engine', async () => {
    const client = await open();
    expect(await client.call(status, {})).toEqual(STATUS);
    expect(await client.call(deactivateMember, { member: 'db2', reason: 'new disk' })).toEqual({
      changed: true,
      message: 'db2 is inactive',
    });
    await client.call(deactivateMember, { member: 'db3' });
    expect(calls).toEqual([
      ['db2', 'new disk'],
      ['db3', undefined],
    ]);
  });

  test('admin: a refusal arrives with its code, its hint and whether anything happened', async () => {
    const client = await open();
    const error = await client.call(activateMember, { member: 'db2' }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(LockstepError);
    expect(error).toMatchObject({
      code: 'cluster.not-level',
      message: 'db2 lacks CSN 7',
      hint: 'synchronise it',
      outcome: 'none',
    });
  });

  test('admin: an error of the engine itself arrives as one whose outcome is unknown', async () => {
    const client = await open();
    await expect(client.call(switchPrimary, { member: 'db2' })).rejects.toMatchObject({
      code: 'admin.internal',
      outcome: 'unknown',
    });
  });

  test('admin: input that no member id can be is refused before the engine sees it', async () => {
    const client = await open();
    await expect(client.call(deactivateMember, { member: 'No Such;' })).rejects.toMatchObject({
      code: 'admin.bad-input',
    });
    expect(calls).toEqual([]);
  });

  test('admin: unknown paths, other methods, bad JSON and endless bodies get an error, and the door stays open', async () => {
    const client = await open();
    expect((await raw({ method: 'POST', path: '/v1/drop-everything' })).status).toBe(404);
    expect((await raw({ method: 'GET', path: '/v1/status' })).status).toBe(404);
    const broken = await raw({ method: 'POST', path: '/v1/status', body: '{"a":' });
    expect([broken.status, JSON.parse(broken.body).error.code]).toEqual([400, 'admin.bad-input']);
    const endless = await raw({ method: 'POST', path: '/v1/status', body: `"${'x'.repeat(70_000)}"` });
    expect(endless.status).toBe(400);
    expect(await client.call(status, {})).toEqual(STATUS);
  });

  test.runIf(posix)('admin: the socket belongs to its owner alone', async () => {
    await open();
    expect((await stat(join(directory, 'admin.sock'))).mode & 0o777).toBe(0o600);
  });

  test('admin: a node that does not run is said to be unreachable, and nothing happened', async () => {
    const client = new AdminClient(adminAddress(directory));
    await expect(client.call(switchPrimary, { member: 'db1' })).rejects.toMatchObject({
      code: 'admin.unreachable',
      outcome: 'none',
    });
  });

  test('admin: a node that never answers is given up, and a change is then unknown', async () => {
    const mute = createServer((socket) => socket.on('error', () => socket.destroy()).resume());
    await new Promise<void>((resolve) => mute.listen(adminAddress(directory), resolve));
    const client = new AdminClient(adminAddress(directory), { answerMs: 50 });
    await expect(client.call(switchPrimary, { member: 'db1' })).rejects.toMatchObject({
      code: 'admin.unreachable',
      outcome: 'unknown',
      message: expect.stringContaining('50 ms'),
    });
    await expect(client.call(status, {})).rejects.toMatchObject({ outcome: 'none' });
    await new Promise((resolve) => mute.close(resolve));
  });

  test('admin: something else that answers on the socket is not believed', async () => {
    const stranger = createServer((socket) => {
      socket.on('error', () => socket.destroy()).resume();
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi');
    });
    await new Promise<void>((resolve) => stranger.listen(adminAddress(directory), resolve));
    const client = new AdminClient(adminAddress(directory));
    await expect(client.call(status, {})).rejects.toMatchObject({ code: 'admin.bad-answer' });
    await new Promise((resolve) => stranger.close(resolve));
  });

  test('admin: a second node does not take the door from the first', async () => {
    const client = await open();
    await expect(openAdminServer(adminAddress(directory), unrecorded(operations))).rejects.toMatchObject({
      code: 'admin.already-served',
    });
    expect(await client.call(status, {})).toEqual(STATUS);
  });

  test.runIf(posix)('admin: the socket that a killed node left behind is replaced', async () => {
    const script = join(directory, 'node.mjs');
    await writeFile(
      script,
      `import { createServer } from 'node:net'; createServer().listen(process.argv[2], () => process.send('up'));`,
    );
    const killed = fork(script, [adminAddress(directory)], { execArgv: [] });
    await new Promise((resolve) => killed.once('message', resolve));
    const gone = new Promise((resolve) => killed.once('exit', resolve));
    killed.kill('SIGKILL');
    await gone;
    expect((await stat(join(directory, 'admin.sock'))).isSocket()).toBe(true);
    expect(await (await open()).call(status, {})).toEqual(STATUS);
  });

  test.runIf(posix)('admin: a path that no socket can have is refused, not cut off', () => {
    expect(() => adminAddress(join(directory, 'x'.repeat(120)))).toThrow('too long for a socket');
  });
});
