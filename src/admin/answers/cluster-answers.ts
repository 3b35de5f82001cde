/** The cluster, its clients, what has happened in it. */
import { z } from 'zod';
import { EVENT_LEVELS } from '../insight.ts';
import type { EventEntry, EventPage, SessionInfo, TrafficSample } from '../insight.ts';
import { SYNC_STRATEGIES } from '../operations.ts';
import type { ClusterStatus, CommandResult, MemberStatus, ReloadResult, SyncStatus } from '../operations.ts';
import { answer, moment } from './answer.ts';
import { progressAnswer } from './work-answers.ts';

const result = {
  changed: z.boolean().describe('False when everything was already as asked for.'),
  message: z.string(),
};
export const resultAnswer = answer<CommandResult>('Result', z.object(result));
export const reloadAnswer = answer<ReloadResult>(
  'ReloadResult',
  z.object({ ...result, applied: z.array(z.string()), needsRestart: z.array(z.string()) }),
);

const syncStatus = answer<SyncStatus>(
  'SyncStatus',
  z.object({
    state: z.enum(['running', 'waiting']),
    attempt: z.int(),
    strategy: z.enum(SYNC_STRATEGIES).nullable(),
    reason: z.string().nullable().describe('Why this strategy; between attempts why the last one ended.'),
    source: z.string().nullable(),
    dryRun: z.boolean(),
    startedAt: moment.nullable(),
    nextRetryAt: moment.nullable(),
    quarantined: z.boolean(),
    progress: progressAnswer.nullable(),
  }),
);

const memberStatus = answer<MemberStatus>(
  'Member',
  z.object({
    id: z.string(),
    url: z.string(),
    weight: z.int(),
    active: z.boolean(),
    state: z.string(),
    role: z.enum(['primary', 'replica', 'none']),
    reason: z.string().nullable().describe('Why it is inactive.'),
    since: z
      .string()
      .describe('ISO 8601: since when it is active or inactive; empty before that was recorded.'),
    load: z.int().describe('Requests in flight.'),
    latencyMs: z.number().nullable(),
    appliedCsn: z.int().nullable(),
    lagCsn: z.int().nullable().describe('Acknowledged commits that it has not applied.'),
    version: z.string().nullable(),
    risks: z.array(z.string()).describe('Settings that endanger what it holds.'),
    sync: syncStatus.nullable(),
  }),
);

const outcome = z.enum(['equal', 'differs', 'unchecked']);

export const statusAnswer = answer<ClusterStatus>(
  'Status',
  z.object({
    cluster: z.string(),
    role: z.enum(['master', 'failover']),
    term: z.int(),
    version: z.int().describe('Of the membership.'),
    csn: z.int().describe('Highest one that was acknowledged.'),
    primary: z.string().nullable(),
    listen: z.array(z.string()),
    uptimeMs: z.number(),
    paused: z.boolean(),
    clients: z.int(),
    members: z.array(memberStatus),
    verification: z.object({
      at: moment.nullable(),
      outcome: outcome.nullable(),
      reason: z.string().nullable(),
      nextAt: moment.nullable(),
      contest: z
        .object({
          at: moment,
          primary: z.string(),
          members: z.array(z.string()).describe('They differ from the primary and answer no reads.'),
          findings: z.array(z.object({ member: z.string(), text: z.string() })),
        })
        .nullable()
        .describe('The primary differs from replicas and nobody agrees with it: a person has to decide.'),
      tables: z.array(z.object({ table: z.string(), at: moment, csn: z.int(), outcome })),
    }),
    file: z
      .object({
        state: z.enum(['same', 'edited', 'broken']),
        missing: z.array(z.string()).describe('Members of the cluster that it does not name any more.'),
        unread: z.array(z.string()).describe('Changed in it by hand, and not taken over.'),
        waiting: z.array(z.string()).describe('In it, and left until the node is started again.'),
        fault: z.string().nullable().describe('Why the node could not work by it.'),
      })
      .describe('Whether the configuration file still says what the node works by.'),
  }),
);

const event = answer<EventEntry>(
  'Event',
  z.object({
    id: z.int().describe('Grows by one with each event, also across restarts.'),
    at: moment,
    type: z.string(),
    level: z.enum(EVENT_LEVELS),
    member: z.string().exactOptional(),
    text: z.string(),
    data: z.record(z.string(), z.unknown()),
  }),
);
export const eventsAnswer = answer<EventPage>(
  'EventPage',
  z.object({ events: z.array(event).describe('The newest first.'), more: z.boolean() }),
);

const percentiles = z.object({
  p50: z.number().nullable(),
  p95: z.number().nullable(),
  p99: z.number().nullable(),
});

const sample = answer<TrafficSample>(
  'TrafficSample',
  z.object({
    at: moment,
    writesPerSecond: z.number(),
    readsPerSecond: z.number(),
    commitMs: percentiles,
    readMs: percentiles,
    sessions: z.int(),
    longestPauseMs: z.number(),
    members: z.record(
      z.string(),
      z.object({
        readsPerSecond: z.number(),
        latencyMs: z.number().nullable(),
        lagCsn: z.int().nullable(),
        load: z.int(),
      }),
    ),
  }),
);
export const trafficAnswer = answer<readonly TrafficSample[]>('Traffic', z.array(sample));

const session = answer<SessionInfo>(
  'Session',
  z.object({
    id: z.int(),
    user: z.string(),
    application: z.string().nullable(),
    address: z.string(),
    state: z.enum(['active', 'idle', 'idle in transaction']),
    since: moment,
    statement: z.string().nullable(),
    member: z.string().nullable(),
  }),
);
export const sessionsAnswer = answer<readonly SessionInfo[]>('Sessions', z.array(session));
