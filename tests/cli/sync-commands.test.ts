import { rm } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { adminAddress, Jobs, openAdminServer } from '../../src/admin/index.ts';
import type {
  AdminServer,
  JobControl,
  Operations,
  SyncReport,
  SyncStatus,
  VerifyReport,
  WorkProgress,
} from '../../src/admin/index.ts';
import { LockstepError, systemClock } from '../../src/base/index.ts';
import { Screen } from '../../src/cli/screen.ts';
import { oneLine } from '../../src/cli/table.ts';
import {
  fakeOperations,
  memberStatus,
  fileAsItWas,
  neverVerified,
  unrecorded,
} from '../support/fake-operations.ts';
import { waitFor } from '../support/wait-for.ts';
import { configDirectory, FakeCli } from './fake-cli.ts';
import { shownBy } from './terminal.ts';

let directory: string;
let file: string;
let server: AdminServer | undefined;
let jobs: Jobs;
beforeEach(async () => {
  ({ directory, file } = await configDirectory());
  jobs = new Jobs(systemClock);
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(directory, { recursive: true });
});

async function serve(operations: Partial<Operations>): Promise<void> {
  server = await openAdminServer(
    adminAddress(directory),
    unrecorded(
      fakeOperations({
        jobs: () => Promise.resolve(jobs.list()),
        cancelJob: (id) =>
          Promise.resolve({ changed: jobs.cancel(id), message: `Job ${id} is asked to end.` }),
        status: () => Promise.resolve(status()),
        ...operations,
      }),
    ),
  );
}

let sync: SyncStatus | null;
const status = () => ({
  cluster: 'orders',
  role: 'master' as const,
  term: 3,
  version: 9,
  csn: 42,
  primary: 'db1',
  listen: ['127.0.0.1:6432'],
  uptimeMs: 5000,
  paused: false,
  clients: 1,
  members: [
    memberStatus({ role: 'primary' }),
    memberStatus({
      id: 'db2',
      active: false,
      state: 'inactive',
      role: 'none',
      reason: 'lost\nand \u001B[2Jgone',
      sync,
    }),
  ],
  verification: neverVerified,
  file: fileAsItWas,
});

const copying: WorkProgress = {
  phase: 'copy',
  table: 'public.orders',
  tablesDone: 1,
  tablesTotal: 3,
  rowsDone: 1_234_567,
  rowsTotal: 2_900_000,
  bytesDone: 345_000_000,
  rowsPerSecond: 90_000,
  bytesPerSecond: 34_100_000,
  leftMs: 72_000,
  ofTable: null,
  lagCsn: null,
};
const running: SyncStatus = {
  state: 'running',
  attempt: 2,
  strategy: 'full',
  reason: 'it has no tables',
  source: 'db1',
  dryRun: false,
  startedAt: '2026-01-02T03:04:05.678Z',
  nextRetryAt: null,
  quarantined: false,
  progress: copying,
};
const report: SyncReport = {
  member: 'db2',
  source: 'db1',
  strategy: 'diff',
  reason: 'its log begins later',
  dryRun: false,
  tables: [
    {
      table: 'public.orders',
      missing: 2,
      extra: 1,
      samples: [
        { kind: 'missing', row: '(7,seven)' },
        { kind: 'extra', row: '(8,\u001B[31mred)' },
      ],
    },
  ],
  keptFile: '/state/kept/db2-1.copy',
  rows: 12_345,
  bytes: 1_500_000,
  tookMs: 61_000,
};

beforeEach(() => {
  sync = null;
});

/** Work that ends when the test says so. */
function heldSync(member: string) {
  let control: JobControl | undefined;
  let finish: (result: SyncReport) => void = () => {};
  const begin = () =>
    Promise.resolve(
      jobs.start('sync', member, (given) => {
        control = given;
        return new Promise<SyncReport>((resolve, reject) => {
          finish = resolve;
          given.signal.addEventListener('abort', () => reject(new Error('an operator stopped it')));
        });
      }),
    );
  return {
    begin,
    progress: (progress: WorkProgress) => control?.progress(progress),
    finish: (result: SyncReport) => finish(result),
  };
}

