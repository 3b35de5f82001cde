/** What an operator is told who asked for a member to be brought level. */

import { LockstepError } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import { SyncFailure } from './sync-parts.ts';

export function isActiveAlready(id: string): LockstepError {
  return new LockstepError({
    code: 'cluster.member-active',
    message: `member ${id} is active: it has every commit`,
    hint: `To prove that it is equal: lockstep verify. To bring it level from the ground up: lockstep member deactivate ${id}, then this again.`,
  });
}

export function refusal(id: string, error: unknown): unknown {
  if (error instanceof SyncFailure) {
    return new LockstepError({
      code: error.kind === 'refused' ? 'cluster.not-level' : 'cluster.sync-failed',
      message: `member ${id} is not brought level: ${error.message}`,
      retryable: error.kind !== 'refused' && error.kind !== 'cancelled',
      hint: error.hint,
      cause: error,
    });
  }
  if (!(error instanceof MemberError)) return error;
  return new LockstepError({
    code: 'cluster.sync-failed',
    message: `member ${id} is not brought level: ${error.message}`,
    retryable: true,
    hint: 'Try again.',
    cause: error,
  });
}
