/** What the operator's commands ask of the engine's synchronisation and verification. */

import type {
  JobControl,
  RepairReport,
  RepairRequest,
  SyncReport,
  SyncRequest,
  SyncStatus,
  VerificationReport,
  VerificationStatus,
  VerifyReport,
  VerifyRequest,
} from '../admin/index.ts';

export interface SyncEngine {
  /** Resolves when the member is active (or, for a dry run, when it is known what would change). */
  sync(id: string, request: SyncRequest, control: JobControl): Promise<SyncReport>;
  /** Ends whatever brings the member level, and resolves when it has ended; false when there was nothing. */
  cancel(id: string): Promise<boolean>;
  statusOf(id: string): SyncStatus | null;
  verify(request: VerifyRequest, control: JobControl): Promise<VerifyReport>;
  readonly verification: VerificationStatus;
  readonly lastVerification: VerificationReport | null;
  /** Undefined: whatever the last verification found different. */
  repair(request: RepairRequest, control: JobControl): Promise<RepairReport>;
}