describe('cli: sync', () => {
  test('cli: sync: options reach the node, and what was done is told', async () => {
    const asked: unknown[] = [];
    await serve({
      syncMember: (...args) => {
        asked.push(args);
        return Promise.resolve(jobs.start('sync', 'db2', () => Promise.resolve(report)));
      },
    });
    const cli = new FakeCli();
    const words = ['--strategy', 'diff', '--max-rate', '20MB', '--config', file];
    expect(await cli.run('sync', 'db2', ...words)).toBe(0);
    expect(asked).toEqual([['db2', { strategy: 'diff', maxRate: 20_000_000 }]]);
    expect(
      cli.stdout,
    ).toBe(`Member db2 is active. It was brought level by diff from db1: its log begins later.
12,345 rows, 1.50 MB, in 1m 1s.
  public.orders: 2 rows put in, 1 row taken out (a changed row is one of each)
    + (7,seven)
    - (8,\uFFFD[31mred)
    …
Rows that were removed or overwritten are in /state/kept/db2-1.copy
`);
  });

  test('cli: sync: a dry run says which rows of which tables would change, where, and from which source', async () => {
    const dry = { ...report, dryRun: true, keptFile: null };
    await serve({
      syncMember: (id, request) =>
        Promise.resolve(
          jobs.start('sync', id, () => Promise.resolve(request?.dryRun === true ? dry : report)),
        ),
    });
    const cli = new FakeCli();
    expect(await cli.run('sync', 'db2', '--dry-run', '--config', file)).toBe(0);
    expect(cli.stdout).toBe(`On db2 these rows would change, by diff from db1: its log begins later
  public.orders: 2 rows to put in, 1 row to take out (a changed row is one of each)
    + (7,seven)
    - (8,\uFFFD[31mred)
    …
`);
    const json = new FakeCli();
    expect(await json.run('sync', 'db2', '--dry-run', '--json', '--config', file)).toBe(0);
    expect([json.json(), json.stderr]).toEqual([dry, '']);
  });

  test('cli: sync: what no strategy, rate or member can be has status 2', async () => {
    await serve({});
    for (const words of [
      ['db2', '--strategy', 'magic'],
      ['db2', '--max-rate', 'fast'],
      ['db2', '--max-rate', '1'],
      ['No Such'],
    ]) {
      expect(await new FakeCli().run('sync', ...words, '--config', file)).toBe(2);
    }
  });

  test('cli: sync: without waiting it says how to see it and how to stop it', async () => {
    const work = heldSync('db2');
    await serve({ syncMember: work.begin });
    const cli = new FakeCli();
    expect(await cli.run('sync', 'db2', '--no-wait', '--config', file)).toBe(0);
    expect(cli.stdout).toBe(
      'Begun: job 1 goes on in the node; to see it: lockstep jobs; to stop it: lockstep sync cancel db2\n',
    );
    work.progress(copying);
    const list = new FakeCli();
    expect(await list.run('jobs', '--config', file)).toBe(0);
    expect(list.stdout).toMatch(
      /^JOB +KIND +MEMBER.*\n1 +sync +db2 +running +\S+ +copying, 42%, public\.orders, table 2 of 3, 1\.23M of 2\.90M rows, 345 MB, 34\.1 MB\/s, 1m 12s left\n$/,
    );
  });

  test('cli: sync: Ctrl-C ends the waiting, not the work', async () => {
    const work = heldSync('db2');
    await serve({ syncMember: work.begin });
    sync = running;
    const cli = new FakeCli();
    const ended = cli.run('sync', 'db2', '--config', file);
    await waitFor(() => cli.stderr.includes('db2: full from db1, attempt 2'), { what: 'the first line' });
    cli.signals.emit('SIGINT');
    expect(await ended).toBe(130);
    expect(cli.stderr).toMatch(/lockstep: job 1 goes on in the node; .* lockstep sync cancel db2\n$/);
    expect(jobs.list()).toMatchObject([{ state: 'running' }]);
    expect(cli.signals.eventNames()).toEqual([]);
  });

  test('cli: sync: where lines stay, a phase gets one line', async () => {
    const work = heldSync('db2');
    await serve({ syncMember: work.begin });
    const cli = new FakeCli();
    const ended = cli.run('sync', 'db2', '--config', file);
    await waitFor(() => cli.stderr !== '', { what: 'the first line' });
    // Nothing of the rows is done yet, and nothing of them is being done.
    work.progress({ ...copying, phase: 'schema', rowsDone: 0 });
    await waitFor(() => cli.stderr.includes('schema'), { what: 'the line of the schema' });
    work.progress({ ...copying, rowsDone: 1 });
    await waitFor(() => cli.stderr.includes('copying'), { what: 'the line of the copy' });
    work.progress(copying);
    work.progress({ ...copying, phase: 'catch-up', lagCsn: 4321, leftMs: null });
    await waitFor(() => cli.stderr.includes('catching up'), { what: 'the line of the catch-up' });
    work.finish(report);
    expect(await ended).toBe(0);
    expect(cli.stderr.split('\n')).toEqual([
      'db2: sync',
      expect.stringMatching(/^db2: sync: schema, public/),
      expect.stringMatching(/^db2: sync: copying, 0%, /),
      'db2: sync: catching up, 4.32k commits behind',
      '',
    ]);
  });

  test('cli: sync: on a terminal a bar moves in place, and goes away at the end', async () => {
    const size = { columns: 60, rows: 10 };
    const work = heldSync('db2');
    await serve({ syncMember: work.begin });
    sync = running;
    const cli = new FakeCli({}, {}, size);
    const ended = cli.run('sync', 'db2', '--config', file);
    await waitFor(() => cli.stderr !== '', { what: 'the first frame' });
    work.progress(copying);
    await waitFor(() => cli.stderr.includes('42%'), { what: 'the bar' });
    expect(shownBy(cli.stderr, size)).toEqual([
      'db2: full from db1, attempt 2',
      '  copying  [████████▌           ]  42%  public.orders  tabl…',
      '',
    ]);
    work.finish(report);
    expect(await ended).toBe(0);
    expect(shownBy(cli.stderr, size)).toEqual(['']);
    expect(cli.stderr.endsWith('\u001B[?25h')).toBe(true);
  });

  test('cli: sync: work that failed, and work that was stopped, say so', async () => {
    const why = new LockstepError({
      code: 'sync.schema',
      message: 'its schema differs',
      hint: '--strategy full',
    });
    await serve({ syncMember: () => Promise.resolve(jobs.start('sync', 'db2', () => Promise.reject(why))) });
    const cli = new FakeCli();
    expect(await cli.run('sync', 'db2', '--config', file)).toBe(4);
    expect(cli.stderr).toContain(
      'lockstep: its schema differs\n  hint: --strategy full\n  code: sync.schema\n',
    );
    await server?.close();
    const work = heldSync('db2');
    await serve({ syncMember: work.begin });
    const stopped = new FakeCli();
    const ended = stopped.run('sync', 'db2', '--config', file);
    await waitFor(() => stopped.stderr !== '', { what: 'the first line' });
    expect(await new FakeCli().run('jobs', 'cancel', '2', '--json', '--config', file)).toBe(0);
    expect(await ended).toBe(1);
    expect(stopped.stderr).toContain('the sync was stopped: an operator stopped it');
  });

  test('cli: sync: a node that goes away leaves the outcome unknown', async () => {
    const work = heldSync('db2');
    await serve({ syncMember: work.begin });
    const cli = new FakeCli();
    const ended = cli.run('sync', 'db2', '--config', file);
    await waitFor(() => cli.stderr !== '', { what: 'the first line' });
    await server?.close();
    expect(await ended).toBe(1);
    expect(cli.stderr).toContain('what became of job 1 is not known: no node answers');
  });

  test('cli: member activate: as sync, and an active member needs nothing', async () => {
    const active = new LockstepError({ code: 'cluster.member-active', message: 'db1 is active' });
    await serve({
      syncMember: (id) =>
        id === 'db1'
          ? Promise.reject(active)
          : Promise.resolve(jobs.start('sync', id, () => Promise.resolve(report))),
    });
    const cli = new FakeCli();
    expect(await cli.run('member', 'activate', 'db2', '--config', file)).toBe(0);
    expect(cli.stdout).toContain('Member db2 is active. It was brought level by diff');
    const needless = new FakeCli();
    expect(await needless.run('member', 'activate', 'db1', '--config', file)).toBe(0);
    expect(needless.stdout).toBe('Member db1 is active already.\n');
    expect(await new FakeCli().run('sync', 'db1', '--config', file)).toBe(4);
  });

  test('cli: sync cancel: it is passed on, as JSON too', async () => {
    await serve({ cancelSync: (id) => Promise.resolve({ changed: true, message: `${id} is held` }) });
    const cli = new FakeCli();
    expect(await cli.run('sync', 'cancel', 'db2', '--json', '--config', file)).toBe(0);
    expect(cli.json()).toEqual({ changed: true, message: 'db2 is held' });
  });
});

