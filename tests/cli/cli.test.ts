import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { adminAddress, openAdminServer } from '../../src/admin/index.ts';
import type { ClusterStatus } from '../../src/admin/index.ts';
import { LockstepError } from '../../src/base/index.ts';
import type { CheckReport, ServingNode } from '../../src/cli/index.ts';
import { exitCodeOf } from '../../src/cli/index.ts';
import { duration } from '../../src/cli/show-status.ts';
import { program as wiring } from '../../src/cli/wiring.ts';
import {
  fakeOperations,
  memberStatus,
  fileAsItWas,
  neverVerified,
  unrecorded,
} from '../support/fake-operations.ts';
import { configDirectory, FakeCli } from './fake-cli.ts';

let directory: string;
let file: string;
beforeEach(async () => {
  ({ directory, file } = await configDirectory());
});
afterEach(() => rm(directory, { recursive: true }));

describe('cli: the command line itself', () => {
  test('cli: help shows every command and what the exit status means', async () => {
    const cli = new FakeCli();
    expect(await cli.run('--help')).toBe(0);
    for (const name of ['serve', 'demo', 'check', 'config', 'status', 'member', 'switch-primary', 'detach']) {
      expect(cli.stdout).toMatch(new RegExp(`^ {2}${name}\\b`, 'm'));
    }
    expect(cli.stdout).toContain('3  no node answers');
    expect(cli.stdout).not.toContain('reference');
  });

  test('cli: the version is that of the package', async () => {
    const cli = new FakeCli();
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
    expect([await cli.run('--version'), cli.stdout.trim()]).toEqual([0, version]);
  });

  test('cli: a command or an option that does not exist has status 2 and a suggestion', async () => {
    const command = new FakeCli();
    expect(await command.run('statsu')).toBe(2);
    expect(command.stderr).toContain('Did you mean status?');
    const option = new FakeCli();
    expect(await option.run('status', '--jsno')).toBe(2);
    expect(option.stderr).toContain('Did you mean --json?');
    const missing = new FakeCli();
    expect(await missing.run('member', 'activate', '--json')).toBe(2);
    expect(missing.json()).toMatchObject({ error: { code: 'cli.usage' } });
  });

  test('cli: the exit status follows from what the error says', () => {
    const of = (code: string, outcome: 'none' | 'done' | 'unknown' = 'none') =>
      exitCodeOf(new LockstepError({ code, message: '', outcome }));
    expect(of('config.invalid')).toBe('usage');
    expect(of('admin.unreachable')).toBe('unreachable');
    expect(of('admin.unreachable', 'unknown')).toBe('failed');
    expect(of('coordination.state-locked')).toBe('refused');
    expect(of('cluster.anything', 'unknown')).toBe('failed');
    expect(exitCodeOf(new TypeError('x'))).toBe('failed');
  });

  test('cli: an unexpected error is shown without its stack, unless that is asked for', async () => {
    const check = () => Promise.reject(new TypeError('x is not a function'));
    const cli = new FakeCli({ check });
    expect(await cli.run('check', '--config', file)).toBe(1);
    expect(cli.stderr).toContain('lockstep: x is not a function');
    expect(cli.stderr).not.toMatch(/^\s+at /m);
    const curious = new FakeCli({ check }, { LOCKSTEP_DEBUG: '1' });
    await curious.run('check', '--config', file);
    expect(curious.stderr).toMatch(/^\s+at /m);
  });

  test('cli: the commands page says what the commands say (run: node dist/cli/main.js reference)', async () => {
    const out = await mkdtemp(join(tmpdir(), 'lockstep-reference-'));
    const cli = new FakeCli();
    expect(await cli.run('reference', '--out', out)).toBe(0);
    const names = await readdir(out);
    expect(names).toEqual(expect.arrayContaining(['commands.md', 'configuration.md', 'events.md']));
    for (const name of names) {
      const committed = await readFile(new URL(`../../docs/reference/${name}`, import.meta.url), 'utf8');
      expect(committed, name).toBe(await readFile(join(out, name), 'utf8'));
    }
    await rm(out, { recursive: true });
  });
});

