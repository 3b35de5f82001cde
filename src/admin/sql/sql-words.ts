/** The words of the SQL door: each is one command of the common list, and how its answer is a table. */
import type { EventPage, SessionInfo, TrafficSample } from '../insight.ts';
import type { JobStatus } from '../jobs.ts';
import type { ClusterStatus, VerificationReport } from '../operations.ts';
import type { ConfigView } from '../settings.ts';

export type Cell = string | number | boolean | null | undefined;

/** A command that is shown as a table. */
export interface ShowWord {
  /** The first one is the one to recommend; the others are those of pgbouncer. */
  readonly names: readonly string[];
  readonly help: string;
  readonly command: string;
  readonly input?: object;
  readonly columns: readonly string[];
  // Each takes what its own command answers.
  rows(answer: never): readonly (readonly Cell[])[];
}

/** A command that does something. `<member>`, `[member]`, `<job>`, `[table, …]` and `[reason]` stand for what follows. */
export interface DoWord {
  readonly usage: string;
  readonly help: string;
  readonly command: string;
  /** From what followed the words. */
  readonly input: (given: readonly string[]) => object;
}

export const SHOW_WORDS: readonly ShowWord[] = [
  {
    names: ['MEMBERS', 'DATABASES', 'SERVERS', 'POOLS'],
    help: 'the members, their roles and states',
    command: 'status',
    columns: [
      'member',
      'active',
      'state',
      'role',
      'weight',
      'load',
      'latency_ms',
      'lag_commits',
      'url',
      'reason',
      'since',
    ],
    rows: ({ members }: ClusterStatus) =>
      members.map((one) => [
        one.id,
        one.active,
        one.state,
        one.role,
        one.weight,
        one.load,
        one.latencyMs,
        one.lagCsn,
        one.url,
        one.reason,
        one.since,
      ]),
  },
  {
    names: ['CLUSTER', 'STATE'],
    help: 'the cluster as a whole',
    command: 'status',
    columns: ['name', 'value'],
    rows: ({ cluster, role, term, csn, primary, clients, uptimeMs, listen }: ClusterStatus) =>
      Object.entries({ cluster, role, term, csn, primary, clients, uptimeMs, listen: listen.join(', ') }),
  },
  {
    names: ['LISTS'],
    help: 'how much there is of what',
    command: 'status',
    columns: ['list', 'items'],
    rows: ({ members, clients }: ClusterStatus) => [
      ['members', members.length],
      ['active_members', members.filter(({ active }) => active).length],
      ['clients', clients],
    ],
  },
  {
    names: ['SESSIONS', 'CLIENTS'],
    help: 'clients, and what they run',
    command: 'sessions',
    columns: ['session', 'user', 'application', 'address', 'state', 'since', 'member', 'statement'],
    rows: (sessions: readonly SessionInfo[]) =>
      sessions.map((one) => [
        one.id,
        one.user,
        one.application,
        one.address,
        one.state,
        one.since,
        one.member,
        one.statement,
      ]),
  },
  {
    names: ['STATS', 'STATS_AVERAGES'],
    help: 'how much is read and written, and how fast',
    command: 'traffic',
    columns: [
      'seconds',
      'writes_per_second',
      'reads_per_second',
      'commit_ms_p50',
      'commit_ms_p99',
      'read_ms_p50',
      'read_ms_p99',
      'longest_pause_ms',
    ],
    rows: (samples: readonly TrafficSample[]) => [1, 60, 900].map((seconds) => statsOf(samples, seconds)),
  },
  {
    names: ['SYNC'],
    help: 'what brings members level',
    command: 'status',
    columns: [
      'member',
      'state',
      'attempt',
      'strategy',
      'source',
      'phase',
      'table',
      'rows_done',
      'rows_total',
      'reason',
    ],
    rows: ({ members }: ClusterStatus) =>
      members.flatMap(({ id, sync }) =>
        sync === null
          ? []
          : [
              [
                id,
                sync.state,
                sync.attempt,
                sync.strategy,
                sync.source,
                sync.progress?.phase,
                sync.progress?.table,
                sync.progress?.rowsDone,
                sync.progress?.rowsTotal,
                sync.reason,
              ],
            ],
      ),
  },
  {
    names: ['EVENTS'],
    help: 'what has happened, the newest first',
    command: 'events',
    columns: ['id', 'at', 'level', 'type', 'member', 'text'],
    rows: ({ events }: EventPage) =>
      events.map(({ id, at, level, type, member, text }) => [id, at, level, type, member, text]),
  },
  {
    names: ['JOBS'],
    help: 'long work',
    command: 'jobs',
    columns: ['job', 'kind', 'member', 'state', 'started', 'ended', 'phase', 'error'],
    rows: (jobs: readonly JobStatus[]) =>
      jobs.map((job) => [
        job.id,
        job.kind,
        job.member,
        job.state,
        job.startedAt,
        job.endedAt,
        job.progress?.phase,
        job.error?.message,
      ]),
  },
  {
    names: ['VERIFICATION'],
    help: 'the last verification, table by table',
    command: 'verification',
    columns: ['table', 'rows', 'outcome', 'differing', 'at'],
    rows: (report: VerificationReport | null) =>
      (report?.tables ?? []).map(({ table, rows, outcome, members }) => {
        const differing = Object.entries(members).filter(([, found]) => found !== 'equal');
        return [table, rows, outcome, differing.map(([id]) => id).join(', '), report?.at];
      }),
  },
  {
    names: ['CONFIG'],
    help: 'every option, its value, and whether it is changed without a new start',
    command: 'config',
    columns: ['key', 'value', 'default', 'changeable'],
    rows: ({ options, values }: ConfigView) =>
      options
        .filter(({ path }) => !/^(members|clients|admin\.users)(\.|$)/.test(path))
        .map((option) => {
          const value = valueAt(values, option.path);
          return [option.path, value ?? option.default, option.default, option.restart ? 'no' : 'yes'];
        }),
  },
];

