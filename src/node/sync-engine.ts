/** What the operator's commands ask of the engine's synchronisation and verification. */

import type {
  JobControl,
  RepairReport,
  SyncReport,
  SyncRequest,
  SyncStatus,
  VerificationStatus,
  VerifyReport,
  VerifyRequest,
} from '../admin/index.ts';
import { LockstepError } from '../base/index.ts';

export interface SyncEngine {
  /** Resolves when the member is active (or, for a dry run, when it is known what would change). */
  sync(id: string, request: SyncRequest, control: JobControl): Promise<SyncReport>;
  /** Ends whatever brings the member level, and resolves when it has ended; false when there was nothing. */
  cancel(id: string): Promise<boolean>;
  statusOf(id: string): SyncStatus | null;
  verify(request: VerifyRequest, control: JobControl): Promise<VerifyReport>;
  readonly verification: VerificationStatus;
  /** Undefined: whatever the last verification found different. */
  repair(id: string | undefined, control: JobControl): Promise<RepairReport>;
}

export const noSyncEngine: SyncEngine = {
  sync: () => Promise.reject(notYet('synchronise members')),
  cancel: () => Promise.resolve(false),
  statusOf: () => null,
  verify: () => Promise.reject(notYet('verify members')),
  verification: { at: null, outcome: null, reason: null, nextAt: null, tables: [] },
  repair: () => Promise.reject(notYet('repair members')),
};

function notYet(what: string): LockstepError {
  return new LockstepError({ code: 'node.not-yet', message: `this version does not ${what} yet` });
}
