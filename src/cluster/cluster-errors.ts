/** What the engine says when it cannot do what it was asked for. */

import { LockstepError, messageOf } from '../base/index.ts';
import { MemberError } from '../dialects/contract.ts';

export function asMemberError(id: string, error: unknown): MemberError {
  return error instanceof MemberError ? error : new MemberError(id, 'gone', messageOf(error));
}

/** Nobody listens there, or the server says itself that it is not ready: to ask again costs nothing. */
export function refusesConnections({ message, sqlState }: MemberError): boolean {
  return sqlState === '57P03' || /ECONNREFUSED/.test(message);
}

export function notActive(id: string): LockstepError {
  return new LockstepError({
    code: 'cluster.not-active',
    message: `member ${id} is not active and cannot become the primary`,
    hint: `First: lockstep member activate ${id}`,
  });
}

export function busy(): LockstepError {
  return new LockstepError({
    code: 'cluster.busy',
    message: 'commits under way did not end in time',
    retryable: true,
    hint: 'Try again.',
  });
}

export function nodeStops(): LockstepError {
  return new LockstepError({
    code: 'cluster.stopping',
    message: 'the node stops before it is clear what became of this',
    outcome: 'unknown',
    sqlState: '57P01',
    hint: 'Connect again later, and look.',
  });
}

export function nobodyIsLeft(ids: readonly string[]): LockstepError {
  return new LockstepError({
    code: 'cluster.last-active-member',
    message: `no member would be active without ${ids.join(', ')}`,
    hint: 'Bring another member back first.',
  });
}