describe('cli: verify and repair', () => {
  const equal: VerifyReport = {
    outcome: 'equal',
    reason: null,
    csn: 4711,
    members: ['db1', 'db2'],
    tables: 12,
    rows: 1_204_112,
    differences: [],
    contested: [],
    settled: [],
    heldMs: 12,
    tookMs: 812,
  };
  const verifying = (result: () => Promise<VerifyReport>, asked: unknown[] = []): Partial<Operations> => ({
    verify: (request) => {
      asked.push(request);
      return Promise.resolve(jobs.start('verify', null, result));
    },
  });

  test('cli: verify: equal has status 0', async () => {
    const asked: unknown[] = [];
    await serve(verifying(() => Promise.resolve(equal), asked));
    const cli = new FakeCli();
    const words = ['--tables', 'public.a, b', '--rate', '1.5MiB/s', '--config', file];
    expect(await cli.run('verify', ...words)).toBe(0);
    expect(cli.stdout).toBe('Equal: db1, db2: 12 tables, 1,204,112 rows at CSN 4711, in 812 ms\n');
    expect(asked).toEqual([{ tables: ['public.a', 'b'], rate: 1_572_864 }]);
  });

  test('cli: verify: a difference has status 5, and its rows are shown', async () => {
    const differs: VerifyReport = {
      ...equal,
      outcome: 'differs',
      differences: [
        {
          member: 'db2',
          schema: ['column public.orders.note is missing'],
          tables: [
            {
              table: 'public.orders',
              missing: 1,
              extra: 0,
              samples: [{ kind: 'missing', row: '(7,x)' }],
              atLeast: false,
            },
          ],
          sequences: ['public.orders_id_seq is at 7, not at 8'],
        },
      ],
    };
    await serve(verifying(() => Promise.resolve(differs)));
    const cli = new FakeCli();
    expect(await cli.run('verify', '--config', file)).toBe(5);
    expect(cli.stdout).toBe(`Different: db2, of db1, db2: 12 tables, 1,204,112 rows at CSN 4711, in 812 ms
db2 differs:
  schema: column public.orders.note is missing
  public.orders: 1 row missing
    + (7,x)
  sequence: public.orders_id_seq is at 7, not at 8
What differs is taken out and brought level by itself; to have it done now: lockstep repair db2
`);
    const json = new FakeCli();
    expect([await json.run('verify', '--json', '--config', file), json.json()]).toEqual([5, differs]);
  });

  test('cli: verify: what could not be checked has status 6, whatever kept it from being done', async () => {
    const unchecked: VerifyReport = {
      ...equal,
      outcome: 'unchecked',
      reason: 'only db1 is active',
      members: ['db1'],
    };
    await serve(verifying(() => Promise.resolve(unchecked)));
    const cli = new FakeCli();
    expect(await cli.run('verify', '--config', file)).toBe(6);
    expect(cli.stdout).toBe('Not checked: only db1 is active\n');
    await server?.close();
    const late = new LockstepError({ code: 'cluster.busy', message: 'commits would have waited too long' });
    await serve(verifying(() => Promise.reject(late)));
    const failed = new FakeCli();
    expect(await failed.run('verify', '--config', file)).toBe(6);
    expect(failed.stderr).toContain('commits would have waited too long');
    await server?.close();
    await serve({ verify: () => Promise.reject(late) });
    const refused = new FakeCli();
    expect(await refused.run('verify', '--json', '--config', file)).toBe(6);
    expect(refused.json()).toMatchObject({ error: { code: 'cluster.busy' } });
  });

  test('cli: verify: what has nothing to do with the members keeps its own status', async () => {
    expect(await new FakeCli().run('verify', '--config', file)).toBe(3);
    await serve({});
    expect(await new FakeCli().run('verify', '--rate', 'x', '--config', file)).toBe(2);
    expect(await new FakeCli().run('verify', '--rate', '1', '--config', file)).toBe(2);
  });

  test('cli: repair: one member or all, and what was done', async () => {
    const asked: unknown[] = [];
    await serve({
      repair: (request = {}) => {
        asked.push(request);
        const { member, dryRun } = request;
        const members = member === undefined ? [] : [report];
        const watched = dryRun === true ? [{ member: 'db1', tables: ['public.a', 'public.b'] }] : [];
        return Promise.resolve(
          jobs.start('repair', member ?? null, () => Promise.resolve({ members, watched })),
        );
      },
    });
    const all = new FakeCli();
    expect([await all.run('repair', '--config', file), all.stdout]).toEqual([
      0,
      'Nothing is known to differ.\n',
    ]);
    const one = new FakeCli();
    expect(await one.run('repair', 'db2', '--config', file)).toBe(0);
    expect(one.stdout).toContain('Member db2 is active. It was brought level by diff');
    const dry = new FakeCli();
    expect(await dry.run('repair', '--dry-run', '--config', file)).toBe(0);
    expect(dry.stdout).toBe('On db1 these tables would be watched again: public.a, public.b\n');
    expect(asked).toEqual([{}, { member: 'db2' }, { dryRun: true }]);
  });
});

