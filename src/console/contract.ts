/**
 * What crosses between the page and the node. Shapes that the node's operators' side defines are taken from there, as
 * types only: nothing of the node is in the page.
 */
import type {
  ClusterStatus,
  ErrorJson,
  EventEntry,
  JobStatus,
  TrafficSample,
  VerificationReport,
} from '../admin/index.ts';

export type {
  ClusterStatus,
  EventPage,
  JobStatus,
  MemberStatus,
  MemberTraffic,
  SyncReport,
  SyncStatus,
  SyncStrategy,
  TableChange,
  TrafficSample,
  VerificationReport,
  VerifyReport,
  WorkProgress,
} from '../admin/index.ts';
export type { EventEntry as ClusterEvent, SessionInfo as ClientSession } from '../admin/index.ts';

export type VerifiedTable = VerificationReport['tables'][number];

/** Who is signed in. */
export interface SignedIn {
  readonly role: 'operator' | 'read-only';
  /** Sent back with every call that changes something. */
  readonly csrf: string;
}

/** `field` names what was wrong in the input: a key of it, or the path of an option. */
export interface ErrorBody {
  readonly error: Pick<ErrorJson, 'code' | 'message' | 'hint'> & { readonly field?: string };
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
  readonly event: EventEntry;
  readonly traffic: TrafficSample;
}
