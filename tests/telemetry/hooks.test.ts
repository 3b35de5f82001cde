/** Programs and webhooks that are told of events, among them bad ones. */

import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/base/index.ts';
import { EventHub, Hooks } from '../../src/telemetry/index.ts';
import type { EngineEvent, EventType, Hook, HookAction, HookLimits } from '../../src/telemetry/index.ts';
import { waitFor } from '../support/index.ts';

let directory: string;
let open: Hooks | undefined;
let server: Server | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lockstep-hooks-'));
});
afterEach(async () => {
  await open?.close();
  server?.closeAllConnections();
  server?.close();
  [open, server] = [undefined, undefined];
  await rm(directory, { recursive: true });
});

interface Fixture {
  readonly hooks: Hooks;
  readonly seen: EngineEvent[];
  readonly raise: (type: 'member-deactivated' | 'member-activated', member?: string) => void;
  readonly of: (type: EventType) => readonly EngineEvent[];
}

function start(
  hooks: readonly (Partial<Hook> & { readonly action: HookAction })[],
  limits: Partial<HookLimits> = {},
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Fixture {
  const seen: EngineEvent[] = [];
  const made: Hooks = new Hooks({
    hooks: hooks.map((hook, index) => ({ name: `hook${index}`, on: undefined, timeoutMs: 20_000, ...hook })),
    cluster: 'orders',
    clock: systemClock,
    environment,
    raise: (event) => hub.raise(event),
    limits: { retryMs: 5, retryMaxMs: 20, stopMs: 200, ...limits },
  });
  const hub = new EventHub({
    clock: systemClock,
    sinks: [{ emit: (event) => void seen.push(event) }, made],
    onSinkFailure: (message) => {
      throw new Error(message);
    },
  });
  open = made;
  return {
    hooks: made,
    seen,
    raise: (type, member = 'db2') => hub.raise({ type, member, reason: 'a test' }),
    of: (type) => seen.filter((event) => event.type === type),
  };
}

/** Runs JavaScript; `out` is a file of the test. */
const node = (code: string): HookAction => ({
  kind: 'run',
  command: [process.execPath, '-e', `const out = ${JSON.stringify(join(directory, 'out'))};${code}`],
});
const shell = (code: string): HookAction => ({ kind: 'run', command: ['/bin/sh', '-c', code] });

const written = (): Promise<string> => readFile(join(directory, 'out'), 'utf8').catch(() => '');

describe('hooks: programs', () => {
  test('hooks: a program gets the event as JSON on its standard input, of the kinds that it wants', async () => {
    const save = `require('fs').appendFileSync(out, require('fs').readFileSync(0))`;
    const { raise } = start([{ on: ['member-deactivated'], action: node(save) }]);
    raise('member-activated');
    raise('member-deactivated');
    const text = await waitFor(written, { what: 'the program to write' });
    expect(JSON.parse(text)).toMatchObject({
      cluster: 'orders',
      hook: 'hook0',
      type: 'member-deactivated',
      level: 'warn',
      member: 'db2',
      text: 'member db2 is inactive: a test',
      data: { member: 'db2', reason: 'a test' },
    });
    expect(text.trim().split('\n')).toHaveLength(1);
  });

  test('hooks: it sees nothing of the environment of the node but what every program needs', async () => {
    const { raise } = start(
      [{ action: node(`require('fs').writeFileSync(out, JSON.stringify(process.env))`) }],
      {},
      {
        PATH: process.env['PATH'],
        LC_ALL: 'C',
        ORDERS_PASSWORD: 'hush',
        PGPASSWORD: 'hush',
        NODE_OPTIONS: '--no-warnings',
      },
    );
    raise('member-deactivated');
    const found = JSON.parse(await waitFor(written, { what: 'the program to write' })) as Record<
      string,
      string
    >;
    expect(
      Object.keys(found)
        .filter((name) => !name.startsWith('__'))
        .sort(),
    ).toEqual(['LC_ALL', 'LOCKSTEP_CLUSTER', 'LOCKSTEP_EVENT', 'LOCKSTEP_HOOK', 'PATH']);
  });

  test('hooks: one that hangs holds up nobody, and is ended with all that it has started', async () => {
    const { raise, of } = start([
      {
        name: 'hangs',
        timeoutMs: 500,
        action: shell(`trap '' TERM; sleep 1234 & echo $! > ${join(directory, 'out')}; wait; sleep 1234`),
      },
      { name: 'works', action: node(`require('fs').writeFileSync(out + '2', 'told')`) },
    ]);
    const before = systemClock.monotonicMs();
    raise('member-deactivated');
    expect(systemClock.monotonicMs() - before).toBeLessThan(500);
    await waitFor(() => readFile(join(directory, 'out2')), { what: 'the other hook' });
    await waitFor(() => of('hook-failed').length > 0, { what: 'it to be ended' });
    expect(of('hook-failed')[0]).toMatchObject({
      hook: 'hangs',
      event: 'member-deactivated',
      reason: 'it has not ended within 500 ms',
    });
    const child = Number(await written());
    await waitFor(() => !alive(child), { what: 'what it had started to end' });
  });

  test('hooks: one that fails is an event with what it said, and no hook is told of that', async () => {
    const { raise, of, seen } = start([{ action: shell('echo "no such pager" >&2; exit 3') }]);
    raise('member-deactivated');
    await waitFor(() => of('hook-failed').length === 1, { what: 'the failure' });
    expect(of('hook-failed')[0]).toMatchObject({ reason: 'it ended with status 3: no such pager' });
    raise('member-deactivated');
    await waitFor(() => of('hook-failed').length === 2, { what: 'the second failure' });
    expect(seen).toHaveLength(4);
  });

  test('hooks: a program that is not there, and one that does not read what it is told', async () => {
    const { raise, of } = start([
      { name: 'absent', action: { kind: 'run', command: ['/no/such/program'] } },
      { name: 'deaf', action: shell('exec <&-; exit 0') },
    ]);
    raise('member-deactivated', 'm'.repeat(500_000));
    await waitFor(() => of('hook-failed').length === 1, { what: 'the failure' });
    expect(of('hook-failed')[0]).toMatchObject({
      hook: 'absent',
      reason: expect.stringContaining('cannot be run'),
    });
    await open?.close();
    expect(of('hook-failed')).toHaveLength(1);
  });

  test('hooks: events are told in their order, one at a time for each hook, and only so many at once', async () => {
    const busy = `const fs = require('fs'); const event = JSON.parse(fs.readFileSync(0));
      fs.appendFileSync(out, '+' + event.hook + ' ' + event.member + '\\n');
      setTimeout(() => fs.appendFileSync(out, '-' + event.hook + ' ' + event.member + '\\n'), 50)`;
    const { raise } = start(
      [0, 1, 2].map(() => ({ action: node(busy) })),
      { atOnce: 2 },
    );
    for (const member of ['a', 'b', 'c']) raise('member-deactivated', member);
    await waitFor(async () => (await written()).split('\n').length === 19, {
      what: 'all to be told',
      timeoutMs: 25_000,
    });
    const lines = (await written()).trim().split('\n');
    let running = 0;
    for (const line of lines) {
      running += line.startsWith('+') ? 1 : -1;
      expect(running).toBeLessThanOrEqual(2);
    }
    for (const hook of ['hook0', 'hook1', 'hook2']) {
      const own = lines.filter((line) => line.includes(hook)).map((line) => `${line[0]}${line.at(-1)}`);
      expect(own).toEqual(['+a', '-a', '+b', '-b', '+c', '-c']);
    }
  });

  test('hooks: what is beyond the bound is dropped and counted, once it goes on', async () => {
    const { raise, of } = start([{ timeoutMs: 300, action: shell('sleep 1234') }], { waiting: 2 });
    for (let n = 0; n < 10; n++) raise('member-deactivated');
    await waitFor(() => of('hook-dropped').length > 0, { what: 'the count' });
    expect(of('hook-dropped')[0]).toMatchObject({ hook: 'hook0', events: 7 });
  });

  test('hooks: when the node stops it waits for a moment, and then for nothing', async () => {
    const { raise, of, hooks } = start([{ action: shell('sleep 1234') }], { stopMs: 50 });
    for (let n = 0; n < 3; n++) raise('member-deactivated');
    await hooks.close();
    expect(of('hook-failed')).toMatchObject([{ reason: 'the node stops' }]);
    expect(of('hook-dropped')).toMatchObject([{ events: 2 }]);
    raise('member-deactivated');
    expect(of('hook-failed')).toHaveLength(1);
  });

  test('hooks: others take their place while it runs', async () => {
    const { raise, hooks } = start([{ action: shell('exit 0') }]);
    hooks.replace([
      {
        name: 'new',
        on: undefined,
        timeoutMs: 20_000,
        action: node(`require('fs').writeFileSync(out, 'new')`),
      },
    ]);
    raise('member-deactivated');
    expect(await waitFor(written, { what: 'the new hook' })).toBe('new');
  });
});

describe('hooks: webhooks', () => {
  type Answer = (request: IncomingMessage, response: ServerResponse, attempt: number) => void;

  /** What it was asked, and where it is. */
  async function serve(
    answer: Answer,
  ): Promise<{ url: string; bodies: string[]; headers: IncomingMessage['headers'][] }> {
    const bodies: string[] = [];
    const headers: IncomingMessage['headers'][] = [];
    server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => (body += text));
      request.on('end', () => {
        bodies.push(body);
        headers.push(request.headers);
        answer(request, response, bodies.length);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, bodies, headers };
  }

  const post = (url: string, attempts = 5): HookAction => ({
    kind: 'post',
    url,
    authorization: 'Bearer t0ken',
    attempts,
  });

  test('hooks: a webhook is tried again until it is answered, with the same id', async () => {
    const { url, bodies, headers } = await serve((_, response, attempt) =>
      response.writeHead(attempt < 3 ? 503 : 204).end(),
    );
    const { raise, of } = start([{ action: post(url) }]);
    raise('member-deactivated');
    await waitFor(() => bodies.length === 3, { what: 'the third attempt' });
    await open?.close();
    expect(of('hook-failed')).toEqual([]);
    expect(JSON.parse(bodies[2] ?? '')).toMatchObject({ cluster: 'orders', type: 'member-deactivated' });
    expect(headers.map(({ authorization }) => authorization)).toEqual([
      'Bearer t0ken',
      'Bearer t0ken',
      'Bearer t0ken',
    ]);
    expect(new Set(headers.map((one) => one['idempotency-key'])).size).toBe(1);
  });

  test('hooks: what a webhook refuses for good is not tried again, and what it sends elsewhere is not followed', async () => {
    const { url, bodies } = await serve((_, response, attempt) =>
      attempt === 1
        ? response.writeHead(404).end()
        : response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
    );
    const { raise, of } = start([{ action: post(url, 2) }]);
    raise('member-deactivated');
    await waitFor(() => of('hook-failed').length === 1, { what: 'the failure' });
    expect(of('hook-failed')).toMatchObject([{ reason: 'it was answered with status 404' }]);
    raise('member-deactivated');
    await waitFor(() => of('hook-failed').length === 2, { what: 'the failure' });
    expect(of('hook-failed')[1]).toMatchObject({ reason: expect.stringContaining('redirect') });
    expect(bodies).toHaveLength(3);
    expect(JSON.stringify(of('hook-failed'))).not.toContain('t0ken');
  });

  test('hooks: a webhook that never answers is given up, and the next event has its turn', async () => {
    const { url, bodies } = await serve(() => undefined);
    const { raise, of } = start([{ timeoutMs: 150, action: post(url, 2) }]);
    raise('member-deactivated', 'a');
    raise('member-deactivated', 'b');
    await waitFor(() => of('hook-failed').length === 2, { what: 'both to be given up' });
    expect(of('hook-failed')[0]).toMatchObject({ reason: 'there was no answer within 150 ms (attempt 2)' });
    expect(bodies.map((body) => (JSON.parse(body) as { member: string }).member)).toEqual([
      'a',
      'a',
      'b',
      'b',
    ]);
  });

  test('hooks: nobody at the address: tried again, and then an event', async () => {
    const { raise, of } = start([{ action: post('http://127.0.0.1:1/', 3) }]);
    raise('member-deactivated');
    await waitFor(() => of('hook-failed').length === 1, { what: 'the failure' });
    expect(of('hook-failed')[0]).toMatchObject({ reason: expect.stringMatching(/\(attempt 3\)$/) });
  });
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
