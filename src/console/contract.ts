/**
 * What crosses between the page and the node. Shapes that the node's operators' side defines are taken from there, as
 * types only: nothing of the node is in the page.
 */
import type {
  ClusterStatus,
  ConfigView,
  ErrorJson,
  EventEntry,
  JobStatus,
  TrafficSample,
  VerificationReport,
} from '../admin/index.ts';

export type {
  Candidate,
  ClusterStatus,
  ConfigChanged,
  ConfigView,
  EventPage,
  Finding,
  JobStatus,
  MemberChange,
  MemberStatus,
  MemberTraffic,
  NewMember,
  OptionChange,
  PreflightView,
  ReloadResult,
  SetUpAnswer,
  SetUpInput,
  SetUpState,
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
  /** There is no node yet: it is set up here. */
  readonly setUp?: true;
}

/** `field` names what was wrong in the input: a key of it, or the path of an option. */
export interface ErrorBody {
  readonly error: Pick<ErrorJson, 'code' | 'message' | 'hint'> & { readonly field?: string };
}

export type ConfigOption = ConfigView['options'][number];

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
