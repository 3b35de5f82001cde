/** The stream of what happens, for readers that read and for those that stop. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { get } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CommandRunner, openHttpDoor, tokenFiles } from '../../src/admin/index.ts';
import type { EventEntry, HttpDoor, Listeners } from '../../src/admin/index.ts';
import { systemClock } from '../../src/base/index.ts';
import { waitFor } from '../support/index.ts';
import { fakeOperations, fileAsItWas, neverVerified } from '../support/fake-operations.ts';

let directory: string;
let door: HttpDoor;
let token: string;
let watching: Set<Listeners>;
let csn: number;
let past: EventEntry[];
/** What a timer of the door waits for, by its length. */
let timers: { ms: number; act: () => void }[];

const operations = fakeOperations({
  status: () =>
    Promise.resolve({
      cluster: 'orders',
      role: 'master' as const,
      term: 3,
      version: 9,
      csn,
      primary: 'db1',
      listen: [],
      uptimeMs: performance.now(),
      paused: false,
      clients: 5,
      members: [],
      verification: neverVerified,
      file: fileAsItWas,
    }),
  events: ({ after = 0 } = {}) =>
    Promise.resolve({ events: past.filter(({ id }) => id > after).toReversed(), more: false }),
  watch: (listeners) => {
    watching.add(listeners);
    return () => watching.delete(listeners);
  },
});

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lockstep-stream-'));
  [watching, csn, past, timers] = [new Set(), 7, [], []];
  door = await openHttpDoor({
    host: '127.0.0.1',
    port: 0,
    hosts: [],
    stateDirectory: directory,
    consoleDirectory: directory,
    operations,
    runner: new CommandRunner(operations, () => undefined),
    readiness: () => ({ role: 'master', writes: true, reads: true }),
    metrics: () => Promise.resolve('lockstep_term 3\n'),
    refused: () => undefined,
    warn: () => undefined,
    clock: {
      ...systemClock,
      after: (ms, act) => {
        const timer = { ms, act };
        timers.push(timer);
        return () => (timers = timers.filter((other) => other !== timer));
      },
    },
  });
  token = (await readFile(tokenFiles(directory).readOnly, 'utf8')).trim();
});
afterEach(async () => {
  await door.close();
  await rm(directory, { recursive: true });
});

interface Reader {
  readonly request: ClientRequest;
  readonly response: IncomingMessage;
  text: string;
  closed: boolean;
}

function read(headers: Readonly<Record<string, string>> = {}, paused = false): Promise<Reader> {
  return new Promise((resolve, reject) => {
    const all = { authorization: `Bearer ${token}`, ...headers };
    const request = get(`${door.url}/api/stream`, { headers: all, agent: false }, (response) => {
      const reader: Reader = { request, response, text: '', closed: false };
      response.on('error', () => undefined);
      response.on('close', () => (reader.closed = true));
      if (paused) response.pause();
      else response.on('data', (chunk) => (reader.text += String(chunk)));
      resolve(reader);
    });
    request.on('error', reject);
  });
}

function elapse(ms: number): void {
  const due = timers.filter((timer) => timer.ms === ms);
  timers = timers.filter((timer) => timer.ms !== ms);
  for (const { act } of due) act();
}

const event = (id: number, text = `event ${id}`): EventEntry => ({
  id,
  at: '2026-01-02T03:04:05.678Z',
  type: 'member-recovered',
  level: 'info',
  text,
  data: {},
});
const raise = (entry: EventEntry) => watching.forEach((one) => one.event(entry));
const count = (text: string, part: string) => text.split(part).length - 1;

test('http: the stream begins with the status, and tells it again only when it has changed', async () => {
  const reader = await read();
  expect(reader.response.headers['content-type']).toBe('text/event-stream');
  expect(reader.response.headers['content-security-policy']).toContain("default-src 'none'");
  await waitFor(() => count(reader.text, 'event: status') === 1, { what: 'the status' });
  elapse(1000);
  await waitFor(() => timers.length === 2, { what: 'the next look' });
  await waitFor(() => count(reader.text, 'event: status') === 2, { what: 'the first look' });
  elapse(1000);
  raise(event(1));
  await waitFor(() => reader.text.includes('id: 1\nevent: event\n'), { what: 'the event' });
  expect(count(reader.text, 'event: status')).toBe(2);
  csn += 1;
  elapse(1000);
  await waitFor(() => reader.text.includes('"csn":8'), { what: 'the change' });
  elapse(15_000);
  await waitFor(() => reader.text.includes(': still here'), { what: 'the heartbeat' });
  reader.request.destroy();
  await waitFor(() => watching.size === 0 && timers.length === 0, {
    what: 'that nothing is done for nobody',
  });
});

test('http: a reader that comes back is told the events that it has missed', async () => {
  past = [event(1), event(2), event(3)];
  const reader = await read({ 'last-event-id': '1' });
  await waitFor(() => reader.text.includes('event 3'), { what: 'the last event' });
  expect([...reader.text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => id)).toEqual(['2', '3']);
});

test('http: a reader that stops reading is cut off, with little kept for it, and the others go on', async () => {
  const idle = await read({}, true);
  const reader = await read();
  // More than the buffers of the system hold.
  const raised = 300;
  for (let id = 1; id <= raised; id += 1) {
    raise(event(id, 'x'.repeat(100_000)));
    await waitFor(() => reader.text.includes(`id: ${id}\n`), { what: `event ${id}`, timeoutMs: 30_000 });
    reader.text = '';
  }
  let got = '';
  idle.response.on('data', (chunk) => (got += String(chunk)));
  idle.response.resume();
  await waitFor(() => idle.closed, { what: 'the end of the idle stream', timeoutMs: 30_000 });
  expect(count(got, 'event: event')).toBeLessThan(raised);
  raise(event(9999));
  await waitFor(() => reader.text.includes('"event 9999"'), { what: 'the other reader' });
}, 90_000);

test('http: a reader that takes nothing from one heartbeat to the next is cut off', async () => {
  const idle = await read({}, true);
  // As long as they fit into the buffers of the system, somebody may still read them.
  for (let id = 1; id <= 300 && timers.length > 0; id += 1) {
    raise(event(id, 'x'.repeat(16_000)));
    elapse(15_000);
    elapse(15_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await waitFor(() => watching.size === 0, { what: 'the end of the stream' });
  idle.response.destroy();
});
