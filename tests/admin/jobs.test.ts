import { beforeEach, expect, test } from 'vitest';
import { Jobs } from '../../src/admin/index.ts';
import type { JobControl, SyncReport, VerifyReport, WorkProgress } from '../../src/admin/index.ts';
import { COMMANDS } from '../../src/admin/commands/index.ts';
import { LockstepError } from '../../src/base/index.ts';
import { waitFor } from '../support/wait-for.ts';

const report: SyncReport = {
  member: 'db2',
  source: 'db1',
  strategy: 'diff',
  reason: 'its log begins later',
  dryRun: false,
  tables: [],
  keptFile: null,
  rows: 7,
  bytes: 700,
  tookMs: 12,
};
const progress: WorkProgress = {
  phase: 'compare',
  table: 'public.orders',
  tablesDone: 1,
  tablesTotal: 2,
  rowsDone: 5,
  rowsTotal: 10,
  bytesDone: 500,
  rowsPerSecond: 5,
  bytesPerSecond: 500,
  leftMs: 1000,
  ofTable: null,
  lagCsn: null,
};

let seconds: number;
let jobs: Jobs;
beforeEach(() => {
  seconds = 0;
  jobs = new Jobs({ wallTime: () => new Date(Date.UTC(2026, 0, 2, 3, 4, seconds++)) });
});

const ended = (id: number) =>
  waitFor(() => jobs.list().find((job) => job.id === id && job.state !== 'running'), {
    what: `job ${id} to end`,
  });

test('admin: jobs: work is begun at once, tells how far it is, and ends with its result', async () => {
  let finish: (report: SyncReport) => void = () => {};
  let control: JobControl | undefined;
  const begun = jobs.start('sync', 'db2', (given) => {
    control = given;
    return new Promise((resolve) => {
      finish = resolve;
    });
  });
  expect(begun).toMatchObject({ id: 1, kind: 'sync', member: 'db2', state: 'running', progress: null });
  control?.progress(progress);
  expect(jobs.list()).toMatchObject([{ state: 'running', progress, result: null, endedAt: null }]);
  finish(report);
  expect(await ended(1)).toEqual({
    id: 1,
    kind: 'sync',
    member: 'db2',
    state: 'done',
    startedAt: '2026-01-02T03:04:00.000Z',
    endedAt: '2026-01-02T03:04:01.000Z',
    progress,
    result: report,
    error: null,
  });
});

test('admin: jobs: work that fails keeps its error with its hint', async () => {
  jobs.start('verify', null, () =>
    Promise.reject<VerifyReport>(
      new LockstepError({ code: 'cluster.busy', message: 'not now', hint: 'Try again.' }),
    ),
  );
  expect(await ended(1)).toMatchObject({
    state: 'failed',
    result: null,
    error: { code: 'cluster.busy', message: 'not now', hint: 'Try again.' },
  });
});

test('admin: jobs: work that is cancelled is asked to end, and is not called failed', async () => {
  jobs.start(
    'sync',
    'db2',
    ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new Error('it was stopped')));
      }),
  );
  expect(jobs.cancel(1)).toBe(true);
  expect(await ended(1)).toMatchObject({ state: 'cancelled', error: { message: 'it was stopped' } });
  expect(jobs.cancel(1)).toBe(false);
  expect(() => jobs.cancel(2)).toThrow('there is no job 2');
});

test('admin: jobs: what was done although it was asked to end is done', async () => {
  jobs.start('sync', 'db2', ({ signal }) => {
    const done = new Promise<SyncReport>((resolve) => {
      signal.addEventListener('abort', () => resolve(report));
    });
    return done;
  });
  jobs.cancelAll();
  expect(await ended(1)).toMatchObject({ state: 'done', result: report });
});

test('admin: jobs: only so many that ended are remembered, and none that runs is forgotten', async () => {
  jobs.start('sync', 'db2', () => new Promise(() => {}));
  for (let job = 2; job <= 80; job += 1) {
    jobs.start('sync', 'db3', () => Promise.resolve(report));
    await ended(job);
  }
  const ids = jobs.list().map(({ id }) => id);
  expect([ids.length, ids[0], ids[1], ids.at(-1)]).toEqual([51, 1, 31, 80]);
});

test('admin: jobs: what begins work says so, or a door would answer it as if it were done', () => {
  const begun = COMMANDS.filter(({ job }) => job).map(({ name }) => name);
  expect(begun.sort()).toEqual(['activate-member', 'repair', 'sync-member', 'verify']);
});
