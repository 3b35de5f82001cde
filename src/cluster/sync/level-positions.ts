/**
 * Sequences of a member that did not copy them: they are set to where another member's stand. The log raises sequences and never
 * takes one back; but who was the primary may stand ahead of the others, by what nobody acknowledged or by a crash.
 */

import type { Clock } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import type { Member } from '../../dialects/contract.ts';
import { SyncFailure } from './sync-parts.ts';
import type { SyncParts, SyncTools } from './sync-parts.ts';
import { questionMs, unlessEnded } from './watched.ts';

/**
 * Of a member that comes back by replay, before the log is applied: so they end where the source's end. What the log holds up to
 * where the member is, is not applied any more: the source must have got there too.
 */
export async function levelPositions(
  parts: SyncParts,
  member: Member,
  { afterCsn, signal }: { readonly afterCsn: number; readonly signal: AbortSignal },
): Promise<void> {
  const { membership, roster, streams, tools, world } = parts;
  if (tools === undefined) return;
  await parts.gate.passed();
  const primaryId = parts.primaryId();
  const replica = membership.active.find(
    (id) =>
      !roster.load(id).suspect && !parts.isContested(id) && (streams.get(id)?.appliedCsn ?? -1) >= afterCsn,
  );
  const source = roster.member(replica ?? primaryId);
  const { clock } = world;
  try {
    await level(tools, clock, { member, source, term: membership.term, ms: questionMs, signal });
  } catch (error) {
    throw error instanceof MemberError && error.memberId === source.id
      ? new SyncFailure('source', error.message)
      : error;
  }
}

/** Others may wait for it: who does not answer within `ms`, or before `signal` ends, is given up. */
export async function level(
  { data }: SyncTools,
  clock: Clock,
  {
    member,
    source,
    term,
    ms,
    signal = new AbortController().signal,
  }: { member: Member; source: Member; term: number; ms: number; signal?: AbortSignal },
): Promise<void> {
  const givenUp = new AbortController();
  try {
    const levelled = data.levelPositions(member, source, { term, signal: givenUp.signal });
    await unlessEnded(clock, { signal, ms }, levelled);
  } finally {
    givenUp.abort();
  }
}
