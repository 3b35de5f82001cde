export { PostgresCatalog } from './catalog.ts';
export type { Address, TlsSettings } from './connect.ts';
export type { InternalConnection } from './internal-connection.ts';
export { readVerifiers } from './kept-verifiers.ts';
export { logSegments } from './log-segments.ts';
export { codeOfIndex } from './marks.ts';
export { PostgresMember } from './postgres-member.ts';
export type { PostgresMemberOptions, PostgresShared } from './postgres-member.ts';
export type {
  ControlCall,
  OwnStatement,
  PostgresRequest,
  PreparedStatement,
  RequestMessage,
} from './request.ts';
export { PostgresSessionLink } from './session-link.ts';
export { carryStatement, probeQuestion } from './session-probe.ts';
export type { SessionState } from './session-probe.ts';
export { firstUserOid } from './statement-shape.ts';
export { clearingSettings, clearUnfinishedIndexes } from './unfinished-indexes.ts';
export { compareFingerprints } from './compare-fingerprints.ts';
export { comparePreflight } from './compare-preflight.ts';
export { PostgresDataSync } from './sync/postgres-data-sync.ts';
export type { PostgresDataSyncOptions } from './sync/postgres-data-sync.ts';
export { detachMember } from './detach.ts';
export { explainConnection } from './explain-connection.ts';
export type { Reach } from './explain-connection.ts';
export { takeFingerprint } from './fingerprint.ts';
export type { Fingerprint } from './fingerprint.ts';
export { memberHealth } from './member-health.ts';
export type { HealthOptions } from './member-health.ts';
export { Remarks } from './remarks.ts';
export type { Remark } from './remarks.ts';
export { preflightMember } from './preflight.ts';
export type { PreflightReport } from './preflight.ts';
