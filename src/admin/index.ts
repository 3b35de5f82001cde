export { adminAddress } from './admin-address.ts';
export { AdminClient } from './admin-client.ts';
export { openAdminServer } from './admin-server.ts';
export type { AdminServer } from './admin-server.ts';
export type { Authority, Command, DoorCommand } from './command.ts';
export { CommandRunner } from './command-runner.ts';
export type { AuditRecord, Caller } from './command-runner.ts';
export {
  COMMANDS,
  activateMember,
  addMember,
  cancelJob,
  cancelSession,
  cancelSync,
  deactivateMember,
  events,
  jobs,
  pause,
  reload,
  removeMember,
  repair,
  resume,
  sessions,
  status,
  switchPrimary,
  syncMember,
  traffic,
  verification,
  verify,
} from './commands/index.ts';
export type { SyncMemberInput } from './commands/sync-member.ts';
export { errorToJson } from './error-json.ts';
export type { ErrorJson } from './error-json.ts';
export { openHttpDoor } from './http/http-door.ts';
export type { HttpDoor, HttpDoorOptions, Readiness } from './http/http-door.ts';
export { openSetUpDoor } from './http/set-up-door.ts';
export type { SetUpDoor } from './http/set-up-door.ts';
export { openApiDocument } from './http/openapi.ts';
export { operatorToken, tokenFiles } from './http/tokens.ts';
export type {
  EventEntry,
  EventFilter,
  EventPage,
  Insight,
  Listeners,
  MemberTraffic,
  Percentiles,
  SessionInfo,
  TrafficSample,
} from './insight.ts';
export { Jobs } from './jobs.ts';
export type { JobControl, JobKind, JobOf, JobResults, JobStatus } from './jobs.ts';
export { SYNC_STRATEGIES } from './operations.ts';
export type {
  ClusterStatus,
  FileStatus,
  CommandResult,
  Contest,
  MemberDifference,
  MemberStatus,
  NewMember,
  Operations,
  ReloadResult,
  RepairReport,
  RepairRequest,
  SyncReport,
  SyncRequest,
  SyncStatus,
  SyncStrategy,
  TableChange,
  VerificationReport,
  VerificationStatus,
  VerifyReport,
  VerifyRequest,
  WorkPhase,
  WorkProgress,
} from './operations.ts';
export type {
  Candidate,
  ConfigChanged,
  ConfigView,
  Finding,
  MemberChange,
  OptionChange,
  PreflightView,
  Settings,
} from './settings.ts';
export type { SetUp, SetUpAnswer, SetUpInput, SetUpState } from './set-up.ts';
export { SqlDoor } from './sql/sql-door.ts';
export type { SqlAnswer, SqlStatement } from './sql/sql-door.ts';