describe('cli: members that come and go', () => {
  test('cli: member add: the member is added and brought level', async () => {
    const asked: unknown[] = [];
    await serve({
      addMember: (member) => {
        asked.push(member);
        return Promise.resolve({ changed: true, message: 'Member db3 is added.' });
      },
      syncMember: (...args) => {
        asked.push(args);
        return Promise.resolve(
          jobs.start('sync', 'db3', () => Promise.resolve({ ...report, member: 'db3' })),
        );
      },
    });
    const cli = new FakeCli();
    const url = 'postgres://127.0.0.1:5434/orders';
    const words = ['--id', 'db3', '--url', url, '--weight', '0', '--password-env', 'PW', '--config', file];
    expect(await cli.run('member', 'add', ...words)).toBe(0);
    expect(asked).toEqual([{ id: 'db3', url, weight: 0, password: { env: 'PW' } }, ['db3', {}]]);
    expect(cli.stdout).toMatch(/^Member db3 is added\.\nMember db3 is active\. /);
  });

  test('cli: member add: what is missing or cannot be has status 2', async () => {
    await serve({});
    for (const words of [
      [],
      ['--id', 'db3'],
      ['--id', 'db3', '--url', 'x', '--weight', 'much'],
      ['--id', 'db3', '--url', 'x', '--password-env', 'A', '--password-file', 'b'],
      ['--id', 'db3', '--url', 'x', '--strategy', 'magic'],
      ['--id', 'No Such', '--url', 'x'],
    ]) {
      expect(await new FakeCli().run('member', 'add', ...words, '--config', file)).toBe(2);
    }
  });

  test('cli: member remove: by the node where one runs, without one where none does', async () => {
    const offline = { removeMember: () => Promise.resolve('Removed without a node.') };
    const without = new FakeCli(offline);
    expect([await without.run('member', 'remove', 'db2', '--config', file), without.stdout]).toEqual([
      0,
      'Removed without a node.\n',
    ]);
    await serve({ removeMember: (id) => Promise.resolve({ changed: true, message: `${id} is gone.` }) });
    const by = new FakeCli(offline);
    expect([await by.run('member', 'remove', 'db2', '--config', file), by.stdout]).toEqual([
      0,
      'db2 is gone.\n',
    ]);
    await server?.close();
    await serve({
      removeMember: () =>
        Promise.reject(new LockstepError({ code: 'config.not-writable', message: 'read-only' })),
    });
    const refused = new FakeCli(offline);
    expect([await refused.run('member', 'remove', 'db2', '--config', file), refused.stdout]).toEqual([4, '']);
  });
});

