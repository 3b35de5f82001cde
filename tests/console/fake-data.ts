/** A cluster that never was: as much of it as a test asks for, the same each time but for the times. */
import type {
  ClientSession,
  ClusterEvent,
  ClusterStatus,
  ConfigView,
  MemberStatus,
  MemberTraffic,
  PreflightView,
  TrafficSample,
  VerificationReport,
  WorkProgress,
} from '../../src/console/contract.ts';

const HOUR_MS = 3_600_000;
const ago = (ms: number) => new Date(Date.now() - ms).toISOString();

export function fakeStatus(members: number): ClusterStatus {
  return {
    file: { state: 'same', missing: [], unread: [], waiting: [], fault: null },
    cluster: 'orders',
    role: 'master',
    term: 7,
    version: 12,
    csn: 1_284_502,
    primary: 'db1',
    listen: ['postgres://127.0.0.1:6432'],
    uptimeMs: 3 * 24 * HOUR_MS + 5 * HOUR_MS,
    paused: false,
    clients: 42,
    members: Array.from({ length: members }, (_, place) => fakeMember(place)),
    verification: {
      at: ago(3 * HOUR_MS),
      outcome: 'equal',
      reason: null,
      nextAt: new Date(Date.now() + 21 * HOUR_MS).toISOString(),
      contest: null,
      tables: [],
    },
  };
}

function fakeMember(place: number): MemberStatus {
  return {
    id: `db${place + 1}`,
    url: `postgres://db${place + 1}.plant.example:5432/orders`,
    weight: 1,
    active: true,
    state: 'active',
    role: place === 0 ? 'primary' : 'replica',
    reason: null,
    since: ago((5 + place * 13) * HOUR_MS),
    load: (place * 3 + 2) % 7,
    latencyMs: 0.6 + (place % 5) * 0.4,
    appliedCsn: 1_284_502,
    lagCsn: 0,
    version: '17.2',
    risks: [],
    sync: null,
  };
}

export const fakeProgress: WorkProgress = {
  phase: 'compare',
  table: 'public.order_lines',
  tablesDone: 6,
  tablesTotal: 14,
  rowsDone: 1_204_112,
  rowsTotal: 2_900_000,
  bytesDone: 412_000_000,
  rowsPerSecond: 48_200,
  bytesPerSecond: 34_100_000,
  leftMs: 38_000,
  ofTable: { rowsDone: 204_112, rowsTotal: 900_000, bytesDone: 61_000_000, leftMs: 14_000 },
  lagCsn: null,
};

/** Smooth, and different at each second. */
export function fakeSample(atMs: number, { members }: ClusterStatus): TrafficSample {
  const t = atMs / 1000;
  const wave = (period: number, phase = 0) => 0.5 + 0.5 * Math.sin((t * 2 * Math.PI) / period + phase);
  const spike = Math.floor(t) % 47 === 0 ? 1 : 0;
  const p50 = 1.8 + wave(40) * 0.7;
  return {
    at: new Date(atMs).toISOString(),
    writesPerSecond: Math.round(180 + wave(60) * 90 + wave(7, 1) * 20),
    readsPerSecond: Math.round(1500 + wave(90, 2) * 700 + wave(9) * 120),
    commitMs: { p50, p95: p50 * 2.1 + wave(13), p99: p50 * 3.4 + wave(17) * 3 + spike * 9 },
    readMs: { p50: 0.5 + wave(50) * 0.2, p95: 1.2 + wave(23) * 0.5, p99: 2.4 + wave(11) * 1.8 },
    sessions: 42,
    longestPauseMs: spike === 1 ? 38 : wave(29) > 0.97 ? 6 : 0,
    members: Object.fromEntries(members.map((member, place) => [member.id, trafficOf(member, place, wave)])),
  };
}

function trafficOf(
  member: MemberStatus,
  place: number,
  wave: (period: number, phase?: number) => number,
): MemberTraffic {
  return {
    readsPerSecond: member.active ? Math.round((place === 0 ? 320 : 700) + wave(31, place) * 200) : 0,
    latencyMs: member.latencyMs,
    lagCsn: member.lagCsn,
    load: member.load,
  };
}