export const DO_WORDS: readonly DoWord[] = [
  {
    usage: 'ACTIVATE <member>',
    help: 'brings a member level and makes it active',
    command: 'activate-member',
    input: ([member]) => ({ member }),
  },
  {
    usage: 'DEACTIVATE <member> [reason]',
    help: 'takes a member out until it is activated',
    command: 'deactivate-member',
    input: ([member, reason]) => ({ member, ...(reason !== undefined && { reason }) }),
  },
  {
    usage: 'SYNC <member> [strategy]',
    help: 'brings a member level: replay, diff, full or passive',
    command: 'sync-member',
    input: ([member, strategy]) => ({ member, ...(strategy !== undefined && { strategy }) }),
  },
  {
    usage: 'CANCEL SYNC <member>',
    help: 'stops what brings a member level, and holds it',
    command: 'cancel-sync',
    input: ([member]) => ({ member }),
  },
  {
    usage: 'CANCEL SESSION <session>',
    help: 'stops what a client runs',
    command: 'cancel-session',
    input: ([session]) => ({ session: Number(session) }),
  },
  {
    usage: 'CANCEL JOB <job>',
    help: 'asks long work to end',
    command: 'cancel-job',
    input: ([job]) => ({ job: Number(job) }),
  },
  {
    usage: 'PRIMARY <member>',
    help: 'makes another active member the primary',
    command: 'switch-primary',
    input: ([member]) => ({ member }),
  },
  {
    usage: 'VERIFY [table, …]',
    help: 'proves that active members hold the same',
    command: 'verify',
    input: (tables) => (tables.length === 0 ? {} : { tables }),
  },
  {
    usage: 'REPAIR [member]',
    help: 'makes members equal again that a verification found different',
    command: 'repair',
    input: ([member]) => (member === undefined ? {} : { member }),
  },
  {
    usage: 'PAUSE',
    help: 'lets open transactions end and new ones wait',
    command: 'pause',
    input: () => ({}),
  },
  {
    usage: 'RESUME',
    help: 'ends a pause',
    command: 'resume',
    input: () => ({}),
  },
  {
    usage: 'RELOAD',
    help: 'takes over what has changed in the configuration file',
    command: 'reload',
    input: () => ({}),
  },
];

/** Words of pgbouncer that are none here, and what to do instead. */
export const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ['disable', 'PAUSE has new transactions wait; DEACTIVATE takes a member out.'],
  ['suspend', 'PAUSE has new transactions wait.'],
  ['kill', 'CANCEL SESSION stops what a client runs; PAUSE has new transactions wait.'],
  ['enable', 'RESUME lets clients go on; ACTIVATE brings a member back.'],
  ['shutdown', 'Stop the process, by SIGTERM or as a service: open transactions may end first.'],
  ['reconnect', 'Nothing has to be done: members that were away are connected to by themselves.'],
  ['wait_close', 'Nothing has to be done: PAUSE itself waits until nothing is open.'],
]);

function statsOf(samples: readonly TrafficSample[], seconds: number): readonly Cell[] {
  const some = samples.slice(-seconds);
  const mean = (of: (sample: TrafficSample) => number): number =>
    Math.round((some.reduce((sum, sample) => sum + of(sample), 0) / Math.max(1, some.length)) * 10) / 10;
  /** Of the slowest second. */
  const worst = (of: (sample: TrafficSample) => number | null): number | null => {
    const known = some.map(of).filter((value) => value !== null);
    return known.length === 0 ? null : Math.max(...known);
  };
  return [
    seconds,
    mean(({ writesPerSecond }) => writesPerSecond),
    mean(({ readsPerSecond }) => readsPerSecond),
    worst(({ commitMs }) => commitMs.p50),
    worst(({ commitMs }) => commitMs.p99),
    worst(({ readMs }) => readMs.p50),
    worst(({ readMs }) => readMs.p99),
    worst(({ longestPauseMs }) => longestPauseMs),
  ];
}

function valueAt(values: unknown, path: string): string | undefined {
  const found = path
    .split('.')
    .reduce<unknown>(
      (at, key) => (typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined),
      values,
    );
  if (found === undefined) return undefined;
  return typeof found === 'string' ? found : JSON.stringify(found);
}