describe('cli: status --watch', () => {
  test('cli: status: what brings a member level is shown under the table, and nothing in a reason moves the cursor', async () => {
    await serve({});
    sync = running;
    const cli = new FakeCli();
    expect(await cli.run('status', '--config', file)).toBe(0);
    expect(cli.stdout.split('\n').slice(-4)).toEqual([
      '',
      'db2: full from db1, attempt 2',
      '  copying  [████████▌           ]  42%  public.orders  table 2 of 3  1.23M of 2.90M rows  345 MB  34.1 MB/s  1m 12s left',
      '',
    ]);
    expect(cli.stdout).toContain('lost and \uFFFD[2Jgone');
    sync = {
      ...running,
      state: 'waiting',
      progress: null,
      quarantined: true,
      reason: 'connection refused',
      nextRetryAt: new Date(Date.now() + 90_500).toISOString(),
    };
    const waiting = new FakeCli();
    await waiting.run('status', '--config', file);
    expect(waiting.stdout).toMatch(
      /\ndb2: in quarantine, is tried again in 1m (30|29)s \(attempt 2\): connection refused\n$/,
    );
  });

  test('cli: status --watch: a terminal is drawn over in place; Ctrl-C leaves the last picture', async () => {
    const size = { columns: 100, rows: 12 };
    await serve({});
    sync = running;
    const cli = new FakeCli({}, {}, size);
    const ended = cli.run('status', '--watch', '--config', file);
    await waitFor(() => cli.stdout.includes('42%'), { what: 'the bar' });
    sync = null;
    const drawn = cli.stdout.length;
    await waitFor(() => cli.stdout.length > drawn, { what: 'the second frame' });
    const shown = shownBy(cli.stdout, size);
    expect(shown[0]).toBe('cluster orders: node master, primary db1, 1 of 2 members active');
    expect(shown.slice(-3)).toEqual(['', 'Ctrl-C ends this.', '']);
    expect(shown.join('\n')).not.toContain('42%');
    // Nothing is wiped before it is drawn: what is cleared is behind the text and below it.
    expect(cli.stdout).not.toContain('\u001B[2J');
    cli.signals.emit('SIGINT');
    expect(await ended).toBe(0);
    expect(cli.stdout.endsWith('\u001B[?25h')).toBe(true);
  });

  test('cli: status --watch: a common terminal shows since when, and the reason in full', async () => {
    const size = { columns: 130, rows: 24 };
    await serve({});
    const cli = new FakeCli({}, {}, size);
    const ended = cli.run('status', '--watch', '--config', file);
    await waitFor(() => cli.stdout.includes('lost and'), { what: 'a frame' });
    cli.signals.emit('SIGINT');
    expect(await ended).toBe(0);
    const shown = shownBy(cli.stdout, size);
    expect(shown.find((line) => line.startsWith('db2 '))).toMatch(/ \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ /);
    expect(shown).toContain('db2 is inactive: lost and \uFFFD[2Jgone');
  });

  test('cli: status --watch: a terminal that is too small gets what fits', async () => {
    const size = { columns: 30, rows: 4 };
    await serve({});
    const cli = new FakeCli({}, {}, size);
    const ended = cli.run('status', '--watch', '--config', file);
    await waitFor(() => (cli.stdout.match(/cluster orders/g)?.length ?? 0) >= 2, { what: 'two frames' });
    cli.signals.emit('SIGINT');
    expect(await ended).toBe(0);
    expect(shownBy(cli.stdout, size)[0]).toBe('cluster orders: node master, …');
  });

  test('cli: status --watch: elsewhere it is a line for each change, also while no node answers', async () => {
    await serve({});
    const cli = new FakeCli();
    const ended = cli.run('status', '--watch', '--config', file);
    await waitFor(() => cli.stdout.includes('db2'), { what: 'the first lines' });
    sync = running;
    await waitFor(() => cli.stdout.includes('34.1 MB/s'), { what: 'the progress' });
    await server?.close();
    await waitFor(() => cli.stdout.includes('no node answers'), { what: 'the node to be missed' });
    cli.signals.emit('SIGTERM');
    expect(await ended).toBe(0);
    const lines = cli.stdout.trimEnd().split('\n');
    expect(lines.every((line) => /^\d\d:\d\d:\d\d /.test(line))).toBe(true);
    expect(lines.map((line) => line.slice(9))).toEqual([
      'cluster orders: 1 of 2 members active',
      'primary db1',
      'member db1 is active (primary)',
      'member db2 is inactive: lost and \uFFFD[2Jgone',
      'db2: full from db1, attempt 2, copying',
      expect.stringMatching(/^db2: copying, 42%, public\.orders, /),
      expect.stringMatching(/^no node answers on /),
    ]);
  });

  test('cli: status --watch: as JSON it is one line for each look', async () => {
    await serve({});
    const cli = new FakeCli();
    const ended = cli.run('status', '--watch', '--json', '--config', file);
    await waitFor(() => cli.stdout.split('\n').length > 2, { what: 'two lines' });
    cli.signals.emit('SIGINT');
    expect(await ended).toBe(0);
    for (const line of cli.stdout.trimEnd().split('\n')) expect(JSON.parse(line)).toMatchObject({ csn: 42 });
  });
});

test('cli: screen: whatever a line holds, it is not wider than the terminal', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 5 }),
      fc.integer({ min: 2, max: 40 }),
      (words, columns) => {
        let written = '';
        const output = Object.assign(new PassThrough(), { columns, rows: 5 });
        output.on('data', (chunk) => {
          written += String(chunk);
        });
        const screen = new Screen(output);
        const text = oneLine(`表${words.join('')}🙂x`);
        screen.draw(text);
        screen.clear();
        const line = written.slice(written.indexOf('\r') + 1, written.indexOf('\u001B[K'));
        const full = columnsOf(text) <= columns;
        expect(columnsOf(line)).toBeLessThanOrEqual(columns);
        expect(line === text || (!full && line.endsWith('…'))).toBe(true);
      },
    ),
  );
});

/** As terminals count them, near enough. */
function columnsOf(text: string): number {
  return Array.from(new Intl.Segmenter().segment(text)).reduce(
    (sum, { segment }) =>
      sum +
      (/[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]|\p{Extended_Pictographic}/u.test(
        segment,
      )
        ? 2
        : 1),
    0,
  );
}