describe('cli: config check', () => {
  test('cli: a good file has status 0, by argument, by option and by environment', async () => {
    for (const [args, env] of [
      [[file], {}],
      [['--config', file], {}],
      [[], { LOCKSTEP_CONFIG: file }],
    ] as const) {
      const cli = new FakeCli({}, env);
      expect(await cli.run('config', 'check', ...args)).toBe(0);
      expect(cli.stdout).toContain('is good');
    }
  });

  test('cli: as JSON it shows the options in force, and no password', async () => {
    const cli = new FakeCli();
    expect(await cli.run('config', 'check', '--json', file)).toBe(0);
    expect(cli.json()).toMatchObject({
      ok: true,
      problems: [],
      config: { cluster: 'orders', password: '[hidden]' },
    });
    expect(cli.stdout).not.toContain('pa55-word');
  });

  test('cli: a bad file has status 2 and all problems, as text and as JSON', async () => {
    await writeFile(file, 'cluster: orders\nbalancr: random\n');
    const cli = new FakeCli();
    expect(await cli.run('config', 'check', file)).toBe(2);
    expect(cli.stdout).toContain(
      'lockstep.yaml:2:1: balancr: there is no such option\n    did you mean: balancer',
    );
    const json = new FakeCli();
    expect(await json.run('config', 'check', file, '--json')).toBe(2);
    expect(json.json()).toMatchObject({ ok: false });
    expect((json.json()['problems'] as unknown[]).length).toBe(5);
  });

  test('cli: a bad file stops every other command in the same way', async () => {
    await writeFile(file, 'cluster: orders\n');
    const cli = new FakeCli();
    expect(await cli.run('serve', '--config', file)).toBe(2);
    expect(cli.stderr).toContain('lockstep.yaml has 4 problems');
    const json = new FakeCli();
    expect(await json.run('detach', '--json', '--config', file)).toBe(2);
    expect(json.json()).toMatchObject({ error: { code: 'config.invalid', outcome: 'none' } });
  });
});

describe('cli: check and detach', () => {
  const report: CheckReport = {
    members: [
      {
        id: 'db1',
        url: 'postgres://127.0.0.1:5432/orders',
        findings: [
          { name: 'version', ok: 'ok', found: '18.4' },
          {
            name: 'create schema',
            ok: 'fail',
            found: 'app may not',
            cure: 'GRANT CREATE ON DATABASE orders TO app;\nthen again',
          },
        ],
      },
    ],
    cluster: [{ name: 'collation', ok: 'warn', found: 'en_US and C' }],
  };

  test('cli: a check that finds something to cure has status 1 and prints the cure', async () => {
    const cli = new FakeCli({ check: () => Promise.resolve(report) });
    expect(await cli.run('check', '--config', file)).toBe(1);
    expect(cli.stdout).toBe(`db1  postgres://127.0.0.1:5432/orders
  ok    version        18.4
  fail  create schema  app may not
        cure: GRANT CREATE ON DATABASE orders TO app;
              then again

all members
  warn  collation      en_US and C

not ready: 1 to cure, 1 to look at
`);
  });

  test('cli: warnings alone do not fail a check', async () => {
    const cli = new FakeCli({ check: () => Promise.resolve({ ...report, members: [] }) });
    expect(await cli.run('check', '--json', '--config', file)).toBe(0);
    expect(cli.json()).toMatchObject({ cluster: [{ ok: 'warn' }] });
  });

  test('cli: detach says for each member what became of it', async () => {
    const members = [
      { id: 'db1', ok: true, message: 'schema lockstep and 12 triggers removed' },
      { id: 'db2', ok: false, message: 'cannot be reached' },
    ];
    const cli = new FakeCli({ detach: () => Promise.resolve({ members }) });
    expect(await cli.run('detach', '--config', file)).toBe(1);
    expect(cli.stdout).toBe(
      'db1: detached: schema lockstep and 12 triggers removed\ndb2: not detached: cannot be reached\n',
    );
  });
});

