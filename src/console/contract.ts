/**
 * What crosses between the page and the node. Shapes that the node's operators' side defines are taken from there, as
 * types only: nothing of the node is in the page.
 */
import type { ClusterStatus, ErrorJson, JobStatus } from '../admin/index.ts';

export type {
  ClusterStatus,
  JobStatus,
  MemberStatus,
  RepairReport,
  SyncReport,
  SyncStatus,
  SyncStrategy,
  TableChange,
  VerifyReport,
  WorkProgress,
} from '../admin/index.ts';

export interface SessionInfo {
  readonly role: 'operator' | 'read-only';
  /** Sent back with every call that changes something. */
  readonly csrf: string;
}

/** `field` names what was wrong in the input: a key of it, or the path of an option. */
export interface ErrorBody {
  readonly error: Pick<ErrorJson, 'code' | 'message' | 'hint'> & { readonly field?: string };
}

export type EventLevel = 'debug' | 'info' | 'warn' | 'error';

export interface ClusterEvent {
  readonly id: number;
  /** ISO 8601. */
  readonly at: string;
  readonly type: string;
  readonly level: EventLevel;
  readonly member?: string;
  /** One line for people. */
  readonly text: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface EventsPage {
  /** Newest first. */
  readonly events: readonly ClusterEvent[];
  /** There are older ones. */
  readonly more: boolean;
}

export interface Percentiles {
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

export interface MemberTraffic {
  readonly readsPerSecond: number;
  readonly latencyMs: number | null;
  readonly lagCsn: number | null;
  readonly load: number;
}

/** One second of the node's work. */
export interface TrafficSample {
  readonly at: string;
  readonly writesPerSecond: number;
  readonly readsPerSecond: number;
  readonly commitMs: Percentiles;
  readonly readMs: Percentiles;
  readonly sessions: number;
  readonly longestPauseMs: number;
  readonly members: Readonly<Record<string, MemberTraffic>>;
}

export interface ClientSession {
  readonly id: number;
  readonly user: string;
  readonly application: string | null;
  readonly address: string;
  readonly state: string;
  /** ISO 8601: since when it is in this state. */
  readonly since: string;
  readonly statement: string | null;
  readonly member: string | null;
}

export interface ConfigOption {
  /** `probe.intervalMs` */
  readonly path: string;
  readonly type: string;
  readonly default: string;
  readonly help: string;
  /** A change of it takes effect when the node is started again. */
  readonly restart: boolean;
  /** In words, or the values themselves. */
  readonly allowed?: string | readonly string[];
}

export interface ConfigView {
  readonly file: string;
  readonly text: string;
  readonly values: Readonly<Record<string, unknown>>;
  readonly options: readonly ConfigOption[];
  readonly problems: readonly ConfigProblem[];
}

export interface ConfigProblem {
  readonly severity?: string;
  readonly path?: string;
  readonly message: string;
}

export interface ConfigChanged {
  readonly applied: readonly string[];
  readonly needsRestart: readonly string[];
}

/** Where the node finds a password, or the password itself, which is only ever used to try a connection. */
export type Secret = string | { readonly env: string } | { readonly file: string };

export interface Finding {
  readonly name: string;
  readonly ok: 'ok' | 'warn' | 'fail';
  readonly found: string;
  readonly cure?: string;
}

export interface PreflightReport {
  readonly members: readonly {
    readonly id: string;
    readonly url: string;
    readonly findings: readonly Finding[];
  }[];
  /** What only the comparison of members shows. */
  readonly cluster: readonly Finding[];
}

export type CellOutcome = 'equal' | 'differs' | 'unchecked';

export interface RowDifference {
  readonly key: string | null;
  readonly columns: readonly string[];
  /** What each member has; null: it has no such row. */
  readonly values: Readonly<Record<string, Readonly<Record<string, string | null>> | null>>;
}

export interface VerifiedTable {
  readonly table: string;
  readonly rows: number;
  readonly outcome: CellOutcome;
  readonly members: Readonly<Record<string, CellOutcome>>;
  /** By member, how many rows it lacks and how many only it has. */
  readonly counts: Readonly<Record<string, { readonly missing: number; readonly extra: number }>>;
  /** A few of the rows. */
  readonly differences: readonly RowDifference[];
}

export interface VerificationView {
  /** ISO 8601. */
  readonly at: string;
  readonly outcome: CellOutcome;
  /** Why something could not be checked. */
  readonly reason: string | null;
  /** At which place in the order the members were compared. */
  readonly csn: number | null;
  readonly tables: readonly VerifiedTable[];
  /** What differs besides rows: one sentence each. */
  readonly others: readonly { readonly member: string; readonly difference: string }[];
}

/** Of a command: it is done, or it goes on as a job. */
export interface CommandAnswer {
  readonly changed?: boolean;
  readonly message?: string;
  readonly job?: Pick<JobStatus, 'id'>;
}

export interface JobsView {
  readonly jobs: readonly JobStatus[];
}

/** What the stream of the node carries, by the name of the server-sent event. */
export interface StreamEvents {
  readonly status: ClusterStatus;
  readonly event: ClusterEvent;
  readonly traffic: TrafficSample;
}