const KINDS: readonly (readonly [
  type: string,
  level: ClusterEvent['level'],
  text: (member: string) => string,
])[] = [
  ['member-activated', 'info', (m) => `member ${m} is active: it was brought level by replay`],
  ['sync-ended', 'info', (m) => `${m} is level: replay of 4,201 commits in 3 s`],
  [
    'sync-started',
    'info',
    (m) => `${m} is being brought level by replay from db2: the log that it lacks is kept`,
  ],
  ['member-deactivated', 'warn', (m) => `member ${m} is inactive: no probe was answered for 2 s`],
  ['member-unfit', 'warn', (m) => `member ${m} has failed a probe: connection refused`],
  ['verification-ended', 'info', () => 'db1, db2, db3 are equal: 14 tables, 2,900,000 rows, in 41 s'],
  ['member-differs', 'error', (m) => `${m} differs in public.orders: 2 rows`],
];

/** Newest first. */
export function fakeEvents(count: number, { members }: ClusterStatus): ClusterEvent[] {
  return Array.from({ length: count }, (_, place) => {
    const [type, level, text] = KINDS[place % KINDS.length] as (typeof KINDS)[number];
    const member = members[(place * 2 + 1) % members.length]?.id ?? 'db1';
    const about = type === 'verification-ended' ? {} : { member };
    return {
      id: count - place,
      at: ago(place * 431_000 + 60_000),
      type,
      level,
      text: text(member),
      data: {},
      ...about,
    };
  });
}

export const fakeSessions: readonly ClientSession[] = [
  session(
    11,
    'app',
    'order-service',
    'active',
    'UPDATE orders SET state = $1, changed = now() WHERE id = $2',
    'db1',
  ),
  session(
    12,
    'app',
    'order-service',
    'idle',
    'SELECT id, state FROM orders WHERE customer = $1 ORDER BY id DESC LIMIT 20',
    'db2',
  ),
  session(
    17,
    'report',
    'nightly report',
    'active',
    'SELECT product, sum(quantity) FROM order_lines GROUP BY product',
    'db3',
  ),
  session(
    23,
    'app',
    'panel 4',
    'idle in transaction',
    "INSERT INTO alarms (at, text) VALUES (now(), 'door open')",
    'db1',
  ),
];

function session(
  id: number,
  user: string,
  application: string,
  state: ClientSession['state'],
  statement: string,
  member: string,
): ClientSession {
  return {
    id,
    user,
    application,
    address: `10.0.4.${id}:5${id}10`,
    state,
    since: ago(id * 911),
    statement,
    member,
  };
}

export function fakeConfig(): ConfigView {
  const option = (
    path: string,
    type: string,
    standard: string,
    allowed: string,
    help: string,
    restart = true,
  ) => ({
    path,
    type,
    default: standard,
    allowed,
    help,
    restart,
  });
  return {
    before: null,
    file: '/etc/lockstep/lockstep.yaml',
    text: '# The databases of line 4.\ncluster: orders\ndialect: postgres\nusername: app\n',
    values: {
      cluster: 'orders',
      dialect: 'postgres',
      username: 'app',
      balancer: 'least-loaded',
      members: [],
      probe: { intervalMs: 1000, timeoutMs: 1000, threshold: 2 },
      deadlines: { commitMs: 5000, connectMs: 3000 },
      log: { retentionBytes: 1_073_741_824, retentionMinutes: 1440 },
      sync: { automatic: true, maxBytesPerSecond: 0 },
      verification: { everyMinutes: 1440 },
      clients: ['shop', { name: 'report', password: { file: './report.password' } }],
      hooks: [{ name: 'mail', run: ['/etc/lockstep/mail.sh'] }],
    },
    options: [
      option(
        'cluster',
        'text',
        'required',
        '1 to 63 characters, each one of a–z, 0–9, "_" and "-"',
        'Name of the one logical database.',
      ),
      option('dialect', 'choice', 'required', '`postgres`', 'Product that the members run.'),
      option(
        'username',
        'text',
        'required',
        'text, 1 to 63 characters',
        'Role with which Lockstep works on the members.',
      ),
      option(
        'password',
        'secret',
        'none',
        'text in quotes, `{ env: NAME }` or `{ file: path }`',
        'Password of `username`.',
      ),
      option(
        'balancer',
        'choice',
        'least-loaded',
        '`least-loaded`, `round-robin`, `random`, `simple`',
        'Which member answers a read.',
        false,
      ),
      option(
        'probe.intervalMs',
        'number',
        '1000',
        'whole number, 50 to 60000 ms',
        'Time between two probes.',
        false,
      ),
      option(
        'probe.timeoutMs',
        'number',
        '1000',
        'whole number, 50 to 60000 ms',
        'A probe that has not been answered by then has failed.',
        false,
      ),
      option(
        'probe.threshold',
        'number',
        '2',
        'whole number, 1 to 100 probes',
        'Failed probes in a row that make a member inactive.',
        false,
      ),
      option(
        'deadlines.connectMs',
        'number',
        '3000',
        'whole number, 50 to 60000 ms',
        'Connecting and logging in to a member.',
      ),
      option(
        'deadlines.commitMs',
        'number',
        '5000',
        'whole number, 50 to 600000 ms',
        'A replica that has not applied a commit by then is made inactive.',
        false,
      ),
      option(
        'log.retentionBytes',
        'number',
        '1 GiB',
        'size, 16 MiB to 1024 GiB',
        'Size beyond which the oldest part is dropped.',
        false,
      ),
      option(
        'log.retentionMinutes',
        'number',
        '1440',
        'whole number, 1 to 43200 minutes',
        'Age beyond which the oldest part is dropped.',
        false,
      ),
      option(
        'sync.automatic',
        'flag',
        'true',
        '`true`, `false`',
        'Bring an inactive member that answers back by itself.',
        false,
      ),
      option(
        'sync.maxBytesPerSecond',
        'number',
        '0',
        'size, 0 to 100 GiB; 0: no limit',
        'Data read from a source in a second.',
        false,
      ),
      option(
        'verification.everyMinutes',
        'number',
        '1440',
        'whole number, 0 to 525600 minutes; 0: never',
        'Time between two verifications of everything.',
        false,
      ),
      option('admin.hosts', 'list', 'none', 'list of host names', 'Names under which browsers reach it.'),
      option(
        'clients',
        'list',
        'required',
        'list of role names',
        'Roles with which clients may log in.',
        false,
      ),
      option('clients.name', 'text', 'required', 'text, 1 to 63 characters', 'Role name.', false),
      option('hooks', 'list', 'none', 'list of hooks', 'Who is told.', false),
      option('hooks.post', 'secret', 'none', 'http:// or https:// address', 'Address.', false),
    ],
    problems: [],
  };
}

