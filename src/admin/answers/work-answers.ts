/** Long work: how far it is and what it ends with. */
import { z } from 'zod';
import type { ErrorJson } from '../error-json.ts';
import type { JobStatus } from '../jobs.ts';
import type {
  MemberDifference,
  RepairReport,
  SyncReport,
  TableChange,
  VerificationReport,
  VerifyReport,
  WorkProgress,
} from '../operations.ts';
import { SYNC_STRATEGIES } from '../operations.ts';
import { answer, moment } from './answer.ts';

export const errorAnswer = answer<ErrorJson>(
  'Error',
  z.object({
    code: z.string(),
    message: z.string(),
    outcome: z.enum(['none', 'done', 'unknown']).describe('Whether the work has happened.'),
    retryable: z.boolean(),
    hint: z.string().describe('What to do.').exactOptional(),
    field: z.string().describe('The part of the input that was wrong.').exactOptional(),
  }),
);

const ofTable = z.object({
  rowsDone: z.number(),
  rowsTotal: z.number(),
  bytesDone: z.number(),
  leftMs: z.number().nullable(),
});

export const progressAnswer = answer<WorkProgress>(
  'WorkProgress',
  z.object({
    phase: z.enum([
      'choose',
      'snapshot',
      'schema',
      'compare',
      'copy',
      'repair',
      'conclude',
      'indexes',
      'catch-up',
      'join',
    ]),
    table: z.string().nullable(),
    tablesDone: z.int(),
    tablesTotal: z.int().describe('0 when it is not known yet; so are the other totals.'),
    rowsDone: z.number(),
    rowsTotal: z.number().describe('An estimate.'),
    bytesDone: z.number(),
    rowsPerSecond: z.number(),
    bytesPerSecond: z.number(),
    leftMs: z.number().nullable().describe('Null when nothing can be said yet.'),
    ofTable: ofTable.nullable().describe('The same of the table that is named.'),
    lagCsn: z.int().nullable().describe('Commits that the member still lacks; null until that matters.'),
  }),
);

const tableChange = answer<TableChange>(
  'TableChange',
  z.object({
    table: z.string(),
    missing: z.number().describe('Rows that the member lacked. A changed row counts in both.'),
    extra: z.number().describe('Rows that only it had.'),
    samples: z.array(z.object({ kind: z.enum(['missing', 'extra']), row: z.string() })),
  }),
);

const syncReport = answer<SyncReport>(
  'SyncReport',
  z.object({
    member: z.string(),
    source: z.string().nullable(),
    strategy: z.enum(SYNC_STRATEGIES),
    reason: z.string().describe('Why this strategy.'),
    dryRun: z.boolean(),
    tables: z.array(tableChange).describe('Those in which something changed, or would.'),
    keptFile: z.string().nullable().describe('The file with the rows that were removed or overwritten.'),
    rows: z.number(),
    bytes: z.number(),
    tookMs: z.number(),
  }),
);

const outcome = z.enum(['equal', 'differs', 'unchecked']);

const memberDifference = answer<MemberDifference>(
  'MemberDifference',
  z.object({
    member: z.string(),
    schema: z.array(z.string()),
    tables: z.array(
      z.object({
        table: z.string(),
        missing: z.number(),
        extra: z.number(),
        samples: z.array(z.object({ kind: z.enum(['missing', 'extra']), row: z.string() })),
        atLeast: z.boolean().describe('There are more than were counted.'),
      }),
    ),
    sequences: z.array(z.string()),
  }),
);

const verifyReport = answer<VerifyReport>(
  'VerifyReport',
  z.object({
    outcome,
    reason: z.string().nullable().describe('Why something could not be checked.'),
    csn: z.int().nullable().describe('At which place in the order the members were compared.'),
    members: z.array(z.string()),
    tables: z.int(),
    rows: z.number(),
    differences: z.array(memberDifference).describe('Of members that are wrong.'),
    contested: z
      .array(memberDifference)
      .describe(
        'Of members that differ from the primary where nobody agrees with it: a person has to decide.',
      ),
    settled: z.array(z.object({ member: z.string(), text: z.string() })),
    heldMs: z.number().describe('How long commits waited while the snapshots were opened.'),
    tookMs: z.number(),
  }),
);

const repairReport = answer<RepairReport>(
  'RepairReport',
  z.object({
    members: z.array(syncReport),
    watched: z.array(z.object({ member: z.string(), tables: z.array(z.string()) })),
  }),
);

const state = z.enum(['running', 'done', 'failed', 'cancelled']);
const common = {
  id: z.int().describe('Counts from 1 since the node started.'),
  member: z.string().nullable().describe('Null: all of them.'),
  state,
  startedAt: moment,
  endedAt: moment.nullable(),
  progress: progressAnswer.nullable(),
  error: errorAnswer.nullable(),
};
const jobs = {
  sync: { ...common, kind: z.literal('sync'), result: syncReport.nullable() },
  verify: { ...common, kind: z.literal('verify'), result: verifyReport.nullable() },
  repair: { ...common, kind: z.literal('repair'), result: repairReport.nullable() },
};

export const jobAnswer = answer<JobStatus>(
  'Job',
  z.union([z.object(jobs.sync), z.object(jobs.verify), z.object(jobs.repair)]),
);
export const jobsAnswer = answer<readonly JobStatus[]>('Jobs', z.array(jobAnswer));

/** Over HTTP the command that began it stands beside it. */
const command = { command: z.string() };
export const namedJobAnswer = answer<JobStatus & { readonly command: string }>(
  'NamedJob',
  z.union([
    z.object({ ...jobs.sync, ...command }),
    z.object({ ...jobs.verify, ...command }),
    z.object({ ...jobs.repair, ...command }),
  ]),
);

const row = z.record(z.string(), z.string().nullable());

const verificationReport = answer<VerificationReport>(
  'VerificationReport',
  z.object({
    at: moment,
    outcome,
    reason: z.string().nullable(),
    csn: z.int().nullable(),
    members: z.array(z.string()),
    heldMs: z.number(),
    tookMs: z.number(),
    findings: z.array(z.object({ member: z.string(), text: z.string() })),
    tables: z.array(
      z.object({
        table: z.string(),
        rows: z.number(),
        outcome,
        members: z.record(z.string(), outcome),
        differences: z.array(
          z.object({
            key: row.nullable().describe('Null: the table has no key.'),
            columns: z.array(z.string()).describe('Those in which the row is not the same everywhere.'),
            values: z
              .record(z.string(), row.nullable())
              .describe('Of each member; null: it has no such row.'),
          }),
        ),
      }),
    ),
  }),
);
export const lastVerificationAnswer = answer<VerificationReport | null>(
  'LastVerification',
  verificationReport.nullable(),
);
