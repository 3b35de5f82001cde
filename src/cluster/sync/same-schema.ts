/**
 * What a member missed is in the log; what somebody did to its schema while it was away is not. So before a member that replayed
 * counts, its schema is held against the others'. Statements that are under way show as differences too: what is the same
 * difference again and again, while the member keeps up, is a real one. A table without its triggers is one: nobody knows what was
 * written to it.
 */

import { MemberError } from '../../dialects/contract.ts';
import type { Member } from '../../dialects/contract.ts';
import type { DataSync } from '../../dialects/sync-contract.ts';
import { refuseUnlike } from './choose-strategy.ts';
import { SyncFailure } from './sync-parts.ts';
import type { SyncParts } from './sync-parts.ts';
import { questionMs, stepMsMax, unlessEnded, watch } from './watched.ts';

const looksMax = 3;
const shownMax = 3;

/** `reach`: resolves when the member has applied what is dispatched by now. */
export async function demandSameSchema(
  parts: SyncParts,
  member: Member,
  { reach, signal }: { readonly reach: () => Promise<void>; readonly signal: AbortSignal },
): Promise<void> {
  const data = parts.tools?.data;
  if (data === undefined) return;
  let lasting: readonly string[] | undefined;
  for (let look = 0; look < looksMax; look++) {
    await reach();
    const found = await differences(parts, data, { member, signal });
    const before = lasting;
    lasting = before === undefined ? found : found.filter((one) => before.includes(one));
    if (lasting.length === 0) return;
  }
  const shown = (lasting ?? []).slice(0, shownMax).join('; ');
  const more = (lasting ?? []).length - shownMax;
  throw new SyncFailure('differs', `its schema differs: ${shown}${more > 0 ? `; and ${more} more` : ''}`);
}

async function differences(
  parts: SyncParts,
  data: DataSync,
  { member, signal }: { readonly member: Member; readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const primaryId = parts.primaryId();
  const sourceId =
    parts.membership.active.find((id) => id !== primaryId && !parts.isContested(id)) ?? primaryId;
  const source = parts.roster.member(sourceId);
  const watched = watch(parts, { source, target: member, signal });
  const unless = <T>(ms: number, work: Promise<T>): Promise<T> =>
    unlessEnded(parts.world.clock, { signal: watched.signal, ms }, work);
  const opening = data.openSnapshot(source);
  try {
    const snapshot = await unless(questionMs, opening);
    const unlike = await unless(stepMsMax, data.compareDatabases(snapshot, member));
    if (unlike !== undefined) {
      const { reason, hint } = refuseUnlike(unlike);
      throw new SyncFailure('refused', reason, hint);
    }
    const verdict = await unless(stepMsMax, data.compareSchema(snapshot, member));
    if (verdict.kind !== 'equal') return verdict.kind === 'empty' ? ['it is empty'] : verdict.differences;
    const unwatched = await unless(stepMsMax, data.unwatchedTables(member));
    return unwatched.map(({ text }) => text);
  } catch (error) {
    if (error instanceof MemberError && error.memberId === sourceId)
      throw new SyncFailure('source', error.message);
    throw error;
  } finally {
    watched.end();
    opening.then((snapshot) => snapshot.close()).catch(() => undefined);
  }
}