export function fakeFindings(
  input: Readonly<Record<string, unknown>>,
  { members }: ClusterStatus,
): PreflightView {
  const first = members[0];
  const url = typeof input['url'] === 'string' ? input['url'] : (first?.url ?? '');
  const good = url.includes('ready') || url === first?.url;
  return {
    members: [
      {
        id: typeof input['id'] === 'string' ? input['id'] : 'database',
        url,
        reach: 'database',
        holds: 'nothing',
        findings: [
          { name: 'connection', ok: 'ok', found: 'as app, PostgreSQL 17.2' },
          { name: 'time zone', ok: 'ok', found: 'UTC' },
          good
            ? { name: 'event triggers', ok: 'ok', found: 'app may make them' }
            : {
                name: 'wal_level',
                ok: 'warn',
                found: 'fsync is off: what is acknowledged can be lost',
                cure: 'ALTER SYSTEM SET fsync = on;',
              },
          ...(good
            ? []
            : [
                {
                  name: 'rights',
                  ok: 'fail' as const,
                  found: 'app may not create a schema',
                  cure: 'GRANT CREATE ON DATABASE orders TO app;',
                },
              ]),
        ],
      },
    ],
    cluster: [],
  };
}

export function fakeVerification(): VerificationReport {
  const equal = { db1: 'equal', db2: 'equal', db3: 'equal' } as const;
  return {
    at: ago(600_000),
    outcome: 'differs',
    reason: null,
    csn: 1_284_101,
    members: ['db1', 'db2', 'db3'],
    heldMs: 4,
    tookMs: 41_200,
    findings: [{ member: 'db3', text: 'public.orders: 1 row is missing, 1 is not the same' }],
    tables: [
      {
        table: 'public.customers',
        rows: 12_004,
        outcome: 'equal',
        members: equal,
        differences: [],
      },
      {
        table: 'public.orders',
        rows: 480_211,
        outcome: 'differs',
        members: { ...equal, db3: 'differs' },
        differences: [
          {
            key: { id: '4711' },
            columns: ['state'],
            values: {
              db1: { id: '4711', state: 'paid', total: '120.00' },
              db2: { id: '4711', state: 'paid', total: '120.00' },
              db3: { id: '4711', state: 'open', total: '120.00' },
            },
          },
          {
            key: { id: '4712' },
            columns: ['id', 'state', 'total'],
            values: {
              db1: { id: '4712', state: 'new', total: null },
              db2: { id: '4712', state: 'new', total: null },
              db3: null,
            },
          },
        ],
      },
      {
        table: 'public.order_lines',
        rows: 2_407_785,
        outcome: 'equal',
        members: equal,
        differences: [],
      },
    ],
  };
}