describe('cli: commands for a running node', () => {
  const status: ClusterStatus = {
    cluster: 'orders',
    role: 'master',
    term: 3,
    version: 9,
    csn: 42,
    primary: 'db1',
    listen: ['127.0.0.1:6432'],
    uptimeMs: 93_784_000,
    paused: false,
    clients: 1,
    members: [
      memberStatus({ role: 'primary', load: 3, latencyMs: 0.44, appliedCsn: 42, lagCsn: 0, version: '18.4' }),
      memberStatus({
        id: 'db2',
        active: false,
        state: 'inactive',
        role: 'none',
        reason: 'connection lost',
        since: '2026-01-02T04:00:00.000Z',
      }),
    ],
    verification: neverVerified,
    file: fileAsItWas,
  };
  const operations = fakeOperations({
    status: () => Promise.resolve(status),
    syncMember: () =>
      Promise.reject(
        new LockstepError({ code: 'cluster.not-level', message: 'db2 lacks CSN 7', hint: 'synchronise it' }),
      ),
    deactivateMember: (id, reason) =>
      Promise.resolve({ changed: true, message: `${id} is inactive: ${reason}` }),
    switchPrimary: (id) => Promise.resolve({ changed: false, message: `${id} is the primary already` }),
  });

  async function withNode<T>(use: () => Promise<T>): Promise<T> {
    const server = await openAdminServer(adminAddress(directory), unrecorded(operations));
    try {
      return await use();
    } finally {
      await server.close();
    }
  }

  test('cli: status shows the cluster and a line for each member', async () => {
    const cli = new FakeCli();
    expect(await withNode(() => cli.run('status', '--config', file))).toBe(0);
    expect(cli.stdout).toBe(`cluster orders: node master, primary db1, 1 of 2 members active
listening on 127.0.0.1:6432; up 1d 2h; 1 client
term 3, membership version 9, CSN 42

MEMBER  ACTIVE  STATE     ROLE     WEIGHT  LOAD  LATENCY  LAG  SINCE                 VERSION
db1     yes     active    primary  1       3     0.4 ms   0    2026-01-02T03:04:05Z  18.4
db2     no      inactive  -        1       0     -        -    2026-01-02T04:00:00Z  -
db2 is inactive: connection lost
`);
  });

  test('cli: status as JSON is what the node said', async () => {
    const cli = new FakeCli();
    await withNode(() => cli.run('status', '--json', '--config', file));
    expect(cli.json()).toEqual(status);
  });

  test('cli: durations show their two largest units', () => {
    expect([0, 999, 61_000, 3_600_000, 3_661_000, 90_061_000].map(duration)).toEqual([
      '0s',
      '0s',
      '1m 1s',
      '1h',
      '1h 1m',
      '1d 1h',
    ]);
  });

  test('cli: a refusal of the node has status 4, its reason and its hint', async () => {
    const cli = new FakeCli();
    expect(await withNode(() => cli.run('member', 'activate', 'db2', '--config', file))).toBe(4);
    expect(cli.stderr).toBe('lockstep: db2 lacks CSN 7\n  hint: synchronise it\n  code: cluster.not-level\n');
  });

  test('cli: member deactivate hands on the reason; switch-primary says that nothing changed', async () => {
    const out = new FakeCli();
    expect(
      await withNode(() => out.run('member', 'deactivate', 'db2', '--reason', 'new disk', '--config', file)),
    ).toBe(0);
    expect(out.stdout).toBe('db2 is inactive: new disk\n');
    const switched = new FakeCli();
    expect(await withNode(() => switched.run('switch-primary', 'db1', '--json', '--config', file))).toBe(0);
    expect(switched.json()).toEqual({ changed: false, message: 'db1 is the primary already' });
  });

  test('cli: an id that no member can have has status 2', async () => {
    const cli = new FakeCli();
    expect(await withNode(() => cli.run('switch-primary', 'No Such', '--config', file))).toBe(2);
  });

  test('cli: without a running node the status is 3', async () => {
    const cli = new FakeCli();
    expect(await cli.run('status', '--config', file)).toBe(3);
    expect(cli.stderr).toContain('no node answers');
    const json = new FakeCli();
    expect(await json.run('status', '--json', '--config', file)).toBe(3);
    expect(json.json()).toMatchObject({ error: { code: 'admin.unreachable', outcome: 'none' } });
  });
});

