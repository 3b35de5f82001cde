/**
 * Sequences of a member that comes back by replay. What it missed raises them and never takes one back; but as a primary that
 * crashed it may stand ahead of the others. Set to another member's before the log is applied, they end where that one's end.
 */

import { MemberError } from '../../dialects/contract.ts';
import type { Member } from '../../dialects/contract.ts';
import { SyncFailure } from './sync-parts.ts';
import type { SyncParts } from './sync-parts.ts';

export async function levelPositions(parts: SyncParts, member: Member): Promise<void> {
  const { membership, roster, tools } = parts;
  const primaryId = parts.primaryId();
  const sourceId = membership.active.find((id) => id !== primaryId) ?? primaryId;
  try {
    await tools?.data.levelPositions(member, roster.member(sourceId), membership.term);
  } catch (error) {
    throw error instanceof MemberError && error.memberId === sourceId
      ? new SyncFailure('source', error.message)
      : error;
  }
}
