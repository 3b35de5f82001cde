/** The proof that members without a common history hold the same: schema, rows and sequences, each from one snapshot. */

import type { Member } from '../dialects/contract.ts';
import { compareFingerprints, PostgresMember, takeFingerprint } from '../dialects/postgres/index.ts';
import type { Fingerprint } from '../dialects/postgres/index.ts';

export async function proveEqual(members: readonly Member[]): Promise<readonly string[]> {
  const taken = await Promise.all(
    members.map(async (member): Promise<readonly [string, Fingerprint]> => {
      const fingerprint = await (member as PostgresMember).use((connection) => takeFingerprint(connection));
      return [member.id, fingerprint];
    }),
  );
  return compareFingerprints(new Map(taken)).map((difference) => difference.message);
}
