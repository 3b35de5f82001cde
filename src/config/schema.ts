/**
 * Every option of `lockstep.yaml`: what it is for, its unit, its bounds, its default. The check, the error messages and
 * docs/reference/configuration.md are all made from this page.
 */
import { z } from 'zod';
import { parseListenAddress, parseMemberUrl } from './address.ts';
import type { AddressFault } from './address.ts';
import { hookSchema } from './hook-schema.ts';
import {
  bytes,
  choice,
  flag,
  integer,
  milliseconds,
  name,
  optionDocs,
  secret,
  section,
  sectionDocs,
} from './option.ts';

const KiB = 2 ** 10;
const MiB = 2 ** 20;
const GiB = 2 ** 30;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const role = (text: string, fallback: string) =>
  z
    .string()
    .min(1)
    .max(63)
    .register(optionDocs, { text, allowed: 'text, 1 to 63 characters', default: fallback });

const path = (text: string, fallback: string) =>
  z.string().min(1).register(optionDocs, { text, allowed: 'path, relative to this file', default: fallback });

const address = <A extends object>(parse: (text: string) => A | AddressFault) =>
  z.string().transform((text, context): A => {
    const parsed = parse(text);
    if (!('fault' in parsed)) return parsed;
    context.addIssue({ code: 'custom', message: parsed.fault });
    return z.NEVER;
  });

/** Minutes since midnight. */
const dayWindow = (text: string) =>
  z
    .string()
    .transform((written, context): { readonly from: number; readonly to: number } => {
      const parts = /^([01]\d|2[0-3]):([0-5]\d) ?- ?([01]\d|2[0-3]):([0-5]\d)$/.exec(written);
      const [fromHour = 0, fromMinute = 0, toHour = 0, toMinute = 0] = parts?.slice(1).map(Number) ?? [];
      if (parts !== null) return { from: fromHour * 60 + fromMinute, to: toHour * 60 + toMinute };
      context.addIssue({ code: 'custom', message: 'a time of day, a hyphen and another one: 01:00-05:30' });
      return z.NEVER;
    })
    .register(optionDocs, { text, allowed: 'HH:MM-HH:MM', default: 'at any time' });

const TLS_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;

const tls = (text: string) =>
  z
    .strictObject({
      mode: z
        .enum(TLS_MODES)
        .optional()
        .register(optionDocs, {
          text: 'How far the connection to a member is protected, in the words of libpq: `require` encrypts, `verify-ca` also checks the certificate, `verify-full` also the host name.',
          allowed: TLS_MODES.map((mode) => `\`${mode}\``).join(', '),
          default: '`prefer` for a loopback address, otherwise `verify-full`',
        }),
      ca: path('Certificates (PEM) that vouch for the server.', "the system's").optional(),
      cert: path('Certificate (PEM) with which Lockstep identifies itself.', 'none').optional(),
      key: path('Key (PEM) of `cert`.', 'none').optional(),
      md5: z.boolean().optional().register(optionDocs, {
        text: 'Let a server ask for the password by md5 whose certificate and name are not checked. Whoever answers in its place can guess the password from that at leisure; `scram-sha-256` needs no such trust.',
        allowed: '`true`, `false`',
        default: 'false',
      }),
    })
    .register(sectionDocs, { text });

const member = z
  .strictObject({
    id: name(
      'Name of the member in every command, log and record. It does not change; used again, it begins afresh.',
    ),
    url: address(parseMemberUrl).register(optionDocs, {
      text: 'Server and database. A user and password inside the URL are accepted, with a warning.',
      allowed: 'postgres://host:port/database',
      default: 'required',
      secret: true,
    }),
    weight: integer({
      text: 'Share of the reads, relative to the other members. 0 makes it a last resort.',
      unit: '',
      default: 1,
      min: 0,
      max: 100,
    }),
    username: role('Overrides the common `username`.', 'the common one').optional(),
    password: secret('Overrides the common `password`.', 'the common one').optional(),
    tls: tls('Overrides the common `tls`, key by key.').optional(),
  })
  .register(sectionDocs, { text: 'The databases that are kept identical: a list of one or more.' });

const LOGIN_ALLOWED =
  'list of role names, or of `{ name: …, password: … }` and `{ name: …, trust: loopback }`';

