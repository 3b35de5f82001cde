/** `events`, `top`, `sessions`: what they show of a node that only pretends; completion and examples. */

import { rm, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { adminAddress, openAdminServer } from '../../src/admin/index.ts';
import type { AdminServer, EventEntry, TrafficSample } from '../../src/admin/index.ts';
import type { CliIo } from '../../src/cli/index.ts';
import { buildCommands } from '../../src/cli/command-line.ts';
import { parseSince } from '../../src/cli/commands/events.ts';
import { suggest } from '../../src/cli/complete.ts';
import { EXAMPLES } from '../../src/cli/examples.ts';
import { leaves } from '../../src/cli/leaves.ts';
import { graph } from '../../src/cli/show-top.ts';
import { EventHub, EventJournal } from '../../src/telemetry/index.ts';
import {
  fakeOperations,
  memberStatus,
  fileAsItWas,
  neverVerified,
  unrecorded,
} from '../support/fake-operations.ts';
import { waitFor } from '../support/index.ts';
import { configDirectory, FakeCli } from './fake-cli.ts';
import { shownBy } from './terminal.ts';

let directory: string;
let file: string;
let server: AdminServer | undefined;
beforeEach(async () => {
  ({ directory, file } = await configDirectory());
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(directory, { recursive: true });
});

describe('cli: events', () => {
  let hub: EventHub;
  let journal: EventJournal;
  let wall: Date;
  beforeEach(async () => {
    wall = new Date('2026-01-02T03:00:00Z');
    journal = new EventJournal({ onFailure: () => undefined });
    hub = new EventHub({
      clock: { wallTime: () => wall },
      sinks: [journal],
      onSinkFailure: (message) => {
        throw new Error(message);
      },
    });
    await open();
  });

  async function open(): Promise<void> {
    server = await openAdminServer(
      adminAddress(directory),
      unrecorded(fakeOperations({ events: (filter) => Promise.resolve(journal.find(filter)) })),
    );
  }

  const deactivate = (member: string): void =>
    hub.raise({ type: 'member-deactivated', member, reason: 'a\ntest' });
  const activate = (member: string): void => hub.raise({ type: 'member-activated', member, reason: 'level' });

  test('cli: events: the newest last, one line each, of the kinds that are asked for', async () => {
    deactivate('db1');
    activate('db1');
    deactivate('db2');
    const all = new FakeCli();
    expect(await all.run('events', '--config', file)).toBe(0);
    expect(all.stdout).toBe(
      [
        '2026-01-02T03:00:00Z  warn   member-deactivated  member db1 is inactive: a test',
        '2026-01-02T03:00:00Z  info   member-activated  member db1 is active: level',
        '2026-01-02T03:00:00Z  warn   member-deactivated  member db2 is inactive: a test',
        '',
      ].join('\n'),
    );
    const some = new FakeCli();
    expect(
      await some.run(
        'events',
        '--config',
        file,
        '--json',
        '--level',
        'warn',
        '--member',
        'db1',
        '--type',
        'member-deactivated',
      ),
    ).toBe(0);
    expect(some.json()).toMatchObject({ events: [{ id: 1, member: 'db1', data: { reason: 'a\ntest' } }] });
    const none = new FakeCli();
    expect(await none.run('events', '--config', file, '--type', 'no-such')).toBe(0);
    expect(none.stdout).toBe('No such event is remembered.\n');
  });

  test('cli: events: since a time, over several pages, and never more than the limit', async () => {
    const now = Date.now();
    wall = new Date(now - 3_600_000);
    for (let n = 0; n < 10; n++) deactivate('old');
    wall = new Date(now - 60_000);
    for (let n = 0; n < 2500; n++) deactivate('new');
    const count = async (...args: readonly string[]): Promise<number> => {
      const cli = new FakeCli();
      expect(await cli.run('events', '--config', file, '--json', ...args)).toBe(0);
      return (cli.json()['events'] as EventEntry[]).length;
    };
    expect(await count()).toBe(100);
    expect(await count('--limit', '5000')).toBe(2510);
    expect(await count('--limit', '5000', '--since', '30m')).toBe(2500);
    expect(await count('--limit', '1700', '--since', '30m')).toBe(1700);
    expect(await count('--since', '10s')).toBe(0);
  });

  test('cli: events: a time, a level or a limit that is none has status 2', async () => {
    for (const args of [
      ['--since', 'yesterday'],
      ['--level', 'loud'],
      ['--limit', '0'],
    ])
      expect(await new FakeCli().run('events', '--config', file, ...args)).toBe(2);
    expect(parseSince('2h', 7_200_000)).toBe(0);
    expect(parseSince('1970-01-01T00:00:05Z', 0)).toBe(5000);
  });

  test('cli: events: --follow goes on with what happens, waits for a node that is away, and ends with Ctrl-C', async () => {
    deactivate('db1');
    const cli = new FakeCli();
    const ended = cli.run('events', '-f', '--json', '--config', file);
    const seen = (): readonly string[] =>
      cli.stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => (JSON.parse(line) as EventEntry).member ?? '');
    await waitFor(() => seen().length === 1, { what: 'what had happened before' });
    deactivate('db2');
    await waitFor(() => seen().length === 2, { what: 'what happens now' });
    await server?.close();
    await waitFor(() => cli.stderr.includes('waiting for it'), { what: 'it to notice' });
    deactivate('db3');
    deactivate('db4');
    await open();
    await waitFor(() => seen().length === 4, { what: 'what happened meanwhile' });
    expect(seen()).toEqual(['db1', 'db2', 'db3', 'db4']);
    cli.signals.emit('SIGINT');
    expect(await ended).toBe(0);
    expect(cli.signals.listenerCount('SIGINT')).toBe(0);
  });
});

