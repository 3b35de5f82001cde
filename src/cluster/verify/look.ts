/** One look at all members: commits are held for the moment in which snapshots are taken, and what they show is compared. */

import { LockstepError } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import type {
  DataSync,
  MemberSnapshot,
  PreparedSnapshot,
  WorkControl,
} from '../../dialects/sync-contract.ts';
import type { CommitBoundary } from '../commits/commit-boundary.ts';
import type { Membership } from '../membership/membership.ts';
import type { Roster } from '../roster.ts';
import type { Findings } from './findings.ts';
import { rightGroup } from './judge.ts';

export interface LookParts {
  readonly data: DataSync;
  readonly membership: Membership;
  readonly roster: Roster;
  readonly boundary: CommitBoundary;
  primaryId(): string;
}

export interface LookOptions {
  /** Those that are active. */
  readonly ids: readonly string[];
  readonly holdMs: number;
  readonly tables: readonly string[] | undefined;
  readonly control: WorkControl;
  /** Somebody else waits, or the snapshots have become old: no further table. */
  enough(): boolean;
}

export interface Looked {
  readonly csn: number;
  readonly heldMs: number;
  /** Tables that are not watched, by member. */
  readonly unwatched: Awaited<ReturnType<DataSync['compare']>>['unwatched'];
}

interface Taken {
  readonly snapshots: readonly MemberSnapshot[];
  readonly csn: number;
  readonly primaryId: string;
  readonly heldMs: number;
}

/** Rejects with a `LockstepError` that is retryable, or a `MemberError`, when another look may succeed. */
export async function look(parts: LookParts, findings: Findings, options: LookOptions): Promise<Looked> {
  const { ids, control, tables } = options;
  const { snapshots, csn, primaryId, heldMs } = await takeSnapshots(parts, options);
  try {
    const found = await parts.data.compare(snapshots, {
      control,
      tables,
      skip: findings.done,
      definitions: findings.definitionsWanted,
      right: (groups) => rightGroup(groups, primaryId),
      onTable: (one) => {
        findings.table(one, csn, { ids, primaryId });
        return !options.enough();
      },
    });
    findings.look(found, { ids, primaryId });
    return { csn, heldMs, unwatched: found.unwatched };
  } catch (error) {
    if (error instanceof MemberError && error.blame === 'diverged')
      findings.damage(error.memberId, error.message);
    throw error;
  } finally {
    for (const snapshot of snapshots) snapshot.close();
  }
}

/** Connections first: commits are held for one round trip. */
async function takeSnapshots(parts: LookParts, { ids, holdMs }: LookOptions): Promise<Taken> {
  const { boundary, data, membership, roster } = parts;
  const suspect = ids.find((id) => roster.load(id).suspect);
  if (suspect !== undefined) throw disturbed(`member ${suspect} is being asked whether it is well`);
  const prepared = await allOrNone(
    ids.map((id) => data.prepareSnapshot(roster.member(id))),
    (one) => one.close(),
  );
  try {
    return await boundary.hold(
      { ms: holdMs, applied: true, late: ({ snapshots }: Taken) => closeAll(snapshots) },
      async (csn, heldMs) => {
        const snapshots = await allOrNone(
          prepared.map((one: PreparedSnapshot) => one.take()),
          (one) => one.close(),
        );
        const taken = { snapshots, csn, primaryId: parts.primaryId(), heldMs: heldMs() };
        const why = unusable(taken, membership);
        if (why === undefined) return taken;
        closeAll(snapshots);
        throw disturbed(why);
      },
    );
  } finally {
    for (const one of prepared) one.close();
  }
}

/**
 * A member that left while commits were held has not been waited for: its snapshot may stand for an earlier place. One that shows
 * a later place has been written to by another node.
 */
function unusable({ snapshots, csn, primaryId }: Taken, membership: Membership): string | undefined {
  for (const { memberId, csn: shown } of snapshots) {
    if (membership.entry(memberId)?.state !== 'active') return `member ${memberId} was taken out meanwhile`;
    if (shown > csn) return `member ${memberId} is at CSN ${shown} already, the cluster at ${csn}`;
  }
  return snapshots.some(({ memberId }) => memberId === primaryId)
    ? undefined
    : 'another member became the primary meanwhile';
}

/** When one rejects, this does at once; what the others bring is put away as it comes. */
async function allOrNone<T>(works: readonly Promise<T>[], putAway: (one: T) => void): Promise<readonly T[]> {
  try {
    return await Promise.all(works);
  } catch (error) {
    for (const work of works) void work.then(putAway, () => undefined);
    throw error;
  }
}

function closeAll(snapshots: readonly MemberSnapshot[]): void {
  for (const snapshot of snapshots) snapshot.close();
}

function disturbed(why: string): LockstepError {
  return new LockstepError({
    code: 'cluster.busy',
    message: `members could not be compared just then: ${why}`,
    retryable: true,
    hint: 'It is tried again.',
  });
}

/** Whether another look may succeed. */
export function isPassing(error: unknown): boolean {
  return error instanceof MemberError || (error instanceof LockstepError && error.retryable);
}
