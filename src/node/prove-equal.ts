/** The proof that members without a common history hold the same: schema, rows and sequences, each from one snapshot. */

import type { Member } from '../dialects/contract.ts';
import { compareFingerprints, PostgresMember, takeFingerprint } from '../dialects/postgres/index.ts';
import type { Fingerprint } from '../dialects/postgres/index.ts';

const sayEveryMs = 2000;

export interface ProofProgress {
  readonly member: string;
  readonly tablesDone: number;
  readonly tablesTotal: number;
}

/** `onProgress`: who is farthest back, now and then. */
export async function proveEqual(
  members: readonly Member[],
  onProgress: (progress: ProofProgress) => void,
): Promise<readonly string[]> {
  const reached = new Map<string, ProofProgress>();
  let saidMs = performance.now();
  const note = (progress: ProofProgress): void => {
    reached.set(progress.member, progress);
    const now = performance.now();
    if (now - saidMs < sayEveryMs) return;
    saidMs = now;
    onProgress([...reached.values()].reduce((last, one) => (one.tablesDone < last.tablesDone ? one : last)));
  };
  const taken = await Promise.all(
    members.map(async (member): Promise<readonly [string, Fingerprint]> => {
      const { id } = member;
      const fingerprint = await (member as PostgresMember).use((connection) =>
        takeFingerprint(connection, {
          onProgress: ({ tablesDone, tablesTotal }) => note({ member: id, tablesDone, tablesTotal }),
        }),
      );
      return [id, fingerprint];
    }),
  );
  return compareFingerprints(new Map(taken)).map((difference) => difference.message);
}