describe('cli: top and sessions', () => {
  const sample: TrafficSample = {
    at: '2026-01-02T03:04:05.000Z',
    writesPerSecond: 120,
    readsPerSecond: 2300,
    commitMs: { p50: 2.1, p95: 4, p99: 9.25 },
    readMs: { p50: null, p95: null, p99: null },
    sessions: 2,
    longestPauseMs: 12.4,
    members: { db1: { readsPerSecond: 1500, latencyMs: 0.5, lagCsn: 0, load: 3 } },
  };
  const sessions = [
    {
      id: 1,
      user: 'app',
      application: 'psql',
      address: '127.0.0.1:1',
      state: 'idle',
      since: '2026-01-02T03:00:00Z',
      statement: 'select 1',
      member: 'db1',
    },
    {
      id: 2,
      user: 'app',
      application: null,
      address: '127.0.0.1:2',
      state: 'active',
      since: '2026-01-02T03:00:00Z',
      statement: 'update\nt',
      member: 'db1',
    },
  ] as const;

  beforeEach(async () => {
    const operations = fakeOperations({
      status: () =>
        Promise.resolve({
          cluster: 'orders',
          role: 'master',
          term: 1,
          version: 1,
          csn: 5,
          primary: 'db1',
          listen: [],
          uptimeMs: 61_000,
          paused: false,
          clients: 2,
          members: [
            memberStatus({ role: 'primary' }),
            memberStatus({ id: 'db2', active: false, state: 'failed', role: 'none', reason: 'gone' }),
          ],
          verification: neverVerified,
          file: fileAsItWas,
        }),
      traffic: () => Promise.resolve([{ ...sample, writesPerSecond: 60 }, sample]),
      sessions: () => Promise.resolve(sessions),
      pause: () => Promise.resolve({ changed: true, message: 'paused' }),
      resume: () => Promise.resolve({ changed: true, message: 'resumed' }),
      cancelSession: (id) => Promise.resolve({ changed: true, message: `session ${id} is stopped` }),
    });
    server = await openAdminServer(adminAddress(directory), unrecorded(operations));
  });

  test('cli: top: elsewhere than on a terminal it is said once: traffic, members, and who runs something first', async () => {
    const cli = new FakeCli();
    expect(await cli.run('top', '--config', file)).toBe(0);
    const lines = cli.stdout.split('\n');
    expect(lines[0]).toBe('cluster orders: primary db1, 1 of 2 members active; 2 clients; up 1m 1s');
    expect(cli.stdout).toMatch(/^writes {4}120\/s {2}2\.1 \/ 4\.0 \/ 9\.3 ms \(p50\/95\/99\) +▅█$/m);
    expect(cli.stdout).toContain('longest pause of the last minute: 12 ms');
    expect(cli.stdout).toMatch(/^db1 +active +primary +1 +1\.50k\/s +3 +0\.5 ms +0/m);
    expect(cli.stdout).toMatch(/^db2 +failed +- .*gone$/m);
    expect(lines.findIndex((line) => line.includes('update t'))).toBeLessThan(
      lines.findIndex((line) => line.includes('select 1')),
    );
    const json = new FakeCli();
    expect(await json.run('top', '--json', '--config', file)).toBe(0);
    expect(json.json()).toMatchObject({
      status: { cluster: 'orders' },
      traffic: { writesPerSecond: 120 },
      sessions,
    });
  });

  test('cli: top: on a terminal it is drawn again in place, within its size', async () => {
    const size = { columns: 60, rows: 12 };
    const cli = new FakeCli({}, {}, size);
    const ended = cli.run('top', '--config', file);
    await waitFor(() => cli.stdout.split('cluster orders').length > 2, { what: 'a second frame' });
    cli.signals.emit('SIGTERM');
    expect(await ended).toBe(0);
    expect(shownBy(cli.stdout, size)[0]).toContain('cluster orders: primary db1');
  });

  test('cli: sessions: one line for each, and one can be stopped', async () => {
    const cli = new FakeCli();
    expect(await cli.run('sessions', '--config', file)).toBe(0);
    expect(cli.stdout).toMatch(/^2 +app +- +127\.0\.0\.1:2 +active .* db1 +update t$/m);
    const stopped = new FakeCli();
    expect(await stopped.run('sessions', 'cancel', '2', '--config', file)).toBe(0);
    expect(stopped.stdout).toBe('session 2 is stopped\n');
    for (const word of ['pause', 'resume']) {
      const asked = new FakeCli();
      expect([await asked.run(word, '--config', file), asked.stdout]).toEqual([0, `${word}d\n`]);
    }
    expect(await new FakeCli().run('sessions', 'cancel', 'two', '--config', file)).toBe(2);
  });

  test('cli: run: any command of the list by its name, refused as through every other door', async () => {
    const cli = new FakeCli();
    expect(await cli.run('run')).toBe(0);
    expect(cli.stdout).toMatch(/^change-config +Changes options/m);
    const asked = new FakeCli();
    expect(await asked.run('run', 'cancel-session', '{"session":2}', '--config', file)).toBe(0);
    expect(asked.json()).toMatchObject({ message: 'session 2 is stopped' });
    const refused = new FakeCli();
    expect(await refused.run('run', 'cancel-session', '{"session":"x"}', '--config', file)).toBe(2);
    expect(refused.stderr).toContain('session: Invalid input');
    for (const wrong of [['nonsense'], ['cancel-session', '{session: 2}']])
      expect(await new FakeCli().run('run', ...wrong, '--config', file)).toBe(2);
  });

  test('cli: top: a graph has its highest value at the top, and nothing where there is nothing', () => {
    expect(graph([0, 1, 4, 8])).toBe('▁▂▅█');
    expect(graph([0, 0])).toBe('▁▁');
    expect(graph([])).toBe('');
  });
});