/** Who may log in, and how that is proven. A name alone is the shortest form. */
const logins = (text: string) =>
  z.array(
    z.preprocess(
      (written) => (typeof written === 'string' ? { name: written } : written),
      z
        .strictObject({
          name: role('A role that every member has.', 'required'),
          password: secret(
            'The password, or the verifier that the members keep of it (`SCRAM-SHA-256$…`). The node checks it, and logs in on the members with it.',
            'that of `username` for its own name; otherwise the members keep it, and the node checks proofs by what they keep',
          ).optional(),
          trust: z.enum(['loopback']).optional().register(optionDocs, {
            text: 'No password is asked for: everybody on this machine, and whoever is forwarded to it, may be this role.',
            allowed: '`loopback`',
            default: 'nobody is let in without a proof',
          }),
        })
        .register(sectionDocs, { text }),
    ),
  );

export const configSchema = z.strictObject({
  cluster: name('Name of the one logical database. Recorded in every member; it never changes.'),
  dialect: z.enum(['postgres']).register(optionDocs, {
    text: 'Product that the members run.',
    allowed: '`postgres`',
    default: 'required',
  }),
  username: role(
    'Role with which Lockstep works on the members. No client may log in with it unless `clients` lists it.',
    'required, unless every member has its own',
  ).optional(),
  password: secret(
    'Password of `username`. Without one, the members must let Lockstep in without.',
    'none',
  ).optional(),
  tls: tls('Protection of the connections to the members.').optional(),
  members: z.array(member).min(1).register(optionDocs, {
    text: 'The databases that are kept identical.',
    allowed: 'list of one or more members',
    default: 'required',
  }),
  listen: z
    .strictObject({
      postgres: address(parseListenAddress).register(optionDocs, {
        text: 'Address on which PostgreSQL clients are served. Port 0 lets the system choose.',
        allowed: 'host:port',
        default: 'required',
      }),
      admin: address(parseListenAddress)
        .register(optionDocs, {
          text: 'Address of the console and of the HTTP API, for operators. Only this machine reaches a loopback address.',
          allowed: 'host:port',
          default: 'none: there is no console',
        })
        .optional(),
      tls: z
        .strictObject({
          cert: path('Certificate (PEM), followed by its chain.', 'required'),
          key: path('Key (PEM) of `cert`.', 'required'),
          required: flag({ text: 'Refuse clients that do not encrypt their connection.', default: false }),
        })
        .register(sectionDocs, {
          text: 'With it, clients may use TLS, and `admin` speaks nothing else; without it, they are told there is none.',
        })
        .optional(),
    })
    .register(sectionDocs, { text: 'Where clients find the node.' }),
  admin: section(
    'Who may operate the cluster besides who may use this machine. Tokens are in the state directory.',
    {
      users: logins('Who may command Lockstep by SQL, as under `clients`.').default([]).register(optionDocs, {
        text: 'Who may command Lockstep by SQL, in the database `lockstep`, besides `operator`, whose password is the token in the state directory, and who comes from this machine alone.',
        allowed: LOGIN_ALLOWED,
        default: 'none',
      }),
      allowRemote: flag({
        text: 'Let `listen.admin` be an address that other machines reach. Give it `listen.tls` then.',
        default: false,
      }),
      hosts: z
        .array(z.string().regex(/^[a-z0-9.-]{1,253}$/i))
        .default([])
        .register(optionDocs, {
          text: 'Names under which browsers reach `listen.admin`, besides the address itself. A request for any other name is refused.',
          allowed: 'list of host names',
          default: 'none',
        }),
    },
  ),
  clients: logins('Who may log in: a list.').optional().register(optionDocs, {
    text: 'Roles with which clients may log in, and no others. `[]`: nobody.',
    allowed: LOGIN_ALLOWED,
    default: 'required; where Lockstep itself needs no password: `username`, from this machine',
  }),
  state: path('Directory for what the node must remember. One node, one directory.', 'required'),
  balancer: choice({
    text: 'Which member answers a read: the one with the fewest requests in flight for its weight, where a session stays until that member is much busier or slower than another (`least-loaded`), each in turn (`round-robin`), any (`random`), or always the first that is fit (`simple`).',
    values: ['least-loaded', 'round-robin', 'random', 'simple'],
    default: 'least-loaded',
  }),
  source: name(
    "At the first start with members that differ: the member whose data is the cluster's. Not looked at afterwards.",
    'none',
  ).optional(),
  probe: section('How members are watched, each over a connection of its own.', {
    intervalMs: milliseconds({ text: 'Time between two probes.', default: 1000, min: 50, max: 60_000 }),
    timeoutMs: milliseconds({
      text: 'A probe that has not been answered by then has failed.',
      default: 1000,
      min: 50,
      max: 60_000,
    }),
    threshold: integer({
      text: 'Failed probes in a row that make a member inactive.',
      unit: 'probes',
      default: 2,
      min: 1,
      max: 100,
    }),
    backOffMaxMs: milliseconds({
      text: 'Longest time between two probes of a member that keeps failing.',
      default: 30_000,
      min: 100,
      max: HOUR_MS,
    }),
  }),
  deadlines: section('How long anything may take before something is done about it.', {
    connectMs: milliseconds({
      text: 'Connecting and logging in to a member.',
      default: 3000,
      min: 50,
      max: 60_000,
    }),
    commitMs: milliseconds({
      text: 'A replica that has not applied a commit by then and is not seen to be at work on it, or a primary that has not answered one, is made inactive.',
      default: 5000,
      min: 50,
      max: 600_000,
    }),
    outageMs: milliseconds({
      text: 'While no member answers, a client that waits is told so after this time. A COMMIT under way is carried through all the same; its client learns that the outcome is unknown.',
      default: 60_000,
      min: 100,
      max: DAY_MS,
    }),
    replayMs: milliseconds({
      text: "Running a session's open transaction again after the primary was lost; after that its client gets error 40001.",
      default: 10_000,
      min: 0,
      max: 600_000,
      zero: 'never run again',
    }),
    switchMs: milliseconds({
      text: 'How long moving the primary waits for open transactions before they are run again on the new one.',
      default: 5000,
      min: 0,
      max: 600_000,
      zero: 'do not wait',
    }),
    loginMs: milliseconds({
      text: 'A client that has not logged in by then is disconnected.',
      default: 15_000,
      min: 100,
      max: 600_000,
    }),
    statementMs: milliseconds({
      text: 'A statement that runs longer is cancelled.',
      default: 0,
      min: 0,
      max: DAY_MS,
      zero: 'no limit',
    }),
    idleInTransactionMs: milliseconds({
      text: 'A client that leaves a transaction open and idle for longer is disconnected.',
      default: 0,
      min: 0,
      max: DAY_MS,
      zero: 'no limit',
    }),
    stopMs: milliseconds({
      text: 'When the node stops: time for running transactions to end.',
      default: 10_000,
      min: 0,
      max: 600_000,
      zero: 'end them at once',
    }),
  }),
  log: section(
    'How much of the commit log every member keeps. A member that was away for longer needs more than a replay.',
    {
      retentionBytes: bytes({
        text: 'Size beyond which the oldest part is dropped.',
        default: GiB,
        min: 16 * MiB,
        max: 1024 * GiB,
      }),
      retentionMinutes: integer({
        text: 'Age beyond which the oldest part is dropped.',
        unit: 'minutes',
        default: 1440,
        min: 1,
        max: 43_200,
      }),
    },
  ),
  sync: section('How a member that is inactive is brought level. Clients go on meanwhile.', {
    automatic: flag({
      text: 'Bring an inactive member that answers back by itself. Without it, `lockstep sync` does it.',
      default: true,
    }),
    maxBytesPerSecond: bytes({
      text: 'Data read from a source in a second, so that its other work is not slowed. Applying commits is not counted.',
      default: 0,
      min: 0,
      max: 100 * GiB,
      zero: 'no limit',
    }),
    retryMaxMs: milliseconds({
      text: 'Longest time between two attempts at a member that keeps failing; the first is 1000.',
      default: 300_000,
      min: 1000,
      max: DAY_MS,
    }),
    quarantineFailures: integer({
      text: 'So many failures of an active member within `quarantineMinutes` put it into quarantine: it is tried only at the longest of those times, until it has been well for as long.',
      unit: 'failures',
      default: 3,
      min: 1,
      max: 1000,
    }),
    quarantineMinutes: integer({
      text: 'See `quarantineFailures`.',
      unit: 'minutes',
      default: 10,
      min: 1,
      max: 1440,
    }),
    pgDump: path(
      'Program that copies the schema to an empty server. Its version is at least that of the source.',
      'the newest `pg_dump` that is found',
    ).optional(),
  }),
  verification: section('How active members are proven equal. Clients go on meanwhile.', {
    everyMinutes: integer({
      text: 'Time between two verifications of everything.',
      unit: 'minutes',
      default: 1440,
      min: 0,
      max: 525_600,
      zero: 'only by `lockstep verify`',
    }),
    window: dayWindow(
      'Time of day, where the node runs, at which a verification is begun; it may take longer. It can go over midnight.',
    ).optional(),
    maxBytesPerSecond: bytes({
      text: 'Data read from each member in a second.',
      default: 32 * MiB,
      min: 0,
      max: 100 * GiB,
      zero: 'no limit',
    }),
    sampleMs: milliseconds({
      text: 'Time between two looks at a few rows of one table, on all members. What looks different is verified.',
      default: 5000,
      min: 0,
      max: HOUR_MS,
      zero: 'none',
    }),
    holdMs: milliseconds({
      text: 'Longest time that commits are held while the snapshots are opened. A verification that needs more is put off.',
      default: 200,
      min: 10,
      max: 10_000,
    }),
  }),
  limits: section('Bounds on what clients can make the node hold.', {
    maxClients: integer({
      text: 'Clients that are logged in. One more is told that there are too many.',
      unit: 'clients',
      default: 1000,
      min: 1,
      max: 100_000,
    }),
    maxClientsPerUser: integer({
      text: 'The same for clients of one user. Keep room for others, and for what the members allow (`max_connections`).',
      unit: 'clients',
      default: 0,
      min: 0,
      max: 100_000,
      zero: 'as many as `maxClients`',
    }),
    maxPreAuthClients: integer({
      text: 'Connections that have not logged in yet. When all places are taken, the address that has most of them gives one up.',
      unit: 'connections',
      default: 200,
      min: 1,
      max: 10_000,
    }),
    maxMessageBytes: bytes({
      text: 'Largest protocol message of a client that is logged in.',
      default: GiB,
      min: 64 * KiB,
      max: GiB,
    }),
    clientBufferBytes: bytes({
      text: 'Answers kept for a client that reads too slowly, before its member is made to wait.',
      default: MiB,
      min: 16 * KiB,
      max: 256 * MiB,
    }),
    preparedStatementsPerSession: integer({
      text: 'Named prepared statements of one session; as many portals of one transaction.',
      unit: 'statements',
      default: 10_000,
      min: 10,
      max: 1_000_000,
    }),
    replayBytes: bytes({
      text: 'Statements and answers kept of an open transaction so that it can be run again. A larger one gets error 40001 when the primary is lost.',
      default: MiB,
      min: 0,
      max: 64 * MiB,
      zero: 'never run again',
    }),
    replayStatements: integer({
      text: 'The same, as a number of statements.',
      unit: 'statements',
      default: 1000,
      min: 0,
      max: 100_000,
      zero: 'never run again',
    }),
    writeSetMemoryBytes: bytes({
      text: 'Memory for one write set. A larger one is put into a file in the state directory.',
      default: 16 * MiB,
      min: 64 * KiB,
      max: 256 * MiB,
    }),
    applyBatch: integer({
      text: 'Write sets that a replica commits together.',
      unit: 'write sets',
      default: 100,
      min: 1,
      max: 10_000,
    }),
    classifyBytes: bytes({
      text: 'Longest statement that is examined at once. A longer query or data change goes to the primary; any other statement is examined in a thread of its own.',
      default: 256 * KiB,
      min: KiB,
      max: 16 * MiB,
    }),
    classifyTokens: integer({
      text: 'The same in words and signs, literals that repeat counted once: so many are examined in some hundredths of a second, in which nobody else is served. A query or data change of more goes to the primary; any other statement is examined in a thread of its own.',
      unit: 'words and signs',
      default: 4000,
      min: 500,
      max: 1_000_000,
    }),
    statementCacheEntries: integer({
      text: 'Statements whose examination is remembered.',
      unit: 'statements',
      default: 5000,
      min: 16,
      max: 1_000_000,
    }),
  }),
  hooks: z.array(hookSchema).max(50).default([]).register(optionDocs, {
    text: 'Programs and webhooks that are told when something has happened.',
    allowed: 'list of hooks',
    default: 'none',
  }),
  logging: section('What the node writes to standard error.', {
    level: choice({
      text: 'Least important line that is written.',
      values: ['trace', 'debug', 'info', 'warn', 'error', 'silent'],
      default: 'info',
    }),
    format: choice({
      text: '`auto` is `pretty` on a terminal and `json` elsewhere.',
      values: ['auto', 'json', 'pretty'],
      default: 'auto',
    }),
    values: flag({
      text: "Let operators see clients' data: constants of running statements, and what servers say of rows in their errors. It goes into logs, events and webhooks too.",
      default: false,
    }),
  }),
});

/** The file as checked, before secrets and certificates are read. */
export type FileOptions = z.output<typeof configSchema>;
export type FileSecret = NonNullable<FileOptions['password']>;
export type FileTls = NonNullable<FileOptions['tls']>;
export type FileHook = FileOptions['hooks'][number];
export type FileMember = FileOptions['members'][number];
export type FileLogin = FileOptions['admin']['users'][number];
export type TlsMode = (typeof TLS_MODES)[number];