describe('cli: serve', () => {
  /** A node that runs until it is told to stop. */
  function fakeNode(): ServingNode & {
    readonly stopped: () => number;
    readonly reloads: () => number;
    readonly fail: (error: Error) => void;
  } {
    let stops = 0;
    let reloads = 0;
    let fail: (error: Error) => void = () => {};
    const ended = new Promise<void>((_, reject) => {
      fail = reject;
    });
    return {
      address: '127.0.0.1:6432',
      ended,
      reload: () => {
        reloads += 1;
        return Promise.reject(new Error('the file is wrong'));
      },
      stop: () => {
        stops += 1;
        return Promise.resolve();
      },
      stopped: () => stops,
      reloads: () => reloads,
      fail: (error) => fail(error),
    };
  }

  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve));
  }

  test('cli: SIGHUP has the node read its configuration again, also when it came before the node was there', async () => {
    const node = fakeNode();
    let start: (node: ServingNode) => void = () => {};
    const cli = new FakeCli({ serve: () => new Promise((resolve) => (start = resolve)) });
    const status = cli.run('serve', '--config', file);
    await until(() => cli.signals.listenerCount('SIGHUP') > 0);
    cli.signals.emit('SIGHUP');
    start(node);
    await until(() => node.reloads() === 1);
    // A file that is wrong ends nothing.
    cli.signals.emit('SIGHUP');
    expect(node.reloads()).toBe(2);
    cli.signals.emit('SIGTERM');
    expect(await status).toBe(0);
    expect(cli.signals.listenerCount('SIGHUP')).toBe(0);
  });

  test.each(['SIGINT', 'SIGTERM'])('cli: %s stops a node in good order, with status 0', async (signal) => {
    const node = fakeNode();
    const cli = new FakeCli({ serve: () => Promise.resolve(node) });
    const status = cli.run('serve', '--config', file);
    await until(() => cli.stdout.includes('Lockstep serves cluster orders on 127.0.0.1:6432'));
    cli.signals.emit(signal);
    expect(await status).toBe(0);
    expect([node.stopped(), cli.exits]).toEqual([1, []]);
    expect(cli.signals.listenerCount(signal)).toBe(0);
  });

  test('cli: a second signal ends the process at once', async () => {
    const node: ServingNode = { ...fakeNode(), stop: () => new Promise(() => {}) };
    const cli = new FakeCli({ serve: () => Promise.resolve(node) });
    void cli.run('serve', '--config', file);
    await until(() => cli.stdout !== '');
    cli.signals.emit('SIGTERM');
    expect(cli.exits).toEqual([]);
    cli.signals.emit('SIGINT');
    expect(cli.exits).toEqual([130]);
  });

  test('cli: a signal during the start ends the start, with status 0', async () => {
    let starting = false;
    const cli = new FakeCli({
      serve: (_, { signal }) => {
        starting = true;
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('start was ended')));
        });
      },
    });
    const status = cli.run('serve', '--config', file);
    await until(() => starting);
    cli.signals.emit('SIGINT');
    expect(await status).toBe(0);
    expect(cli.stdout).toBe('');
  });

  test('cli: a node that has to stop by itself has status 1', async () => {
    const node = fakeNode();
    const cli = new FakeCli({ serve: () => Promise.resolve(node) });
    const status = cli.run('serve', '--config', file);
    await until(() => cli.stdout !== '');
    node.fail(new Error('the engine is wrong'));
    expect(await status).toBe(1);
    expect(cli.stderr).toContain('the engine is wrong');
  });

  test('cli: as JSON, readiness is one line and the log is JSON', async () => {
    const node = fakeNode();
    const cli = new FakeCli({
      serve: (_, { logger }) => {
        logger.info({ member: 'db1' }, 'hello');
        return Promise.resolve(node);
      },
    });
    const status = cli.run('serve', '--json', '--config', file);
    await until(() => cli.stdout !== '');
    expect(cli.json()).toEqual({ ready: { cluster: 'orders', address: '127.0.0.1:6432' } });
    expect(JSON.parse(cli.stderr)).toMatchObject({ msg: 'hello', member: 'db1' });
    cli.signals.emit('SIGINT');
    await status;
  });

  test('cli: a port in use is said plainly, with status 4', async () => {
    const inUse = Object.assign(new Error('listen EADDRINUSE: 127.0.0.1:6432'), { code: 'EADDRINUSE' });
    const cli = new FakeCli({ serve: () => Promise.reject(inUse) });
    expect(await cli.run('serve', '--config', file)).toBe(4);
    expect(cli.stderr).toContain(
      'lockstep: the address is in use: listen EADDRINUSE: 127.0.0.1:6432\n  hint: stop',
    );
    expect(cli.stderr).toContain('code: cli.port-in-use');
  });

  test('cli: a start that is refused has status 4 and the cure', async () => {
    const cli = new FakeCli(wiring);
    expect(await cli.run('serve', '--config', file)).toBe(4);
    expect(cli.stderr).toContain('code: cluster.first-start-unreachable');
    expect(cli.stderr).toContain('hint: Start it, correct its url and password, or name the member');
  });

  const LINK = /http:\/\/127\.0\.0\.1:\d+\/#\/enter\/[\w-]+/;
  const terminal = { columns: 200, rows: 24 };
  const absent = () => join(directory, 'absent.yaml');

  test('cli: serve without a file: where nobody sits it has status 2; at a terminal it prints a link, and Ctrl-C leaves nothing', async () => {
    const service = new FakeCli();
    expect(await service.run('serve', '--config', absent())).toBe(2);
    expect(service.stderr).toContain('cannot be read');
    const before = await readdir(directory);
    const cli = new FakeCli({}, {}, terminal);
    const ended = cli.run('serve', '--config', absent());
    await until(() => LINK.test(cli.stdout));
    cli.signals.emit('SIGINT');
    expect(await ended).toBe(0);
    const { origin } = new URL(LINK.exec(cli.stdout)?.[0] ?? '');
    await expect(fetch(origin)).rejects.toThrow();
    expect(await readdir(directory)).toEqual(before);
  });

  test('cli: serve without a file: its link opens one session; wrong answers are named; a start that fails is told to the page', async () => {
    const seen: CheckReport = { members: [{ id: 'db1', url: '', findings: [] }], cluster: [] };
    const why = new LockstepError({ code: 'cluster.no-start', message: 'no member can be used' });
    const cli = new FakeCli(
      { check: () => Promise.resolve(seen), serve: () => Promise.reject(why) },
      {},
      terminal,
    );
    const ended = cli.run('serve', '--config', absent());
    await until(() => LINK.test(cli.stdout));
    const { origin, hash } = new URL(LINK.exec(cli.stdout)?.[0] ?? '');
    const ask = (path: string, body?: object, headers: Record<string, string> = {}) =>
      fetch(`${origin}${path}`, {
        headers: { 'content-type': 'application/json', ...headers },
        ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
      });
    const token = hash.slice('#/enter/'.length);
    const signedIn = await ask('/api/session', { token });
    const { csrf } = (await signedIn.json()) as { csrf: string };
    const cookie = signedIn.headers.get('set-cookie')?.split(';')[0] ?? '';
    const own = { cookie, 'x-csrf-token': csrf };
    expect((await ask('/api/session', { token })).status).toBe(401);
    expect((await ask('/api/set-up', undefined, { cookie })).status).toBe(403);
    expect((await ask('/api/set-up', undefined, { ...own, origin: 'http://127.0.0.1:1' })).status).toBe(403);

    const state = async () =>
      (await (await ask('/api/set-up', undefined, own)).json()) as { state: string; defaults: object };
    const { defaults } = await state();
    const members = [{ id: 'db1', url: 'postgres://127.0.0.1:5432/orders' }];
    const good = { ...defaults, members, password: 'hush', listen: '127.0.0.1:0', admin: '' };
    const write = (change: object) => ask('/api/set-up', { ...good, ...change }, own);
    for (const [change, field] of [
      [{ cluster: 'Not A Name' }, 'cluster'],
      [{ clients: [] }, 'clients'],
      [{ listen: 'nowhere' }, 'listen'],
      [{ password: '$NOT_SET' }, 'password'],
      [{ members: [{ id: 'db1', url: 'postgres://u:hush@h:1/d' }] }, 'db1'],
    ] as const) {
      const refused = await write(change);
      expect([refused.status, await refused.json()]).toMatchObject([422, { error: { field } }]);
    }
    const place = { url: members[0]?.url, password: { file: '/etc/hostname' } };
    expect((await ask('/api/commands/preflight', place, own)).status).toBe(422);
    expect(await readdir(directory)).not.toContain('absent.yaml');
    expect(await (await write({})).json()).toMatchObject({
      written: [join(directory, 'absent.password'), absent()],
    });
    expect((await write({})).status).toBe(409);
    while ((await state()).state === 'starting');
    expect(await ended).toBe(4);
    expect(cli.stderr).toContain('no member can be used');
    expect(await readFile(absent(), 'utf8')).not.toContain('hush');
  });

  test('cli: the word of the operator reaches the node, for one start', async () => {
    const words: unknown[] = [];
    const cli = new FakeCli({
      serve: (_, { trust }) => {
        words.push(trust);
        return Promise.reject(new LockstepError({ code: 'cluster.anything', message: 'enough' }));
      },
    });
    await cli.run('serve', '--trust', 'db2', '--config', file);
    await cli.run('serve', '--config', file);
    expect(words).toEqual(['db2', undefined]);
  });

  test('cli: member remove says what became of the member', async () => {
    const cli = new FakeCli({ removeMember: (_, id) => Promise.resolve(`Member ${id} is gone.`) });
    expect(await cli.run('member', 'remove', 'db2', '--config', file)).toBe(0);
    expect(cli.stdout).toBe('Member db2 is gone.\n');
  });
});