/** The tree alone: nothing of it is run. */
const root = buildCommands(
  { stdout: process.stdout, stderr: process.stderr } as unknown as CliIo,
  '0',
  () => undefined,
);

describe('cli: completion', () => {
  const words = (...typed: readonly string[]): readonly string[] => {
    const found = suggest(root, typed);
    return found.kind === 'words'
      ? found.words
      : [`:${found.kind}`, ...(found.kind === 'members' ? found.words : [])];
  };

  test('cli: completion: commands, options, their values, members, files', () => {
    expect(words('sta')).toEqual(['status']);
    expect(words('')).not.toContain('reference');
    expect(words('')).not.toContain('complete');
    expect(words('member', '')).toEqual(expect.arrayContaining(['activate', 'deactivate', 'add', 'remove']));
    expect(words('member', 'activate', '')).toEqual([':members']);
    expect(words('sync', 'db2', '--st')).toEqual(['--strategy']);
    expect(words('sync', 'db2', '--strategy', '')).toEqual(['replay', 'diff', 'full', 'passive']);
    expect(words('sync', '')).toEqual([':members', 'cancel']);
    expect(words('status', '--config', '')).toEqual([':files']);
    expect(words('serve', '--trust', '')).toEqual([':members']);
    expect(words('import', '')).toEqual([':files']);
    expect(words('completion', 'f')).toEqual(['fish']);
    expect(words('events', '--type', '')).toContain('member-deactivated');
    expect(words('nonsense', '')).toEqual([]);
  });

  test('cli: completion: ids come from the configuration, and a file that is none is no error', async () => {
    const cli = new FakeCli();
    expect(await cli.run('complete', '--', 'member', 'activate', '--config', file, 'db')).toBe(0);
    expect(cli.stdout).toBe('db1\ndb2\n');
    await writeFile(file, 'members: [{id: db7}, nonsense');
    const bad = new FakeCli({}, { LOCKSTEP_CONFIG: file });
    expect(await bad.run('complete', '--', 'switch-primary', '')).toBe(0);
    expect([bad.stdout, bad.stderr]).toEqual(['', '']);
  });

  test('cli: completion: each shell has its script, and another one is an error', async () => {
    for (const shell of ['bash', 'zsh', 'fish']) {
      const cli = new FakeCli();
      expect(await cli.run('completion', shell)).toBe(0);
      expect(cli.stdout).toContain('complete -- ');
    }
    expect(await new FakeCli().run('completion', 'cmd')).toBe(2);
  });
});

describe('cli: help', () => {
  test('cli: help: every command has examples, and each of them is one of its command lines', () => {
    for (const { path, command } of leaves(root)) {
      const name = path.join(' ');
      const examples = EXAMPLES[name];
      expect(examples, name).toBeDefined();
      for (const example of examples ?? []) {
        expect(example, name).toContain(`lockstep ${name}`);
        for (const [option] of example.matchAll(/(?<= )--?[a-z-]+/g))
          expect(
            command.options.flatMap(({ long, short }) => [long, short]),
            example,
          ).toContain(option);
      }
    }
    const known = leaves(root).map(({ path }) => path.join(' '));
    expect(Object.keys(EXAMPLES).filter((name) => !known.includes(name))).toEqual([]);
  });

  test('cli: help: a command shows its examples', async () => {
    const cli = new FakeCli();
    expect(await cli.run('sync', '--help')).toBe(0);
    expect(cli.stdout).toContain('Examples:\n  lockstep sync db2\n');
  });
});
